"""What WebDAV and CalDAV say in XML (RFC 4918, RFC 4791), read with defusedxml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING

from calendar_timetable.calendars.net.client import DownloadFailed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DAV, CALDAV, SERVER = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}", "{http://calendarserver.org/ns/}"
_SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
_PROPERTIES = (
    "<D:resourcetype/><D:displayname/><D:sync-token/><D:current-user-principal/><S:getctag/>"
    "<C:calendar-home-set/><C:supported-calendar-component-set/><C:calendar-timezone/><C:calendar-timezone-id/>"
    "<C:calendar-availability/><C:schedule-inbox-URL/>"
)
_STATUS = re.compile(r"HTTP/[\d.]{1,5}\s{1,5}(\d{3})")
_TZID = re.compile(r"^TZID(?:;[^:\r\n]*)?:([^\r\n]+)", re.IGNORECASE | re.MULTILINE)


def _document(name: str, content: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><{name} {_SPACES}>{content}</{name}>'


DESCRIBE = _document("D:propfind", f"<D:prop>{_PROPERTIES}</D:prop>")
_OBJECT = "<D:prop><D:getetag/><C:calendar-data/></D:prop>"


def query(kind: str, since: str, *, data: bool) -> str:
    """A calendar-query for components called *kind* (RFC 4791 section 7.8), those that touch the time from *since* on.

    Series are never expanded by the server: their own times and zones come as they were written.
    """
    time = f'<C:time-range start="{since}"/>' if since else ""
    wanted = f'<C:comp-filter name="VCALENDAR"><C:comp-filter name="{kind}">{time}</C:comp-filter></C:comp-filter>'
    asked = _OBJECT if data else "<D:prop><D:getetag/></D:prop>"
    return _document("C:calendar-query", f"{asked}<C:filter>{wanted}</C:filter>")


def multiget(hrefs: Iterable[str]) -> str:
    """The objects at *hrefs* (RFC 4791 section 7.9)."""
    listed = "".join(f"<D:href>{escape(href)}</D:href>" for href in hrefs)
    return _document("C:calendar-multiget", f"{_OBJECT}{listed}")


def changes(token: str) -> str:
    """What changed since *token*, everything when it is empty: a sync-collection (RFC 6578 section 3.2)."""
    return _document(
        "D:sync-collection",
        f"<D:sync-token>{escape(token)}</D:sync-token><D:sync-level>1</D:sync-level>{_OBJECT}",
    )


def free_busy(start: str, end: str) -> str:
    """A free-busy-query (RFC 4791 section 7.10)."""
    return _document("C:free-busy-query", f'<C:time-range start="{start}" end="{end}"/>')


@dataclass(frozen=True, slots=True)
class Resource:
    """One response of a multistatus: its own status, 200 where its properties tell, and those found."""

    href: str = field(repr=False)
    status: int
    _found: dict[str, Element] = field(repr=False)

    def text(self, name: str) -> str:
        """The text of property *name*, or ``""``."""
        element = self._found.get(name)
        return "" if element is None else (element.text or "").strip()

    def hrefs(self, name: str) -> list[str]:
        """The addresses in property *name*."""
        element = self._found.get(name)
        found = [] if element is None else element.findall(f"{DAV}href")
        return [text for href in found if (text := (href.text or "").strip())]

    @property
    def is_calendar(self) -> bool:
        """Whether it is a calendar collection that may hold events (RFC 4791 sections 4.2 and 5.2.3)."""
        kind = self._found.get(f"{DAV}resourcetype")
        if kind is None or kind.find(f"{CALDAV}calendar") is None:
            return False
        listed = self._found.get(f"{CALDAV}supported-calendar-component-set")
        return listed is None or any(comp.get("name", "").upper() == "VEVENT" for comp in listed)

    @property
    def is_inbox(self) -> bool:
        """Whether it is where invitations arrive (RFC 6638 section 2.2), which keeps a person's availability."""
        kind = self._found.get(f"{DAV}resourcetype")
        return kind is not None and kind.find(f"{CALDAV}schedule-inbox") is not None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The components in it that take time: events, and others where it says that it may hold them."""
        listed = self._found.get(f"{CALDAV}supported-calendar-component-set")
        names = [] if listed is None else [comp.get("name", "").upper() for comp in listed]
        return ("VEVENT", *(name for name in ("VFREEBUSY", "VAVAILABILITY") if name in names))

    @property
    def tzid(self) -> str:
        """Its zone for dates and floating times (RFC 7809 section 5.2, RFC 4791 section 5.2.2)."""
        match = _TZID.search(self.text(f"{CALDAV}calendar-timezone"))
        return self.text(f"{CALDAV}calendar-timezone-id") or (match[1].strip() if match else "")


@dataclass(frozen=True, slots=True)
class Multistatus:
    """The responses of a multistatus (RFC 4918 section 13) and its sync-token (RFC 6578 section 6.4)."""

    resources: list[Resource]
    token: str = field(repr=False)


def multistatus(body: bytes) -> Multistatus:
    """*body*, read; :class:`DownloadFailed` if it is something else."""
    root = _parse(body)
    if root is None:
        raise DownloadFailed("the answer's XML is broken or cut off")
    if root.tag != f"{DAV}multistatus":
        raise DownloadFailed("the answer is not one of CalDAV: is this a CalDAV address?")
    resources = [_resource(response) for response in root.findall(f"{DAV}response")]
    return Multistatus(resources, (root.findtext(f"{DAV}sync-token") or "").strip())


def conditions(body: bytes) -> frozenset[str]:
    """The names of the conditions that a refused request does not meet (RFC 4918 section 16), without namespaces."""
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
    found: dict[str, Element] = {}
    failed = 0
    for propstat in response.findall(f"{DAV}propstat"):
        status = _status(propstat)
        if 200 <= status < 300:
            found.update({prop.tag: prop for block in propstat.findall(f"{DAV}prop") for prop in block})
        else:
            failed = status
    own = _status(response) if response.find(f"{DAV}status") is not None else 200 if found else failed or 200
    return Resource((response.findtext(f"{DAV}href") or "").strip(), own, found)


def _status(element: Element) -> int:
    match = _STATUS.match((element.findtext(f"{DAV}status") or "").strip())
    return int(match[1]) if match else 500
