"""A web server of a real Airflow, with a few DAGs read once and an auth manager of two minds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from demo.local_airflow import LocalAirflow

HERE = Path(__file__).parent


def team_calendar() -> str:
    """A freeze of three days from midnight, and an event without a start."""
    first = datetime.now(UTC) + timedelta(days=1)
    lines = [
        *("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN"),
        *("BEGIN:VEVENT", "UID:freeze@tests", "DTSTAMP:20260101T000000Z", "SUMMARY:Release freeze"),
        *(f"DTSTART;VALUE=DATE:{first:%Y%m%d}", f"DTEND;VALUE=DATE:{first + timedelta(days=3):%Y%m%d}", "END:VEVENT"),
        *("BEGIN:VEVENT", "UID:broken@tests", "DTSTAMP:20260101T000000Z", "DTSTART:someday", "END:VEVENT"),
        "END:VCALENDAR",
    ]
    return "\r\n".join((*lines, ""))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Users ``admin`` and ``reader``; the latter may read the DAG ``visible`` only."""
    home = tmp_path_factory.mktemp("web")
    dags, modules = home / "dags", home / "modules"
    dags.mkdir()
    modules.mkdir()
    shutil.copy(HERE / "web_dags.py", dags / "dags.py")
    shutil.copy(HERE / "one_dag.py", modules / "one_dag.py")
    calendar = home / "team.ics"
    calendar.write_text(team_calendar())
    airflow = LocalAirflow(
        home,
        dags=dags,
        settings={
            "PYTHONPATH": str(modules),
            "TEAM_CALENDAR": str(calendar),
            "AIRFLOW__CORE__AUTH_MANAGER": "one_dag.OneDagAuthManager",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reader:admin",
        },
    )
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"admin": airflow.password, "reader": airflow.password}))
    airflow.migrate()
    read = airflow.airflow("dags", "reserialize")
    assert read.returncode == 0, read.stderr[-4000:]
    try:
        airflow.start("api-server")
        airflow.wait_until_ready()
        yield airflow
    finally:
        airflow.stop()


@pytest.fixture
def login(airflow: LocalAirflow) -> Callable[[str], requests.Session]:
    """Log a user in by name."""

    def log_in(user: str) -> requests.Session:
        airflow.user = user
        return airflow.session()

    return log_in
