"""The schedule of a running task's DAG, read afresh where the task runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.schedule.time_rules import TimeRules
from calendar_timetable.timetable import CalendarTimetable

# Attributes that lead to it, in this order: of AssetOrTimeSchedule and DAG, task, task instance.
_HOLDERS = ("timetable", "dag", "task")


def rules_of(source: Any = None) -> TimeRules:
    """Return the rules of the DAG that *source* belongs to.

    *source* is a schedule, DAG, task, task instance, or a task's context; without one it is the
    running task's DAG that counts. Raises :class:`InvalidArgument` where the DAG has no calendars.
    """
    timetable = schedule_of(source)
    arguments = timetable.arguments
    # A schedule out of a serialized DAG has no arguments, only what was compiled from them.
    if arguments is None:
        compiled = timetable.compiled
        return TimeRules(
            compiled.windows,
            compiled.blackouts,
            compiled.timezone,
            compiled.policy,
            horizon=compiled.horizon,
        )
    arguments.check()
    return TimeRules(
        arguments.window_set, arguments.blackout_set, arguments.zone_name, arguments.policy
    )


def schedule_of(source: Any = None) -> CalendarTimetable:
    """Return the ``CalendarTimetable`` of *source*; see :func:`rules_of`.

    Raises :class:`InvalidArgument` where there is none.
    """
    if source is None:
        from airflow.sdk import get_current_context

        source = get_current_context()
    dag = source.get("dag") if isinstance(source, Mapping) else source
    timetable = find_schedule(dag)
    if timetable is not None:
        return timetable
    remedy = (
        "its DAG has no calendars of its own: "
        "give the DAG schedule=CalendarTimetable(...), or give one here"
    )
    raise InvalidArgument("schedule", getattr(dag, "dag_id", type(dag).__name__), remedy)


def find_schedule(holder: Any) -> CalendarTimetable | None:
    """Return the ``CalendarTimetable`` that *holder* leads to, or ``None``.

    *holder* is a schedule, DAG, task or task instance.
    """
    while holder is not None and not isinstance(holder, CalendarTimetable):
        holder = next(
            (part for name in _HOLDERS if (part := getattr(holder, name, None)) is not None), None
        )
    return holder
