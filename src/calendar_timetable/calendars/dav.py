"""A CalDAV account read where it can be killed: ``python -m calendar_timetable.calendars.dav``.

One process finds the calendars, asks whether they changed and, only then, reads them: RFC 4791, with the
discovery of RFC 6764 and the tokens of RFC 6578 (or the older ctag).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.children import Message, answer
from calendar_timetable.calendars.davxml import CALDAV, DAV, DESCRIBE, SERVER, Resource, multistatus, query
from calendar_timetable.calendars.feedzones import named_zone
from calendar_timetable.calendars.transport import DownloadFailed, Web, served

_BEGIN, _END = "BEGIN:VCALENDAR", "END:VCALENDAR"
_BROKEN = f"{_BEGIN}\r\nBEGIN:VEVENT\r\n{_END}\r\n"  # stands for an event that was not sent: it is quarantined
_EVENT = re.compile(r"^BEGIN:VEVENT[ \t]*\r?\n.*?^END:VEVENT[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE | re.DOTALL)
_GONE = (403, 404, 405, 410)
Place = tuple[str, int]  # an address and the depth to which it is asked


@dataclass(frozen=True, slots=True)
class _Calendar:
    url: str = field(repr=False)
    name: str
    token: str = field(repr=False)  # changes whenever an event does
    zone: str


class _Account:
    """What a server shows to those who have its credentials."""

    def __init__(self, web: Web, request: Message) -> None:
        self.web = web
        self.address: str = request["url"]
        self.wanted: list[str] = request["calendars"]
        self.since: str = request["since"]

    def propfind(self, url: str, depth: int) -> tuple[list[Resource], str]:
        """The resources at *url*, with the address they were found at (RFC 4918 section 9.1)."""
        return self._ask("PROPFIND", url, depth, DESCRIBE)

    def _ask(self, method: str, url: str, depth: int, body: str) -> tuple[list[Resource], str]:
        headers = {"Depth": str(depth), "Content-Type": "application/xml; charset=utf-8", "User-Agent": _agent()}
        found = self.web.ask(url, headers, method, body.encode())
        if found.status != 207:
            if found.status < 400 or found.status in (405, 501):
                reason = f"HTTP {found.status}: the server speaks no CalDAV at this address"
                raise DownloadFailed(reason, found.status)
            raise found.refusal()
        return multistatus(found.body), found.url

    # --- which calendars --------------------------------------------------------------------------

    def find(self) -> list[Place]:
        """Where the calendars are listed (RFC 6764 section 6): a calendar itself, or the homes of a principal."""
        named = [entry for entry in self.wanted if not _is_address(entry)]
        direct = [(_beside(self.address, entry), 0) for entry in self.wanted if _is_address(entry)]
        return [*(self._homes() if named or not direct else []), *direct]

    def _homes(self) -> list[Place]:
        (resource, *_), url = self._start()
        if resource.is_calendar:
            return [(url, 0)]
        homes = resource.hrefs(f"{CALDAV}calendar-home-set")
        if not homes and self._list((url, 1)):
            return [(url, 1)]
        for principal in [] if homes else resource.hrefs(f"{DAV}current-user-principal"):
            (found, *_), url = self.propfind(_beside(url, principal), 0)
            homes = found.hrefs(f"{CALDAV}calendar-home-set")
        if not homes:
            raise DownloadFailed("no calendars are found from this address: give that of the calendar itself")
        return [(_beside(url, home), 1) for home in homes]

    def _start(self) -> tuple[list[Resource], str]:
        """The address itself; of a bare server, what its well-known address leads to (RFC 6764 section 5)."""
        if not urlsplit(self.address).path.strip("/"):
            try:
                found, url = self.propfind(urljoin(self.address, "/.well-known/caldav"), 0)
            except DownloadFailed as error:
                if error.status not in (*_GONE, 400, 501):
                    raise
            else:
                if found:
                    return found, url
        found, url = self.propfind(self.address, 0)
        if not found:
            raise DownloadFailed("the server tells nothing of this address")
        return found, url

    def _list(self, place: Place) -> list[_Calendar]:
        found, url = self.propfind(*place)
        return [_calendar(resource, _beside(url, resource.href)) for resource in found if resource.is_calendar]

    def choose(self, places: list[Place]) -> list[_Calendar]:
        """The calendars wanted, of those that *places* list."""
        found = {_path(calendar.url): calendar for place in places for calendar in self._list(place)}
        if not self.wanted:
            if not found:
                raise DownloadFailed("it has no calendars that hold events: were they removed?")
            return [found[path] for path in sorted(found)]
        chosen = {}
        for entry in self.wanted:
            path = _path(_beside(self.address, entry)) if _is_address(entry) else ""
            fitting = [key for key, c in found.items() if key == path or c.name.casefold() == entry.casefold()]
            if len(fitting) != 1:
                shown = "one of the addresses in 'calendars'" if path else f"{entry!r}"
                remedy = "give their addresses instead" if fitting else "was it renamed or removed?"
                raise DownloadFailed(f"{len(fitting) or 'no'} calendars are called {shown}: {remedy}")
            chosen[fitting[0]] = found[fitting[0]]
        return [chosen[path] for path in sorted(chosen)]

    def tokens(self, calendars: list[_Calendar]) -> str:
        """What changes when any event does: of servers without tokens, the events' own ETags."""
        known = []
        for calendar in calendars:
            token: object = calendar.token
            if not token:
                found, _ = self._ask("REPORT", calendar.url, 1, query(self.since, data=False))
                token = sorted((resource.href, resource.text(f"{DAV}getetag")) for resource in found)
            known.append((_path(calendar.url), token, calendar.zone))
        return hashlib.sha256(json.dumps([self.since, known]).encode()).hexdigest()

    # --- what they hold ---------------------------------------------------------------------------

    def read(self, calendar: _Calendar) -> str:
        """All events of *calendar* as VCALENDARs: an empty one for itself, then one for all that differ in events only.

        So a VTIMEZONE that comes with each event is read once. No two events in a calendar share a UID
        (RFC 4791 section 4.1).
        """
        head = f"X-WR-TIMEZONE:{calendar.zone}\r\n" if calendar.zone else ""
        parts = [f"{_BEGIN}\r\nVERSION:2.0\r\n{head}{_END}\r\n"]
        groups: dict[str, list[str]] = defaultdict(list)
        found, url = self._ask("REPORT", calendar.url, 1, query(self.since, data=True))
        for resource in sorted(found, key=lambda one: one.href):
            if resource.status == 507 or (resource.status != 200 and _path(urljoin(url, resource.href)) == _path(url)):
                raise DownloadFailed("the server sends only some of its events: set days_back", resource.status)
            if resource.status == 404:  # removed a moment ago
                continue
            whole = _whole(resource.text(f"{CALDAV}calendar-data"), head)
            events = _EVENT.findall(whole)
            if events:
                groups[_EVENT.sub("", whole)] += events
            else:
                parts.append(whole)
        parts += [f"{frame.rstrip()[: -len(_END)]}{''.join(events)}{_END}\r\n" for frame, events in groups.items()]
        return "".join(parts)


