"""``Calendar``: the events of a feed as a time set."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from calendar_timetable import clock, metrics
from calendar_timetable.calendars.addresses import (
    check_address,
    is_address,
    label_of,
    printable,
    text_of,
    warn_of,
)
from calendar_timetable.calendars.feed.cache import FeedState
from calendar_timetable.calendars.feed.feed import (
    FeedReader,
    FeedSnapshot,
    remember_feed,
    unseen_source,
)
from calendar_timetable.calendars.feed.health import Health, describe
from calendar_timetable.calendars.occurrences import Details, Occurrence, Problem, mark_as_given
from calendar_timetable.calendars.options import DEFAULTS, CalendarOptions
from calendar_timetable.calendars.sources.base import ConnectionUnseen, FetchFailed
from calendar_timetable.calendars.sources.lookup import source_for
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.planning.open_time import DAY, SHOWN
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, Feed, TimeRange, TimeSet

T = TypeVar("T")


@dataclass(frozen=True, repr=False, eq=False)
class Calendar(CalendarOptions, TimeSet):
    """The events of a calendar, given by its address or by an Airflow Connection id.

    *address* is a URL (http, https, webcal, file), a path, or the id of a Connection. After the id
    of a Connection to Google or Microsoft comes the calendar there:
    ``"my_google/team@example.com"``.

    *match* and *location* are globs on an event's summary and location, and ignore case
    (``"*freeze*"``). *categories*: an event must have one of them. *attendee*: an address that an
    event must list, unless it lists nobody. As a blackout only busy events count: not cancelled,
    transparent, free, or declined by *attendee*. As windows or as a schedule every confirmed event
    counts, busy or free. *busy_only* overrides whether an event must be busy.

    Events are moved by *offset*, and widened by *pad* (before, after). All-day and floating times
    are in *timezone*; without it, in the calendar's own zone if that names a place; else in the
    timetable's.

    The feed is asked once per *refresh* on a host; with the default it is asked less often, down to
    once an hour, if the feed itself asks for that. When it fails, the last good copy stays in force
    for *max_stale*. Then *on_unavailable* decides. With ``"hold"`` the DAG gets no scheduled runs,
    and code that asks this calendar itself gets :class:`CalendarUnavailable`. With ``"ignore"`` the
    calendar is taken as empty. *strict* adds to a blackout the time that events not understood may
    cover. *show_titles* lets summaries into the serialized DAG. *name* is what people are shown for
    the calendar; without it, they are shown only the host of an address.
    """

    address: str | os.PathLike[str]
    # its role: True where it blocks, False where it allows
    deny: bool = field(default=True, init=False)

    is_read = True

    @property
    def _text(self) -> str:
        return text_of(self.address)

    @property
    def label(self) -> str:
        """The *name*; else the Connection id, the host of the address, or the file's name."""
        return self.name or label_of(self._text)

    def __str__(self) -> str:
        return self.label

    def fingerprint(self) -> str | None:
        """Return ``repr(self)``; ``None`` if an unreadable calendar is ignored, and for a subclass.

        What an ignored calendar resolves to also depends on whether it could be read.
        """
        return repr(self) if type(self) is Calendar and self.on_unavailable == "hold" else None

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.changed_options().items())
        return f"Calendar({printable(self.address)!r}{options})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Calendar) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(repr(self._key()))

    def _key(self) -> tuple[object, ...]:
        return (self._text, self.deny, *self.options().values())

    def in_role(self, *, deny: bool) -> Calendar:
        role = copy(self)
        object.__setattr__(role, "deny", deny)
        return role

    def asked_within(self, newest: timedelta) -> Calendar:
        freshest = min(self.refresh, newest)
        newer = replace(self, refresh=freshest, max_stale=freshest, on_unavailable="hold")
        # The role is no argument, so replace() has set it to its default.
        return newer.in_role(deny=self.deny)

    def validate(self) -> None:
        check_address(self.address)
        self.check_options()

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        before, after = (int(part.total_seconds()) for part in self.pad)
        shift = int(self.offset.total_seconds())
        snapshot = self._in_force(*self._stretch(horizon), timezone)
        rows = self._rows(snapshot, deny=self.deny)
        pairs = [(start + shift - before, end + shift + after) for _, start, end in rows]
        titles = []
        # By details object: the occurrences of one series share it, and so one text.
        summaries: dict[int, str] = {}
        for (details, _, _), (start, end) in (
            zip(rows, pairs, strict=True) if self.show_titles else ()
        ):
            low, high = max(start, horizon.start), min(end, horizon.end)
            if low < high:
                if id(details) not in summaries:
                    summaries[id(details)] = on_one_line(details.summary)[:SHOWN]
                titles.append((low, high, summaries[id(details)]))
        if self.strict and self.deny:
            pairs += [
                (
                    horizon.start if start is None else start + shift - before,
                    horizon.end if end is None else end + shift + after,
                )
                for start, end in _reaches(snapshot)
            ]
        spans = Spans(pairs).clip(horizon.start, horizon.end)
        note = "cannot be read and is ignored" if snapshot.reading is None else ""
        return CalendarSpans(
            self.label, spans, tuple(sorted(set(titles))), note, self._feed(snapshot)
        )

    def starts(self, horizon: TimeRange, timezone: str) -> tuple[list[int], Feed | None]:
        """Return the starts of the events within *horizon*, in epoch seconds, and their feed.

        They are the due times when this calendar is the base schedule.
        """
        shift = int(self.offset.total_seconds())
        snapshot = self._in_force(horizon.start - shift, horizon.end - shift, timezone)
        moved = {start + shift for _, start, _ in self._rows(snapshot, deny=False)}
        due = sorted(start for start in moved if horizon.start <= start < horizon.end)
        return due, self._feed(snapshot)

    def current_version(self, horizon: TimeRange, timezone: str) -> str:
        """Return a name of the copy that :meth:`resolve` and :meth:`starts` read for *horizon*.

        Equal calendars with the same copy give the same name; it is ``""`` where only reading can
        tell.
        """
        try:
            return self._read(*self._stretch(horizon), timezone, FeedReader.current_version)
        except FetchFailed:
            return ""

    def refreshed(self, horizon: TimeRange, timezone: str, *, force: bool = False) -> Health:
        """Refresh this calendar outside of DAG parsing, and return how it is doing.

        The source is asked if it is due, or with *force* at once. Afterwards the cache holds what
        :meth:`resolve` and :meth:`starts` need for *horizon*.
        """
        refresh = partial(FeedReader.refresh, force=force)
        return self._health(*self._stretch(horizon), timezone, refresh)

    def events(self, start: datetime, end: datetime) -> list[Occurrence]:
        """Return the occurrences that touch ``[start, end)`` and match, in order.

        Free and cancelled ones are included. Times are those of the calendar: *offset* and *pad* do
        not count. Raises :class:`CalendarUnavailable` unless an unreadable calendar is to be
        ignored.
        """
        return self.events_and_problems(start, end)[0]

    def events_and_problems(
        self, start: datetime, end: datetime
    ) -> tuple[list[Occurrence], list[Problem]]:
        """Return :meth:`events` and what of the same copy could not be understood."""
        low, high = int(zones.to_instant(start, "start")), -int(-zones.to_instant(end, "end") // 1)
        self.validate()
        snapshot = self._in_force(low, high, zones.default_zone())
        touching = (
            row
            for row in _all(snapshot)
            if row[1] < high and (row[2] > low or row[1] == row[2] == low)
        )
        events = [
            details.at(first, last) for details, first, last in touching if self.matches(details)
        ]
        return events, [] if snapshot.reading is None else list(snapshot.reading.problems)

    def problems(self) -> list[Problem]:
        """Return the components that could not be understood, by UID."""
        self.validate()
        snapshot = self._in_force(*around_now(), zones.default_zone())
        return [] if snapshot.reading is None else list(snapshot.reading.problems)

    def describe(self) -> Health:
        """Read this calendar and return how it is doing.

        A calendar that cannot be read raises nothing: the result says what is wrong.
        """
        self.validate()
        zone = self.timezone or zones.default_zone()
        return self._health(*around_now(), zone, FeedReader.read)

    def _health(
        self, start: int, end: int, zone: str, read: Callable[[FeedReader], FeedSnapshot]
    ) -> Health:
        try:
            snapshot = self._read(start, end, zone, read)
        except FetchFailed as error:
            return Health("", self.label, "unavailable", error=str(error), zone=zone)
        reading, stale = snapshot.reading, self.max_stale.total_seconds()
        if reading is None:
            return replace(
                describe(snapshot.feed, self.label, snapshot.state, stale, zone=zone),
                status="unavailable",
            )
        return describe(
            snapshot.feed,
            self.label,
            snapshot.state,
            stale,
            problems=reading.problems,
            zone=reading.zone,
        )

    def _stretch(self, horizon: TimeRange) -> tuple[int, int]:
        """Return the stretch, in epoch seconds, of the events that may touch *horizon*."""
        before, after = (int(part.total_seconds()) for part in self.pad)
        shift = int(self.offset.total_seconds())
        return horizon.start - shift - after, horizon.end - shift + before

    def _read(self, start: int, end: int, timezone: str, read: Callable[[FeedReader], T]) -> T:
        zone = (
            mark_as_given(zones.zone_name(self.timezone))
            if self.timezone
            else zones.zone_name(timezone)
        )
        if is_address(self._text):
            warn_of(self._text, self.label)
        refresh = None if self.refresh == DEFAULTS["refresh"] else self.refresh.total_seconds()
        try:
            source = source_for(self._text)
        except ConnectionUnseen as error:
            # This process does not see the Connection: use the source that it named when last seen.
            unseen = unseen_source(self._text, str(error))
            if unseen is None:
                raise
            source = unseen
        answer = read(FeedReader(source, start, end, zone, refresh, self.max_stale.total_seconds()))
        if isinstance(answer, FeedSnapshot) and answer.reading and not is_address(self._text):
            remember_feed(self._text, answer.feed)
        return answer

    def _in_force(self, start: int, end: int, timezone: str) -> FeedSnapshot:
        """Return the copy in force.

        Raises :class:`CalendarUnavailable` if there is none, unless that is to be ignored.
        """
        try:
            snapshot = self._read(start, end, timezone, FeedReader.read)
            error = snapshot.error
        except FetchFailed as failure:
            snapshot, error = FeedSnapshot(None, FeedState()), str(failure)
        if snapshot.reading is not None or self.on_unavailable == "ignore":
            return snapshot
        metrics.count("held", self.label)
        since = int(snapshot.good_at.timestamp()) if snapshot.good_at else None
        remedy = (
            "check its address and credentials, raise max_stale, or set on_unavailable='ignore'"
        )
        raise CalendarUnavailable(self.label, error, since, remedy)

    def _feed(self, snapshot: FeedSnapshot) -> Feed | None:
        return (
            Feed(snapshot.feed, self.on_unavailable, int(self.max_stale.total_seconds()))
            if snapshot.feed
            else None
        )

    def _rows(self, snapshot: FeedSnapshot, *, deny: bool) -> list[tuple[Details, int, int]]:
        rows = _all(snapshot)
        # Occurrences of one series share one details object: each is matched once.
        details_by_id = {id(details): details for details, _, _ in rows}
        matching_ids = {
            key
            for key, details in details_by_id.items()
            if self.matches(details) and self.counts(details, deny=deny)
        }
        return [row for row in rows if id(row[0]) in matching_ids]


def _all(snapshot: FeedSnapshot) -> tuple[tuple[Details, int, int], ...]:
    return () if snapshot.reading is None else snapshot.reading.rows


def _reaches(snapshot: FeedSnapshot) -> list[tuple[int | None, int | None]]:
    """Return the stretches, in epoch seconds, that unclear components may cover.

    ``None`` is an open end.
    """
    problems = () if snapshot.reading is None else snapshot.reading.problems
    return [
        (
            None if problem.start is None else int(problem.start.timestamp()),
            None if problem.end is None else int(problem.end.timestamp()),
        )
        for problem in problems
        if not problem.counted
    ]


def around_now() -> tuple[int, int]:
    """Return the stretch, in epoch seconds, for questions that name none.

    It is from a month ago to a year ahead.
    """
    now = int(clock.now())
    return now - 31 * DAY, now + 366 * DAY
