"""More than to read a DAG is needed for its runs and its code, as in Airflow's own API.

And what is noted of whom.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.models.log import Log
from airflow.sdk import DAG
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.cli import main
from calendar_timetable.runs import lru
from calendar_timetable.web import store
from tests.support.airflow_database import add_dag, add_run
from tests.support.ics import event, feed
from tests.support.web_app import Rights, asked

RUN, CODE = DagAccessEntity.RUN, DagAccessEntity.CODE
START = datetime(2026, 1, 1)
NOW = datetime.now(UTC).replace(microsecond=0)
ACME = "run_with_customer_ACME"


@pytest.fixture
def rights() -> Rights:
    return Rights(())


@pytest.fixture
def client(
    session: Session, monkeypatch: pytest.MonkeyPatch, rights: Rights
) -> Iterator[TestClient]:
    """Of somebody who may read DAGs, and of them what *rights* say.

    There is one DAG with a run by hand.
    """
    lru.forget()
    store._Base.metadata.create_all(session.get_bind())
    schedule = CalendarTimetable("0 12 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
    add_dag(session, DAG("secret", schedule=schedule, start_date=START, catchup=False), NOW)
    times = {"start_date": NOW - timedelta(hours=3), "end_date": NOW - timedelta(hours=1)}
    add_run(
        session,
        "secret",
        "success",
        NOW - timedelta(hours=3),
        run_id=ACME,
        run_type="manual",
        **times,
    )
    with asked(session, monkeypatch, rights) as found:
        yield found
    lru.forget()


def listed(client: TestClient) -> list[dict[str, Any]]:
    around = {
        "start": (NOW - timedelta(days=1)).isoformat(),
        "end": (NOW + timedelta(days=5)).isoformat(),
    }
    answer = client.get("/api/runs", params=around)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["runs"]
    return found


def test_runs_are_told_to_who_may_read_runs(client: TestClient, rights: Rights) -> None:
    """Also how long they took, which the ends of planned ones tell."""
    told = listed(client)
    assert {run["state"] for run in told} == {"planned"} and ACME not in str(told)
    assert {run["end"] for run in told} == {None}
    rights.entities = (RUN,)
    told = listed(client)
    assert ACME in {run["run_id"] for run in told}
    assert None not in {run["end"] for run in told}
    rights.entities = ()
    assert ACME not in str(listed(client)), "what is remembered is not told to who may not read it"


def test_lengths_of_runs_are_told_in_no_plan(client: TestClient, rights: Rights) -> None:
    def ends() -> set[Any]:
        told = [*client.get("/api/dags/secret/plan").json()["plan"]]
        answer = client.post("/api/dags/secret/what-if", json={}).json()
        return {run["end"] for run in (*told, *answer["plan"], *answer["current"])}

    assert ends() == {None}
    rights.entities = (RUN,)
    assert None not in ends()


def test_python_is_told_to_who_may_read_code(client: TestClient, rights: Rights) -> None:
    def pythons() -> list[Any]:
        first = client.get("/api/dags/secret/plan").json()
        second = client.post("/api/dags/secret/what-if", json={"when_blocked": "skip"}).json()
        assert first["arguments"]["windows"] == ["daily 22:00-06:00"], (
            "which the DAG's own page tells too"
        )
        return [first["python"], second["python"]]

    assert pythons() == [None, None]
    rights.entities = (CODE,)
    assert ["CalendarTimetable" in text for text in pythons()] == [True, True]


def subscription(client: TestClient) -> dict[str, Any]:
    made = client.post("/api/subscriptions", json={"kind": "all", "days": 700})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return {**found, "token": found["url"].rpartition("token=")[2]}


def test_a_feed_has_these_rights_at_each_fetch(client: TestClient, rights: Rights) -> None:
    rights.entities = (RUN,)
    token = subscription(client)["token"]

    def fetched() -> str:
        answer = client.get("/feed.ics", params={"token": token})
        assert answer.status_code == 200 and "BEGIN:VEVENT" in answer.text
        return answer.text.replace("\r\n ", "")

    assert ACME in fetched()
    rights.entities = ()
    assert ACME not in fetched()
    rights.entities = (RUN,)
    assert ACME in fetched()


def test_subscriptions_are_noted_in_airflows_audit_log(
    client: TestClient, session: Session
) -> None:
    made = subscription(client)
    assert client.delete(f"/api/subscriptions/{made['id']}").status_code == 204
    noted = session.scalars(select(Log).order_by(Log.id)).all()
    assert [(log.event, log.owner) for log in noted] == [
        ("calendar_timetable.subscribe", "viewer"),
        ("calendar_timetable.unsubscribe", "viewer"),
    ]
    assert json.loads(noted[0].extra)["kind"] == "all" and made["token"] not in str(
        [log.extra for log in noted]
    )
    assert json.loads(noted[1].extra)["subscription_id"] == made["id"]


def test_who_runs_airflow_can_revoke(
    client: TestClient,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    @contextmanager
    def same_session(**_: Any) -> Iterator[Session]:
        yield session
        session.commit()

    monkeypatch.setattr("airflow.utils.session.create_session", same_session)
    first, second = subscription(client), subscription(client)
    assert main(["subscriptions", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["owner"], one["about"], one["revoked"]) for one in told] == [
        (first["id"], "viewer", "all", False),
        (second["id"], "viewer", "all", False),
    ]
    assert main(["subscriptions", "--revoke", "nothing"]) == 2
    assert main(["subscriptions", "--revoke", first["id"]]) == 0
    assert "revoked" in capsys.readouterr().out
    assert client.get("/feed.ics", params={"token": first["token"]}).status_code == 404
    assert client.get("/feed.ics", params={"token": second["token"]}).status_code == 200
    assert main(["subscriptions", "--owner", "somebody else", "--revoke-all"]) == 0
    assert client.get("/feed.ics", params={"token": second["token"]}).status_code == 200
    assert main(["subscriptions", "--owner", "viewer", "--revoke-all"]) == 0
    assert client.get("/feed.ics", params={"token": second["token"]}).status_code == 404
    noted = session.scalars(select(Log).where(Log.event == "calendar_timetable.unsubscribe")).all()
    assert [json.loads(log.extra)["subscription_id"] for log in noted] == [
        first["id"],
        second["id"],
    ]


def test_what_another_site_asks_for_is_not_noted_as_done(
    client: TestClient, session: Session
) -> None:
    answer = client.post(
        "/api/subscriptions", json={"kind": "all"}, headers={"X-Requested-With": ""}
    )
    assert (answer.status_code, session.scalars(select(Log)).all()) == (403, [])


@pytest.mark.parametrize("titles", [True, False])
def test_uids_are_told_where_titles_are(
    client: TestClient,
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    titles: bool,
) -> None:
    """Many a UID is somebody's mail address."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    team = tmp_path / "team.ics"
    soon = f"DTSTART:{NOW + timedelta(days=1):%Y%m%dT%H%M%SZ}"
    team.write_bytes(
        feed(
            event("UID:good", soon, "DURATION:P2D", "SUMMARY:Freeze"),
            event("UID:ceo-private-uid@corp", "DTSTART:someday"),
        )
    )
    schedule = CalendarTimetable("0 * * * *", blackouts=Calendar(team, show_titles=titles))
    add_dag(session, DAG("held", schedule=schedule, start_date=START, catchup=False), NOW)
    (told,) = client.get("/api/calendars").json()["calendars"]
    (problem,) = told["problems"]
    assert (told["status"], problem["uid"] == "ceo-private-uid@corp") == ("incomplete", titles)
    if not titles:
        assert len(problem["uid"]) == 12 and "ceo" not in str(told)
    team.unlink()
    (tmp_path / "cache").chmod(0o777)
    (told,) = client.get("/api/calendars").json()["calendars"]
    assert (told["status"], told["problems"]) == ("unknown", []), (
        "others could have written what stands there"
    )
