"""The page's questions about a blackout, and booking it: who may ask, and what is answered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.models.log import Log
from airflow.sdk import DAG
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import CalendarTimetable
from calendar_timetable.publishing import booking
from calendar_timetable.publishing.booking import Booked
from calendar_timetable.publishing.target import PublishingFailed
from calendar_timetable.runs import lru
from calendar_timetable.runs.impact import PlannedBlackout
from tests.support.airflow_database import add_dag
from tests.support.moments import utc
from tests.support.web_app import Rights, asked

NOW = utc("2026-11-24 12:00")
AHEAD = utc("2026-11-26")
START = datetime(2026, 1, 1, tzinfo=UTC)


class Who(Rights):
    """May read some DAGs, and edit some Connections."""

    def __init__(self) -> None:
        super().__init__()
        self.dags = {"hourly", "hidden", "ours"}
        self.connections: set[str] = set()

    def get_authorized_dag_ids(self, **_: Any) -> set[str]:
        return self.dags

    def is_authorized_connection(self, *, method: str, details: Any, **_: Any) -> bool:
        return method == "PUT" and details.conn_id in self.connections


@pytest.fixture
def who() -> Who:
    return Who()


@pytest.fixture
def client(session: Session, monkeypatch: pytest.MonkeyPatch, who: Who) -> Iterator[TestClient]:
    lru.forget()
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", "freezes")
    ours = CalendarTimetable("30 2 * * *", timezone="UTC", max_delay=timedelta(hours=1))
    for dag_id, schedule in (("hourly", "0 * * * *"), ("hidden", "0 * * * *"), ("ours", ours)):
        add_dag(session, DAG(dag_id, schedule=schedule, start_date=START, catchup=False), NOW)
    with time_machine.travel(NOW, tick=False), asked(session, monkeypatch, who) as client:
        yield client


def range_of(hours: float = 4) -> dict[str, str]:
    return {"start": AHEAD.isoformat(), "end": (AHEAD + timedelta(hours=hours)).isoformat()}


def test_what_it_would_do_is_cut_to_what_one_may_read(client: TestClient, who: Who) -> None:
    who.dags.remove("hidden")

    told = client.get("/api/impact", params=range_of()).json()

    assert told["summary"] == "would combine 4 runs with others and skip 1"
    assert {run["dag_id"] for run in told["changes"]} == {"hourly", "ours"}
    assert told["counts"] == {
        "postponed": 0,
        "advanced": 0,
        "combined": 4,
        "skipped": 1,
        "forced": 0,
        "separate": 0,
    }
    assert told["dags"] == 2
    assert told["total_entries"] == len(told["changes"]) == 5
    assert not told["truncated"]


def test_a_better_time_is_found(client: TestClient) -> None:
    found = client.get("/api/find", params={"length": 30, "days": 3}).json()

    assert len(found["times"]) == 5
    assert found["times"][0]["runs"] == 0
    assert not found["partial"]


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("/api/impact", {"start": "2026-01-01", "end": "2026-01-02"}, "end"),
        ("/api/impact", {**range_of(24 * 40)}, "end"),
        ("/api/impact", {**range_of(), "timezone": "Mars/Olympus"}, "timezone"),
        ("/api/find", {"length": "0"}, "length"),
        ("/api/find", {"length": "30", "days": "99"}, "days"),
        ("/api/find", {"length": "30", "between": "now and then"}, "between"),
        ("/api/find", {"length": "30", "wrong": "1"}, "wrong"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    client: TestClient, path: str, given: dict[str, str], field: str
) -> None:
    answer = client.get(path, params=given)

    assert answer.status_code == 422
    assert [wrong["field"] for wrong in answer.json()["detail"]] == [field]


@pytest.fixture
def booked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return what was booked; a booking that is there already is not created."""
    made: list[tuple[Any, ...]] = []

    def book(calendar: str, period: PlannedBlackout, title: str, by: str) -> Booked:
        booking.check_booking(calendar, title)
        created = (calendar, period, title, by) not in made
        made.append((calendar, period, title, by))
        return Booked("uid", created)

    monkeypatch.setattr(booking, "book", book)
    return made


def test_who_may_edit_the_connection_may_book(
    client: TestClient, session: Session, who: Who, booked: list[tuple[Any, ...]]
) -> None:
    body = {**range_of(), "title": "Core switch", "calendar": "freezes"}
    assert client.get("/api/bookings").json() == {"calendars": []}
    assert client.post("/api/bookings", json=body).status_code == 403
    assert not booked

    who.connections.add("freezes")
    assert client.get("/api/bookings").json() == {"calendars": ["freezes"]}
    first, second = (client.post("/api/bookings", json=body) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {"uid": "uid", "created": True, "calendar": "freezes"}
    assert not second.json()["created"]
    period = PlannedBlackout(int(AHEAD.timestamp()), int(AHEAD.timestamp()) + 4 * 3600)
    assert booked[0] == ("freezes", period, "Core switch", "viewer")
    notes = session.scalars(select(Log.event)).all()
    assert notes.count("calendar_timetable.book_blackout") >= 2


def test_no_other_connection_is_booked_nor_told_of(
    client: TestClient, who: Who, booked: list[tuple[Any, ...]]
) -> None:
    who.connections |= {"another", "freezes"}
    refused = client.post("/api/bookings", json={**range_of(), "title": "x", "calendar": "another"})
    unknown = client.post("/api/bookings", json={**range_of(), "title": "x", "calendar": "no"})

    assert (refused.status_code, refused.json()) == (unknown.status_code, unknown.json())
    assert refused.status_code == 403
    assert not booked


def test_only_our_own_page_books(
    client: TestClient, who: Who, booked: list[tuple[Any, ...]]
) -> None:
    who.connections.add("freezes")
    body = {**range_of(), "title": "Core switch", "calendar": "freezes"}

    for headers in ({"X-Requested-With": ""}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/api/bookings", json=body, headers=headers).status_code == 403
    assert not booked


def test_what_goes_wrong_is_said(
    client: TestClient, who: Who, monkeypatch: pytest.MonkeyPatch
) -> None:
    who.connections.add("freezes")

    def failing(*_: Any) -> Booked:
        raise PublishingFailed("freezes: HTTP 403")

    monkeypatch.setattr(booking, "book", failing)
    body = {**range_of(), "title": "Core switch", "calendar": "freezes"}
    answer = client.post("/api/bookings", json=body)

    assert (answer.status_code, answer.json()["detail"]) == (502, "freezes: HTTP 403")
    past = {**body, "start": "2026-01-01T00:00Z", "end": "2026-01-01T01:00Z"}
    answer = client.post("/api/bookings", json=past)
    assert (answer.status_code, answer.json()["detail"][0]["field"]) == (422, "end")
