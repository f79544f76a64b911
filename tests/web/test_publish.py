"""Publishing into a real CalDAV server: what is new, moved and dropped; and nothing that is not ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import icalendar
import pytest
import requests
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.publishing import caldav
from calendar_timetable.publishing.publish import publish_into, wanted
from calendar_timetable.publishing.target import Kept, Published, PublishingFailed
from calendar_timetable.runs.calendar_events import Site, event_of
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.listing import Filters, find_rows
from calendar_timetable.runs.rows import Row
from calendar_timetable.runs.stored_schedules import read_schedules
from demo.local_airflow import LocalAirflow
from tests.calendars.conftest import SECRET
from tests.calendars.davservers import Connect, Server, radicale, xandikos
from tests.web.database import add_dag, add_run, utc

NOW = utc("2027-03-10 12:00")
NIGHTS = Weekly("daily 22:00-06:00")
SITE = Site("https://airflow.example.com/prod", "0a1b2c3d")
BIRTHDAY = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20270101T000000Z\r\n"
)
BIRTHDAY += "DTSTART:20270312T100000Z\r\nSUMMARY:Birthday\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"


@pytest.fixture(params=["radicale", "xandikos"])
def server(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Server]:
    made = radicale(tmp_path / "radicale", SECRET) if request.param == "radicale" else xandikos(tmp_path / "xandikos")
    made.start()
    try:
        made.make_calendar("runs", "Runs")
        yield made
    finally:
        made.stop()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Makes an Airflow Connection, and gives its id."""
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "True")

    def make(host: str, conn_id: str = "dav", conn_type: str = "caldav", **given: Any) -> str:
        fields = {"conn_type": conn_type, "host": host, **given}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return make


@pytest.fixture
def runs_calendar(server: Server, connect: Connect) -> str:
    """The id of the Connection of an empty calendar."""
    login, password = server.auth or (None, None)
    return connect(server.address.rstrip("/") + server.home + "runs/", login=login, password=password)


def rows_of(session: Session, *dag_ids: str, now: datetime = NOW) -> list[Row]:
    dags = read_dags(session, dag_ids)
    filters = Filters((NOW - timedelta(days=1)).timestamp(), (NOW + timedelta(days=4)).timestamp())
    return find_rows(session, dags, read_schedules(session, dag_ids), filters, now.timestamp())[0]


def written(conn_id: str, rows: list[Row], site: Site = SITE, now: datetime = NOW) -> Published:
    since = (now - timedelta(days=1)).timestamp()
    return publish_into(conn_id, site, wanted(rows, site, now.timestamp()), since)


def withdrawn(conn_id: str) -> Published:
    return publish_into(conn_id, SITE, (), 0)


