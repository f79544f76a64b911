"""What the page is told of the load of pools, by whom, and at what cost."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import listing, lru, pool_forecast, time_budget, usage
from tests.support.airflow_database import add_dag, on_sqlite
from tests.support.processor import processor_seconds
from tests.support.recorded import Recorded, Task, add_pool, record
from tests.support.web_app import Rights, asked

HOUR = 3600
RUN = DagAccessEntity.RUN
START = datetime(2026, 1, 1)
NOW = datetime.now(UTC).replace(microsecond=0)
AT = int(NOW.timestamp())
# The hour after the next, in which every DAG here is due.
DUE = AT - AT % HOUR + 2 * HOUR
CRON = f"0 {DUE // HOUR % 24} * * *"


class ByDag(Rights):
    """Who asks may read the DAGs *dags*, and the runs of those *runs_of*."""

    def __init__(self, dags: set[str], runs_of: set[str]) -> None:
        super().__init__((RUN,))
        self.dags, self.runs_of = dags, runs_of

    def get_authorized_dag_ids(self, *, session: Session, **_: Any) -> set[str]:
        return set(self.dags)

    def is_authorized_dag(
        self, *, access_entity: DagAccessEntity | None = None, details: Any = None, **_: Any
    ) -> bool:
        return details.id in (self.dags if access_entity is None else self.runs_of)


@pytest.fixture
def rights() -> ByDag:
    return ByDag(set(), set())


@pytest.fixture
def client(
    session: Session, monkeypatch: pytest.MonkeyPatch, rights: ByDag
) -> Iterator[TestClient]:
    lru.forget()
    with time_machine.travel(NOW, tick=False), asked(session, monkeypatch, rights) as found:
        yield found
    lru.forget()


def a_dag(session: Session, dag_id: str, schedule: Any = CRON, pool: str = "work") -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=START, catchup=False)
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    add_dag(session, dag, NOW)


def recorded(session: Session, dag_id: str, days: int = 10, seconds: float = HOUR) -> None:
    runs = []
    for n in range(1, days + 1):
        at = DUE - n * DAY
        runs.append(
            Recorded(dag_id, at, at, at + seconds, [Task("task", at, at, at + seconds, "work")])
        )
    at = AT - 60
    task = Task("task", at, at, None, "work", state="running")
    record(session, [*runs, Recorded(dag_id, at, at, None, [task], "running", "manual")])


def told(client: TestClient, **given: Any) -> dict[str, Any]:
    begin = datetime.fromtimestamp(DUE - 2 * HOUR, UTC)
    params = {"start": begin.isoformat(), "end": (begin + timedelta(days=1)).isoformat(), **given}
    answer = client.get("/api/load", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_everybody_is_told_of_what_they_may_read(
    client: TestClient, session: Session, rights: ByDag
) -> None:
    """Two users, and one who may read DAGs but no runs; what is remembered is told to no other."""
    add_pool(session, "work", 4)
    add_pool(session, "secret_pool", 4)
    for name in ("ours", "theirs"):
        a_dag(session, name)
        recorded(session, name)
    a_dag(session, "hidden", pool="secret_pool")

    def seen(dags: set[str], runs_of: set[str]) -> tuple[Any, ...]:
        rights.dags, rights.runs_of = dags, runs_of
        answer = told(client)
        if not answer["pools"]:
            return ()
        (pool,) = answer["pools"]
        hour = pool["hours"][2]
        names = {one["dag_id"] for one in hour["dags"]} | {one["dag_id"] for one in answer["dags"]}
        return pool["in_use"], hour["expected"], hour["usual"], hour["unknown_runs"], names

    both, ours = {"ours", "theirs"}, {"ours"}
    assert seen(both, both) == (2, 2, 2, 0, both)
    assert seen(ours, both) == (1, 1, 1, 0, ours)
    assert seen({"theirs"}, both) == (1, 1, 1, 0, {"theirs"})
    assert seen(both, ours) == (1, 1, 1, 1, ours), "another's run is planned, and no more is told"
    assert seen(both, set()) == (0, 0, None, 2, set())
    assert seen(set(), both) == ()
    rights.dags = both | {"hidden"}
    assert {pool["name"] for pool in told(client)["pools"]} == {"work", "secret_pool"}


def test_an_hour_says_what_it_rests_on(client: TestClient, session: Session, rights: ByDag) -> None:
    add_pool(session, "work", 1)
    rights.dags = rights.runs_of = {"a", "b", "new"}
    for name, days in (("a", 20), ("b", 8)):
        a_dag(session, name)
        recorded(session, name, days, seconds=1800)
    a_dag(session, "new")
    answer = told(client)
    (pool,) = answer["pools"]
    hour = pool["hours"][2]
    assert (pool["slots"], pool["in_use"], pool["waiting"]) == (1, 2, 0)
    assert (hour["expected"], hour["peak"], hour["waiting"]) == (1, 1, 0.5)
    assert (hour["longest_wait_seconds"], hour["wait_at_least"]) == (1800, False)
    assert (hour["unknown_runs"], hour["rests_on"]) == (1, 8)
    # Two weeks ago, and one week ago also the other.
    assert (hour["usual"], hour["usual_high"], hour["weeks"]) == (0.75, 1, 2)
    assert hour["dags"] == [{"dag_id": "a", "slots": 0.5}, {"dag_id": "b", "slots": 0.5}]
    assert [(one["dag_id"], one["median_seconds"], one["runs"]) for one in answer["dags"]] == [
        ("a", 1800, 20),
        ("b", 1800, 8),
    ]
    assert (answer["known_dags"], answer["unknown_dags"]) == (2, 1)
    past = told(client, start=datetime.fromtimestamp(DUE - DAY - HOUR, UTC).isoformat())
    before = past["pools"][0]["hours"][1]
    assert (before["used"], before["expected"], before["peak"], before["dags"]) == (
        1,
        None,
        None,
        [],
    )


def test_runs_that_outlast_their_window_are_told(
    client: TestClient, session: Session, rights: ByDag
) -> None:
    add_pool(session, "work", 4)
    hour = DUE // HOUR % 24
    window = Weekly(f"daily {hour:02}:00-{hour:02}:45")
    rights.dags = rights.runs_of = {"held"}
    a_dag(session, "held", CalendarTimetable(CRON, timezone="UTC", windows=window))
    recorded(session, "held")
    answer = told(client)
    (over,) = answer["overruns"]
    assert (over["dag_id"], over["running"], over["waits_seconds"]) == ("held", False, 0)
    times = [datetime.fromisoformat(over[name]).timestamp() for name in ("start", "closes", "ends")]
    assert times == [DUE, DUE + 45 * 60, DUE + HOUR]
    assert answer["total_overruns"] == 1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"end": (NOW + timedelta(days=16)).isoformat()}, "end"),
        ({"start": "2040-01-01"}, "start"),
        ({"timezone": "Mars"}, "timezone"),
        ({"pool": "work"}, "pool"),
    ],
)
def test_wrong_questions_are_refused(client: TestClient, given: Any, field: str) -> None:
    answer = client.get("/api/load", params=given)
    assert (answer.status_code, answer.json()["detail"][0]["field"]) == (422, field)


def test_hours_begin_with_a_quarter_of_an_hour(
    client: TestClient, session: Session, rights: ByDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that what was used is worked out once for all who ask, whenever they ask."""
    add_pool(session, "work", 4)
    rights.dags = rights.runs_of = {"a"}
    a_dag(session, "a")
    recorded(session, "a")
    read, of_phase = usage._used_by, []

    def counted(*given: Any) -> Any:
        of_phase.append(given[3])
        return read(*given)

    monkeypatch.setattr(usage, "_used_by", counted)
    begins = []
    for seconds in (0, 450, 899, 900):
        start = datetime.fromtimestamp(DUE - HOUR + seconds, UTC)
        answer = told(client, start=start.isoformat())
        at = datetime.fromisoformat(answer["pools"][0]["hours"][0]["start"])
        begins.append(at.timestamp() - DUE + HOUR)
    assert begins == [0, 0, 0, 900]
    reads = 7 * usage.MOST_WEEKS * len(usage._TRIES)
    assert Counter(of_phase) == {0: reads, 900: reads}, "each is read once"


