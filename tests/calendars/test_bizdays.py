"""Counted and rolled days as the library bizdays has them, over forty years."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import bizdays
import holidays
import pytest
from dateutil.easter import easter

from calendar_timetable import WorkingDays
from calendar_timetable.planning.days import Periods, nth, rolled
from tests.calendars.test_working_days import days_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
DAY = timedelta(days=1)
YEARS = range(1995, 2035)
COUNTRIES = ("DE-BY", "GB-SCT", "IT", "PL", "US")


@pytest.mark.parametrize("code", COUNTRIES)
def test_all_months_of_forty_years_agree_with_bizdays(code: str) -> None:
    """The n-th working day of each month, days rolled, and offsets, by its arithmetic."""
    first, last = date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)
    country, _, part = code.partition("-")
    off = sorted(holidays.country_holidays(country, subdiv=part or None, years=YEARS))
    theirs = bizdays.Calendar(off, ["Saturday", "Sunday"], f"{first}", f"{last}")
    days = sorted(days_of(WorkingDays(code), first, last, "Europe/Berlin"))
    worked = {*days}
    months = [*Periods("month").between(first, last)]
    for begin, end in months:
        here = begin.year, begin.month
        for n in range(1, 11):
            assert nth(days, begin, end, n) == theirs.getdate(f"{n}th bizday", *here)
            assert nth(days, begin, end, -n) == theirs.getdate(f"-{n}th bizday", *here)
    for begin, end in months[1:-1]:
        # As many working days after the end of a month as On(n) counts, and before.
        for n in (1, 2, 9):
            assert nth(days, begin, end, n) == theirs.offset(begin - DAY, n)
            assert nth(days, begin, end, -n) == theirs.offset(end, -n)
        for day in sorted(every_day(begin, end - DAY) - worked | {begin, end - DAY}):
            assert rolled(day, days, begin, end, "following") == theirs.following(day)
            assert rolled(day, days, begin, end, "preceding") == theirs.preceding(day)
            modified = rolled(day, days, begin, end, "modified following")
            assert modified == theirs.modified_following(day)
            modified = rolled(day, days, begin, end, "modified preceding")
            assert modified == theirs.modified_preceding(day)


def test_brazil_as_bizdays_has_it() -> None:
    """B3 is equal; banks (ANBIMA) are closed at Carnival and Corpus Christi, which are optional."""
    first, last, zone = date(2001, 1, 1), date(2024, 12, 31), "America/Sao_Paulo"
    every = every_day(first, last)
    b3 = bizdays.Calendar.load("B3")
    expected = {day for day in every if b3.isbizday(day)}
    assert days_of(WorkingDays("BVMF"), first, last, zone) == expected

    # As it loads them, but for a hundred years at once.
    off = Path(bizdays.__file__).with_name("ANBIMA.cal").read_text().split()
    banks = {day for day in every if day.weekday() < 5 and f"{day}" not in off}
    sundays = [easter(year) for year in range(2001, 2025)]
    optional = {day + n * DAY for day in sundays for n in (-48, -47, 60)}
    assert days_of(WorkingDays("BR"), first, last, zone) ^ banks == optional


def every_day(first: date, last: date) -> set[date]:
    return {first + n * DAY for n in range((last - first).days + 1)}
