"""The page's list of runs for a big deployment.

It is measured against asking Airflow's own timetables once per shown run.
"""

from __future__ import annotations

import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

from airflow.sdk import DAG
from airflow.timetables.base import DataInterval, TimeRestriction, Timetable
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime
from sqlalchemy.orm import Session

from benchmarks.figures import Figure, clocked, figure
from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.runs import lru
from calendar_timetable.runs.listing import Filters
from calendar_timetable.web import models
from calendar_timetable.web.run_list import list_runs
from tests.support.airflow_database import add_dag, airflow_database

DAGS, DAYS, SHOWN = 1_000, 35, 5_000
NIGHTS = Weekly("daily 19:00-07:00")


def figures(rounds: int = 9) -> Iterator[Figure]:
    """Measure a list that nobody has asked for before, and the same one again."""
    with airflow_database() as session:
        crons = deployment(session)
        since = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        shown = Counter(
            run.dag_id for run in models.Runs.model_validate_json(ask(session, crons, since)).runs
        )
        gc.collect()  # what making so many DAGs has left behind
        cold, warm = [], []
        for _ in range(rounds):
            lru.forget()
            asked = clocked(lambda: in_a_thread(lambda: ask(session, crons, since)))
            again = min(clocked(lambda: ask(session, crons, since)) for _ in range(5))
            airflows = airflows_own(crons, shown, since)
            cold.append((asked, airflows))
            warm.append((again, asked))
    what = f"list of {SHOWN} runs, {DAGS} DAGs, {DAYS} days"
    yield figure(f"{what}: cold", f"Airflow's timetables, {SHOWN} calls", cold)
    yield figure(f"{what}: warm", "the same, cold", warm)


def deployment(session: Session) -> dict[str, str]:
    """Store 1,000 DAGs that are due at any minute, and return their crons.

    Nearly each has a cron of its own, and every other one is held to the nights.
    """
    dice, crons = random.Random(1), {}
    now = datetime.now(UTC)
    for number in range(DAGS):
        cron = (
            f"{dice.randrange(60)} {dice.randrange(24)} * * "
            f"{dice.choice(('*', '*', 'SAT', 'MON-FRI'))}"
        )
        schedule = CalendarTimetable(cron, timezone="UTC", windows=NIGHTS) if number % 2 else cron
        dag = DAG(
            f"dag_{number}",
            schedule=schedule,
            start_date=datetime(2026, 1, 1, tzinfo=UTC),
            catchup=False,
        )
        add_dag(session, dag, now, seen=now - timedelta(days=100))
        crons[dag.dag_id] = cron
    return crons


def in_a_thread(call: Callable[[], object]) -> None:
    """Where no cron ticks are remembered yet."""
    thread = Thread(target=call)
    thread.start()
    thread.join()


def ask(session: Session, dag_ids: dict[str, str], since: datetime) -> bytes:
    """Return what the REST API answers."""
    until = since + timedelta(days=DAYS)
    return list_runs(
        session, dag_ids, Filters(since.timestamp(), until.timestamp(), limit=SHOWN), time.time()
    )


def airflows_own(crons: dict[str, str], shown: Counter[str], since: datetime) -> float:
    """Seconds that as many steps of Airflow's own timetables take, which are there already."""
    timetables: dict[str, Timetable] = {
        i: CronTriggerTimetable(crons[i], timezone="UTC") for i in shown
    }
    restriction = TimeRestriction(DateTime.instance(since), None, catchup=True)

    def step() -> None:
        for dag_id, runs in shown.items():
            last: DataInterval | None = None
            for _ in range(runs):
                info = timetables[dag_id].next_dagrun_info(
                    last_automated_data_interval=last, restriction=restriction
                )
                assert info is not None
                last = info.data_interval

    return clocked(step)
