"""Feeds that are malformed or mean harm.

Bounded in time and memory, and the rest of the calendar stays.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.ical.expand import expand
from calendar_timetable.calendars.ical.parser import Unreadable
from calendar_timetable.calendars.occurrences import ParsedCalendar
from tests.support.ics import event, feed, spans, understood
from tests.support.moments import instant

GOOD = event("UID:good", "SUMMARY:Fine", "DTSTART:20240310T120000Z", "DURATION:PT1H")
FINE = ["2024-03-10 12:00/13:00"]


def reasons(reading: ParsedCalendar) -> list[tuple[str, str]]:
    return [(problem.uid, problem.reason) for problem in reading.problems]


def test_many_events_and_changes_of_one_uid_do_not_use_up_the_time_of_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Less time of the processor, so that this is short, and more time, as other tests may use it
    monkeypatch.setattr(limits, "EXPAND_SECONDS", 15.0)
    monkeypatch.setattr(limits, "START_SECONDS", 120.0)
    events = [
        event("UID:same", f"DTSTART:2020{1 + n // 28:02}{1 + n % 28:02}T{n % 24:02}0000Z", rule)
        for n, rule in enumerate(["RRULE:FREQ=HOURLY;COUNT=28000"] * 200)
    ]
    changes = [
        event(
            "UID:same",
            f"RECURRENCE-ID:202303{1 + n // 24 % 28:02}T{n % 24:02}0000Z",
            f"DTSTART:202403{1 + n // 24 % 28:02}T{n % 24:02}3000Z",
        )
        for n in range(600)
    ]
    body = feed(*events, *changes, GOOD)
    # Made where production makes it
    reading = expand(body, instant("2024-01-01"), instant("2025-01-01"), "UTC")
    assert len(reading.rows) == 601
    assert {details.uid for details, _, _ in reading.rows} == {"same", "good"}
    assert {problem.uid for problem in reading.problems} == {"same"}


def test_too_many_occurrences_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OCCURRENCES", 10)
    daily = [
        event(f"UID:{n}", "DTSTART:20240101T000000Z", "RRULE:FREQ=DAILY;COUNT=8") for n in "ab"
    ]
    reading = understood(feed(*daily), "2024-01-01", "2025-01-01")
    assert len(reading.rows) == 8
    assert reasons(reading) == [("b", "it brings the calendar to more than 10 occurrences")]


# --- malformed bytes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + feed(GOOD),
        feed(GOOD).replace(b"\r\n", b"\n"),
        feed(GOOD).replace(b"BEGIN:VEVENT", b"begin:vevent").replace(b"DTSTART", b"dtstart"),
        feed(GOOD).replace(b"DTSTART", b"DTST\r\n ART"),
        feed(GOOD).replace(b"VERSION:2.0", b"VERSION:2.0\r\n\r\nno colon here\r\n:\r\n;;;"),
        b"END:VEVENT\r\n" + feed(GOOD),
        feed(GOOD)[: -len(b"END:VCALENDAR\r\n")] + b"END:VEVENT\r\nEND:VCALENDAR\r\n",
    ],
    ids=[
        "BOM",
        "bare LF",
        "lower case",
        "a folded name",
        "junk lines",
        "an END before",
        "an END too many",
    ],
)
def test_odd_bytes(body: bytes) -> None:
    assert spans(understood(body, "2024-01-01", "2025-01-01")) == FINE


def test_latin_1_and_folded_characters() -> None:
    body = feed(event("SUMMARY:Müßiggang", "DTSTART:20240310T120000Z"))
    for variant in (
        body,
        body.decode().encode("latin-1"),
        body.replace("ü".encode(), b"\xc3\r\n \xbc"),
    ):
        (row,) = understood(variant, "2024-01-01", "2025-01-01").rows
        assert row[0].summary == "Müßiggang"


def test_text_is_unescaped_and_on_one_line() -> None:
    body = feed(
        event(
            r"SUMMARY:a\, b\nc\;\\d",
            r"CATEGORIES:x\,y,Z",
            "LOCATION:L\x07",
            "DTSTART:20240310T120000Z",
        )
    )
    (row,) = understood(body, "2024-01-01", "2025-01-01").rows
    assert (row[0].summary, row[0].categories, row[0].location) == ("a, b c;\\d", ("x,y", "Z"), "L")
    steers = event(r"SUMMARY:a\nb\N\rc" + "\r\n \x0b\x1b[2J", "DTSTART:20240310T120000Z")
    (row,) = understood(feed(steers), "2024-01-01", "2025-01-01").rows
    assert row[0].summary == "a b rc [2J"


@pytest.mark.parametrize("ends", ["\x1c", "\x85", "\x9b", "\u2028", "\u2029"], ids=ascii)
def test_no_text_starts_a_line_of_its_own(ends: str) -> None:
    """It goes into logs, pages and JSON."""
    texts = (f"{name}:a{ends}b" for name in ("UID", "SUMMARY", "LOCATION", "CATEGORIES"))
    body = feed(event(*texts, "DTSTART:20240310T120000Z"))
    ((details, _, _),) = understood(body, "2024-01-01", "2025-01-01").rows
    found = (details.uid, details.summary, details.location, *details.categories)
    assert found == ("a b",) * 4


def test_several_calendars_keep_their_own_zones() -> None:
    floating = event("DTSTART:20240310T120000")
    body = feed(floating, head=("X-WR-TIMEZONE:Asia/Tokyo",)) + feed(floating)
    assert spans(understood(body, "2024-01-01", "2025-01-01", "Europe/Berlin")) == [
        "2024-03-10 03:00/03:00",
        "2024-03-10 11:00/11:00",
    ]


def test_a_component_that_is_not_closed_is_quarantined_alone() -> None:
    body = feed(
        "BEGIN:VEVENT\r\nUID:open\r\nDTSTART:20240301T120000Z", GOOD, "BEGIN:VEVENT\r\nUID:last"
    )
    reading = understood(body, "2024-01-01", "2025-01-01")
    assert spans(reading) == FINE
    assert reasons(reading) == [
        ("open", "it is not closed properly"),
        ("last", "it is not closed properly"),
    ]


def test_events_without_uid_stand_alone() -> None:
    body = b"".join(feed(GOOD, GOOD.replace("T12", "T15")).split(b"UID:good\r\n"))
    assert spans(understood(body, "2024-01-01", "2025-01-01")) == [*FINE, "2024-03-10 15:00/16:00"]


def test_what_is_no_calendar() -> None:
    for body in (b"", b"hello", b"BEGIN:VEVENT\r\nEND:VEVENT", b"\xff\xfe"):
        with pytest.raises(Unreadable, match="not a calendar"):
            understood(body, "2024-01-01", "2025-01-01")
    with pytest.raises(Unreadable, match="Gregorian"):
        understood(feed(GOOD, head=("CALSCALE:HEBREW",)), "2024-01-01", "2025-01-01")


def zone(offset: str) -> str:
    part = f"DTSTART:19700101T000000\r\nTZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}"
    return (
        f"BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\n{part}\r\nEND:STANDARD\r\nEND:VTIMEZONE"
    )


@pytest.mark.parametrize("order", [("+0200", "-0500"), ("-0500", "+0200")])
def test_two_feeds_with_the_same_zone_name_in_one_process(order: tuple[str, str]) -> None:
    hours = {"+0200": "10:00", "-0500": "17:00"}
    for offset in order:
        body = feed(zone(offset), event("DTSTART;TZID=Own:20240310T120000"))
        assert spans(understood(body, "2024-01-01", "2025-01-01")) == [
            f"2024-03-10 {hours[offset]}/{hours[offset]}"
        ]
    both = b"".join(
        feed(zone(offset), event("DTSTART;TZID=Own:20240310T120000")) for offset in order
    )
    assert [text[11:16] for text in spans(understood(both, "2024-01-01", "2025-01-01"))] == [
        "10:00",
        "17:00",
    ]
    lost = understood(feed(event("DTSTART;TZID=Own:20240310T120000")), "2024-01-01", "2025-01-01")
    assert reasons(lost) == [("one", "DTSTART: unknown time zone, xxx")]


# --- what a quarantined component may cover -------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "start", "end"),
    [
        (
            ("DTSTART:20240310T120000Z", "DTEND:20240310T110000Z"),
            "2024-03-10T11:00",
            "2024-03-10T12:00",
        ),
        (("SUMMARY:when?",), None, None),
        (("DTSTART:20240310T120000Z", "RRULE:FREQ=SECONDLY"), "2024-03-10T12:00", None),
        (("DTSTART:20240310T120000Z", "DTEND:nonsense"), "2024-03-10T12:00", None),
        (
            ("RECURRENCE-ID:20240308T120000Z", "DTSTART:20240310T120000Z", "RRULE:FREQ=DAILY"),
            "2024-03-10T12:00",
            None,
        ),
        (
            ("DTSTART;TZID=No:20240310T120000", "DTEND;TZID=No:20240310T130000"),
            "2024-03-09T22:00",
            "2024-03-11T03:00",
        ),
    ],
)
def test_the_time_a_problem_may_cover(
    lines: tuple[str, ...], start: str | None, end: str | None
) -> None:
    (problem,) = understood(feed(event(*lines)), "2024-01-01", "2025-01-01").problems
    expected = [
        None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
        for text in (start, end)
    ]
    assert [problem.start, problem.end] == expected


@pytest.mark.parametrize(
    "line", ["RRULE:FREQ=SECONDLY", "RDATE:nonsense", "EXDATE:nonsense", "DTEND:nonsense"]
)
def test_a_problem_of_what_is_cancelled_covers_no_time(line: str) -> None:
    cancelled = event("STATUS:CANCELLED", "DTSTART:20240310T120000Z", line)
    (problem,) = understood(feed(cancelled), "2024-01-01", "2025-01-01").problems
    assert problem.start == problem.end is not None
