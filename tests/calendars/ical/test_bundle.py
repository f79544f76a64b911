"""A calendar kept object by object reads as one calendar.

It comes apart again as it went together.
"""

from __future__ import annotations

import pytest

from calendar_timetable.calendars.ical.bundle import (
    COLLECTION_DIGITS,
    Item,
    digest,
    join,
    make_item,
    split,
)
from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.ical.series_cache import dump_reading
from calendar_timetable.calendars.occurrences import ParsedCalendar
from tests.support.ics import spans

ZONE = (
    "BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0200\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
)


def event(uid: str, *lines: str) -> str:
    return "\r\n".join(
        (
            "BEGIN:VEVENT",
            f"UID:{uid}",
            "DTSTART;TZID=Office:20260302T100000",
            "DURATION:PT1H",
            *lines,
            "END:VEVENT",
            "",
        )
    )


def data(*events: str, zone: str = ZONE) -> str:
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{zone}{''.join(events)}END:VCALENDAR\r\n"


def bundled(*objects: str, zone: str = "") -> dict[str, Item]:
    return {
        digest(str(number)): make_item(one, f"v{number}", zone)
        for number, one in enumerate(objects)
    }


CASES = {
    "nothing": [],
    "one": [data(event("a"))],
    "two in one frame": [data(event("a")), data(event("b"))],
    "a series and its exception": [
        data(
            event("a", "RRULE:FREQ=DAILY;COUNT=3"),
            event("a", "RECURRENCE-ID;TZID=Office:20260303T100000"),
        )
    ],
    "an alarm within": [data(event("a", "BEGIN:VALARM", "ACTION:DISPLAY", "END:VALARM"))],
    "bare line feeds": [data(event("a")).replace("\r\n", "\n")],
    "no events": [data(), data(event("b"))],
    "cut off": [data(event("a"))[:-40], data(event("b"))],
    "an event not closed": [data(event("a").replace("END:VEVENT\r\n", "")), data(event("b"))],
    "an event in another": [data("BEGIN:VEVENT\r\nUID:x\r\n" + event("a")), data(event("b"))],
    "marks of somebody else": [data(event("a", "X-CALENDAR-TIMETABLE-OBJECT:abc def"))],
}


@pytest.mark.parametrize("zone", ["", "Asia/Tokyo"])
@pytest.mark.parametrize("objects", CASES.values(), ids=CASES)
def test_a_bundle_comes_apart_as_it_went_together(objects: list[str], zone: str) -> None:
    items = bundled(*objects, zone=zone)
    body = join(items, zone)
    assert split(body) == items
    assert join(split(body), zone) == body


def test_objects_are_found_by_the_reader_each_once() -> None:
    body = join(bundled(data(event("a")), data(event("b")), data(event("c"), zone="")))
    reading = read(body, 1772000000, 1773000000, "UTC", 5)
    assert [(row[0].uid, row[1]) for row in reading.rows] == [("a", 1772438400), ("b", 1772438400)]
    # Its zone is that of another object
    assert [problem.uid for problem in reading.problems] == ["c"]
    assert body.count(b"BEGIN:VTIMEZONE") == 1


def test_what_is_not_whole_is_quarantined_and_the_rest_read() -> None:
    reading = read(
        join(bundled(data(event("a"))[:-40], data(event("b")))), 1772000000, 1773000000, "UTC", 5
    )
    assert [row[0].uid for row in reading.rows] == ["b"]
    assert len(reading.problems) == 1


def test_a_bundle_names_no_address_and_no_version() -> None:
    body = join({digest("https://host/secret/"): make_item(data(event("a")), "secret")})
    assert b"secret" not in body


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", data(event("a")).encode()]
)
def test_another_body_has_no_items(body: bytes) -> None:
    assert split(body) == {}


@pytest.mark.parametrize("place", ["SUMMARY:one", "END:VEVENT"])
@pytest.mark.parametrize("line", ["END:VCALENDAR", "BEGIN:VCALENDAR", "end:vcalendar "])
def test_an_object_that_would_end_the_bundle_is_set_aside(place: str, line: str) -> None:
    """Else it, and what stands beside it, would be lost when the bundle comes apart again."""
    bad = data(event("bad", "SUMMARY:one")).replace(place, f"{place}\r\n{line}")
    items = bundled(bad, data(event("good")))
    assert split(join(items)) == items
    reading = read(join(items), 0, 2**32, "UTC", 30)
    assert [details.uid for details, _, _ in reading.rows] == ["good"]
    assert len(reading.problems) == 1


OURS = "DTSTART:20260302T080000Z", "DTEND:20260302T120000Z"
WEEKLY = (*OURS, "RRULE:FREQ=WEEKLY;COUNT=2")
FIRST, SECOND = "2026-03-02 08:00/12:00", "2026-03-09 08:00/12:00"


def meeting(*lines: str) -> str:
    return "\r\n".join(("BEGIN:VEVENT", "UID:meet", *lines, "END:VEVENT", ""))


