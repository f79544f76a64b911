"""What WebDAV and CalDAV say in XML (RFC 4918, RFC 4791), read with defusedxml."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from calendar_timetable.calendars.transport import DownloadFailed

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DAV, CALDAV, SERVER = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}", "{http://calendarserver.org/ns/}"
_SPACES = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
_PROPERTIES = (
    "<D:resourcetype/><D:displayname/><D:sync-token/><D:current-user-principal/><S:getctag/>"
    "<C:calendar-home-set/><C:supported-calendar-component-set/><C:calendar-timezone/><C:calendar-timezone-id/>"
)
DESCRIBE = f'<?xml version="1.0" encoding="utf-8"?><D:propfind {_SPACES}><D:prop>{_PROPERTIES}</D:prop></D:propfind>'
_STATUS = re.compile(r"HTTP/\S+\s+(\d{3})")
_TZID = re.compile(r"^TZID(?:;[^:\r\n]*)?:(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


def query(since: str, *, data: bool) -> str:
    """A calendar-query for events (RFC 4791 section 7.8), those that touch the time from *since* on.

    Series are never expanded by the server: their own times and zones come as they were written.
    """
    wanted = "<D:getetag/><C:calendar-data/>" if data else "<D:getetag/>"
    time = f'<C:time-range start="{since}"/>' if since else ""
    events = f'<C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT">{time}</C:comp-filter></C:comp-filter>'
    return (
        f'<?xml version="1.0" encoding="utf-8"?><C:calendar-query {_SPACES}>'
        f"<D:prop>{wanted}</D:prop><C:filter>{events}</C:filter></C:calendar-query>"
    )


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
    def tzid(self) -> str:
        """Its zone for dates and floating times (RFC 7809 section 5.2, RFC 4791 section 5.2.2)."""
        match = _TZID.search(self.text(f"{CALDAV}calendar-timezone"))
        return self.text(f"{CALDAV}calendar-timezone-id") or (match[1] if match else "")


def multistatus(body: bytes) -> list[Resource]:
    """The responses in *body* (RFC 4918 section 13)."""
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise DownloadFailed("the answer's XML is broken or cut off") from None
    if root.tag != f"{DAV}multistatus":
        raise DownloadFailed("the answer is not one of CalDAV: is this a CalDAV address?")
    return [_resource(response) for response in root.findall(f"{DAV}response")]


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
