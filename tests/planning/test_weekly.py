"""Weekly rules: what texts mean, and their wall clocks.

Changes of the clocks are in test_dst_weeks.py.
"""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.planning.zones import local_instant
from tests.support.moments import iso, utc

# The week of Monday 2 March 2026, in UTC; what is expected, by day and hour of that week.
WEEK = (utc("2026-03-02"), utc("2026-03-09"))

RULES: list[tuple[tuple[str, ...], list[tuple[str, str]]]] = [
    (("mon",), [("02T00:00", "03T00:00")]),
    (("sat-sun",), [("07T00:00", "09T00:00")]),
    (("mon,wed",), [("02T00:00", "03T00:00"), ("04T00:00", "05T00:00")]),
    (("wed-thu 09:30-17:00",), [("04T09:30", "04T17:00"), ("05T09:30", "05T17:00")]),
    (("MON 8:00-9:00",), [("02T08:00", "02T09:00")]),
    (("tue 08:00-09:00,13:00-13:15",), [("03T08:00", "03T09:00"), ("03T13:00", "03T13:15")]),
    # past midnight: belongs to the day it starts on
    (("fri 22:00-04:00",), [("06T22:00", "07T04:00")]),
    # Sunday's goes on into Monday, also that of the week before
    (("sun 22:00-04:00",), [("02T00:00", "02T04:00"), ("08T22:00", "09T00:00")]),
    # ranges may go over the end of the week
    (("sun-mon 10:00-11:00",), [("02T10:00", "02T11:00"), ("08T10:00", "08T11:00")]),
    (("fri-mon",), [("02T00:00", "03T00:00"), ("06T00:00", "09T00:00")]),
    (("thu 12:00-24:00",), [("05T12:00", "06T00:00")]),
    (("thu 12:00-00:00",), [("05T12:00", "06T00:00")]),
    # a list means the union; touching spans are one
    (("mon 00:00-10:00", "mon 10:00-12:00", "mon 11:00-13:00"), [("02T00:00", "02T13:00")]),
    (("mon-sun",), [("02T00:00", "09T00:00")]),
    (("daily",), [("02T00:00", "09T00:00")]),
    (
        ("mon-fri 19:00-07:00", "sat-sun"),
        [
            ("02T19:00", "03T07:00"),
            ("03T19:00", "04T07:00"),
            ("04T19:00", "05T07:00"),
            ("05T19:00", "06T07:00"),
            ("06T19:00", "09T00:00"),
        ],
    ),
]


