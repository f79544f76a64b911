"""The errors a caller can meet, one class per kind of failure."""

from __future__ import annotations


class CalendarTimetableError(Exception):
    """Base of every error this package raises."""


class InvalidArgument(CalendarTimetableError, ValueError):
    """An argument that cannot be used: names the field, the value given and the remedy."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, remedy
        super().__init__(f"{field}={value!r}: {remedy}")


class CalendarUnavailable(CalendarTimetableError):
    """A calendar could not be read and no copy recent enough is at hand."""
