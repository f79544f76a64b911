"""A database with Airflow's tables, and DAGs in it as the DAG processor stores them.

It is SQLite in memory, or with ``CALENDAR_TIMETABLE_TEST_DATABASE`` an empty database of a server:
all rows of Airflow's tables are removed before each test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
import time_machine
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from airflow.timetables.base import TimeRestriction
from pendulum import DateTime
from sqlalchemy import Engine, create_engine, inspect, make_url, table
from sqlalchemy.orm import Session
from sqlalchemy.pool import StaticPool

from calendar_timetable.runs import lru

SERVER = os.environ.get("CALENDAR_TIMETABLE_TEST_DATABASE")
on_sqlite = pytest.mark.skipif(SERVER is not None, reason="of SQLite, or of several databases")


@contextmanager
def airflow_database() -> Iterator[Session]:
    """Open a session on a database of its own."""
    import_all_models()
    engine = _of_server(SERVER) if SERVER else _in_memory()
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def _in_memory() -> Engine:
    return create_engine(
        "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
    )


def _of_server(address: str) -> Engine:
    """Return the engine of a server's database, without any rows in Airflow's tables.

    As with SQLite, rows may stand without those that they refer to.
    """
    from airflow.utils.orm_event_handlers import setup_event_handlers

    url = make_url(address)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    loose = {
        "mysql": {"init_command": "SET FOREIGN_KEY_CHECKS = 0"},
        "postgresql": {"options": "-c session_replication_role=replica"},
    }
    engine = create_engine(
        url.set(database=f"{url.database}{worker}"),
        connect_args=loose[url.get_backend_name()],
    )
    setup_event_handlers(engine)  # with MySQL, times are in UTC by these
    with engine.begin() as connection:
        for name in inspect(connection).get_table_names():
            connection.execute(table(name).delete())
    return engine


def add_dag(
    session: Session, dag: DAG, at: datetime, *, seen: datetime | None = None, **columns: Any
) -> None:
    """*dag* as it is stored when it is parsed at *at*, for the first time at *seen*."""
    start = dag.start_date
    restriction = TimeRestriction(
        DateTime.instance(max(start, at)) if start else None, None, catchup=True
    )
    with time_machine.travel(at, tick=False):
        lazy = LazyDeserializedDAG(data=DagSerialization.to_dict(dag))
        timetable = lazy.timetable
        info = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    interval = info.data_interval if info else None
    version = DagVersion(
        dag_id=dag.dag_id, version_number=1, bundle_name="dags", created_at=seen or at
    )
    session.add_all((version, *(DagTag(dag_id=dag.dag_id, name=tag) for tag in dag.tags)))
    session.flush()
    serialized = SerializedDagModel(lazy)
    serialized.dag_version_id = version.id
    serialized.created_at = serialized.last_updated = seen or at
    stored: dict[str, Any] = {
        "dag_id": dag.dag_id,
        "bundle_name": "dags",
        "is_stale": False,
        "is_paused": False,
        "owners": "team",
        "max_active_runs": dag.max_active_runs,
        "timetable_summary": timetable.summary,
        "next_dagrun": info.logical_date if info else None,
        "next_dagrun_create_after": info.run_after if info else None,
        "next_dagrun_data_interval_start": interval.start if interval else None,
        "next_dagrun_data_interval_end": interval.end if interval else None,
    }
    session.add_all((serialized, DagModel(**{**stored, **columns})))
    session.commit()


def add_run(session: Session, dag_id: str, state: str, due: datetime, **columns: Any) -> None:
    """Add a run that Airflow made for the tick *due*."""
    stored: dict[str, Any] = {
        "run_type": "scheduled",
        "run_id": f"scheduled__{due.isoformat()}",
        "logical_date": due,
        "data_interval": (due, due),
        "run_after": due,
    }
    run = DagRun(
        dag_id=dag_id,
        **{**stored, **{k: v for k, v in columns.items() if k in stored or k == "start_date"}},
    )
    run._state = state
    run.end_date = columns.get("end_date")
    run.updated_at = columns.get("end_date") or due
    session.add(run)
    session.commit()


@pytest.fixture
def session() -> Iterator[Session]:
    """Airflow's tables in memory; no Airflow runs, and nothing is remembered of another test."""
    lru.forget()
    with airflow_database() as session:
        yield session
    lru.forget()


@pytest.fixture
def for_commands(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The same session, for a command that opens one by itself."""

    @contextmanager
    def same_session(**_: object) -> Iterator[Session]:
        yield session

    monkeypatch.setattr("airflow.utils.session.create_session", same_session)
    return session
