"""Time sets: descriptions of sets of instants, how they combine, how far calendars are read.

A set as a person writes it (``Weekly``, ``Holidays``, ``Calendar``, ``a | b``, ``a & b``, ``a -
b``, ``~a``) is *resolved* once, where reading is allowed, into a set of rules and known spans. Only
resolved sets decide anything: they are what travels in the DAG.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.spans import Span, Spans

MONTHS_AHEAD = 3  # whole months, after the current one, that calendars are expanded for


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The stretch of time, ``[start, end)`` in epoch seconds, for which calendars are known."""

    start: int
    end: int


class TimeSet:
    """Base of all time sets."""

    is_read = False  # whether resolving it reads something

    def validate(self) -> None:
        """Check the arguments, without I/O; raises :class:`InvalidArgument`."""
        for part in self.parts():
            part.validate()

    def parts(self) -> Sequence[TimeSet]:
        """Return the time sets this one is made of."""
        return ()

    def in_role(self, *, deny: bool) -> TimeSet:
        """Return this set as it reads in a role: where it blocks (*deny*), or where it allows.

        Calendars tell the two apart.
        """
        return self

    def asked_within(self, newest: timedelta) -> TimeSet:
        """Return this set with calendars whose copies are in force for *newest* only.

        Past that they are held.
        """
        return self

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        """Return this set with its calendars read for *horizon*.

        *timezone* stands in where none was given. Raises :class:`CalendarUnavailable` when a
        calendar can be had neither fresh nor from its last good copy.
        """
        raise NotImplementedError

    def cover(self, start: int, end: int) -> Spans:
        """Return what a resolved set covers of ``[start, end)``, in epoch seconds.

        Where calendars are unknown they are taken as empty.
        """
        raise NotImplementedError

    def rules(self, *, deny: bool) -> TimeSet | None:
        """Return what is left of a resolved set where calendars are unknown.

        ``None`` where no rule is left: then blackouts close nothing, and windows are always open.
        What is unknown never closes time: where the set blocks (*deny*) it is taken as empty, else
        as all of time.
        """
        return self

    def fingerprint(self) -> str | None:
        """Return a text of all that the resolved set depends on, besides copies of calendars.

        ``None`` where it depends on more than it can tell.
        """
        return None

    def library(self) -> str:
        """Return which library tells its days, as "holidays 0.84"; ``""`` where none does."""
        return ""

    def spans(self, start: datetime, end: datetime) -> list[Span]:
        """Return the spans of this set within ``[start, end)``.

        They are UTC-aware, half-open, merged and sorted. Times without a zone of their own are read
        in Airflow's default zone. Reads calendars.
        """
        low, high = zones.to_instant(start, "start"), zones.to_instant(end, "end")
        within = TimeRange(int(low), -int(-high // 1))
        self.validate()
        return self.resolve(within, zones.default_zone()).cover(within.start, within.end).public()

    def __or__(self, other: object) -> TimeSet:
        return Union((self, other)) if isinstance(other, TimeSet) else NotImplemented

    def __and__(self, other: object) -> TimeSet:
        return Intersection((self, other)) if isinstance(other, TimeSet) else NotImplemented

    def __sub__(self, other: object) -> TimeSet:
        return Difference((self, other)) if isinstance(other, TimeSet) else NotImplemented

    def __invert__(self) -> TimeSet:
        return Complement((self,))


def leaves(timeset: TimeSet) -> Iterator[TimeSet]:
    """Yield the sets without parts that *timeset* is made of."""
    parts = timeset.parts()
    if not parts:
        yield timeset
    for part in parts:
        yield from leaves(part)


def resolve_or_hold(
    timeset: TimeSet, horizon: TimeRange, timezone: str, held_labels: list[str]
) -> TimeSet:
    """Resolve *timeset* as :meth:`TimeSet.resolve` does, but mark calendars that cannot be read.

    A marked calendar holds what it counts for, and its label is added to *held_labels*. Once there
    is one, no other is asked: that would change nothing, and a parse may not take long.
    """
    if isinstance(timeset, Combined):
        members = tuple(
            resolve_or_hold(member, horizon, timezone, held_labels) for member in timeset.members
        )
        return replace(timeset, members=members)
    if held_labels and timeset.is_read:
        return CalendarSpans(
            str(timeset), Spans(), unread=Unread(f"not asked while {held_labels[0]} cannot be read")
        )
    try:
        return timeset.resolve(horizon, timezone)
    except CalendarUnavailable as error:
        held_labels.append(error.label)
        return CalendarSpans(error.label, Spans(), unread=Unread(error.why, error.since))


@dataclass(frozen=True)
class Combined(TimeSet):
    """A set made of other sets."""

    members: tuple[TimeSet, ...]

    def parts(self) -> Sequence[TimeSet]:
        return self.members

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return replace(self, members=tuple(m.resolve(horizon, timezone) for m in self.members))

    def in_role(self, *, deny: bool) -> TimeSet:
        return replace(self, members=tuple(m.in_role(deny=deny) for m in self.members))

    def asked_within(self, newest: timedelta) -> TimeSet:
        return replace(self, members=tuple(m.asked_within(newest) for m in self.members))


class Union(Combined):
    """Every instant in at least one member."""

    def cover(self, start: int, end: int) -> Spans:
        return Spans(pair for member in self.members for pair in member.cover(start, end))

    def rules(self, *, deny: bool) -> TimeSet | None:
        sets = tuple(r for m in self.members if (r := m.rules(deny=deny)) is not None)
        return Union(sets) if sets and (deny or len(sets) == len(self.members)) else None

    def __str__(self) -> str:
        return " or ".join(map(str, self.members))


class Intersection(Combined):
    """Every instant in all members."""

    def cover(self, start: int, end: int) -> Spans:
        first, *rest = (member.cover(start, end) for member in self.members)
        for spans in rest:
            first = first & spans
        return first

    def rules(self, *, deny: bool) -> TimeSet | None:
        sets = tuple(r for m in self.members if (r := m.rules(deny=deny)) is not None)
        complete = not deny or len(sets) == len(self.members)
        return Intersection(sets) if sets and complete else None

    def __str__(self) -> str:
        return " and ".join(f"({m})" if isinstance(m, Union) else str(m) for m in self.members)


class Difference(Combined):
    """Every instant in the first member and not in the second."""

    def cover(self, start: int, end: int) -> Spans:
        keep, drop = self.members
        return keep.cover(start, end) - drop.cover(start, end)

    def rules(self, *, deny: bool) -> TimeSet | None:
        keep, drop = self.members
        keep_rules, drop_rules = keep.rules(deny=deny), drop.rules(deny=not deny)
        if keep_rules is None or drop_rules is None:
            if deny:
                return None
            return keep_rules if drop_rules is None else Complement((drop_rules,))
        return Difference((keep_rules, drop_rules))

    def in_role(self, *, deny: bool) -> TimeSet:
        keep, drop = self.members
        return Difference((keep.in_role(deny=deny), drop.in_role(deny=not deny)))

    def __str__(self) -> str:
        keep, drop = (f"({m})" if isinstance(m, Union) else str(m) for m in self.members)
        return f"{keep} except {drop}"


class Complement(Combined):
    """Every instant not in the member."""

    def cover(self, start: int, end: int) -> Spans:
        return self.members[0].cover(start, end).complement(start, end)

    def rules(self, *, deny: bool) -> TimeSet | None:
        member = self.members[0].rules(deny=not deny)
        return None if member is None else Complement((member,))

    def in_role(self, *, deny: bool) -> TimeSet:
        return Complement((self.members[0].in_role(deny=not deny),))

    def __str__(self) -> str:
        member = self.members[0]
        return f"outside ({member})" if isinstance(member, Combined) else f"outside {member}"


def unexempted(timeset: TimeSet) -> TimeSet:
    """Return what *timeset* is without the :class:`Period` for which a DAG is exempt from it."""
    if isinstance(timeset, Difference) and isinstance(timeset.members[1], Period):
        return timeset.members[0]
    return timeset


@dataclass(frozen=True)
class LocalDays(TimeSet):
    """Whole local days, by date: what holidays resolve to."""

    label: str
    timezone: str
    dates: tuple[date, ...]

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return self

    def cover(self, start: int, end: int) -> Spans:
        zone = zones.load_zone(self.timezone)
        pairs = (
            (zones.local_instant(d, 0, zone), zones.local_instant(d, 86400, zone))
            for d in self.dates
        )
        return Spans(pairs).clip(start, end)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True)
class Period(TimeSet):
    """One stretch of time, ``[start, end)`` in epoch seconds, which no calendar has to tell."""

    start: int
    end: int

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return self

    def cover(self, start: int, end: int) -> Spans:
        return Spans(((self.start, self.end),)).clip(start, end)

    def fingerprint(self) -> str:
        return repr(self)

    def __str__(self) -> str:
        start, end = map(zones.to_datetime, (self.start, self.end))
        return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Feed:
    """Which feed a calendar's spans come from, and what holds when it fails.

    Kept to tell how the feed is doing. *key* is the feed's name in the cache, a digest; *max_stale*
    is in seconds.
    """

    key: str
    on_unavailable: str = "hold"
    max_stale: int = 86400


@dataclass(frozen=True, slots=True)
class Unread:
    """Why a calendar that counts cannot be read.

    *since* is when it last could, in epoch seconds, if it ever could.
    """

    why: str
    since: int | None = None


@dataclass(frozen=True)
class CalendarSpans(TimeSet):
    """A calendar's spans inside the horizon; beyond it, unknown."""

    label: str
    known: Spans
    titles: tuple[tuple[int, int, str], ...] = ()
    # What a person must know of it: that it cannot be read and is ignored.
    note: str = ""
    # ``None`` in DAGs that were stored before this was told.
    feed: Feed | None = None
    # Where this is set nothing is known, and nothing is scheduled.
    unread: Unread | None = None

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        if self.unread is not None:
            raise CalendarUnavailable(self.label, self.unread.why, self.unread.since)
        return self

    def cover(self, start: int, end: int) -> Spans:
        return self.known.clip(start, end)

    def rules(self, *, deny: bool) -> TimeSet | None:
        return None

    def title_at(self, instant: float) -> str | None:
        """Return the title of the event that covers *instant*, where titles are shown."""
        return next((text for start, end, text in self.titles if start <= instant < end), None)

    def __str__(self) -> str:
        return self.label


def as_timeset(
    field: str, value: object, calendar_at: Callable[[object], TimeSet]
) -> TimeSet | None:
    """Return *value* as one time set; ``None`` where there is none.

    *calendar_at* makes a time set of an address, and a list means the union. Raises
    :class:`InvalidArgument`, which names *field*.
    """
    if value is None or isinstance(value, TimeSet):
        return value
    if isinstance(value, (list, tuple)):
        members = tuple(
            s for item in value if (s := as_timeset(field, item, calendar_at)) is not None
        )
        if len(members) < len(value):
            raise InvalidArgument(
                field, value, "leave out what is None or empty: it would silently not count"
            )
        return Union(members) if len(members) > 1 else next(iter(members), None)
    if isinstance(value, str) or type(value).__module__.startswith("pathlib"):
        return calendar_at(value)
    raise InvalidArgument(
        field, value, "give a Calendar, Weekly or Holidays, an address, or a list of these"
    )


def horizon_around(moment: float, reach: int, end: float | None = None) -> TimeRange:
    """Return whole calendar months (UTC) around *moment*, in epoch seconds.

    They reach from the month of *reach* seconds before the first of *moment*'s month to the end of
    the :data:`MONTHS_AHEAD` months after it, or to *end* where that is later. Anchored to months,
    so that the serialized form does not change with the clock.
    """
    this_month = _month(zones.to_datetime(moment))
    low = _month(this_month - timedelta(seconds=max(reach, 1)))
    high = _month(this_month + timedelta(days=31 * (MONTHS_AHEAD + 1)))
    return TimeRange(int(low.timestamp()), max(int(high.timestamp()), int(end or 0)))


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
