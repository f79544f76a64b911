"""``calendar-timetable recommend``, for who runs this Airflow."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.cli import main
from calendar_timetable.load import advice
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import time_budget
from tests.support.airflow_database import add_dag
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
HOUR = 3600
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(for_commands: Session, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["recommend", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def a_dag(session: Session, dag_id: str, schedule: object, hour: int, tag: str) -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=datetime(2026, 1, 1), tags=[tag])  # type: ignore[arg-type]
    with dag:
        EmptyOperator(task_id="task", pool="gpu")
    add_dag(session, dag, NOW)
    runs = []
    for n in range(1, 13):
        at = NOW.timestamp() - n * DAY + hour * HOUR
        task = Task("task", at, at, at + 2.2 * HOUR, "gpu")
        runs.append(Recorded(dag_id, at, at, at + 2.2 * HOUR, [task]))
    record(session, runs)


@pytest.fixture
def airflow(session: Session) -> None:
    """One DAG without a duration, and one that it waits for."""
    add_pool(session, "gpu", 1)
    night = Weekly("daily 00:00-06:00")
    train = CalendarTimetable("0 1 * * *", timezone="UTC", windows=night)
    a_dag(session, "weekly_retraining_of_all_the_models_that_there_are", train, 3, "ml")
    a_dag(session, "etl", "0 0 * * *", 0, "data")


def test_advice_for_people(run: Run, airflow: None) -> None:
    code, out, _ = run()
    assert code == 0
    assert "etl" in out and "Nothing was changed." in out
    lines = out.splitlines()
    assert "      duration=timedelta(hours=2, minutes=15)," in lines
    assert any(line.startswith("  Gain: ") for line in lines)
    assert "  Rests on some runs: 12 of each DAG" in lines
    codes = [line for line in lines if line.startswith("      ")]
    assert max(len(line) for line in lines if line not in codes) <= 80


def test_advice_for_programs(run: Run, airflow: None) -> None:
    code, out, _ = run("--json")
    assert code == 0
    answer = json.loads(out)
    assert (answer["known_dags"], answer["unknown_dags"], answer["partial"]) == (2, 0, False)
    assert answer["left_out"] == 0
    assert [one["kind"] for one in answer["advice"]] == ["conflict", "start", "duration"]
    duration = answer["advice"][2]
    assert duration["certainty"] == {"level": "some", "runs": 12, "weeks": None}
    assert duration["gain"] == {
        "what": "minutes kept free for each run",
        "before": 0,
        "after": 135,
    }
    assert duration["python"] == [
        {"dag_id": duration["dag_ids"][0], "code": "duration=timedelta(hours=2, minutes=15),"}
    ]
    assert duration["command"] is None


def test_advice_for_some(run: Run, airflow: None) -> None:
    def told(*options: str) -> list[str]:
        return [one["kind"] for one in json.loads(run("--json", *options)[1])["advice"]]

    assert told("--dag-id", "etl") == ["conflict"], "who holds what is waited for is told too"
    assert told("--tag", "ml") == ["conflict", "start", "duration"]
    assert told("--tag", "data", "--dag-id", "etl") == ["conflict"]


def test_how_much_is_left_out(run: Run, airflow: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "MOST", 1)
    assert "\n2 more are left out: --dag-id and --tag tell what is for some DAGs.\n" in run()[1]
    answer = json.loads(run("--json")[1])
    assert len(answer["advice"]) == 1 and answer["left_out"] == 2
    assert "left out" not in run("--dag-id", "etl")[1]


def test_what_there_is_not(run: Run, airflow: None) -> None:
    code, _, err = run("--dag-id", "etll")
    assert code == 2 and "there is no such DAG" in err
    code, _, err = run("--tag", "mll")
    assert code == 2 and "no such DAG has this tag" in err


def test_no_advice(run: Run, session: Session) -> None:
    assert run() == (
        0,
        "There is nothing to advise.\nRuns of 0 DAGs are known. Nothing was changed.\n",
        "",
    )
    add_dag(session, DAG("plain", schedule=timedelta(hours=1), start_date=NOW), NOW)
    assert "of 1 more no run has succeeded yet" in run()[1]


def test_it_ends_and_says_that_it_is_not_all(
    run: Run, airflow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "ANSWER", 0)
    assert "not all of it was looked at" in run()[1]
    answer = json.loads(run("--json")[1])
    assert answer["partial"] and answer["advice"] == []
