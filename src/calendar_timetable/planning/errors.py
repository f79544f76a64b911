"""The errors a caller can meet, one class per kind of failure."""

from __future__ import annotations

import re
from datetime import UTC, datetime


class CalendarTimetableError(Exception):
    """Base of every error this package raises."""


class InvalidArgument(CalendarTimetableError, ValueError):
    """An argument that cannot be used: names the field, the value given and the remedy."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field}={_masked(value)}: {remedy}")


def _masked(value: object) -> str:
    """*value* as its repr, of addresses no more than the host and of what precedes an @ nothing."""
    shown = re.sub(r"(\w+://)(?:[^\s/@'\"]*@)?([^\s/?#'\"]*)[^\s'\"]*", r"\1\2/…", repr(value))
    return re.sub(r"[^\s'\"/]+:[^\s'\"/]+@", "…@", shown)


class NoOpening(CalendarTimetableError):
    """A run is due, time is closed, and no opening is known."""


class CalendarUnavailable(CalendarTimetableError):
    """A calendar could not be read and no copy recent enough is at hand.

    *label* names it, *why* says what is wrong, *since* is when it could last be read, in epoch seconds.
    """

    def __init__(self, label: str, why: str, since: int | None = None, remedy: str = "") -> None:
        self.label, self.why, self.since = label, why, since
        super().__init__(f"calendar {label} cannot be read: {why} ({last_read(since)}){'; ' if remedy else ''}{remedy}")


def last_read(since: int | None) -> str:
    """When a calendar could last be read, in words."""
    return "never read so far" if since is None else f"since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
