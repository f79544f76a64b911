"""The quick ways through a calendar give what the slow ones give: sifting, plain series."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.feed import google_like
from calendar_timetable.calendars.ical.properties import WallTime, local_seconds, local_time
from calendar_timetable.calendars.ical.reader import drop_past_events, read
from calendar_timetable.calendars.ical.rrule import parse_rrule
from tests.support.effort import tries
from tests.support.generated_calendars import (
    BEGINS,
    END,
    NOW,
    START,
    calendar,
    event,
    rules,
    slowly,
)


@pytest.mark.parametrize("seed", range(3))
def test_a_big_calendar_reads_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    body = google_like(1500, NOW, seed)
    assert read(body, START, END, "UTC", 60) == slowly(body, monkeypatch)
    assert drop_past_events(body, START)[1] > 1000  # else this would say nothing


PAST = "DTSTART:20200101T100000Z", "DTEND:20200101T110000Z"
KEPT = {
    "recurs": event(*PAST, "RRULE:FREQ=DAILY"),
    "recurs in small letters": event(*PAST, "rrule:FREQ=DAILY"),
    "further dates": event(*PAST, "RDATE:20260401T100000Z"),
    "an override": event(*PAST, "RECURRENCE-ID:20260401T100000Z"),
    "ends later": event("DTSTART:20200101T100000Z", "DTEND:20260401T110000Z"),
    "no end": event("DTSTART:20200101T100000Z"),
    "lasts": event("DTSTART:20200101T100000Z", "DURATION:P9999D"),
    "two starts": event(*PAST, "DTSTART:20260401T100000Z"),
    "two ends": event(*PAST, "DTEND:20260401T100000Z"),
    "a folded end": event("DTSTART:20200101T100000Z", "DTEND:20200101\r\n T110000Z"),
    "an end folded on": event("DTSTART:20200101T100000Z", "DTEND:20200101T110000Z\r\n 9"),
    "ends before it starts": event("DTSTART:20200102T100000Z", "DTEND:20200101T110000Z"),
    "a day that is none": event("DTSTART:20200230T100000Z", "DTEND:20200230T110000Z"),
    "an hour that is none": event("DTSTART:20200101T250000Z", "DTEND:20200101T260000Z"),
    "an unknown zone": event(
        "DTSTART;TZID=Nowhere:20200101T100000", "DTEND;TZID=Nowhere:20200101T110000"
    ),
    "a start in another zone": event(
        "DTSTART;TZID=Asia/Tokyo:20200101T100000", "DTEND;TZID=Europe/Berlin:20200101T110000"
    ),
    "a date until a time": event("DTSTART;VALUE=DATE:20200101", "DTEND:20200101T110000Z"),
    "no UID": "\r\n".join(("BEGIN:VEVENT", *PAST, "END:VEVENT")),
    "not closed": "\r\n".join(("BEGIN:VEVENT", "UID:a", *PAST)),
    "one in another": "\r\n".join(
        ("BEGIN:VEVENT", "UID:a", *PAST, event("DTSTART:20260401T100000Z", uid="b"), "END:VEVENT")
    ),
    "a UID that is not its own": event(*PAST)
    + "\r\n"
    + event("DTSTART:20260401T100000Z", "DTEND:20260401T110000Z"),
    "a UID that is not its own, in small letters": event(*PAST)
    + "\r\n"
    + event("DTSTART:20260401T100000Z").replace("UID", "uid"),
}


@pytest.mark.parametrize("text", KEPT.values(), ids=KEPT)
def test_what_is_odd_is_not_left_out(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = calendar(text)
    assert drop_past_events(body, START) == (body, 0)
    assert read(body, START, END, "UTC", 60) == slowly(body, monkeypatch)


LEFT_OUT = {
    "UTC": event(*PAST),
    "a zone": event(
        "DTSTART;TZID=Europe/Berlin:20200101T100000", "DTEND;TZID=Europe/Berlin:20200101T110000"
    ),
    "a Windows zone": event(
        "DTSTART;TZID=Pacific Standard Time:20200101T100000",
        "DTEND;TZID=Pacific Standard Time:20200101T110000",
    ),
    "all day": event("DTSTART;VALUE=DATE:20200229", "DTEND;VALUE=DATE:20200301"),
    "floating": event("DTSTART:20200101T100000", "DTEND:20200101T110000"),
    "with an alarm": event(*PAST, "BEGIN:VALARM", "TRIGGER:-PT10M", "END:VALARM"),
    "bare line feeds": event(*PAST).replace("\r\n", "\n"),
}


@pytest.mark.parametrize("text", LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_over_is_left_out_and_counted(text: str) -> None:
    body = calendar(text, event("DTSTART:20260401T100000Z", "DTEND:20260401T110000Z", uid="b"))
    found = read(body, START, END, "UTC", 60)
    assert drop_past_events(body, START)[1] == 1
    assert (found.components, [row[0].uid for row in found.rows], found.problems) == (2, ["b"], ())


@settings(deadline=None, max_examples=tries(60))
@given(
    data=st.data(),
    rule=rules(),
    begin=BEGINS,
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
def test_a_plain_series_reads_as_the_library_reads_it(
    data: st.DataObject, rule: str, begin: datetime, zone: str
) -> None:
    stamp = "%Y%m%dT%H%M%S"
    given_zone = f";TZID={zone}"
    hours = data.draw(st.sampled_from([0, 1, 30]))
    times = (
        f"DTSTART{given_zone}:{begin:{stamp}}",
        f"DTEND{given_zone}:{begin + timedelta(hours=hours):{stamp}}",
    )
    lines = [*times, f"RRULE:{rule}"]
    try:
        between = parse_rrule(rule, begin, WallTime(begin, UTC)).between
        instances = [
            local_time(at)
            for at in between(*map(local_seconds, (datetime(2026, 1, 1), datetime(2026, 7, 1))))
        ]
    except Exception:  # noqa: BLE001  (refused the one way and the other)
        instances = []
    some = (
        st.lists(st.sampled_from(instances), max_size=3, unique=True) if instances else st.just([])
    )
    lines += [f"EXDATE{given_zone}:{at:{stamp}}" for at in data.draw(some)]
    events = [event(*lines)]
    for at in data.draw(some):
        moved = at + data.draw(
            st.sampled_from(
                [timedelta(), timedelta(hours=3), timedelta(days=40), timedelta(days=-400)]
            )
        )
        sequence = data.draw(st.sampled_from(["0", "1"]))
        override = (
            f"RECURRENCE-ID{given_zone}:{at:{stamp}}",
            f"DTSTART{given_zone}:{moved:{stamp}}",
            f"DTEND{given_zone}:{moved + timedelta(minutes=20):{stamp}}",
            f"SEQUENCE:{sequence}",
            *(["STATUS:CANCELLED"] if data.draw(st.booleans()) else []),
        )
        events.append(event(*override))
    body = calendar(*events)
    monkeypatch = pytest.MonkeyPatch()
    slow = slowly(body, monkeypatch)
    fast = read(body, START, END, "UTC", 60)
    assert fast.rows == slow.rows
    assert [problem.uid for problem in fast.problems] == [problem.uid for problem in slow.problems]
