"""Which calendars an address leads to, and which of them are wanted.

See RFC 6764, RFC 4791 and RFC 5397.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urljoin

from calendar_timetable.calendars.ical.timezones import named_zone
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.sources.caldav_protocol import (
    CALDAV,
    DAV,
    SERVER,
    CalDavServer,
    Resource,
    path_of,
)

GONE = (403, 404, 405, 410)
_HOME, _INBOX = f"{CALDAV}calendar-home-set", f"{CALDAV}schedule-inbox-URL"
_PRINCIPAL, _AVAILABILITY = f"{DAV}current-user-principal", f"{CALDAV}calendar-availability"
Place = tuple[str, int]  # an address and the Depth with which it is asked


@dataclass(frozen=True, slots=True)
class CalDavCalendar:
    """A calendar, or what keeps only its owner's availability.

    The latter holds no ``kinds`` of components.
    """

    url: str = field(repr=False)
    name: str = field(default="", repr=False)
    kinds: tuple[str, ...] = ()
    token: str = field(default="", repr=False)  # changes whenever an event does
    sync: str = field(default="", repr=False)  # the token from which a sync-collection goes on
    zone: str = ""
    availability: str = field(default="", repr=False)
    closed: bool = False  # its properties may not be read

    @property
    def path(self) -> str:
        """The path that tells it from what else its server has."""
        return path_of(self.url)


class Account:
    """What a server shows to those who have its credentials.

    *wanted* are the names or addresses of the calendars to read; none means all.
    """

    def __init__(self, server: CalDavServer, wanted: list[str]) -> None:
        self.server = server
        self.wanted = wanted

    def find(self) -> list[Place]:
        """Return where the calendars are listed (RFC 6764 section 6).

        That is a calendar itself, or the homes of a principal.
        """
        names = [entry for entry in self.wanted if not _is_address(entry)]
        direct = [
            (self.server.resolve_href(self.server.address, entry), 0)
            for entry in self.wanted
            if _is_address(entry)
        ]
        return [*(self._homes() if names or not direct else []), *direct]

    def _homes(self) -> list[Place]:
        try:
            resource, url = self._start()
        except DownloadFailed as error:
            if error.status != 403 or not path_of(self.server.address):
                raise
            # Its free/busy may be readable all the same.
            return [(self.server.address, 0)]
        if resource.is_calendar:
            return [(url, 0)]
        homes = resource.hrefs(_HOME)
        if not homes and self._list((url, 1)):
            return [(url, 1)]
        for principal in [] if homes else resource.hrefs(_PRINCIPAL):
            owner, url = self._one(self.server.resolve_href(url, principal))
            homes = owner.hrefs(_HOME)
        if not homes:
            raise DownloadFailed(
                "no calendars are found from this address: give that of the calendar itself"
            )
        return [(self.server.resolve_href(url, home), 1) for home in homes]

    def _start(self) -> tuple[Resource, str]:
        """Return the resource at the address, and its URL.

        For a bare server, that is what its well-known address leads to, if it has one (RFC 6764
        section 5).
        """
        if not path_of(self.server.address):
            try:
                return self._one(urljoin(self.server.address, "/.well-known/caldav"))
            except DownloadFailed as error:
                if error.status not in (*GONE, 0, 400, 501):
                    raise
        return self._one(self.server.address)

    def _one(self, url: str) -> tuple[Resource, str]:
        answer, url = self.server.propfind(url, 0)
        if not answer.resources:
            raise DownloadFailed("the server tells nothing of this address")
        return answer.resources[0], url

    def _list(self, place: Place) -> list[CalDavCalendar]:
        try:
            answer, url = self.server.propfind(*place)
        except DownloadFailed as error:
            if error.status != 403 or place[1]:
                raise
            return [CalDavCalendar(place[0], kinds=("VEVENT",), closed=True)]
        return [
            _calendar_of(resource, self.server.resolve_href(url, resource.href))
            for resource in answer.resources
            if resource.is_calendar
        ]

    def choose(self, places: list[Place]) -> list[CalDavCalendar]:
        """Return the wanted calendars, of those that *places* list.

        Raises :class:`DownloadFailed` unless each entry of *wanted* fits exactly one calendar, or
        if there are none at all.
        """
        calendars = {calendar.path: calendar for place in places for calendar in self._list(place)}
        if not self.wanted:
            if not calendars:
                raise DownloadFailed("it has no calendars that hold events: were they removed?")
            return [calendars[path] for path in sorted(calendars)]
        chosen = {}
        for entry in self.wanted:
            path = (
                path_of(self.server.resolve_href(self.server.address, entry))
                if _is_address(entry)
                else ""
            )
            fitting = [
                key
                for key, c in calendars.items()
                if key == path or c.name.casefold() == entry.casefold()
            ]
            if len(fitting) != 1:
                name = "one of the addresses in 'calendars'" if path else f"{entry!r}"
                remedy = "give their addresses instead" if fitting else "was it renamed or removed?"
                raise DownloadFailed(
                    f"{len(fitting) or 'no'} calendars are called {name}: {remedy}"
                )
            chosen[fitting[0]] = calendars[fitting[0]]
        return [chosen[path] for path in sorted(chosen)]

    # --- when their owner is available ------------------------------------------------------------

    def inboxes(self) -> list[str]:
        """Return the addresses that keep the availability of the account's owner.

        These are scheduling inboxes (RFC 7953 section 7.2.4) or the principal. Raises
        :class:`DownloadFailed` if there are none.
        """
        start, url = self._start()
        addresses: list[str] = []
        for href in start.hrefs(_PRINCIPAL):
            principal, at = self._one(self.server.resolve_href(url, href))
            addresses += [self.server.resolve_href(at, inbox) for inbox in principal.hrefs(_INBOX)]
            addresses += [at] if principal.text(_AVAILABILITY) else []
        if not addresses:
            raise DownloadFailed(
                "the server keeps no availability for this account: switch 'availability' off"
            )
        return addresses

    def availability(self, inboxes: list[str]) -> list[CalDavCalendar]:
        """Return the availability that *inboxes* keep."""
        return [
            CalDavCalendar(url, availability=self._one(url)[0].text(_AVAILABILITY))
            for url in inboxes
        ]


def _calendar_of(resource: Resource, url: str) -> CalDavCalendar:
    sync = resource.text(f"{DAV}sync-token")
    zone = named_zone(resource.tzid) if resource.tzid else None
    return CalDavCalendar(
        url,
        resource.text(f"{DAV}displayname") or path_of(url).rpartition("/")[2],
        resource.kinds,
        resource.text(f"{SERVER}getctag") or sync,
        sync,
        zone.key if zone else "",
        resource.text(_AVAILABILITY),
    )


def _is_address(entry: str) -> bool:
    return "/" in entry
