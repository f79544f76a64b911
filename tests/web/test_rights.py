"""More than to read a DAG is needed for its runs and its code, as in Airflow's own API.

And what is noted of whom.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.exceptions import AuthManagerRefreshTokenExpiredException
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.exceptions import AirflowException  # type: ignore[attr-defined]
from airflow.models.log import Log
from airflow.sdk import DAG
from cryptography.fernet import Fernet
from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker
from starlette.testclient import TestClient

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.cli import main
from calendar_timetable.runs import lru
from calendar_timetable.web import store, subscription_routes, subscriptions
from tests.support.airflow_database import SERVER, add_dag, add_run, on_sqlite
from tests.support.ics import event, feed
from tests.support.web_app import Rights, Viewer, asked

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


# --- an identity provider whose refresh tokens are good once --------------------------------------


class Ada(Viewer):
    """Somebody whose claims hold a token."""

    def __init__(self, token: str) -> None:
        self.token = token


class Rotating(Rights):
    """An auth manager that asks an identity provider: each token that was used is spent.

    ``failure`` is raised instead of an answer, ``meanwhile`` happens while it answers.
    """

    valid, answers = "0", 0
    failure: Exception | None = None
    meanwhile: Callable[[], object] | None = None

    def serialize_user(self, user: Viewer) -> dict[str, Any]:
        return {"token": getattr(user, "token", self.valid)}

    def deserialize_user(self, claims: dict[str, Any]) -> Viewer:
        return Ada(claims["token"])

    def refresh_user(self, *, user: Viewer) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        if self.failure is not None:
            raise self.failure
        if not isinstance(user, Ada) or user.token != self.valid:
            raise AuthManagerRefreshTokenExpiredException("invalid_grant")
        self.answers += 1
        self.valid = str(self.answers)
        return Ada(self.valid)


@pytest.fixture
def provider() -> Rotating:
    return Rotating()


@dataclass
class Feed:
    """A subscription, fetched in sessions of the fetch's own as Airflow makes them."""

    client: TestClient
    token: str
    id: str

    def fetched(self) -> int:
        return self.client.get("/feed.ics", params={"token": self.token}).status_code


@pytest.fixture
def subscribed(
    client: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch, provider: Rotating
) -> Feed:
    make = sessionmaker(session.get_bind(), expire_on_commit=False)

    @contextmanager
    def create_session(**_: Any) -> Iterator[Session]:
        with make() as own:
            try:
                yield own
                own.commit()
            except Exception:
                own.rollback()
                raise

    monkeypatch.setattr(subscriptions, "get_auth_manager", lambda: provider)
    made = subscription(client)
    session.commit()
    monkeypatch.setattr(subscription_routes, "create_session", create_session)
    return Feed(client, made["token"], made["id"])


def test_a_fetch_that_is_put_off_costs_no_token(subscribed: Feed, provider: Rotating) -> None:
    assert subscribed.fetched() == 200
    lru.forget()
    subscription_routes._writing.begin(subscribed.id)
    assert [subscribed.fetched() for _ in range(3)] == [429] * 3
    subscription_routes._writing.end(subscribed.id)
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3
    assert provider.answers == 7


