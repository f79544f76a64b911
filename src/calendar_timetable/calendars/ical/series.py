"""Recurring events: the components of one UID into occurrences (RFC 5545 section 3.8.5).

:mod:`.recurrence` decides which instances a rule names, in wall-clock time without any zone. For
series with more than one rule and single changes, recurring-ical-events tells what is left: it is
given instances, EXDATE, RDATE and RECURRENCE-ID in the zone of the series. When an instance is, and
how long it lasts, is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.ical.parser import Component, ContentLine, Unreadable
from calendar_timetable.calendars.ical.properties import (
    DAY,
    EPOCH,
    CalendarTime,
    Duration,
    WallTime,
    details_of,
    is_local,
    local_seconds,
    local_time,
    parse_duration,
    texts_of,
    uid_of,
    wall_clock,
)
from calendar_timetable.calendars.ical.rrule import parse_rrule
from calendar_timetable.calendars.occurrences import Details

if TYPE_CHECKING:
    from icalendar import Event

# 9999-12-30, in epoch seconds: still a time in every zone.
LATEST = 253402128000
_DAY, _SECOND = timedelta(days=1), timedelta(seconds=1)


class Doubt(NamedTuple):
    """A value of a series that is not understood, though the rest is sure.

    *reason* is why, *adds* whether the value may add occurrences.
    """

    reason: str
    adds: bool


@dataclass(frozen=True, slots=True)
class SeriesComponent:
    """One component of a series: the event itself, or an override with its *recurrence_id*.

    *start* and *end* are in epoch seconds.
    """

    uid: str
    details: Details
    begin: WallTime
    wall: timedelta  # from start to end on the wall clock
    # if one was given instead of an end, or an end that the clock of the start does not tell
    duration: Duration | None
    start: int
    end: int
    recurrence_id: WallTime | None
    # whether recurrence_id is in the zone of the series, whatever the zone of the override
    floating: bool
    this_and_future: bool
    sequence: int
    rules: tuple[str, ...]
    exclusion_rules: tuple[str, ...]
    rdates: tuple[WallTime | tuple[WallTime, WallTime], ...]
    exdates: tuple[WallTime, ...]
    doubts: tuple[Doubt, ...] = ()

    @property
    def recurs(self) -> bool:
        """Whether it has an RRULE or an RDATE."""
        return bool(self.rules or self.rdates)


def read_part(block: Component, clock: CalendarTime, *, cancelled: bool = False) -> SeriesComponent:
    """Return *block*, a VEVENT or AVAILABLE, understood.

    *cancelled* says that it is cancelled elsewhere, by its calendar. Raises :class:`Unreadable`.
    """
    line = block.first("DTSTART")
    if line is None and (cancelled or block.text("STATUS") == "CANCELLED"):
        # A cancelled instance need not say more than which one it is.
        line = block.first("RECURRENCE-ID")
    if line is None:
        raise Unreadable("no DTSTART")
    begin = clock.moment(line)
    beside = clock.beside(begin)
    start = begin.instant
    duration = None
    last, length = block.first("DTEND"), block.first("DURATION")
    if last is not None:
        finish = beside.moment(last)
        if begin.is_date and finish.is_date and finish.local == begin.local:
            # An end on the date of the start is meant as that one day.
            finish = WallTime(finish.local + _DAY, finish.zone, is_date=True)
        wall, end = finish.local_in(begin.zone) - begin.local, finish.instant
        if finish.zone != begin.zone and not (begin.is_date and wall % _DAY == timedelta()):
            # It is an instant, and no time of this clock: other instances are exactly as long.
            duration = Duration(0, end - start)
            wall = duration.nominal
        elif wall > timedelta() and end <= start:
            # Clocks go forward in between: it keeps its length, as other instances do.
            end = start + int(wall.total_seconds())
    else:
        duration = parse_duration(length.value) if length is not None else Duration(0, 0)
        if begin.is_date and not duration.nominal:
            # A date without a length is that day.
            duration = Duration(1, 0)
        wall, end = duration.nominal, duration.after(begin.local, begin.zone)
    if end < start or wall < timedelta():
        raise Unreadable("it ends before it starts")
    identity = block.first("RECURRENCE-ID")
    sequence = block.text("SEQUENCE")
    doubts: list[Doubt] = []
    return SeriesComponent(
        uid_of(block),
        details_of(block, all_day=begin.is_date and wall % _DAY == timedelta()),
        begin,
        wall,
        duration,
        start,
        min(end, LATEST),
        None if identity is None else beside.moment(identity),
        identity is not None and is_local(identity),
        identity is not None and identity.params.get("RANGE", "").upper() == "THISANDFUTURE",
        int(sequence[:9]) if sequence.isdecimal() else 0,
        tuple(line.value for line in block.all("RRULE") if line.value.strip()),
        tuple(line.value for line in block.all("EXRULE") if line.value.strip()),
        tuple(_of_first_hours(_listed(beside, block.all("RDATE"), doubts), begin, doubts)),
        tuple(_singles(beside, block.all("EXDATE"), doubts)),
        tuple(doubts),
    )


def _listed(
    clock: CalendarTime, lines: Iterable[ContentLine], doubts: list[Doubt]
) -> Iterator[WallTime | tuple[WallTime, WallTime]]:
    """Yield the times in *lines*, periods as (start, end); note in *doubts* what is unclear."""
    for line in lines:
        for text in texts_of(line):
            try:
                yield clock.listed(text, line)
            except Unreadable as error:
                doubts.append(Doubt(str(error), adds=line.name == "RDATE"))


def _of_first_hours(
    listed: Iterable[WallTime | tuple[WallTime, WallTime]], begin: WallTime, doubts: list[Doubt]
) -> Iterator[WallTime | tuple[WallTime, WallTime]]:
    """Yield those *listed* that the clock of *begin* can tell; note the others in *doubts*.

    Those are in the second of two hours that the clock shows alike, when it goes back.
    """
    for item in listed:
        first = item[0] if isinstance(item, tuple) else item
        if (
            first.is_date
            or begin.is_date
            or WallTime(first.local_in(begin.zone), begin.zone).instant == first.instant
        ):
            yield item
        else:
            doubts.append(
                Doubt("RDATE: a time in the hour that comes twice, when clocks go back", adds=True)
            )


def _singles(
    clock: CalendarTime, lines: Iterable[ContentLine], doubts: list[Doubt]
) -> Iterator[WallTime]:
    """Yield the times in *lines*; note in *doubts* periods, and what is not understood."""
    for moment in _listed(clock, lines, doubts):
        if isinstance(moment, tuple):
            doubts.append(Doubt("EXDATE: a period", adds=False))
        else:
            yield moment


def without_own_recurrence(parts: list[SeriesComponent]) -> list[SeriesComponent]:
    """Return *parts*, an event and its overrides, without the rules and dates of overrides.

    RECURRENCE-ID names one instance, and those after it follow the series (RFC 5545 section
    3.8.4.4). What else an override says of them is noted as a doubt, unless it only repeats the
    event, as some programs have it.
    """
    master = parts[0] if parts[0].recurrence_id is None else None
    return [
        part
        if part is master
        else replace(part, rules=(), rdates=(), doubts=(*part.doubts, *_not_followed(part, master)))
        for part in parts
    ]


def _not_followed(part: SeriesComponent, master: SeriesComponent | None) -> Iterator[Doubt]:
    if part.details.status == "cancelled":
        return
    if part.this_and_future and master is None:
        yield Doubt("RECURRENCE-ID: all that follow, and their series is not there", adds=True)
    repeated = None if part.this_and_future else master
    if part.rules and (repeated is None or not set(part.rules) <= set(repeated.rules)):
        yield Doubt("RRULE: a changed instance with a rule of its own", adds=True)
    if part.rdates and (repeated is None or not set(part.rdates) <= set(repeated.rdates)):
        yield Doubt("RDATE: a changed instance with dates of its own", adds=True)


def expand_series(
    parts: list[SeriesComponent], start: int, end: int
) -> Iterator[tuple[Details, int, int]]:
    """Yield the occurrences of one series that touch ``[start, end)``, unsorted.

    They are (details, start, end), in epoch seconds. *parts* are the event, if it is known, and its
    overrides. Raises :class:`Unreadable` for a rule that is refused, and whatever the libraries
    raise.
    """
    parts = settled(parts)
    if parts[0].recurrence_id is not None:
        rows = [(part.details, part.start, part.end) for part in parts]
    elif len(parts) == 1 and not parts[0].recurs:
        rows = [(parts[0].details, parts[0].start, parts[0].end)]
    else:
        recur = _recur_plainly if _is_plain(parts) else _recur
        # Two instances may be one instant where clocks go forward.
        rows = list(dict.fromkeys(recur(parts, start, end)))
    for details, first, last in rows:
        if first < end and (last > start or first == last == start):
            yield details, first, min(last, LATEST)


def _is_plain(parts: list[SeriesComponent]) -> bool:
    """Tell whether this is one rule from which whole instances are taken or moved.

    Nearly every series is.
    """
    master, *overrides = parts
    return (
        len(master.rules) == 1
        and not master.rdates
        and not master.exclusion_rules
        and all(not p.recurs and not p.this_and_future and not p.exdates for p in overrides)
    )


def _recur_plainly(
    parts: list[SeriesComponent], start: int, end: int
) -> Iterator[tuple[Details, int, int]]:
    """Yield what :func:`_recur` yields, in a fraction of the time; tests hold the two together."""
    master, *overrides = parts
    zone = master.begin.zone
    rule = parse_rrule(master.rules[0], master.begin.local, master.begin)
    excluded = {
        local_seconds(wall) for moment in master.exdates for wall in walls_of(moment, master)
    }
    identities = (part.recurrence_id for part in overrides if part.recurrence_id)
    moved = {local_seconds(wall) for identity in identities for wall in walls_of(identity, master)}
    if excluded & moved:
        yield from _recur(parts, start, end)
        return
    omissions = excluded | moved
    low, high = _local(start, zone) - 2 * _DAY, _local(end, zone) + 2 * _DAY
    reach = max(high - min(part.begin.local_in(zone) for part in parts), timedelta()) + _DAY
    wall = int(min(master.wall, reach).total_seconds())
    length = master.duration if master.duration is not None and master.wall <= reach else None
    days, seconds = (wall, 0) if length is None else (length.days * DAY, length.seconds)
    instant = wall_clock(zone).instant
    first, bound = local_seconds(low) - wall, local_seconds(high)
    # DTSTART counts, even where its rule does not name it.
    if first <= rule.begin < bound and rule.begin not in omissions:
        yield master.details, master.start, master.end
    omissions.add(rule.begin)
    count = 0
    for at in rule.between(first, bound):
        if at not in omissions:
            count += 1
            if count > limits.MAX_SERIES_OCCURRENCES:
                raise Unreadable(f"more than {count - 1} occurrences")
            begins, ends = instant(at), instant(at + days) + seconds
            # Where clocks go forward, a wall-clock end may come before the start.
            yield master.details, begins, ends if ends > begins else begins + wall
    for part in overrides:
        yield part.details, part.start, part.end


def _recur(
    parts: list[SeriesComponent], start: int, end: int
) -> Iterator[tuple[Details, int, int]]:
    """Yield the occurrences of any series that recurs, with the help of recurring-ical-events."""
    from icalendar import Calendar
    from recurring_ical_events import CalendarQuery

    zone = parts[0].begin.zone
    low, high = (_local(instant, zone) for instant in (start, end))
    low, high = low - 2 * _DAY, high + 2 * _DAY
    reach = max(high - min(part.begin.local_in(zone) for part in parts), timedelta()) + _DAY
    # An override of all that follow may bring in instances from as far as it moves them, and make
    # them longer.
    moved = [
        p.begin.local_in(zone) - wall_of(p.recurrence_id, parts[0])
        for p in parts
        if p.recurrence_id and p.this_and_future
    ]
    furthest = max(map(abs, moved), default=timedelta())
    longest = max(min(part.wall, reach) for part in parts) + furthest
    bounds = (
        local_seconds(low) - int(longest.total_seconds()),
        local_seconds(high) + int(longest.total_seconds()),
    )
    calendar = Calendar()
    for number, part in enumerate(parts):
        calendar.add_component(_event(part, parts[0], number, bounds, min(part.wall, reach)))
    lengths = _lengths(parts[0])
    # A period that began long before is asked for by its start.
    under_way = (
        wall - furthest
        for wall, length in lengths.items()
        if wall < low and length > (low - wall) // _SECOND
    )
    low = min(under_way, default=low)
    for series in CalendarQuery(calendar).series:
        for count, occurrence in enumerate(series.between(low, high)):
            if count == limits.MAX_SERIES_OCCURRENCES:
                raise Unreadable(f"more than {count} occurrences")
            part = parts[int(occurrence.as_component(True)["X-PART"])]
            yield part.details, *_instants(part, parts[0], occurrence.start, lengths, reach)


def _lengths(master: SeriesComponent) -> dict[datetime, int]:
    """Return how long each period of *master* lasts, in seconds, by its wall-clock start.

    It is the longest of those with the same start.
    """
    lengths: dict[datetime, int] = {}
    for moment in master.rdates:
        if isinstance(moment, tuple):
            first, last = moment
            wall = wall_of(first, master)
            length = last.instant - WallTime(wall, master.begin.zone).instant
            if length <= 0:
                length = last.instant - first.instant
            lengths[wall] = max(length, lengths.get(wall, 0))
    return lengths


def _instants(
    part: SeriesComponent,
    master: SeriesComponent,
    first: datetime,
    lengths: dict[datetime, int],
    reach: timedelta,
) -> tuple[int, int]:
    """Return when an instance of *part* starts and ends, in epoch seconds.

    *first* is its start in wall-clock time of *master*'s zone. *lengths* are those of the periods
    of *master*, in seconds.
    """
    zone = master.begin.zone
    begin, start = part.begin.local_in(zone), WallTime(first, zone).instant
    named = first
    if part.recurrence_id is not None:
        named = first - begin + wall_of(part.recurrence_id, master)
    if first == begin and (part is not master or named not in lengths):
        return part.start, part.end
    if named in lengths:
        return start, start + lengths[named]
    if part.duration is not None and part.wall <= reach:
        return start, part.duration.after(first, zone)
    if part.begin.zone != zone and not part.begin.is_date:
        # The override was given in instants, as seen from the clock of the series.
        return start, start + part.end - part.start
    wall = min(part.wall, reach)
    end = WallTime(first + wall, zone).instant
    # Where clocks go forward, a wall-clock end may come before the start.
    return start, end if end > start else start + int(wall.total_seconds())


def _event(
    part: SeriesComponent,
    master: SeriesComponent,
    number: int,
    bounds: tuple[int, int],
    wall: timedelta,
) -> Event:
    """Return *part* in wall-clock time of *master*'s zone, as recurring-ical-events takes it."""
    from icalendar import Event
    from icalendar.prop import vDDDLists, vDDDTypes

    zone = master.begin.zone
    begin = part.begin.local_in(zone)
    event = Event()
    event["UID"] = "series"
    event["X-PART"] = str(number)
    event["SEQUENCE"] = part.sequence
    event["DTSTART"], event["DTEND"] = vDDDTypes(begin), vDDDTypes(begin + wall)
    if part.recurrence_id is not None:
        event["RECURRENCE-ID"] = vDDDTypes(wall_of(part.recurrence_id, master))
        if part.this_and_future:
            event["RECURRENCE-ID"].params["RANGE"] = "THISANDFUTURE"
        return event
    excluded = [wall for moment in part.exdates for wall in walls_of(moment, master)]
    excluded += _by_rules(part.exclusion_rules, part, begin, bounds)
    if excluded:
        event["EXDATE"] = vDDDLists(excluded)
    added = _by_rules(part.rules, part, begin, bounds)
    # How long a period lasts is known elsewhere: a clock tells some hours twice.
    added += [wall_of(at[0] if isinstance(at, tuple) else at, master) for at in part.rdates]
    if added:
        event["RDATE"] = vDDDLists(added)
    return event


