"""Publish into a CalDAV calendar (RFC 4791), in a child process that can be killed.

The process runs ``python -m calendar_timetable.publishing.caldav``. An event is ours by the name of
its resource and by its UID, which clients keep (RFC 4791 section 4.1), not by properties of ours,
which they may drop. ETags guard every change.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message, serve_child
from calendar_timetable.calendars.net.client import (
    DownloadFailed,
    HttpClient,
    request_options,
    serve,
)
from calendar_timetable.calendars.sources.caldav import CalDavSource
from calendar_timetable.calendars.sources.caldav_discovery import Account
from calendar_timetable.calendars.sources.caldav_protocol import (
    CALDAV,
    DAV,
    CalDavServer,
    multiget,
    path_of,
    query,
)
from calendar_timetable.publishing.target import (
    DIGEST,
    PUBLISHED_START,
    STARTING,
    DesiredEvent,
    ExistingEvent,
    Mode,
    Planned,
    PublishResult,
    Shown,
    owns,
    publish_body,
    publish_in_child,
    published_start,
    read_object,
)

if TYPE_CHECKING:
    from calendar_timetable.runs.calendar_events import Site

_EVENTS_AT_ONCE = 50  # that one request reads
_MAX_BYTES = 200 * 1024 * 1024  # of all answers of one publishing
# Precondition Failed (RFC 9110 section 15.5.13): the event is not any more what it was when read.
_CHANGED = 412
_FOLD = re.compile(r"\r?\n[ \t]")


def publishing(
    source: CalDavSource,
    site: Site,
    events: Sequence[DesiredEvent],
    planned: Planned,
    mode: Mode,
    seconds: float,
) -> PublishResult:
    """Make the one calendar of *source* hold *events*, or raise :class:`DownloadFailed`.

    See :func:`~calendar_timetable.publishing.target.publish`.
    """
    request = {
        **request_options(source.url, source.access),
        "calendars": list(source.calendars),
        "bytes": _MAX_BYTES,
        "site": site.key,
    }
    return publish_in_child(__name__, request, events, planned, mode, seconds)


# --- the child's side -----------------------------------------------------------------------------


def work(body: bytes, web: HttpClient, request: Message) -> tuple[Message, bytes]:
    """Publish the events in *body*; return the :class:`PublishResult` as a dict, and no body.

    Raise :class:`DownloadFailed` unless exactly one calendar is found.
    """
    until = time.monotonic() + request["seconds"]
    server = CalDavServer(web, request["url"])
    account = Account(server, request["calendars"])
    calendars = account.choose(account.find())
    if len(calendars) != 1:
        raise DownloadFailed(
            f"{len(calendars)} calendars are there: name the one to write in 'calendars'"
        )
    target = _Calendar(web, server, calendars[0].url, request["site"], until)
    return publish_body(target, request, body)


class _Calendar:
    """The calendar at *url* as a target; nothing is changed after *until*, in monotonic seconds."""

    def __init__(
        self, web: HttpClient, server: CalDavServer, url: str, site: str, until: float
    ) -> None:
        self._web, self._server, self._url, self._site = web, server, url.rstrip("/") + "/", site
        self._until = until
        self._prefix = f"calendar-timetable-{site}-"

    def existing_events(self) -> Iterator[ExistingEvent]:
        resources = self._server.report(self._url, 1, query("VEVENT", "", data=False)).resources
        hrefs = [
            resource.href
            for resource in resources
            if path_of(resource.href).rpartition("/")[2].startswith(self._prefix)
        ]
        for first in range(0, len(hrefs), _EVENTS_AT_ONCE):
            for resource in self._server.report(
                self._url, 1, multiget(hrefs[first : first + _EVENTS_AT_ONCE])
            ).resources:
                body, etag = resource.text(f"{CALDAV}calendar-data"), resource.text(f"{DAV}getetag")
                existing = (
                    _read_existing(body, self._site, resource.href, etag)
                    if resource.status == 200 and etag
                    else None
                )
                if existing is not None:
                    yield existing

    def shown_of(self, event: DesiredEvent) -> Shown | None:
        return read_object(event.body).shown

    def write(self, event: DesiredEvent, existing: ExistingEvent | None) -> bool:
        place = existing.place if existing else self._prefix + event.uid.partition("-")[0] + ".ics"
        guard = {"If-None-Match": "*"} if existing is None else {"If-Match": existing.etag}
        headers = {**guard, "Content-Type": "text/calendar; charset=utf-8"}
        return self._change("PUT", place, headers, event.body.encode())

    def remove(self, existing: ExistingEvent) -> bool:
        return self._change("DELETE", existing.place, {"If-Match": existing.etag})

    def _change(
        self, method: str, place: str, headers: dict[str, str], body: bytes | None = None
    ) -> bool:
        """Send a change that *headers* guard; return whether it is made, or the event is gone."""
        if time.monotonic() >= self._until:
            return False
        url = self._server.resolve_href(self._url, urljoin(self._url, place))
        answer = self._web.ask(url, headers, method, body)
        # Somebody else was faster: a changed event is left to the next time, a deleted one is gone.
        if answer.status == _CHANGED or (method == "DELETE" and answer.status == 404):
            return answer.status == 404
        if answer.status not in (200, 201, 204):
            raise answer.refusal()
        return True


def _read_existing(body: str, site: str, place: str, etag: str) -> ExistingEvent | None:
    """Return the event of *site* in *body*; ``None`` where it is anybody else's or unreadable."""
    uid, shown, title = read_object(body)
    if not owns(site, uid):
        return None
    start = published_start(_property(PUBLISHED_START, body), shown)
    return ExistingEvent(uid, _property(DIGEST, body), start, place, etag, shown, title)


def _property(name: str, body: str) -> str:
    """Return the value of the property called *name* in *body*, or ``""``."""
    pattern = rf"^{name}(?:;[^:\r\n]*)?:([^\r\n]*)"
    match = re.search(pattern, _FOLD.sub("", body), re.IGNORECASE | re.MULTILINE)
    return match[1].strip() if match else ""


def _serve(request: Message, body: bytes) -> tuple[Message, bytes]:
    return serve(partial(work, body), request)


if __name__ == "__main__":
    serve_child(_serve, limits.EXPAND_MEMORY, limits.PUBLISH_SECONDS + STARTING)
