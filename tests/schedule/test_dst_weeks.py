"""Runs in the weeks in which clocks change, as a table of literal times.

Their windows are in test_dst_windows.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import pytest
import time_machine
from freezegun import freeze_time

from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import iso, utc
from tests.support.timetables import next_run, travelled

Blocked = Literal["postpone", "advance", "skip", "run"]


@dataclass(frozen=True)
class Week:
    zone: str
    cron: str
    windows: str
    first: str  # the first tick
    expected: list[tuple[str, str | None]]  # tick, start
    when_blocked: Blocked = "postpone"
    hours: float = 0


NIGHTS = "daily 19:00-07:00"
BERLIN_FORWARD = "2026-03-28T00:00+01:00"
BERLIN_BACK = "2026-10-24T00:00+02:00"

WEEKS = {
    "Berlin, forward: noon waits for the evening": Week(
        "Europe/Berlin",
        "0 12 * * *",
        NIGHTS,
        BERLIN_FORWARD,
        [
            ("2026-03-28T12:00+01:00", "2026-03-28T19:00+01:00"),
            ("2026-03-29T12:00+02:00", "2026-03-29T19:00+02:00"),
            ("2026-03-30T12:00+02:00", "2026-03-30T19:00+02:00"),
        ],
    ),
    "Berlin, back: noon waits for the evening": Week(
        "Europe/Berlin",
        "0 12 * * *",
        NIGHTS,
        BERLIN_BACK,
        [
            ("2026-10-24T12:00+02:00", "2026-10-24T19:00+02:00"),
            ("2026-10-25T12:00+01:00", "2026-10-25T19:00+01:00"),
            ("2026-10-26T12:00+01:00", "2026-10-26T19:00+01:00"),
        ],
    ),
    "Berlin, forward: 11 hours hold no 12": Week(
        "Europe/Berlin",
        "0 19 * * *",
        NIGHTS,
        BERLIN_FORWARD,
        [("2026-03-28T19:00+01:00", None), ("2026-03-29T19:00+02:00", "2026-03-29T19:00+02:00")],
        hours=12,
    ),
    "Berlin, back: 13 hours hold 13": Week(
        "Europe/Berlin",
        "0 19 * * *",
        NIGHTS,
        BERLIN_BACK,
        [("2026-10-24T19:00+02:00", "2026-10-24T19:00+02:00"), ("2026-10-25T19:00+01:00", None)],
        "skip",
        hours=13,
    ),
    "Berlin, forward: advanced so that 4 hours fit": Week(
        "Europe/Berlin",
        "0 8 * * *",
        NIGHTS,
        BERLIN_FORWARD,
        [
            ("2026-03-28T08:00+01:00", "2026-03-28T03:00+01:00"),
            ("2026-03-29T08:00+02:00", "2026-03-29T03:00+02:00"),
            ("2026-03-30T08:00+02:00", "2026-03-30T03:00+02:00"),
        ],
        "advance",
        hours=4,
    ),
    "Berlin, forward: advanced over the gap": Week(
        "Europe/Berlin",
        "0 8 * * SUN",
        NIGHTS,
        BERLIN_FORWARD,
        [("2026-03-29T08:00+02:00", "2026-03-29T01:00+01:00")],
        "advance",
        hours=5,
    ),
    "Berlin, back: advanced over the hour that comes twice": Week(
        "Europe/Berlin",
        "0 8 * * SUN",
        NIGHTS,
        BERLIN_BACK,
        [("2026-10-25T08:00+01:00", "2026-10-25T02:00+02:00")],
        "advance",
        hours=6,
    ),
    "Berlin, back: advanced to the last second": Week(
        "Europe/Berlin",
        "0 8 * * SUN",
        "sat 22:00-02:30",
        BERLIN_BACK,
        [("2026-10-25T08:00+01:00", "2026-10-25T02:29:59+02:00")],
        "advance",
    ),
    "Berlin, forward: skipped": Week(
        "Europe/Berlin",
        "30 2,7 * * *",
        NIGHTS,
        "2026-03-29T00:00+01:00",
        [
            ("2026-03-29T03:30+02:00", "2026-03-29T03:30+02:00"),
            ("2026-03-29T07:30+02:00", None),
            ("2026-03-30T02:30+02:00", "2026-03-30T02:30+02:00"),
        ],
        "skip",
    ),
    "Berlin, forward: run all the same": Week(
        "Europe/Berlin",
        "30 7 * * *",
        NIGHTS,
        BERLIN_FORWARD,
        [
            ("2026-03-28T07:30+01:00", "2026-03-28T07:30+01:00"),
            ("2026-03-29T07:30+02:00", "2026-03-29T07:30+02:00"),
        ],
        "run",
    ),
    "New York, forward": Week(
        "America/New_York",
        "0 9 * * *",
        NIGHTS,
        "2026-03-07T00:00-05:00",
        [
            ("2026-03-07T09:00-05:00", "2026-03-07T19:00-05:00"),
            ("2026-03-08T09:00-04:00", "2026-03-08T19:00-04:00"),
        ],
    ),
    "New York, forward: advanced": Week(
        "America/New_York",
        "0 9 * * SUN",
        NIGHTS,
        "2026-03-07T00:00-05:00",
        [("2026-03-08T09:00-04:00", "2026-03-08T01:30-05:00")],
        "advance",
        hours=4.5,
    ),
    "New York, back": Week(
        "America/New_York",
        "0 9 * * SUN",
        NIGHTS,
        "2026-10-31T00:00-04:00",
        [("2026-11-01T09:00-05:00", "2026-11-01T01:30-04:00")],
        "advance",
        hours=6.5,
    ),
    "Lord Howe, forward": Week(
        "Australia/Lord_Howe",
        "0 12 * * *",
        NIGHTS,
        "2026-10-03T00:00+10:30",
        [
            ("2026-10-03T12:00+10:30", "2026-10-03T19:00+10:30"),
            ("2026-10-04T12:00+11:00", "2026-10-04T19:00+11:00"),
        ],
    ),
    "Lord Howe, forward: eleven hours and a half": Week(
        "Australia/Lord_Howe",
        "0 12 * * SAT",
        NIGHTS,
        "2026-10-03T00:00+10:30",
        [("2026-10-03T12:00+10:30", "2026-10-03T19:00+10:30")],
        hours=11.5,
    ),
    "Lord Howe, back: advanced over half an hour": Week(
        "Australia/Lord_Howe",
        "0 12 * * SUN",
        NIGHTS,
        "2026-04-05T00:00+11:00",
        [("2026-04-05T12:00+10:30", "2026-04-05T01:15+11:00")],
        "advance",
        hours=6.25,
    ),
    "Santiago, forward": Week(
        "America/Santiago",
        "0 12 * * *",
        "sun",
        "2026-09-05T00:00-04:00",
        [
            ("2026-09-05T12:00-04:00", "2026-09-06T01:00-03:00"),
            ("2026-09-06T12:00-03:00", "2026-09-06T12:00-03:00"),
        ],
    ),
    "Santiago, forward: 23 hours are no day": Week(
        "America/Santiago",
        "0 12 * * SAT",
        "sun",
        "2026-09-05T00:00-04:00",
        [("2026-09-05T12:00-04:00", None)],
        hours=24,
    ),
    "Santiago, back": Week(
        "America/Santiago",
        "0 12 * * SUN",
        "sat",
        "2026-04-05T00:00-04:00",
        [("2026-04-05T12:00-04:00", "2026-04-04T23:30-04:00")],
        "advance",
        hours=0.5,
    ),
    "Apia, over the day that does not exist": Week(
        "Pacific/Apia",
        "0 12 * * *",
        NIGHTS,
        "2011-12-28T00:00-10:00",
        [
            ("2011-12-28T12:00-10:00", "2011-12-28T19:00-10:00"),
            ("2011-12-29T12:00-10:00", "2011-12-29T19:00-10:00"),
            ("2011-12-31T12:00+14:00", "2011-12-31T19:00+14:00"),
        ],
    ),
    "Apia, advanced over it": Week(
        "Pacific/Apia",
        "0 12 * * SAT",
        "thu 20:00-23:00",
        "2011-12-28T00:00-10:00",
        [("2011-12-31T12:00+14:00", "2011-12-29T21:00-10:00")],
        "advance",
        hours=2,
    ),
}


@pytest.mark.parametrize("week", WEEKS.values(), ids=WEEKS)
def test_cron_held_to_windows(week: Week) -> None:
    schedule = CalendarTimetable(
        week.cron,
        timezone=week.zone,
        windows=Weekly(week.windows),
        when_blocked=week.when_blocked,
        duration=timedelta(hours=week.hours),
        max_delay=timedelta(hours=16 if week.hours != 24 else 40),
    )
    first = utc(week.first)
    with freeze_time(first - timedelta(days=3)):
        plan = schedule.plan(first, limit=len(week.expected))
        compiled = travelled(schedule)
        assert compiled.plan(first, limit=len(week.expected)) == plan
        runs: list[Any] = []
        info = next_run(compiled, earliest=first)
        while (
            info is not None and info.data_interval is not None and len(runs) < len(week.expected)
        ):
            runs.append((info.data_interval.end, info.run_after))
            info = next_run(compiled, info.data_interval, earliest=first)

    assert [(iso(run.due, week.zone), iso(run.start, week.zone)) for run in plan] == week.expected
    expected_runs = [(tick, start) for tick, start in week.expected if start is not None]
    assert [(iso(tick, week.zone), iso(start, week.zone)) for tick, start in runs][
        : len(expected_runs)
    ] == expected_runs


def test_a_blackout_in_an_hour_that_comes_twice_covers_the_first() -> None:
    schedule = CalendarTimetable(
        "*/30 * * * *",
        timezone="Europe/Berlin",
        blackouts=Weekly("sun 02:00-02:30"),
        when_blocked="skip",
    )
    # Freezegun's datetimes know no second 02:00
    with time_machine.travel(utc("2026-10-20"), tick=False):
        plan = schedule.plan(utc("2026-10-25T01:30+02:00"), utc("2026-10-25T03:00+01:00"))

    assert [(iso(run.due, "Europe/Berlin"), run.outcome) for run in plan] == [
        ("2026-10-25T01:30+02:00", "on_time"),
        ("2026-10-25T02:00+02:00", "skipped"),
        ("2026-10-25T02:30+02:00", "on_time"),
        ("2026-10-25T02:00+01:00", "on_time"),
        ("2026-10-25T02:30+01:00", "on_time"),
    ]
