"""What Airflow's components tell: runs that start and end, for metrics; and the DAG processor's start."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any

from airflow.listeners import hookimpl


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
    from calendar_timetable.runtime import run_metrics

    run_metrics.started(dag_run)


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """A run has succeeded."""
    from calendar_timetable.runtime import run_metrics

    run_metrics.ended(dag_run)


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """A run has failed."""
    from calendar_timetable.runtime import run_metrics

    run_metrics.ended(dag_run)