@pytest.mark.parametrize(
    ("texts", "expected"), RULES, ids=lambda value: ", ".join(map(str, value))[:40]
)
def test_rules_of_one_week(texts: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    found = Weekly(*texts, timezone="UTC").spans(*WEEK)

    assert [(iso(span.start), iso(span.end)) for span in found] == [
        (f"2026-03-{start}+00:00", f"2026-03-{end}+00:00") for start, end in expected
    ]


def test_daily_past_midnight() -> None:
    found = Weekly("daily 22:00-04:00", timezone="UTC").spans(utc("2026-03-02"), utc("2026-03-04"))

    assert [(iso(a), iso(b)) for a, b in found] == [
        ("2026-03-02T00:00+00:00", "2026-03-02T04:00+00:00"),
        ("2026-03-02T22:00+00:00", "2026-03-03T04:00+00:00"),
        ("2026-03-03T22:00+00:00", "2026-03-04T00:00+00:00"),
    ]


ZONES = [
    ("Europe/Berlin", "2026-03-02T08:00+00:00"),
    ("America/New_York", "2026-03-02T14:00+00:00"),
    ("Asia/Kolkata", "2026-03-02T03:30+00:00"),
    ("Asia/Kathmandu", "2026-03-02T03:15+00:00"),
    ("Pacific/Chatham", "2026-03-01T19:15+00:00"),
    ("Pacific/Apia", "2026-03-01T20:00+00:00"),
    ("Pacific/Kiritimati", "2026-03-01T19:00+00:00"),
    ("Pacific/Midway", "2026-03-02T20:00+00:00"),
]


@pytest.mark.parametrize(("zone", "start"), ZONES)
def test_times_are_those_of_the_zone(zone: str, start: str) -> None:
    """Monday, 09:00 there, whatever the day is in UTC."""
    found = Weekly("mon 09:00-10:00", timezone=zone).spans(
        utc("2026-03-01 12:00"), utc("2026-03-03 12:00")
    )

    assert [iso(span.start) for span in found] == [start]


def test_spans_are_cut_to_what_was_asked_for() -> None:
    found = Weekly("daily", timezone="UTC").spans(utc("2026-03-02 10:00"), utc("2026-03-02 11:00"))

    assert [(iso(a), iso(b)) for a, b in found] == [
        ("2026-03-02T10:00+00:00", "2026-03-02T11:00+00:00")
    ]


WRONG = [
    "",
    "monday",
    "mon-",
    "-mon",
    "mon 19:00",
    "mon 19-07",
    "mon 25:00-26:00",
    "mon 10:60-11:00",
    "mon 10:00-24:01",
    "mon 24:00-25:00",
    "mon 10:00-10:00",
    "mon 10:00 - 11:00",
    "mon 10:00-11:00,",
    "mon,,tue",
    "19:00-07:00",
    "xyz 10:00-11:00",
    "mon-fri-sun",
    "0 2 * * *",
    7,
    None,
]


@pytest.mark.parametrize("text", WRONG, ids=repr)
def test_a_text_that_is_no_rule_says_so_and_how_to_write_one(text: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Weekly(text).validate()

    assert caught.value.field == "Weekly"
    assert repr(text) in str(caught.value)
    assert "whole days" in str(caught.value), "what to write instead"


def test_at_least_one_rule() -> None:
    with pytest.raises(InvalidArgument, match="at least one rule"):
        Weekly().validate()


def test_an_unknown_zone() -> None:
    with pytest.raises(InvalidArgument, match="'Mars/Olympus'.*IANA"):
        Weekly("mon", timezone="Mars/Olympus").validate()


def test_equal_when_they_say_the_same() -> None:
    assert Weekly("mon", timezone="UTC") == Weekly("mon", timezone="UTC")
    assert hash(Weekly("mon")) == hash(Weekly("mon"))
    assert Weekly("mon") != Weekly("tue")
    assert Weekly("mon") != Weekly("mon", timezone="UTC")
    assert repr(Weekly("mon", timezone="UTC")) == "Weekly('mon', timezone='UTC')"
    assert str(Weekly("mon", "tue 10:00-11:00")) == "mon, tue 10:00-11:00"


CHANGES = [
    "Europe/Berlin",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Caracas",
]


@pytest.mark.parametrize("zone", CHANGES)
def test_years_are_as_their_days_one_by_one(zone: str) -> None:
    """From 2008 on, clocks that change in unusual ways.

    At midnight, by half an hour, four times a year, or so that a day is skipped.
    """
    first, last, day = 1_200_000_000 // 86400, 1_700_000_000 // 86400, timedelta(days=1)
    rules = {
        "mon-fri 19:00-07:00": (0, 1, 2, 3, 4),
        "sat-sun": (5, 6),
        "sat,sun 23:30-02:30": (5, 6),
    }
    hours = ((19, 31), (0, 24), (23.5, 26.5))
    dates = [date(1970, 1, 1) + day * number for number in range(first - 3, last + 3)]
    pairs = [
        (
            local_instant(at, int(start * 3600), ZoneInfo(zone)),
            local_instant(at, int(end * 3600), ZoneInfo(zone)),
        )
        for days, (start, end) in zip(rules.values(), hours, strict=True)
        for at in dates
        if at.weekday() in days
    ]

    found = Weekly(*rules, timezone=zone).cover(first * 86400, last * 86400)

    assert found == Spans(pairs).clip(first * 86400, last * 86400)
