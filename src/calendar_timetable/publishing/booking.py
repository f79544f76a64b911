"""Book a blackout: enter it as an event into one of the calendars that hold for the deployment."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

from icalendar import Event

from calendar_timetable.calendars.addresses import is_address, shown
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.ical.writer import DOMAIN
from calendar_timetable.calendars.occurrences import Details
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.publishing.publish import alone, publish_into
from calendar_timetable.publishing.target import DIGEST, DesiredEvent, Planned, PublishingFailed
from calendar_timetable.runs.calendar_events import Site
from calendar_timetable.runs.impact import PlannedBlackout
from calendar_timetable.schedule.deployment_rules import rules

LONGEST_TITLE = 200  # characters
_SECONDS = 30  # for one event; somebody waits for it
# The key of no Airflow, so that publishing runs leaves bookings alone, and the same booking is one
# event whichever Airflow makes it.
_SITE = Site("", "booking")


class Booked(NamedTuple):
    """The event of a booking: its *uid*, and whether it was *created* now or was there already."""

    uid: str
    created: bool


def calendars_to_book() -> dict[str, list[Calendar]]:
    """Return the blackouts of this deployment that may be written to, by Airflow Connection.

    With each come the calendars as the rules have them. Only writing shows whether one is on a
    CalDAV server or of Google.
    """
    found: dict[str, list[Calendar]] = {}
    for calendar in (one for rule in rules() for one in rule.calendars):
        address = str(calendar.address)
        if not is_address(address):
            found.setdefault(address, []).append(calendar)
    return found


def check_calendar(calendar: str) -> list[Calendar]:
    """Return *calendar* as the rules have it; raise :class:`InvalidArgument` where they do not."""
    known = calendars_to_book()
    if calendar not in known:
        remedy = (
            f"name one of the blackouts of this deployment: {', '.join(known)}"
            if known
            else "name the Connection of a calendar in [calendar_timetable] blackouts first"
        )
        raise InvalidArgument("calendar", shown(calendar), remedy)
    return known[calendar]


def check_booking(calendar: str, title: str) -> str:
    """Return the *title* as it is booked into *calendar*.

    Raise :class:`InvalidArgument` where that is none of the deployment's calendars, or where an
    event with this title would not count there.
    """
    known = check_calendar(calendar)
    title = on_one_line(title).strip()
    if not title or len(title) > LONGEST_TITLE:
        remedy = f"say in 1 to {LONGEST_TITLE} characters what it is for"
        raise InvalidArgument("title", title[:LONGEST_TITLE], remedy)
    event = Details("booking", summary=title)
    if not any(one.matches(event) and one.counts(event, deny=True) for one in known):
        raise InvalidArgument("title", title, f"there only {_wanted(known)} count")
    return title


def book(calendar: str, period: PlannedBlackout, title: str, by: str) -> Booked:
    """Enter *period* as an event with this *title* into *calendar*, and say *by* whom.

    The same booking twice is one event. Raise :class:`InvalidArgument` as :func:`check_booking`
    does, and :class:`PublishingFailed` where the calendar cannot be written to.
    """
    title = check_booking(calendar, title)
    said = f"{calendar}\n{period.start} {period.end}\n{title}"
    digest = hashlib.sha256(said.encode()).hexdigest()
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
    event.add(DIGEST, digest[:32])
    # All other bookings count as history, so that none is removed.
    wanted = [DesiredEvent(uid, digest[:32], alone(event), period.start)]
    done = publish_into(calendar, _SITE, wanted, Planned(math.inf), seconds=_SECONDS)
    if done.left:
        raise PublishingFailed(f"{calendar}: somebody else is changing this event; try again")
    return Booked(uid, created=bool(done.written))


def _wanted(calendars: Iterable[Calendar]) -> str:
    said = []
    for calendar in calendars:
        named = {"match": calendar.match, "categories": calendar.categories}
        named["location"] = calendar.location
        said.append(" and ".join(f"{name}={value!r}" for name, value in named.items() if value))
    return f"events with {' or '.join(filter(None, said))}"
