"""Runs to publish, and a real CalDAV server to publish them into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import icalendar
import pytest
import requests
import time_machine
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.listing import Filters, find_rows
from calendar_timetable.runs.rows import RunRow
from calendar_timetable.runs.stored_schedules import read_schedules
from tests.support.dav_servers import Connect, Server, radicale, xandikos
from tests.support.moments import utc
from tests.support.origin import SECRET

NOW = utc("2027-03-10 12:00")
NIGHTS = Weekly("daily 22:00-06:00")
SITE = Site("https://airflow.example.com/prod", "0a1b2c3d")


@pytest.fixture(params=["radicale", "xandikos"])
def server(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Server]:
    """Start a CalDAV server: Radicale or Xandikos."""
    made = (
        radicale(tmp_path / "radicale", SECRET)
        if request.param == "radicale"
        else xandikos(tmp_path / "xandikos")
    )
    made.start()
    try:
        made.make_calendar("runs", "Runs")
        yield made
    finally:
        made.stop()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return what makes an Airflow Connection, and gives its id."""
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "True")

    def make(host: str, conn_id: str = "dav", conn_type: str = "caldav", **given: Any) -> str:
        fields = {"conn_type": conn_type, "host": host, **given}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        return conn_id

    return make


@pytest.fixture
def runs_calendar(server: Server, connect: Connect) -> str:
    """Return the id of the Connection of an empty calendar."""
    login, password = server.auth or (None, None)
    return connect(
        server.address.rstrip("/") + server.home + "runs/", login=login, password=password
    )


def rows_of(session: Session, *dag_ids: str, now: datetime = NOW) -> list[RunRow]:
    """Return the runs of these DAGs from a day before ``NOW`` to four days after, told at *now*."""
    dags = read_dags(session, dag_ids)
    filters = Filters((NOW - timedelta(days=1)).timestamp(), (NOW + timedelta(days=4)).timestamp())
    schedules = read_schedules(session, dag_ids)
    with time_machine.travel(now, tick=False):
        return find_rows(session, dags, schedules, filters, now.timestamp())[0]


def objects(server: Server) -> dict[str, str]:
    """UID and text of everything in the calendar, as another client reads it."""
    url = server.address.rstrip("/") + server.home + "runs/"
    query = (
        '<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">'
        "<D:prop><C:calendar-data/></D:prop>"
        '<C:filter><C:comp-filter name="VCALENDAR">'
        '<C:comp-filter name="VEVENT"/></C:comp-filter></C:filter>'
        "</C:calendar-query>"
    )
    headers = {"Depth": "1", "Content-Type": "application/xml"}
    answer = requests.request(
        "REPORT", url, data=query, headers=headers, auth=server.auth, timeout=60
    )
    found = {}
    for part in answer.text.replace("&#13;", "").split("BEGIN:VCALENDAR")[1:]:
        text = "BEGIN:VCALENDAR" + part.partition("END:VCALENDAR")[0] + "END:VCALENDAR\n"
        whole: Any = icalendar.Calendar.from_ical(
            text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        )
        found[str(whole.walk("VEVENT")[0]["UID"])] = text
    return found


def nightly(dag_id: str, windows: Weekly = NIGHTS) -> DAG:
    """Return a DAG that is due at noon and runs at night."""
    timetable = CalendarTimetable("0 12 * * *", timezone="UTC", windows=windows)
    return DAG(dag_id, schedule=timetable, start_date=datetime(2027, 1, 1), catchup=False)
