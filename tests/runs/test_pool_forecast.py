"""How full pools get, of a deployment whose runs are recorded; without a web server."""

from __future__ import annotations

import heapq
import math
import random
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.models.pool import Pool
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from sqlalchemy import create_engine, event, update
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.load.history import Weekly as HourOfWeek
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import lru
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.pool_forecast import LoadForecast, PoolForecast, forecast_load
from calendar_timetable.runs.stored_schedules import read_schedules
from demo.postgres import PostgresServer
from tests.support.airflow_database import add_dag, on_sqlite
from tests.support.moments import utc
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = utc("2027-03-15 00:00")  # a Monday
START = datetime(2027, 1, 1)
AT = int(NOW.timestamp())
HOUR = 3600
UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture(autouse=True)
def forget() -> None:
    lru.forget()


def told(
    session: Session,
    now: float = AT,
    *,
    since: float | None = None,
    days: float = 1,
    runs_of: set[str] | None = None,
    zone: ZoneInfo = UTC_ZONE,
) -> LoadForecast:
    lru.forget()
    ids = [dag_id for (dag_id,) in session.query(DagModel.dag_id)]
    dags = read_dags(session, ids)
    begin = now - now % HOUR if since is None else since
    return forecast_load(
        session,
        dags,
        read_schedules(session, ids),
        (begin, begin + days * DAY),
        zone,
        now,
        set(ids) if runs_of is None else runs_of,
    )


def pool(forecast: LoadForecast, name: str) -> PoolForecast:
    return next(one for one in forecast.pools if one.name == name)


def means(one: PoolForecast) -> list[float]:
    return [round(stretch.work / HOUR, 2) for stretch in one.expected]


def a_dag(session: Session, dag_id: str, schedule: Any, pool: str = "work", **columns: Any) -> None:
    dag = DAG(dag_id, schedule=schedule, start_date=START, catchup=False)
    with dag:
        EmptyOperator(task_id="task", pool=pool)
    at = columns.pop("at", NOW)
    add_dag(session, dag, at, seen=utc("2027-02-01"), **columns)


def daily(dag_id: str, hour: float, seconds: float, days: int = 10, **task: Any) -> list[Recorded]:
    """Its runs of the last days, each with one task."""
    runs = []
    for n in range(1, days + 1):
        at = AT - n * DAY + hour * HOUR
        one = Task("task", at, at, at + seconds, **{"pool": "work", **task})
        runs.append(Recorded(dag_id, at, at, at + seconds, [one]))
    return runs


