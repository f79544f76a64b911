"""A calendar on a CalDAV server, edited while Airflow runs.

It is used through a Connection in Airflow's database.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from calendar_timetable.calendars.feed import health
from tests.support.dags import WriteDag
from tests.support.dav_servers import LOGIN, Server, Wire, radicale
from tests.support.ics import event, feed
from tests.support.origin import SECRET
from tests.support.stack import Stack, in_some_hours

CONN_ID = "team_on_radicale"
HOUR = timedelta(hours=1)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Server]:
    """Radicale with a calendar that is empty."""
    server = radicale(tmp_path / "radicale", SECRET)
    server.start()
    server.make_calendar("team/", "Team")
    yield server
    server.stop()


class Story:
    """A daily DAG, held by the one meeting of its calendar."""

    def __init__(self, stack: Stack, team: Server, write_dag: WriteDag, calendar: str) -> None:
        self.stack, self.team, self.due = stack, team, in_some_hours()
        self.dag_id = write_dag(
            f"CalendarTimetable('0 {self.due.hour} * * *', blackouts={calendar})"
        )

    def meet(self, hours: int) -> None:
        """Put the meeting as a client does.

        It lasts so many hours from the time that the run is due.
        """
        lines = (f"DTSTART:{self.due:%Y%m%dT%H%M%SZ}", f"DURATION:PT{hours}H", "SUMMARY:Freeze")
        self.team.send("PUT", "team/m.ics", feed(event("UID:m", *lines)).decode())

    def held(self, hours: int) -> None:
        """Wait until Airflow has stored that the run is held for so long."""
        wanted = (self.due, self.due + hours * HOUR)
        self.stack.wait(
            f"the run to be held {hours} h", lambda: self.stack.next_run(self.dag_id) == wanted
        )

    def told(self, status: str, error: str) -> None:
        """Wait until this is known of the calendar, which leaves the stored next run as it is."""
        stored = self.stack.next_run(self.dag_id)

        def said() -> bool:
            (found,) = [each for each in health.health_reports() if each.label == CONN_ID]
            return (found.status, found.error) == (status, error)

        self.stack.wait(f"{CONN_ID} to be {status}: {error}", said)
        assert self.stack.next_run(self.dag_id) == stored
        assert self.stack.import_error(self.dag_id) is None

    def logged(self, text: str) -> bool:
        """Whether the log of the parsed files holds it."""
        return any(
            text in file.read_text(errors="replace")
            for file in self.stack.home.rglob("logs/**/*.log")
        )


def test_a_calendar_of_a_caldav_server(
    stack: Stack, write_dag: WriteDag, team: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", stack.env["CALENDAR_TIMETABLE_CACHE"])
    with Wire(team.port) as wire:
        fields = {
            "connection_id": CONN_ID,
            "conn_type": "caldav",
            "host": wire.address,
            "login": LOGIN,
        }
        stack.post("/api/v2/connections", **fields, password=SECRET)
        try:
            calendar = f"Calendar({CONN_ID!r}, match='*freeze*', refresh=timedelta(seconds=1))"
            live(Story(stack, team, write_dag, calendar), wire, fields)
        finally:
            stack.delete(f"/api/v2/connections/{CONN_ID}")


def live(story: Story, wire: Wire, fields: dict[str, str]) -> None:
    """Edits reach the stored next run.

    Whatever happens to the server is survived, and named while it lasts.
    """
    stack, team = story.stack, story.team
    story.held(0)
    story.meet(1)
    story.held(1)

    # A wrong password.
    stack.patch(f"/api/v2/connections/{CONN_ID}", **fields, password="wrong")
    story.told("stale", "HTTP 401: login, password or token is not accepted")
    story.meet(2)
    stack.patch(f"/api/v2/connections/{CONN_ID}", **fields, password=SECRET)
    story.held(2)

    # A sync token that the server does not know any more.
    for tokens in (Path(team.command[-1]).parent / "storage").rglob("sync-token"):
        shutil.rmtree(tokens)
    story.meet(3)
    story.held(3)
    stack.wait(
        "the lost token to be named",
        lambda: story.logged("its sync token is not accepted any more"),
    )

    # A server that restarts in mid-sync.
    wire.before = lambda line: team.stop() if "sync-collection" in line else None
    story.meet(4)
    story.told("stale", "the answer breaks off")
    wire.before = lambda line: None
    team.start()
    story.held(4)
    story.told("ok", "")

    # A calendar that is removed, and made again.
    team.send("DELETE", "team/")
    story.told("stale", "it has no calendars that hold events: were they removed?")
    team.make_calendar("team/", "Team")
    story.meet(5)
    story.held(5)
    story.told("ok", "")
