"""What is said of a component that is not understood: why, and which time it may cover."""

from __future__ import annotations

from datetime import UTC

from calendar_timetable.calendars.ical.parser import Block, Line, Unreadable
from calendar_timetable.calendars.ical.properties import Clock, parse_time
from calendar_timetable.calendars.ical.time_budget import OutOfTime

_MOST_EAST = 14 * 3600  # how far from UTC a clock may be
_FAILURES = (Unreadable, ArithmeticError, ValueError)


def reach(block: Block, clock: Clock) -> tuple[int | None, int | None]:
    """The time that *block* may cover though it is not understood; ``None`` for an open end."""
    first, last = block.first("DTSTART"), block.first("DTEND")
    if block.text("STATUS") == "CANCELLED":
        return 0, 0  # whatever it says, it takes up no time
    if first is None:
        return None, None
    try:
        start, latest = _rough(first, clock)
    except _FAILURES:
        return None, None
    if block.broken or any(block.first(name) for name in ("RRULE", "RDATE", "DURATION")):
        return start, None
    if last is None:
        return start, latest + 86400  # without an end, at most a whole day
    try:
        low, high = _rough(last, clock)
    except _FAILURES:
        return start, None
    return min(start, low), max(latest, high)


def _rough(line: Line, clock: Clock) -> tuple[int, int]:
    """The earliest and latest instant that *line* may mean."""
    try:
        instant = clock.moment(line).instant
    except Unreadable:
        instant = parse_time(line.value, UTC).instant
        return instant - _MOST_EAST, instant + _MOST_EAST
    return instant, instant


def reason_of(error: Exception) -> str:
    """Why a component is not understood; never with its text."""
    if isinstance(error, Unreadable):
        return str(error)
    if isinstance(error, OutOfTime):
        return "it takes too long to expand"
    return f"it cannot be expanded ({type(error).__name__})"
