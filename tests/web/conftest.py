"""A web server of a real Airflow, with a few DAGs read once and an auth manager of two minds."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from sqlalchemy.orm import Session

from demo.examples import EXAMPLES
from demo.local_airflow import LocalAirflow
from tests.web.browser import Browser, chromium
from tests.web.database import airflow_database

HERE = Path(__file__).parent


def event(name: str, days: int) -> tuple[str, ...]:
    """An event of so many days, from the next midnight on."""
    first = datetime.now(UTC) + timedelta(days=1)
    return (
        *("BEGIN:VEVENT", f"UID:{days}@tests", "DTSTAMP:20260101T000000Z", f"SUMMARY:{name}"),
        *(f"DTSTART;VALUE=DATE:{first:%Y%m%d}", f"DTEND;VALUE=DATE:{first + timedelta(days=days):%Y%m%d}"),
        "END:VEVENT",
    )


def calendar(*lines: str) -> str:
    head = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN")
    return "\r\n".join((*head, *lines, "END:VCALENDAR", ""))


BROKEN = ("BEGIN:VEVENT", "UID:broken@tests", "DTSTAMP:20260101T000000Z", "DTSTART:someday", "END:VEVENT")
HOSTILE = "<img src=x onerror=document.title='owned'>\u202e \\nX-Injected: 1"


@contextmanager
def served(
    home: Path,
    settings: dict[str, str],
    prepare: Callable[[LocalAirflow], None],
    path: str = "",
    *,
    examples: bool = False,
) -> Iterator[LocalAirflow]:
    """A web server with the DAGs of ``web_dags.py``, under *path*; *prepare* makes its users once there is a database.

    With *examples*, also with all that Airflow brings, and with ours.
    """
    dags, modules = home / "dags", home / "modules"
    dags.mkdir()
    modules.mkdir()
    shutil.copy(HERE / "web_dags.py", dags / "dags.py")
    shutil.copy(HERE / "one_dag.py", modules / "one_dag.py")
    team = home / "team.ics"
    told = {"PYTHONPATH": str(modules), "TEAM_CALENDAR": str(team)}
    team.write_text(calendar(*event("Release freeze", 3), *BROKEN))
    if examples:
        shutil.copytree(EXAMPLES, dags, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(dags / "calendar_examples" / "team_calendar.ics", team)
        told["AIRFLOW__CORE__LOAD_EXAMPLES"] = "True"
    team.with_name("hostile.ics").write_text(calendar(*event(HOSTILE, 1)))
    airflow = LocalAirflow(home, dags=dags, settings={**told, **settings}, path=path)
    airflow.migrate()
    read = airflow.airflow("dags", "reserialize", seconds=300)
    assert read.returncode == 0, read.stderr[-4000:]
    prepare(airflow)
    try:
        airflow.start("api-server")
        airflow.wait_until_ready(seconds=240)
        yield airflow
    finally:
        airflow.stop()


def change(airflow: LocalAirflow, statement: str) -> None:
    """Write to Airflow's database; for what takes a year, or has no API."""
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=60)) as database, database:
        database.execute(statement)


def within(airflow: LocalAirflow, script: str, *arguments: str) -> None:
    """Run one of the scripts beside this in an Airflow's environment."""
    command = [sys.executable, HERE / script, *arguments]
    done = subprocess.run(command, env=airflow.env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """SimpleAuthManager with users ``admin`` and ``reader``; the latter may read the DAG ``visible`` only.

    It is served under a path, as behind a proxy that many tools share; FAB's is not.
    """

    def make_users(airflow: LocalAirflow) -> None:
        passwords = airflow.home / "passwords.json"
        passwords.write_text(json.dumps({"admin": airflow.password, "reader": airflow.password}))
        within(airflow, "past_runs.py")

    users = {
        "AIRFLOW__CORE__AUTH_MANAGER": "one_dag.OneDagAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reader:admin",
    }
    with served(tmp_path_factory.mktemp("web"), users, make_users, "/shared/airflow") as airflow:
        yield airflow


@pytest.fixture(scope="session")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """FAB's auth manager with the same users, ``nobody``, who may read no DAG, and ``leaver``, to be taken away."""

    def make_users(airflow: LocalAirflow) -> None:
        within(airflow, "fab_users.py", airflow.password)

    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
        "AIRFLOW__FAB__CACHE_TTL": "0",  # else it goes by the users of half a minute ago
    }
    with served(tmp_path_factory.mktemp("fab"), settings, make_users) as airflow:
        yield airflow


@pytest.fixture
def session() -> Iterator[Session]:
    """Airflow's tables in memory; no Airflow runs."""
    with airflow_database() as session:
        yield session


@pytest.fixture(scope="session")
def login(airflow: LocalAirflow) -> Callable[[str], requests.Session]:
    """Log a user in by name."""

    def log_in(user: str) -> requests.Session:
        airflow.user = user
        return airflow.session()

    return log_in


@pytest.fixture(scope="session")
def chrome(
    airflow: LocalAirflow, tmp_path_factory: pytest.TempPathFactory, login: Callable[[str], requests.Session]
) -> Iterator[Browser]:
    """A Chromium in which ``admin`` is logged in."""
    with chromium(airflow, tmp_path_factory.mktemp("chromium"), logged_in=login("admin")) as found:
        yield found


@pytest.fixture
def browser(chrome: Browser) -> Iterator[Browser]:
    """That Chromium: no test leaves an error in its console, or has sent anything to another host."""
    with chrome.quiet():
        yield chrome
