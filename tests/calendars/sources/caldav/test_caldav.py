"""CalDAV against real servers.

What is edited there is seen, and what fails leaves the last good copy in force.
"""

from __future__ import annotations

import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources.lookup import source_for
from calendar_timetable.exceptions import CalendarUnavailable
from tests.support.dav_servers import (
    LOGIN,
    Connect,
    Server,
    Wire,
)
from tests.support.dav_team import at, hours
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.one_meeting import HORIZON, error, known
from tests.support.origin import SECRET


def test_edits_are_seen(team: Server, connect: Connect, clock: Clock) -> None:
    calendar = Calendar(connect(team.address), timezone="UTC")
    assert hours(calendar) == [12]
    for method, path, body, expected in (
        ("PUT", "team/m.ics", at("m", 15), [15]),
        ("PUT", "team/n.ics", at("n", 18), [15, 18]),
        ("DELETE", "team/m.ics", "", [18]),
        ("DELETE", "team/n.ics", "", []),
    ):
        team.send(method, path, body)
        clock.now += 300
        assert hours(calendar) == expected
    assert (calendar.describe().status, calendar.describe().error) == ("ok", "")


def test_edits_are_seen_on_xandikos(
    xandikos_server: Server, connect: Connect, clock: Clock
) -> None:
    with Wire(xandikos_server.port) as wire:
        calendar = Calendar(connect(wire.address))
        assert hours(calendar) == []
        for method, body, expected in (
            ("PUT", at("m", 9), [9]),
            ("PUT", at("m", 10), [10]),
            ("DELETE", "", []),
        ):
            xandikos_server.send(method, "calendar/m.ics", body)
            clock.now += 300
            assert hours(calendar) == expected
        wire.passed.clear()
        clock.now += 300
        assert hours(calendar) == []
        assert wire.passed == ["PROPFIND 1 /user/calendars/"]


@pytest.mark.parametrize(
    ("path", "places"),
    [
        ("", ["1 /alice/"]),
        ("alice/", ["1 /alice/"]),
        ("alice/team", ["0 /alice/team"]),
        ("alice/team/", ["0 /alice/team/"]),
    ],
)
def test_unchanged_costs_one_small_request(
    path: str, places: list[str], team: Server, connect: Connect, clock: Clock
) -> None:
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + path))
        assert hours(calendar) == [12]
        assert len(wire.passed) <= 6
        for _ in range(2):
            wire.passed.clear()
            wire.sent = 0
            clock.now += 300
            assert hours(calendar) == [12]
            assert wire.passed == [f"PROPFIND {place}" for place in places]
            assert wire.sent < 4000
        team.send("PUT", "team/m.ics", at("m", 15))
        wire.passed.clear()
        clock.now += 300
        assert hours(calendar) == [15]
        assert [line.split()[0] for line in wire.passed] == ["PROPFIND", "REPORT"]


def test_several_calendars(team: Server, connect: Connect, clock: Clock) -> None:
    team.make_calendar("oncall/", "On call")
    team.make_calendar("twin/", "Team")
    team.send("PUT", "oncall/m.ics", at("m", 8))  # the same UID: still another event
    team.send("PUT", "twin/t.ics", at("t", 20))
    every = connect(team.address, "every")
    named = connect(team.address, "named", calendars=["on CALL"])
    placed = connect(
        team.address, "placed", calendars=["/alice/team/", f"{team.address}alice/twin"]
    )
    mixed = connect(team.address, "mixed", calendars="On call\n/alice/twin/\n")
    assert [hours(Calendar(name)) for name in (every, named, placed, mixed)] == [
        [8, 12, 20], [8], [12, 20], [8, 20],
    ]  # fmt: skip
    for name, reason in (
        ("Team", "2 calendars are called 'Team'"),
        ("Gone", "no calendars are called 'Gone'"),
    ):
        with pytest.raises(CalendarUnavailable, match=reason):
            known(Calendar(connect(team.address, name, calendars=[name])))
    team.send("DELETE", "oncall/")
    clock.now += 300
    assert hours(Calendar(named)) == [8]
    assert error(Calendar(named)) == "no calendars are called 'on CALL': was it renamed or removed?"
    assert hours(Calendar(every)) == [12, 20]


