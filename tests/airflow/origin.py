"""A web server that serves one calendar which a test edits, and that counts how often it is asked."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class IcsOrigin:
    """Serves ``/team.ics`` on a free port, with an ETag; answers 304 to who has it already, and 503 while it is down."""

    def __init__(self) -> None:
        self.requests = 0
        self.not_modified = 0
        self.is_down = False
        self._body = b""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.address = f"http://127.0.0.1:{self._server.server_port}/team.ics"
        self.serve([])

    def serve(self, events: Iterable[str]) -> None:
        """From now on the calendar holds these events (see :func:`event`)."""
        lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", *events, "END:VCALENDAR", ""]
        self._body = "\r\n".join(lines).encode()

    def __enter__(self) -> IcsOrigin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(origin) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - "self" is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = origin._body
                etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
                origin.requests += 1
                if origin.is_down:
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
                    return
                if self.headers.get("If-None-Match") == etag:
                    origin.not_modified += 1
                    self.send_response(HTTPStatus.NOT_MODIFIED)
                    self.send_header("ETag", etag)
                    self.end_headers()
                    return
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "text/calendar; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("ETag", etag)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing: a test's output is for the test."""

        return Handler


def event(uid: str, start: datetime, end: datetime, summary: str = "Busy") -> str:
    """One VEVENT, in UTC."""
    return "\r\n".join(
        [
            "BEGIN:VEVENT",
            f"UID:{uid}",
            f"DTSTAMP:{_utc(start)}",
            f"DTSTART:{_utc(start)}",
            f"DTEND:{_utc(end)}",
            f"SUMMARY:{summary}",
            "END:VEVENT",
        ]
    )


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
