"""Book a blackout: enter it as an event into one of the calendars that hold for the deployment."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

from icalendar import Event

from calendar_timetable.calendars.addresses import is_address, printable
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.ical.writer import DOMAIN
from calendar_timetable.calendars.occurrences import Details
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.publishing.publish import alone, publish_into
from calendar_timetable.publishing.target import DesiredEvent, Planned, PublishingFailed
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.impact import PlannedBlackout
from calendar_timetable.schedule.deployment_rules import rules

LONGEST_TITLE = 200  # characters
_SECONDS = 30  # for one event; somebody waits for it
# The key of no Airflow, so that publishing runs leaves bookings alone, and the same booking is one
# event whichever Airflow makes it.
_SITE = Site("", "booking")


class Booked(NamedTuple):
    """The event of a booking: its *uid*, and whether it was *created* now or held already."""

    uid: str
    created: bool


def calendars_to_book() -> dict[str, list[Calendar]]:
    """Return the blackouts of this deployment that may be written to, by Airflow Connection.

    With each come the calendars as the rules have them. Only writing shows whether one is on a
    CalDAV server or of Google.
    """
    by_connection: dict[str, list[Calendar]] = {}
    for rule in rules():
        for calendar in rule.calendars:
            address = str(calendar.address)
            if not is_address(address):
                by_connection.setdefault(address, []).append(calendar)
    return by_connection


def check_calendar(calendar: str) -> list[Calendar]:
    """Return *calendar* as the rules have it; raise :class:`InvalidArgument` where they do not."""
    by_connection = calendars_to_book()
    if calendar not in by_connection:
        remedy = (
            f"name one of the blackouts of this deployment: {', '.join(by_connection)}"
            if by_connection
            else "name the Connection of a calendar in [calendar_timetable] blackouts first"
        )
        raise InvalidArgument("calendar", printable(calendar), remedy)
    return by_connection[calendar]


def check_booking(calendar: str, title: str) -> str:
    """Return the *title* as it is booked into *calendar*.

    Raise :class:`InvalidArgument` where that is none of the deployment's calendars, or where an
    event with this title would not count there.
    """
    calendars = check_calendar(calendar)
    title = on_one_line(title).strip()
    if not title or len(title) > LONGEST_TITLE:
        remedy = f"say in 1 to {LONGEST_TITLE} characters what it is for"
        raise InvalidArgument("title", title[:LONGEST_TITLE], remedy)
    if not _titles(calendars, title):
        raise InvalidArgument("title", title, f"there only {_filters_in_words(calendars)} count")
    return title


def book(calendar: str, period: PlannedBlackout, title: str, by: str) -> Booked:
    """Enter *period* as an event with this *title* into *calendar*, and say *by* whom.

    The same booking twice is one event. If people have changed it since so that it no longer holds
    as booked, it is written again; another title is left if it counts too. Raise
    :class:`InvalidArgument` as :func:`check_booking` does, and :class:`PublishingFailed` where the
    calendar cannot be written to.
    """
    title = check_booking(calendar, title)
    text = f"{calendar}\n{period.start} {period.end}\n{title}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    uid = f"{digest[:40]}-{_SITE.key}@{DOMAIN}"
    start, end = map(zones.to_datetime, period.span)
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", start)
    event.add("dtstart", start)
    event.add("dtend", end)
    event.add("summary", title)
    event.add("description", f"Booked in Airflow by {on_one_line(by)}")
    event.add("status", "CONFIRMED")
    # Busy: what is free blocks nothing.
    event.add("transp", "OPAQUE")
    # All other bookings count as history, so that none is removed.
    titles = _titles(calendars_to_book().get(calendar, ()), title)
    events = [DesiredEvent(uid, "", alone(event), titles)]
    result = publish_into(calendar, _SITE, events, Planned(math.inf), seconds=_SECONDS)
    if result.left:
        raise PublishingFailed(f"{calendar}: somebody else is changing this event; try again")
    return Booked(uid, created=bool(result.written))


def _titles(calendars: Iterable[Calendar], title: str) -> list[str]:
    """Return the patterns of titles by which an event with *title* counts in the *calendars*."""
    event = Details("booking", summary=title)
    return [
        calendar.match or "*"
        for calendar in calendars
        if calendar.matches(event) and calendar.counts(event, deny=True)
    ]


def _filters_in_words(calendars: Iterable[Calendar]) -> str:
    conditions = []
    for calendar in calendars:
        filters = {"match": calendar.match, "categories": calendar.categories}
        filters["location"] = calendar.location
        conditions.append(
            " and ".join(f"{name}={value!r}" for name, value in filters.items() if value)
        )
    return f"events with {' or '.join(filter(None, conditions))}"
