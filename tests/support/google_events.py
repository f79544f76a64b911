"""Google's events as its documents show them."""

from __future__ import annotations

from typing import Any

from calendar_timetable.calendars.ical.bundle import Item, join
from calendar_timetable.calendars.sources.google import Event
from tests.support.ics import understood


def at(text: str, zone: str = "") -> dict[str, str]:
    """Return a Google time: a date, or a date-time."""
    key = "dateTime" if "T" in text else "date"
    return {key: text} | ({"timeZone": zone} if zone else {})


def event(
    own: str = "one", start: str = "2024-03-10T12:00:00Z", end: str = "", **given: Any
) -> Event:
    """Return an event as Google sends it."""
    zone = given.pop("zone", "")
    finish = end or start.replace("T12", "T13")
    return {
        "id": own,
        "status": "confirmed",
        "start": at(start, zone),
        "end": at(finish, zone),
        **given,
    }


def taken(
    items: dict[str, Item], zone: str = "UTC", start: str = "2024-03-01", end: str = "2024-04-15"
) -> list[str]:
    """Each occurrence, its status where that is not "confirmed", and whether it is free."""
    found = []
    reading = understood(join(items, zone), start, end, zone)
    assert not reading.problems, reading.problems
    for details, first, last in reading.rows:
        row = details.at(first, last)
        words = [f"{row.start:%m-%d %H:%M}/{row.end:%m-%d %H:%M}"]
        words += [row.status] if row.status != "confirmed" else []
        found.append(" ".join(words + ([] if row.busy else ["free"])))
    return found


BERLIN = "Europe/Berlin"
