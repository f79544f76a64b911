"""A CalDAV server that means harm, or does not answer, to what publishes into it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.publishing import caldav, target
from calendar_timetable.publishing.publish import publish_into
from calendar_timetable.publishing.target import (
    DesiredEvent,
    ExistingEvent,
    Planned,
    PublishingFailed,
)
from calendar_timetable.runs.calendar_events import Site

SITE = Site("https://airflow.example.com", "0a1b2c3d")
UID = f"{'a' * 40}-{SITE.key}@calendar-timetable"
DESCRIBED = """<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:response>
<D:href>/runs/</D:href><D:propstat><D:prop><D:resourcetype><D:collection/><C:calendar/></D:resourcetype></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></D:multistatus>"""
EMPTY = '<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"/>'


class Hostile:
    """A server; ``asked`` is what it was asked, by method and path."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.redirects: dict[str, str] = {}  # by method
        self.drips: str = ""  # the method that is never answered in full
        self.stopped = threading.Event()
        hostile = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self) -> None:
                hostile.asked.append((self.command, self.path))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command in hostile.redirects:
                    self.send_response(307)
                    self.send_header("Location", hostile.redirects[self.command])
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                if self.command == hostile.drips:
                    self.wfile.write(b"HTTP/1.1 207 Multi-Status\r\n\r\n")
                    while not hostile.stopped.wait(0.1):
                        try:
                            self.wfile.write(b" ")
                        except OSError:
                            return
                    return
                body = {"PROPFIND": DESCRIBED, "REPORT": EMPTY}.get(self.command, "").encode()
                self.send_response(207 if body else 201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_PROPFIND = do_REPORT = do_PUT = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Hostile, Hostile]]:
    """The server of the Connection ``dav``, and one that only this host reaches."""
    found = Hostile(), Hostile()
    connection = {"conn_type": "caldav", "host": f"{found[0].address}/runs/"}
    monkeypatch.setenv("AIRFLOW_CONN_DAV", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "True")
    yield found
    for one in found:
        one.stop()


def published() -> Any:
    event = DesiredEvent(UID, "digest", "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")
    return publish_into("dav", SITE, [event], Planned(0))


def test_it_writes_where_it_may(two: tuple[Hostile, Hostile]) -> None:
    """That the tests below mean what they say."""
    assert published().written == 1
    assert ("PUT", f"/runs/calendar-timetable-{SITE.key}-{'a' * 40}.ics") in two[0].asked


@pytest.mark.parametrize("place", ["/index/_doc/1", "SAME"])
def test_nothing_is_written_where_a_server_points_to(
    two: tuple[Hostile, Hostile], place: str
) -> None:
    server, other = two
    server.redirects["PUT"] = "/elsewhere" if place == "SAME" else other.address + place
    with pytest.raises(PublishingFailed, match="HTTP 307: it redirects"):
        published()
    assert other.asked == []
    assert [path for method, path in server.asked if method == "PUT" and path == "/elsewhere"] == []


def test_nothing_is_removed_where_a_server_points_to(
    two: tuple[Hostile, Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = two
    server.redirects["DELETE"] = f"{other.address}/_all"
    kept = ExistingEvent(UID, "", 1.0, f"/runs/calendar-timetable-{SITE.key}-x.ics", '"1"')
    monkeypatch.setattr(caldav._Calendar, "existing_events", lambda _: iter([kept]))
    monkeypatch.setattr(target, "request_in_child", in_this_process)
    with pytest.raises(PublishingFailed, match="HTTP 307: it redirects"):
        publish_into("dav", SITE, [], Planned(0))
    assert other.asked == []


def test_a_report_stays_with_its_server(two: tuple[Hostile, Hostile]) -> None:
    server, other = two
    server.redirects["REPORT"] = f"{other.address}/runs/"
    with pytest.raises(PublishingFailed, match="HTTP 307: it redirects"):
        published()
    assert other.asked == []


def in_this_process(_: str, request: Any, body: bytes, __: float) -> tuple[Any, bytes]:
    from calendar_timetable.calendars.net.client import DownloadFailed

    told, rest = caldav._serve(request, body)
    if "error" in told:
        raise DownloadFailed(told["error"], told["status"])
    return told, rest


def test_a_server_that_drips_is_given_up(
    two: tuple[Hostile, Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then keeps every other clock from running out."""
    two[0].drips = "REPORT"
    monkeypatch.setattr(limits, "PUBLISH_SECONDS", 3.0)
    monkeypatch.setattr(target, "STARTING", 1.0)
    began = time.monotonic()
    with pytest.raises(PublishingFailed, match="the publishing was not done within 4 s"):
        published()
    assert time.monotonic() - began < 60


def test_what_there_was_no_time_for_is_left(
    two: tuple[Hostile, Hostile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PUBLISH_SECONDS", 0.0)
    assert published().left == 1
    assert [method for method, _ in two[0].asked if method == "PUT"] == []