def _by_rules(
    rules: tuple[str, ...], part: SeriesComponent, begin: datetime, bounds: tuple[int, int]
) -> list[datetime]:
    """Return what *rules* of *part* name within *bounds*.

    Raises :class:`Unreadable` if that is too much.
    """
    every = (at for text in rules for at in parse_rrule(text, begin, part.begin).between(*bounds))
    instances = list(islice(every, limits.MAX_SERIES_OCCURRENCES + 1))
    if len(instances) > limits.MAX_SERIES_OCCURRENCES:
        raise Unreadable(f"more than {limits.MAX_SERIES_OCCURRENCES} occurrences")
    return [local_time(at) for at in instances]


def _local(instant: int, zone: tzinfo) -> datetime:
    return (
        (EPOCH + timedelta(seconds=instant))
        .replace(tzinfo=UTC)
        .astimezone(zone)
        .replace(tzinfo=None)
    )


def settled(parts: list[SeriesComponent]) -> list[SeriesComponent]:
    """Return *parts* with one override for each instance.

    It is the one of highest SEQUENCE (RFC 5546 section 2.1.5), else the last. A cancelled series
    takes its overrides with it, except those that were changed after that.
    """
    if len(parts) == 1:
        return parts
    master = parts[0] if parts[0].recurrence_id is None else None
    newest: dict[object, SeriesComponent] = {}
    for part in parts if master is None else parts[1:]:
        if (
            master is not None
            and master.details.status == "cancelled"
            and part.sequence <= master.sequence
        ):
            continue
        if master is not None:
            part = replace(part, recurrence_id=_identity(part, master))  # noqa: PLW2901
        moment = part.recurrence_id
        walls = walls_of(moment, master) if moment is not None and master is not None else ()
        key = part.this_and_future, walls or (moment and moment.instant)
        if key not in newest or newest[key].sequence <= part.sequence:
            newest[key] = part
    return [*([] if master is None else [master]), *newest.values()]


