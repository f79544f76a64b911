"""Every route fails closed, under Airflow's own auth manager and under FAB's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import jwt
import pytest
import requests
from fastapi.routing import APIRoute

from calendar_timetable.web.access import asked_by_us
from demo.local_airflow import LocalAirflow
from tests.support.web_server import change

pytestmark = pytest.mark.airflow
BY_US = {"X-Requested-With": "calendar-timetable"}
ANONYMOUS = {"/feed.ics"}  # but for its token
EXEMPT = {
    "until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "reason": "an audit",
}
ROUTES: dict[tuple[str, str], tuple[Any, int]] = {  # what is sent, and what an admin is answered
    ("GET", "/"): (None, 200),
    ("GET", "/static/{name}"): (None, 200),
    ("GET", "/api/runs"): (None, 200),
    ("GET", "/api/counts"): (None, 200),
    ("GET", "/api/choices"): (None, 200),
    ("GET", "/api/dags/{dag_id}/plan"): (None, 200),
    ("POST", "/api/dags/{dag_id}/what-if"): ({}, 200),
    ("GET", "/api/time-sets"): (None, 200),
    ("GET", "/api/calendars"): (None, 200),
    ("GET", "/api/overrides"): (None, 200),
    ("GET", "/api/freezes"): (None, 200),
    ("GET", "/api/dags/{dag_id}/exemption"): (None, 200),
    ("POST", "/api/dags/{dag_id}/exemption"): (EXEMPT, 201),
    ("DELETE", "/api/dags/{dag_id}/exemption"): (None, 204),
    ("GET", "/api/impact"): (None, 200),
    ("GET", "/api/find"): (None, 200),
    ("GET", "/api/load"): (None, 200),
    ("GET", "/api/advice"): (None, 200),
    ("GET", "/api/bookings"): (None, 200),
    # There is no calendar of the whole deployment to book.
    ("POST", "/api/bookings"): (
        {"start": "2026-01-01", "end": "2026-01-02", "title": "none", "calendar": "none"},
        403,
    ),
    ("GET", "/api/me"): (None, 200),
    ("GET", "/api/openapi.json"): (None, 200),
    ("GET", "/api/subscriptions"): (None, 200),
    ("POST", "/api/subscriptions"): ({"kind": "dag", "value": "secret"}, 201),
    ("DELETE", "/api/subscriptions/{subscription_id}"): (None, 404),
}
ABOUT_A_DAG = {route for route in ROUTES if "{dag_id}" in route[1]}
ABOUT_SECRET = {("POST", "/api/subscriptions")}  # which asks for the DAG "secret"
EDITING = {route for route in ROUTES if route[0] != "GET" and "exemption" in route[1]}
CHANGING = [route for route in ROUTES if route[0] != "GET"]
FORGED = jwt.encode(
    {"sub": "1", "username": "admin", "role": "ADMIN", "exp": 4_000_000_000}, "x" * 32, "HS256"
)
WRONG: dict[str, dict[str, str]] = {
    "none": {},
    "wrong token": {"Authorization": "Bearer wrong"},
    "forged token": {"Authorization": f"Bearer {FORGED}"},
    "wrong cookie": {"Cookie": "_token=wrong"},
    "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="},
}
ELSEWHERE: list[dict[str, str]] = [  # what a page of another site can make a browser send
    {"X-Requested-With": ""},
    {"X-Requested-With": "XMLHttpRequest"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.fixture(params=["simple", "fab"])
def anywhere(request: pytest.FixtureRequest) -> LocalAirflow:
    """A web server, with each of the auth managers."""
    found: LocalAirflow = request.getfixturevalue(
        {"simple": "airflow", "fab": "fab"}[request.param]
    )
    return found


Ask = Callable[..., requests.Response]


@cache
def logged_in(airflow: LocalAirflow, user: str) -> requests.Session:
    airflow.user = user
    return airflow.session()


@pytest.fixture
def ask(anywhere: LocalAirflow) -> Ask:
    """Ask for a route as *user*, or as nobody at all."""

    def send(
        method: str, path: str, user: str | None = None, dag_id: str = "visible", **more: Any
    ) -> requests.Response:
        body = ROUTES[method, path][0]
        path = (
            path.replace("{dag_id}", dag_id)
            .replace("{subscription_id}", "none")
            .replace("{name}", "main.js")
        )
        headers = {**BY_US, **more.pop("headers", {})}
        session = logged_in(anywhere, user) if user else requests.Session()
        address = f"{anywhere.address}/calendar-timetable{path}"
        return session.request(method, address, json=body, headers=headers, timeout=60, **more)

    return send


@pytest.mark.filterwarnings("ignore:Using .httpx. with")  # of what Airflow itself imports
def test_every_route_is_tried_here_and_asks_for_a_login() -> None:
    from airflow.api_fastapi.core_api.security import get_user

    from calendar_timetable.web.app import app

    def asks(dependant: Any) -> set[Any]:
        return {dependant.call}.union(*(asks(inner) for inner in dependant.dependencies))

    found = {
        (method, route.path): route
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert {route for route, r in found.items() if get_user not in asks(r.dependant)} == set()
    assert set(found) == set(ROUTES)
    assert {route.path for route in app.routes if not isinstance(route, APIRoute)} <= ANONYMOUS  # type: ignore[attr-defined]
    unguarded = {
        route
        for route, r in found.items()
        if route[0] != "GET" and asked_by_us not in asks(r.dependant)
    }
    assert unguarded == set(), "what changes something is to refuse other sites"


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
@pytest.mark.parametrize("login", WRONG)
def test_without_a_login(ask: Ask, route: tuple[str, str], login: str) -> None:
    answer = ask(*route, headers=WRONG[login])
    assert answer.status_code in ((401, 403) if WRONG[login] else (401,))
    assert "visible" not in answer.text and "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("route", CHANGING, ids=" ".join)
@pytest.mark.parametrize("headers", ELSEWHERE, ids=str)
def test_another_site_cannot_ask_for_changes(
    ask: Ask, route: tuple[str, str], headers: dict[str, str]
) -> None:
    answer = ask(*route, "admin", headers=headers)
    assert (answer.status_code, "X-Requested-With" in answer.text) == (403, True)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_an_admin_is_answered(ask: Ask, route: tuple[str, str]) -> None:
    answer = ask(*route, "admin")
    assert answer.status_code == ROUTES[route][1], answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_reader_of_one_dag_learns_of_no_other(
    ask: Ask, anywhere: LocalAirflow, fab: LocalAirflow, route: tuple[str, str]
) -> None:
    """Nor needs their role let them see Airflow's plugins, of which the page is one."""
    answer = ask(*route, "reader")
    # FAB's reader may edit no DAG.
    refused = 404 if route in ABOUT_SECRET else 403 if route in EDITING and anywhere is fab else 0
    assert answer.status_code == (refused or ROUTES[route][1])
    assert "secret" not in answer.text.replace("secret_", "") or route[1].endswith("openapi.json")
    if route == ("GET", "/api/runs"):
        assert {run["dag_id"] for run in answer.json()["runs"]} == {"visible"}
    if route in ABOUT_A_DAG:
        assert ask(*route, "reader", dag_id="secret").status_code == 404