def test_a_feed_that_cannot_be_written_costs_no_token(
    subscribed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(subscription_routes, "_feed_of", die)
        with pytest.raises(MemoryError):
            subscribed.fetched()
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3


def test_a_second_device_asks_while_a_feed_is_written(
    subscribed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, told = subscription_routes._feed_of, list[int]()

    def slowly(*about: Any) -> Any:
        with ThreadPoolExecutor() as pool:
            told.append(pool.submit(subscribed.fetched).result())
        return write(*about)

    monkeypatch.setattr(subscription_routes, "_feed_of", slowly)
    assert (subscribed.fetched(), told) == (200, [429])
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3


def test_a_second_device_presents_no_token_that_is_being_spent(
    subscribed: Feed, provider: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "_RENEWING_SECONDS", 0.0)
    told: list[int] = []

    def ask() -> None:
        with ThreadPoolExecutor() as pool:
            told.append(pool.submit(subscribed.fetched).result())

    provider.meanwhile = ask
    assert (subscribed.fetched(), told, provider.answers) == (200, [429], 1)
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3


@pytest.mark.skipif(SERVER is None, reason="SQLite locks no rows")
def test_another_process_presents_no_token_that_is_being_spent(
    subscribed: Feed, provider: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def ask() -> None:
        with monkeypatch.context() as elsewhere, ThreadPoolExecutor() as pool:
            elsewhere.setattr(subscriptions, "_renewing", [threading.Lock()])
            told.append(pool.submit(subscribed.fetched).result())

    provider.meanwhile = ask
    assert (subscribed.fetched(), told, provider.answers) == (200, [429], 1)
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3


@on_sqlite
def test_where_no_rows_are_locked_the_claims_that_another_process_got_count(
    subscribed: Feed, provider: Rotating, session: Session
) -> None:
    def by_another_process() -> None:
        found = session.get(store.Subscription, subscribed.id, populate_existing=True)
        assert found is not None
        renewed = provider.refresh_user(user=Ada(provider.valid))
        found.claims = subscriptions._seal(renewed)
        session.commit()

    provider.meanwhile = by_another_process
    assert [subscribed.fetched() for _ in range(3)] == [200] * 3


def expired(status: int) -> Exception:
    """Return what Keycloak's manager raises for any status but success."""
    try:
        try:
            failure = RuntimeError()
            failure.response_code = status  # type: ignore[attr-defined]
            raise failure
        except RuntimeError as error:
            raise AuthManagerRefreshTokenExpiredException(error)  # noqa: B904  (as it does)
    except AuthManagerRefreshTokenExpiredException as error:
        return error


FAILURES = {
    "no connection": ConnectionError(ACME),
    "an answer that is no JSON": json.JSONDecodeError("Expecting value", ACME, 0),
    "an answer of Keycloak": AirflowException(f"Unexpected error: 502 - {ACME}"),
    "Keycloak is down": expired(503),
    "the database": OperationalError("SELECT", {}, Exception(ACME)),
    "busy": HTTPException(503, ACME),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_not_told_as_the_end_of_a_feed(
    name: str,
    subscribed: Feed,
    provider: Rotating,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    provider.failure = FAILURES[name]
    answer = subscribed.client.get("/feed.ics", params={"token": subscribed.token})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert ACME not in answer.text + caplog.text
    provider.failure = None
    assert subscribed.fetched() == 200

    def fail(**_: object) -> None:
        raise FAILURES[name]

    with monkeypatch.context() as patch:
        patch.setattr(provider, "get_authorized_dag_ids", fail)
        assert subscribed.fetched() == 503
    assert subscribed.fetched() == 200, "and its token is not lost"


def test_a_database_that_fails_is_not_told_as_the_end_of_a_feed(
    subscribed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(subscription_routes, "has_table", fail)
        assert subscribed.fetched() == 503
    assert subscribed.fetched() == 200


REFUSALS = {
    "refresh": AuthManagerRefreshTokenExpiredException("invalid_grant"),
    "refresh at Keycloak": expired(400),
    "401": HTTPException(401),
    "403": HTTPException(403),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_the_end_of_a_feed(name: str, subscribed: Feed, provider: Rotating) -> None:
    assert subscribed.fetched() == 200
    provider.failure = REFUSALS[name]
    assert subscribed.fetched() == 404


@pytest.mark.parametrize("error", [ValueError("User with id 7 not found"), KeyError("sub")])
def test_a_user_who_is_gone_is_the_end_of_a_feed(
    error: Exception, subscribed: Feed, provider: Rotating, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: object) -> None:
        raise error

    monkeypatch.setattr(provider, "deserialize_user", gone)
    assert subscribed.fetched() == 404


def test_a_user_of_another_name_or_another_key_is_the_end_of_a_feed(
    subscribed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Viewer, "name", "somebody else")
        assert subscribed.fetched() == 404
    key = Fernet(Fernet.generate_key())
    with monkeypatch.context() as patch:
        patch.setattr(subscriptions, "get_fernet", lambda: key)
        status = subscribed.fetched()
    assert (status, subscribed.fetched()) == (404, 200)


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
