"""The time zones a feed names: IANA, Windows, and its own VTIMEZONEs (RFC 5545 section 3.6.5)."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import datetime, timedelta, timezone, tzinfo
from operator import attrgetter
from zoneinfo import ZoneInfo, available_timezones

from calendar_timetable.calendars.lines import Block, Unreadable

_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?", re.IGNORECASE)
_DISPLAYED = re.compile(r"\((?:UTC|GMT)(?:([+-]\d{2})[:.](\d{2}))?\)\s*(.+)")
_AREAS = {  # the display names of Windows zones that name no city
    "Atlantic Time (Canada)": "America/Halifax",
    "Eastern Time (US & Canada)": "America/New_York",
    "Central Time (US & Canada)": "America/Chicago",
    "Mountain Time (US & Canada)": "America/Denver",
    "Pacific Time (US & Canada)": "America/Los_Angeles",
    "Arizona": "America/Phoenix",
    "Alaska": "America/Anchorage",
    "Hawaii": "Pacific/Honolulu",
    "Coordinated Universal Time": "UTC",
}


class OwnZone(tzinfo):
    """A zone made of the transitions of a VTIMEZONE.

    A local time that does not exist is read with the offset from before the gap, one that exists
    twice means the first (RFC 5545 section 3.3.5): both hold when, in local time, a change takes
    place at the later of its two clock readings.
    """

    def __init__(self, first: timedelta, changes: list[tuple[datetime, timedelta]]) -> None:
        self._offsets = [first, *(offset for _, offset in changes)]
        self._instants = [instant for instant, _ in changes]
        pairs = zip(self._offsets, self._offsets[1:], strict=False)
        self._locals = [i + max(pair) for i, pair in zip(self._instants, pairs, strict=True)]

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return self._offsets[-1]
        return self._offsets[bisect_right(self._locals, moment.replace(tzinfo=None))]

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None

    def fromutc(self, moment: datetime) -> datetime:
        return moment + self._offsets[bisect_right(self._instants, moment.replace(tzinfo=None))]


class FeedZones:
    """Zones by the names one VCALENDAR uses for them; nothing is shared with another feed."""

    def __init__(self, calendar: Block) -> None:
        self._own = {
            line.value.strip(): block
            for block in calendar.blocks
            if block.name == "VTIMEZONE" and (line := block.first("TZID"))
        }
        self._found: dict[str, tzinfo | Unreadable] = {}

    def find(self, tzid: str) -> tzinfo:
        """The zone called *tzid*; :class:`Unreadable` if it is unknown."""
        tzid = tzid.strip()
        if tzid not in self._found:
            try:
                self._found[tzid] = self._look_up(tzid)
            except Unreadable as error:
                self._found[tzid] = error
        found = self._found[tzid]
        if isinstance(found, Unreadable):
            raise found
        return found

    def _look_up(self, tzid: str) -> tzinfo:
        found = named_zone(tzid)
        if found is not None:
            return found
        if tzid in self._own:
            try:
                return own_zone(self._own[tzid])
            except Exception:  # noqa: BLE001  (whatever icalendar makes of it)
                raise Unreadable("its time zone's VTIMEZONE cannot be understood") from None
        shown = _display_zone(tzid)
        if shown is not None:
            return shown
        match = _OFFSET.fullmatch(tzid)
        if match:
            sign, hours, minutes = match.groups()
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            if offset < timedelta(hours=24):
                return timezone(offset if sign == "+" else -offset)
        raise Unreadable("unknown time zone")


def named_zone(name: str) -> ZoneInfo | None:
    """The zone with this IANA name, Windows name, or vendor's name (``/vendor/Area/City``)."""
    if name.startswith("/"):
        path = name.strip("/").split("/")
        return _iana_zone("/".join(path[-3:])) or _iana_zone("/".join(path[-2:]))
    found = _iana_zone(name)
    if found is None:
        from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON  # and with it all of icalendar

        found = _iana_zone(WINDOWS_TO_OLSON.get(name, ""))
    return found


def _iana_zone(name: str) -> ZoneInfo | None:
    if not name or name in ("localtime", "posixrules", "Factory"):
        return None  # what these mean depends on the host
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _display_zone(name: str) -> ZoneInfo | None:
    """The zone that Outlook shows as *name*: "(UTC+01:00) Amsterdam, Berlin, Bern"; the offset is that of winter."""
    match = _DISPLAYED.fullmatch(name)
    if match is None:
        return None
    hours, minutes, places = match.groups()
    sign = -1 if (hours or "").startswith("-") else 1
    offset = timedelta(hours=int(hours or 0), minutes=sign * int(minutes or 0))
    if places in _AREAS:
        zone = ZoneInfo(_AREAS[places])
        return zone if _winter_offset(zone) == offset else None
    cities = {city.strip().replace(" ", "_") for city in re.split(r"[,/;]", places)}
    for key in sorted(available_timezones()):
        if key.rpartition("/")[2] in cities and _winter_offset(ZoneInfo(key)) == offset:
            return ZoneInfo(key)
    return None


def _winter_offset(zone: ZoneInfo) -> timedelta:
    """The lesser of the offsets of January and July, today's rules."""
    moments = (datetime(2026, month, 1, tzinfo=zone) for month in (1, 7))
    return min(moment.utcoffset() or timedelta() for moment in moments)


def own_zone(block: Block) -> tzinfo:
    """The zone that a VTIMEZONE *block* defines; any exception if it cannot be understood."""
    from icalendar import Timezone

    lines = ["BEGIN:VTIMEZONE", "TZID:own"]
    for part in block.blocks:
        if part.name in ("STANDARD", "DAYLIGHT"):
            wanted = part.all("DTSTART", "TZOFFSETFROM", "TZOFFSETTO", "RRULE", "RDATE")
            kept = [f"{line.name}:{line.value.strip().rstrip(';')}" for line in wanted]
            lines += [f"BEGIN:{part.name}", *kept, f"END:{part.name}"]
    zone = Timezone.from_ical("\r\n".join([*lines, "END:VTIMEZONE", ""]).encode())
    if not isinstance(zone, Timezone):
        raise Unreadable("no time zone")
    instants, offsets = zone.get_transitions()
    changes = [(instant, info[0]) for instant, info in zip(instants, offsets, strict=True)]
    earliest = min(zone.subcomponents, key=attrgetter("DTSTART"))
    return OwnZone(earliest.TZOFFSETFROM, changes)
