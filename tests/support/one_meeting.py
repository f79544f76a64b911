"""A calendar of one meeting, and what is known of it."""

from __future__ import annotations

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed.feed import FeedReader
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange
from tests.support.ics import event, feed
from tests.support.moments import instant

HORIZON = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
MEETING = event("UID:m", "SUMMARY:Meeting", "DTSTART:20240310T120000Z", "DTEND:20240310T130000Z")
LATER = event("UID:m", "SUMMARY:Meeting", "DTSTART:20240310T150000Z", "DTEND:20240310T160000Z")
GOOD = feed(MEETING)
NOON, AFTERNOON = (
    [(instant("2024-03-10T12:00"), instant("2024-03-10T13:00"))],
    [(instant("2024-03-10T15:00"), instant("2024-03-10T16:00"))],
)


def known(calendar: Calendar) -> CalendarSpans:
    """Return the spans of *calendar* in ``HORIZON``, which have to be known."""
    resolved = calendar.resolve(HORIZON, "UTC")
    assert isinstance(resolved, CalendarSpans)
    return resolved


def meetings(calendar: Calendar) -> int:
    """Return how many spans :func:`known` returns."""
    return len(known(calendar).known)


def error(calendar: Calendar) -> str:
    """Why the last check of the feed failed."""
    return calendar._read(HORIZON.start, HORIZON.end, "UTC", FeedReader.read).error
