"""What Airflow's components tell this package: runs that start and end, and their own start.

The scheduler counts, once for each run, what calendars did to it. Of the components, it is the DAG
processor whose start matters. Every component imports this module, and so it imports next to
nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from calendar_timetable.metrics import SCHEDULER
from calendar_timetable.runtime.overrides import ignores_calendars

if TYPE_CHECKING:
    from calendar_timetable.planning.plan import PlacedTick
    from calendar_timetable.schedule.compiled import CompiledSchedule

_MOST_TICKS = 3_000  # ticks looked at while the scheduler waits: a weekend of minutes


@hookimpl
def on_starting(component: Any) -> None:
    """Prepare a component that has a job when it starts.

    In the DAG processor, milestones that move will take deadlines along. Which component it is, is
    not known yet; others store no deadline alerts, so it does no harm there. A task runner has no
    job.
    """
    if type(component).__name__ == "Job":
        from calendar_timetable.runtime import moving_deadlines

        moving_deadlines.follow()
        if "dag-processor" in sys.argv:
            # Else every process that it forks, one for each parse, would do again what is done once
            # here.
            import calendar_timetable.calendars.calendar
            import calendar_timetable.runtime.deployment
            import calendar_timetable.schedule.compile_cache  # noqa: F401

            # A wrong configuration is reported by the schedules themselves.
            with suppress(Exception):
                from calendar_timetable.timetable import CalendarTimetable

                CalendarTimetable("@daily").serialize()


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """Count what calendars did to a run that starts."""
    _tell_start(dag_run)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """Count what calendars did to a run that has succeeded."""
    _tell_end(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Count what calendars did to a run that has failed."""
    _tell_end(dag_run)


def _tell_start(dag_run: Any) -> None:
    """Count the run's delay, and the ticks before it that were skipped or combined with it."""
    compiled = _planned_by(dag_run)
    if compiled is None or dag_run.data_interval_end is None:
        return
    due, planned = dag_run.data_interval_end.timestamp(), dag_run.run_after.timestamp()
    SCHEDULER.timing("run.delay", max(planned - due, 0), dag_id=dag_run.dag_id)
    outcomes = [placed.outcome for placed in _before(compiled, due)]
    for outcome in ("skipped", "coalesced"):
        if number := outcomes.count(outcome):
            SCHEDULER.count(f"ticks.{outcome}", number, dag_id=dag_run.dag_id)


def _tell_end(dag_run: Any) -> None:
    """Count by how much the run outlasted the open time that it started in."""
    compiled = _planned_by(dag_run)
    if compiled is None or dag_run.start_date is None or dag_run.end_date is None:
        return
    from calendar_timetable.runtime.window import end_of_open_time

    end = end_of_open_time(compiled.open_time, dag_run.start_date.timestamp())
    if end is not None and dag_run.end_date.timestamp() > end:
        SCHEDULER.timing("run.overrun", dag_run.end_date.timestamp() - end, dag_id=dag_run.dag_id)


def _planned_by(dag_run: Any) -> CompiledSchedule | None:
    """Return the schedule that a scheduled run follows.

    It is ``None`` for other runs, and for a run that was told to ignore calendars.
    """
    if str(
        getattr(dag_run.run_type, "value", dag_run.run_type)
    ) != "scheduled" or ignores_calendars(dag_run):
        return None
    from calendar_timetable.runtime.dag_schedule import find_schedule

    timetable = find_schedule(getattr(dag_run, "dag", None))
    return None if timetable is None else timetable.compiled


def _before(compiled: CompiledSchedule, due: float) -> Iterator[PlacedTick]:
    """Return the ticks between the last run and the one due at *due*, none of which has a run.

    *due* is in epoch seconds. Where too many would have to be looked at, there are none.
    """
    if not compiled.ticks.on_grid or compiled.open_time.always:
        return iter(())
    earlier = takewhile(
        lambda placed: placed.tick.due < due, compiled.since_last_run(due, _MOST_TICKS)
    )
    return takewhile(lambda placed: not placed.runs, reversed(list(earlier)))
