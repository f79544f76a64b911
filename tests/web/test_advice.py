"""What the page advises, to whom, and at what cost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import listing, lru, time_budget
from tests.support.airflow_database import add_dag
from tests.support.moments import utc
from tests.support.processor import processor_seconds
from tests.support.recorded import Recorded, Task, add_pool, record
from tests.support.web_app import Rights, asked

HOUR = 3600
NOW = utc("2027-03-15 12:00")  # a Monday
AT = int(NOW.timestamp())
MIDNIGHT = AT - AT % DAY


class ByDag(Rights):
    """Who asks may read the DAGs *dags*, the runs of those *runs_of*, the code of *code_of*."""

    def __init__(self) -> None:
        super().__init__()
        self.dags: set[str] = set()
        self.runs_of: set[str] = set()
        self.code_of: set[str] = set()

    def get_authorized_dag_ids(self, *, session: Session, **_: Any) -> set[str]:
        return set(self.dags)

    def is_authorized_dag(
        self, *, access_entity: DagAccessEntity | None = None, details: Any = None, **_: Any
    ) -> bool:
        of = {DagAccessEntity.RUN: self.runs_of, DagAccessEntity.CODE: self.code_of}
        return details.id in (self.dags if access_entity is None else of[access_entity])


@pytest.fixture
def rights() -> ByDag:
    return ByDag()


@pytest.fixture
def client(
    session: Session, monkeypatch: pytest.MonkeyPatch, rights: ByDag
) -> Iterator[TestClient]:
    lru.forget()
    with time_machine.travel(NOW, tick=False), asked(session, monkeypatch, rights) as found:
        yield found
    lru.forget()


def a_dag(session: Session, dag_id: str, schedule: Any, pool: str = "gpu", **columns: Any) -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=datetime(2026, 1, 1), catchup=False)
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    add_dag(session, dag, NOW, **columns)


def recorded(session: Session, dag_id: str, hour: int, runs: int = 12) -> None:
    found = []
    for n in range(1, runs + 1):
        at = MIDNIGHT - n * DAY + hour * HOUR
        task = Task("task", at, at, at + 2 * HOUR, "gpu")
        found.append(Recorded(dag_id, at, at, at + 2 * HOUR, [task]))
    record(session, found)


@pytest.fixture
def airflow(session: Session, rights: ByDag) -> None:
    """Two that need the same GPU at the same time; one of them has no duration."""
    add_pool(session, "gpu", 1)
    train = CalendarTimetable("0 2 * * *", timezone="UTC", windows=Weekly("daily 00:00-08:00"))
    a_dag(session, "train", train)
    a_dag(session, "etl", "0 1 * * *")
    recorded(session, "train", 3)
    recorded(session, "etl", 1)
    rights.dags = rights.runs_of = rights.code_of = {"train", "etl"}


def told(client: TestClient) -> dict[str, Any]:
    answer = client.get("/api/advice")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_advice_with_all_that_belongs_to_it(client: TestClient, airflow: None) -> None:
    answer = told(client)
    by_kind = {one["kind"]: one for one in answer["advice"]}
    assert set(by_kind) == {"conflict", "duration", "start"}
    conflict = by_kind["conflict"]
    assert [dag["dag_id"] for dag in conflict["dags"]] == ["train", "etl"]
    assert conflict["gain"] == {
        "what": "minutes a week waited for pool gpu",
        "before": 420,
        "after": 0,
    }
    assert conflict["python"] == [
        {"dag_id": "train", "code": "'0 3 * * *',  # instead of '0 2 * * *'"}
    ]
    assert by_kind["duration"]["certainty"] == {
        "level": "some",
        "runs": 12,
        "weeks": None,
        "text": "some runs: 12 of each DAG",
    }
    assert by_kind["start"]["command"] == "calendar-timetable place --out placement.toml"
    assert (answer["known_dags"], answer["unknown_dags"], answer["partial"]) == (2, 0, False)


def test_everybody_is_advised_on_what_they_may_read(
    client: TestClient, airflow: None, rights: ByDag
) -> None:
    both = {"train", "etl"}

    def seen(dags: set[str], runs_of: set[str], code_of: set[str]) -> tuple[Any, ...]:
        rights.dags, rights.runs_of, rights.code_of = dags, runs_of, code_of
        answer = told(client)
        kinds = {one["kind"] for one in answer["advice"]}
        lines = {line["dag_id"] for one in answer["advice"] for line in one["python"]}
        names = {dag["dag_id"] for one in answer["advice"] for dag in one["dags"]}
        return kinds, names, lines, answer["known_dags"]

    assert seen(both, both, both) == ({"conflict", "duration", "start"}, both, {"train"}, 2)
    assert seen(both, both, {"etl"}) == ({"conflict", "duration", "start"}, both, set(), 2)
    assert seen({"train"}, both, both) == ({"duration"}, {"train"}, {"train"}, 1)
    assert seen({"etl"}, both, both) == (set(), set(), set(), 1)
    assert seen(both, {"train"}, both) == ({"duration"}, {"train"}, {"train"}, 1)
    assert seen(both, set(), both) == (set(), set(), set(), 0)
    assert seen(set(), both, both) == (set(), set(), set(), 0)


def test_paused_dags_are_advised_nothing(
    client: TestClient, session: Session, rights: ByDag
) -> None:
    add_pool(session, "gpu", 1)
    train = CalendarTimetable("0 2 * * *", timezone="UTC", windows=Weekly("daily 00:00-08:00"))
    a_dag(session, "train", train, is_paused=True)
    recorded(session, "train", 2)
    rights.dags = rights.runs_of = {"train"}
    assert told(client) == {
        "advice": [],
        "known_dags": 0,
        "unknown_dags": 0,
        "partial": False,
        "left_out": 0,
    }


def test_it_says_where_there_was_no_time_for_more(
    client: TestClient, airflow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_budget, "ANSWER", -1.0)
    answer = told(client)
    assert answer["partial"] and answer["advice"] == []


def test_no_other_question_is_answered(client: TestClient) -> None:
    answer = client.get("/api/advice", params={"pool": "gpu"})
    assert (answer.status_code, answer.json()["detail"][0]["field"]) == (422, "pool")


def test_a_thousand_dags_cost_seconds(client: TestClient, session: Session, rights: ByDag) -> None:
    for name, slots in (("work", 128), ("gpu", 8)):
        add_pool(session, name, slots)
    by_lot = random.Random(1)
    window = Weekly("daily 00:00-12:00")
    runs = []
    for n in range(1000):
        hour, pool = by_lot.choice((1, 2, 2, 2, 3)), "gpu" if n % 10 == 1 else "work"
        cron = f"{5 * by_lot.randint(0, 3)} {'*' if n % 20 == 0 else hour} * * *"
        ours = CalendarTimetable(cron, timezone="UTC", windows=window)
        a_dag(session, f"dag{n}", ours if n % 3 == 0 else cron, pool)
        for back in range(1, 7):
            at, seconds = MIDNIGHT - back * DAY + hour * HOUR, by_lot.randint(60, 3000)
            task = Task("task", at, at, at + seconds, pool)
            runs.append(Recorded(f"dag{n}", at, at, at + seconds, [task]))
    record(session, runs)
    rights.dags = rights.runs_of = rights.code_of = {f"dag{n}" for n in range(1000)}
    taken, answers = [], []
    for _ in range(2):  # the second knows habits and schedules, but works all out again
        taken.append(processor_seconds(lambda: answers.append(told(client))))
        listing._answers.clear()
    assert max(taken) < 6
    assert 0 < len(answers[-1]["advice"]) <= 50