def test_far_ahead_nothing_is_told(client: TestClient, session: Session, rights: ByDag) -> None:
    add_pool(session, "work", 4)
    rights.dags = rights.runs_of = {"a"}
    a_dag(session, "a")
    recorded(session, "a")
    begin = NOW + timedelta(days=13)
    answer = told(client, start=begin.isoformat(), end=(begin + timedelta(days=14)).isoformat())
    expected = [hour["expected"] for hour in answer["pools"][0]["hours"]]
    known = (datetime.fromisoformat(answer["told_until"]) - NOW) / timedelta(days=1)
    assert known == pytest.approx(pool_forecast.FORECAST_AHEAD / DAY, abs=0.01)
    assert sum(expected[:48]) == pytest.approx(2, abs=0.05) and set(expected[49:]) == {None}


def test_it_says_where_there_was_no_time_for_more(
    client: TestClient, session: Session, rights: ByDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_pool(session, "work", 4)
    rights.dags = rights.runs_of = {"a"}
    a_dag(session, "a")
    recorded(session, "a")
    monkeypatch.setattr(time_budget, "ANSWER", -1.0)
    answer = told(client)
    assert datetime.fromisoformat(answer["told_until"]) == NOW
    assert {hour["expected"] for hour in answer["pools"][0]["hours"][1:]} == {None}


def test_a_thousand_dags_cost_seconds_and_few_queries(
    client: TestClient, session: Session, rights: ByDag
) -> None:
    for name, slots in (("work", 128), ("gpu", 8)):
        add_pool(session, name, slots)
    random_ = random.Random(1)
    runs = []
    for n in range(1000):
        hour, minute = random_.randint(0, 23), 5 * random_.randint(0, 11)
        hourly = n % 20 == 0
        pool = "gpu" if n % 10 == 1 else "work"
        a_dag(session, f"dag{n}", f"{minute} {'*' if hourly else hour} * * *", pool)
        for back in range(12):
            at = AT - (back + 1) * (HOUR if hourly else DAY) - random_.randint(0, HOUR)
            ends = at + random_.randint(60, 1200)
            tasks = [Task(f"t{t}", at, at, ends, pool) for t in range(3)]
            runs.append(Recorded(f"dag{n}", at, at, ends, tasks))
    record(session, runs)
    rights.dags = rights.runs_of = {f"dag{n}" for n in range(1000)}
    statements: list[str] = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    begin = datetime.fromtimestamp(DUE - 2 * HOUR, UTC)
    end = (begin + timedelta(days=15)).isoformat()
    taken = []
    answers = []
    for _ in range(2):  # the second knows habits and schedules, but works all out again
        taken.append(processor_seconds(lambda: answers.append(told(client, end=end))))
        listing._answers.clear()
    assert max(taken) < 5
    assert len(statements) < 200, "none for each DAG"
    last = answers[-1]
    days = (datetime.fromisoformat(last["told_until"]) - NOW) / timedelta(days=1)
    assert days >= 1 and last["known_dags"] == 1000
    assert len(str(last)) < 2_000_000


@on_sqlite
def test_large_tables_are_read_by_their_indexes(
    client: TestClient, session: Session, rights: ByDag
) -> None:
    """Of a million tasks, only those of the runs that are asked for are looked at."""
    add_pool(session, "work", 4)
    rights.dags = rights.runs_of = {"a"}
    a_dag(session, "a")
    recorded(session, "a")
    asked_for: list[tuple[str, Any]] = []

    @event.listens_for(session.get_bind(), "before_cursor_execute")
    def keep(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if "task_instance" in statement and statement.startswith("SELECT"):
            asked_for.append((statement, parameters))

    told(client)
    assert len(asked_for) > 30
    connection = session.connection()
    for statement, parameters in asked_for:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        steps = [str(row[-1]) for row in plan]
        assert not [step for step in steps if step.startswith("SCAN task_instance")], steps
        if "task_instance_history" in statement or "begun" in statement.partition("FROM")[0]:
            assert any("idx_dag_run_run_after" in step for step in steps), steps
