"""What comes after a run's start: the end of its window, the next blackout, the time to spare."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import NamedTuple

from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import blocked
from calendar_timetable.planning.open_time import DAY, Blocker, OpenTime, members
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, leaves
from calendar_timetable.schedule.compiled import CompiledSchedule

# Seconds after a run's start that are looked at: what is further off does not concern those who
# watch the run.
_SECONDS_AHEAD = 8 * DAY


class Blackout(NamedTuple):
    """When a blackout begins, and what blocks.

    That is a *calendar* and, where it is shown, its *event*; or a rule (*detail*) and its *zone*.
    """

    start: datetime
    calendar: str | None
    event: str | None
    detail: str | None
    zone: str | None


class Outlook(NamedTuple):
    """What is known of the time after a start; ``None`` where nothing is."""

    window_end: datetime | None = None
    next_blackout: Blackout | None = None
    spare_seconds: int | None = None
    spare_at_least: bool = False


def outlook(compiled: CompiledSchedule, start: float, end: float | None) -> Outlook:
    """Return what comes after *start*, for a run that is expected to end at *end*.

    Both are in epoch seconds. A DAG carries of its calendars only what its own runs touch: past
    that, nothing is certain.
    """
    if compiled.open_time.always or not compiled.open_time.fits(start, 0):
        return Outlook()
    in_windows, unblocked = compiled.open_by_role
    window_end, window_known = _end(in_windows, compiled.windows, compiled, start)
    blackout, blackout_known = _end(unblocked, compiled.blackouts, compiled, start)
    spare, at_least = None, False
    known_until = min(window_known, blackout_known)
    first = min((at for at in (window_end, blackout) if at is not None), default=inf)
    if end is not None and first <= known_until and first < inf:
        spare = int(first - end)
    elif end is not None and end <= known_until < start + _SECONDS_AHEAD:
        spare, at_least = int(known_until - end), True
    return Outlook(
        None if window_end is None else zones.to_datetime(window_end),
        None if blackout is None else _blackout_at(compiled, blackout),
        spare,
        at_least,
    )


def _end(
    open_time: OpenTime, timeset: TimeSet | None, compiled: CompiledSchedule, start: float
) -> tuple[float | None, float]:
    """Return when *open_time* closes after *start*, and until when that is known, in epoch seconds.

    *open_time* is what is open by *timeset* alone.
    """
    if timeset is None:
        return None, inf
    calendars = any(isinstance(leaf, CalendarSpans) for leaf in leaves(timeset))
    known_until = min(compiled.known_until(start) if calendars else inf, start + _SECONDS_AHEAD)
    end = open_time.over(start, start + _SECONDS_AHEAD).end_of_span(start)
    return (None if end is None or end >= known_until else end), known_until


def _blackout_at(compiled: CompiledSchedule, at: float) -> Blackout:
    """Return the blackout that begins at *at*, in epoch seconds."""
    covering = (m for m in members(compiled.blackouts) if at in m.cover(int(at), int(at) + 1))
    blocker = Blocker("blackout", next(covering, members(compiled.blackouts)[0]), None)
    why = blocked(blocker, at)
    return Blackout(
        start=zones.to_datetime(at),
        calendar=why.calendar,
        event=why.event,
        detail=why.detail,
        zone=why.zone,
    )