class Deployment:
    """Thirty DAGs, three weeks of whose runs are recorded, with all that makes these unlike."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.begin = AT - 14 * DAY
        self.runs: list[Recorded] = []
        self.schedules: dict[str, Any] = {}
        for n in range(8):
            self._add(f"hourly_{n}", f"{self.random.randint(0, 59)} * * * *", 1, 240 + 60 * n)
        for n in range(14):
            hour, minute = self.random.choice((1, 1, 2, 2, 3)), self.random.randint(0, 59)
            self._add(f"nightly_{n}", f"{minute} {hour} * * *", 3, 1500 + 200 * n)
        for n in range(4):
            self._add(f"weekdays_{n}", f"{10 * n} 9 * * MON-FRI", 2, 2400)
        held = CalendarTimetable("0 12 * * *", timezone="UTC", windows=Weekly("daily 02:00-06:00"))
        for n in range(4):
            self._add(f"held_{n}", held, 2, 3000)
        self._add_gpu()

    def starts(self, schedule: Any) -> list[float]:
        days = [self.begin + n * DAY for n in range(21)]
        if not isinstance(schedule, str):
            return [day + 2 * HOUR for day in days]
        minute, hour, *_, weekdays = schedule.split()
        hours = range(24) if hour == "*" else [int(hour)]
        days = [day for n, day in enumerate(days) if weekdays == "*" or n % 7 < 5]
        return [day + h * HOUR + int(minute) * 60 for day in days for h in hours]

    def _add(self, dag_id: str, schedule: Any, tasks: int, seconds: float) -> None:
        self.schedules[dag_id] = schedule
        for due in self.starts(schedule):
            at = due + self.random.uniform(1, 20)
            run = Recorded(dag_id, due, at, None)
            for n in range(tasks):
                length = seconds / tasks * self.random.lognormvariate(0, 0.25)
                if self.random.random() < 0.03:  # it fails early
                    run.tasks.append(Task(f"t{n}", at, at + 1, at + 9, "work", state="failed"))
                    run.state, at = "failed", at + 9
                    break
                run.tasks.append(Task(f"t{n}", at, at + 2, at + 2 + length, "work"))
                at += 2 + length + self.random.uniform(1, 6)
            run.ended = at
            self.runs.append(run)

    def _add_gpu(self) -> None:
        """Six at the same time in a pool with two slots: who comes first is served first."""
        free: list[float] = [0, 0]
        waiting = []
        for n in range(6):
            self.schedules[f"gpu_{n}"] = f"{n} 14 * * *"
            waiting += [(due, n) for due in self.starts(f"{n} 14 * * *")]
        for due, n in sorted(waiting):
            begun = max(due + 3, heapq.heappop(free))
            ended = begun + 2400 * self.random.lognormvariate(0, 0.2)
            heapq.heappush(free, ended)
            task = Task("train", due + 3, begun, ended, "gpu")
            self.runs.append(Recorded(f"gpu_{n}", due, due + 1, ended, [task]))

    def store(self, session: Session) -> None:
        """What is known at the end of two weeks: the third is to come."""
        add_pool(session, "work", 64)
        add_pool(session, "gpu", 2)
        for dag_id, schedule in self.schedules.items():
            a_dag(session, dag_id, schedule, "gpu" if dag_id.startswith("gpu") else "work")
        record(session, [run for run in self.runs if run.ended is not None and run.ended < AT])

    def used(self, name: str) -> list[float]:
        """Slots in use in each hour of the third week, in the mean."""
        found = [0.0] * (7 * 24)
        for run in self.runs:
            for task in run.tasks:
                if task.pool != name or task.begun is None or task.ended is None:
                    continue
                for hour in range(len(found)):
                    low, high = AT + hour * HOUR, AT + (hour + 1) * HOUR
                    found[hour] += max(0, min(task.ended, high) - max(task.begun, low)) / HOUR
        return found


@pytest.mark.parametrize("seed", range(3))
def test_two_weeks_of_records_tell_the_third(session: Session, seed: int) -> None:
    deployment = Deployment(seed)
    deployment.store(session)
    forecast = told(session, days=7)
    for name in ("work", "gpu"):
        expected, real = means(pool(forecast, name)), deployment.used(name)
        assert max(expected) == pytest.approx(max(real), rel=0.15), name
        apart = [abs(one - other) for one, other in zip(expected, real, strict=True)]
        assert sum(apart) / sum(real) < 0.25, "hour by hour"
    gpu = pool(forecast, "gpu")
    assert {hour % 24 for hour, at in enumerate(gpu.expected) if at.longest > 600} == {14}
    waits = [
        task.begun - task.ready
        for run in deployment.runs
        for task in run.tasks
        if task.pool == "gpu" and run.due >= AT and task.begun and task.ready
    ]
    assert max(at.longest for at in gpu.expected) == pytest.approx(max(waits), rel=0.3)
    usual = pool(forecast, "work").usual
    assert {one.weeks for one in usual if one} == {2}, "nothing is known of the time before"


@on_sqlite
@pytest.mark.postgres
def test_postgresql_tells_the_same(session: Session) -> None:
    """As SQLite: instants, averages and sums are asked of the database."""
    deployment = Deployment(4)
    deployment.store(session)
    expected = told(session, days=7)
    with PostgresServer() as server:
        engine = create_engine(server.create_database("records"))
        Base.metadata.create_all(engine)
        engine.dispose()

        @event.listens_for(engine, "connect")
        def without_keys(connection: Any, _: Any) -> None:
            # Runs are recorded here without all that Airflow keeps beside them.
            connection.cursor().execute("SET session_replication_role = replica")

        with Session(engine) as other:
            deployment.store(other)
            found = told(other, days=7)
        engine.dispose()
    assert found.habits.keys() == expected.habits.keys()
    for name in ("work", "gpu"):
        one, two = pool(found, name), pool(expected, name)
        assert means(one) == pytest.approx(means(two), abs=0.02)
        assert [round(each.mean, 2) for each in one.usual if each] == pytest.approx(
            [round(each.mean, 2) for each in two.usual if each], abs=0.02
        )
    assert found.used_since == pytest.approx(expected.used_since, abs=HOUR)


def test_what_was_used_is_that_of_every_second(session: Session) -> None:
    add_pool(session, "work", 9)
    random_ = random.Random(1)
    runs, work = [], [0.0] * 48
    for n in range(60):
        at = AT - random_.randint(0, 40 * HOUR)
        end, slots = min(AT - 1, at + random_.randint(1, 5 * HOUR)), random_.choice((1, 2))
        runs.append(Recorded(f"d{n}", at, at, end, [Task("t", at, at, end, "work", slots)]))
        for second in range(at, end):
            work[(second - AT) // HOUR + 48] += slots / HOUR
    for n in range(60):
        a_dag(session, f"d{n}", None)
    record(session, runs)
    forecast = told(session, since=AT - 48 * HOUR, days=2)
    used = pool(forecast, "work").used
    first = next(n for n, at in enumerate(work) if at)
    assert used == [*[None] * first, *(pytest.approx(at) for at in work[first:])]
    half = told(session, since=AT - 48 * HOUR + 1800, days=2)
    assert sum(filter(None, pool(half, "work").used)) < sum(work), "hours of any zone"
    assert half.edges[1] == half.edges[0] + HOUR


def test_a_run_under_way_counts_once(session: Session) -> None:
    """The clock moves: what was planned is queued, runs, takes longer, and is over."""
    add_pool(session, "work", 4)
    a_dag(session, "daily", "0 6 * * *")
    record(session, daily("daily", 6, 2 * HOUR))
    assert means(pool(told(session), "work"))[5:9] == [0, 1, 1, 0]

    six = AT + 6 * HOUR

    def existing(now: float, ended: float | None = None, state: str = "running") -> list[float]:
        session.rollback()
        for table in ("task_instance", "dag_run"):
            session.connection().exec_driver_sql(
                f"delete from {table} where run_id = 'scheduled__2027-03-15 06:00:00+00:00'"
            )
        task = Task("task", six, six + 5, ended, "work", state=state)
        record(session, [Recorded("daily", six, six, ended, [task], state)])
        found = pool(told(session, now, since=AT), "work")
        return [*means(found)[5:12], found.live.in_use]

    # The stored next run may still be that one: Airflow moves it on in the same transaction.
    assert existing(six + HOUR) == [0, 0, 1, 0, 0, 0, 0, 1]
    session.execute(
        update(DagModel).values(
            next_dagrun_create_after=utc("2027-03-16 06:00"),
            next_dagrun_data_interval_start=utc("2027-03-16 06:00"),
            next_dagrun_data_interval_end=utc("2027-03-16 06:00"),
        )
    )
    assert existing(six + HOUR) == [0, 0, 1, 0, 0, 0, 0, 1]
    late = existing(six + 4 * HOUR)
    assert late[4:7] == [0, pytest.approx(0.4), 0], "longer than ever: it goes on for a tenth"
    assert existing(six + 4 * HOUR, six + 3 * HOUR, "success") == [0, 0, 0, 0, 0, 0, 0, 0]


def test_a_paused_dag_plans_nothing(session: Session) -> None:
    add_pool(session, "work", 4)
    a_dag(session, "paused", "0 6 * * *", is_paused=True)
    record(session, daily("paused", 6, HOUR))
    at = AT - 600
    running = Recorded(
        "paused", at, at, None, [Task("task", at, at, None, "work", state="running")]
    )
    running.state = "running"
    queued = Recorded(
        "paused", at + 1, None, None, [Task("task", None, None, None, "work", state=None)]
    )
    queued.state = "queued"
    record(session, [running, queued])
    found = pool(told(session), "work")
    assert [round(one, 1) for one in means(found)[:8]] == [0.8, 0, 0, 0, 0, 0, 0, 0], (
        "what runs goes on, what is queued does not start"
    )


@pytest.mark.parametrize(
    ("slots", "peak", "longest"), [(3, 3, 0), (1, 1, 2), (-1, 3, 0), (0, 0, 18)]
)
def test_pools_of_any_size(session: Session, slots: int, peak: int, longest: float) -> None:
    """A pool may be resized at any time: what is planned goes by what it has now."""
    add_pool(session, "work", 2)
    for n in range(3):
        a_dag(session, f"dag{n}", "0 6 * * *")
        record(session, daily(f"dag{n}", 6, HOUR))
    session.execute(update(Pool).values(slots=slots))
    found = pool(told(session), "work")
    assert (found.slots, max(at.peak for at in found.expected)) == (slots, peak)
    assert max(at.longest for at in found.expected) == longest * HOUR
    assert any(at.open for at in found.expected) == (slots == 0)


@pytest.mark.parametrize("deferred", [False, True])
def test_deferred_tasks_keep_their_slots_where_the_pool_says_so(
    session: Session, deferred: bool
) -> None:
    add_pool(session, "work", 4, deferred=deferred)
    a_dag(session, "waits", "0 6 * * *")
    six = 6 * HOUR
    record(
        session,
        [
            Recorded(
                "waits",
                at := AT - n * DAY + six,
                at,
                at + 2 * HOUR,
                # Begun at six, deferred until half past seven, then queued again.
                [Task("task", at + 5400, at + 5400, at + 2 * HOUR, "work", started=at + 1)],
            )
            for n in range(1, 8)
        ],
    )
    found = pool(told(session), "work")
    assert means(found)[6:9] == ([1, 1, 0] if deferred else [0, 0.5, 0])
    assert found.usual[7] is not None and found.usual[7].high == pytest.approx(
        1 if deferred else 0.5
    )
    state = "deferred"
    task = Task("task", AT - 60, AT - 60, None, "work", state=state)
    record(session, [Recorded("waits", AT - 60, AT - 60, None, [task], "running")])
    assert pool(told(session), "work").live.in_use == deferred


def test_what_failed_early_or_was_cleared_is_not_usual(session: Session) -> None:
    add_pool(session, "work", 4)
    a_dag(session, "dag", "0 6 * * *")
    runs = daily("dag", 6, HOUR, days=12)
    for run in runs[:4]:
        run.ended = run.tasks[0].ended = (run.started or 0) + 20
        run.state = run.tasks[0].state = "failed"
    for run in runs[4:6]:  # one task of it was cleared, and ran again
        run.cleared, run.ended, run.started = 1, run.due + 5 * HOUR, run.due + 5 * HOUR - 60
    record(session, runs)
    forecast = told(session)
    assert forecast.habits["dag"].usual == (HOUR, HOUR, 6, False)
    assert means(pool(forecast, "work"))[6] == 1


def test_runs_by_hand_do_not_say_how_long_those_by_schedule_take(session: Session) -> None:
    add_pool(session, "work", 4)
    for dag_id, scheduled in (("enough", 5), ("few", 4)):
        a_dag(session, dag_id, "0 6 * * *")
        record(session, daily(dag_id, 6, HOUR, days=scheduled))
        by_hand = daily(dag_id, 7, 60, days=32)
        for run in by_hand:
            run.run_type = "manual"
        record(session, by_hand)
    habits = told(session).habits
    assert habits["enough"].usual == (HOUR, HOUR, 5, False)
    assert habits["few"].usual.median == 60 and habits["few"].usual.runs == 30


def test_every_try_used_slots(session: Session) -> None:
    add_pool(session, "work", 4)
    a_dag(session, "dag", "0 6 * * *")
    (run,) = daily("dag", 6, HOUR, days=1)
    first = Task("task", run.due - 5400, run.due - 5400, run.due - 3600, "work", state="failed")
    run.former = [first]
    for task in run.tasks:
        task.try_number = 2
    record(session, [run])
    used = pool(told(session, since=AT - DAY), "work").used
    assert used[4:8] == [0.5, 0, 1, 0]


def test_mapped_tasks_ask_for_as_many_slots(session: Session) -> None:
    add_pool(session, "work", 4)
    a_dag(session, "mapped", "0 6 * * *")
    runs = daily("mapped", 6, HOUR)
    for run in runs:
        at = run.due
        run.tasks = [
            Task("each", at, at + 1800 * (n // 4), at + 1800 * (n // 4 + 1), "work", map_index=n)
            for n in range(8)
        ]
    record(session, runs)
    found = pool(told(session), "work")
    assert means(found)[6] == 4 and found.expected[6].longest == 1800


def test_nothing_is_known_without_history(session: Session) -> None:
    add_pool(session, "work", 4)
    a_dag(session, "new", "0 6 * * *")
    forecast = told(session)
    found = pool(forecast, "work")
    assert forecast.habits == {} and means(found) == [0] * 24
    assert found.unknown == [0] * 6 + [1] + [0] * 17
    assert forecast.told_until == AT + DAY


def test_runs_of_others_are_not_used(session: Session) -> None:
    """Whoever may not read a DAG's runs is told neither what they took nor that they are there."""
    add_pool(session, "work", 4)
    for name in ("mine", "theirs"):
        a_dag(session, name, "0 6 * * *")
        record(session, daily(name, 6, HOUR))
        task = Task("task", AT - 60, AT - 60, None, "work", state="running")
        record(session, [Recorded(name, AT - 60, AT - 60, None, [task], "running")])
    both, one = (pool(told(session, runs_of=ids), "work") for ids in ({"mine", "theirs"}, {"mine"}))
    assert (means(both)[6], both.live.in_use, both.usual[6]) == (
        2,
        2,
        HourOfWeek(2, 2, 1),
    )
    assert (means(one)[6], one.live.in_use, one.unknown[6]) == (1, 1, 1)
    assert set(one.expected[6].by_user) == {"mine"}