def objects(server: Server) -> dict[str, str]:
    """UID and text of everything in the calendar, as another client reads it."""
    url = server.address.rstrip("/") + server.home + "runs/"
    query = (
        '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><C:calendar-data/></D:prop>'
        '<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>'
        "</C:calendar-query>"
    )
    headers = {"Depth": "1", "Content-Type": "application/xml"}
    answer = requests.request("REPORT", url, data=query, headers=headers, auth=server.auth, timeout=60)
    found = {}
    for part in answer.text.replace("&#13;", "").split("BEGIN:VCALENDAR")[1:]:
        text = "BEGIN:VCALENDAR" + part.partition("END:VCALENDAR")[0] + "END:VCALENDAR\n"
        whole: Any = icalendar.Calendar.from_ical(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
        found[str(whole.walk("VEVENT")[0]["UID"])] = text
    return found


def nightly(dag_id: str, windows: Weekly = NIGHTS) -> DAG:
    timetable = CalendarTimetable("0 12 * * *", timezone="UTC", windows=windows)
    return DAG(dag_id, schedule=timetable, start_date=datetime(2027, 1, 1), catchup=False)


def test_what_changes_is_written_and_what_is_dropped_is_removed(
    session: Session, server: Server, runs_calendar: str
) -> None:
    add_dag(session, nightly("published"), NOW)
    rows = rows_of(session, "published")
    assert [f"{row.placed.tick.due - NOW.timestamp():.0f}" for row in rows] == ["0", "86400", "172800", "259200"]
    assert written(runs_calendar, rows) == Published(written=4)
    assert set(objects(server)) == {SITE.uid(row) for row in rows}
    assert written(runs_calendar, rows) == Published(unchanged=4)

    add_run(
        session, "published", "running", NOW, run_after=NOW + timedelta(hours=10), start_date=NOW + timedelta(hours=10)
    )
    later = NOW + timedelta(hours=10, minutes=1)
    going_on = rows_of(session, "published", now=later)
    assert written(runs_calendar, going_on, now=later) == Published(written=1, unchanged=3)
    assert "SUMMARY:published (running)" in objects(server)[SITE.uid(rows[0])]

    assert written(runs_calendar, going_on[:2], now=later) == Published(unchanged=2, removed=2)
    assert set(objects(server)) == {SITE.uid(row) for row in rows[:2]}
    much_later = NOW + timedelta(days=9)
    assert written(runs_calendar, [], now=much_later) == Published(), "what is past is history, and stays"


def test_a_moved_run_stays_one_event(session: Session, server: Server, runs_calendar: str) -> None:
    add_dag(session, nightly("moves"), NOW)
    before = rows_of(session, "moves")
    written(runs_calendar, before)
    after = [replace(row, start=(row.start or 0) + 3600) for row in before]
    assert written(runs_calendar, after) == Published(written=4)
    assert set(objects(server)) == {SITE.uid(row) for row in before}
    assert "DTSTART:20270310T230000Z" in objects(server)[SITE.uid(before[0])]


def test_only_our_own_events_are_touched(session: Session, server: Server, runs_calendar: str) -> None:
    """Not those of people, nor of another Airflow, nor what only looks like ours; not even when all is withdrawn."""
    add_dag(session, nightly("ours"), NOW)
    rows, other = rows_of(session, "ours"), Site("https://airflow.example.com/prod", "4e5f6071")
    strangers = {"birthday@example.com": "birthday.ics", "x@calendar-timetable": f"calendar-timetable-{SITE.key}-x.ics"}
    for uid, name in strangers.items():
        server.send("PUT", f"runs/{name}", BIRTHDAY.format(uid=uid))
    written(runs_calendar, rows, other)
    theirs = objects(server)
    assert len(theirs) == 2 + len(rows)

    assert written(runs_calendar, rows) == Published(written=len(rows))
    assert written(runs_calendar, []) == Published(removed=len(rows))
    assert written(runs_calendar, rows).written == len(rows)
    assert withdrawn(runs_calendar) == Published(removed=len(rows))
    assert objects(server) == theirs


def test_what_somebody_else_changes_meanwhile_is_left(
    session: Session, server: Server, runs_calendar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = os.environ["AIRFLOW_CONN_DAV"]
    add_dag(session, nightly("busy"), NOW)
    row = rows_of(session, "busy")[0]
    written(runs_calendar, [row])
    uid, moved = SITE.uid(row), replace(row, start=(row.start or 0) + 60)
    name = f"runs/calendar-timetable-{SITE.key}-{uid.partition('-')[0]}.ics"

    read = caldav._Calendar.kept

    def meddled(target: Any) -> list[Kept]:
        found = list(read(target))
        text = event_of(replace(row, end=(row.start or 0) + 7), SITE, NOW.timestamp()).to_ical().decode()
        server.send("PUT", name, f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{text}END:VCALENDAR\r\n")
        return found

    monkeypatch.setattr(caldav._Calendar, "kept", meddled)
    monkeypatch.setattr(caldav, "send", lambda _, request, body, __: caldav._serve(request, body))
    assert written(runs_calendar, [moved]) == Published(left=1)
    monkeypatch.undo()
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "True")
    monkeypatch.setenv("AIRFLOW_CONN_DAV", told)
    assert withdrawn(runs_calendar) == Published(), "not ours now"


def test_what_cannot_be_published_into_is_said(connect: Connect, server: Server) -> None:
    feed = connect("https://example.com/x.ics", conn_id="feed", conn_type="ical")
    with pytest.raises(PublishingFailed, match="only calendars on CalDAV servers"):
        withdrawn(feed)
    with pytest.raises(PublishingFailed, match="there is no Airflow Connection 'none'"):
        withdrawn("none")
    if server.auth:
        wrong = connect(server.address + "alice/runs/", conn_id="wrong", login="alice", password="nope-nope")
        with pytest.raises(PublishingFailed, match="wrong: HTTP 401: login, password or token is not accepted"):
            withdrawn(wrong)
    server.make_calendar("second", "Second")
    login, password = server.auth or (None, None)
    several = connect(server.address.rstrip("/") + server.home, conn_id="several", login=login, password=password)
    with pytest.raises(PublishingFailed, match="name the one to write in 'calendars'"):
        withdrawn(several)


@pytest.mark.airflow
@pytest.mark.parametrize("server", ["radicale"], indirect=True)
def test_the_command_publishes_what_the_list_tells(airflow: LocalAirflow, server: Server, runs_calendar: str) -> None:
    told = {
        "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS": "True",
        "AIRFLOW__CALENDAR_TIMETABLE__PUBLISH_TO": runs_calendar,
        "AIRFLOW_CONN_DAV": os.environ["AIRFLOW_CONN_DAV"],
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "calendar_timetable.cli", "publish", *arguments]
        env = {**airflow.env, **told}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)

    first = run("--scope", "tag:ml", "--json")
    assert first.returncode == 0, first.stderr[-2000:]
    done = json.loads(first.stdout)
    events = objects(server)
    assert (done["written"], done["removed"], done["unchanged"], done["left"]) == (len(events), 0, 0, 0)
    assert len(events) > 40
    assert {text.partition("URL:")[2].splitlines()[0].rpartition("/")[2] for text in events.values()} == {
        "visible",
        "secret",
    }
    for wrong in ("tags:ml", "tag:nope", "dag:nope"):
        refused = run("--scope", wrong)
        assert (refused.returncode, objects(server)) == (2, events)
        assert wrong in refused.stderr and "Traceback" not in refused.stderr

    looked = run("--scope", "dag:plain", "--dry-run")
    assert looked.returncode == 0 and objects(server) == events
    lines = looked.stdout.splitlines()
    assert all(line.startswith("write ") and line.endswith("  plain") for line in lines if line.startswith("write"))
    assert len([line for line in lines if line.startswith("remove ")]) > 40
    assert lines[-1].startswith(f"{len([line for line in lines if line.startswith('write')])} to write, ")
    mistaken = run("--scope", "dag:plain")
    assert (mistaken.returncode, objects(server)) == (1, events)
    assert "events would be removed, more than half of those that are there" in mistaken.stderr
    assert json.loads(run("--scope", "dag:plain", "--force", "--json").stdout)["removed"] > 40
    assert json.loads(run("--scope", "tag:ml", "--force", "--json").stdout)["written"] > 40
    events = objects(server)
    assert json.loads(run("--remove", "--json").stdout)["removed"] == len(events)
    assert objects(server) == {}
