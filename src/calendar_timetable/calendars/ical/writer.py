"""Events of other systems as VEVENTs (RFC 5545 section 3.6.1), for the one reader there is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from calendar_timetable.calendars.ical.bundle import Item, make_item
from calendar_timetable.calendars.ical.properties import CONTROL
from calendar_timetable.calendars.ical.timezones import named_zone

DOMAIN = "calendar-timetable"  # in the UIDs of events that this package makes (section 3.8.4.7)
_ESCAPED = re.compile(r"[\\;,]")


def item(uid: str, lines: Iterable[str], zone: str = "") -> Item:
    """Return one event as an object of a bundle; *zone* (an IANA name) is that of its calendar."""
    head = f"X-WR-TIMEZONE:{zone}\r\n" if zone else ""
    body = "".join(f"{CONTROL.sub(' ', line)}\r\n" for line in (f"UID:{uid}", *lines))
    event = f"BEGIN:VEVENT\r\n{body}END:VEVENT\r\n"
    return make_item(f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{head}{event}END:VCALENDAR\r\n", "")


def text(name: str, value: object) -> list[str]:
    """Return the property *name* with a TEXT value (section 3.3.11); none for what is no text."""
    return (
        [f"{name}:{_ESCAPED.sub(lambda match: chr(92) + match[0], value)}"]
        if isinstance(value, str)
        else []
    )


def person(name: str, address: object, participation: str = "") -> list[str]:
    """Return the property *name* (ATTENDEE, ORGANIZER) with a mail address; none without one."""
    if not isinstance(address, str) or "@" not in address:
        return []
    return [f"{name}{f';PARTSTAT={participation}' if participation else ''}:mailto:{address}"]


def day(name: str, value: date) -> str:
    """Return the property *name* with a DATE value."""
    return f"{name};VALUE=DATE:{value:%Y%m%d}"


def moment(name: str, value: datetime, zone: ZoneInfo | None = None) -> str:
    """Return the property *name* with an aware *value*, in *zone* or, without one, in UTC.

    A recurring event needs a zone. When clocks go back, its first hour alone can be said in *zone*:
    an end in the second is said in UTC, a start raises ``ValueError``.
    """
    local = value.astimezone(zone or UTC)
    if local.fold and name == "DTSTART":
        raise ValueError("a start in the hour that comes twice")
    if zone is None or local.fold:
        return f"{name}:{value.astimezone(UTC):%Y%m%dT%H%M%S}Z"
    return f"{name};TZID={zone.key}:{local:%Y%m%dT%H%M%S}"


def zone_called(name: object) -> ZoneInfo:
    """Return the zone with this IANA or Windows name; raise ``ValueError`` for any other."""
    zone = named_zone(name) if isinstance(name, str) else None
    if zone is None:
        raise ValueError("unknown time zone")
    return zone
