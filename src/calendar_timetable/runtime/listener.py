"""What Airflow's components tell: runs that start and end, of which is told what calendars did to them, once, by the
scheduler; and the DAG processor's start.

Every component imports this, and so it imports next to nothing.
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

_MOST_TICKS = 3_000  # looked at while the scheduler waits: a weekend of minutes


@hookimpl
def on_starting(component: Any) -> None:
    """A component that has a job starts: in the DAG processor, milestones that move will take deadlines along.

    Which component it is, is not known yet; others store no deadline alerts. A task runner has no job.
    """
    if type(component).__name__ == "Job":
        from calendar_timetable.runtime import moving_deadlines

        moving_deadlines.follow()
        if "dag-processor" in sys.argv:
            # Else every process that it forks, one for each parse, would do for itself what is only done once.
            import calendar_timetable.calendars.calendar
            import calendar_timetable.schedule.compile_cache  # noqa: F401

            with suppress(Exception):  # a configuration that schedules will complain of themselves
                from calendar_timetable.timetable import CalendarTimetable

                CalendarTimetable("@daily").serialize()


@hookimpl
def on_dag_run_running(dag_run: Any, msg: str) -> None:
    """A run starts."""
    _tell_start(dag_run)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """A run has succeeded."""
    _tell_end(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """A run has failed."""
    _tell_end(dag_run)


def _tell_start(dag_run: Any) -> None:
    """Its delay, and the ticks before it that were skipped or ran together with it."""
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
    """By how much it outlasted the open time that it started in."""
    compiled = _planned_by(dag_run)
    if compiled is None or dag_run.start_date is None or dag_run.end_date is None:
        return
    from calendar_timetable.runtime.window import end_of_open_time

    end = end_of_open_time(compiled.open_time, dag_run.start_date.timestamp())
    if end is not None and dag_run.end_date.timestamp() > end:
        SCHEDULER.timing("run.overrun", dag_run.end_date.timestamp() - end, dag_id=dag_run.dag_id)


def _planned_by(dag_run: Any) -> CompiledSchedule | None:
    """The schedule that a scheduled run follows; ``None`` of others, and of one that was told to ignore calendars."""
    if str(getattr(dag_run.run_type, "value", dag_run.run_type)) != "scheduled" or ignores_calendars(dag_run):
        return None
    from calendar_timetable.runtime.dag_schedule import find_schedule

    found = find_schedule(getattr(dag_run, "dag", None))
    return None if found is None else found.compiled


def _before(compiled: CompiledSchedule, due: float) -> Iterator[PlacedTick]:
    """The ticks without a run of their own between the last run and the one that is due at *due*; not if too many."""
    if not compiled.ticks.on_grid or compiled.open_time.always:
        return iter(())
    earlier = takewhile(lambda placed: placed.tick.due < due, compiled.since_last_run(due, _MOST_TICKS))
    return takewhile(lambda placed: not placed.runs, reversed(list(earlier)))