def _calendar(resource: Resource, url: str) -> _Calendar:
    token = resource.text(f"{SERVER}getctag") or resource.text(f"{DAV}sync-token")
    zone = named_zone(resource.tzid) if resource.tzid else None
    return _Calendar(url, resource.text(f"{DAV}displayname"), token, zone.key if zone else "")


def _whole(data: str, head: str) -> str:
    """One calendar object, in the zone of its calendar if it names none."""
    upper = data[:100].upper(), data[-100:].upper()
    if not upper[0].startswith(_BEGIN) or not upper[1].endswith(_END):
        return _BROKEN
    head = "" if "X-WR-TIMEZONE" in data else head
    return f"{_BEGIN}\r\n{head}{data[len(_BEGIN) :].lstrip()}\r\n"


def _is_address(entry: str) -> bool:
    return "/" in entry


def _beside(url: str, href: str) -> str:
    """*href* as found at *url*, on the same host: of a server behind a proxy only the path is believed."""
    target, base = urlsplit(urljoin(url, href)), urlsplit(url)
    if target.hostname != base.hostname:
        raise DownloadFailed("its calendars are on another host: give their address there")
    return urlunsplit(target._replace(scheme=base.scheme, netloc=base.netloc, fragment=""))


def _path(url: str) -> str:
    return unquote(urlsplit(url).path).rstrip("/")


def _agent() -> str:
    from calendar_timetable import __version__

    return f"calendar-timetable/{__version__}"


def _read(web: Web, request: Message) -> tuple[Message, bytes]:
    account = _Account(web, request)
    known = request["known"]
    places: list[Place] = [(url, depth) for url, depth in known.get("places", ())]
    try:
        calendars = account.choose(places) if places else []
    except DownloadFailed as error:
        if error.status not in _GONE:
            raise
        calendars = []  # it has moved: find it anew
    if not calendars:
        places = account.find()
        calendars = account.choose(places)
    tokens = account.tokens(calendars)
    message: Message = {"unchanged": tokens == known.get("tokens"), "known": {"places": places, "tokens": tokens}}
    if message["unchanged"]:
        return message, b""
    return message, "".join(map(account.read, calendars)).encode()


def _serve(request: Message, _: bytes) -> tuple[Message, bytes]:
    return served(_read, request)


if __name__ == "__main__":
    answer(_serve, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
