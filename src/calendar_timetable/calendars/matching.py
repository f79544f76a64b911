"""Which of a calendar's events count."""

from __future__ import annotations

from fnmatch import fnmatchcase

from calendar_timetable.calendars.occurrences import Details, Occurrence, address_of
from calendar_timetable.calendars.options import CalendarOptions


def counts(details: Details, options: CalendarOptions, *, deny: bool) -> bool:
    """Tell whether an event counts in its role: it blocks (*deny*), or else it allows or is due.

    ``busy_only`` overrides whether it must be busy.
    """
    if details.status == "cancelled" or (not deny and details.status != "confirmed"):
        return False
    if not (deny if options.busy_only is None else options.busy_only):
        return True
    declined = options.attendee is not None and address_of(options.attendee) in details.declined
    return details.busy and not declined


def matches(details: Details | Occurrence, options: CalendarOptions) -> bool:
    """Tell whether an event is one of those asked for."""
    categories, attendee = options.categories, options.attendee
    several = (categories,) if isinstance(categories, str) else categories
    folded = {category.casefold() for category in several}
    return (
        _glob(options.match, details.summary)
        and _glob(options.location, details.location)
        and (not folded or any(category.casefold() in folded for category in details.categories))
        and (not attendee or not details.attendees or address_of(attendee) in details.attendees)
    )


def _glob(pattern: str | None, text: str) -> bool:
    return pattern is None or fnmatchcase(text.casefold(), pattern.casefold())
