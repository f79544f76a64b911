"""A calendar's body into occurrences, component by component, distrusting each.

See RFC 5545 and RFC 7953. Runs in the child process of
:mod:`calendar_timetable.calendars.ical.expand`, and in ``calendar-timetable import``. Series are
expanded in the wall-clock time of their own zone, without any zone attached, and turned into
instants afterwards (see :mod:`.series`).
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from operator import itemgetter
from types import FrameType
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.feed.body import to_utf8
from calendar_timetable.calendars.ical.bundle import MARK, collection_of
from calendar_timetable.calendars.ical.parser import (
    Component,
    ContentLine,
    Unreadable,
    read_calendars,
)
from calendar_timetable.calendars.ical.properties import (
    CalendarTime,
    parse_duration,
    parse_time,
    texts_of,
    uid_of,
)
from calendar_timetable.calendars.ical.series import (
    LATEST,
    SeriesComponent,
    expand_series,
    has_instance,
    read_part,
    without_own_recurrence,
)
from calendar_timetable.calendars.ical.series_cache import Row, SeriesCache, series_digest
from calendar_timetable.calendars.ical.timezones import FeedZones, is_place, named_zone
from calendar_timetable.calendars.occurrences import (
    Details,
    ParsedCalendar,
    Problem,
    is_given,
    zone_of,
)
from calendar_timetable.planning.spans import Spans

_BEGIN, _END, _NEWLINES = b"\nBEGIN:VEVENT", b"\nEND:VEVENT", (b"\r\n", b"\n")
# Each pattern begins with the end of the line before: the engine looks for that one byte several
# times as fast as for "^".
# Of a folded UID it is only the beginning.
_UID = re.compile(rb"\n[Uu][Ii][Dd](?:;[^:\r\n]*)?:[ \t]*([^\r\n]*)")
_LINKED = re.compile(
    rb"\n(?:RRULE|RDATE|EXRULE|RECURRENCE-ID|DURATION|BEGIN:VEVENT)\b", re.IGNORECASE
)
_DAY = rb"(\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
_CLOCK = rb"(T(?:[01]\d|2[0-3])[0-5]\d[0-5]\d)?(Z?)"
_TIME = re.compile(
    rb"\nDT(START|END)((?:;VALUE=DATE(?:-TIME)?|;TZID=[\w/+ -]+)*):"
    + _DAY
    + _CLOCK
    + rb"\r?(?=\n(?![ \t]))"
)
_ZONE = re.compile(rb"TZID=([^;]+)")
_SLACK = timedelta(days=3)  # more than any two clocks on earth differ

_NEVER = 0, 0  # the span of what takes up no time
_MOST_EAST = 14 * 3600  # seconds that a clock may be from UTC
_FAILURES = (Unreadable, ArithmeticError, ValueError)

# A component may use 1/_TIME_SHARES of the time left, so that many hostile ones never use it all.
_TIME_SHARES = 8
_MIN_SHARE = 0.05  # seconds, the least that a component gets

_COUNTED = ("VEVENT", "VFREEBUSY", "VAVAILABILITY")
_HEAD_BYTES = 1000  # bytes that tell which line ends a body has
T = TypeVar("T")


def read(
    body: bytes, start: int, end: int, default_zone: str, seconds: float, earlier: bytes = b""
) -> ParsedCalendar:
    """Return what *body* holds between *start* and *end* (epoch seconds).

    *default_zone* (an IANA name) is for all-day and floating times of a calendar that names no
    place, or of any calendar if it was marked by :func:`mark_as_given`. Components that would take
    more than their share of *seconds* of processor time are quarantined. What has not changed since
    an *earlier* reading for the same stretch and zone, as the series cache keeps it, is taken from
    there. Raises :class:`Unreadable` if the body is no calendar or exceeds a limit as a whole.
    """
    reader = _Reader(start, end, seconds, SeriesCache(earlier))
    if b"\r" in body[:_HEAD_BYTES].replace(b"\r\n", b""):
        body = to_utf8(body)
    body, components = drop_past_events(body, start)
    for calendar in read_calendars(body):
        components += sum(block.name in _COUNTED for block in calendar.blocks)
        reader.read_calendar(calendar, default_zone)
    reader.read_series()
    return reader.result(components)


class _Event(NamedTuple):
    """One component, and how its calendar tells time; *context* is what else gives it meaning."""

    block: Component
    clock: CalendarTime
    context: str = ""
    cancelled: bool = False  # by the METHOD of its calendar (RFC 5546 section 3.2.5)


class _Reader:
    """What has been read so far of one body: occurrences (``rows``) and problems."""

    def __init__(self, start: int, end: int, seconds: float, memory: SeriesCache) -> None:
        self.start, self.end = start, min(end, LATEST)
        self.memory = memory
        self.budget = Budget(seconds)
        self.rows: list[Row] = []
        self.problems: list[Problem] = []
        # By UID; events without one are each alone, by a number. Within, by collection.
        self.series: dict[tuple[str, int], dict[str, list[_Event]]] = defaultdict(dict)
        self.zone = ""

    def clock_of(self, calendar: Component, default_zone: str) -> CalendarTime:
        """Return how *calendar* tells time.

        As the user says, else as it says itself, else by *default_zone*.
        """
        zones, default = FeedZones(calendar), ZoneInfo(zone_of(default_zone))
        line = calendar.first("X-WR-TIMEZONE")
        clock = CalendarTime(zones, default, default)
        if line is not None and not is_given(default_zone):
            try:
                zone = zones.find(line.value)
            except Unreadable:
                self.quarantine(
                    "", f"X-WR-TIMEZONE is unknown: {default.key} is used instead", counted=True
                )
            else:
                clock = CalendarTime(zones, zone, zone if is_place(zone) else default)
        self.zone = self.zone or getattr(clock.days, "key", "")
        return clock

    def read_calendar(self, calendar: Component, default_zone: str) -> None:
        """Read what is no series in *calendar*, and keep its events.

        They are expanded when all events that share a UID are known.
        """
        if calendar.broken:
            self.quarantine("", "the calendar is cut off")
        if calendar.text("CALSCALE") not in ("", "GREGORIAN"):
            raise Unreadable("a calendar scale other than Gregorian")
        clock = self.clock_of(calendar, default_zone)
        cancelled = calendar.text("METHOD") == "CANCEL"
        zones = (block for block in calendar.blocks if block.name == "VTIMEZONE")
        context = series_digest(
            f"{self.start} {self.end} {clock.zone} {clock.days} {cancelled}", zones
        )
        for block in calendar.blocks:
            if block.name == "VEVENT":
                uid = uid_of(block)
                alone = 0 if uid else len(self.series) + 1
                collections = self.series[uid, alone]
                collections.setdefault(_collection(block), []).append(
                    _Event(block, clock, context, cancelled)
                )
        outside = len(self.rows)
        for block in calendar.blocks:
            if block.name == "VFREEBUSY":
                self.guard(block, clock, partial(self.read_freebusy, block, clock))
        self.read_availability(calendar, clock)
        self.memory.exclude(details.uid for details, _, _ in self.rows[outside:])

    def read_series(self) -> None:
        """Expand the events of all calendars.

        Those of one UID in one collection are one series, wherever they stand. A UID says nothing
        of other collections (RFC 4791 section 4.1), so that what one of them cancels or frees still
        counts where another does not.
        """
        for (uid, _), collections in self.series.items():
            several = list(collections.values())
            self.remember(uid, _digest(several), partial(self.add_collections, several))

    def remember(self, uid: str, digest: str, read: Callable[[], None]) -> None:
        """Add what is remembered of a series, else what *read* finds of it."""
        rows, problems = self.memory.recall(uid, digest), len(self.problems)
        if rows is not None and len(self.rows) + len(rows) <= limits.MAX_OCCURRENCES:
            self.rows += rows
        else:
            read()
        if len(self.problems) == problems:
            self.memory.keep(uid, digest)
        else:
            self.memory.exclude([uid])

    def add_collections(self, several: list[list[_Event]]) -> None:
        """Expand the events of one UID, those of each collection apart.

        What they say alike is there once.
        """
        rows, problems = len(self.rows), len(self.problems)
        for events in several:
            self.add_all(events)
        if len(several) > 1:
            self.rows[rows:] = dict.fromkeys(self.rows[rows:])
            self.problems[problems:] = dict.fromkeys(self.problems[problems:])

    def add_all(self, events: list[_Event]) -> None:
        """Expand *events*, which share a UID, as one series."""
        before = len(self.problems)
        parts = (self.guard(event.block, event.clock, partial(_part_of, event)) for event in events)
        understood = [part for part in parts if part is not None]
        if any(part.recurrence_id is None for part in understood):
            # The event counts without those that were set aside.
            self.problems[before:] = [replace(p, partly=True) for p in self.problems[before:]]
        for series in self.by_master(understood) if understood else ():
            self.add(without_own_recurrence(series))

    def by_master(self, parts: list[SeriesComponent]) -> list[list[SeriesComponent]]:
        """Return the series among *parts* of one UID: usually one.

        Servers exist that give every event the same UID. Events of equal sequence that start at
        different times are taken as events of their own. An override goes with the one that has its
        instance. Where none has it, or several do, it goes with the first, and that is told.
        """
        masters = [part for part in parts if part.recurrence_id is None]
        overrides = [part for part in parts if part.recurrence_id is not None]
        newest = max((part.sequence for part in masters), default=0)
        events = {part.start: part for part in masters if part.sequence == newest}
        if len(events) < 2:
            return [[*events.values(), *overrides]]
        series = [[event] for event in events.values()]
        places: dict[int, list[SeriesComponent]] = {}
        # There may be many of both: the time is for all of them. What is left is told of.
        with suppress(Exception), self.budget.share():
            for number, override in enumerate(overrides):
                having = [one for one in series if _has_instance(one[0], override)]
                if len(having) == 1:
                    places[number] = having[0]
        for number, override in enumerate(overrides):
            places.get(number, series[0]).append(override)
            if number not in places:
                until = None if override.this_and_future else override.end
                reason = "RECURRENCE-ID: not of one alone of the events that share a UID"
                self.quarantine(
                    override.uid, reason, override.start, until, counted=True, partly=True
                )
        return series

    def guard(self, block: Component, clock: CalendarTime, understand: Callable[[], T]) -> T | None:
        """Return what *understand* makes of *block*.

        If that fails, quarantine *block* and return ``None``.
        """
        try:
            with self.budget.share():
                _check_closed(block)
                return understand()
        except Exception as error:  # noqa: BLE001  (one bad component must not lose the rest)
            self.quarantine(uid_of(block), reason_of(error), *reach(block, clock))
            return None

    def add(self, parts: list[SeriesComponent]) -> None:
        """Expand one series; quarantine it whole if that fails."""
        try:
            with self.budget.share():
                rows = self.bounded(list(expand_series(parts, self.start, self.end)))
        except Exception as error:  # noqa: BLE001  (one bad series must not lose the rest)
            first = min(part.start for part in parts)
            last = None if _recurs(parts) else max(part.end for part in parts)
            span = _NEVER if parts[0].details.status == "cancelled" else (first, last)
            self.quarantine(parts[0].uid, reason_of(error), *span)
            if len(parts) > 1 and parts[0].recurrence_id is None:
                # The overrides still count: each says itself when it is.
                self.add(parts[1:])
        else:
            self.rows += rows
            for part in parts:
                for doubt in part.doubts:
                    until = None if doubt.adds or _recurs(parts) else part.end
                    span = _NEVER if part.details.status == "cancelled" else (part.start, until)
                    self.quarantine(
                        part.uid, doubt.reason, *span, counted=not doubt.adds, partly=True
                    )

    def read_freebusy(self, block: Component, clock: CalendarTime) -> None:
        """Read busy periods (RFC 5545 section 3.6.4); FREE ones are no events."""
        rows: list[Row] = []
        for line in block.all("FREEBUSY"):
            kind = line.params.get("FBTYPE", "BUSY").upper()
            status = "tentative" if kind == "BUSY-TENTATIVE" else "confirmed"
            for text in texts_of(line) if kind != "FREE" else ():
                try:
                    first, last = self.period(text, line, clock)
                except Unreadable as error:
                    self.quarantine(uid_of(block), str(error), *reach(block, clock), partly=True)
                    continue
                if first < self.end and last > self.start:
                    rows.append((Details(uid_of(block), status=status), first, last))
        self.rows += self.bounded(rows)

    def period(self, text: str, line: ContentLine, clock: CalendarTime) -> tuple[int, int]:
        """Return the period in *text*, in epoch seconds; raise :class:`Unreadable`."""
        period = clock.listed(text, line)
        if not isinstance(period, tuple):
            raise Unreadable(f"{line.name}: a period is malformed")
        first, last = period
        return first.instant, last.instant

    def bounded(self, rows: list[Row]) -> list[Row]:
        """Return *rows*; raise :class:`Unreadable` if with those known they are too many."""
        if len(self.rows) + len(rows) > limits.MAX_OCCURRENCES:
            raise Unreadable(
                f"it brings the calendar to more than {limits.MAX_OCCURRENCES} occurrences"
            )
        return rows

    def read_availability(self, calendar: Component, clock: CalendarTime) -> None:
        """Add as busy the time of a VAVAILABILITY that no AVAILABLE covers (RFC 7953).

        Priority 1 goes before 9, and that before 0.
        """
        governed = Spans()
        blocks = [block for block in calendar.blocks if block.name == "VAVAILABILITY"]
        for block in sorted(blocks, key=_priority):
            governs = self.guard(block, clock, partial(self._governs, block, clock))
            if governs is None:
                continue
            outside, rows = self.rows, list[Row]()
            # Collected apart for a moment: what is available is no occurrence.
            self.rows = rows
            for available in _by_uid(block.blocks, clock):
                self.add_all(available)
            self.rows = outside
            busy = governs - governed - Spans((start, end) for _, start, end in rows)
            governed = governed | governs
            tentative = block.text("BUSYTYPE") == "BUSY-TENTATIVE"
            details = Details(uid_of(block), status="tentative" if tentative else "confirmed")
            unavailable = [(details, start, end) for start, end in busy]
            self.rows += self.guard(block, clock, partial(self.bounded, unavailable)) or []

    def _governs(self, block: Component, clock: CalendarTime) -> Spans:
        """Return the time that a VAVAILABILITY is about, within the stretch that is read."""
        first, last, length = (block.first(name) for name in ("DTSTART", "DTEND", "DURATION"))
        begin = None if first is None else clock.moment(first)
        start = self.start if begin is None else begin.instant
        end = self.end
        if last is not None:
            end = (clock if begin is None else clock.beside(begin)).moment(last).instant
        elif begin is not None and length is not None:
            end = parse_duration(length.value).after(begin.local, begin.zone)
        return Spans([(max(start, self.start), min(end, self.end))])

    def quarantine(
        self,
        uid: str,
        reason: str,
        start: int | None = None,
        end: int | None = None,
        *,
        counted: bool = False,
        partly: bool = False,
    ) -> None:
        """Report a component, with the time that it may cover.

        *start* and *end* are in epoch seconds; ``None`` is an open end.
        """
        self.problems.append(
            Problem(uid, reason, _datetime(start), _datetime(end), counted, partly)
        )

    def result(self, components: int) -> ParsedCalendar:
        """Return the reading; *components* is how many events the body has."""
        # By start and end, then by the details: first UID and summary.
        self.rows.sort(key=itemgetter(1, 2, 0))
        problems = self.problems
        # The rest may cover any time.
        if len(problems) > limits.MAX_PROBLEMS:
            more = len(problems) - limits.MAX_PROBLEMS
            problems = [
                *problems[: limits.MAX_PROBLEMS],
                Problem("", f"{more} more components not understood"),
            ]
        return ParsedCalendar(
            self.zone, components, tuple(self.rows), tuple(problems), self.memory.series
        )


def _by_uid(blocks: list[Component], clock: CalendarTime) -> Iterable[list[_Event]]:
    """Return the AVAILABLE components, those of one UID together; each without a UID is alone."""
    groups: dict[tuple[str, int], list[_Event]] = defaultdict(list)
    for number, block in enumerate(blocks):
        if block.name == "AVAILABLE":
            uid = uid_of(block)
            groups[uid, 0 if uid else number].append(_Event(block, clock))
    return groups.values()


def _collection(block: Component) -> str:
    """Return which collection *block* is from; ``""`` where its body is no bundle."""
    line = block.first(MARK)
    return "" if line is None else collection_of(line.value)


def _digest(several: list[list[_Event]]) -> str:
    """Return the digest of the events of one UID, those of each collection apart."""
    if len(several) > 1:
        return series_digest("collections", (Component(_digest([events])) for events in several))
    (events,) = several
    if len(events) == 1:
        return series_digest(events[0].context, [events[0].block])
    return series_digest(
        "", (Component(series_digest(event.context, [event.block])) for event in events)
    )


def _part_of(event: _Event) -> SeriesComponent:
    part = read_part(event.block, event.clock, cancelled=event.cancelled)
    return (
        part
        if not event.cancelled
        else replace(part, details=part.details._replace(busy=False, status="cancelled"))
    )


def _has_instance(event: SeriesComponent, override: SeriesComponent) -> bool:
    try:
        return has_instance(event, override)
    except _FAILURES:
        # The event is quarantined when it is expanded.
        return False


def _check_closed(block: Component) -> None:
    if block.broken:
        raise Unreadable("it is not closed properly")


def _recurs(parts: list[SeriesComponent]) -> bool:
    return any(part.recurs or part.this_and_future for part in parts)


def _priority(block: Component) -> int:
    text = block.text("PRIORITY")
    return (int(text[:9]) if text.isdecimal() else 0) or 10


def _datetime(instant: int | None) -> datetime | None:
    return None if instant is None else datetime.fromtimestamp(max(0, min(instant, LATEST)), UTC)


class OutOfTime(Exception):
    """A component used more than its share of the time."""


class Budget:
    """A number of *seconds* of processor time to be shared out. Needs the main thread."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds
        # Set for good: no timer rings but the one that share() sets.
        signal.signal(signal.SIGPROF, _ring)

    def share(self) -> Budget:
        """Return a context manager: its block is interrupted when its share of the time is used up.

        :class:`OutOfTime` is raised then.
        """
        return self

    def __enter__(self) -> None:
        signal.setitimer(
            signal.ITIMER_PROF, max(_MIN_SHARE, (self._end - time.process_time()) / _TIME_SHARES)
        )

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime


