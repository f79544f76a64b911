"""``calendar-timetable overrides``, for who runs this Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from airflow.models.dagrun import DagRun
from airflow.models.log import Log
from airflow.sdk import DAG
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.cli import main
from calendar_timetable.runs import exemptions
from tests.support.airflow_database import add_dag, add_run

NOW = datetime.now(UTC).replace(microsecond=0)
AGO = NOW - timedelta(hours=2)
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(session: Session, for_commands: Session, capsys: pytest.CaptureFixture[str]) -> Run:
    """Of an Airflow with a DAG that is closed all day, which somebody runs by hand."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["overrides", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    closed = CalendarTimetable("@daily", timezone="UTC", blackouts=Weekly("mon-sun"))
    add_dag(session, DAG("closed", schedule=closed, start_date=datetime(2026, 1, 1)), NOW)
    add_dag(session, DAG("plain", schedule="@daily", start_date=datetime(2026, 1, 1)), NOW)
    for dag_id in ("closed", "plain"):
        add_run(
            session, dag_id, "success", AGO, run_id="manual__1", run_type="manual", start_date=AGO
        )
    for one in session.scalars(select(DagRun)):
        one.triggering_user_name = "ada"
    said = {
        "since": int(NOW.timestamp()) - 60,
        "until": int(NOW.timestamp()) + 3600,
        "why": "an audit\x1b[31m",
    }
    session.add(Log(exemptions.GRANTED, dag_id="plain", owner="carol", extra=json.dumps(said)))
    session.commit()
    return run


def test_overrides_for_people(run: Run) -> None:
    code, out, _ = run()
    assert code == 0
    first, second = out.splitlines()[1:]
    assert "plain" in first and "exemption" in first and "carol" in first
    assert "an audit [31m" in first and "\x1b" not in out, "nothing steers the terminal"
    assert "closed" in second and "by hand" in second and "no reason given" in second
    assert "plain" not in second


def test_overrides_as_json(run: Run) -> None:
    code, out, _ = run("--json", "--dag-id", "closed")
    assert code == 0
    (one,) = json.loads(out)
    assert (one["how"], one["who"], one["reason"], one["run_id"]) == (
        "by_hand",
        "ada",
        None,
        "manual__1",
    )
    assert one["at"] == AGO.isoformat().replace("+00:00", "Z")


def test_overrides_of_another_time(run: Run) -> None:
    assert run("--start", "2026-01-01", "--end", "2026-01-02") == (
        0,
        "Nobody passed closed time.\n",
        "",
    )
    code, _, said = run("--start", "2026-01-02", "--end", "2026-01-01")
    assert code == 2 and "--end" in said
    code, _, said = run("--dag-id", "nothing")
    assert code == 2 and "there is no such DAG" in said
