"""What comes after a run's start: the end of its window, the next blackout, and how much time is to spare."""

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import NamedTuple

from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import blocked
from calendar_timetable.planning.open_time import DAY, Blocker, OpenTime, members
from calendar_timetable.planning.time_sets import Known, TimeSet, leaves
from calendar_timetable.schedule.compiled import Carried

_AHEAD = 8 * DAY  # how far is looked: what is further off is no concern of whoever watches a run


class Blackout(NamedTuple):
    """When a blackout begins, and what of: a calendar and, where that is shown, its event; or a rule, and its zone."""

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


def outlook(carried: Carried, start: float, end: float | None) -> Outlook:
    """What comes after *start*, for a run that is expected to *end* then.

    A DAG carries of its calendars what its own runs touch: past that, nothing is told for certain.
    """
    if carried.open_time.always or not carried.open_time.fits(start, 0):
        return Outlook()
    in_windows, unblocked = carried.open_by_role
    window_end, window_known = _end(in_windows, carried.windows, carried, start)
    blackout, blackout_known = _end(unblocked, carried.blackouts, carried, start)
    spare, at_least = None, False
    known = min(window_known, blackout_known)
    first = min((at for at in (window_end, blackout) if at is not None), default=inf)
    if end is not None and first <= known and first < inf:
        spare = int(first - end)
    elif end is not None and end <= known < start + _AHEAD:
        spare, at_least = int(known - end), True
    return Outlook(
        None if window_end is None else zones.to_datetime(window_end),
        None if blackout is None else _named(carried, blackout),
        spare,
        at_least,
    )


def _end(open_time: OpenTime, timeset: TimeSet | None, carried: Carried, start: float) -> tuple[float | None, float]:
    """When what is open by *timeset* alone closes after *start*, and until when that is known."""
    if timeset is None:
        return None, inf
    calendars = any(isinstance(leaf, Known) for leaf in leaves(timeset))
    known = min(carried.known_until(start) if calendars else inf, start + _AHEAD)
    end = open_time.over(start, start + _AHEAD).end_of_span(start)
    return (None if end is None or end >= known else end), known


def _named(carried: Carried, at: float) -> Blackout:
    """The blackout that begins *at*."""
    covering = (m for m in members(carried.blackouts) if at in m.cover(int(at), int(at) + 1))
    found = Blocker("blackout", next(covering, members(carried.blackouts)[0]), None)
    why = blocked(found, at)
    return Blackout(
        start=zones.to_datetime(at), calendar=why.calendar, event=why.event, detail=why.detail, zone=why.zone
    )
