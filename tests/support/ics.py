"""Calendars written short, and their readings in a form that can be compared with a literal."""

from __future__ import annotations

from datetime import UTC, datetime

from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.occurrences import ParsedCalendar
from tests.support.moments import instant


def event(*lines: str, kind: str = "VEVENT") -> str:
    """One component; a UID is added where there is none."""
    uid = () if any(line.startswith("UID") for line in lines) else ("UID:one",)
    return "\r\n".join([f"BEGIN:{kind}", *uid, *lines, f"END:{kind}"])


def feed(*components: str, head: tuple[str, ...] = ()) -> bytes:
    """Return a calendar with these components."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//test//EN",
        *head,
        *components,
        "END:VCALENDAR",
        "",
    ]
    return "\r\n".join(lines).encode()


def half_hour(uid: str, hour: int, *more: str) -> str:
    """Return a calendar of one event on the tenth of March, as a client puts it."""
    return feed(
        event(f"UID:{uid}", f"DTSTART:20240310T{hour:02}0000Z", "DURATION:PT30M", *more)
    ).decode()


def understood(body: bytes, start: str, end: str, zone: str = "UTC") -> ParsedCalendar:
    """Read *body* between two ISO dates, in this process."""
    return read(body, instant(start), instant(end), zone, 30)


def spans(reading: ParsedCalendar) -> list[str]:
    """Return each occurrence as ``"2024-03-31 00:30/01:30"``, in UTC.

    The end's date is written only where it differs.
    """
    result = []
    for _, first, last in reading.rows:
        start, end = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
        until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%Y-%m-%d %H:%M}"
        result.append(f"{start:%Y-%m-%d %H:%M}/{until}")
    return result
