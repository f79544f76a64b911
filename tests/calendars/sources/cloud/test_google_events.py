"""Google's events as its documents show them, and the time they take up."""

from __future__ import annotations

from typing import Any

import pytest

from calendar_timetable.calendars.ical.bundle import join, split
from calendar_timetable.calendars.sources.google import Event, _series_was_rescheduled, merge
from tests.support.google_events import BERLIN, at, event, taken
from tests.support.ics import understood


def exception(series: str, original: str, start: str = "", end: str = "", **given: Any) -> Event:
    """One instance that differs.

    Without *start* it does not take place, and Google promises nothing else of it.
    """
    own = f"{series}_{original}"
    said = {"recurringEventId": series, "originalStartTime": at(original)}
    if not start:
        return {"id": own, "status": "cancelled", **said}
    return event(own, start, end, **said, **given)


DAILY = event(
    "s",
    "2024-03-29T12:00:00+01:00",
    "2024-03-29T13:00:00+01:00",
    zone=BERLIN,
    recurrence=["RRULE:FREQ=DAILY;COUNT=4"],
)
NOON = ["03-10 12:00/03-10 13:00"]
TABLE: dict[str, tuple[list[Event], list[str]]] = {
    "single": ([event()], NOON),
    "with an offset": (
        [event(start="2024-03-10T12:00:00+05:30", end="2024-03-10T13:00:00+05:30")],
        ["03-10 06:30/03-10 07:30"],
    ),
    "without an offset, in its zone": (
        [event(zone=BERLIN, start="2024-03-10T12:00:00")],
        ["03-10 11:00/03-10 12:00"],
    ),
    "all day, in the calendar's zone": (
        [event(start="2024-03-31", end="2024-04-01")],
        ["03-30 23:00/03-31 22:00"],
    ),
    "recurring across the change of clocks": (
        [DAILY],
        [
            "03-29 11:00/03-29 12:00",
            "03-30 11:00/03-30 12:00",
            "03-31 10:00/03-31 11:00",
            "04-01 10:00/04-01 11:00",
        ],
    ),
    "recurring, offsets of another zone than its own": (
        [
            {
                **DAILY,
                "start": at("2024-03-29T06:00:00-05:00", BERLIN),
                "end": at("2024-03-29T07:00:00-05:00", BERLIN),
                "recurrence": ["RRULE:FREQ=DAILY;UNTIL=20240331T100000Z"],
            }
        ],
        ["03-29 11:00/03-29 12:00", "03-30 11:00/03-30 12:00", "03-31 10:00/03-31 11:00"],
    ),
    "recurring, its first end in the second of two hours": (
        [
            event(
                "s",
                "2023-10-29T02:30:00+02:00",
                "2023-10-29T02:30:00+01:00",
                zone=BERLIN,
                recurrence=["RRULE:FREQ=WEEKLY;UNTIL=20240311T000000Z"],
            )
        ],
        ["03-03 01:30/03-03 02:30", "03-10 01:30/03-10 02:30"],
    ),
    "EXDATE and RDATE": (
        [
            {
                **DAILY,
                "recurrence": [
                    "EXDATE;TZID=Europe/Berlin:20240330T120000",
                    "RRULE:FREQ=DAILY;COUNT=2",
                    "RDATE:20240405T100000Z",
                ],
            }
        ],
        ["03-29 11:00/03-29 12:00", "04-05 10:00/04-05 11:00"],
    ),
    "one moved, one cancelled": (
        [
            DAILY,
            exception(
                "s", "2024-03-30T12:00:00+01:00", "2024-03-30T18:00:00Z", "2024-03-30T19:00:00Z"
            ),
            exception("s", "2024-03-31T12:00:00+02:00"),
        ],
        [
            "03-29 11:00/03-29 12:00",
            "03-30 18:00/03-30 19:00",
            "03-31 10:00/03-31 10:00 cancelled free",
            "04-01 10:00/04-01 11:00",
        ],
    ),
    "all-day series, one day cancelled": (
        [
            event("s", "2024-03-11", "2024-03-12", recurrence=["RRULE:FREQ=DAILY;COUNT=2"]),
            exception("s", "2024-03-12"),
        ],
        ["03-10 23:00/03-11 23:00", "03-11 23:00/03-12 23:00 cancelled free"],
    ),
    "invited to one instance only": (
        [exception("s", "2024-03-10T12:00:00Z", "2024-03-10T12:00:00Z")],
        NOON,
    ),
    "deleted": ([{"id": "one", "status": "cancelled"}], []),
    "tentative": ([event(status="tentative")], [NOON[0] + " tentative"]),
    "transparent": ([event(transparency="transparent")], [NOON[0] + " free"]),
    "private": ([event(visibility="private")], NOON),
    "out of office": ([event(eventType="outOfOffice")], NOON),
    "focus time": ([event(eventType="focusTime")], NOON),
    "working location": ([event(eventType="workingLocation")], [NOON[0] + " free"]),
    "birthday": ([event(eventType="birthday")], [NOON[0] + " free"]),
    "declined by the calendar's owner": (
        [event(attendees=[{"email": "a@b", "self": True, "responseStatus": "declined"}])],
        [NOON[0] + " free"],
    ),
    "declined by somebody else": (
        [event(attendees=[{"email": "a@b", "responseStatus": "declined"}])],
        NOON,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_an_event_takes_up(name: str) -> None:
    events, expected = TABLE[name]
    assert taken(merge({}, events, BERLIN), BERLIN) == expected


def test_what_can_be_chosen_by() -> None:
    people = [
        {"email": "Ann@example.com", "responseStatus": "declined"},
        {"email": "bob@example.com"},
        {"resource": True},
    ]
    full = event(
        summary="Freeze; all, \\ of\r\nBEGIN:VEVENT",
        location="Room 1",
        eventType="focusTime",
        attendees=people,
    )
    full |= {"organizer": {"email": "carol@example.com"}}
    (row,) = understood(join(merge({}, [full], "")), "2024-03-01", "2024-04-01").rows
    details = row[0]
    assert (details.uid, details.summary) == ("one", "Freeze; all, \\ of BEGIN:VEVENT")
    assert (details.location, details.categories) == ("Room 1", ("focusTime",))
    assert details.attendees == {"ann@example.com", "bob@example.com", "carol@example.com"}
    assert details.declined == {"ann@example.com"}
    (row,) = understood(
        join(merge({}, [{**full, "attendeesOmitted": True}], "")), "2024-03-01", "2024-04-01"
    ).rows
    assert not row[0].attendees, "not all of them: attendee= must not leave it out"


BROKEN: dict[str, tuple[Event, str]] = {
    "no start": ({"id": "x", "status": "confirmed"}, "no DTSTART"),
    "start is no object": (event("x") | {"start": "noon"}, "no DTSTART"),
    "no such day": (event("x", "2024-02-30", "2024-02-31"), "no DTSTART"),
    "unknown zone": (
        event("x", zone="Mars/Olympus", recurrence=["RRULE:FREQ=DAILY"]),
        "no DTSTART",
    ),
    "recurring from the second of two hours on": (
        event(
            "x",
            "2023-10-29T02:30:00+01:00",
            "2023-10-29T03:30:00+01:00",
            zone=BERLIN,
            recurrence=["RRULE:FREQ=WEEKLY"],
        ),
        "no DTSTART",
    ),
    "unknown rule": (event("x", recurrence=["FREQ=DAILY"]), "its rule has no known FREQ"),
    "rule of many lines": (
        event("x", recurrence=["RRULE:FREQ=DAILY\r\nEND:VEVENT"]),
        "its rule has no known FREQ",
    ),
    "people are no list": (event("x", attendees=5), "no DTSTART"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_understood_is_set_aside_by_its_id(name: str) -> None:
    broken, reason = BROKEN[name]
    reading = understood(join(merge({}, [broken, event()], "")), "2024-03-01", "2024-04-01")
    assert [(problem.uid, problem.reason) for problem in reading.problems] == [("x", reason)]
    assert len(reading.rows) == 1


def test_what_is_nothing_at_all_is_set_aside_too() -> None:
    reading = understood(join(merge({}, [{}, {"id": 5}, event()], "")), "2024-03-01", "2024-04-01")
    assert len(reading.problems) == 2
    assert len(reading.rows) == 1


MOVED = exception("s", "2024-03-30T12:00:00+01:00", "2024-03-30T18:00:00Z", "2024-03-30T19:00:00Z")
LATER = event("one", "2024-03-10T15:00:00Z", "2024-03-10T16:00:00Z")


def test_changes_come_on_top_of_what_is_kept() -> None:
    first = merge({}, [event(), DAILY, MOVED], "UTC")
    kept = split(join(first, "UTC"))
    assert kept == first, "nothing is lost on the way through the cache"
    assert taken(merge(kept, [LATER], "UTC"))[0] == "03-10 15:00/03-10 16:00"
    assert merge(kept, [{"id": "one", "status": "cancelled"}], "UTC") == merge(
        {}, [DAILY, MOVED], "UTC"
    )
    assert merge(kept, [{"id": "s", "status": "cancelled"}, MOVED], "UTC") == merge(
        {}, [event()], "UTC"
    )
    assert merge(kept, [exception("s", "2024-03-30T12:00:00+01:00")], "UTC") == merge(
        {}, [event(), DAILY, exception("s", "2024-03-30T12:00:00+01:00")], "UTC"
    )


def test_a_series_with_exceptions_that_gets_other_times_is_read_anew() -> None:
    kept = merge({}, [DAILY, MOVED, event()], "UTC")
    assert not _series_was_rescheduled(kept, [{**DAILY, "summary": "Another title"}], "UTC")
    assert not _series_was_rescheduled(kept, [LATER], "UTC")
    assert not _series_was_rescheduled(
        merge({}, [DAILY], "UTC"), [{**DAILY, "recurrence": ["RRULE:FREQ=WEEKLY"]}], "UTC"
    )
    assert _series_was_rescheduled(kept, [{**DAILY, "recurrence": ["RRULE:FREQ=WEEKLY"]}], "UTC")
    assert _series_was_rescheduled(
        kept, [{**DAILY, "start": at("2024-03-29T14:00:00+01:00", BERLIN)}], "UTC"
    )
