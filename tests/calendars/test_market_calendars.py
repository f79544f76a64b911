"""Exchanges as pandas_market_calendars knows them, day by day.

What differs is pinned to the day, and argued in docs/business-days.md.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd
import pandas_market_calendars
import pytest

from calendar_timetable import TradingHours, WorkingDays
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.time_sets import TimeRange
from tests.support.moments import utc
from tests.support.versions import at_least

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
DAY = timedelta(days=1)
FIRST, LAST = date(1999, 7, 13), date(2026, 11, 27)  # 10,000 days

# An exchange for us, and for pandas_market_calendars: by rules of its own where the names differ,
# else by those of exchange_calendars, laid out by itself.
EXCHANGES = {
    "XNYS": "NYSE",
    "XLON": "LSE",
    "XTKS": "JPX",
    "XHKG": "HKEX",
    "XSHG": "SSE",
    "XTSE": "TSX",
    "XASX": "ASX",
    "BVMF": "BMF",
    "XSWX": "SIX",
    "XBOM": "BSE",
    "XEUR": "EUREX",
    "XOSL": "OSE",
    "XETR": "XETR",
    "XPAR": "XPAR",
    "XMEX": "XMEX",
    "XNZE": "XNZE",
    "XSTO": "XSTO",
    "XSES": "XSES",
    "XJSE": "XJSE",
    "XWBO": "XWBO",
}
EVERY = [FIRST + n * DAY for n in range((LAST - FIRST).days + 1)]
WEEKDAYS = {day for day in EVERY if day.weekday() < 5}


def dates(text: str) -> set[date]:
    return {date.fromisoformat(day) for day in text.split()}


def at_years_end(*days: tuple[int, int]) -> set[date]:
    return {day for day in WEEKDAYS if (day.month, day.day) in days}


# Sessions that only we have, and that only they have.
SESSIONS: dict[str, tuple[set[date], set[date]]] = {
    "XHKG": (
        dates("2023-09-01 2023-09-08"),
        dates("2020-10-13 2021-04-06 2021-10-13 2024-09-06"),
    ),
    "XBOM": (
        dates("2013-11-15 2020-07-31"),
        dates("2013-11-14 2014-10-23 2015-11-11 2017-10-19 2018-11-07 2020-05-25"),
    ),
    "XASX": (set(), dates("2011-04-26")),
    "BVMF": (set(), dates("2014-06-12")),
    "XEUR": (
        dates("1999-12-27 1999-12-28 2004-12-27 2004-12-28 2005-12-27 2009-12-28 2010-12-27")
        | dates("2010-12-28 2011-12-27 2015-12-28 2016-12-27 2020-12-28 2021-12-27 2021-12-28")
        | dates("2022-12-27"),
        at_years_end((12, 24), (12, 31)),
    ),
}

# Hours of sessions that both have: ours, theirs, on how many days, the first and the last of them.
HOURS: dict[str, set[tuple[str, str, int, str, str]]] = {
    "XNYS": {
        ("09:30-13:00", "09:30-16:00", 1, "1999-12-31", "1999-12-31"),
        ("09:30-16:00", "09:33-16:00", 1, "2001-09-17", "2001-09-17"),
        ("09:30-16:00", "09:31-16:00", 1, "2001-10-08", "2001-10-08"),
        ("09:30-16:00", "12:00-16:00", 1, "2002-09-11", "2002-09-11"),
        ("09:30-16:00", "09:32-16:00", 3, "2003-03-20", "2006-12-27"),
        ("09:30-16:00", "09:30-15:56", 1, "2005-06-01", "2005-06-01"),
    },
    "XHKG": {
        ("10:00-12:00 13:00-16:00", "09:30-12:00 13:00-16:00", 2862, "1999-07-13", "2011-03-04"),
        ("10:00-12:30", "09:30-12:00 13:00-16:00", 17, "1999-12-24", "2010-12-31"),
        ("09:30-12:00", "09:30-12:00 13:00-16:00", 31, "2012-12-24", "2026-02-16"),
    },
    "XASX": {
        ("10:00-16:00", "10:00-14:10", 23, "1999-12-24", "2022-12-30"),
        ("10:00-16:00", "10:00-16:10", 6879, "1999-07-13", "2026-11-27"),
    },
    "BVMF": {
        ("10:00-17:00", "13:01-17:00", 16, "2000-03-08", "2015-02-18"),
        ("13:00-17:00", "13:01-17:00", 4, "2016-02-10", "2019-03-06"),
        ("10:00-18:00", "10:00-17:00", 1751, "2019-11-04", "2026-11-27"),
        ("13:00-18:00", "13:01-17:00", 7, "2020-02-26", "2026-02-18"),
    },
    "XEUR": {("08:00-22:00", "08:00-12:30", 16, "2000-12-22", "2023-12-29")},
    "XOSL": {("09:00-16:20", "09:00-13:00", 11, "2000-04-19", "2010-03-31")},
}
_TIMES = ("market_open", "break_start", "break_end", "market_close")


@cache
def sessions_of(name: str) -> dict[date, list[int]]:
    """Return the hours of each session that they have, as bounds in epoch seconds."""
    schedule = pandas_market_calendars.get_calendar(name).schedule(str(FIRST), str(LAST))
    second, epoch = pd.Timedelta(seconds=1), pd.Timestamp(0, tz="UTC")
    columns = [(schedule[name] - epoch) // second for name in _TIMES if name in schedule]
    rows = zip(*columns, strict=True)
    return {
        # There is no break where it has no length.
        at.date(): [int(row[0]), *([] if row[1] == row[-2] else map(int, row[1:-1])), int(row[-1])]
        for at, row in zip(schedule.index, rows, strict=True)
    }


@pytest.mark.parametrize("code", EXCHANGES)
def test_sessions_of_ten_thousand_days(code: str) -> None:
    theirs = {*sessions_of(EXCHANGES[code])}
    # In UTC, where each day is as long.
    low, high = (int(utc(f"{day}").timestamp()) for day in (FIRST, LAST + DAY))
    covered = WorkingDays(code).resolve(TimeRange(low, high), "UTC").cover(low, high)
    begins = (at for begin, end in covered for at in range(begin, end, 86400))
    ours = {datetime.fromtimestamp(at, UTC).date() for at in begins}
    if code == "XASX":
        before = {day for day in WEEKDAYS if day.year < 2011}
        assert before <= theirs, "they have no holidays so far back"
        theirs -= before - ours
    assert (ours - theirs, theirs - ours) == SESSIONS.get(code, (set(), set()))


@pytest.mark.parametrize("code", EXCHANGES)
def test_opens_closes_and_breaks(code: str) -> None:
    """Of each session to the second, and so over all changes of the clock."""
    theirs = sessions_of(EXCHANGES[code])
    zone = pandas_market_calendars.get_calendar(EXCHANGES[code]).tz
    low, high = (int(utc(f"{day}").timestamp()) for day in (FIRST - DAY, LAST + 2 * DAY))
    ours: dict[date, list[int]] = {}
    for span in TradingHours(code).resolve(TimeRange(low, high), "UTC").cover(low, high):
        ours.setdefault(datetime.fromtimestamp(span[0], zone).date(), []).extend(span)
    differ: dict[tuple[str, str], list[date]] = {}
    for day in theirs.keys() & ours.keys():
        if ours[day] != theirs[day]:
            key = in_words(ours[day], zone), in_words(theirs[day], zone)
            differ.setdefault(key, []).append(day)
    found = {(*key, len(days), f"{min(days)}", f"{max(days)}") for key, days in differ.items()}
    assert found == HOURS.get(code, set())


def in_words(bounds: list[int], zone: ZoneInfo) -> str:
    times = [f"{datetime.fromtimestamp(at, zone):%H:%M}" for at in bounds]
    return " ".join(f"{a}-{b}" for a, b in zip(times[::2], times[1::2], strict=True))


@pytest.mark.parametrize("code", ["XTAE", "TASE", "ASEX", "XBEL", "XBSE", "XCYS"])
def test_what_exchange_calendars_trips_over_is_refused(code: str) -> None:
    """With pandas 3.1 it raises, or takes Passover for Easter; with 3.0 it did neither."""
    assert at_least("pandas", "3.1"), "then they are known"
    with pytest.raises(InvalidArgument, match="fails for it with pandas"):
        WorkingDays(code).spans(utc("2029-01-01"), utc("2029-02-01"))
