"""Microsoft Graph's events as its documents show them."""

from __future__ import annotations

from typing import Any

from calendar_timetable.calendars.sources.microsoft import Event


def at(text: str, zone: str = "UTC") -> dict[str, str]:
    """Return a Graph time: a wall clock, and its zone."""
    return {"dateTime": f"{text}:00.0000000", "timeZone": zone}


def event(
    own: str = "one", start: str = "2024-03-10T12:00", end: str = "2024-03-10T13:00", **given: Any
) -> Event:
    """Return an event as Graph sends it."""
    zone = given.pop("zone", "UTC")
    said = {
        "id": own,
        "iCalUId": f"ical-{own}",
        "type": "singleInstance",
        "showAs": "busy",
        "isAllDay": False,
    }
    return {**said, "isCancelled": False, "start": at(start, zone), "end": at(end, zone), **given}


def master(**given: Any) -> Event:
    """Return the master event of a series."""
    return event("s", type="seriesMaster", **given)


def occurrence(day: str, hours: str = "12 13", **given: Any) -> Event:
    """As Graph sends them along with their master: times, and whose they are."""
    first, last = hours.split()
    said = {"id": f"s-{day}", "seriesMasterId": "s", "type": "occurrence"}
    return {
        **said,
        "start": at(f"2024-03-{day}T{first}:00"),
        "end": at(f"2024-03-{day}T{last}:00"),
        **given,
    }


def removed(own: str) -> Event:
    """Return what a delta says of a removed event."""
    return {"id": own, "@removed": {"reason": "deleted"}}
