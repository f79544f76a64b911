"""Where only free/busy is shared, and what is kept of a person's availability.

See RFC 4791 section 7.10 and RFC 7953.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources import caldav
from calendar_timetable.exceptions import CalendarUnavailable
from tests.support.dav_servers import (
    OTHER,
    RIGHTS,
    Connect,
    Server,
    Wire,
)
from tests.support.dav_team import (
    at,
    hours,
)
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.one_meeting import error, known
from tests.support.small_dav_server import (
    COLLECTION,
    found,
    multistatus,
    refusal,
    serving,
    small_dav,
)

ONLY_BUSY = "Calendar dav: only its free/busy may be read: its events have no titles"


@pytest.fixture(autouse=True)
def free_busy_of_2024(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caldav, "_BUSY_BEFORE", timedelta(days=4000))


def working_hours(first: int, last: int) -> str:
    """Available between these hours of the tenth of March, and busy on the rest of that day."""
    day = ("DTSTART:20240310T000000Z", "DTEND:20240311T000000Z")
    free = event(
        "UID:f",
        f"DTSTART:20240310T{first:02}0000Z",
        f"DTEND:20240310T{last:02}0000Z",
        kind="AVAILABLE",
    )
    stamp = "DTSTAMP:20240301T000000Z"
    return feed(
        event(
            "UID:w", stamp, *day, free.replace("UID:f", f"UID:f\r\n{stamp}"), kind="VAVAILABILITY"
        )
    ).decode()


@pytest.mark.parametrize("path", ["alice/team/", ""])
def test_free_busy_where_no_more_is_shared(
    path: str,
    team: Server,
    connect: Connect,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    team.send("PUT", "team/n.ics", at("n", 18, "SUMMARY:Secret plan"))
    team.send("PUT", "team/o.ics", at("o", 20, "TRANSP:TRANSPARENT"))
    team.send("PUT", "team/p.ics", at("p", 22, "STATUS:CANCELLED"))
    with Wire(team.port) as wire:
        calendar = Calendar(
            connect(wire.address + path, login=OTHER, calendars=[] if path else ["/alice/team/"]),
            timezone="UTC",
        )
        with caplog.at_level(logging.INFO, "calendar_timetable"):
            assert hours(calendar) == [12, 18]
        assert ONLY_BUSY in caplog.messages
        wire.passed.clear()
        clock.now += 300
        assert hours(calendar) == [12, 18]
        assert wire.passed == ["PROPFIND 0 /alice/team/"]
        team.send("DELETE", "team/m.ics")
        clock.now += 300
        assert hours(calendar) == [18]
        assert calendar.describe().status == "ok"


def test_free_busy_when_it_is_asked_for(team: Server, connect: Connect, clock: Clock) -> None:
    with Wire(team.port) as wire:
        calendar = Calendar(connect(wire.address, free_busy=True), timezone="UTC")
        assert hours(calendar) == [12]
        assert wire.passed[-1] == "REPORT 1 /alice/team/ free-busy-query"
        assert "VEVENT" not in " ".join(wire.passed)
        team.send("PUT", "team/m.ics", at("m", 13, "SUMMARY:Later"))
        clock.now += 300
        assert hours(calendar) == [13]


def test_free_busy_never_takes_the_place_of_events(
    team: Server,
    connect: Connect,
    clock: Clock,
) -> None:
    calendar = Calendar(connect(team.address + "alice/team/"), match="Free*", timezone="UTC")
    team.send("PUT", "team/m.ics", at("m", 12, "SUMMARY:Freeze"))
    assert hours(calendar) == [12]
    team.send("PUT", "team/m.ics", at("m", 13, "SUMMARY:Freeze"))
    rights = Path(team.command[-1]).parent / "rights"
    team.stop()
    rights.write_text(RIGHTS.replace("rw", "f"))
    team.start()
    clock.now += 300
    try:
        assert hours(calendar) == [12]
        assert error(calendar) == "HTTP 403: reading it is not allowed"
    finally:
        team.stop()
        rights.write_text(RIGHTS)
        team.start()
    clock.now += 3600
    assert hours(calendar) == [13]
    assert error(calendar) == ""


def test_a_calendar_that_shows_nothing_at_all_is_refused(connect: Connect) -> None:
    with small_dav() as server:
        for name in ("propfind", "calendar-query", "free-busy-query"):
            server.answers[name] = refusal(403, "D:need-privileges")
        with pytest.raises(CalendarUnavailable, match="HTTP 403: reading it is not allowed"):
            known(Calendar(connect(server.address)))


def test_free_busy_told_anew_is_no_change(connect: Connect, clock: Clock) -> None:
    period = "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20240310T140000Z/PT1H,\r\n 20240310T160000Z/PT1H"
    with small_dav() as server:
        server.ctag = server.tokens = False
        for name in ("propfind", "calendar-query"):
            server.answers[name] = refusal(403, "D:need-privileges")
        calendar = Calendar(connect(server.address), timezone="UTC")
        read = set()
        for number in range(3):
            body = feed(
                event(f"UID:{number}", f"DTSTAMP:20240301T00000{number}Z", period, kind="VFREEBUSY")
            )
            server.answers["free-busy-query"] = 200, body
            assert hours(calendar) == [14, 16]
            read.add(calendar.describe().fetched_at)
            clock.now += 300
        assert len(read) == 1


def test_the_availability_of_a_calendar_counts(
    team: Server,
    connect: Connect,
    clock: Clock,
) -> None:
    calendar = Calendar(connect(team.address), timezone="UTC")
    assert hours(calendar) == [12]
    for first, last, expected in ((8, 18, [0, 12, 18]), (9, 24, [0, 12]), (6, 18, [0, 12, 18])):
        team.set_property("team/", "calendar-availability", working_hours(first, last % 24 or 23))
        clock.now += 300
        assert hours(calendar) == ([*expected, 23] if last == 24 else expected)


def account(path: str, inbox: str) -> tuple[int, bytes]:
    """A server in Nextcloud's manner: the inbox, within the home, keeps the availability."""
    collections = {
        "/dav/calendars/alice/": "<D:resourcetype><D:collection/></D:resourcetype>",
        "/dav/calendars/alice/team/": f"{COLLECTION}<S:getctag>1</S:getctag>",
        "/dav/calendars/alice/inbox/": "<D:resourcetype><D:collection/><C:schedule-inbox/>"
        "</D:resourcetype>"
        f"<C:calendar-availability>{inbox}</C:calendar-availability>",
    }
    principal = (
        "<D:current-user-principal><D:href>/dav/principals/alice/</D:href>"
        "</D:current-user-principal>"
    )
    home = "<C:calendar-home-set><D:href>/dav/calendars/alice/</D:href></C:calendar-home-set>"
    owns = (
        "<C:schedule-inbox-URL><D:href>/dav/calendars/alice/inbox/</D:href></C:schedule-inbox-URL>"
    )
    if path == "/dav/":
        return multistatus(found(path, principal))
    if path == "/dav/principals/alice/":
        return multistatus(found(path, home + owns))
    if path == "/dav/calendars/alice/":
        return multistatus(*(found(href, props) for href, props in collections.items()))
    return multistatus(found(path, collections[path] + principal))


