"""No secret, and by default no event's text, gets out of the calendars.

A search through all that a whole Airflow writes.

One Airflow reads calendars by address and by Connection, good ones and bad ones; then its database,
logs, answers, pages, files' names, metrics and commands are searched for what was planted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import pytest
import requests
import sqlalchemy

from demo.services import wait_until
from tests.support.origin import Origin, serving
from tests.support.planted_secrets import (
    ATTENDEE,
    OTHER_PASSWORD,
    PASSWORD,
    PATH,
    QUERY,
    SECRETS,
    TEXTS,
    TITLE,
    TOKEN,
    answer,
    found_in,
)
from tests.support.stack import Stack
from tests.support.statsd import StatsdServer

DAGS = {
    "by_address": "CalendarTimetable('0 * * * *', blackouts=at('good.ics'))",
    "by_connection": (
        "CalendarTimetable('0 * * * *', windows=Calendar('planted'), "
        "blackouts=Calendar('planted_token'))"
    ),
    "due_by_events": "CalendarTimetable(at('good.ics'), offset=timedelta(minutes=1))",
    "matching": (
        "CalendarTimetable('0 * * * *', blackouts=at('good.ics', "
        f"attendee='{ATTENDEE}@example.com', strict=True))"
    ),
    "ignoring": (
        "CalendarTimetable('0 * * * *', blackouts=[at('page.ics', on_unavailable='ignore')])"
    ),
    "watched": (
        "[Asset('watched', watchers=[AssetWatcher(name='w', "
        "trigger=CalendarEventTrigger(at('good.ics')))])]"
    ),
    "gated": "CalendarTimetable('* * * * *')",
    "held_by_denied": "CalendarTimetable('0 * * * *', blackouts=at('denied.ics'))",
    "held_by_page": "CalendarTimetable('0 * * * *', blackouts=at('page.ics'))",
    "held_by_junk": "CalendarTimetable('0 * * * *', blackouts=at('junk.ics'))",
    "held_by_redirect": "CalendarTimetable('0 * * * *', blackouts=at('away.ics'))",
    "held_by_connection": "CalendarTimetable('0 * * * *', blackouts=Calendar('planted_denied'))",
    "wrong_scheme": (
        "CalendarTimetable('0 * * * *', blackouts=Calendar(ADDRESS.replace('http', 'gopher', 1)))"
    ),
    "wrong_argument": "CalendarTimetable('0 * * * *', blackouts=at('good.ics', refresh=3))",
}
if find_spec("airflow.triggers.shared_stream") is None:  # before Airflow 3.3 no event triggers DAGs
    del DAGS["watched"]


@dataclass
class System:
    """An Airflow that has read it all, and what it said so far."""

    airflow: Stack
    origin: Origin
    statsd: StatsdServer
    said: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    statsd = StatsdServer()
    airflow = Stack(tmp_path_factory.mktemp("leaks") / "airflow")
    airflow.env |= {
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        # So many files, read more often, would take what the rest of it needs.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
    }
    try:
        with serving() as origin:
            origin.reply = answer
            airflow.migrate()
            airflow.start_all()
            _connections(airflow, origin)
            address = f"http://alice:{PASSWORD}@127.0.0.1:{origin.port}/{PATH}/"
            for dag_id, schedule in DAGS.items():
                airflow.write_dag(dag_id, _source(dag_id, schedule, address))
            wanted = {name for name in DAGS if name.startswith("wrong")}
            airflow.wait("every DAG to be read", lambda: _parsed(airflow) == DAGS.keys() - wanted)
            airflow.wait("every mistake to be told", lambda: _failed(airflow) == wanted)
            yield System(airflow, origin, statsd)
            airflow.stop()
    finally:
        airflow.stop()
        statsd.close()


def _connections(airflow: Stack, origin: Origin) -> None:
    """Secret addresses where they belong.

    Airflow shows a Connection's Host to whoever may see Connections.
    """
    server = f"http://127.0.0.1:{origin.port}"
    basic = {"login": "alice", "password": OTHER_PASSWORD}
    airflow.post(
        "/api/v2/connections",
        connection_id="planted",
        conn_type="ical",
        **basic,
        host=f"{server}/good.ics",
    )
    extra = json.dumps({"token": TOKEN, "secret_url": f"{server}/{PATH}/good.ics?key={QUERY}"})
    airflow.post(
        "/api/v2/connections", connection_id="planted_token", conn_type="ical", extra=extra
    )
    denied = json.dumps({"secret_url": f"{server}/{PATH}/denied.ics?key={QUERY}"})
    airflow.post(
        "/api/v2/connections",
        connection_id="planted_denied",
        conn_type="ical",
        **basic,
        extra=denied,
    )


def _source(dag_id: str, schedule: str, address: str) -> str:
    return f"""