def test_an_invitation_in_two_calendars_blocks_as_long_as_one_of_them_says_so(
    team: Server, connect: Connect, clock: Clock
) -> None:
    """The guest's copy is changed, and the host's stays; then it is the other way round."""
    team.make_calendar("bob/", "Bob")
    calendar = Calendar(connect(team.address), timezone="UTC")
    titled = Calendar("dav", timezone="UTC", show_titles=True)
    for method, path, body, expected in (
        ("PUT", "bob/m.ics", at("m", 12), [12]),
        ("PUT", "bob/m.ics", at("m", 12, "TRANSP:TRANSPARENT"), [12]),
        ("PUT", "bob/m.ics", at("m", 15, "SEQUENCE:3"), [12, 15]),
        ("PUT", "bob/m.ics", at("m", 12, "SEQUENCE:4", "STATUS:CANCELLED"), [12]),
        ("PUT", "bob/m.ics", at("m", 12, "RRULE:FREQ=SECONDLY"), [12]),
        ("PUT", "bob/m.ics", at("m", 12), [12]),
        ("PUT", "team/m.ics", at("m", 12, "SEQUENCE:5", "STATUS:CANCELLED"), [12]),
        ("DELETE", "bob/m.ics", "", []),
        ("PUT", "bob/m.ics", at("m", 12), [12]),
        ("DELETE", "team/m.ics", "", [12]),
        ("DELETE", "bob/m.ics", "", []),
    ):
        team.send(method, path, body)
        clock.now += 300
        assert hours(calendar) == expected
        assert calendar.describe().error == ""
        assert [title for _, _, title in known(titled).titles] == [""] * len(expected)


def test_an_invitation_that_is_alike_in_two_calendars_is_listed_once(
    team: Server, connect: Connect, clock: Clock
) -> None:
    team.make_calendar("bob/", "Bob")
    calendar = Calendar(connect(team.address), timezone="UTC")
    stretch = datetime(2024, 3, 10, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC)
    for copy, statuses in (
        (at("m", 12), ["confirmed"]),
        (at("m", 12, "STATUS:CANCELLED"), ["cancelled", "confirmed"]),
    ):
        team.send("PUT", "bob/m.ics", copy)
        clock.now += 300
        listed = calendar.events(*stretch)
        assert sorted(event.status for event in listed) == statuses
        assert {event.uid for event in listed} == {"m"}


def test_dates_are_those_of_the_calendars_own_zone(team: Server, connect: Connect) -> None:
    team.send("PUT", "team/m.ics", feed(event("UID:m", "DTSTART;VALUE=DATE:20240310")).decode())
    calendar = Calendar(connect(team.address))
    assert list(known(calendar).known) == [
        (instant("2024-03-09T23:00"), instant("2024-03-10T23:00"))
    ]
    assert calendar.describe().zone == "Europe/Berlin"
    told_otherwise = Calendar(connect(team.address), timezone="Asia/Tokyo")
    assert list(known(told_otherwise).known) == [
        (instant("2024-03-09T15:00"), instant("2024-03-10T15:00"))
    ]


def test_series_come_with_their_own_times(team: Server, connect: Connect) -> None:
    zone = "DTSTART;TZID=Europe/Berlin:20200106T120000"
    series = event(
        "UID:m",
        zone,
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY",
        "EXDATE;TZID=Europe/Berlin:20240311T120000",
    )
    moved = event(
        "UID:m",
        "RECURRENCE-ID;TZID=Europe/Berlin:20240304T120000",
        "DTSTART:20240305T080000Z",
        "DURATION:PT1H",
    )
    team.send("PUT", "team/m.ics", feed(series, moved).decode())
    team.send(
        "PUT",
        "team/old.ics",
        feed(event("UID:o", "DTSTART:20100310T120000Z", "DURATION:PT1H")).decode(),
    )
    for number, (days_back, events) in enumerate((("", 3), (3660, 2))):
        calendar = Calendar(
            connect(team.address, f"c{number}", days_back=days_back), timezone="UTC"
        )
        starts = [start for start, _ in known(calendar).known]
        assert starts == [
            instant(text) for text in ("2024-03-05T08:00", "2024-03-18T11:00", "2024-03-25T11:00")
        ]
        assert calendar.describe().events == events


