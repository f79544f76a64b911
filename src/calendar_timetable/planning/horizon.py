"""How far calendars are read."""

from __future__ import annotations

from datetime import datetime, timedelta

from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import Range

MONTHS_AHEAD = 3  # whole months, after the current one, that calendars are expanded for


def horizon_around(moment: float, reach: int, end: float | None = None) -> Range:
    """Whole calendar months (UTC): from *reach* seconds before *moment*'s to :data:`MONTHS_AHEAD` after it, or *end*.

    Anchored to months, so that the serialized form does not change with the clock.
    """
    this_month = _month(zones.to_datetime(moment))
    low = _month(this_month - timedelta(seconds=max(reach, 1)))
    high = _month(this_month + timedelta(days=31 * (MONTHS_AHEAD + 1)))
    return Range(int(low.timestamp()), max(int(high.timestamp()), int(end or 0)))


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
