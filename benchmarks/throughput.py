"""How fast two schedulers on PostgreSQL create the runs of many due DAGs.

It is measured against the same DAGs with plain cron.

A real Airflow: runs become due all at once when their DAGs are unpaused, and a run's row says when
it was created. The schedulers are started anew for every measurement, on the same rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy

from benchmarks.figures import Figure, of_pairs
from demo.postgres import PostgresServer
from tests.support.stack import Stack

DAGS = 2_000
ROUNDS = 2
SIDES = ("ours", "cron")

# Open for hours around now, and a calendar of 200 freezes in the nights and weeks around.
_FILE = """
import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.timetables.trigger import CronTriggerTimetable
from calendar_timetable import Calendar, CalendarTimetable, Weekly

for number in range({dags}):
    schedules = {{
        "ours": CalendarTimetable(
            "{cron}", timezone="Europe/Berlin", windows=Weekly("daily {opens}-{closes}"), blackouts=Calendar({ics!r})
        ),
        "cron": CronTriggerTimetable("{cron}", timezone="Europe/Berlin"),
    }}
    with DAG(f"{side}_{{number:04}}", schedule=schedules["{side}"], start_date={start!r}, catchup=True) as dag:
        EmptyOperator(task_id="train")
    globals()[dag.dag_id] = dag
"""  # noqa: E501


def figures() -> Iterator[Figure]:
    """Seconds for all runs, in turns."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer() as server:
        stack = Stack(
            Path(folder) / "airflow", database=server.create_database("airflow"), schedulers=2
        )
        try:
            prepare(stack)
            pairs = [(created(stack, "ours"), created(stack, "cron")) for _ in range(ROUNDS)]
        finally:
            stack.stop()
    yield of_pairs(f"creating {DAGS:,} due runs, two schedulers, PostgreSQL", "cron", pairs, "s")


def prepare(stack: Stack) -> None:
    """Read both kinds of DAGs once, paused; remember what is due."""
    stack.env["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] = "true"
    stack.migrate()
    now = datetime.now(UTC)
    ics = stack.home / "freezes.ics"
    ics.write_bytes(_freezes(now))
    # The next one is a day later
    tick = (now - timedelta(hours=1)).astimezone(ZoneInfo("Europe/Berlin"))
    terms = {
        "cron": f"{tick.minute} {tick.hour} * * *",
        # Naive means UTC there
        "start": tick.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None),
        "opens": f"{tick - timedelta(hours=3):%H:%M}",
        "closes": f"{tick + timedelta(hours=5):%H:%M}",
        "ics": str(ics),
    }
    for side in SIDES:
        stack.write_dag(side, _FILE.format(side=side, dags=DAGS, **terms))
    done = stack.airflow("dags", "reserialize", seconds=3600)
    found = stack.rows("SELECT count(*) AS n FROM dag WHERE next_dagrun_create_after <= now()")[0][
        "n"
    ]
    if found != len(SIDES) * DAGS:
        raise AssertionError(f"{found} DAGs are due:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    _execute(stack, "CREATE TABLE due AS SELECT * FROM dag")


def created(stack: Stack, side: str) -> float:
    """Seconds from the first of the runs of *side* to the last."""
    columns = stack.rows(
        "SELECT column_name AS name FROM information_schema.columns"
        " WHERE table_name = 'due'"
        " AND (column_name LIKE 'next_dagrun%' OR column_name LIKE 'exceeds_max%')"
    )
    again = ", ".join(f"{column['name']} = due.{column['name']}" for column in columns)
    _execute(
        stack,
        "TRUNCATE dag_run CASCADE",
        "TRUNCATE job CASCADE",
        f"UPDATE dag SET is_paused = true, {again} FROM due WHERE dag.dag_id = due.dag_id",
    )
    schedulers = [stack.start("scheduler", name=f"scheduler-{number}") for number in (1, 2)]
    try:
        beating = (
            "SELECT count(*) AS n FROM job WHERE job_type = 'SchedulerJob' AND state = 'running'"
        )
        stack.wait("both schedulers", lambda: stack.rows(beating)[0]["n"] == 2, seconds=300)
        _execute(stack, f"UPDATE dag SET is_paused = false WHERE dag_id LIKE '{side}%'")
        runs = (
            "SELECT count(*) AS n, extract(epoch FROM max(created_at) - min(created_at)) AS seconds"
            " FROM dag_run"
        )
        stack.wait("all runs", lambda: stack.rows(runs)[0]["n"] == DAGS, seconds=1800)
        return float(stack.rows(runs)[0]["seconds"])
    finally:
        for scheduler in schedulers:
            scheduler.kill()


def _execute(stack: Stack, *statements: str) -> None:
    with stack.engine.begin() as connection:
        for statement in statements:
            connection.execute(sqlalchemy.text(statement))


def _freezes(now: datetime) -> bytes:
    """Return a hundred freezes before *now* and as many after, none within a day of it."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0"]
    for days in (*range(-101, -1), *range(2, 102)):
        start = now + timedelta(days=days)
        times = (
            f"{name}:{at:%Y%m%dT%H%M%SZ}"
            for name, at in (("DTSTART", start), ("DTEND", start + timedelta(hours=4)))
        )
        lines += ["BEGIN:VEVENT", f"UID:freeze{days}", *times, "END:VEVENT"]
    return "\r\n".join([*lines, "END:VCALENDAR", ""]).encode()
