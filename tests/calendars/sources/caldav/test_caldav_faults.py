"""CalDAV servers that answer what they should not.

Each is named, and no one else gets the credentials.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.net.sealing import seal, unseal
from calendar_timetable.calendars.sources.caldav_protocol import _TZID
from calendar_timetable.calendars.sources.lookup import connected_source
from tests.support.dav_servers import (
    Connect,
)
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.one_meeting import MEETING, error, known
from tests.support.origin import SECRET, Origin
from tests.support.processor import processor_seconds

Given = tuple[int, dict[str, str], bytes]
COLLECTION = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"


def multistatus(*responses: str) -> Given:
    spaces = (
        'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" '
        'xmlns:S="http://calendarserver.org/ns/"'
    )
    return 207, {}, f"<D:multistatus {spaces}>{''.join(responses)}</D:multistatus>".encode()


def found(href: str, props: str) -> str:
    stats = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{href}</D:href>{stats}</D:response>"


def status(href: str, code: int) -> str:
    return f"<D:response><D:href>{href}</D:href><D:status>HTTP/1.1 {code} X</D:status></D:response>"


def collection(token: str = "") -> Given:
    return multistatus(
        found("/c/", COLLECTION + (f"<S:getctag>{token}</S:getctag>" if token else ""))
    )


def holds(*objects: bytes, more: str = "") -> Given:
    bodies = [f"<C:calendar-data>{escape(body.decode())}</C:calendar-data>" for body in objects]
    etags = [f"<D:getetag>{len(body)}</D:getetag>" for body in objects]
    pairs = enumerate(zip(etags, bodies, strict=True))
    return multistatus(*(found(f"/c/{n}.ics", etag + body) for n, (etag, body) in pairs), more)


@dataclass
class Scripted:
    """Answers by method; ``seen`` are the methods with their credentials."""

    answers: dict[str, Given] = field(default_factory=dict)
    seen: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/c/"


@pytest.fixture
def server() -> Iterator[Scripted]:
    script = Scripted({"PROPFIND": collection("1"), "REPORT": holds(feed(MEETING))})

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            script.seen.append((self.command, self.headers.get("Authorization", "")))
            code, headers, body = script.answers[self.command]
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_PROPFIND = do_REPORT = _answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    script.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield script
    http.shutdown()
    thread.join()
    http.server_close()


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
PROPFINDS: dict[str, tuple[Given, str]] = {
    "web page": (
        (200, {}, b"<html>Sign in</html>"),
        "HTTP 200: the server speaks no CalDAV at this address",
    ),
    "no webdav": ((405, {}, b""), "HTTP 405: the server speaks no CalDAV at this address"),
    "not allowed": ((403, {}, b""), "HTTP 403: reading it is not allowed"),
    "removed": ((410, {}, SECRET.encode()), "HTTP 410: it was removed"),
    "busy": ((503, {"Retry-After": "900"}, b""), "HTTP 503"),
    "entities": ((207, {}, BOMB), "the answer's XML is broken or cut off"),
    "cut off": (
        (207, {}, b"<D:multistatus xmlns:D='DAV:'>"),
        "the answer's XML is broken or cut off",
    ),
    "other XML": (
        (207, {}, b"<rss/>"),
        "the answer is not one of CalDAV: is this a CalDAV address?",
    ),
    "other host": (
        (302, {"Location": "file:///etc/passwd"}, b""),
        "redirected to something other than http or https",
    ),
    "no calendar": (
        multistatus(found("/c/", "<D:resourcetype/>")),
        "it has no calendars that hold events",
    ),
}
REPORTS: dict[str, tuple[Given, str]] = {
    "not allowed": ((403, {}, b""), "HTTP 403: reading it is not allowed"),
    "a part": (
        holds(feed(MEETING), more=status("/c/", 507)),
        "the server sends only some of its events: set days_back",
    ),
    "too much": (holds(feed("X-A:" + "0" * limits.MAX_BODY)), "larger than 20480 KiB"),
    "breaks off": ((207, {"Content-Length": "9999"}, b"<a>"), "the answer breaks off"),
}


@pytest.mark.parametrize("method", ["PROPFIND", "REPORT"])
def test_a_fault_leaves_the_last_good_copy_in_force(
    method: str,
    server: Scripted,
    connect: Connect,
    clock: Clock,
) -> None:
    calendar = Calendar(connect(server.address), timezone="UTC", max_stale=timedelta(days=30))
    good = list(known(calendar).known)
    assert len(good) == 1
    server.answers["PROPFIND"] = collection("2")
    for name, (answer, reason) in (PROPFINDS if method == "PROPFIND" else REPORTS).items():
        before = server.answers[method]
        server.answers[method] = answer
        clock.now += limits.MAX_RETRY_AFTER
        assert list(known(calendar).known) == good, name
        assert error(calendar).startswith(reason), (name, error(calendar))
        server.answers[method] = before
    server.answers["REPORT"] = holds()
    clock.now += limits.MAX_RETRY_AFTER
    assert list(known(calendar).known) == []


def test_a_server_that_asks_for_time_gets_it(
    server: Scripted, connect: Connect, clock: Clock
) -> None:
    calendar = Calendar(connect(server.address))
    known(calendar)
    server.answers["PROPFIND"] = (429, {"Retry-After": "900"}, b"")
    clock.now += 300
    known(calendar)
    asked = len(server.seen)
    clock.now += 800
    known(calendar)
    assert len(server.seen) == asked


def test_without_tokens_etags_tell(server: Scripted, connect: Connect, clock: Clock) -> None:
    server.answers["PROPFIND"] = collection()
    calendar = Calendar(connect(server.address))
    other = feed(MEETING, event("UID:x", "DTSTART:20240311T120000Z", "DURATION:PT1H"))
    for body, asked, events in ((feed(MEETING), 3, 1), (feed(MEETING), 2, 1), (other, 3, 2)):
        server.answers["REPORT"] = holds(body)
        server.seen.clear()
        assert len(known(calendar).known) == events
        assert len(server.seen) == asked
        clock.now += 300


def test_an_event_that_is_not_sent_is_a_problem_and_the_rest_stays(
    server: Scripted,
    connect: Connect,
) -> None:
    gone, denied = status("/c/gone.ics", 404), status("/c/denied.ics", 403)
    junk = f"<C:calendar-data>{SECRET}</C:calendar-data>"
    server.answers["REPORT"] = holds(feed(MEETING), more=gone + denied + found("/c/junk.ics", junk))
    calendar = Calendar(connect(server.address), timezone="UTC")
    assert list(known(calendar).known) == [
        (instant("2024-03-10T12:00"), instant("2024-03-10T13:00"))
    ]
    problems = calendar.describe().problems
    assert len({problem.reason for problem in problems}) <= 2
    assert len(problems) >= 2
    assert SECRET not in repr(problems)


def test_zones_of_their_own_that_come_with_every_event_are_read_once(
    server: Scripted, connect: Connect
) -> None:
    rules = ("DTSTART:19700101T000000", "TZOFFSETFROM:+0200", "TZOFFSETTO:+0300")
    zones = [
        event("UID:z", f"TZID:{name}", event(*rules, kind="STANDARD"), kind="VTIMEZONE")
        for name in "AB"
    ]
    times = [
        ("DTSTART;TZID=A:20240310T150000", "DURATION:PT1H"),
        ("DTSTART;TZID=B:20240310T160000", "DURATION:PT1H"),
    ]
    server.answers["REPORT"] = holds(
        *(
            feed(zone, event(f"UID:{n}", *time))
            for n in range(20)
            for zone, time in zip(zones, times, strict=True)
        )
    )
    calendar = Calendar(connect(server.address), timezone="UTC")
    assert list(known(calendar).known) == [
        (instant("2024-03-10T12:00"), instant("2024-03-10T14:00"))
    ]
    state = calendar.describe()
    assert (state.events, state.problems) == (40, ())
    source = connected_source("dav")
    fetched = source.fetch()
    assert fetched is not None
    assert fetched.body.count(b"BEGIN:VTIMEZONE") == 2


def test_credentials_stay_with_their_host(
    server: Scripted,
    origin: Origin,
    connect: Connect,
    clock: Clock,
) -> None:
    elsewhere = f"http://127.0.0.1:{origin.port}/c/"
    server.answers["PROPFIND"] = (302, {"Location": elsewhere}, b"")
    calendar = Calendar(connect(server.address))
    with pytest.raises(Exception, match="HTTP 501: the server speaks no CalDAV at this address"):
        known(calendar)
    assert origin.seen == []  # it serves GET only
    home = "<C:calendar-home-set><D:href>http://localhost/other/</D:href></C:calendar-home-set>"
    server.answers["PROPFIND"] = multistatus(found("/c/", home))
    clock.now += 300
    with pytest.raises(
        Exception, match="its calendars are on another host: give their address there"
    ):
        known(calendar)


@pytest.mark.parametrize(
    "damage", [lambda text: "", lambda text: "zz", lambda text: text[:-2], lambda text: "00" * 40]
)
def test_seals_open_only_with_their_secret_and_whole(damage: Callable[[str], str]) -> None:
    data = {"places": [["https://h/alice/", 1]], "tokens": "t"}
    sealed = seal(data, "secret")
    assert unseal(sealed, "secret") == data
    assert seal(data, "secret") == sealed
    assert b"alice" not in bytes.fromhex(sealed)
    assert unseal(sealed, "other") == {}
    assert unseal(damage(sealed), "secret") == {}


def test_a_long_time_zone_is_read_in_no_time() -> None:
    """Once it took the square of its length: 60,000 spaces many seconds."""
    named = "BEGIN:VTIMEZONE\nTZID:" + " " * 60_000 + "x" + " " * 60_000 + "\r\n"
    found: list[re.Match[str] | None] = []
    taken = processor_seconds(
        lambda: found.extend((_TZID.search(named), _TZID.search("TZID:\nTZID:" + "\v" * 60_000)))
    )
    assert [match and match[1].strip() for match in found] == ["x", ""]
    assert taken < 1
