"""A cluster policy that tells a staggered schedule its DAG's id: Airflow tells it no timetable.

Airflow calls it for every DAG that it reads from a file, before anything is stored; see
https://airflow.apache.org/docs/apache-airflow/stable/administration-and-deployment/cluster-policies.html.
It is imported by every Airflow process, and so imports next to nothing.
"""

from __future__ import annotations

import logging
import sys
from copy import copy
from dataclasses import replace
from typing import Any

from airflow.policies import hookimpl

_log = logging.getLogger(__name__)


@hookimpl
def dag_policy(dag: Any) -> None:
    """Derive the DAG's share of a ``stagger`` from its own id, unless it gives a ``stagger_key``.

    Never raises.
    """
    # Where that module was not imported, no DAG of this process has such a schedule.
    if f"{__package__}.timetable" not in sys.modules:
        return
    try:
        own = _of_dag(dag.timetable, dag.dag_id)
        if own is not dag.timetable:
            dag.timetable = own
    except Exception:  # noqa: BLE001
        # The DAG works without its own share; an error here would keep it from being read.
        _log.warning(
            "The stagger of DAG %s goes by its file", getattr(dag, "dag_id", "?"), exc_info=True
        )


def _of_dag(schedule: Any, dag_id: str) -> Any:
    """Return *schedule* as the DAG called *dag_id* has it.

    That is a copy, as several DAGs may share one schedule; *schedule* itself where nothing differs.
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
    given = schedule.arguments
    if given is None:
        return schedule
    base = (
        _of_dag(given.schedule, dag_id)
        if isinstance(given.schedule, CalendarTimetable)
        else given.schedule
    )
    if base is given.schedule and (given.stagger is None or given.stagger_key is not None):
        return schedule
    own = copy(schedule)
    # What it may have read already has the share that was derived from the file.
    own.__dict__.pop("_compiled", None)
    own._arguments = replace(given, schedule=base, dag_id=dag_id)  # noqa: SLF001
    return own
