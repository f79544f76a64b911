"""A team's calendar on real CalDAV servers, as fixtures, and what is seen of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from calendar_timetable.calendars.calendar import Calendar
from tests.support.dav_servers import Server, radicale, xandikos
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.one_meeting import known
from tests.support.origin import SECRET

BERLIN = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
END:STANDARD
END:VTIMEZONE
END:VCALENDAR"""


def at(uid: str, hour: int, *more: str) -> str:
    """Return an event of one hour on the tenth of March, as a client puts it."""
    return feed(
        event(f"UID:{uid}", f"DTSTART:20240310T{hour:02}0000Z", "DURATION:PT1H", *more)
    ).decode()


def hours(calendar: Calendar) -> list[int]:
    """Return the hours of the tenth of March at which something begins."""
    return [(start - instant("2024-03-10")) // 3600 for start, _ in known(calendar).known]


@pytest.fixture(scope="module")
def radicale_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run Radicale for the tests of a module."""
    server = radicale(tmp_path_factory.mktemp("radicale") / "data", SECRET)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def xandikos_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run Xandikos for the tests of a module."""
    server = xandikos(tmp_path_factory.mktemp("xandikos") / "data")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def team(radicale_server: Server) -> Iterator[Server]:
    """Radicale with one calendar, in Berlin's zone, and one event at noon."""
    if radicale_server.process is None:
        radicale_server.start()
    radicale_server.make_calendar("team/", "Team", BERLIN)
    radicale_server.send("PUT", "team/m.ics", at("m", 12))
    yield radicale_server
    if radicale_server.process is None:
        radicale_server.start()
    radicale_server.send("DELETE", "")
