"""Runs and their tasks as Airflow records them: many at once, in a database of the test's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import insert
from sqlalchemy.orm import Session

# The column of a mapped task's index; it has another name since Airflow 3.4.
_INDEX = "map_index" if "map_index" in TaskInstance.__table__.c else "region_index"


@dataclass
class Task:
    """A task of a run: when it was ready, got its slots, and ended, in epoch seconds."""

    task_id: str
    ready: float | None
    begun: float | None
    ended: float | None
    pool: str = "default_pool"
    slots: int = 1
    state: str | None = "success"
    map_index: int = -1
    started: float | None = None  # where that is not when it got its slots
    try_number: int = 1


@dataclass
class Recorded:
    """A run; *started* and *ended* in epoch seconds."""

    dag_id: str
    due: float
    started: float | None
    ended: float | None
    tasks: list[Task] = field(default_factory=list)
    state: str = "success"
    run_type: str = "scheduled"
    cleared: int = 0
    former: list[Task] = field(default_factory=list)  # earlier tries

    @property
    def run_id(self) -> str:
        return f"{self.run_type}__{moment(self.due)}"


def moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def add_pool(session: Session, name: str, slots: int, *, deferred: bool = False) -> None:
    session.add(Pool(pool=name, slots=slots, description="", include_deferred=deferred))
    session.commit()


def record(session: Session, runs: Iterable[Recorded]) -> None:
    """Write *runs* as Airflow does, without its many other columns."""
    runs = list(runs)
    rows = [
        {
            "dag_id": run.dag_id,
            "run_id": run.run_id,
            "run_type": run.run_type,
            "state": run.state,
            "run_after": moment(run.due),
            "logical_date": moment(run.due),
            "data_interval_start": moment(run.due),
            "data_interval_end": moment(run.due),
            "start_date": moment(run.started),
            "end_date": moment(run.ended),
            "updated_at": moment(run.ended or run.started or run.due),
            "clear_number": run.cleared,
            "triggered_by": None,
            **({"span_status": "not_started"} if hasattr(DagRun, "span_status") else {}),
        }
        for run in runs
    ]
    if rows:
        session.execute(insert(DagRun.__table__), rows)
    tasks = [_row(run, task) | {"id": _key()} for run in runs for task in run.tasks]
    if tasks:
        session.execute(insert(TaskInstance.__table__), tasks)
    former = [_row(run, task) for run in runs for task in run.former]
    if former:
        _record_former(session, former)
    session.commit()


def add_task(session: Session, run: DagRun, task: Task) -> None:
    """Write one task of a run that is there."""
    session.execute(insert(TaskInstance.__table__), [_row(run, task) | {"id": _key()}])
    session.commit()


def _record_former(session: Session, rows: list[dict[str, Any]]) -> None:
    """Write tries that others have followed: since Airflow 3.4 these are in the same table."""
    try:
        from airflow.models.taskinstancehistory import TaskInstanceHistory
    except ImportError:
        rows = [row | {"id": _key(), "working_set": None} for row in rows]
        session.execute(insert(TaskInstance.__table__), rows)
    else:
        rows = [row | {"task_instance_id": _key()} for row in rows]
        session.execute(insert(TaskInstanceHistory.__table__), rows)


def _key() -> Any:
    return uuid.uuid4()


def _row(run: Recorded | DagRun, task: Task) -> dict[str, Any]:
    began = task.begun if task.started is None else task.started
    return {
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "task_id": task.task_id,
        _INDEX: task.map_index,
        "state": task.state,
        "pool": task.pool,
        "pool_slots": task.slots,
        "scheduled_dttm": moment(task.ready),
        "queued_dttm": moment(task.begun),
        "start_date": moment(began),
        "end_date": moment(task.ended),
        "try_number": task.try_number,
    }
