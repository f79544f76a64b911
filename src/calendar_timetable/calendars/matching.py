"""Which of a calendar's events count."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from calendar_timetable.calendars.occurrences import Details, Occurrence, address_of


def counts(details: Details, *, deny: bool, busy_only: bool | None, attendee: str | None) -> bool:
    """Whether an event blocks (*deny*), or else allows or is due; *busy_only* overrides whether it must be busy."""
    if details.status == "cancelled" or (not deny and details.status != "confirmed"):
        return False
    if not (deny if busy_only is None else busy_only):
        return True
    declined = attendee is not None and address_of(attendee) in details.declined
    return details.busy and not declined


def matches(
    details: Details | Occurrence,
    *,
    match: str | None,
    location: str | None,
    categories: str | Sequence[str],
    attendee: str | None,
) -> bool:
    """Whether an event is one of those asked for."""
    several = (categories,) if isinstance(categories, str) else categories
    wanted = {category.casefold() for category in several}
    return (
        _glob(match, details.summary)
        and _glob(location, details.location)
        and (not wanted or any(category.casefold() in wanted for category in details.categories))
        and (not attendee or not details.attendees or address_of(attendee) in details.attendees)
    )


def _glob(pattern: str | None, text: str) -> bool:
    return pattern is None or fnmatchcase(text.casefold(), pattern.casefold())
