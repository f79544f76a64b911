"""A CalDAV calendar to publish into (RFC 4791): our events have names of their own, and ETags guard every change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urljoin

from icalendar import Calendar

from calendar_timetable.calendars.caldav import CalDavSource
from calendar_timetable.calendars.children import Message
from calendar_timetable.calendars.davfind import Account
from calendar_timetable.calendars.davserver import Server, path_of
from calendar_timetable.calendars.davxml import CALDAV, DAV, multiget, query
from calendar_timetable.calendars.transport import DownloadFailed, Web, served, terms
from calendar_timetable.web.events import Site
from calendar_timetable.web.target import DIGEST, Kept, Target, Wanted

T = TypeVar("T")
_AT_ONCE = 50
_BYTES = 200 * 1024 * 1024  # of all answers of one publishing
_CHANGED = 412  # RFC 9110 section 15.5.13: it is not what it was any more


def publishing(source: CalDavSource, site: Site, work: Callable[[Target], T]) -> T:
    """What *work* gives with the one calendar of *source*; :class:`DownloadFailed`."""
    result: list[T] = []

    def serve(web: Web, request: Message) -> tuple[Message, bytes]:
        server = Server(web, request["url"])
        account = Account(server, request["calendars"])
        found = account.choose(account.find())
        if len(found) != 1:
            raise DownloadFailed(f"{len(found)} calendars are there: name the one to write in 'calendars'")
        result.append(work(_Calendar(web, server, found[0].url, site)))
        return {}, b""

    request = {**terms(source.url, source.access), "calendars": list(source.calendars), "bytes": _BYTES}
    answer, _ = served(serve, request)
    if not result:
        raise DownloadFailed(answer["error"])
    return result[0]


class _Calendar:
    def __init__(self, web: Web, server: Server, url: str, site: Site) -> None:
        self._web, self._server, self._url, self._site = web, server, url.rstrip("/") + "/", site
        self._prefix = f"calendar-timetable-{site.key}-"

    def kept(self) -> Iterator[Kept]:
        listed = self._server.report(self._url, 1, query("VEVENT", "", data=False)).resources
        ours = [one.href for one in listed if path_of(one.href).rpartition("/")[2].startswith(self._prefix)]
        for first in range(0, len(ours), _AT_ONCE):
            for one in self._server.report(self._url, 1, multiget(ours[first : first + _AT_ONCE])).resources:
                body, etag = one.text(f"{CALDAV}calendar-data"), one.text(f"{DAV}getetag")
                kept = _read_kept(body, self._site, one.href, etag) if one.status == 200 and etag else None
                if kept is not None:
                    yield kept

    def write(self, event: Wanted, kept: Kept | None) -> bool:
        place = self._prefix + event.uid.partition("-")[0] + ".ics" if kept is None else kept.place
        guard = {"If-None-Match": "*"} if kept is None else {"If-Match": kept.etag}
        headers = {**guard, "Content-Type": "text/calendar; charset=utf-8"}
        return self._change("PUT", place, headers, event.body.encode())

    def remove(self, kept: Kept) -> bool:
        return self._change("DELETE", kept.place, {"If-Match": kept.etag})

    def _change(self, method: str, place: str, headers: dict[str, str], body: bytes | None = None) -> bool:
        url = self._server.beside(self._url, urljoin(self._url, place))
        answer = self._web.ask(url, headers, method, body)
        if answer.status == _CHANGED or (method == "DELETE" and answer.status == 404):
            return answer.status == 404
        if answer.status not in (200, 201, 204):
            raise answer.refusal()
        return True


def _read_kept(body: str, site: Site, place: str, etag: str) -> Kept | None:
    """The event of *site* in *body*; ``None`` where it is anybody else's."""
    try:
        whole: Any = Calendar.from_ical(body.encode())
        (event,) = whole.walk("VEVENT")
        uid, digest, start = str(event["UID"]), str(event[DIGEST]), event.decoded("DTSTART")
    except (KeyError, ValueError):
        return None
    if not site.owns(uid) or not isinstance(start, datetime) or start.tzinfo is None:
        return None
    return Kept(uid, digest, start.timestamp(), place, etag)
