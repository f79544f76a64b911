"""The schedule of a running task's DAG, read afresh where the task runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.schedule.time_rules import TimeRules
from calendar_timetable.timetable import CalendarTimetable

_HOLDERS = ("timetable", "dag", "task")  # AssetOrTimeSchedule and DAG, task, task instance; in this order


def rules_of(source: Any = None) -> TimeRules:
    """The rules of the DAG that *source* belongs to: a schedule, DAG, task, task instance, or a task's context.

    Without one, of the running task's DAG.
    """
    timetable = schedule_of(source)
    given = timetable.arguments
    if given is None:
        compiled = timetable.compiled
        return TimeRules(
            compiled.windows, compiled.blackouts, compiled.timezone, compiled.policy, horizon=compiled.horizon
        )
    given.check()
    return TimeRules(given.window_set, given.blackout_set, given.zone_name, given.policy)


def schedule_of(source: Any = None) -> CalendarTimetable:
    """The ``CalendarTimetable`` of *source*; see :func:`rules_of`."""
    if source is None:
        from airflow.sdk import get_current_context

        source = get_current_context()
    seen = source.get("dag") if isinstance(source, Mapping) else source
    found = find_schedule(seen)
    if found is not None:
        return found
    remedy = "its DAG has no calendars of its own: give the DAG schedule=CalendarTimetable(...), or give one here"
    raise InvalidArgument("schedule", getattr(seen, "dag_id", type(seen).__name__), remedy)


def find_schedule(holder: Any) -> CalendarTimetable | None:
    """The ``CalendarTimetable`` that *holder*, a schedule, DAG, task or task instance, leads to."""
    while holder is not None and not isinstance(holder, CalendarTimetable):
        holder = next((part for name in _HOLDERS if (part := getattr(holder, name, None)) is not None), None)
    return holder
