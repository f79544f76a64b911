"""Windows over a change of the clocks, as a table of literal times.

Wall-clock: 19:00-07:00 is 11 or 13 hours long when it holds a change of the clocks. A local time
that does not exist is read with the offset from before the gap, one that exists twice means the
first (RFC 5545).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from calendar_timetable.planning.weekly import Weekly
from tests.support.moments import iso, utc


@dataclass(frozen=True)
class Windows:
    zone: str
    rule: str
    asked: tuple[str, str]  # with their offsets
    expected: list[tuple[str, str, float]]  # start, end, hours


WINDOWS = {
    "Berlin, forward": Windows(
        "Europe/Berlin",
        "daily 19:00-07:00",
        ("2026-03-28T12:00+01:00", "2026-03-30T12:00+02:00"),
        [
            ("2026-03-28T19:00+01:00", "2026-03-29T07:00+02:00", 11),
            ("2026-03-29T19:00+02:00", "2026-03-30T07:00+02:00", 12),
        ],
    ),
    "Berlin, back": Windows(
        "Europe/Berlin",
        "daily 19:00-07:00",
        ("2026-10-24T12:00+02:00", "2026-10-26T12:00+01:00"),
        [
            ("2026-10-24T19:00+02:00", "2026-10-25T07:00+01:00", 13),
            ("2026-10-25T19:00+01:00", "2026-10-26T07:00+01:00", 12),
        ],
    ),
    "Berlin, a start that does not exist": Windows(
        "Europe/Berlin",
        "sun 02:30-06:00",
        ("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        [("2026-03-29T03:30+02:00", "2026-03-29T06:00+02:00", 2.5)],
    ),
    "Berlin, an end that does not exist": Windows(
        "Europe/Berlin",
        "sat 22:00-02:30",
        ("2026-03-28T12:00+01:00", "2026-03-29T12:00+02:00"),
        [("2026-03-28T22:00+01:00", "2026-03-29T03:30+02:00", 4.5)],
    ),
    "Berlin, within the hour that does not exist": Windows(
        "Europe/Berlin",
        "sun 02:15-02:45",
        ("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"),
        [("2026-03-29T03:15+02:00", "2026-03-29T03:45+02:00", 0.5)],
    ),
    "Berlin, a start that comes twice": Windows(
        "Europe/Berlin",
        "sun 02:30-06:00",
        ("2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00"),
        [("2026-10-25T02:30+02:00", "2026-10-25T06:00+01:00", 4.5)],
    ),
    "Berlin, an end that comes twice": Windows(
        "Europe/Berlin",
        "sat 22:00-02:30",
        ("2026-10-24T12:00+02:00", "2026-10-25T12:00+01:00"),
        [("2026-10-24T22:00+02:00", "2026-10-25T02:30+02:00", 4.5)],
    ),
    "Berlin, a whole short day": Windows(
        "Europe/Berlin",
        "sun",
        ("2026-03-28T00:00+01:00", "2026-03-31T00:00+02:00"),
        [("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23)],
    ),
    "New York, forward": Windows(
        "America/New_York",
        "daily 19:00-07:00",
        ("2026-03-07T12:00-05:00", "2026-03-08T12:00-04:00"),
        [("2026-03-07T19:00-05:00", "2026-03-08T07:00-04:00", 11)],
    ),
    "New York, back": Windows(
        "America/New_York",
        "daily 19:00-07:00",
        ("2026-10-31T12:00-04:00", "2026-11-01T12:00-05:00"),
        [("2026-10-31T19:00-04:00", "2026-11-01T07:00-05:00", 13)],
    ),
    "New York, a whole long day": Windows(
        "America/New_York",
        "sun",
        ("2026-10-31T00:00-04:00", "2026-11-03T00:00-05:00"),
        [("2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25)],
    ),
    "Lord Howe, forward by half an hour": Windows(
        "Australia/Lord_Howe",
        "daily 19:00-07:00",
        ("2026-10-03T12:00+10:30", "2026-10-04T12:00+11:00"),
        [("2026-10-03T19:00+10:30", "2026-10-04T07:00+11:00", 11.5)],
    ),
    "Lord Howe, back by half an hour": Windows(
        "Australia/Lord_Howe",
        "daily 19:00-07:00",
        ("2026-04-04T12:00+11:00", "2026-04-05T12:00+10:30"),
        [("2026-04-04T19:00+11:00", "2026-04-05T07:00+10:30", 12.5)],
    ),
    "Lord Howe, a start that does not exist": Windows(
        "Australia/Lord_Howe",
        "sun 02:15-04:00",
        ("2026-10-04T00:00+10:30", "2026-10-05T00:00+11:00"),
        [("2026-10-04T02:45+11:00", "2026-10-04T04:00+11:00", 1.25)],
    ),
    "Lord Howe, a start that comes twice": Windows(
        "Australia/Lord_Howe",
        "sun 01:45-04:00",
        ("2026-04-05T00:00+11:00", "2026-04-06T00:00+10:30"),
        [("2026-04-05T01:45+11:00", "2026-04-05T04:00+10:30", 2.75)],
    ),
    # Santiago's clocks change at midnight: Sunday 6 September 2026 begins at 01:00
    "Santiago, forward": Windows(
        "America/Santiago",
        "daily 19:00-07:00",
        ("2026-09-05T12:00-04:00", "2026-09-06T12:00-03:00"),
        [("2026-09-05T19:00-04:00", "2026-09-06T07:00-03:00", 11)],
    ),
    "Santiago, a midnight that does not exist": Windows(
        "America/Santiago",
        "sun",
        ("2026-09-05T00:00-04:00", "2026-09-08T00:00-03:00"),
        [("2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00", 23)],
    ),
    "Santiago, back": Windows(
        "America/Santiago",
        "daily 19:00-07:00",
        ("2026-04-04T12:00-03:00", "2026-04-05T12:00-04:00"),
        [("2026-04-04T19:00-03:00", "2026-04-05T07:00-04:00", 13)],
    ),
    "Santiago, an hour before midnight that comes twice": Windows(
        "America/Santiago",
        "sat 23:30-24:00",
        ("2026-04-04T12:00-03:00", "2026-04-05T12:00-04:00"),
        [("2026-04-04T23:30-03:00", "2026-04-05T00:00-04:00", 1.5)],
    ),
    # Apia had no 30 December 2011: from -10 on Thursday to +14 on Saturday
    "Apia, over the day that does not exist": Windows(
        "Pacific/Apia",
        "daily 19:00-07:00",
        ("2011-12-28T12:00-10:00", "2012-01-01T12:00+14:00"),
        [
            ("2011-12-28T19:00-10:00", "2011-12-29T07:00-10:00", 12),
            # Thursday's would end on the Friday that is not there: 07:00 at -10 is Saturday 07:00;
            # and Friday's own 19:00 is Saturday 19:00
            ("2011-12-29T19:00-10:00", "2011-12-31T07:00+14:00", 12),
            ("2011-12-31T19:00+14:00", "2012-01-01T07:00+14:00", 12),
        ],
    ),
    "Apia, a Thursday and a Saturday": Windows(
        "Pacific/Apia",
        "thu,sat 08:00-10:00",
        ("2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00"),
        [
            ("2011-12-29T08:00-10:00", "2011-12-29T10:00-10:00", 2),
            ("2011-12-31T08:00+14:00", "2011-12-31T10:00+14:00", 2),
        ],
    ),
}


@pytest.mark.parametrize("case", WINDOWS.values(), ids=WINDOWS)
def test_windows(case: Windows) -> None:
    found = Weekly(case.rule, timezone=case.zone).spans(*map(utc, case.asked))

    assert [(iso(a, case.zone), iso(b, case.zone)) for a, b in found] == [
        (a, b) for a, b, _ in case.expected
    ]
    assert [(b - a) / timedelta(hours=1) for a, b in found] == [
        hours for _, _, hours in case.expected
    ]
