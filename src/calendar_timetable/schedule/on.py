"""``On``: due times by days, such as the last working day of each month."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, get_args

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.days import Of, Periods, Roll, nth, rolled
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import TimeRange, TimeSet, leaves
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.due_rule import (
    MOST_A_YEAR,
    TOO_OFTEN,
    DueRule,
    in_words,
    laid_out,
    times_of_day,
)

_MARGIN = timedelta(days=366)  # around the table: periods that begin before it, and rolls
_MONTH_DAY = re.compile(r"[0-9]{2}-[0-9]{2}")
_PLACES = {"first": 1, "last": -1}
_LONGEST: dict[Of, int] = {"week": 7, "month": 31, "quarter": 92, "half": 184, "year": 366}


@dataclass(frozen=True)
class On(DueRule):
    """Due on counted days of each period, at a time of day: a schedule for ``CalendarTimetable``.

    :param which: which day of the period: 1 is the first, -1 or ``"last"`` the last; several as a
        list. A period with fewer days has no run.
    :param days: the days that count, such as ``WorkingDays("DE-BY")``; every day without. A day
        counts where the set covers all of it.
    :param of: ``"week"`` (from Monday on), ``"month"``, ``"quarter"``, ``"half"`` or ``"year"``.
    :param at: the time of day, ``"18:00"``; several as a list. ``"25:00"`` is 01:00 the day after.
    :param roll: *which* then counts every day of the period, and a day that is not one of *days*
        moves: ``"following"``, ``"preceding"``, ``"modified following"``, ``"modified preceding"``
        (the modified turn back at the end of the period), ``"nearest"`` (of two as near, the one
        after); ``"none"`` leaves it, ``"skip"`` makes no run.
    :param period_start: the day of the month on which months begin (26: from the 26th to the 25th),
        or ``"04-06"``, month and day, on which years begin, and so their quarters and halves.

    Times are those of the schedule's zone. Raises :class:`InvalidArgument` when it is used.
    """

    which: Any
    days: TimeSet | None = None
    of: Of = "month"
    at: Any = "00:00"
    roll: Roll | None = None
    period_start: int | str = 1

    def validate(self) -> None:
        from calendar_timetable.calendars.working_days import TradingHours

        if self.of not in get_args(Of):
            raise InvalidArgument("of", self.of, f"give one of {', '.join(get_args(Of))}")
        for position in self.positions:
            if not 0 < abs(position) <= _LONGEST[self.of]:
                remedy = f"count from 1, or from -1 back, up to {_LONGEST[self.of]}"
                raise InvalidArgument("which", position, remedy)
        if self.days is not None:
            if not isinstance(self.days, TimeSet):
                raise InvalidArgument("days", self.days, "give a time set, as WorkingDays('DE')")
            self.days.validate()
            for leaf in leaves(self.days):
                if isinstance(leaf, TradingHours):
                    remedy = f"hours are no days; give WorkingDays({leaf.code!r})"
                    raise InvalidArgument("days", leaf, remedy)
        if self.roll is not None:
            if self.roll not in get_args(Roll):
                raise InvalidArgument("roll", self.roll, f"give one of {', '.join(get_args(Roll))}")
            if self.days is None:
                raise InvalidArgument("roll", self.roll, "name the days to move to, in days")
        times, _ = times_of_day(self.at), self.periods
        if len(self.positions) * len(times) * _per_year(self.of) > MOST_A_YEAR:
            raise InvalidArgument("which", self.which, TOO_OFTEN)

    @property
    def positions(self) -> tuple[int, ...]:
        """Which days of the period, as numbers."""
        values = self.which if isinstance(self.which, (list, tuple)) else (self.which,)
        positions: list[int] = []
        for value in values:
            number = _PLACES.get(value) if isinstance(value, str) else value
            if isinstance(number, bool) or not isinstance(number, int):
                remedy = "give numbers, 'first' or 'last', one or a list"
                raise InvalidArgument("which", value, remedy)
            positions.append(number)
        if len({*positions}) < len(positions):
            raise InvalidArgument("which", self.which, "give each day once")
        if not positions:
            raise InvalidArgument("which", self.which, "give a number, 'first' or 'last'")
        return tuple(positions)

    @property
    def periods(self) -> Periods:
        """The periods, one after the other."""
        start = self.period_start
        if isinstance(start, int) and not isinstance(start, bool) and 1 <= start <= 31:
            if start != 1 and self.of != "month":
                remedy = (
                    f"a {self.of} begins on a day such as '04-06'"
                    if self.of != "week"
                    else ("weeks begin on Monday; leave it out")
                )
                raise InvalidArgument("period_start", start, remedy)
            return Periods(self.of, 1, start)
        # Not "W10-1", which is a date of ISO 8601 too.
        match = isinstance(start, str) and _MONTH_DAY.fullmatch(start)
        try:
            begin = date.fromisoformat(f"2000-{start}" if match else "")
        except ValueError:
            remedy = "give a day of the month, or month and day as '04-06'"
            raise InvalidArgument("period_start", start, remedy) from None
        if self.of in ("week", "month"):
            remedy = "leave it out" if self.of == "week" else "give a day of the month, as 26"
            raise InvalidArgument("period_start", start, remedy)
        return Periods(self.of, begin.month, begin.day)

    def due(self, horizon: TimeRange, timezone: str) -> list[int]:
        zone = zones.load_zone(timezone)
        first, last = laid_out(horizon)
        times = times_of_day(self.at)
        days = self._days_between(first, last, timezone)
        instants: set[int] = set()
        for begin, end in self.periods.between(first, last):
            for day in self._days_of(begin, end, days):
                if first <= day <= last:
                    instants.update(zones.local_instant(day, at, zone) for at in times)
        return sorted(instants)

    def reach(self, horizon: TimeRange, timezone: str) -> TimeRange:
        zone = zones.load_zone(timezone)
        first, last = laid_out(horizon)
        return TimeRange(
            zones.local_instant(first - _MARGIN, 0, zone),
            zones.local_instant(last + _MARGIN, DAY, zone),
        )

    def doubt(self, timezone: str) -> str:
        if self.days is None or not all(isinstance(leaf, Weekly) for leaf in leaves(self.days)):
            # Only rules tell their days without anything being read.
            return ""
        day = date(2026, 1, 1)
        some = self._days_between(day, day, timezone)
        return "" if some else "days cover no day from midnight to midnight: nothing will run"

    def _days_of(self, begin: date, end: date, days: Sequence[date]) -> list[date]:
        if self.roll is None:
            chosen = [nth(days, begin, end, position) for position in self.positions]
        else:
            every = [begin + timedelta(days=n) for n in range((end - begin).days)]
            nominal_days = (nth(every, begin, end, position) for position in self.positions)
            chosen = [day and rolled(day, days, begin, end, self.roll) for day in nominal_days]
        return [day for day in chosen if day is not None]

    def _days_between(self, first: date, last: date, timezone: str) -> list[date]:
        """Return the days that count, from a year before *first* to a year after *last*."""
        low, high = first - _MARGIN, last + _MARGIN
        every = [low + timedelta(days=n) for n in range((high - low).days + 1)]
        if self.days is None:
            return every
        zone = zones.load_zone(timezone)
        midnights = [zones.local_instant(day, 0, zone) for day in every]
        midnights.append(zones.local_instant(every[-1], DAY, zone))
        within = TimeRange(midnights[0], midnights[-1])
        # As windows or as a schedule, every confirmed event counts.
        days = self.days.in_role(deny=False)
        covered = days.resolve(within, timezone).cover(within.start, within.end)
        return [
            day
            for day, (begin, end) in zip(every, pairwise(midnights), strict=True)
            if begin in covered and (covered.end_of_span(begin) or 0) >= end
        ]

    def __str__(self) -> str:
        """Say it in words: "last day of each month among working days DE-BY, at 18:00"."""
        text = f"{' and '.join(map(_place, self.positions))} day of each {self.of}"
        if isinstance(self.period_start, str):
            text += f" from {self.period_start} on"
        elif self.period_start != 1:
            text += f" from day {self.period_start} on"
        if self.roll is not None:
            text += f", {self.roll} in {self.days}"
        elif self.days is not None:
            text += f" among {self.days}"
        return f"{text}, at {in_words(self.at)}"


def _place(position: int) -> str:
    """Return "first", "4th", "last" or "2nd to last"."""
    if position in (1, -1):
        return "first" if position > 0 else "last"
    number = abs(position)
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number // 10 != 1 else 0, "th")
    return f"{number}{ending}" + ("" if position > 0 else " to last")


def _per_year(of: Of) -> int:
    return 366 // _LONGEST[of] + 1
