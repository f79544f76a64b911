"""WebDAV and CalDAV XML (RFC 4918, RFC 4791), and how a server is asked.

Answers are parsed with defusedxml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from calendar_timetable.calendars.net.client import Answer, DownloadFailed, HttpClient

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Providers that keep the calendars of an account on another host, by the host that users enter.
# Only these hosts get the credentials too: hosts that share a domain need not trust each other.
_PARTNERS = {"caldav.icloud.com": re.compile(r"p\d+-caldav\.icloud\.com")}
_NOT_SPOKEN = (405, 501)
_BUSY = (401, 408, 429, 502, 503, 504)  # asking in another way would get the same answer

DAV, CALDAV, SERVER = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}", "{http://calendarserver.org/ns/}"
_SPACES = (
    'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
)
_PROPERTIES = (
    "<D:resourcetype/><D:displayname/><D:sync-token/><D:current-user-principal/><S:getctag/>"
    "<C:calendar-home-set/><C:supported-calendar-component-set/><C:calendar-timezone/>"
    "<C:calendar-timezone-id/><C:calendar-availability/><C:schedule-inbox-URL/>"
)
_STATUS = re.compile(r"HTTP/[\d.]{1,5}\s{1,5}(\d{3})")
_TZID = re.compile(r"^TZID(?:;[^:\r\n]*)?:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def _document(name: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><{name} {_SPACES}>{content}</{name}>'


DESCRIBE = _document("D:propfind", f"<D:prop>{_PROPERTIES}</D:prop>")
_OBJECT = "<D:prop><D:getetag/><C:calendar-data/></D:prop>"


def query(kind: str, since: str, *, data: bool) -> str:
    """Return a calendar-query for components called *kind* (RFC 4791 section 7.8).

    It asks for those that touch the time from *since* on; an empty *since* means all. Series are
    never expanded by the server: their own times and zones come as they were written.
    """
    time = f'<C:time-range start="{since}"/>' if since else ""
    filters = (
        f'<C:comp-filter name="VCALENDAR"><C:comp-filter name="{kind}">{time}'
        "</C:comp-filter></C:comp-filter>"
    )
    properties = _OBJECT if data else "<D:prop><D:getetag/></D:prop>"
    return _document("C:calendar-query", f"{properties}<C:filter>{filters}</C:filter>")


def multiget(hrefs: Iterable[str]) -> str:
    """Return a calendar-multiget for the objects at *hrefs* (RFC 4791 section 7.9)."""
    listed = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    return _document("C:calendar-multiget", f"{_OBJECT}{listed}")


def changes(token: str) -> str:
    """Return a sync-collection for what changed since *token* (RFC 6578 section 3.2).

    An empty *token* asks for everything.
    """
    return _document(
        "D:sync-collection",
        f"<D:sync-token>{escape(token)}</D:sync-token><D:sync-level>1</D:sync-level>{_OBJECT}",
    )


def free_busy(start: str, end: str) -> str:
    """Return a free-busy-query from *start* to *end* (RFC 4791 section 7.10)."""
    return _document("C:free-busy-query", f'<C:time-range start="{start}" end="{end}"/>')


@dataclass(frozen=True, slots=True)
class Resource:
    """One response of a multistatus, with the properties that were found.

    ``status`` is the response's own or, where only its properties have one, 200 if any was found.
    """

    href: str = field(repr=False)
    status: int
    _found: dict[str, Element] = field(repr=False)

    def text(self, name: str) -> str:
        """Return the text of property *name*, or ``""``."""
        element = self._found.get(name)
        return "" if element is None else (element.text or "").strip()

    def hrefs(self, name: str) -> list[str]:
        """Return the addresses in property *name*."""
        element = self._found.get(name)
        elements = [] if element is None else element.findall(f"{DAV}href")
        return [text for href in elements if (text := (href.text or "").strip())]

    @property
    def is_calendar(self) -> bool:
        """Whether it is a calendar that may hold events (RFC 4791 sections 4.2 and 5.2.3)."""
        kind = self._found.get(f"{DAV}resourcetype")
        if kind is None or kind.find(f"{CALDAV}calendar") is None:
            return False
        listed = self._found.get(f"{CALDAV}supported-calendar-component-set")
        return listed is None or any(comp.get("name", "").upper() == "VEVENT" for comp in listed)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The components in it that take time.

        These are events, and others where it says that it may hold them.
        """
        listed = self._found.get(f"{CALDAV}supported-calendar-component-set")
        names = [] if listed is None else [comp.get("name", "").upper() for comp in listed]
        return ("VEVENT", *(name for name in ("VFREEBUSY", "VAVAILABILITY") if name in names))

    @property
    def tzid(self) -> str:
        """The zone for its dates and floating times; ``""`` if it names none.

        See RFC 7809 section 5.2 and RFC 4791 section 5.2.2.
        """
        match = _TZID.search(self.text(f"{CALDAV}calendar-timezone"))
        return self.text(f"{CALDAV}calendar-timezone-id") or (match[1].strip() if match else "")


@dataclass(frozen=True, slots=True)
class Multistatus:
    """The responses of a multistatus, and its sync-token.

    See RFC 4918 section 13 and RFC 6578 section 6.4.
    """

    resources: list[Resource]
    token: str = field(repr=False)


def multistatus(body: bytes) -> Multistatus:
    """Parse *body* as a multistatus; raise :class:`DownloadFailed` if it is something else."""
    root = _parse(body)
    if root is None:
        raise DownloadFailed("the answer's XML is broken or cut off")
    if root.tag != f"{DAV}multistatus":
        raise DownloadFailed("the answer is not one of CalDAV: is this a CalDAV address?")
    resources = [_resource(response) for response in root.findall(f"{DAV}response")]
    return Multistatus(resources, (root.findtext(f"{DAV}sync-token") or "").strip())


