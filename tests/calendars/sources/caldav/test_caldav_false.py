"""CalDAV servers that play false, or can do less.

What changed is found all the same, by other questions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources import caldav
from tests.support import small_dav_server
from tests.support.dav_servers import (
    Connect,
)
from tests.support.dav_team import hours
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed, half_hour
from tests.support.one_meeting import error
from tests.support.small_dav_server import SmallDav, refusal, small_dav


@pytest.fixture
def small() -> Iterator[SmallDav]:
    """Three events, at one, two and three."""
    with small_dav() as server:
        for hour in (1, 2, 3):
            server.put(f"e{hour}", half_hour(f"e{hour}", hour).encode())
        yield server


def put(server: SmallDav, name: str, hour: int) -> None:
    server.put(name, half_hour(name, hour).encode())


ENDLESS = small_dav_server.multistatus(small_dav_server.status("/c/", 507))
COMPARED = ["calendar-query", "calendar-multiget 1"]
WAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "all well": ({}, ["sync-collection"]),
    "no objects in a sync-collection": (
        {"inline": False},
        ["sync-collection", "calendar-multiget 1"],
    ),
    "changes come in pages": ({"page": 1}, ["sync-collection"] * 3),
    "only a ctag": ({"tokens": False}, COMPARED),
    "neither ctag nor token": ({"tokens": False, "ctag": False}, COMPARED),
    "the token has expired": ({"life": 2}, ["sync-collection", *COMPARED]),
    "sync-collection breaks it": (
        {"answers": {"sync-collection": (500, b"")}},
        ["sync-collection", *COMPARED],
    ),
    "pages that never end": (
        {"answers": {"sync-collection": ENDLESS}},
        ["sync-collection", *COMPARED],
    ),
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
    small.put("e9", half_hour("e9", 9).encode())
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
    assert small.seen == (
        ["propfind"] if "neither ctag" not in name else ["propfind", "calendar-query"]
    )
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


def test_many_changes_are_asked_for_in_batches(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
    small.tokens = False
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    small.seen.clear()
    for number in range(450):
        put(small, f"n{number}", 5)
    clock.now += 300
    assert hours(calendar) == [1, 2, 3, 5]
    assert small.seen == [
        "propfind",
        "calendar-query",
        *(f"calendar-multiget {n}" for n in (200, 200, 50)),
    ]
    assert calendar.describe().events == 453


def test_an_object_that_is_gone_before_it_is_read(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
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
    small.answers["calendar-multiget"] = small_dav_server.multistatus()
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
    small.put("café & <b>@home", half_hour("x", 5).encode())
    calendar = Calendar(connect(small.address), timezone="UTC")
    small.written = quote
    assert hours(calendar) == [1, 2, 3, 5]
    small.written, small.inline = written, False
    small.put("café & <b>@home", half_hour("x", 6).encode())
    clock.now += 300
    assert hours(calendar) == [1, 2, 3, 6]
    small.delete("café & <b>@home")
    clock.now += 300
    assert hours(calendar) == [1, 2, 3]


def test_a_calendar_that_moves_to_another_zone_is_read_anew(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
    small.put("day", feed(event("UID:day", "DTSTART;VALUE=DATE:20240310")))
    small.props += "<C:calendar-timezone-id>Europe/Berlin</C:calendar-timezone-id>"
    calendar = Calendar(connect(small.address))
    assert hours(calendar) == [-1]
    small.props = small.props.replace("Europe/Berlin", "Asia/Tokyo")
    clock.now += 300
    assert hours(calendar) == [-9]
    assert small.seen[-1] == "calendar-query"


def test_a_change_that_is_told_but_not_shown_is_asked_for(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    put(small, "e2", 7)
    denied = small_dav_server.status("/c/e2.ics", 403)
    small.answers["sync-collection"] = small_dav_server.multistatus(
        denied, token="http://sync.example/1/4"
    )
    small.seen.clear()
    clock.now += 300
    assert hours(calendar) == [1, 3, 7]
    assert small.seen == ["propfind", "sync-collection", "calendar-multiget 1"]


def test_a_renamed_calendar_is_missed_only_by_its_name(
    small: SmallDav, connect: Connect, clock: Clock
) -> None:
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


def test_a_lost_copy_is_read_whole(
    small: SmallDav, connect: Connect, clock: Clock, cache: Path
) -> None:
    calendar = Calendar(connect(small.address), timezone="UTC")
    assert hours(calendar) == [1, 2, 3]
    (body,) = cache.glob("*.ics")
    body.write_text(body.read_text().replace("T02", "T04"))
    put(small, "e3", 9)
    small.seen.clear()
    clock.now += 300
    assert hours(calendar) == [1, 2, 9]
    assert small.seen == ["propfind", "calendar-query"]
