"""The instances of a recurrence rule in wall-clock time, by the table of RFC 5545 section 3.3.10.

All times are integers: seconds since 1970 on a clock without a zone, and days since then. Each
period (a year, a month, an hour) is expanded by itself: the search begins near the time in
question, and at DTSTART only for a COUNT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from math import gcd
from typing import NamedTuple

from calendar_timetable.calendars.ical.properties import DAY

_EPOCH = date(1970, 1, 1).toordinal()
_LAST_YEAR, _LAST_DAY = 9998, date(9999, 1, 1).toordinal() - _EPOCH
# Four hundred years in seconds, after which the calendar is the same again.
_CYCLE = 146_097 * DAY
_UNITS = {"HOURLY": 3600, "MINUTELY": 60}
_SHORT_FREQUENCIES = {"DAILY", *_UNITS}
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class RecurrenceRule(NamedTuple):
    """What a RECUR value says; a part that is not given is empty. Weekdays count from Monday, 0."""

    frequency: str
    interval: int = 1
    limit: int | None = None  # COUNT
    months: frozenset[int] = frozenset()
    weeks: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    # Each is an ordinal, 0 for every one, and a weekday.
    weekdays: frozenset[tuple[int, int]] = frozenset()
    hours: frozenset[int] = frozenset()
    minutes: frozenset[int] = frozenset()
    seconds: frozenset[int] = frozenset()
    positions: frozenset[int] = frozenset()
    week_start: int = 0
    # What becomes of a 30th of February (RFC 7529 section 4.1).
    skip: str = "OMIT"


class Recurrence:
    """The instances of *rule* from *begin*, its DTSTART, on.

    *until*, unless ``None``, is the last second at which there may be one.
    """

    def __init__(self, rule: RecurrenceRule, begin: int, until: int | None = None) -> None:
        self.rule, self.begin, self.until = rule, begin, until
        day, second = divmod(begin, DAY)
        self._day = day
        start = date.fromordinal(day + _EPOCH)
        self._year, self._month, self._month_day = start.year, start.month, start.day
        # What a frequency does not expand, it limits: see _within_days().
        hours = (0,) if rule.frequency in _UNITS else rule.hours or (second // 3600,)
        minutes = (0,) if rule.frequency == "MINUTELY" else rule.minutes or (second // 60 % 60,)
        seconds = rule.seconds or (second % 60,)
        self._clock = sorted(3600 * h + 60 * m + s for h in hours for m in minutes for s in seconds)
        # Of a day, an hour or a minute the set that BYSETPOS counts in is always the same.
        self._positions = frozenset() if rule.frequency in _SHORT_FREQUENCIES else rule.positions
        if rule.positions and not self._positions:
            self._clock = _at_positions(self._clock, rule.positions)
        self._plain = {weekday for ordinal, weekday in rule.weekdays if not ordinal}

    @property
    def first(self) -> int | None:
        """The first instance that the rule itself names, if it is within four hundred years."""
        instances = self._by_rule(self.begin, self.begin + _CYCLE)
        return next((at for at in instances if at >= self.begin), None)

    @property
    def is_of_another_year(self) -> bool:
        """Whether the rule counts weeks, and that of DTSTART is of another year than its day."""
        return bool(self.rule.weeks) and _week_year(self._day, self.rule.week_start) != self._year

    def between(self, low: int, high: int) -> Iterator[int]:
        """Yield what the rule names in ``[low, high)``; DTSTART only if the rule names it."""
        begin, count = self.begin, self.rule.limit
        last = high if self.until is None else min(high, self.until + 1)
        from_ = begin if count else max(low, begin)
        count_so_far = 0
        for at in self._by_rule(from_, last):
            if at < from_:
                continue
            if at >= last or count_so_far == count:
                return
            count_so_far += 1
            if at >= low:
                yield at

    def _by_rule(self, low: int, high: int) -> Iterator[int]:
        """Return what the rule names in the periods that may reach into ``[low, high)``, in order.

        Those periods, and so the result, may reach further.
        """
        rule, clock = self.rule, self._clock
        if not clock:
            return iter(())
        if rule.frequency in _UNITS:
            return self._within_days(low, high)
        expand = {
            "DAILY": self._of_days,
            "WEEKLY": self._of_weeks,
            "MONTHLY": self._of_months,
            "YEARLY": self._of_years,
        }
        periods = expand[rule.frequency](low, high)
        if self._positions:
            sets = ([day * DAY + at for day in days for at in clock] for days in periods)
            return (at for instances in sets for at in _at_positions(instances, self._positions))
        if len(clock) > 1:
            return (day * DAY + at for days in periods for day in days for at in clock)
        (only,) = clock
        return (day * DAY + only for days in periods for day in days)

    def _of_days(self, low: int, high: int) -> Iterable[Iterable[int]]:
        interval = self.rule.interval
        first = self._day + (max(low // DAY, self._day) - self._day) // interval * interval
        return (self._passing(range(first, min(-(-high // DAY), _LAST_DAY), interval)),)

    def _of_weeks(self, low: int, high: int) -> Iterator[Iterable[int]]:
        rule = self.rule
        week = self._day - (_weekday(self._day) - rule.week_start) % 7
        offsets = sorted(
            (day - rule.week_start) % 7 for day in self._plain or {_weekday(self._day)}
        )
        step = 7 * rule.interval
        first = week + (max(low // DAY, week) - week) // step * step
        weeks = (
            [at + offset for offset in offsets]
            for at in range(first, min(-(-high // DAY), _LAST_DAY), step)
        )
        return (list(filter(self._passes, days)) for days in weeks) if rule.months else weeks

    def _of_months(self, low: int, high: int) -> Iterator[Iterable[int]]:
        rule = self.rule
        base = 12 * self._year + self._month - 1
        # One period earlier, as its last day may have moved on to the next month.
        first = base + max((_month_of(low) - base) // rule.interval - 1, 0) * rule.interval
        for number in range(first, min(_month_of(high), 12 * _LAST_YEAR + 11) + 1, rule.interval):
            year, month = divmod(number, 12)
            if not rule.months or month + 1 in rule.months:
                yield sorted(self._month_set(year, month + 1))

    def _of_years(self, low: int, high: int) -> Iterator[Iterable[int]]:
        rule = self.rule
        base = _week_year(self._day, rule.week_start) if rule.weeks else self._year
        first = base + max((_month_of(low) // 12 - base) // rule.interval - 1, 0) * rule.interval
        expand = self._week_set if rule.weeks else self._year_set
        return (
            sorted(expand(year))
            for year in range(first, min(_month_of(high) // 12 + 1, _LAST_YEAR) + 1, rule.interval)
        )

    def _month_set(self, year: int, month: int) -> Iterable[int]:
        rule = self.rule
        first, length = _first(year, month), _length(year, month)
        if rule.weekdays and not rule.month_days:
            return _by_weekday(rule.weekdays, first, length)
        days = self._days_of_month(rule.month_days or {self._month_day}, first, length)
        return self._limited(days, [(first, length)])

    def _days_of_month(self, month_days: Iterable[int], first: int, length: int) -> set[int]:
        """Return the days that *month_days* name, in the month of *length* days from *first* on.

        Negative ones count from its end.
        """
        days = set()
        for day in month_days:
            if day > length and self.rule.skip != "OMIT":
                day = length + (self.rule.skip == "FORWARD")  # noqa: PLW2901
            if day < 0:
                day += length + 1  # noqa: PLW2901
            if 0 < day <= length or (day == length + 1 and self.rule.skip == "FORWARD"):
                days.add(first + day - 1)
        return days

    def _year_set(self, year: int) -> Iterable[int]:
        rule = self.rule
        first = _first(year, 1)
        length = _first(year + 1, 1) - first
        # Where no month is named, days of the month are those of DTSTART's month, as in JSCalendar
        # (RFC 8984 section 4.3.3).
        every = rule.year_days or (rule.weekdays and not rule.month_days)
        months = rule.months or (range(1, 13) if every else (self._month,))
        stretches = [(_first(year, month), _length(year, month)) for month in months]
        if rule.year_days:
            offsets = (day - 1 if day > 0 else length + day for day in rule.year_days)
            days = {
                first + day
                for day in offsets
                if 0 <= day < length and self._is_in_month(first + day)
            }
        elif rule.month_days or not rule.weekdays:
            month_days = rule.month_days or {self._month_day}
            days = {
                day
                for start, size in stretches
                for day in self._days_of_month(month_days, start, size)
            }
        else:
            days = {day for start, size in stretches for day in range(start, start + size)}
        # Where months are named, the second Monday is that of a month, else that of the year.
        return self._limited(days, stretches if rule.months else [(first, length)])

    def _limited(self, days: set[int], stretches: Iterable[tuple[int, int]]) -> set[int]:
        """Return those of *days* that BYDAY allows; ordinals count in each of *stretches*."""
        weekdays = self.rule.weekdays
        if len(self._plain) == len(weekdays):
            return {day for day in days if _weekday(day) in self._plain} if weekdays else days
        return days & {
            day for start, size in stretches for day in _by_weekday(weekdays, start, size)
        }

    def _week_set(self, year: int) -> Iterable[int]:
        """Return the days in the named weeks of *year*.

        Weeks are whole: the first has at least four days in January.
        """
        rule = self.rule
        first, after = (_first_week(at, rule.week_start) for at in (year, year + 1))
        count = (after - first) // 7
        weeks = {week - 1 if week > 0 else count + week for week in rule.weeks}
        offsets = {(day - rule.week_start) % 7 for day in self._plain or {_weekday(self._day)}}
        days = {
            first + 7 * week + offset for week in weeks if 0 <= week < count for offset in offsets
        }
        return filter(self._is_in_month, days) if rule.months else days

    def _passing(self, days: range) -> Iterable[int]:
        """Return those of *days* that BYxxx parts allow.

        One look at a month is enough where BYMONTH leaves it out.
        """
        if self.rule.months:
            return self._in_months(days)
        limits = self._plain or self.rule.month_days or self.rule.year_days
        return filter(self._passes, days) if limits else days

    def _in_months(self, days: range) -> Iterator[int]:
        day, step = days.start, days.step
        while day < days.stop:
            at = date.fromordinal(day + _EPOCH)
            if at.month not in self.rule.months:
                day += -(-(_length(at.year, at.month) - at.day + 1) // step) * step
                continue
            if self._passes(day):
                yield day
            day += step

    def _passes(self, day: int) -> bool:
        return (not self._plain or _weekday(day) in self._plain) and self._is_in_month(day)

    def _is_in_month(self, day: int) -> bool:
        """Tell whether BYMONTH, BYMONTHDAY and BYYEARDAY all allow *day*."""
        rule = self.rule
        if not (rule.months or rule.month_days or rule.year_days):
            return True
        at = date.fromordinal(day + _EPOCH)
        if rule.months and at.month not in rule.months:
            return False
        if rule.month_days:
            length = _length(at.year, at.month)
            if at.day not in rule.month_days and at.day - length - 1 not in rule.month_days:
                return False
        if rule.year_days:
            first = _first(at.year, 1)
            return (
                day - first + 1 in rule.year_days or day - _first(at.year + 1, 1) in rule.year_days
            )
        return True

    def _within_days(self, low: int, high: int) -> Iterator[int]:
        """Yield the instances of an hourly or minutely rule.

        They are found day by day; where days lie between them, one by one.
        """
        rule, interval = self.rule, self.rule.interval
        unit = _UNITS[rule.frequency]
        base, per_day = self.begin // unit, DAY // unit
        common = gcd(interval, per_day)
        possible = [
            number
            for number in range(base % common, per_day, common)
            if (not rule.hours or number * unit // 3600 in rule.hours)
            and (not rule.minutes or unit == 3600 or number % 60 in rule.minutes)
        ]
        days = range(max(low // DAY, self._day), min(-(-high // DAY), _LAST_DAY))
        if not possible:
            return
        if interval > per_day:
            first = base + max(-(-(days.start * per_day - base) // interval), 0) * interval
            allowed = frozenset(possible)
            periods = (
                at for at in range(first, days.stop * per_day, interval) if at % per_day in allowed
            )
            for period in periods:
                if self._passes(period // per_day):
                    yield from (period * unit + at for at in self._clock)
            return
        for day in self._passing(days):
            for number in possible:
                period = day * per_day + number
                if period >= base and (period - base) % interval == 0:
                    yield from (period * unit + at for at in self._clock)


def _at_positions(instances: list[int], positions: frozenset[int]) -> list[int]:
    size = len(instances)
    return sorted({instances[at - 1 if at > 0 else at] for at in positions if -size <= at <= size})


def _by_weekday(weekdays: Iterable[tuple[int, int]], first: int, length: int) -> set[int]:
    """Return those of the *length* days from *first* on that *weekdays* name.

    Each of *weekdays* is an ordinal, 0 for every one, and a weekday.
    """
    days: set[int] = set()
    for ordinal, weekday in weekdays:
        start = (weekday - _weekday(first)) % 7
        every = range(first + start, first + length, 7)
        if not ordinal:
            days.update(every)
        elif -len(every) <= ordinal <= len(every):
            days.add(every[ordinal - 1 if ordinal > 0 else ordinal])
    return days


def _weekday(day: int) -> int:
    # Day 0, 1 January 1970, is a Thursday; weekdays count from Monday.
    return (day + 3) % 7


def _first(year: int, month: int) -> int:
    return date(year, month, 1).toordinal() - _EPOCH


def _length(year: int, month: int) -> int:
    return _MONTH_DAYS[month - 1] + (
        month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    )


def _month_of(at: int) -> int:
    """Return the month that the second *at* is in, counted from the year 0."""
    day = date.fromordinal(max(1, min(at // DAY, _LAST_DAY) + _EPOCH))
    return 12 * day.year + day.month - 1


def _first_week(year: int, week_start: int) -> int:
    """Return where the first week of *year* begins: the one that has at least four of its days."""
    fourth = _first(year, 1) + 3
    return fourth - (_weekday(fourth) - week_start) % 7


def _week_year(day: int, week_start: int) -> int:
    """Return the year that the week of *day* belongs to: the one that most of its days are in."""
    middle = day - (_weekday(day) - week_start) % 7 + 3
    return date.fromordinal(middle + _EPOCH).year
