"""Days that are counted in periods, and how one that does not count is moved: on dates alone."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

Of = Literal["week", "month", "quarter", "half", "year"]
Roll = Literal[
    "following", "preceding", "modified following", "modified preceding", "nearest", "none", "skip"
]
MOST_DAYS_ROLLED = 366
_MONTHS: dict[Of, int] = {"month": 1, "quarter": 3, "half": 6, "year": 12}
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Periods:
    """Weeks from Monday on, or so many months from a *day* of a *month* on, one after the other.

    A month without that day begins a period where that day would be: the 31st of April is the 1st
    of May, the 30th of February the 2nd of March, or the 1st in a leap year.
    """

    of: Of
    month: int = 1
    day: int = 1

    def around(self, at: date) -> tuple[date, date]:
        """Return the period ``[first, next)`` that *at* is in."""
        if self.of == "week":
            first = at - timedelta(days=at.weekday())
            return first, first + timedelta(days=7)
        length = _MONTHS[self.of]
        number = (at.year * 12 + at.month - self.month) // length
        while self._begin(number) > at:
            number -= 1
        return self._begin(number), self._begin(number + 1)

    def between(self, first: date, last: date) -> Iterator[tuple[date, date]]:
        """Yield the periods that begin or are under way in ``[first, last]``."""
        begin, end = self.around(first)
        while begin <= last:
            yield begin, end
            begin, end = self.around(end)

    def _begin(self, number: int) -> date:
        months = number * _MONTHS[self.of] + self.month - 1
        return date(months // 12, months % 12 + 1, 1) + timedelta(days=self.day - 1)


def nth(days: Sequence[date], begin: date, end: date, position: int) -> date | None:
    """Return the day at *position* of the sorted *days* in ``[begin, end)``, if there is one.

    1 is the first of them, -1 the last.
    """
    low, high = bisect_left(days, begin), bisect_left(days, end)
    index = low + position - 1 if position > 0 else high + position
    return days[index] if low <= index < high else None


def rolled(day: date, days: Sequence[date], begin: date, end: date, roll: Roll) -> date | None:
    """Return *day*, moved to one of the sorted *days* as *roll* says; ``None`` where none is near.

    The modified rolls turn back where they would leave the period ``[begin, end)``.
    """
    index = bisect_left(days, day)
    if roll == "none" or (index < len(days) and days[index] == day):
        return day
    following = days[index] if index < len(days) else None
    preceding = days[index - 1] if index else None
    if following is not None and (following - day).days > MOST_DAYS_ROLLED:
        following = None
    if preceding is not None and (day - preceding).days > MOST_DAYS_ROLLED:
        preceding = None
    match roll:
        case "following":
            return following
        case "preceding":
            return preceding
        case "modified following":
            return preceding if following is None or following >= end else following
        case "modified preceding":
            return following if preceding is None or preceding < begin else preceding
        case "nearest":
            if following is None or preceding is None:
                return following or preceding
            return following if following - day <= day - preceding else preceding
    return None
