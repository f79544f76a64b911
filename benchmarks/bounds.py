"""The dearest questions that the page's API takes, against the bounds that it keeps.

The bounds are on processor time, and on memory kept.

Each is asked as a browser asks it, of an app in this process.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from airflow.sdk import DAG
from airflow.timetables.base import Timetable
from airflow.timetables.trigger import MultipleCronTriggerTimetable
from sqlalchemy.orm import Session

from benchmarks.figures import Figure, of_pairs
from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.runs import lru
from calendar_timetable.web import store
from tests.support.airflow_database import add_dag, airflow_database
from tests.support.web_app import asked

SECONDS, MEGABYTES = 5.0, 10.0  # that a question may cost, and leave behind
DAY = 86400
# Ranges of a minute, as many as a what-if takes, and a run that fits into none.
MINUTES = [
    f"daily {','.join(f'{hour:02}:{m:02}-{hour:02}:{m + 1:02}' for m in range(0, 60, 5))}"
    for hour in range(8)
]
UNFITTING = {"windows": MINUTES, "max_delay_seconds": 62 * DAY, "duration_seconds": 61}


def figures(rounds: int = 3) -> Iterator[Figure]:
    """What-if, far ranges, many dense DAGs, counts, and a feed that nobody has asked for before."""
    with (
        airflow_database() as session,
        pytest.MonkeyPatch.context() as patch,
        asked(session, patch) as client,
    ):
        store._Base.metadata.create_all(session.get_bind())  # noqa: SLF001
        deployment(session)
        made = client.post("/api/subscriptions", json={"kind": "all"}).json()
        far, six_weeks = (
            (datetime.now(UTC) + timedelta(days=days)).isoformat() for days in (600, 42)
        )
        questions: dict[str, Callable[[], object]] = {
            "what-if with 96 ranges": lambda: client.post(
                "/api/dags/dense-0/what-if?limit=100", json=UNFITTING
            ),
            "list of ten minutely DAGs, a week": lambda: client.get("/api/runs?limit=5000"),
            "count of six weeks by day": lambda: client.get(
                "/api/counts", params={"by": "day", "end": six_weeks}
            ),
            "list in 600 days": lambda: client.get("/api/runs", params={"start": far}),
            "windows in 600 days": lambda: client.get(
                "/api/time-sets", params={"start": far, "limit": 5000}
            ),
            "feed": lambda: client.get(
                "/feed.ics", params={"token": made["url"].rpartition("token=")[2]}
            ),
        }
        for what, ask in questions.items():
            ask()  # what is made once is not counted
            taken, left = [], []
            for _ in range(rounds):
                lru.forget()
                before, began = resident(), time.process_time()
                ask()
                taken.append((time.process_time() - began, SECONDS))
                left.append((max(0.0, resident() - before), MEGABYTES))
            yield of_pairs(f"CPU of a {what}", "the bound", taken, "s")
            yield of_pairs(f"memory kept by a {what}", "the bound", left, "MB")


def deployment(session: Session) -> None:
    """Ten DAGs that run every minute, and one whose every step Airflow has to be asked for."""
    now = datetime.now(UTC)
    schedules: dict[str, Timetable]
    schedules = {
        f"dense-{n}": CalendarTimetable("* * * * *", windows=Weekly("daily 00:00-24:00"))
        for n in range(10)
    }
    slow = MultipleCronTriggerTimetable("* * * * *", "30 5 * * *", timezone="UTC")
    for dag_id, schedule in {**schedules, "slow": slow}.items():
        dag = DAG(
            dag_id, schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False
        )
        add_dag(session, dag, now, seen=now - timedelta(days=100))


def resident() -> float:
    """Megabytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2
