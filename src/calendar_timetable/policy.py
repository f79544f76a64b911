"""Cluster policies: rules of the whole deployment, and what a schedule must know of its DAG.

Airflow calls them for every DAG that it reads from a file, before anything is stored; see
https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/cluster-policies.html.
This module is imported by every Airflow process, and so imports next to nothing.
"""

from __future__ import annotations

import logging
import sys
from copy import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.policies import hookimpl

from calendar_timetable import clock
from calendar_timetable.config import FLAG, RULES, option

_log = logging.getLogger(__name__)
_LOOK_AGAIN = timedelta(minutes=1)


@hookimpl
def dag_policy(dag: Any) -> None:
    """Let the rules of the deployment hold for *dag*, and tell its schedule the DAG's id.

    Never raises: an error would keep the DAG from being read, and end what is under way.
    """
    dag_id = getattr(dag, "dag_id", "?")
    try:
        if option("blackouts") or hasattr(sys.modules.get("airflow_local_settings"), RULES):
            from calendar_timetable.runtime import deployment

            deployment.apply(dag)
    except Exception:  # noqa: BLE001
        # Without the rules work could start in a freeze.
        _log.exception("DAG %s is held: the rules of the deployment cannot be applied", dag_id)
        for task in dag.tasks:
            _hold(task)
    # Where that module was not imported, no DAG of this process has such a schedule.
    if f"{__package__}.timetable" not in sys.modules:
        return
    try:
        own = _of_dag(dag.timetable, dag_id, catchup=dag.catchup)
        if own is not dag.timetable:
            dag.timetable = own
    except Exception:  # noqa: BLE001
        _log.warning("The start of DAG %s goes by its file", dag_id, exc_info=True)


def _hold(task: Any) -> None:
    """Keep *task* from beginning, whatever is wrong with the rest of this package."""
    if hasattr(task, "partial_kwargs"):  # of a mapped task
        task.partial_kwargs["pre_execute"] = _wait_until_mended
        task.partial_kwargs.pop("start_from_trigger", None)
    else:
        task._pre_execute_hook = _wait_until_mended  # noqa: SLF001
    task.start_from_trigger = False


def _wait_until_mended(context: Any) -> None:
    """Look again in a minute, when the file is read anew; a run whose conf says so goes on."""
    from airflow.sdk.exceptions import AirflowRescheduleException

    run = context["dag_run"]
    if (run.conf or {}).get(FLAG):
        _log.warning("Run %s goes on: its conf sets %s", run.run_id, FLAG)
        return
    _log.error("Held: the rules of the deployment cannot be applied; see the log above")
    again = clock.utc() + _LOOK_AGAIN
    raise AirflowRescheduleException(again)  # type: ignore[no-untyped-call]


def _of_dag(schedule: Any, dag_id: str, *, catchup: bool = True) -> Any:
    """Return *schedule* as the DAG called *dag_id* has it: its stagger, placement and *catchup*.

    That is a copy, as several DAGs may share one schedule; *schedule* itself where nothing differs:
    it is not placed, has no ``stagger``, or gives a ``stagger_key``, and no late run has to wait.
    """
    from calendar_timetable.timetable import CalendarTimetable

    if not isinstance(schedule, CalendarTimetable):
        inner = getattr(schedule, "timetable", None)  # that of AssetOrTimeSchedule
        own = inner if inner is None else _of_dag(inner, dag_id)
        if own is inner:
            return schedule
        schedule = copy(schedule)
        schedule.timetable = own
        return schedule
    arguments = schedule.arguments
    if arguments is None:
        return schedule
    base = (
        _of_dag(arguments.schedule, dag_id)
        if isinstance(arguments.schedule, CalendarTimetable)
        else arguments.schedule
    )
    placement = _placement_of(dag_id) if arguments.place is True else None
    catchup = catchup or (arguments.windows is None and arguments.blackouts is None)
    alike = catchup and (arguments.stagger is None or arguments.stagger_key is not None)
    if base is arguments.schedule and alike and placement is None:
        return schedule
    own = replace(arguments, schedule=base, dag_id=dag_id, placement=placement, catchup=catchup)
    return schedule.with_arguments(own)


def _placement_of(dag_id: str) -> Any:
    from calendar_timetable.schedule.placement_file import placement_of

    return placement_of(dag_id)
