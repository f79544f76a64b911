"""``calendar-timetable publish --watch``, one pass after the other, on a database in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.models.dag import DagModel
from airflow.models.dag_version import DagVersion
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG
from sqlalchemy import update
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable
from calendar_timetable.planning.spans import Spans
from calendar_timetable.publishing import publish as publishing
from calendar_timetable.publishing.target import PublishingFailed, PublishResult
from calendar_timetable.web import store
from tests.support.airflow_database import add_dag
from tests.support.command_line import Run
from tests.support.time_sets import FakeCalendar

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
TOMORROW = int((NOW + timedelta(days=1)).timestamp())


def hourly(dag_id: str, *busy: tuple[int, int]) -> DAG:
    made = CalendarTimetable("0 * * * *", timezone="UTC", blackouts=FakeCalendar(Spans(busy)))
    return DAG(dag_id, schedule=made)


def parsed_again(session: Session, dag: DAG) -> None:
    """Store another version, as the DAG processor does when a calendar's edit reaches it."""
    version = DagVersion(dag_id=dag.dag_id, version_number=2, bundle_name="dags", created_at=NOW)
    session.add(version)
    session.flush()
    serialized = SerializedDagModel(LazyDeserializedDAG(data=DagSerialization.to_dict(dag)))
    serialized.dag_version_id = version.id
    serialized.created_at = serialized.last_updated = NOW
    session.add(serialized)
    session.commit()


@pytest.fixture
def watched(session: Session, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An Airflow whose runs are published; ``result`` is what comes of it."""
    told = SimpleNamespace(result=PublishResult(unchanged=3))

    @contextmanager
    def create_session() -> Iterator[Session]:
        yield session

    def publish_into(*arguments: object) -> PublishResult:
        if isinstance(told.result, Exception):
            raise told.result
        result: PublishResult = told.result
        return result

    monkeypatch.setattr("airflow.utils.session.create_session", create_session)
    monkeypatch.setattr(store, "has_table", lambda session: True)
    monkeypatch.setattr(store, "site_key", lambda session: "0a1b2c3d")
    monkeypatch.setattr(publishing, "publish_into", publish_into)
    monkeypatch.setenv("CALENDAR_TIMETABLE_WATCHED", "1")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com")
    return told


def test_a_pass_tells_what_moved_and_what_was_written(
    run: Run, session: Session, watched: SimpleNamespace
) -> None:
    for name in ("moves", "paused"):
        add_dag(session, hourly(name), NOW)
    session.execute(update(DagModel).where(DagModel.dag_id == "paused").values(is_paused=True))
    session.commit()
    assert run("publish", "--to", "runs") == (0, "", ""), "nothing is new, and nobody is told so"
    for name in ("moves", "paused"):
        parsed_again(session, hourly(name, (TOMORROW - 1800, TOMORROW + 1800)))
    # The calendar that runs are written into is down: what moved is told all the same.
    watched.result = PublishingFailed("HTTP 503")
    code, out, err = run("publish", "--to", "runs")
    day = NOW + timedelta(days=1)
    assert (code, out) == (
        1,
        (
            f"Calendars changed, 1 run moves: moves due {day:%a} {day.day} {day:%b %Y %H:%M} UTC: "
            f"{day:%H}:00 becomes {day:%H}:30 (blocked by team_calendar until {day:%H}:30)\n"
        ),
    )
    assert "HTTP 503" in err
    watched.result = PublishResult(written=1)
    assert run("publish", "--to", "runs")[:2] == (0, "1 written, 0 removed, 0 unchanged\n")


def test_what_cannot_be_told_keeps_nothing_from_being_published(
    run: Run, session: Session, watched: SimpleNamespace, cache: Path
) -> None:
    add_dag(session, hourly("one"), NOW)
    cache.mkdir(mode=0o700)
    (cache / "edits.lock").mkdir()
    watched.result = PublishResult(written=1)
    code, out, err = run("publish", "--to", "runs")
    assert (code, out) == (0, "1 written, 0 removed, 0 unchanged\n")
    assert "cannot tell what moved" in err


@pytest.mark.parametrize("option", ["--dry-run", "--remove"])
def test_what_a_watch_is_not_for(run: Run, option: str) -> None:
    code, _, err = run("publish", "--to", "runs", "--watch", option)
    assert code == 2
    assert "leave out --dry-run and --remove" in err