def reach(block: Component, clock: CalendarTime) -> tuple[int | None, int | None]:
    """Return the time that *block*, which is not understood, may cover; ``None`` for an open end.

    Both ends are in epoch seconds.
    """
    first, last = block.first("DTSTART"), block.first("DTEND")
    if block.text("STATUS") == "CANCELLED":
        # Whatever else it says, it takes up no time.
        return _NEVER
    if first is None:
        return None, None
    try:
        start, latest = _rough(first, clock)
    except _FAILURES:
        return None, None
    if block.broken or any(block.first(name) for name in ("RRULE", "RDATE", "DURATION")):
        return start, None
    if last is None:
        # Without an end it lasts at most a whole day.
        return start, latest + 86400
    try:
        low, high = _rough(last, clock)
    except _FAILURES:
        return start, None
    return min(start, low), max(latest, high)


def _rough(line: ContentLine, clock: CalendarTime) -> tuple[int, int]:
    """Return the earliest and latest instant that *line* may mean, in epoch seconds."""
    try:
        instant = clock.moment(line).instant
    except Unreadable:
        instant = parse_time(line.value, UTC).instant
        return instant - _MOST_EAST, instant + _MOST_EAST
    return instant, instant


def reason_of(error: Exception) -> str:
    """Return why a component is not understood, never with its text."""
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, OutOfTime):
        return "it takes too long to expand"
    return f"it cannot be expanded ({type(error).__name__})"


