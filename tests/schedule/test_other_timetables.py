"""The timetables of airflow-timetables-calendar and ours, run by run.

Each rule is looked at for two years of its own, forty in all. What differs is pinned, and argued in
docs/business-days.md.
"""

from __future__ import annotations

import warnings
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import airflow_timetables_calendar as other
import pytest
from airflow.timetables.base import DataInterval, TimeRestriction
from pendulum import instance

from calendar_timetable import CalendarTimetable, On, Recurrence, WorkingDays

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
TOKYO, BERLIN, YORK, SHANGHAI = "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Asia/Shanghai"
JP, DE, US = WorkingDays("JP"), WorkingDays("DE"), WorkingDays("US")
NYSE = WorkingDays("XNYS")
nth, from_end, simple = other.nth_business_day, other.nth_business_day_from_end, other.simple_rule


def rule(calendar: str, zone: str, *rules: Any, hour: int = 9, **more: Any) -> dict[str, Any]:
    return {"calendar_id": calendar, "timezone": zone, "rules": list(rules), "hour": hour, **more}


def windowed(days: WorkingDays, zone: str, **more: Any) -> CalendarTimetable:
    """Return cron with the days as windows."""
    return CalendarTimetable("0 9 * * *", timezone=zone, windows=days, when_blocked="skip", **more)


# What they are given, what we are, and the first of the two years that are compared.
SAME: list[tuple[dict[str, Any], On | Recurrence | CalendarTimetable, int]] = [
    (rule("country:JP", TOKYO, nth(1)), On(1, JP, at="09:00"), 1995),
    (rule("country:DE", BERLIN, nth(5), hour=2, minute=30), On(5, DE, at="02:30"), 1997),
    (rule("country:US", YORK, from_end(0)), On("last", US, at="09:00"), 1999),
    (rule("country:US", YORK, from_end(3), hour=1), On(-4, US, at="01:00"), 2001),
    (
        rule("country:JP", TOKYO, simple(day=15, shift="next")),
        On(15, JP, roll="following", at="09:00"),
        2003,
    ),
    (
        rule("country:DE", BERLIN, simple(day=15, shift="prev")),
        On(15, DE, roll="preceding", at="09:00"),
        2005,
    ),
    (
        rule("country:DE", BERLIN, simple(day=10, shift="none")),
        On(10, DE, roll="skip", at="09:00"),
        2007,
    ),
    (
        rule("country:DE", BERLIN, simple(day=20, shift="anyway")),
        On(20, DE, roll="none", at="09:00"),
        2009,
    ),
    (
        rule("country:JP", TOKYO, simple(day="L", shift="prev")),
        On("last", JP, roll="preceding", at="09:00"),
        2011,
    ),
    (
        rule("country:US", YORK, simple(day="L", shift="next")),
        On("last", US, roll="modified following", at="09:00"),
        2013,
    ),
    (
        rule("country:JP", TOKYO, simple(day="L", shift="prev", relative=-2)),
        On(-3, JP, at="09:00"),
        2015,
    ),
    (
        rule("country:JP", TOKYO, simple(day=1, shift="next", relative=4)),
        On(5, JP, at="09:00"),
        2017,
    ),
    (rule("exchange:NYSE", YORK, from_end(0), hour=16), On("last", NYSE, at="16:00"), 2019),
    (rule("country:JP", TOKYO, nth(2), hour=25), On(2, JP, at="25:00"), 2021),
    (rule("NONE", BERLIN, hour=3), On(list(range(1, 6)), of="week", at="03:00"), 2023),
    (
        rule("country:DE-BY", BERLIN),
        On(list(range(1, 8)), WorkingDays("DE-BY"), of="week", at="09:00"),
        2025,
    ),
    (rule("country:US", YORK), windowed(US, YORK), 2027),
    (
        rule("country:DE", BERLIN, include_dates=["2029-12-25"], exclude_dates=["2029-12-24"]),
        windowed(WorkingDays("DE", add=[date(2029, 12, 25)], remove=[date(2029, 12, 24)]), BERLIN),
        2029,
    ),
    (
        rule("country:DE", BERLIN, nth(1), base_day=26),
        On(1, DE, period_start=26, at="09:00"),
        2031,
    ),
    (
        rule("country:JP", TOKYO, simple(day=31, shift="anyway")),
        Recurrence("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", date(2030, 1, 31), "09:00"),
        2033,
    ),
]


@pytest.mark.parametrize(("theirs", "ours", "year"), SAME, ids=[str(row[1]) for row in SAME])
def test_due_at_the_same_moments(
    theirs: dict[str, Any], ours: On | Recurrence | CalendarTimetable, year: int
) -> None:
    found = due(ours, theirs["timezone"], year)
    assert found == their_due(theirs, year)
    assert len(found) > 15


def test_weekends_that_are_worked() -> None:
    """They take each Saturday and Sunday for a day off; China works on some."""
    ours = due(windowed(WorkingDays("CN"), SHANGHAI), SHANGHAI, 2024)
    theirs = their_due(rule("country:CN", SHANGHAI), 2024)
    assert theirs < ours
    assert {f"{at:%Y-%m-%d}" for at in ours - theirs} == {
        *("2024-02-04", "2024-02-18", "2024-04-07", "2024-04-28", "2024-05-11"),
        *("2024-09-14", "2024-09-29", "2024-10-12", "2025-01-26", "2025-02-08"),
        *("2025-04-27", "2025-09-28", "2025-10-11"),
    }


def test_days_that_a_month_has_not() -> None:
    """Theirs become its last day; ours are left out."""
    ours = due(On(31, DE, roll="skip", at="09:00"), BERLIN, 2026)
    theirs = their_due(rule("country:DE", BERLIN, simple(day=31, shift="none")), 2026)
    assert ours < theirs
    assert {(at.month, at.day) for at in theirs - ours} <= {
        *((2, 28), (4, 30), (6, 30), (9, 30), (11, 30))
    }


def test_days_that_roll_out_of_the_month() -> None:
    """Theirs make no run; ours are in the month before, as *preceding* is in finance."""
    ours = due(On(1, DE, roll="preceding", at="09:00"), BERLIN, 2026)
    theirs = their_due(rule("country:DE", BERLIN, simple(day=1, shift="prev")), 2026)
    assert theirs < ours
    assert all(at.day > 20 for at in ours - theirs)
    assert all(at.day == 1 for at in theirs)


def due(on: On | Recurrence | CalendarTimetable, zone: str, year: int) -> set[datetime]:
    """Return what runs when due in two years, in local time."""
    timetable = on if isinstance(on, CalendarTimetable) else CalendarTimetable(on, timezone=zone)
    first, end = (datetime(y, 1, 1, tzinfo=ZoneInfo(zone)) for y in (year, year + 2))
    runs = timetable.plan(first, end)
    return {run.due.astimezone(ZoneInfo(zone)) for run in runs if run.start is not None}


def their_due(given: dict[str, Any], year: int) -> set[datetime]:
    zone = ZoneInfo(given["timezone"])
    first, end = (datetime(y, 1, 1, tzinfo=zone) for y in (year, year + 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        timetable = other.CalendarTimetable(**given)
        within = TimeRestriction(None, instance(end.astimezone(UTC)), catchup=True)
        before = instance((first - timedelta(seconds=1)).astimezone(UTC))
        last, found = DataInterval.exact(before), set()
        while info := timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=within
        ):
            if info.run_after >= end:
                break
            found.add(info.run_after.astimezone(zone))
            assert info.data_interval is not None
            last = info.data_interval
    return found