def test_the_reader_may_see_no_plugins(anywhere: LocalAirflow) -> None:
    """That the test above means what it says."""
    assert (
        logged_in(anywhere, "reader")
        .get(f"{anywhere.address}/api/v2/plugins", timeout=60)
        .status_code
        == 403
    )


@pytest.mark.parametrize("anywhere", ["fab"], indirect=True)
@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_who_may_read_nothing_reads_nothing(ask: Ask, route: tuple[str, str]) -> None:
    answer = ask(*route, "nobody")
    assert answer.status_code == (404 if route in ABOUT_A_DAG | ABOUT_SECRET else ROUTES[route][1])
    lists = ("runs", "spans", "calendars", "subscriptions")
    if route[1].rpartition("/")[2] in ("runs", "choices", "time-sets", "calendars"):
        assert [found for key, found in answer.json().items() if key in lists] == [[]]


@pytest.mark.parametrize(
    "path", ["/", "/?view=week", "/nothing-here", "/static/nothing-here.js", "/api/nothing"]
)
@pytest.mark.parametrize("user", ["admin", None])
def test_every_page_has_its_policy(anywhere: LocalAirflow, path: str, user: str | None) -> None:
    """Also one that is not there, and one that sends a browser to the login."""
    session = logged_in(anywhere, user) if user else requests.Session()
    browsing = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    address = f"{anywhere.address}/calendar-timetable{path}"
    answer = session.get(address, headers=browsing, timeout=60, allow_redirects=False)
    assert answer.status_code in (200, 307, 404)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy


def test_a_feed_has_the_rights_of_its_owner_now(fab: LocalAirflow) -> None:
    """Who is deactivated, whose id is somebody else's now, or who is gone opens nothing.

    Nor does a lost role show.
    """
    fab.user = "leaver"
    path = f"{fab.address}/calendar-timetable/api/subscriptions"
    address = (
        fab.session().post(path, json={"kind": "all"}, headers=BY_US, timeout=60).json()["url"]
    )
    assert "/dags/visible" in requests.get(address, timeout=60).text
    for not_they, they in (
        ("active = 0", "active = 1"),
        ("username = 'other'", "username = 'leaver'"),
    ):
        change(fab, f"update ab_user set {not_they} where first_name = 'leaver'")
        assert requests.get(address, timeout=60).status_code == 404, not_they
        change(fab, f"update ab_user set {they} where first_name = 'leaver'")
    fab.user = "admin"
    admin, role = fab.session(), f"{fab.address}/auth/fab/v1/roles/OneDagForNow"
    taken = admin.patch(role, json={"name": "OneDagForNow", "actions": []}, timeout=60)
    assert taken.status_code == 200, taken.text
    seen = requests.get(address, timeout=60)
    assert (seen.status_code, seen.text.count("BEGIN:VEVENT")) == (200, 0)
    gone = admin.delete(f"{fab.address}/auth/fab/v1/users/leaver", timeout=60)
    assert gone.status_code == 204, gone.text
    assert requests.get(address, timeout=60).status_code == 404
