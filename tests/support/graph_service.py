"""A service that answers as Microsoft documents Graph."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from calendar_timetable.calendars.sources.microsoft import Event
from tests.support.clouds import Ask, Given
from tests.support.origin import SECRET

TEAM = "team@example.com"
TENANT = "11111111-2222-3333-4444-555555555555"
GRAPH = "https://graph.microsoft.com"
LOGIN = "https://login.microsoftonline.com"


def refusal(status: int, code: str, **headers: str) -> Given:
    """Return an error as https://learn.microsoft.com/en-us/graph/errors shows it."""
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return Given(
        status,
        {"error": {"code": code, "message": SECRET, "innerError": {"request-id": "1"}}},
        shown,
    )


@dataclass
class Graph:
    """One mailbox.

    ``put`` changes it; delta tokens count the changes. It always sends the whole view's events.
    """

    page: int = 100
    changes: list[Event] = field(default_factory=list)
    expired: int = 0  # tokens up to here are forgotten
    next: list[Given] = field(default_factory=list)  # answered before anything else
    login: Given | None = None
    host: str = GRAPH
    path: str = f"/v1.0/users/{TEAM}/calendarView/delta"

    def put(self, *events: Event) -> None:
        self.changes += events

    def token(self, ask: Ask) -> Given:
        if "discovery" in ask.path:
            found = {
                "preferred_network": "login.microsoftonline.com",
                "aliases": ["login.microsoftonline.com"],
            }
            found["preferred_cache"] = "login.windows.net"
            return Given(
                200, {"tenant_discovery_endpoint": f"{LOGIN}/{TENANT}/v2.0/", "metadata": [found]}
            )
        assert ask.path == f"/{TENANT}/oauth2/v2.0/token"
        assert (ask.form["client_id"], ask.form["client_secret"]) == ("client", SECRET)
        assert ask.form["scope"] == f"{GRAPH}/.default"
        return self.login or Given(
            200, {"access_token": SECRET, "expires_in": 3600, "token_type": "Bearer"}
        )

    def view(self, ask: Ask) -> Given:
        if self.next:
            return self.next.pop(0)
        if ask.headers.get("authorization") != f"Bearer {SECRET}":
            return refusal(401, "InvalidAuthenticationToken")
        if ask.path != self.path:
            return refusal(404, "ErrorInvalidUser")
        assert (
            ask.headers["prefer"]
            == 'outlook.timezone="UTC", odata.maxpagesize=500, IdType="ImmutableId"'
        )
        state = ask.query.get("$deltatoken") or ask.query.get("$skiptoken") or "0.0"
        if state == "0.0" and not {"startDateTime", "endDateTime"} <= set(ask.query):
            return refusal(400, "ErrorInvalidParameter")
        begin, first = map(int, state.split("."))
        if begin and begin <= self.expired:
            return refusal(410, "SyncStateNotFound", Location=f"{self.host}{self.path}")
        latest = [*{one["id"]: one for one in self.changes[begin:]}.values()]
        gone = {one["id"] for one in latest if "@removed" in one}
        whole = [
            one for one in latest if begin or not {one["id"], one.get("seriesMasterId")} & gone
        ]
        body: dict[str, Any] = {
            "@odata.context": f"{GRAPH}/v1.0/$metadata",
            "value": whole[first : first + self.page],
        }
        if first + self.page < len(whole):
            link = "nextLink", f"$skiptoken={begin}.{first + self.page}"
        else:
            link = "deltaLink", f"$deltatoken={len(self.changes)}.0"
        return Given(200, {**body, f"@odata.{link[0]}": f"{self.host}{self.path}?{link[1]}"})
