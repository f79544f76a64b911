"""Microsoft 365 over HTTP.

The provider's real hook, and a service that answers as Graph's documents say.
"""

from __future__ import annotations

from typing import Any

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources.lookup import connected_source
from tests.support.clouds import Given, Internet, check_refusal
from tests.support.dav_servers import (
    Connect,
)
from tests.support.feed_fixtures import Clock
from tests.support.google_service import (
    cached,
)
from tests.support.graph_events import event, master, occurrence, removed
from tests.support.graph_service import TEAM, TENANT, Graph, refusal
from tests.support.one_meeting import AFTERNOON, NOON, error, known
from tests.support.origin import SECRET

pytestmark = pytest.mark.usefixtures("loaded")

LATER = event(start="2024-03-10T15:00", end="2024-03-10T16:00")


@pytest.fixture
def graph(net: Internet) -> Graph:
    service = Graph()
    net.services = {"login.microsoftonline.com": service.token, "graph.microsoft.com": service.view}
    return service


def sign_in(connect: Connect, **extra: Any) -> str:
    """A Connection of the provider's type; ``trust_env`` lets it use the proxy."""
    given = {"tenant_id": TENANT, "trust_env": True, **extra}
    return connect("", "graph", "msgraph", login="client", password=SECRET, **given)


def states(net: Internet) -> list[str]:
    asked = net.asked("graph.microsoft.com")
    return [ask.query.get("$deltatoken") or ask.query.get("$skiptoken") or "whole" for ask in asked]


def test_reads_whole_and_then_what_changed(
    graph: Graph,
    net: Internet,
    connect: Connect,
    clock: Clock,
) -> None:
    graph.page = 2
    graph.put(event(), master(), occurrence("20"), occurrence("21"))
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}", timezone="UTC")
    assert known(calendar).label == f"graph/{TEAM}"
    assert list(known(calendar).known)[:1] == NOON
    assert len(list(known(calendar).known)) == 3
    assert states(net) == ["whole", "0.2"]
    first = net.asked("graph.microsoft.com")[0].query
    assert first["startDateTime"].endswith("-01T00:00:00Z")
    assert first["endDateTime"].endswith("-01T00:00:00Z")

    clock.now += 300
    assert len(list(known(calendar).known)) == 3
    assert states(net)[2:] == ["4.0"]
    assert calendar.describe().status == "ok"

    graph.put(LATER, removed("s"))
    clock.now += 300
    assert list(known(calendar).known) == AFTERNOON
    assert states(net)[3:] == ["4.0"]

    graph.expired = 6
    graph.put(event())
    clock.now += 300
    assert list(known(calendar).known) == NOON
    assert states(net)[4:] == ["6.0", "whole"]
    assert SECRET not in "".join(path.read_text() for path in cached())
    assert "deltatoken" not in "".join(path.read_text() for path in cached())


def test_an_occurrence_alone_makes_it_read_whole_again(
    graph: Graph,
    net: Internet,
    connect: Connect,
    clock: Clock,
) -> None:
    graph.put(event(), master(), occurrence("20"))
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}")
    known(calendar)
    graph.put(occurrence("21"))
    clock.now += 300
    assert len(list(known(calendar).known)) == 3
    assert states(net) == ["whole", "3.0", "whole"]


def test_another_calendar_of_the_mailbox(graph: Graph, connect: Connect) -> None:
    graph.path = f"/v1.0/users/{TEAM}/calendars/AAMk%3D/calendarView/delta"
    graph.put(event())
    calendar = Calendar(sign_in(connect, calendar=f"{TEAM}/AAMk="))
    assert (calendar.label, list(known(calendar).known)) == ("graph", NOON)


REFUSED: dict[str, tuple[Given, str, float]] = {
    "throttled": (
        refusal(429, "TooManyRequests", Retry_After="17"),
        "HTTP 429 (TooManyRequests)",
        17,
    ),
    "throttled, with a date": (
        refusal(429, "TooManyRequests", Retry_After="Wed, 21 Oct 2065 07:28:00 GMT"),
        "HTTP 429",
        3600,
    ),
    "unavailable": (Given(503, b"", {"Retry-After": "5"}), "HTTP 503", 5),
    "token": (
        refusal(401, "InvalidAuthenticationToken"),
        "HTTP 401: Microsoft does not accept the Connection's token",
        0,
    ),
    "not allowed": (
        refusal(403, "ErrorAccessDenied"),
        "HTTP 403: the app may not read this mailbox: give it the application permission",
        0,
    ),
    "no mailbox": (
        refusal(404, "ErrorInvalidUser"),
        "HTTP 404: no such mailbox or calendar (ErrorInvalidUser)",
        0,
    ),
    "gone twice": (
        refusal(410, "SyncStateNotFound"),
        "HTTP 410: it forgets where the reading was, again and again",
        0,
    ),
    "redirect": (
        Given(302, b"", {"Location": "https://graph.microsoft.com/elsewhere"}),
        "HTTP 302",
        0,
    ),
    "another host": (
        Given(200, {"value": [], "@odata.nextLink": "https://evil.example.com/v1.0/x"}),
        "it leads to another host than the Connection's",
        0,
    ),
    "web page": (
        Given(200, b"<html>Sign in", {"Content-Type": "text/html"}),
        "the answer is not JSON",
        0,
    ),
    "other JSON": (Given(200, {"quota": SECRET}), "the answer is not one of Microsoft Graph", 0),
    "breaks off": (Given(200, b"{" + b" " * 99, cut=True), "the answer breaks off", 0),
    "hangs": (Given(hang=True), "no answer in time", 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(
    name: str, graph: Graph, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, reason, wait = REFUSED[name]
    graph.next = [given, given]
    check_refusal(connected_source(sign_in(connect), TEAM), given, reason, wait, monkeypatch)


def test_a_wrong_secret_leaves_the_last_good_copy(
    graph: Graph, connect: Connect, clock: Clock
) -> None:
    graph.put(event())
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}")
    known(calendar)
    said = f"AADSTS7000215: Invalid client secret provided. {SECRET}"
    graph.login = Given(401, {"error": "invalid_client", "error_description": said})
    clock.now += 300
    assert list(known(calendar).known) == NOON
    assert (
        error(calendar)
        == "Microsoft does not accept the Connection's client id or secret (AADSTS7000215)"
    )
