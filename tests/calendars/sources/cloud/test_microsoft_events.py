"""Microsoft Graph's events as its documents show them, and the time they take up."""

from __future__ import annotations

from typing import Any

import pytest

from calendar_timetable.calendars.ical.bundle import join, split
from calendar_timetable.calendars.sources.cloud import SyncTokenExpired
from calendar_timetable.calendars.sources.microsoft import Event, merge
from tests.support.google_events import taken
from tests.support.graph_events import event, master, occurrence, removed
from tests.support.ics import understood

NOON = ["03-10 12:00/03-10 13:00"]
TABLE: dict[str, tuple[list[Event], list[str]]] = {
    "single": ([event()], NOON),
    "in another zone than asked for": (
        [event(start="2024-03-10T12:00", zone="W. Europe Standard Time")],
        ["03-10 11:00/03-10 12:00"],
    ),
    "all day": (
        [event(start="2024-03-10T00:00", end="2024-03-12T00:00", isAllDay=True)],
        ["03-09 23:00/03-11 23:00"],
    ),
    "all day, sent as the instants they are in their zone": (
        [
            event(
                start="2024-03-30T23:00",
                end="2024-03-31T22:00",
                isAllDay=True,
                originalStartTimeZone="W. Europe Standard Time",
                originalEndTimeZone="W. Europe Standard Time",
            )
        ],
        ["03-30 23:00/03-31 22:00"],
    ),
    "a series: the master says what, occurrences say when": (
        [master(showAs="tentative"), occurrence("11"), occurrence("12", subject=None, showAs=None)],
        ["03-11 12:00/03-11 13:00 tentative", "03-12 12:00/03-12 13:00 tentative"],
    ),
    "an exception says its own": (
        [
            master(),
            occurrence("11"),
            event(
                "s-12",
                "2024-03-13T07:00",
                "2024-03-13T08:00",
                type="exception",
                seriesMasterId="s",
                showAs="free",
            ),
        ],
        ["03-11 12:00/03-11 13:00", "03-13 07:00/03-13 08:00 free"],
    ),
    "an occurrence without its master": ([occurrence("11")], ["03-11 12:00/03-11 13:00"]),
    "removed": ([event(), {"id": "one", "@removed": {"reason": "deleted"}}], []),
    "cancelled": ([event(isCancelled=True)], [NOON[0] + " cancelled free"]),
    "free": ([event(showAs="free")], [NOON[0] + " free"]),
    "tentative": ([event(showAs="tentative")], [NOON[0] + " tentative"]),
    "out of office": ([event(showAs="oof")], NOON),
    "working elsewhere": ([event(showAs="workingElsewhere")], [NOON[0] + " free"]),
    "unknown": ([event(showAs="unknown")], NOON),
    "private": ([event(sensitivity="private")], NOON),
    "declined by the mailbox": (
        [event(responseStatus={"response": "declined"})],
        [NOON[0] + " free"],
    ),
    "not answered": ([event(responseStatus={"response": "notResponded"})], NOON),
}


@pytest.mark.parametrize("name", TABLE)
def test_what_an_event_takes_up(name: str) -> None:
    events, expected = TABLE[name]
    latest = list({one["id"]: one for one in events}.values())
    assert taken(merge({}, latest), zone="Europe/Berlin") == expected


def test_what_can_be_chosen_by() -> None:
    people = [
        {"emailAddress": {"address": "Ann@example.com"}, "status": {"response": "declined"}},
        {"emailAddress": {"address": "bob@example.com"}, "status": {"response": "none"}},
        {"emailAddress": {}},
    ]
    full = event(
        subject="Freeze; all",
        location={"displayName": "Room 1"},
        categories=["Red", "A, b"],
        attendees=people,
    )
    full["organizer"] = {"emailAddress": {"address": "carol@example.com"}}
    (row,) = understood(join(merge({}, [full])), "2024-03-01", "2024-04-01").rows
    details = row[0]
    assert (details.uid, details.summary, details.location) == ("ical-one", "Freeze; all", "Room 1")
    assert details.categories == ("Red", "A, b")
    assert details.attendees == {"ann@example.com", "bob@example.com", "carol@example.com"}
    assert details.declined == {"ann@example.com"}


def test_occurrences_have_ids_that_stay() -> None:
    moved = event(
        "s-12",
        "2024-03-13T07:00",
        "2024-03-13T08:00",
        seriesMasterId="s",
        originalStart="2024-03-12T12:00:00Z",
    )
    rows = understood(
        join(merge({}, [master(), occurrence("11"), moved])), "2024-03-01", "2024-04-01"
    ).rows
    assert [row[0].uid for row in rows] == ["ical-s/2024-03-11T12:00", "ical-s-12/2024-03-12T12:00"]


@pytest.mark.parametrize("other", [{"showAs": "free"}, {"isCancelled": True}, {}])
@pytest.mark.parametrize("other_first", [True, False])
def test_two_events_that_graph_tells_apart_take_nothing_from_each_other(
    other: dict[str, Any], other_first: bool
) -> None:
    """A copy in the same calendar keeps the iCalendar id, and gets an id of its own."""
    both = [event(), event("copy", iCalUId="ical-one", **other)]
    rows = taken(merge({}, both[::-1] if other_first else both))
    assert NOON[0] in rows
    assert len(rows) == (2 if other else 1)


BROKEN: dict[str, Event] = {
    "no start": {"id": "x", "iCalUId": "x", "showAs": "busy"},
    "no such day": event("x", "2024-02-30T12:00", iCalUId="x"),
    "unknown zone": event("x", zone="Mars Standard Time", iCalUId="x"),
    "times are texts": event("x", iCalUId="x") | {"start": "noon"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_understood_is_set_aside_by_its_id(name: str) -> None:
    reading = understood(join(merge({}, [BROKEN[name], event(), {}])), "2024-03-01", "2024-04-01")
    assert sorted((problem.uid, problem.reason) for problem in reading.problems) == [
        ("", "no DTSTART"),
        ("x", "no DTSTART"),
    ]
    assert len(reading.rows) == 1


def test_changes_come_on_top_of_what_is_kept() -> None:
    first = merge({}, [event(), master(), occurrence("11"), occurrence("12")])
    kept = split(join(first))
    assert kept == first, "nothing is lost on the way through the cache"
    assert (
        taken(merge(kept, [event(start="2024-03-10T15:00", end="2024-03-10T16:00")]))[0]
        == "03-10 15:00/03-10 16:00"
    )
    assert merge(kept, [removed("one")]) == merge(
        {}, [master(), occurrence("11"), occurrence("12")]
    )
    assert merge(kept, [removed("s")]) == merge({}, [event()]), "its occurrences go with it"
    assert taken(merge(kept, [removed("s-11")])) == [*NOON, "03-12 12:00/03-12 13:00"]


def test_of_a_series_that_comes_again_only_what_comes_is_left() -> None:
    """Graph never names an occurrence that was deleted: it sends the master and the others."""
    kept = merge({}, [event(), master(), occurrence("11"), occurrence("12")])
    assert taken(merge(kept, [master(), occurrence("12")])) == [*NOON, "03-12 12:00/03-12 13:00"]


def test_an_occurrence_whose_master_does_not_come_along_is_read_anew() -> None:
    with pytest.raises(SyncTokenExpired):
        merge(merge({}, [event()]), [occurrence("11")])
