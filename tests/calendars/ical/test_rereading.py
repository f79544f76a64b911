"""A calendar read again after an edit gives what reading it anew gives.

Whatever is remembered of it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.feed import google_like
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.ical import reader
from calendar_timetable.calendars.ical.bundle import digest, join, make_item
from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.ical.series import SeriesComponent, expand_series
from calendar_timetable.calendars.ical.series_cache import dump_reading, load_reading
from calendar_timetable.calendars.occurrences import ParsedCalendar
from calendar_timetable.calendars.sources.lookup import source_for
from tests.support.effort import tries
from tests.support.generated_calendars import (
    END,
    NOW,
    START,
    calendar,
    event,
    own_zone,
    slowly,
    whole_series,
)

DAILY = "DTSTART:20260301T100000", "DTEND:20260301T110000", "RRULE:FREQ=DAILY;COUNT=5"


def anew(body: bytes, zone: str = "UTC", start: int = START) -> ParsedCalendar:
    return read(body, start, END, zone, 60)


def again(body: bytes, earlier: bytes, zone: str = "UTC", start: int = START) -> ParsedCalendar:
    return read(body, start, END, zone, 60, earlier)


@pytest.fixture
def expanded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The UIDs of the series that are expanded, as they are."""
    uids: list[str] = []

    def watched(parts: list[SeriesComponent], start: int, end: int) -> object:
        uids.append(parts[0].uid)
        return expand_series(parts, start, end)

    monkeypatch.setattr(reader, "expand_series", watched)
    return uids


@settings(deadline=None, max_examples=tries(15))
@given(data=st.data())
def test_whole_series_before_and_after_an_edit(data: st.DataObject) -> None:
    before = {uid: data.draw(whole_series(uid)) for uid in "abc"}
    after = dict(before)
    for uid in data.draw(st.lists(st.sampled_from("abcd"), max_size=2)):
        if uid in after and data.draw(st.booleans()):
            del after[uid]
        else:
            after[uid] = data.draw(whole_series(uid))
    offsets = data.draw(st.sampled_from([("+0200", "+0200"), ("+0200", "+0300")]))
    old, new = (
        calendar(
            "X-WR-TIMEZONE:Asia/Tokyo",
            own_zone(offset),
            *(text for events in all_.values() for text in events),
        )
        for offset, all_ in zip(offsets, (before, after), strict=True)
    )
    monkeypatch = pytest.MonkeyPatch()
    first, cold, slow = anew(old), anew(new), slowly(new, monkeypatch)
    warm = again(new, dump_reading(first))
    assert warm == cold
    assert warm.series == cold.series
    assert (cold.rows, [p.uid for p in cold.problems]) == (
        slow.rows,
        [p.uid for p in slow.problems],
    )


@pytest.mark.parametrize("seed", range(2))
def test_of_a_big_calendar_only_what_changed_is_expanded(seed: int, expanded: list[str]) -> None:
    old = google_like(1500, NOW, seed)
    first = anew(old)
    everything = set(expanded)
    pieces = google_like(1500, NOW, seed, stamp=NOW + timedelta(hours=1)).split(b"BEGIN:VEVENT")
    for number in random.Random(seed).sample(range(1, len(pieces)), 15):
        pieces[number] = pieces[number].replace(b"0000", b"1500")
    new = b"BEGIN:VEVENT".join(pieces)
    expanded.clear()
    warm = again(new, dump_reading(first))
    assert 0 < len(set(expanded)) <= 15 < len(everything)
    assert warm == anew(new)


EDITS: dict[str, tuple[Callable[[bytes], bytes], list[str]]] = {
    "nothing": (lambda body: body, []),
    "a stamp": (lambda body: body.replace(b"UID:a", b"UID:a\r\nDTSTAMP:20260101T000000Z"), []),
    "a description": (lambda body: body.replace(b"UID:a", b"UID:a\r\nDESCRIPTION:new"), []),
    "a summary": (lambda body: body.replace(b"UID:a", b"UID:a\r\nSUMMARY:new"), ["a"]),
    "a new override": (
        lambda body: body.replace(
            b"END:VCALENDAR",
            event("RECURRENCE-ID:20260302T100000", *DAILY[:2]).encode() + b"\r\nEND:VCALENDAR",
        ),
        ["a"],
    ),
    "the zone's own rules": (
        lambda body: body.replace(b"TZOFFSETTO:+0200", b"TZOFFSETTO:+0300"),
        ["a", "b"],
    ),
    "the calendar's zone": (lambda body: body.replace(b"Asia/Tokyo", b"Asia/Kolkata"), ["a", "b"]),
    "an event not closed": (lambda body: body.replace(b"END:VEVENT", b"X:", 1), []),
}


@pytest.mark.parametrize(("edit", "anew_expanded"), EDITS.values(), ids=EDITS)
def test_what_matters_to_a_series_is_noticed(
    edit: Callable[[bytes], bytes], anew_expanded: list[str], expanded: list[str]
) -> None:
    series = event(*DAILY), event("DTSTART;TZID=Own:20260401T100000", uid="b")
    body = calendar("X-WR-TIMEZONE:Asia/Tokyo", own_zone(), *series)
    earlier = dump_reading(anew(body))
    expanded.clear()
    warm = again(edit(body), earlier)
    assert expanded == anew_expanded
    assert warm == anew(edit(body))


def test_another_stretch_or_zone_remembers_nothing(expanded: list[str]) -> None:
    body = calendar(event(*DAILY))
    earlier = dump_reading(anew(body))
    for zone, start in (("Asia/Tokyo", START), ("UTC", START + 7 * 86400)):
        expanded.clear()
        warm = again(body, earlier, zone, start)
        assert expanded == ["a"]
        assert warm == anew(body, zone, start)


