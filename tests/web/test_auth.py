"""Every route fails closed, under Airflow's own auth manager and under FAB's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from fastapi.routing import APIRoute

from demo.local_airflow import LocalAirflow

pytestmark = pytest.mark.airflow
BY_US = {"X-Requested-With": "calendar-timetable"}
ANONYMOUS = {"/feed.ics"}  # but for its token
ROUTES: dict[tuple[str, str], tuple[Any, int]] = {  # what is sent, and what an admin is answered
    ("GET", "/"): (None, 200),
    ("GET", "/api/runs"): (None, 200),
    ("GET", "/api/dags/{dag_id}/plan"): (None, 200),
    ("POST", "/api/dags/{dag_id}/what-if"): ({}, 200),
    ("GET", "/api/time-sets"): (None, 200),
    ("GET", "/api/calendars"): (None, 200),
    ("GET", "/api/me"): (None, 200),
    ("GET", "/api/openapi.json"): (None, 200),
    ("GET", "/api/subscriptions"): (None, 200),
    ("POST", "/api/subscriptions"): ({"kind": "dag", "value": "secret"}, 201),
    ("DELETE", "/api/subscriptions/{subscription_id}"): (None, 404),
}
ABOUT_A_DAG = [route for route in ROUTES if "{dag_id}" in route[1]]


@pytest.fixture(params=["simple", "fab"])
def anywhere(request: pytest.FixtureRequest) -> LocalAirflow:
    """A web server, with each of the auth managers."""
    found: LocalAirflow = request.getfixturevalue({"simple": "airflow", "fab": "fab"}[request.param])
    return found


Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(anywhere: LocalAirflow) -> Ask:
    """Ask for a route as *user*, or as nobody at all."""

    def send(
        method: str, path: str, user: str | None = None, dag_id: str = "visible", **more: Any
    ) -> requests.Response:
        path = path.replace("{dag_id}", dag_id).replace("{subscription_id}", "none")
        headers = {**BY_US, **more.pop("headers", {})}
        anywhere.user = user or ""
        session = anywhere.session() if user else requests.Session()
        body = more.pop("json", ROUTES[method, path][0] if (method, path) in ROUTES else {})
        address = f"{anywhere.address}/calendar-timetable{path}"
        return session.request(method, address, json=body, headers=headers, timeout=30, **more)

    return send


@pytest.mark.filterwarnings("ignore:Using .httpx. with")  # of what Airflow itself imports
def test_every_route_is_tried_here_and_asks_for_a_login() -> None:
    from airflow.api_fastapi.core_api.security import get_user

    from calendar_timetable.web.app import app

    def asks(dependant: Any) -> set[Any]:
        return {dependant.call}.union(*(asks(inner) for inner in dependant.dependencies))

    found = {
        (method, route.path): route for route in app.routes if isinstance(route, APIRoute) for method in route.methods
    }
    assert {route for route, r in found.items() if get_user not in asks(r.dependant)} == set()
    untried = {route for route in found if route not in ROUTES}
    assert {path for _, path in untried if path != "/static/{name}"} == set()
    assert {route.path for route in app.routes if not isinstance(route, APIRoute)} <= ANONYMOUS  # type: ignore[attr-defined]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "_token=wrong"}, {"Authorization": "Basic YWRtaW46YWRtaW4="}],
    ids=["none", "wrong token", "wrong cookie", "basic"],
)
def test_without_a_login(ask: Ask, route: tuple[str, str], headers: dict[str, str]) -> None:
    answer = ask(*route, headers=headers)
    assert answer.status_code in ((401, 403) if headers else (401,))
    assert "visible" not in answer.text and "secret" not in answer.text


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_an_admin_is_answered(ask: Ask, route: tuple[str, str]) -> None:
    answer = ask(*route, "admin")
    assert answer.status_code == ROUTES[route][1], answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_reader_of_one_dag_learns_of_no_other(ask: Ask, route: tuple[str, str]) -> None:
    answer = ask(*route, "reader")
    assert answer.status_code in (200, 404)
    assert "secret" not in answer.text.replace("secret_", "") or route[1].endswith("openapi.json")
    if route == ("GET", "/api/runs"):
        assert {run["dag_id"] for run in answer.json()["runs"]} == {"visible"}
    if route in ABOUT_A_DAG:
        assert answer.status_code == 200
        assert ask(*route, "reader", dag_id="secret").status_code == 404


def test_who_may_read_nothing_reads_nothing(fab: LocalAirflow) -> None:
    fab.user = "nobody"
    session = fab.session()
    for path, key in (("/api/runs", "runs"), ("/api/time-sets", "spans"), ("/api/calendars", "calendars")):
        assert session.get(f"{fab.address}/calendar-timetable{path}", timeout=30).json()[key] == []


def test_a_feed_has_the_rights_of_its_owner_now(fab: LocalAirflow) -> None:
    """A role that is taken away, and a user who is deactivated, are felt at the next fetch."""
    fab.user = "reader"
    path = f"{fab.address}/calendar-timetable/api/subscriptions"
    address = fab.session().post(path, json={"kind": "all"}, headers=BY_US, timeout=30).json()["url"]
    assert "/dags/visible" in requests.get(address, timeout=30).text
    fab.user = "admin"
    admin, role = fab.session(), f"{fab.address}/auth/fab/v1/roles/OneDag"
    taken = admin.patch(role, json={"name": "OneDag", "actions": []}, timeout=30)
    assert taken.status_code == 200, taken.text
    seen = requests.get(address, timeout=30)
    assert (seen.status_code, seen.text.count("BEGIN:VEVENT")) == (200, 0)
    gone = admin.delete(f"{fab.address}/auth/fab/v1/users/reader", timeout=30)
    assert gone.status_code == 204, gone.text
    assert requests.get(address, timeout=30).status_code == 404