def _identity(part: SeriesComponent, master: SeriesComponent) -> WallTime | None:
    """Return the RECURRENCE-ID of *part*, in the zone of *master* where it names none."""
    if part.recurrence_id is None or not part.floating:
        return part.recurrence_id
    return WallTime(part.recurrence_id.local, master.begin.zone)


def has_instance(master: SeriesComponent, override: SeriesComponent) -> bool:
    """Tell whether the recurrence set of *master* has the instance that *override* changes.

    Its EXRULE is not asked. Raises :class:`Unreadable` for a rule that is refused.
    """
    identity = _identity(override, master)
    walls = set(walls_of(identity, master)) if identity is not None else set()
    if any(walls & set(walls_of(moment, master)) for moment in master.exdates):
        return False
    firsts = (at[0] if isinstance(at, tuple) else at for at in master.rdates)
    begin = master.begin
    return (
        begin.local in walls
        or any(walls & set(walls_of(first, master)) for first in firsts)
        or any(
            at == local_seconds(wall)
            for text in master.rules
            for wall in walls
            for at in parse_rrule(text, begin.local, begin).between(
                local_seconds(wall), local_seconds(wall) + 1
            )
        )
    )


def walls_of(moment: WallTime, master: SeriesComponent) -> tuple[datetime, ...]:
    """Return the wall-clock times of the instance of *master* that *moment* names.

    An instance is told by its instant. A date alone means the one of that day, at its usual time.
    """
    zone, usual = master.begin.zone, master.begin.local.time()
    if master.begin.is_date:
        return (datetime.combine(moment.day_in(zone), usual),)
    if moment.is_date:
        return (datetime.combine(moment.local.date(), usual),)
    return moment.walls_in(zone)


def wall_of(moment: WallTime, master: SeriesComponent) -> datetime:
    """Return the likeliest of :func:`walls_of`: the one at the usual time, if there is one."""
    walls = walls_of(moment, master) or (moment.local_in(master.begin.zone),)
    return next((wall for wall in walls if wall.time() == master.begin.local.time()), walls[0])