ELSEWHERE = {
    "free/busy": calendar(
        event(*DAILY),
        "BEGIN:VFREEBUSY",
        "UID:a",
        "FREEBUSY:20260402T100000Z/20260402T110000Z",
        "END:VFREEBUSY",
    ),
    "availability": calendar(
        event(*DAILY),
        "BEGIN:VAVAILABILITY",
        "UID:a",
        "DTSTART:20260402T100000Z",
        "DTEND:20260402T110000Z",
        "END:VAVAILABILITY",
    ),
    "one that is not understood": calendar(event(*DAILY)) + calendar(event("DTSTART:nonsense")),
    "no UID at all": calendar(event(*DAILY, uid=""), event("DTSTART:20260401T100000Z", uid="")),
}


@pytest.mark.parametrize("body", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_uid_of_several_places_is_not_remembered(body: bytes) -> None:
    first = anew(body)
    assert first.rows
    assert first.series == {}
    assert again(body, dump_reading(first)) == first


OF_TWO_CALENDARS = {
    "two events": calendar(event(*DAILY))
    + calendar(event("DTSTART:20260401T100000Z", "DTEND:20260401T120000Z")),
    "the same twice": calendar(event(*DAILY)) * 2,
    "an override": calendar(event(*DAILY))
    + calendar(event("RECURRENCE-ID:20260401T100000Z", "DTSTART:20260401T120000Z")),
}


@pytest.mark.parametrize("body", OF_TWO_CALENDARS.values(), ids=OF_TWO_CALENDARS)
def test_a_series_of_two_calendars_is_remembered_as_one(body: bytes, expanded: list[str]) -> None:
    first = anew(body)
    assert list(first.series) == ["a"]
    expanded.clear()
    assert again(body, dump_reading(first)) == first
    assert expanded == []


def test_a_series_of_two_collections_is_remembered_as_both_say_it(expanded: list[str]) -> None:
    def body(*copies: bytes, one: bool = False) -> bytes:
        return b"".join(
            join({digest("" if one else str(number)): make_item(copy.decode(), str(copy))})
            for number, copy in enumerate(copies)
        )

    ours, theirs = calendar(event(*DAILY)), calendar(event(*DAILY, "TRANSP:TRANSPARENT"))
    first = anew(body(ours, theirs))
    assert len(first.rows) == 10
    for now, expected in (
        (body(ours, theirs), []),
        # A version of the object in which nothing of use has changed
        (body(ours, theirs.replace(b"UID", b"DTSTAMP:20260101T000000Z\r\nUID")), []),
        (body(theirs, ours), ["a", "a"]),
        (body(ours, ours), ["a", "a"]),
        (body(ours), ["a"]),
        (body(ours, theirs, one=True), ["a"]),
    ):
        expanded.clear()
        warm = again(now, dump_reading(first))
        assert expanded == expected
        assert warm == anew(now)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]\n[]\n[]", b"{}\n{}\n{}", b"\xff\n\n"])
def test_a_damaged_memory_is_none(damage: bytes) -> None:
    body = calendar(event(*DAILY))
    assert again(body, damage) == anew(body)
    whole = dump_reading(anew(body))
    assert (
        again(body, whole[: len(whole) // 2])
        == again(body, whole.rpartition(b"\n")[0])
        == anew(body)
    )


def test_what_is_kept_is_three_lines_and_the_last_is_not_read_without_need() -> None:
    first = anew(calendar(event(*DAILY)))
    content = dump_reading(first)
    assert [sorted(json.loads(line)) for line in content.split(b"\n")] == [
        ["components", "problems", "zone"],
        ["details", "rows"],
        ["a"],
    ]
    assert load_reading(content) == first
    assert load_reading(content).series == {}
    assert load_reading(content, whole=True).series == first.series


def test_what_is_remembered_counts_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    body = calendar(event(*DAILY), event(*DAILY, uid="b"))
    earlier = dump_reading(anew(body))
    monkeypatch.setattr(limits, "MAX_OCCURRENCES", 7)
    warm = again(body, earlier)
    assert [problem.uid for problem in warm.problems] == ["b"]
    assert warm == anew(body)


def test_readings_for_every_stretch_help_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expanded: list[str]
) -> None:
    """As DAGs of several horizons ask for them.

    And none of them once the body has changed twice.
    """
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        feeds,
        "expand",
        lambda body, start, end, zone, earlier: read(body, start, end, zone, 60, earlier),
    )
    source = source_for(str(tmp_path / "team.ics"))
    stretches = (START, END), (START - 28 * 86400, END)

    def expanded_by(edit: str, *stretches: tuple[int, int]) -> list[list[str]]:
        (tmp_path / "team.ics").write_bytes(
            calendar(event(*DAILY), event(*DAILY, f"SUMMARY:{edit}", uid="b"))
        )
        found = []
        for start, end in stretches:
            expanded.clear()
            copy = feeds.FeedReader(source, start, end, "UTC", None, 86400).read()
            assert copy.reading is not None
            assert {row[0].summary for row in copy.reading.rows if row[0].uid == "b"} == {edit}
            found.append(list(expanded))
        return found

    assert expanded_by("one", *stretches) == [["a", "b"], ["a", "b"]]
    assert expanded_by("two", *stretches) == [["b"], ["b"]]
    assert expanded_by("two", *stretches) == [[], []]
    assert expanded_by("three", stretches[0]) == [["b"]]
    assert expanded_by("four", *stretches) == [["b"], ["a", "b"]]
    assert expanded_by("five", *stretches) == [["b"], ["b"]]
    assert not list((tmp_path / "cache").glob("*.was.*"))
