"""Days counted in periods, and rolled: tables of literal dates, and brute force over decades."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import get_args

import pytest

from calendar_timetable.planning.days import Of, Periods, Roll, nth, rolled

DAY = timedelta(days=1)


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("of", "month", "first", "at", "begin", "end"),
    [
        ("week", 1, 1, "2026-11-29", "2026-11-23", "2026-11-30"),
        ("month", 1, 1, "2026-02-28", "2026-02-01", "2026-03-01"),
        ("month", 1, 26, "2026-02-25", "2026-01-26", "2026-02-26"),
        ("month", 1, 26, "2026-02-26", "2026-02-26", "2026-03-26"),
        ("month", 1, 31, "2026-03-02", "2026-01-31", "2026-03-03"),
        ("month", 1, 31, "2026-03-03", "2026-03-03", "2026-03-31"),
        ("month", 1, 31, "2026-05-01", "2026-05-01", "2026-05-31"),
        ("quarter", 1, 1, "2026-12-31", "2026-10-01", "2027-01-01"),
        ("quarter", 4, 6, "2026-04-05", "2026-01-06", "2026-04-06"),
        ("half", 1, 1, "2026-07-01", "2026-07-01", "2027-01-01"),
        ("half", 2, 1, "2026-01-31", "2025-08-01", "2026-02-01"),
        ("year", 1, 1, "2024-02-29", "2024-01-01", "2025-01-01"),
        ("year", 4, 6, "2026-04-05", "2025-04-06", "2026-04-06"),
        ("year", 7, 1, "2026-07-01", "2026-07-01", "2027-07-01"),
    ],
)
def test_periods(of: Of, month: int, first: int, at: str, begin: str, end: str) -> None:
    assert Periods(of, month, first).around(day(at)) == (day(begin), day(end))


@pytest.mark.parametrize("of", get_args(Of))
def test_periods_follow_one_another(of: Of) -> None:
    """Over forty years no day is in two of them, and none in none."""
    for month, first in ((1, 1), (4, 6), (1, 31), (12, 15)):
        periods = Periods(of, month, first)
        at, last = day("2000-01-01"), day("2040-12-31")
        _, at = periods.around(at)
        for begin, end in periods.between(at, last):
            assert begin == at < end
            assert periods.around(begin) == periods.around(end - DAY) == (begin, end)
            at = end
        assert at > last


@pytest.mark.parametrize("roll", get_args(Roll))
def test_rolls_agree_with_a_walk(roll: Roll) -> None:
    """What each word means, day by day, for 4,000 random days."""
    dice = Random(7)
    first = day("2026-01-01")
    every = [first + n * DAY for n in range(1200)]
    for density in (0.02, 0.3, 0.7):
        days = [one for one in every if dice.random() < density]
        for _ in range(1333):
            at = dice.choice(every)
            begin, end = Periods("month").around(at)
            assert rolled(at, days, begin, end, roll) == walked(at, {*days}, begin, end, roll)


def walked(at: date, days: set[date], begin: date, end: date, roll: Roll) -> date | None:
    """Roll *at*, by looking at one day after the other."""
    if at in days or roll == "none":
        return at
    near = range(1, 367)
    following = next((at + n * DAY for n in near if at + n * DAY in days), None)
    preceding = next((at - n * DAY for n in near if at - n * DAY in days), None)
    if roll == "following":
        return following
    if roll == "preceding":
        return preceding
    if roll == "modified following":
        return following if following is not None and following < end else preceding
    if roll == "modified preceding":
        return preceding if preceding is not None and preceding >= begin else following
    if roll == "nearest":
        by_distance = sorted(
            (abs(one - at), one < at, one) for one in (following, preceding) if one is not None
        )
        return by_distance[0][2] if by_distance else None
    return None


def test_counted_days_agree_with_a_list() -> None:
    dice = Random(8)
    first = day("2026-01-01")
    days = [one for n in range(1200) if dice.random() < 0.7 for one in [first + n * DAY]]
    for begin, end in Periods("month").between(first, first + 1100 * DAY):
        members = [one for one in days if begin <= one < end]
        for position in range(1, 32):
            expected = members[position - 1] if position <= len(members) else None
            assert nth(days, begin, end, position) == expected
            expected = members[-position] if position <= len(members) else None
            assert nth(days, begin, end, -position) == expected
