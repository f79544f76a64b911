"""What a refresh of a CalDAV calendar costs when a little changed, and what it does when the server plays false."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import pytest

from calendar_timetable.calendars import caldav
from calendar_timetable.calendars.calendar import Calendar
from tests.calendars import smalldav
from tests.calendars.conftest import Clock
from tests.calendars.davservers import (
    Connect,
    Server,
    Wire,
    connections,  # noqa: F401  (the fixture "connect")
)
from tests.calendars.helpers import event, feed
from tests.calendars.smalldav import SmallDav, refusal, small_dav
from tests.calendars.test_caldav import (
    hours,
    radicale_server,  # noqa: F401
    team,  # noqa: F401
    xandikos_server,  # noqa: F401
)
from tests.calendars.test_feeds import error


def at(uid: str, hour: int, *more: str) -> str:
    """An event of half an hour on the tenth of March."""
    return feed(event(f"UID:{uid}", f"DTSTART:20240310T{hour:02}0000Z", "DURATION:PT30M", *more)).decode()


def asked(wire: Wire) -> list[str]:
    """The requests since the last question, as ``"PROPFIND"`` or the name of the REPORT."""
    names = [line.split()[0 if line.startswith("PROPFIND") else -1] for line in wire.passed]
    wire.passed.clear()
    return names


def test_a_changed_event_is_all_that_is_sent(team: Server, connect: Connect, clock: Clock) -> None:  # noqa: F811
    for number in range(60):
        team.send("PUT", f"team/x{number}.ics", at(f"x{number}", 1, f"DESCRIPTION:{token_hex(400)}"))
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [1, 12]
        assert asked(wire) == ["PROPFIND", "PROPFIND", "calendar-query"]
        whole = wire.sent
        for method, path, body, expected in (
            ("PUT", "team/m.ics", at("m", 15), [1, 15]),
            ("PUT", "team/n.ics", at("n", 18), [1, 15, 18]),
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


def test_the_same_on_xandikos(xandikos_server: Server, connect: Connect, clock: Clock) -> None:  # noqa: F811
    with Wire(xandikos_server.port) as wire:
        calendar = Calendar(connect(wire.address))
        xandikos_server.send("PUT", "calendar/m.ics", at("m", 9))
        xandikos_server.send("PUT", "calendar/n.ics", at("n", 12))
        assert hours(calendar) == [9, 12]
        for method, body, expected, more in (
            ("PUT", at("m", 10), [10, 12], ["calendar-multiget"]),
            ("DELETE", "", [12], []),
        ):
            asked(wire)
            xandikos_server.send(method, "calendar/m.ics", body)
            clock.now += 300
            assert hours(calendar) == expected
            assert asked(wire) == ["PROPFIND", "sync-collection", *more]
        xandikos_server.send("DELETE", "calendar/n.ics")


def test_an_expired_token_is_survived_and_named(
    team: Server,  # noqa: F811
    connect: Connect,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for number in range(5):
        team.send("PUT", f"team/x{number}.ics", at(f"x{number}", number))
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [0, 1, 2, 3, 4, 12]
        for tokens in (Path(team.command[-1]).parent / "storage").rglob("sync-token"):
            shutil.rmtree(tokens)
        team.send("PUT", "team/m.ics", at("m", 15))
        clock.now += 300
        asked(wire)
        with caplog.at_level(logging.INFO, "calendar_timetable"):
            assert hours(calendar) == [0, 1, 2, 3, 4, 15]
        assert asked(wire) == ["PROPFIND", "sync-collection", "calendar-query", "calendar-multiget"]
        assert "Calendar dav: its sync token is not accepted any more: all its events are compared" in caplog.messages
        team.send("PUT", "team/m.ics", at("m", 16))
        clock.now += 300
        assert hours(calendar) == [0, 1, 2, 3, 4, 16]
        assert asked(wire) == ["PROPFIND", "sync-collection"]


def test_a_server_that_restarts_in_mid_sync(team: Server, connect: Connect, clock: Clock) -> None:  # noqa: F811
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address + "alice/team/"), timezone="UTC")
        assert hours(calendar) == [12]
        team.send("PUT", "team/m.ics", at("m", 15))
        wire.before = lambda line: team.stop() if "sync-collection" in line else None
        clock.now += 300
        assert hours(calendar) == [12]
        assert (calendar.describe().status, calendar.describe().error) == ("stale", "the answer breaks off")
        wire.before = lambda line: None
        team.start()
        clock.now += 300
        asked(wire)
        assert hours(calendar) == [15]
        assert asked(wire) == ["PROPFIND", "sync-collection"]
        assert calendar.describe().error == ""


# --- servers that do what they should not ---------------------------------------------------------


@pytest.fixture
def small() -> Iterator[SmallDav]:
    """Three events, at one, two and three."""
    with small_dav() as server:
        for hour in (1, 2, 3):
            server.put(f"e{hour}", at(f"e{hour}", hour).encode())
        yield server


def put(server: SmallDav, name: str, hour: int) -> None:
    server.put(name, at(name, hour).encode())


ENDLESS = smalldav.multistatus(smalldav.status("/c/", 507))
COMPARED = ["calendar-query", "calendar-multiget 1"]
WAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all well": ({}, ["sync-collection"]),
    "no objects in a sync-collection": ({"inline": False}, ["sync-collection", "calendar-multiget 1"]),
    "changes come in pages": ({"page": 1}, ["sync-collection"] * 3),
    "only a ctag": ({"tokens": False}, COMPARED),
    "neither ctag nor token": ({"tokens": False, "ctag": False}, COMPARED),
    "the token has expired": ({"life": 2}, ["sync-collection", *COMPARED]),
    "sync-collection breaks it": ({"answers": {"sync-collection": (500, b"")}}, ["sync-collection", *COMPARED]),
    "pages that never end": ({"answers": {"sync-collection": ENDLESS}}, ["sync-collection", *COMPARED]),
    "no sync-collection, no multiget": (
        {"answers": {"sync-collection": (501, b""), "calendar-multiget": (501, b"")}},
        ["sync-collection", *COMPARED, "calendar-query"],
    ),
}


@pytest.mark.parametrize("name", WAYS)
def test_what_changed_is_found(name: str, small: SmallDav, connect: Connect, clock: Clock) -> None:
    told, expected = WAYS[name]
    calendar = Calendar(connect(small.address), timezone="UTC")
    for what, value in told.items() if "life" not in told else ():
        setattr(small, what, value)
    assert hours(calendar) == [1, 2, 3]
    for what, value in told.items():
        setattr(small, what, value)
    small.seen.clear()
    put(small, "e2", 7)
    small.put("e9", at("e9", 9).encode())
    small.delete("e9")
    clock.now += 300
    assert hours(calendar) == [1, 3, 7]
    assert small.seen == ["propfind", *expected]
    small.delete("e1")
    clock.now += 300
    assert hours(calendar) == [3, 7]
    small.seen.clear()
    clock.now += 300
    assert hours(calendar) == [3, 7]
    assert small.seen == (["propfind"] if "neither ctag" not in name else ["propfind", "calendar-query"])
    assert (calendar.describe().status, calendar.describe().events) == ("ok", 2)


@pytest.mark.parametrize("cut", ["the rest", "everything"])
def test_a_calendar_too_big_for_one_answer_is_read_in_pages(
    cut: str, small: SmallDav, connect: Connect, clock: Clock
) -> None:
    if cut == "the rest":
        small.most = 2
    else:
        small.answers["calendar-query"] = refusal(403, "C:number-of-matches-within-limits")
    small.page = 2
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    assert small.seen == ["propfind", "propfind", *["calendar-query"] * 2, *["sync-collection"] * 2]
    small.seen.clear()
    put(small, "e3", 8)
    clock.now += 300
    assert hours(calendar) == [1, 2, 8]
    assert small.seen == ["propfind", "sync-collection"]


def test_many_changes_are_asked_for_in_batches(small: SmallDav, connect: Connect, clock: Clock) -> None:
    small.tokens = False
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    small.seen.clear()
    for number in range(450):
        put(small, f"n{number}", 5)
    clock.now += 300
    assert hours(calendar) == [1, 2, 3, 5]
    assert small.seen == ["propfind", "calendar-query", *(f"calendar-multiget {n}" for n in (200, 200, 50))]
    assert calendar.describe().events == 453


def test_an_object_that_is_gone_before_it_is_read(small: SmallDav, connect: Connect, clock: Clock) -> None:
    small.inline = False
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    put(small, "e2", 7)
    put(small, "e3", 8)
    small.before = lambda name: small.objects.pop("/c/e2.ics", None) if "multiget" in name else None
    clock.now += 300
    assert hours(calendar) == [1, 8]
    clock.now += 300
    assert hours(calendar) == [1, 8]
    assert calendar.describe().problems == ()


def test_an_object_that_is_never_sent_is_a_problem_and_asked_for_again(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
    small.inline = False
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    put(small, "e2", 7)
    small.answers["calendar-multiget"] = smalldav.multistatus()
    clock.now += 300
    assert hours(calendar) == [1, 3]
    assert len(calendar.describe().problems) == 1
    del small.answers["calendar-multiget"]
    clock.now += 300
    assert hours(calendar) == [1, 3, 7]
    assert calendar.describe().problems == ()


@pytest.mark.parametrize(
    "written",
    [
        lambda path: path.replace("é", quote("é")),
        quote,
        lambda path: f"http://127.0.0.1:9999{quote(path)}",
        lambda path: f"https://inside.example{quote(path)}",
        lambda path: quote(path, safe="/@").replace(".ics", "%2Eics"),
    ],
)
def test_addresses_however_they_are_written(
    written: Callable[[str], str], small: SmallDav, connect: Connect, clock: Clock
) -> None:
    small.put("café & <b>@home", at("x", 5).encode())
    calendar = Calendar(connect(small.address), timezone="UTC")
    small.written = quote
    assert hours(calendar) == [1, 2, 3, 5]
    small.written, small.inline = written, False
    small.put("café & <b>@home", at("x", 6).encode())
    clock.now += 300
    assert hours(calendar) == [1, 2, 3, 6]
    small.delete("café & <b>@home")
    clock.now += 300
    assert hours(calendar) == [1, 2, 3]


def test_a_calendar_that_moves_to_another_zone_is_read_anew(small: SmallDav, connect: Connect, clock: Clock) -> None:
    small.put("day", feed(event("UID:day", "DTSTART;VALUE=DATE:20240310")))
    small.props += "<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>"
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [-1]
    small.props = small.props.replace("Europe/Berlin", "Asia/Tokyo")
    clock.now += 300
    assert hours(calendar) == [-9]
    assert small.seen[-1] == "calendar-query"


def test_a_renamed_calendar_is_missed_only_by_its_name(small: SmallDav, connect: Connect, clock: Clock) -> None:
    name = "<D:displayname>Team</D:displayname>"
    small.props += name
    named = Calendar(connect(small.address, "named", calendars=["team"]), timezone="UTC")
    every = Calendar(connect(small.address, "every"), timezone="UTC")
    assert [hours(named), hours(every)] == [[1, 2, 3], [1, 2, 3]]
    small.props = small.props.replace("Team", "Crew")
    put(small, "e3", 9)
    clock.now += 300
    assert [hours(named), hours(every)] == [[1, 2, 3], [1, 2, 9]]
    assert error(named) == "no calendars are called 'team': was it renamed or removed?"
    assert error(every) == ""


def test_a_new_month_reads_only_what_left(
    small: SmallDav, connect: Connect, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = Calendar(connect(small.address, days_back=3660), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    monkeypatch.setattr(caldav, "_month", lambda moment: "20140401T000000Z")
    del small.objects["/c/e1.ics"]
    small.seen.clear()
    clock.now += 300
    assert hours(calendar) == [2, 3]
    assert small.seen == ["propfind", "calendar-query"]


def test_a_lost_copy_is_read_whole(small: SmallDav, connect: Connect, clock: Clock, cache: Path) -> None:
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    (body,) = cache.glob("*.ics")
    body.write_text(body.read_text().replace("T02", "T04"))
    put(small, "e3", 9)
    small.seen.clear()
    clock.now += 300
    assert hours(calendar) == [1, 2, 9]
    assert small.seen == ["propfind", "calendar-query"]
