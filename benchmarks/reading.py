"""Reading a big team calendar, against what parsing the same bytes takes icalendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from icalendar import Calendar

from benchmarks.feed import google_like
from benchmarks.figures import Figure, compare
from calendar_timetable.calendars.reading import read

EVENTS = 10_000
ROUNDS = 3


def figures() -> Iterator[Figure]:
    """120 days of :data:`EVENTS` events, as the reading process does it."""
    now = datetime.now(UTC)
    start, end = (int((now + timedelta(days=days)).timestamp()) for days in (-30, 90))
    body = google_like(EVENTS, now)
    yield compare(
        f"cold read, {EVENTS:,} events, 120 days",
        "icalendar's parse",
        lambda: read(body, start, end, "UTC", 60),
        lambda: Calendar.from_ical(body),
        ROUNDS,
    )
