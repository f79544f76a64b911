"""Questions to a CalDAV server, and its addresses: which of them are believed, and who gets the credentials."""

from __future__ import annotations

import re
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from calendar_timetable.calendars.net.client import Answer, DownloadFailed, Web
from calendar_timetable.calendars.sources.caldav_protocol import DESCRIBE, Multistatus, conditions, multistatus

# Providers that keep the calendars of one account on another host, told by the host that people write. Only these
# get the credentials too: hosts that share a domain need not trust each other.
_PARTNERS = {"caldav.icloud.com": re.compile(r"p\d+-caldav\.icloud\.com")}
_NOT_SPOKEN = (405, 501)
_BUSY = (401, 408, 429, 502, 503, 504)  # another question would get the same answer


class Refused(DownloadFailed):
    """The server does not do what it was asked; ``conditions`` are the names of those that are not met."""

    def __init__(self, error: DownloadFailed, unmet: frozenset[str] = frozenset()) -> None:
        self.conditions = unmet
        super().__init__(str(error), error.status, error.retry_after)


class TooMany(Refused):
    """The server sends only some of what it was asked for (RFC 5323 section 5.17, RFC 4791 section 7.8)."""

    def __init__(self) -> None:
        super().__init__(DownloadFailed("the server sends only some of its events: set days_back", 507))


class Server:
    """A server as asked by those who have its credentials."""

    def __init__(self, web: Web, address: str) -> None:
        self._web = web
        self.address = address

    def propfind(self, url: str, depth: int) -> tuple[Multistatus, str]:
        """The resources at *url*, with the address they were found at (RFC 4918 section 9.1)."""
        found = self._ask("PROPFIND", url, depth, DESCRIBE)
        if found.status != 207:
            if found.status < 400 or found.status in _NOT_SPOKEN:
                reason = f"HTTP {found.status}: the server speaks no CalDAV at this address"
                raise DownloadFailed(reason, found.status)
            raise found.refusal()
        return multistatus(found.body), found.url

    def report(self, url: str, depth: int, body: str) -> Multistatus:
        """The answer to a REPORT at *url* (RFC 3253 section 3.6); :class:`Refused`, :class:`TooMany`."""
        found = self._report(url, depth, body)
        if found.status != 207:
            raise Refused(DownloadFailed(f"HTTP {found.status}: the server speaks no CalDAV at this address"))
        return multistatus(found.body)

    def text(self, url: str, depth: int, body: str) -> str:
        """The same where the answer is a calendar."""
        return self._report(url, depth, body).body.decode(errors="replace")

    def _report(self, url: str, depth: int, body: str) -> Answer:
        found = self._ask("REPORT", url, depth, body)
        if found.status >= 400:
            if found.status in _BUSY:
                raise found.refusal()
            unmet = conditions(found.body)
            if found.status == 507 or "number-of-matches-within-limits" in unmet:
                raise TooMany
            raise Refused(found.refusal(), unmet)
        return found

    def _ask(self, method: str, url: str, depth: int, body: str) -> Answer:
        if self.is_partner(url):
            self._web.trust(url)
        headers = {"Depth": str(depth), "Content-Type": "application/xml; charset=utf-8", "User-Agent": _agent()}
        return self._web.ask(url, headers, method, body.encode())

    def beside(self, url: str, href: str) -> str:
        """*href* as found at *url*, on the same host: of a server behind a proxy only the path is believed."""
        target, base = urlsplit(urljoin(url, href)), urlsplit(url)
        if target.hostname != base.hostname:
            there = urlunsplit(target._replace(fragment=""))
            if not self.is_partner(there):
                raise DownloadFailed("its calendars are on another host: give their address there")
            return there
        return urlunsplit(target._replace(scheme=base.scheme, netloc=base.netloc, fragment=""))

    def is_partner(self, url: str) -> bool:
        """Whether *url* is on a host of the same provider that gets the credentials too."""
        home, there = urlsplit(self.address), urlsplit(url)
        partner = _PARTNERS.get(home.hostname or "")
        if partner is None or (home.scheme, there.scheme) != ("https", "https"):
            return False
        return there.port in (None, 443) and partner.fullmatch(there.hostname or "") is not None


def path_of(url: str) -> str:
    """What tells a resource from others of its server, however its address is written."""
    return unquote(urlsplit(url).path).rstrip("/")


def _agent() -> str:
    from calendar_timetable._version import __version__

    return f"calendar-timetable/{__version__}"
