"""A service that answers as Google documents Google Calendar."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.sources.google import SCOPE, Event
from tests.support.clouds import Ask, Given, Internet, internet, new_key, pem
from tests.support.google_events import BERLIN
from tests.support.origin import SECRET

TEAM = "team@group.calendar.google.com"
ACCOUNT = "airflow@project.iam.gserviceaccount.com"
KEY = pem(new_key())


def refusal(status: int, reason: str, **headers: str) -> Given:
    """Return an error as Google documents it.

    See https://developers.google.com/workspace/calendar/api/guides/errors.
    """
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    error = {"domain": "calendar", "reason": reason, "message": SECRET}
    return Given(status, {"error": {"errors": [error], "code": status, "message": SECRET}}, shown)


@dataclass
class Google:
    """One calendar: ``put`` changes it; sync tokens count the changes."""

    zone: str = BERLIN
    page: int = 100
    changes: list[Event] = field(default_factory=list)
    expired: int = 0  # tokens up to here are forgotten
    next: list[Given] = field(default_factory=list)  # answered before anything else
    login: Given | None = None
    scope: str = SCOPE

    def put(self, *events: Event) -> None:
        self.changes += events

    def token(self, ask: Ask) -> Given:
        claims = json.loads(base64.urlsafe_b64decode(ask.form["assertion"].split(".")[1] + "=="))
        assert (claims["iss"], claims["scope"]) == (ACCOUNT, self.scope)
        return self.login or Given(
            200, {"access_token": SECRET, "expires_in": 3600, "token_type": "Bearer"}
        )

    def calendar(self, ask: Ask) -> Given:
        if self.next:
            return self.next.pop(0)
        if ask.headers.get("authorization") != f"Bearer {SECRET}":
            return refusal(401, "authError")
        if ask.path != f"/calendar/v3/calendars/{TEAM.replace('@', '%40')}/events":
            return refusal(404, "notFound")
        token = ask.query.get("syncToken")
        if token and {"timeMin", "timeMax", "orderBy", "q", "showDeleted"} & set(ask.query):
            return refusal(400, "badRequest")
        begin = int(token.removeprefix("sync")) if token else 0
        if token and begin <= self.expired:
            return refusal(410, "fullSyncRequired")
        latest = {one["id"]: one for one in self.changes[begin:]}
        whole = [
            one
            for one in latest.values()
            if token or one["status"] != "cancelled" or "recurringEventId" in one
        ]
        first = int(ask.query.get("pageToken", "0"))
        body: dict[str, Any] = {
            "kind": "calendar#events",
            "timeZone": self.zone,
            "items": whole[first : first + self.page],
        }
        if first + self.page < len(whole):
            return Given(200, {**body, "nextPageToken": str(first + self.page)})
        return Given(200, {**body, "nextSyncToken": f"sync{len(self.changes)}"})


@pytest.fixture
def net(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Internet]:
    """Start the proxy with the hosts behind it, and let this process use it.

    Their certificate stays the same: some clients read it when they are imported.
    """
    with internet(tmp_path_factory.getbasetemp() / "net") as net:
        for name, value in net.environment.items():
            monkeypatch.setenv(name, value)
        # On a busy machine the providers take long to load, and this process to answer
        monkeypatch.setattr(limits, "FETCH_SECONDS", 90.0)
        monkeypatch.setattr(limits, "READ_SECONDS", 60.0)
        yield net


def account_key() -> str:
    """Return the content of the key file of a service account."""
    account = {
        "type": "service_account",
        "client_email": ACCOUNT,
        "private_key": KEY,
        "private_key_id": "1",
    }
    account |= {"project_id": "project", "token_uri": "https://oauth2.googleapis.com/token"}
    return json.dumps(account)


def cached() -> list[Path]:
    """Return the files of the cache folder that hold states and calendars."""
    from calendar_timetable.calendars.feed.cache import folder

    return [path for path in folder().iterdir() if path.suffix in (".json", ".ics")]