from datetime import timedelta
from airflow.sdk import DAG, Asset, AssetWatcher, task
from calendar_timetable import Calendar, CalendarEventTrigger, CalendarGate, CalendarTimetable

ADDRESS = {address!r}
def at(name, **options):
    return Calendar(ADDRESS + name + "?key={QUERY}", **options)
made = {schedule}
with DAG({dag_id!r}, schedule=made):
    @task
    def work():
        print("worked")
    if {dag_id!r} == "gated":
        for name in ("good.ics", "denied.ics"):
            closed = CalendarTimetable("@daily", windows=at(name, match="none such"))
            CalendarGate(task_id=name, schedule=closed) >> work()
    else:
        work()
"""


def _parsed(airflow: Stack) -> set[str]:
    return {row["dag_id"] for row in airflow.rows("SELECT dag_id FROM serialized_dag")}


def _failed(airflow: Stack) -> set[str]:
    return {Path(row["filename"]).stem for row in airflow.rows("SELECT filename FROM import_error")}


# --- what there is to search ----------------------------------------------------------------------


def database(airflow: Stack) -> dict[str, str]:
    """Every table but those where Airflow keeps what people gave it.

    The DAG files' source, and Connections.
    """
    names = set(sqlalchemy.inspect(airflow.engine).get_table_names()) - {"dag_code", "connection"}
    return {
        f"table {name}": repr(airflow.rows(f'SELECT * FROM "{name}"')) for name in sorted(names)
    }


def files(airflow: Stack) -> dict[str, str]:
    logs = {
        f"log {path.name}": path.read_text(errors="replace")
        for path in _files(airflow.home / "logs")
    }
    names = [str(path) for path in _files(airflow.home / "calendar-cache")]
    states = [
        p.read_text()
        for p in _files(airflow.home / "calendar-cache")
        if p.suffix == ".json" and ".x" not in p.name
    ]
    return {**logs, "names in the cache": repr(names), "states in the cache": repr(states)}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def answers(airflow: Stack) -> dict[str, str]:
    """What the web server says, to somebody who may see everything."""
    ours = "/calendar-timetable"
    paths = [
        *(
            f"{ours}/{path}"
            for path in (
                "",
                "api/runs",
                "api/choices",
                "api/calendars",
                "api/me",
                "api/openapi.json",
                "api/time-sets",
            )
        ),
        *(f"{ours}/api/dags/{dag_id}/plan" for dag_id in DAGS),
        *(
            f"/api/v2/{path}"
            for path in ("dags", "importErrors", "connections", "eventLogs", "dagRuns", "plugins")
        ),
        *(f"/api/v2/dags/{dag_id}/details" for dag_id in DAGS),
        *(f"/ui/calendar/{dag_id}" for dag_id in DAGS),
    ]
    found: dict[str, str] = {}
    with airflow.session() as session:
        # A busy host may leave one idle for longer than the server does
        session.headers["Connection"] = "close"
        for path in paths:
            found[path] = _text(session.get(airflow.address + path, timeout=90))
        headers = {"X-Requested-With": "calendar-timetable", "Sec-Fetch-Site": "same-origin"}
        for dag_id in _parsed(airflow):
            what_if = f"{airflow.address}{ours}/api/dags/{dag_id}/what-if"
            found[what_if] = _text(
                session.post(what_if, json={"duration_seconds": 60}, headers=headers, timeout=90)
            )
        made = session.post(
            f"{airflow.address}{ours}/api/subscriptions",
            json={"kind": "all"},
            headers=headers,
            timeout=90,
        )
        assert made.status_code == 201, made.text
        found["subscriptions"] = made.text
        found["feed.ics"] = requests.get(made.json()["url"], timeout=90).text
        assert "BEGIN:VCALENDAR" in found["feed.ics"]
    return found


def _text(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.headers} {answer.text}"


def commands(airflow: Stack) -> dict[str, str]:
    ids = ("by_address", "by_connection", "held_by_denied")
    runs = [
        *(("preview", "--dag-id", dag_id) for dag_id in ids),
        *(("explain", "--dag-id", dag_id) for dag_id in ids),
        ("sync",),
        ("sync", "--force", "--json"),
        ("sync", "--status"),
        ("check", "planted_denied"),
    ]
    return {" ".join(arguments): command(airflow, *arguments) for arguments in runs}


def command(airflow: Stack, *arguments: str) -> str:
    """Its output and what it says on stderr."""
    done = _command(airflow, *arguments)
    return done.stdout + done.stderr


def _command(airflow: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "calendar_timetable.cli", *arguments],
        env=airflow.env,
        cwd=airflow.home,
        capture_output=True,
        text=True,
        timeout=240,
    )


# --- the search -----------------------------------------------------------------------------------


def test_nothing_planted_gets_out(system: System) -> None:
    airflow = system.airflow
    airflow.post("/api/v2/dags/by_address/dagRuns", logical_date=None)
    airflow.wait_for_runs("by_address", 1)
    held = "SELECT state FROM task_instance WHERE dag_id = 'gated' AND state = 'deferred'"
    airflow.wait("gates to be waiting", lambda: len(airflow.rows(held)) > 1)
    said = (
        commands(airflow)
        | answers(airflow)
        | database(airflow)
        | files(airflow)
        | {"metrics": system.statsd.text}
    )
    assert found_in(said) == ""
    assert len([place for place in said if place.startswith("log ")]) > 5
    assert "planted" in said["table serialized_dag"]
    assert "HTTP 401" in said["table serialized_dag"], "a schedule that is held says why"
    assert (
        "a rule that repeats every second is refused" in said["/calendar-timetable/api/calendars"]
    )


def test_what_was_planted_was_used(system: System) -> None:
    """That the search above could have found something."""
    seen = repr(system.origin.seen)
    for word in (*SECRETS[-2:], TOKEN, PATH, QUERY):
        assert word in seen
    bodies = [
        path.read_text()
        for path in _files(system.airflow.home / "calendar-cache")
        if path.suffix == ".ics"
    ]
    assert all(word in bodies[0] for word in TEXTS)
    assert TITLE in command(system.airflow, "check", "planted"), (
        "who asks for a calendar's events is shown them"
    )


# --- what else only a whole Airflow can show ------------------------------------------------------


def test_a_connection_in_airflows_database_is_known_to_the_commands(system: System) -> None:
    found = json.loads(_command(system.airflow, "check", "planted", "--json").stdout)
    assert (found["calendar"], found["status"], found["events"]) == ("planted", "incomplete", 4)


def test_the_dag_processor_sends_metrics(system: System) -> None:
    names = {
        f"calendar_timetable.{name}"
        for name in ("age", "fetch_time", "read_time", "quarantined", "failures")
    }
    wait_until("metrics of every kind", lambda: names <= system.statsd.got().keys())
    got = system.statsd.got()
    assert {value for value, _ in got["calendar_timetable.quarantined.planted"]} == {"3"}
    assert got["calendar_timetable.failures.planted_denied"][0] == ("1", "c")


def test_the_page_tells_how_each_calendar_is_doing(system: System) -> None:
    found = system.airflow.get("/calendar-timetable/api/calendars")["calendars"]
    by_connection = {one["label"]: one for one in found if one["label"].startswith("planted")}
    assert {
        name: one["status"] for name, one in by_connection.items() if name != "planted_denied"
    } == {
        "planted": "incomplete",
        "planted_token": "incomplete",
    }
    assert all(one["events"] == 4 for one in found if one["status"] == "incomplete")