@pytest.mark.parametrize("path", ["/dav/", "/dav/calendars/alice/team/"])
def test_the_availability_of_the_account_counts_when_it_is_asked_for(
    path: str, connect: Connect, clock: Clock
) -> None:
    noon = f"<D:getetag>1</D:getetag><C:calendar-data>{at('m', 12)}</C:calendar-data>"
    inbox, seen = [working_hours(8, 18)], list[str]()

    def reply(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        seen.append(f"{request.command} {request.path}")
        if request.command == "REPORT":
            code, content = multistatus(found("/dav/calendars/alice/team/m.ics", noon))
        else:
            code, content = account(request.path, inbox[0])
        return code, {}, content

    with serving(reply) as port:
        address = f"http://127.0.0.1:{port}{path}"
        events, both = (
            Calendar(connect(address, f"c{on}", availability=on), timezone="UTC")
            for on in (False, True)
        )
        assert [hours(events), hours(both)] == [[12], [0, 12, 18]]
        seen.clear()
        clock.now += 300
        assert hours(both) == [0, 12, 18]
        assert len(seen) == 2
        inbox[0] = working_hours(9, 20)
        clock.now += 300
        assert [hours(events), hours(both)] == [[12], [0, 12, 20]]
        assert not [line for line in seen if line.startswith("REPORT")]


def test_an_account_without_availability_is_named(team: Server, connect: Connect) -> None:
    with pytest.raises(
        CalendarUnavailable, match="the server keeps no availability for this account"
    ):
        known(Calendar(connect(team.address, availability=True)))