def drop_past_events(body: bytes, start: int) -> tuple[bytes, int]:
    """Return *body* without single events that ended well before *start*, and how many those were.

    *start* is in epoch seconds.
    """
    before = (datetime.fromtimestamp(start, UTC) - _SLACK).strftime("%Y%m%d").encode()
    uids = Counter(_UID.findall(body))
    zones: dict[bytes, bool] = {}
    chunks: list[bytes] = []
    at = dropped = 0
    for first, last in _events(body):
        if _is_over(body[first + len(_BEGIN) : last + 1], before, uids, zones):
            chunks.append(body[at : first + 1])
            at = body.index(b"\n", last + 1) + 1
            dropped += 1
    return b"".join((*chunks, body[at:])) if dropped else body, dropped


def _events(body: bytes) -> Iterator[tuple[int, int]]:
    """Yield where events begin and end: the positions of the line ends before BEGIN and END."""
    last = 0
    while (first := body.find(_BEGIN, last)) >= 0 and (last := body.find(_END, first)) >= 0:
        while last >= 0 and not body.startswith(_NEWLINES, last + len(_END)):
            last = body.find(_END, last + 1)
        if last < 0:
            return
        if body.startswith(_NEWLINES, first + len(_BEGIN)):
            yield first, last


def _is_over(lines: bytes, before: bytes, uids: Counter[bytes], zones: dict[bytes, bool]) -> bool:
    """Tell whether an event is surely a single one that ended before the day *before*."""
    times = _TIME.findall(lines)
    if len(times) != 2 or _LINKED.search(lines):
        return False
    (first, at, day, clock, utc), (last, *end) = sorted(times, reverse=True)
    uid = _UID.findall(lines)
    return (
        first == b"START"
        and last == b"END"
        and end[0] == at
        and end[3] == utc
        and bool(end[2]) == bool(clock)
        and (day, clock) <= (end[1], end[2])
        and end[1] < before
        and len(uid) == 1
        and uids[uid[0]] == 1
        and _exists(day)
        and _exists(end[1])
        and _is_known(at, zones)
    )


def _exists(day: bytes) -> bool:
    """Tell whether *day*, as YYYYMMDD, is a day of the calendar."""
    if day[6:] <= b"28":
        return True
    try:
        date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return False
    return True


def _is_known(parameters: bytes, zones: dict[bytes, bool]) -> bool:
    """Tell whether the zone in *parameters*, if any, is one that everybody knows."""
    if parameters not in zones:
        names = _ZONE.findall(parameters)
        zones[parameters] = len(names) < 2 and all(
            named_zone(name.decode("ascii", "replace")) for name in names
        )
    return zones[parameters]
