"""Working days and trading hours, day by day as the libraries know them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import exchange_calendars
import holidays
import pytest

from calendar_timetable import TradingHours, WorkingDays
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from tests.support.moments import instant, utc

pytestmark = pytest.mark.filterwarnings("ignore")
DAY = timedelta(days=1)
YEARS = range(1995, 2035)
COUNTRIES = (
    *("DE", "DE-BY", "DE-BE", "AT-9", "CH-ZH", "FR", "GB-SCT", "ES-MD", "IT", "PL"),
    *("US", "US-CA", "CA-QC", "BR", "JP", "CN", "IN-MH", "AU-NSW", "AE", "IL"),
)
# With the years for which they are known.
EXCHANGES = {
    **dict.fromkeys(("XNYS", "NYSE", "XFRA", "XLON", "XTKS", "XHKG", "BVMF"), (2008, 2027)),
    "XSHG": (2008, 2026),
    "XSAU": (2021, 2027),
}


def days_of(timeset: TimeSet, first: date, last: date, zone: str) -> set[date]:
    """Return the local days that *timeset* covers, each of them whole."""
    timezone = zones.load_zone(zone)
    low, high = (zones.local_instant(day, 0, timezone) for day in (first, last + DAY))
    covered = timeset.resolve(TimeRange(low, high), zone).cover(low, high)
    every = [first + n * DAY for n in range((last - first).days + 1)]
    found = set()
    for day in every:
        begin, end = (zones.local_instant(one, 0, timezone) for one in (day, day + DAY))
        here = covered.clip(begin, end)
        assert not here or list(here) == [(begin, end)], "days are whole"
        if here:
            found.add(day)
    return found


@pytest.mark.parametrize("code", COUNTRIES)
def test_countries_over_forty_years(code: str) -> None:
    country, _, part = code.partition("-")
    known = holidays.country_holidays(country, subdiv=part or None, years=YEARS)
    first, last = date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31)
    every = (first + n * DAY for n in range((last - first).days + 1))
    expected = {day for day in every if known.is_working_day(day)}
    assert days_of(WorkingDays(code), first, last, "Europe/Berlin") == expected


@pytest.mark.parametrize("code", EXCHANGES)
def test_sessions_of_exchanges(code: str) -> None:
    years = EXCHANGES[code]
    first, last = date(years[0], 1, 4), date(years[1], 6, 30)
    known = exchange_calendars.get_calendar(code, start=str(first), end=str(last))
    expected = {at.date() for at in known.sessions}
    assert days_of(WorkingDays(code), first, last, "America/New_York") == expected


@pytest.mark.parametrize("code", EXCHANGES)
def test_trading_hours_minute_by_minute(code: str) -> None:
    """With lunch breaks, and half days before holidays."""
    begin, end = instant("2025-12-18"), instant("2026-01-09")
    known = exchange_calendars.get_calendar(code, start="2025-12-01", end="2026-01-31")
    covered = TradingHours(code).resolve(TimeRange(begin, end), "UTC").cover(begin, end)
    for at in range(begin, end, 60):
        moment = datetime.fromtimestamp(at, UTC)
        # Its minutes are of sessions that are closed at the left, as ours.
        assert (at in covered) == known.is_open_on_minute(moment.isoformat(), ignore_breaks=False)


def test_what_is_known_besides() -> None:
    first, last = date(2026, 1, 1), date(2026, 12, 31)

    def days(timeset: TimeSet) -> set[date]:
        return days_of(timeset, first, last, "UTC")

    plain = days(WorkingDays())
    assert {day.weekday() for day in plain} == {0, 1, 2, 3, 4} and len(plain) == 261
    assert {day.weekday() for day in days(WorkingDays(weekend="fri-sat"))} == {6, 0, 1, 2, 3}
    assert {day.weekday() for day in days(WorkingDays("AE"))} == {0, 1, 2, 3, 4}
    # China works on some days of the weekend in place of others.
    assert date(2026, 2, 14) in days(WorkingDays("CN"))
    assert date(2026, 2, 16) not in days(WorkingDays("CN"))
    changed = WorkingDays("DE", add=[date(2026, 12, 26)], remove=[date(2026, 12, 24)])
    assert days(changed) ^ days(WorkingDays("DE")) == {date(2026, 12, 24), date(2026, 12, 26)}


def test_exchanges_at_the_ends_of_what_is_known() -> None:
    """The first of January is no session, and where nothing is known days of the week count."""

    def days(first: str, last: str, code: str = "XSHG") -> list[str]:
        found = days_of(
            WorkingDays(code), date.fromisoformat(first), date.fromisoformat(last), "UTC"
        )
        return [f"{day:%a %d}" for day in sorted(found)]

    assert days("2026-01-01", "2026-01-05", "XNYS") == ["Fri 02", "Mon 05"]
    weekdays = ["Fri 04", "Mon 07", "Tue 08"]
    assert days("1989-08-04", "1989-08-08") == weekdays, "before 1990 nothing is known"
    assert days("2034-08-04", "2034-08-08") == weekdays
    # What was asked for begins before what is known, and ends after it.
    assert days("1991-01-31", "1991-02-20")[9:] == ["Wed 13", "Thu 14", "Tue 19", "Wed 20"]
    assert TradingHours("XSHG").spans(utc("2034-08-04"), utc("2034-08-08")) == []


@pytest.mark.parametrize("code", ["Germany", "de", "XX", "DE-XX", "XXXX", "", 7])
def test_codes_that_nobody_knows(code: str) -> None:
    with pytest.raises(InvalidArgument, match="give a country"):
        WorkingDays(code).spans(utc("2026-01-01"), utc("2026-02-01"))


@pytest.mark.parametrize("code", ["DE", "DE-BY", "", 5, None, "XXXX"])
def test_trading_hours_are_those_of_an_exchange(code: Any) -> None:
    with pytest.raises(InvalidArgument, match="give an exchange, as 'XNYS'") as refused:
        TradingHours(code).spans(utc("2026-01-01"), utc("2026-02-01"))
    assert refused.value.field == "TradingHours"
    assert "country" not in str(refused.value)


def test_trading_hours_that_are_not_known_close_no_time() -> None:
    """Shanghai's holidays are published a year at a time."""
    first, last = instant("2026-12-30"), instant("2034-03-01")
    hours = TradingHours("XSHG")
    windows, blackouts = (
        hours.in_role(deny=deny).resolve(TimeRange(first, last), "UTC").cover(first, last)
        for deny in (False, True)
    )
    assert instant("2026-12-31 03:00") in windows
    assert instant("2026-12-31 03:00") in blackouts
    assert instant("2026-12-31 12:00") not in windows
    for later in ("2033-01-03 12:00", "2034-02-27 03:00"):
        assert instant(later) in windows
        assert instant(later) not in blackouts


