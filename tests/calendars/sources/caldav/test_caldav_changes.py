"""What a refresh of a CalDAV calendar costs when a little changed, on real servers.

Tokens kept, lost, and in mid-sync.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from secrets import token_hex

import pytest

from calendar_timetable.calendars.calendar import Calendar
from tests.support.dav_servers import (
    Connect,
    Server,
    Wire,
)
from tests.support.dav_team import (
    hours,
)
from tests.support.feed_fixtures import Clock
from tests.support.ics import half_hour
from tests.support.moments import instant


def asked(wire: Wire) -> list[str]:
    """The requests since the last question, as ``"PROPFIND"`` or the name of the REPORT."""
    names = [line.split()[0 if line.startswith("PROPFIND") else -1] for line in wire.passed]
    wire.passed.clear()
    return names


def test_a_changed_event_is_all_that_is_sent(
    team: Server,
    connect: Connect,
    clock: Clock,
) -> None:
    for number in range(60):
        team.send(
            "PUT",
            f"team/x{number}.ics",
            half_hour(f"x{number}", 1, f"DESCRIPTION:{token_hex(400)}"),
        )
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [1, 12]
        assert asked(wire) == ["PROPFIND", "PROPFIND", "calendar-query"]
        whole = wire.sent
        for method, path, body, expected in (
            ("PUT", "team/m.ics", half_hour("m", 15), [1, 15]),
            ("PUT", "team/n.ics", half_hour("n", 18), [1, 15, 18]),
            ("DELETE", "team/m.ics", "", [1, 18]),
        ):
            wire.sent = 0
            team.send(method, path, body)
            clock.now += 300
            assert hours(calendar) == expected
            assert asked(wire) == ["PROPFIND", "sync-collection"]
            assert wire.sent < whole / 10
        clock.now += 300
        assert hours(calendar) == [1, 18]
        assert asked(wire) == ["PROPFIND"]
        assert calendar.describe().events == 61


def test_the_same_on_xandikos(xandikos_server: Server, connect: Connect, clock: Clock) -> None:
    with Wire(xandikos_server.port) as wire:
        calendar = Calendar(connect(wire.address))
        xandikos_server.send("PUT", "calendar/m.ics", half_hour("m", 9))
        xandikos_server.send("PUT", "calendar/n.ics", half_hour("n", 12))
        assert hours(calendar) == [9, 12]
        for method, body, expected, more in (
            ("PUT", half_hour("m", 10), [10, 12], ["calendar-multiget"]),
            ("DELETE", "", [12], []),
        ):
            asked(wire)
            xandikos_server.send(method, "calendar/m.ics", body)
            clock.now += 300
            assert hours(calendar) == expected
            assert asked(wire) == ["PROPFIND", "sync-collection", *more]
        xandikos_server.send("DELETE", "calendar/n.ics")


def test_a_calendar_whose_events_are_over_may_become_empty(
    team: Server,
    connect: Connect,
    clock: Clock,
) -> None:
    """With *days_back*, other months are asked for as months go by."""
    for number in range(11):
        team.send("PUT", f"team/x{number}.ics", half_hour(f"x{number}", number))
    calendar = Calendar(connect(team.address + "alice/team/", days_back=20))
    for day, events in (("2024-03-20", 12), ("2024-04-15", 12), ("2024-04-22", 0)):
        clock.now = instant(day)
        hours(calendar)
        state = calendar.describe()
        assert (state.status, state.error, state.events) == ("ok", "", events)


def test_an_expired_token_is_survived_and_named(
    team: Server,
    connect: Connect,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(5):
        team.send("PUT", f"team/x{number}.ics", half_hour(f"x{number}", number))
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [0, 1, 2, 3, 4, 12]
        for tokens in (Path(team.command[-1]).parent / "storage").rglob("sync-token"):
            shutil.rmtree(tokens)
        team.send("PUT", "team/m.ics", half_hour("m", 15))
        clock.now += 300
        asked(wire)
        with caplog.at_level(logging.INFO, "calendar_timetable"):
            assert hours(calendar) == [0, 1, 2, 3, 4, 15]
        assert asked(wire) == ["PROPFIND", "sync-collection", "calendar-query", "calendar-multiget"]
        assert (
            "Calendar dav: its sync token is not accepted any more: all its events are compared"
            in caplog.messages
        )
        team.send("PUT", "team/m.ics", half_hour("m", 16))
        clock.now += 300
        assert hours(calendar) == [0, 1, 2, 3, 4, 16]
        assert asked(wire) == ["PROPFIND", "sync-collection"]


def test_a_server_that_restarts_in_mid_sync(team: Server, connect: Connect, clock: Clock) -> None:
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [12]
        team.send("PUT", "team/m.ics", half_hour("m", 15))
        wire.before = lambda line: team.stop() if "sync-collection" in line else None
        clock.now += 300
        assert hours(calendar) == [12]
        assert (calendar.describe().status, calendar.describe().error) == (
            "stale",
            "the answer breaks off",
        )
        wire.before = lambda line: None
        team.start()
        clock.now += 300
        asked(wire)
        assert hours(calendar) == [15]
        assert asked(wire) == ["PROPFIND", "sync-collection"]
        assert calendar.describe().error == ""
