"""Subscriptions: an address that works in any calendar, with its owner's rights.

Until it is revoked or expires.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import icalendar
import pytest
import requests
import vobject  # type: ignore[import-untyped]
from fastapi import HTTPException

from calendar_timetable.web import models
from demo.local_airflow import LocalAirflow
from tests.support.web_server import change

pytestmark = pytest.mark.airflow
Login = Callable[[str], requests.Session]
BY_US = {"X-Requested-With": "calendar-timetable"}


def url(airflow: LocalAirflow, path: str) -> str:
    return f"{airflow.address}/calendar-timetable{path}"


@pytest.fixture
def subscribe(airflow: LocalAirflow, login: Login) -> Iterator[Callable[..., dict[str, Any]]]:
    def make(user: str = "admin", **body: Any) -> dict[str, Any]:
        answer = login(user).post(
            url(airflow, "/api/subscriptions"), json=body, headers=BY_US, timeout=60
        )
        assert answer.status_code == 201, answer.text
        models.NewSubscription.model_validate_json(answer.content)
        made: dict[str, Any] = answer.json()
        return made

    yield make
    change(airflow, "delete from calendar_timetable_subscription")


Subscribe = Callable[..., dict[str, Any]]


def events(address: str) -> list[Any]:
    answer = requests.get(address, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/calendar; charset=utf-8",
    )
    return list(icalendar.Calendar.from_ical(answer.content).walk("VEVENT"))


def links(address: str) -> set[str]:
    return {
        str(event["URL"]).rpartition("/dags/")[2].partition("/")[0] for event in events(address)
    }


def test_the_feed_holds_what_the_list_tells(
    airflow: LocalAirflow, login: Login, subscribe: Subscribe
) -> None:
    feed = {
        (str(e["URL"]).rpartition("/")[2], e.start, str(e["DESCRIPTION"]).partition("\n")[0]): e
        for e in events(subscribe(kind="all")["url"])
    }
    tomorrow = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=1
    )
    week = {"start": tomorrow.isoformat(), "end": (tomorrow + timedelta(days=7)).isoformat()}
    told = login("admin").get(url(airflow, "/api/runs"), params=week, timeout=60).json()["runs"]
    assert {"visible", "secret", "plain", "skipping", "often"} <= {run["dag_id"] for run in told}
    for run in told:
        at = datetime.fromisoformat(run["start"] or run["due"]).replace(microsecond=0)
        event = feed[run["dag_id"], at, run["explanation"]]
        assert str(event["STATUS"]) == ("CANCELLED" if run["state"] == "skipped" else "CONFIRMED")


def test_two_parsers_take_it(subscribe: Subscribe) -> None:
    text = requests.get(subscribe(kind="all")["url"], timeout=60).text
    ours: Any = icalendar.Calendar.from_ical(text)
    assert [error for event in ours.walk() for error in event.errors] == []
    theirs = vobject.readOne(text, validate=True)
    assert sorted(e.uid.value for e in theirs.vevent_list) == sorted(
        str(e["UID"]) for e in ours.walk("VEVENT")
    )
    assert {(e.uid.value, e.dtstart.value) for e in theirs.vevent_list} == {
        (str(e["UID"]), e.start) for e in ours.walk("VEVENT")
    }
    uids = [str(e["UID"]) for e in ours.walk("VEVENT")]
    assert len(uids) == len(set(uids)) > 20
    assert all(
        e["TRANSP"] == "TRANSPARENT" and "DTSTAMP" in e and e["SEQUENCE"] > 0
        for e in ours.walk("VEVENT")
    )
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_hostile_names_stay_text(subscribe: Subscribe) -> None:
    text = requests.get(subscribe(kind="dag", value="hostile")["url"], timeout=60).text
    assert "<script>" in text  # as text, which a calendar shows
    assert "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith(("X-Injected", "owned"))]


def test_the_same_runs_are_the_same_bytes(subscribe: Subscribe) -> None:
    address = subscribe(kind="dag", value="visible")["url"]
    first = requests.get(address, timeout=60)
    again = requests.get(address, headers={"If-None-Match": first.headers["ETag"]}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")


def test_scopes(subscribe: Subscribe) -> None:
    assert links(subscribe(kind="dag", value="plain")["url"]) == {"plain"}
    assert links(subscribe(kind="tag", value="ml")["url"]) == {"visible", "secret"}
    assert links(subscribe("reader", kind="tag", value="ml")["url"]) == {"visible"}
    assert links(subscribe("reader", kind="all")["url"]) == {"visible"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "dag"}, 422),
        ({"kind": "all", "value": "x"}, 422),
        ({"kind": "everything"}, 422),
        ({"kind": "all", "days": 0}, 422),
        ({"kind": "all", "days": 731}, 422),
        ({"kind": "dag", "value": "secret"}, 404),
    ],
)
def test_what_cannot_be_subscribed_to(
    airflow: LocalAirflow, login: Login, body: Any, status: int
) -> None:
    answer = login("reader").post(
        url(airflow, "/api/subscriptions"), json=body, headers=BY_US, timeout=60
    )
    assert answer.status_code == status


def test_who_reads_without_a_login_cannot_own_one() -> None:
    """As FAB lets people who have its public role."""
    from airflow.providers.fab.auth_manager.models.anonymous_user import AnonymousUser

    from calendar_timetable.web import subscription_routes

    anybody: Any = AnonymousUser()
    nothing: Any = None
    with pytest.raises(HTTPException, match="Log in first") as refused:
        subscription_routes.subscribe(
            nothing, nothing, anybody, set(), models.Subscribe(kind="all")
        )
    assert refused.value.status_code == 403


def test_only_the_hash_of_a_token_is_kept(airflow: LocalAirflow, subscribe: Subscribe) -> None:
    token = subscribe(kind="all")["url"].rpartition("token=")[2]
    with closing(sqlite3.connect(airflow.home / "airflow.db")) as database:
        row = database.execute("select * from calendar_timetable_subscription").fetchone()
        columns = [
            column[1]
            for column in database.execute("pragma table_info(calendar_timetable_subscription)")
        ]
    kept = dict(zip(columns, row, strict=True))
    assert kept["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert not [value for value in kept.values() if token in str(value)]
    assert token not in (airflow.home / "logs" / "api-server.log").read_text()


def test_listed_and_revoked_by_its_owner_only(
    airflow: LocalAirflow, login: Login, subscribe: Subscribe
) -> None:
    mine, others = (
        subscribe("reader", kind="all", days=3),
        subscribe("admin", kind="tag", value="ml"),
    )
    reader = login("reader")
    listed = reader.get(url(airflow, "/api/subscriptions"), timeout=60).json()["subscriptions"]
    assert [(s["id"], s["scope"], s["last_fetched_at"]) for s in listed] == [
        (mine["id"], {"kind": "all", "value": None}, None)
    ]
    assert "url" not in listed[0]
    lasts = datetime.fromisoformat(listed[0]["expires_at"]) - datetime.fromisoformat(
        listed[0]["created_at"]
    )
    assert lasts == timedelta(days=3)
    for key, status in (
        (others["id"], 404),
        ("nothing", 404),
        (mine["id"], 204),
        (mine["id"], 404),
    ):
        assert (
            reader.delete(
                url(airflow, f"/api/subscriptions/{key}"), headers=BY_US, timeout=60
            ).status_code
            == status
        )
    assert requests.get(mine["url"], timeout=60).status_code == 404
    assert requests.get(others["url"], timeout=60).status_code == 200
    listed = (
        login("admin").get(url(airflow, "/api/subscriptions"), timeout=60).json()["subscriptions"]
    )
    assert listed[0]["last_fetched_at"] is not None


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%00", "?tokens=x"])
def test_an_unknown_token_opens_nothing(airflow: LocalAirflow, query: str) -> None:
    answer = requests.get(url(airflow, f"/feed.ics{query}"), timeout=60)
    assert (answer.status_code, answer.text) == (404, "There is no such calendar")


def test_an_expired_one_opens_nothing(
    airflow: LocalAirflow, login: Login, subscribe: Subscribe
) -> None:
    made = subscribe(kind="all")
    change(
        airflow,
        "update calendar_timetable_subscription set expires_at = '2026-01-01 00:00:00.000000'",
    )
    assert requests.get(made["url"], timeout=60).status_code == 404
    assert (
        login("admin").get(url(airflow, "/api/subscriptions"), timeout=60).json()["subscriptions"]
        == []
    )


def test_rights_are_those_of_today(airflow: LocalAirflow, subscribe: Subscribe) -> None:
    """A user who is not there any more opens nothing."""
    made = subscribe("reader", kind="all")
    assert links(made["url"]) == {"visible"}
    change(airflow, "update calendar_timetable_subscription set owner = 'gone'")
    assert requests.get(made["url"], timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"), [("post", "/api/subscriptions"), ("delete", "/api/subscriptions/x")]
)
def test_changes_need_a_login_and_our_page(
    airflow: LocalAirflow, login: Login, method: str, path: str
) -> None:
    ask = getattr(requests, method)
    assert (
        ask(url(airflow, path), json={"kind": "all"}, headers=BY_US, timeout=60).status_code == 401
    )
    ask = getattr(login("admin"), method)
    for headers in ({}, {**BY_US, "Sec-Fetch-Site": "cross-site"}):
        assert (
            ask(url(airflow, path), json={"kind": "all"}, headers=headers, timeout=60).status_code
            == 403
        )
    assert requests.get(url(airflow, "/api/subscriptions"), timeout=60).status_code == 401


def test_nobody_has_more_than_fifty(
    airflow: LocalAirflow, login: Login, subscribe: Subscribe
) -> None:
    for _ in range(50):
        subscribe("reader", kind="all")
    path = url(airflow, "/api/subscriptions")
    answer = login("reader").post(path, json={"kind": "all"}, headers=BY_US, timeout=60)
    assert answer.status_code == 409 and "revoke" in answer.json()["detail"]