def conditions(body: bytes) -> frozenset[str]:
    """Return the names of the conditions that a refused request does not meet.

    They come without namespaces (RFC 4918 section 16).
    """
    root = _parse(body)
    if root is None or root.tag != f"{DAV}error":
        return frozenset()
    return frozenset(child.tag.rpartition("}")[2] for child in root)


def _parse(body: bytes) -> Element | None:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root: Element = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root


def _resource(response: Element) -> Resource:
    properties: dict[str, Element] = {}
    failed = 0
    for propstat in response.findall(f"{DAV}propstat"):
        status = _status(propstat)
        if 200 <= status < 300:
            properties.update(
                {prop.tag: prop for block in propstat.findall(f"{DAV}prop") for prop in block}
            )
        else:
            failed = status
    own_status = (
        _status(response)
        if response.find(f"{DAV}status") is not None
        else 200
        if properties
        else failed or 200
    )
    return Resource((response.findtext(f"{DAV}href") or "").strip(), own_status, properties)


def _status(element: Element) -> int:
    match = _STATUS.match((element.findtext(f"{DAV}status") or "").strip())
    return int(match[1]) if match else 500


class CalDavError(DownloadFailed):
    """The server does not do what it was asked.

    ``conditions`` are the names of the conditions that are not met.
    """

    def __init__(self, error: DownloadFailed, unmet: frozenset[str] = frozenset()) -> None:
        self.conditions = unmet
        super().__init__(str(error), error.status, error.retry_after)


class ResultTruncated(CalDavError):
    """The server sends only some of what it was asked for.

    See RFC 5323 section 5.17 and RFC 4791 section 7.8.
    """

    def __init__(self) -> None:
        super().__init__(
            DownloadFailed("the server sends only some of its events: set days_back", 507)
        )


class CalDavServer:
    """A server, asked with the credentials of one fetch."""

    def __init__(self, web: HttpClient, address: str) -> None:
        self._web = web
        self.address = address

    def propfind(self, url: str, depth: int) -> tuple[Multistatus, str]:
        """Return the resources at *url*, and the address where they were found.

        See RFC 4918 section 9.1. Raises :class:`DownloadFailed`.
        """
        answer = self._ask("PROPFIND", url, depth, DESCRIBE)
        if answer.status != 207:
            if answer.status < 400 or answer.status in _NOT_SPOKEN:
                reason = f"HTTP {answer.status}: the server speaks no CalDAV at this address"
                raise DownloadFailed(reason, answer.status)
            raise answer.refusal()
        return multistatus(answer.body), answer.url

    def report(self, url: str, depth: int, body: str) -> Multistatus:
        """Return the answer to a REPORT at *url* (RFC 3253 section 3.6).

        Raises :class:`CalDavError`, :class:`ResultTruncated`, and :class:`DownloadFailed` where
        another REPORT would not help.
        """
        answer = self._report(url, depth, body)
        if answer.status != 207:
            raise CalDavError(
                DownloadFailed(f"HTTP {answer.status}: the server speaks no CalDAV at this address")
            )
        return multistatus(answer.body)

    def text(self, url: str, depth: int, body: str) -> str:
        """Return the answer to a REPORT whose answer is a calendar; see :meth:`report`."""
        return self._report(url, depth, body).body.decode(errors="replace")

    def _report(self, url: str, depth: int, body: str) -> Answer:
        answer = self._ask("REPORT", url, depth, body)
        if answer.status >= 400:
            if answer.status in _BUSY:
                raise answer.refusal()
            unmet = conditions(answer.body)
            if answer.status == 507 or "number-of-matches-within-limits" in unmet:
                raise ResultTruncated
            raise CalDavError(answer.refusal(), unmet)
        return answer

    def _ask(self, method: str, url: str, depth: int, body: str) -> Answer:
        if self.is_partner(url):
            self._web.trust(url)
        headers = {
            "Depth": str(depth),
            "Content-Type": "application/xml; charset=utf-8",
            "User-Agent": _agent(),
        }
        return self._web.ask(url, headers, method, body.encode())

    def resolve_href(self, url: str, href: str) -> str:
        """Return the address that *href*, found at *url*, leads to.

        On the same host only its path is believed, as the server may be behind a proxy. Another
        host has to be a partner (:meth:`is_partner`), else :class:`DownloadFailed` is raised.
        """
        target, base = urlsplit(urljoin(url, href)), urlsplit(url)
        if target.hostname != base.hostname:
            address = urlunsplit(target._replace(fragment=""))
            if not self.is_partner(address):
                raise DownloadFailed("its calendars are on another host: give their address there")
            return address
        return urlunsplit(target._replace(scheme=base.scheme, netloc=base.netloc, fragment=""))

    def is_partner(self, url: str) -> bool:
        """Tell whether *url* is on a host of the same provider that gets the credentials too."""
        home, other = urlsplit(self.address), urlsplit(url)
        partner = _PARTNERS.get(home.hostname or "")
        if partner is None or (home.scheme, other.scheme) != ("https", "https"):
            return False
        return other.port in (None, 443) and partner.fullmatch(other.hostname or "") is not None


def path_of(url: str) -> str:
    """Return the path of *url*, decoded and without a slash at its end.

    It tells a resource from others of its server, however its address is written.
    """
    return unquote(urlsplit(url).path).rstrip("/")


def _agent() -> str:
    from calendar_timetable._version import __version__

    return f"calendar-timetable/{__version__}"
