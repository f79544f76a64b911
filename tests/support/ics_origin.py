"""A web server that serves one calendar which a test edits.

It counts how often it is asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from tests.support.ics import feed
from tests.support.origin import Reply, serving


class IcsOrigin:
    """Serve ``/team.ics`` on a free port, with an ETag.

    Answers 304 to who has it already, and 503 while it is down.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.requests = 0
        self.not_modified = 0
        self.is_down = False
        self._body = b""
        self._open = ExitStack()
        origin = self._open.enter_context(serving(host=host))
        origin.reply = self._reply
        self.address = origin.url("/team.ics").partition("?")[0]
        self.serve([])

    def serve(self, events: Iterable[str]) -> None:
        """Let the calendar hold these events from now on (see :func:`event`)."""
        self._body = feed(*events)

    def __enter__(self) -> IcsOrigin:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _reply(self, request: BaseHTTPRequestHandler) -> Reply:
        body = self._body
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        self.requests += 1
        if self.is_down:
            return Reply(503)
        if request.headers.get("If-None-Match") == etag:
            self.not_modified += 1
            return Reply(304, {"ETag": etag})
        return Reply(200, {"Content-Type": "text/calendar; charset=utf-8", "ETag": etag}, body)


def event(uid: str, start: datetime, end: datetime, summary: str = "Busy") -> str:
    """Write one VEVENT, in UTC."""
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