def collections(*several: list[str]) -> bytes:
    """Return a body of several collections, each of these objects."""
    return b"".join(
        join(
            {
                digest(f"/{number}/")[:COLLECTION_DIGITS] + digest(one): make_item(one, one)
                for one in objects
            }
        )
        for number, objects in enumerate(several)
    )


def reading_of(body: bytes, earlier: bytes = b"") -> ParsedCalendar:
    return read(body, 1772000000, 1776000000, "UTC", 5, earlier)


def busy(reading: ParsedCalendar) -> list[str]:
    return [span for row, span in zip(reading.rows, spans(reading), strict=True) if row[0].busy]


ELSEWHERE: dict[str, tuple[list[str], list[str]]] = {
    "free": ([meeting(*WEEKLY, "TRANSP:TRANSPARENT")], []),
    "cancelled": ([meeting(*WEEKLY, "SEQUENCE:1", "STATUS:CANCELLED")], []),
    "moved": (
        [meeting("DTSTART:20260305T080000Z", "DURATION:PT1H", "SEQUENCE:3")],
        ["2026-03-05 08:00/09:00"],
    ),
    "shorter": ([meeting(OURS[0], "DTEND:20260302T090000Z")], ["2026-03-02 08:00/09:00"]),
    "one instance cancelled": (
        [
            meeting(*WEEKLY),
            meeting("RECURRENCE-ID:20260309T080000Z", "SEQUENCE:2", "STATUS:CANCELLED"),
        ],
        [],
    ),
    "one instance moved": (
        [
            meeting(*WEEKLY),
            meeting("RECURRENCE-ID:20260309T080000Z", "DTSTART:20260310T080000Z", "DURATION:PT1H"),
        ],
        ["2026-03-10 08:00/09:00"],
    ),
    "only an instance that was cancelled": (
        [meeting("RECURRENCE-ID:20260309T080000Z", "STATUS:CANCELLED")],
        [],
    ),
    "not understood": ([meeting("DTSTART:20260302T080000Z", "DTEND:nonsense")], []),
    "a rule not understood": ([meeting(*OURS, "RRULE:FREQ=SECONDLY")], []),
}


@pytest.mark.parametrize("other_first", [True, False])
@pytest.mark.parametrize(("copy", "more"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_one_collection_says_of_a_uid_takes_nothing_from_another(
    copy: list[str], more: list[str], other_first: bool
) -> None:
    ours, theirs = [data(meeting(*WEEKLY), zone="")], [data(*copy, zone="")]
    alone = reading_of(collections(ours))
    assert busy(alone) == [FIRST, SECOND]
    reading = reading_of(collections(theirs, ours) if other_first else collections(ours, theirs))
    assert sorted(set(busy(reading))) == sorted([FIRST, SECOND, *more])


def test_in_one_collection_a_series_is_one_in_several_objects_too() -> None:
    """Some servers keep the instances that were changed apart."""
    override = meeting("RECURRENCE-ID:20260309T080000Z", "STATUS:CANCELLED")
    reading = reading_of(collections([data(meeting(*WEEKLY), zone=""), data(override, zone="")]))
    assert busy(reading) == [FIRST]


@pytest.mark.parametrize("bad", ["RDATE:nonsense", "EXDATE:nonsense", ""])
def test_what_collections_say_alike_is_there_once(bad: str) -> None:
    one = data(meeting(*WEEKLY, *([bad] if bad else [])), zone="")
    alone, both = reading_of(collections([one])), reading_of(collections([one], [one], [one]))
    assert len(alone.problems) == bool(bad)
    assert (both.rows, both.problems) == (alone.rows, alone.problems)


def test_edits_of_one_collection_are_seen_beside_the_other_whatever_is_remembered() -> None:
    """The copy comes, is freed, is moved, is cancelled, is mended, goes; then ours goes."""
    ours = [data(meeting(*WEEKLY), zone="")]
    told = []
    earlier = b""
    for copy in (
        [],
        [meeting(*WEEKLY)],
        [meeting(*WEEKLY, "TRANSP:TRANSPARENT")],
        [meeting("DTSTART:20260305T080000Z", "DURATION:PT1H", "SEQUENCE:3")],
        [meeting(*WEEKLY, "SEQUENCE:4", "STATUS:CANCELLED")],
        [meeting("DTSTART:nonsense")],
        [meeting(*WEEKLY)],
        [],
    ):
        body = collections(ours, [data(*copy, zone="")] if copy else [])
        reading = reading_of(body, earlier)
        assert reading == reading_of(body)
        earlier = dump_reading(reading)
        told.append(busy(reading))
    assert told == [
        [FIRST, SECOND],
        [FIRST, SECOND],
        [FIRST, SECOND],
        [FIRST, "2026-03-05 08:00/09:00", SECOND],
        [FIRST, SECOND],
        [FIRST, SECOND],
        [FIRST, SECOND],
        [FIRST, SECOND],
    ]
    assert busy(reading_of(collections([], []), earlier)) == []
