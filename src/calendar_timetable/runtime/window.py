"""How much of the window is left, for deadlines of pods, of commands and of training loops."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from calendar_timetable import clock
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.runtime.dag_schedule import rules_of
from calendar_timetable.runtime.overrides import overridden

# Seconds that an end is looked for ahead; where there is none, this much is left.
WINDOW_AHEAD = 366 * DAY


def window_end(source: Any = None, *, at: datetime | None = None) -> datetime | None:
    """Return when the open time that holds *at* (default: now) ends, in UTC.

    It is *at* itself where time is closed, and ``None`` where no end is known within a year. In a
    run that ignores calendars (by hand, or told to by its conf) it is a year after *at*: in that of
    the running task, or of the task instance or context that is the *source*.

    *source* says whose schedule counts: a ``CalendarTimetable``, a DAG, a task, a task instance or
    a task's context; by default it is that of the running task's DAG. Calendars are read where this
    runs, through the host's cache, as often as their ``refresh`` says; raises
    :class:`CalendarUnavailable` for one that cannot be had.
    """
    instant = clock.now() if at is None else zones.to_instant(at, "at")
    end = _end(source, instant)
    return None if end is None else zones.to_datetime(end)


def seconds_left(source: Any = None, *, at: datetime | None = None) -> int:
    """Return the whole seconds until :func:`window_end`.

    They are at least 1 in open time, and 0 where time is closed. Where no end is known, and in a
    run that ignores calendars, they are those of a year.
    """
    instant = clock.now() if at is None else zones.to_instant(at, "at")
    end = _end(source, instant)
    if end is None:
        return WINDOW_AHEAD
    return max(int(end - instant), 1) if end > instant else 0


def end_of_open_time(open_time: OpenTime, instant: float) -> float | None:
    """Return when the open time that holds *instant* ends, in epoch seconds.

    It is *instant* itself where time is closed, and ``None`` where no end is known.
    """
    if open_time.always:
        return None
    end = open_time.over(instant, instant + WINDOW_AHEAD).end_of_span(instant)
    if end is None:
        return instant
    return end if end < instant + WINDOW_AHEAD else None


def _end(source: Any, instant: float) -> float | None:
    rules = rules_of(source)
    return (
        instant + WINDOW_AHEAD
        if overridden(source)
        else end_of_open_time(rules.read_kept(instant), instant)
    )