@pytest.mark.parametrize("name", ["add", "remove"])
def test_dates_are_given_as_a_list(name: str) -> None:
    wrong = (
        None,
        5,
        True,
        "2026-01-01",
        date(2026, 1, 1),
        {date(2026, 1, 1): 1},
        [utc("2026-01-01")],
    )
    for value in (*wrong, ["2026-01-01"], [None], iter([date(2026, 1, 1)])):
        with pytest.raises(InvalidArgument, match="give a list of dates") as refused:
            WorkingDays("DE", **{name: value}).validate()
        assert refused.value.field == name
    for kind in (list, tuple, set, frozenset):
        given = WorkingDays("DE", **{name: kind([date(2026, 1, 3), date(2026, 1, 2)])})
        given.validate()
        assert "date(2026, 1, 2)" in repr(given)


def test_sets_of_dates_are_told_in_order() -> None:
    dates = {date(2026, 1, day) for day in range(31, 0, -1)}
    assert WorkingDays(add=dates) == WorkingDays(add=sorted(dates))


@pytest.mark.parametrize("weekend", ["", 5, ["sat"], "foo", "daily", "sat 10:00-12:00", True])
def test_weekends_are_days_of_the_week(weekend: Any) -> None:
    with pytest.raises(InvalidArgument, match="give some days of the week") as refused:
        WorkingDays("DE", weekend=weekend).validate()
    assert refused.value.field == "weekend"
