"""The errors a caller can meet, one class per kind of failure."""

from __future__ import annotations

import re


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
    """A calendar could not be read and no copy recent enough is at hand."""
