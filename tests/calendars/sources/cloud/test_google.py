"""Google Calendar over HTTP.

The provider's real hook, and a service that answers as Google documents it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.calendars.sources.lookup import connected_source
from calendar_timetable.exceptions import CalendarUnavailable
from tests.support.clouds import Given, Internet, check_refusal, internet
from tests.support.dav_servers import (
    Connect,
)
from tests.support.feed_fixtures import Clock
from tests.support.google_events import event
from tests.support.google_service import KEY, TEAM, Google, account_key, cached, refusal
from tests.support.one_meeting import AFTERNOON, NOON, error, known
from tests.support.origin import SECRET

pytestmark = pytest.mark.usefixtures("loaded")

LATER = event(start="2024-03-10T15:00:00Z", end="2024-03-10T16:00:00Z")


@pytest.fixture
def google(net: Internet) -> Google:
    service = Google()
    net.services = {"oauth2.googleapis.com": service.token, "www.googleapis.com": service.calendar}
    return service


def sign_in(connect: Connect, **extra: Any) -> str:
    """A Connection of the provider's type, with a service account's key."""
    given = {"keyfile_dict": account_key(), **extra}
    return connect("", "google", "google_cloud_platform", login=None, password=None, **given)


def queries(net: Internet) -> list[dict[str, str]]:
    ours = ("syncToken", "pageToken", "timeMin", "singleEvents")
    return [
        {name: ask.query[name] for name in ours if name in ask.query}
        for ask in net.asked("www.googleapis.com")
    ]


def test_reads_whole_and_then_what_changed(
    google: Google, net: Internet, connect: Connect, clock: Clock
) -> None:
    google.page = 2
    google.put(
        event(), event("x", "2024-05-01", "2024-05-02"), event("y", "2024-05-01", "2024-05-02")
    )
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}", timezone="UTC")
    assert (known(calendar).label, list(known(calendar).known)) == (f"google/{TEAM}", NOON)
    whole: dict[str, str] = {"singleEvents": "false"}
    assert queries(net) == [whole, {**whole, "pageToken": "2"}]
    assert calendar.describe().zone == "UTC", "what is given comes before what the calendar says"

    clock.now += 300
    assert list(known(calendar).known) == NOON
    assert queries(net)[2:] == [{**whole, "syncToken": "sync3"}]
    assert calendar.describe().status == "ok"

    google.put(LATER)
    clock.now += 300
    assert list(known(calendar).known) == AFTERNOON
    google.put({"id": "one", "status": "cancelled"})
    clock.now += 300
    assert list(known(calendar).known) == []
    assert [query["syncToken"] for query in queries(net)[3:]] == ["sync3", "sync4"]

    google.expired = 5  # which is documented as: read all of it
    google.put(event("new", "2024-03-10T12:00:00Z"))
    clock.now += 300
    assert list(known(calendar).known) == NOON
    assert queries(net)[5:] == [{**whole, "syncToken": "sync5"}, whole, {**whole, "pageToken": "2"}]
    assert SECRET not in "".join(path.read_text() for path in cached())


def test_what_makes_it_read_whole_again(
    google: Google, net: Internet, connect: Connect, clock: Clock
) -> None:
    google.put(event())
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}")
    known(calendar)
    google.zone = "Asia/Tokyo"  # of all-day events that do not come again
    clock.now += 300
    known(calendar)
    assert ["syncToken" in query for query in queries(net)] == [False, True, False]
    sign_in(connect, days_back=30)  # another stretch, and so another feed
    known(calendar)
    assert queries(net)[3]["timeMin"].endswith("-01T00:00:00Z")
    clock.now += 300
    known(calendar)
    assert "timeMin" not in queries(net)[4], "which Google does not take with a token"
    for path in cached():
        if path.suffix == ".ics":
            path.unlink()
    clock.now += 300
    known(calendar)
    assert ["syncToken" in query for query in queries(net)[4:]] == [True, False]


def test_the_calendar_in_the_connection(google: Google, connect: Connect) -> None:
    google.put(event())
    found = known(Calendar(sign_in(connect, calendar=TEAM)))
    assert (found.label, list(found.known)) == ("google", NOON)


REFUSED: dict[str, tuple[Given, str, float]] = {
    "quota": (
        refusal(403, "userRateLimitExceeded"),
        "HTTP 403: Google's quota is used up for now",
        60,
    ),
    "quota with Retry-After": (
        refusal(429, "rateLimitExceeded", Retry_After="7"),
        "HTTP 429: Google's quota is used up for now",
        7,
    ),
    "not enabled": (
        refusal(403, "accessNotConfigured"),
        "HTTP 403: the Google Calendar API is not enabled in the account's project",
        0,
    ),
    "scopes": (
        refusal(403, "insufficientPermissions"),
        "HTTP 403: the Connection's Scopes do not let it read calendars",
        0,
    ),
    "not shared": (
        refusal(404, "notFound"),
        "HTTP 404: no such calendar, or it is not shared with the Connection's account",
        0,
    ),
    "gone twice": (
        refusal(410, "fullSyncRequired"),
        "HTTP 410: it forgets where the reading was, again and again",
        0,
    ),
    "unavailable": (Given(503, b"<html>sorry", {"Retry-After": "9"}), "HTTP 503", 9),
    "web page": (
        Given(200, b"<html>Sign in", {"Content-Type": "text/html"}),
        "the answer is not one of Google Calendar",
        0,
    ),
    "breaks off": (Given(200, b"{" + b" " * 99, cut=True), "the answer breaks off", 0),
    "hangs": (Given(hang=True), "no answer in time", 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(
    name: str, google: Google, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, reason, wait = REFUSED[name]
    google.next = [given, given]
    check_refusal(connected_source(sign_in(connect), TEAM), given, reason, wait, monkeypatch)


def test_a_page_that_is_refused_is_asked_for_again(
    google: Google, net: Internet, connect: Connect
) -> None:
    google.page = 1
    google.put(event(), event("x"))
    source = connected_source(sign_in(connect), TEAM)
    plain = google.calendar
    failing = [refusal(403, "rateLimitExceeded")]
    net.services["www.googleapis.com"] = lambda ask: (
        failing.pop() if "pageToken" in ask.query and failing else plain(ask)
    )
    fetched = source.fetch()
    assert fetched is not None
    assert fetched.body.count(b"BEGIN:VEVENT") == 2
    assert len(queries(net)) == 3


def test_credentials_that_are_refused_leave_the_last_good_copy(
    google: Google, connect: Connect, clock: Clock
) -> None:
    google.put(event())
    calendar = Calendar(f"{sign_in(connect)}/{TEAM}", max_stale=timedelta(hours=1))
    known(calendar)
    google.login = Given(400, {"error": "invalid_grant", "error_description": SECRET})
    clock.now += 3600
    assert list(known(calendar).known) == NOON
    reason = "Google does not accept the Connection's credentials (invalid_grant)"
    assert error(calendar) == reason
    clock.now += 1
    with pytest.raises(CalendarUnavailable) as raised:
        known(calendar)
    assert str(raised.value).startswith(f"calendar google/{TEAM} cannot be read: {reason}")


def test_who_is_not_google_gets_no_key(
    google: Google, net: Internet, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with internet(tmp_path / "other") as other:
        monkeypatch.setenv("HTTPLIB2_CA_CERTS", other.environment["SSL_CERT_FILE"])
        with pytest.raises(FetchFailed, match="its TLS certificate or handshake is not accepted"):
            connected_source(sign_in(connect), TEAM).fetch()
    assert not net.seen


def test_a_real_airflow_connection_and_the_command_line(google: Google, tmp_path: Path) -> None:
    google.put(event(), {"id": "odd", "status": "confirmed", "summary": SECRET})
    given = {
        "conn_type": "google_cloud_platform",
        "extra": {"keyfile_dict": json.loads(account_key())},
    }
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_GOOGLE": json.dumps(given),
    }
    code = f"""
from calendar_timetable.calendars import limits
from calendar_timetable.cli import main
limits.FETCH_SECONDS = {limits.FETCH_SECONDS}
main(["check", "google/{TEAM}"])
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert f"google/{TEAM}" in done.stdout, done.stderr
    assert "odd" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert KEY.splitlines()[1] not in done.stdout + done.stderr
