"""A calendar's body into occurrences, component by component, distrusting each (RFC 5545, RFC 7953).

Runs only in the child process of :mod:`calendar_timetable.calendars.expand`. Series are expanded in
the wall-clock time of their own zone, without any zone attached, and made instants afterwards: so
recurring-ical-events decides which instances there are, and this module when they are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter
from typing import TypeVar
from zoneinfo import ZoneInfo

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.budget import Budget, OutOfTime
from calendar_timetable.calendars.feedzones import FeedZones, named_zone
from calendar_timetable.calendars.lines import Block, Line, Unreadable, read_calendars
from calendar_timetable.calendars.memory import Memory, Row, digest_of
from calendar_timetable.calendars.occurrences import Details, Problem, Reading
from calendar_timetable.calendars.series import LATEST, Part, expand_series, read_part
from calendar_timetable.calendars.sifting import sift
from calendar_timetable.calendars.values import Clock, parse_duration, parse_time, uid_of
from calendar_timetable.planning.spans import Spans

_COUNTED = ("VEVENT", "VFREEBUSY", "VAVAILABILITY")
_MOST_EAST = 14 * 3600  # how far from UTC a clock may be
T = TypeVar("T")


def read(body: bytes, start: int, end: int, default_zone: str, seconds: float, earlier: bytes = b"") -> Reading:
    """What *body* holds between *start* and *end* (epoch seconds).

    *default_zone* (an IANA name) is for all-day and floating times of a calendar that names no zone;
    components that would take more than their share of *seconds* are quarantined. What did not change since an
    *earlier* reading for the same stretch and zone, as :mod:`.memory` keeps it, is taken from there.
    Raises :class:`Unreadable` when it is no calendar or exceeds a limit as a whole.
    """
    reader = _Reader(start, end, seconds, Memory(earlier))
    zone = ""
    body, components = sift(body, start)
    for calendar in read_calendars(body):
        found = reader.zone_of(calendar, default_zone)
        zone = zone or found.key
        components += sum(block.name in _COUNTED for block in calendar.blocks)
        reader.read_calendar(calendar, Clock(FeedZones(calendar), found))
    return reader.result(zone, components)


class _Reader:
    def __init__(self, start: int, end: int, seconds: float, memory: Memory) -> None:
        self.start, self.end = start, min(end, LATEST)
        self.memory = memory
        self.budget = Budget(seconds)
        self.rows: list[Row] = []
        self.problems: list[Problem] = []

    def zone_of(self, calendar: Block, default_zone: str) -> ZoneInfo:
        line = calendar.first("X-WR-TIMEZONE")
        if line is not None and line.value.strip():
            found = named_zone(line.value.strip())
            if found is not None:
                return found
            self.quarantine("", f"X-WR-TIMEZONE is unknown: {default_zone} is used instead", 0, 0)
        return ZoneInfo(default_zone)

    def read_calendar(self, calendar: Block, clock: Clock) -> None:
        if calendar.broken:
            self.quarantine("", "the calendar is cut off")
        if calendar.text("CALSCALE") not in ("", "GREGORIAN"):
            raise Unreadable("a calendar scale other than Gregorian")
        zones = (block for block in calendar.blocks if block.name == "VTIMEZONE")
        context = digest_of(f"{self.start} {self.end} {clock.zone}", zones)
        for uid, blocks in _by_uid(calendar.blocks, "VEVENT"):
            self.remember(uid, digest_of(context, blocks), partial(self.add_all, blocks, clock))
        outside = len(self.rows)
        for block in calendar.blocks:
            if block.name == "VFREEBUSY":
                self.guard(block, clock, partial(self.read_freebusy, block, clock))
        self.read_availability(calendar, clock)
        self.memory.mix(details.uid for details, _, _ in self.rows[outside:])

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
            self.memory.mix([uid])

    def add_all(self, blocks: list[Block], clock: Clock) -> None:
        """Expand *blocks*, which share a UID."""
        parts = (self.guard(block, clock, partial(read_part, block, clock)) for block in blocks)
        understood = [part for part in parts if part is not None]
        for series in _by_master(understood) if understood else ():
            self.add(series)

    def guard(self, block: Block, clock: Clock, understand: Callable[[], T]) -> T | None:
        """What *understand* makes of *block*, which is quarantined if it fails."""
        try:
            with self.budget.share():
                _check_closed(block)
                return understand()
        except Exception as error:  # noqa: BLE001  (one bad component must not lose the rest)
            self.quarantine(uid_of(block), _reason(error), *_reach(block, clock))
            return None

    def add(self, parts: list[Part]) -> None:
        """Expand one series; quarantine it whole when that fails."""
        try:
            with self.budget.share():
                rows = self.bounded(list(expand_series(parts, self.start, self.end)))
        except Exception as error:  # noqa: BLE001  (one bad series must not lose the rest)
            first = min(part.start for part in parts)
            self.quarantine(parts[0].uid, _reason(error), first, None if _recurs(parts) else max(p.end for p in parts))
        else:
            self.rows += rows

    def read_freebusy(self, block: Block, clock: Clock) -> None:
        """Busy periods (RFC 5545 section 3.6.4); FREE ones are no events."""
        rows: list[Row] = []
        for line in block.all("FREEBUSY"):
            kind = line.params.get("FBTYPE", "BUSY").upper()
            if kind == "FREE":
                continue
            status = "tentative" if kind == "BUSY-TENTATIVE" else "confirmed"
            for period in clock.moments(line):
                if not isinstance(period, tuple):
                    raise Unreadable("a period is malformed")
                first, last = (moment.instant for moment in period)
                if last < first:
                    raise Unreadable("it ends before it starts")
                if first < self.end and last > self.start:
                    rows.append((Details(uid_of(block), status=status), first, last))
        self.rows += self.bounded(rows)

    def bounded(self, rows: list[Row]) -> list[Row]:
        """*rows*, unless there are too many with those that are known already."""
        if len(self.rows) + len(rows) > limits.MAX_OCCURRENCES:
            raise Unreadable(f"it brings the calendar to more than {limits.MAX_OCCURRENCES} occurrences")
        return rows

    def read_availability(self, calendar: Block, clock: Clock) -> None:
        """Time of a VAVAILABILITY that no AVAILABLE covers is busy; priority 1 goes before 9, then 0 (RFC 7953)."""
        governed = Spans()
        blocks = [block for block in calendar.blocks if block.name == "VAVAILABILITY"]
        for block in sorted(blocks, key=_priority):
            reach = self.guard(block, clock, partial(self._governs, block, clock))
            if reach is None:
                continue
            outside, rows = self.rows, list[Row]()
            self.rows = rows  # for a moment: what is available is no occurrence
            for _, available in _by_uid(block.blocks, "AVAILABLE"):
                self.add_all(available, clock)
            self.rows = outside
            busy = reach - governed - Spans((start, end) for _, start, end in rows)
            governed = governed | reach
            tentative = block.text("BUSYTYPE") == "BUSY-TENTATIVE"
            details = Details(uid_of(block), status="tentative" if tentative else "confirmed")
            self.rows += [(details, start, end) for start, end in busy]

    def _governs(self, block: Block, clock: Clock) -> Spans:
        first, last = block.first("DTSTART"), block.first("DTEND")
        duration = block.first("DURATION")
        start = self.start if first is None else clock.moment(first).instant
        end = self.end if last is None else clock.moment(last).instant
        if first is not None and last is None and duration is not None:
            begin = clock.moment(first)
            end = parse_duration(duration.value).after(begin.local, begin.zone)
        return Spans([(max(start, self.start), min(end, self.end))])

    def quarantine(self, uid: str, reason: str, start: int | None = None, end: int | None = None) -> None:
        """Report a component, with the time it may cover; ``None`` is an open end."""
        self.problems.append(Problem(uid, reason, _datetime(start), _datetime(end)))

    def result(self, zone: str, components: int) -> Reading:
        self.rows.sort(key=itemgetter(1, 2, 0))  # of the details, by UID and summary
        problems = self.problems
        if len(problems) > limits.MAX_PROBLEMS:  # the rest may cover anything
            more = len(problems) - limits.MAX_PROBLEMS
            problems = [*problems[: limits.MAX_PROBLEMS], Problem("", f"{more} more components not understood")]
        return Reading(zone, components, tuple(self.rows), tuple(problems), self.memory.series)


def _by_uid(blocks: list[Block], name: str) -> Iterable[tuple[str, list[Block]]]:
    """The components called *name*, those of one UID together; without a UID each stands alone."""
    groups: dict[tuple[str, int], list[Block]] = defaultdict(list)
    for number, block in enumerate(blocks):
        if block.name == name:
            uid = uid_of(block)
            groups[uid, 0 if uid else number].append(block)
    return ((uid, group) for (uid, _), group in groups.items())


def _by_master(parts: list[Part]) -> list[list[Part]]:
    """The series among *parts* of one UID: usually one.

    Servers exist that give every event the same UID. Events of equal sequence that start at different
    times are taken as events, each of its own; overrides go with the first.
    """
    masters = [part for part in parts if part.recurrence_id is None]
    overrides = [part for part in parts if part.recurrence_id is not None]
    newest = max((part.sequence for part in masters), default=0)
    kept = list({part.start: part for part in masters if part.sequence == newest}.values())
    return [[*kept[:1], *overrides], *([part] for part in kept[1:])]


def _check_closed(block: Block) -> None:
    if block.broken:
        raise Unreadable("it is not closed properly")


def _recurs(parts: list[Part]) -> bool:
    return any(part.recurs or part.this_and_future for part in parts)


def _priority(block: Block) -> int:
    text = block.text("PRIORITY")
    return (int(text[:9]) if text.isdecimal() else 0) or 10


def _reach(block: Block, clock: Clock) -> tuple[int | None, int | None]:
    """The time that *block* may cover though it is not understood; ``None`` for an open end."""
    lines = [block.first(name) for name in ("DTSTART", "DTEND")]
    try:
        bounds = [_rough(line, clock) for line in lines if line is not None]
    except (Unreadable, ArithmeticError, ValueError):
        return None, None
    if lines[0] is None:
        return None, None
    start, end = min(low for low, _ in bounds), max(high for _, high in bounds)
    if block.broken or any(block.first(name) for name in ("RRULE", "RDATE", "DURATION")):
        return start, None
    return start, end if lines[1] is not None else end + 86400  # without an end, at most a whole day


def _rough(line: Line, clock: Clock) -> tuple[int, int]:
    """The earliest and latest instant that *line* may mean."""
    try:
        instant = clock.moment(line).instant
    except Unreadable:
        instant = parse_time(line.value, UTC).instant
        return instant - _MOST_EAST, instant + _MOST_EAST
    return instant, instant


def _reason(error: Exception) -> str:
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, OutOfTime):
        return "it takes too long to expand"
    return f"it cannot be expanded ({type(error).__name__})"


def _datetime(instant: int | None) -> datetime | None:
    return None if instant is None else datetime.fromtimestamp(max(0, min(instant, LATEST)), UTC)