def test_who_does_not_end_inside_the_window(session: Session) -> None:
    add_pool(session, "work", 1)
    nights = CalendarTimetable("0 6 * * *", timezone="UTC", windows=Weekly("daily 05:00-08:00"))
    for name in ("first", "second"):
        a_dag(session, name, nights)
        record(session, daily(name, 6, 90 * 60))
    a_dag(session, "always", "0 6 * * *")
    forecast = told(session)
    (over,) = forecast.overruns
    # The pool has one slot: the second begins as the first has ended.
    assert (over.dag.dag_id, over.start, over.waits) == ("second", AT + 6 * HOUR, 5400)
    assert (over.closes, over.ends) == (AT + 8 * HOUR, AT + 9 * HOUR)
    assert over.habit.usual == (5400, 5400, 10, False)
    session.execute(update(Pool).values(slots=2))
    assert told(session).overruns == []


def test_a_run_that_overran_its_plan(session: Session) -> None:
    add_pool(session, "work", 4)
    nights = CalendarTimetable("0 6 * * *", timezone="UTC", windows=Weekly("daily 05:00-08:00"))
    a_dag(session, "dag", nights)
    record(session, daily("dag", 6, 3600))
    six = AT + 6 * HOUR
    task = Task("task", six, six, None, "work", state="running")
    record(session, [Recorded("dag", six, six, None, [task], "running")])
    assert [one.running for one in told(session, six + 1800).overruns] == []
    (over,) = told(session, six + 1.95 * HOUR).overruns
    assert over.running and over.closes == AT + 8 * HOUR and over.ends > over.closes


def test_weeks_go_by_the_clocks_of_the_viewer(session: Session) -> None:
    """At noon in Berlin before and after clocks change."""
    add_pool(session, "work", 4)
    a_dag(session, "dag", "0 6 * * *")
    zone = ZoneInfo("Europe/Berlin")
    noon = [datetime(2027, 4, 2, 12, tzinfo=zone) - timedelta(days=7 * n) for n in range(3)]
    at_noon = [each.timestamp() for each in noon[1:]]
    record(
        session,
        [
            Recorded("dag", at, at, at + HOUR, [Task("t", at, at, at + HOUR, "work")])
            for at in at_noon
        ],
    )
    now = utc("2027-04-01 00:00").timestamp()
    found = pool(told(session, now, since=noon[0].timestamp(), zone=zone), "work").usual[0]
    assert found is not None and found.high == 1 and math.isclose(found.mean, 1.0)