def test_a_wrong_password(team: Server, connect: Connect, clock: Clock) -> None:
    calendar = Calendar(connect(team.address), timezone="UTC")
    assert hours(calendar) == [12]
    # Tried at once, and no reason to forget the copy
    connect(team.address, password="wrong-" + SECRET)
    assert hours(calendar) == [12]
    state = calendar.describe()
    assert (state.status, state.error) == (
        "stale",
        "HTTP 401: login, password or token is not accepted",
    )
    connect(team.address)
    team.send("PUT", "team/m.ics", at("m", 15))
    assert hours(calendar) == [15]
    with pytest.raises(CalendarUnavailable, match="HTTP 401") as raised:
        known(Calendar(connect(team.address, "other", password="wrong-" + SECRET)))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("path", ["", "alice/team/"])
def test_a_removed_calendar(path: str, team: Server, connect: Connect, clock: Clock) -> None:
    calendar = Calendar(connect(team.address + path), timezone="UTC", max_stale=timedelta(hours=1))
    assert hours(calendar) == [12]
    team.send("DELETE", "team/")
    clock.now += 300
    assert hours(calendar) == [12]
    assert "removed?" in calendar.describe().error
    clock.now += 3600
    with pytest.raises(CalendarUnavailable, match=r"calendar dav cannot be read: .*removed\?"):
        known(calendar)
    team.make_calendar("team/", "Team")
    team.send("PUT", "team/m.ics", at("m", 7))
    clock.now += 600  # it failed twice
    assert hours(calendar) == [7]


def test_a_server_that_stops_and_comes_back_without_its_tokens(
    team: Server, connect: Connect, clock: Clock
) -> None:
    calendar = Calendar(connect(team.address), timezone="UTC")
    assert hours(calendar) == [12]
    team.stop()
    clock.now += 300
    assert hours(calendar) == [12]
    assert (calendar.describe().status, calendar.describe().error) == (
        "stale",
        "the connection is refused",
    )
    storage = Path(team.command[-1]).parent / "storage"
    for tokens in storage.rglob(".Radicale.cache"):
        shutil.rmtree(tokens)
    team.start()
    team.send("PUT", "team/m.ics", at("m", 15))
    clock.now += 300
    assert hours(calendar) == [15]
    assert calendar.describe().status == "ok"


@pytest.mark.parametrize("method", ["PROPFIND", "REPORT"])
def test_a_server_that_goes_away_in_mid_read(
    method: str, team: Server, connect: Connect, clock: Clock
) -> None:
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address), timezone="UTC")
        assert hours(calendar) == [12]
        team.send("PUT", "team/m.ics", at("m", 15))
        wire.cut = method
        clock.now += 300
        assert hours(calendar) == [12]
        assert calendar.describe().error == "the answer breaks off"
        wire.cut = ""
        clock.now += 300
        assert hours(calendar) == [15]


def test_nothing_secret_is_shown_or_stored(
    team: Server, connect: Connect, clock: Clock, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    conn_id = connect(
        team.address, calendars=["/alice/team/"], token=f"token-{SECRET}", header="X-Api-Key"
    )
    calendar = Calendar(conn_id, timezone="UTC")
    with caplog.at_level(logging.DEBUG):
        assert hours(calendar) == [12]
        team.stop()
        clock.now += 300
        assert hours(calendar) == [12]
    source = source_for(conn_id)
    assert (
        repr(source)
        == "CalDavSource(label='dav', days_back=0, free_busy=False, availability=False)"
    )
    shown = [repr(source), repr(calendar), repr(calendar.describe()), caplog.text, error(calendar)]
    for path in cache.rglob("*"):
        shown += [path.name, path.read_text() if path.is_file() else ""]
    for text in shown:
        for hidden in (SECRET, LOGIN, "127.0.0.1", str(team.port), "token-"):
            assert hidden not in text


def test_horizon_is_what_the_tests_above_take_it_for() -> None:
    assert HORIZON.start <= instant("2024-03-10") < HORIZON.end
