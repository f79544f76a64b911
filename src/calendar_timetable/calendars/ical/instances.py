"""Which instance of a series is meant: told by its instant, however it is written (RFC 5545 section 3.8.4.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from calendar_timetable.calendars.ical.properties import Moment

if TYPE_CHECKING:
    from calendar_timetable.calendars.ical.series import Part


def settled(parts: list[Part]) -> list[Part]:
    """*parts* with one override for each instance: the one of highest SEQUENCE (RFC 5546 section 2.1.5), else the last.

    A cancelled series takes its overrides with it, except those that were changed after that.
    """
    if len(parts) == 1:
        return parts
    master = parts[0] if parts[0].recurrence_id is None else None
    newest: dict[object, Part] = {}
    for part in parts if master is None else parts[1:]:
        if master is not None and master.details.status == "cancelled" and part.sequence <= master.sequence:
            continue
        if master is not None and part.floating and part.recurrence_id is not None:
            part = replace(part, recurrence_id=Moment(part.recurrence_id.local, master.begin.zone))  # noqa: PLW2901
        moment = part.recurrence_id
        walls = walls_of(moment, master) if moment is not None and master is not None else ()
        key = part.this_and_future, walls or (moment and moment.instant)
        if key not in newest or newest[key].sequence <= part.sequence:
            newest[key] = part
    return [*([] if master is None else [master]), *newest.values()]


def walls_of(moment: Moment, master: Part) -> tuple[datetime, ...]:
    """The wall-clock times that an instance of *master* has which *moment* names: it is told by its instant.

    A date alone means the one of that day, at its usual time.
    """
    zone, usual = master.begin.zone, master.begin.local.time()
    if master.begin.is_date:
        return (datetime.combine(moment.day_in(zone), usual),)
    if moment.is_date:
        return (datetime.combine(moment.local.date(), usual),)
    return moment.walls_in(zone)


def wall_of(moment: Moment, master: Part) -> datetime:
    """The likeliest of these: at the usual time, if there is one."""
    walls = walls_of(moment, master) or (moment.local_in(master.begin.zone),)
    return next((wall for wall in walls if wall.time() == master.begin.local.time()), walls[0])
