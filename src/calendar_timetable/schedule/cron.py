"""Cron ticks, remembered: the same as Airflow's own, without a new croniter for every step.

Airflow builds a croniter per step because of clock changes. Where the zone's offset is the same
before and after a step and the wall-clock time is unique, the times of day that an expression names
give the same answer; everywhere else Airflow's own timetable is asked.
``tests/schedule/test_cron_equality.py`` holds the two together.
"""

from __future__ import annotations

import math
import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from croniter import croniter
from croniter.croniter import hash_expression_re
from pendulum import DateTime

from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY

_ANY_TIME = TimeRestriction(None, None, catchup=True)
_PLAIN = re.compile(r"[\d\s*,/\-A-Za-z#?]+")
_MAX_SCHEDULES = 512
_MAX_TICKS = 20_000  # of one schedule; about two weeks of minutes
_MAX_TICKS_IN_ALL = 100_000  # of all schedules of one thread, of which a web server has many
_AT_ONCE = 50  # ticks, and days, that are told together
_MAX_DAYS_SEARCHED = 366 * 9  # for the next tick; from one 29 February to the next
_CYCLE_DAYS = 28 * 366  # after which each date has been on each weekday


class _Thread(threading.local):
    """Each thread remembers for itself: a lock could be held while the DAG processor forks."""

    def __init__(self) -> None:
        self.ticks: dict[tuple[str, str], CronTicks] = {}
        self.grown = 0  # ticks added since all were forgotten


_thread = _Thread()


@dataclass(frozen=True, slots=True)
class Daily:
    """What a cron expression says: on which days, and how many seconds into each.

    Days, months and weekdays are croniter's numbers.
    """

    seconds: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # Sunday is 0
    either: bool  # of day and weekday one is enough: both are named

    @property
    def counted(self) -> bool:
        """Whether it is due each hour of some days only.

        Airflow counts the hours to the next one: when clocks change in between, it is off by that.
        """
        some = len(self.weekdays) < 7 or len(self.days) < 31 or len(self.months) < 12
        return some and len({second // 3600 for second in self.seconds}) == 24

    @classmethod
    def of(cls, expression: str) -> Daily | None:
        """Return *expression*, read by croniter.

        ``None`` where it says more than lists of numbers.
        """
        cron = croniter(expression)
        if (
            len(cron.expanded) != 5
            or cron.nth_weekday_of_month
            or getattr(cron, "nearest_weekday", None)
        ):
            return None
        ranges = (range(60), range(24), range(1, 32), range(1, 13), range(7))
        fields: list[list[Any]] = [
            [*whole_range] if numbers[0] == "*" else numbers
            for numbers, whole_range in zip(cron.expanded, ranges, strict=True)
        ]
        if any(not isinstance(number, int) for field in fields for number in field):
            return None
        minutes, hours, days, months, weekdays = map(sorted, fields)
        seconds = tuple(hour * 3600 + minute * 60 for hour in hours for minute in minutes)
        either = cron.expanded[2][0] != "*" and cron.expanded[4][0] != "*"
        return cls(seconds, frozenset(days), frozenset(months), frozenset(weekdays), either)

    def dates(self, first: int) -> Iterator[int]:
        """Yield the days with ticks from day *first* on; days are counted from the epoch."""
        return self._of_days(range(first, first + _MAX_DAYS_SEARCHED))

    def dates_back(self, last: int) -> Iterator[int]:
        """Yield the days with ticks from day *last* backwards."""
        return self._of_days(range(last, last - _MAX_DAYS_SEARCHED, -1))

    def _of_days(self, days: Iterable[int]) -> Iterator[int]:
        for number in days:
            weekday = (number + 4) % 7 in self.weekdays
            if weekday or self.either:
                day = date.fromordinal(zones.EPOCH + number)
                if day.month in self.months and (day.day in self.days or (weekday and self.either)):
                    yield number


class _Wordless(CronTriggerTimetable):
    """Airflow's own timetable, but it does not put the expression into words.

    That takes nearly all of the time of making one.
    """

    def _describe_with_dom_dow_fix(self, expression: str) -> str:
        return ""


class CronTicks:
    """The due times of one cron expression, in epoch seconds, as a growing chain."""

    def __init__(self, expression: str, timezone: str) -> None:
        self._expression, self._timezone = expression, timezone
        self._zone = ZoneInfo(timezone)
        self._chain: list[float] = []  # what follows its first instant, which need not be a tick
        # Those in it near a change of clocks, or with one on the way: so what a gap has shifted.
        self._crossing: set[float] = set()
        self._calm = -1, False  # a day, and whether it is

    @cached_property
    def _airflow(self) -> CronTriggerTimetable:
        """Airflow's own timetable, made only where it is asked."""
        return _Wordless(self._expression, timezone=self._timezone)

    @cached_property
    def daily(self) -> Daily | None:
        """What the expression says; ``None`` where that is more than lists of numbers."""
        return Daily.of(self._expression)

    @cached_property
    def _is_counted(self) -> bool:
        return self.daily is not None and self.daily.counted

    def after(self, instant: float) -> float:
        """Return the tick that follows *instant*, which is a tick or any other time."""
        # Before the chain is looked at, as this may begin another one.
        index = self._index_after(instant)
        return self._chain[index]

    def all_after(self, instant: float) -> Iterator[list[float]]:
        """Yield every tick that follows *instant*, some at a time."""
        while True:
            index = self._index_after(instant)
            ticks = self._chain[index : index + _AT_ONCE]
            yield ticks
            instant = ticks[-1]

    def last_until(self, instant: float, since: float = -math.inf) -> float:
        """Return the last tick at or before *instant*, which is a tick or any other time.

        Of those that follow *since*, one by one; where there is none, *since* or less.
        """
        tick, begin = self._told_until(instant)
        return _stepped_until(self, instant, since, begin) if tick is None else tick

    def told_until(self, instant: float) -> float | None:
        """Return the last tick at or before *instant*, as Airflow aligns it.

        ``None`` where clocks changed on its day, or may have.
        """
        return self._told_until(instant)[0]

    def _told_until(self, instant: float) -> tuple[float | None, float]:
        """Return :meth:`told_until`, and a time before that change of clocks."""
        chain = self._chain
        index = bisect_right(chain, instant)
        told = 1 < index < len(chain) and chain[index - 1] not in self._crossing
        if told and (not self._is_counted or self.is_calm(instant)):
            return chain[index - 1], instant
        if self.daily is None:
            if not self.is_calm(instant):
                return None, (int(instant // DAY) - 4) * DAY
            aligned = self._airflow._align_to_prev(DateTime.fromtimestamp(instant, UTC))  # noqa: SLF001
            return aligned.timestamp(), instant
        latest = int((instant + _seconds_ahead(instant, self._zone)) // DAY)
        for number in self.daily.dates_back(latest):
            first = number
            if self._is_counted:
                first = number - 2
                offset = zones.steady_offset(first, latest + 1, self._zone)
            else:
                offset = zones.day_offset(number, self._zone)
            if offset is None:
                return None, (first - 1) * DAY
            midnight = number * DAY - offset
            index = bisect_right(self.daily.seconds, instant - midnight)
            if index:
                return midnight + self.daily.seconds[index - 1], instant
        return None, (latest - _MAX_DAYS_SEARCHED) * DAY

    def is_calm(self, now: float) -> bool:
        """Tell whether clocks do not change within a day of *now*.

        Where they do, Airflow computes ticks in a way of its own.
        """
        day = int(now // DAY)
        if self._calm[0] != day:
            self._calm = day, zones.steady_offset(day - 2, day + 3, self._zone) is not None
        return self._calm[1]

    def has_changed(self, instant: float) -> bool:
        """Tell whether clocks changed in the day before *instant*."""
        ahead = _seconds_ahead(instant, self._zone)
        return ahead != _seconds_ahead(instant - DAY, self._zone)

    def _index_after(self, instant: float) -> int:
        chain = self._chain
        index = bisect_right(chain, instant)
        if 0 < index < len(chain) and (
            chain[index - 1] == instant or self._between(chain[index - 1], instant, chain[index])
        ):
            return index
        if not index or chain[index - 1] != instant or len(chain) > _MAX_TICKS:
            self._chain, self._crossing, index = [instant], set(), 1
        self._grow()
        return index

    def _between(self, before: float, instant: float, tick: float) -> bool:
        """Tell whether *tick*, which follows *before*, is also what follows *instant* in between.

        Where clocks change it may not be: what a gap has shifted follows only what is before it.
        """
        offset = self._offset(instant)
        if offset is None:
            return False
        if tick in self._crossing:
            return self._offset(before) == offset != self._offset(tick)
        return self._offset(tick) == offset

    def _grow(self) -> None:
        """Add the next tick to the chain.

        And with it those of the days to come, where these are plain.
        """
        tick = self._chain[-1]
        offset = self._offset(tick)
        ticks = (
            self._plain_after(tick, offset) if offset is not None and self.daily is not None else []
        )
        first = ticks[0] if ticks else tick
        ticks = ticks or [self._ask(tick)]
        # On days on which clocks change it comes by itself.
        days = int(first // DAY) - 1, int(ticks[0] // DAY) + 2
        if len(ticks) == 1 and zones.steady_offset(*days, self._zone) is None:
            self._crossing.add(ticks[0])
        self._chain += ticks
        _thread.grown += len(ticks)

    def _plain_after(self, tick: float, offset: int) -> list[float]:
        """Return ticks that follow *tick*, as long as the zone keeps to *offset* (seconds).

        That is some of them, or none where clocks change first.
        """
        assert self.daily is not None
        plain: list[float] = []
        first = int((tick + offset) // DAY)
        for number in self.daily.dates(first):
            midnight = number * DAY - offset
            index = bisect_right(self.daily.seconds, tick - midnight)
            ticks = [midnight + second for second in self.daily.seconds[index : index + _AT_ONCE]]
            if zones.day_offset(number, self._zone) == offset:
                plain += ticks
            elif ticks:
                return plain or [second for second in ticks[:1] if self._offset(second) == offset]
            if plain and (len(plain) >= _AT_ONCE or number - first >= _AT_ONCE):
                break
        return plain

    def _ask(self, tick: float) -> float:
        last = DataInterval.exact(DateTime.fromtimestamp(tick, UTC))
        info = self._airflow.next_dagrun_info(
            last_automated_data_interval=last, restriction=_ANY_TIME
        )
        assert info is not None, "without a latest date cron never ends"
        seconds = info.run_after.timestamp()
        return int(seconds) if seconds == int(seconds) else seconds

    def _offset(self, instant: float) -> int | None:
        """Return the zone's offset at *instant* in seconds.

        ``None`` where its wall-clock time is not unique.
        """
        moment = datetime.fromtimestamp(instant, self._zone)
        offset = moment.utcoffset()
        if offset is None or moment.replace(fold=1 - moment.fold).utcoffset() != offset:
            return None
        return offset // timedelta(seconds=1)


class SeveralCrons:
    """The due times of several cron expressions, each time once."""

    def __init__(self, crons: Iterable[CronTicks]) -> None:
        self._crons = tuple(crons)

    def after(self, instant: float) -> float:
        """Return the tick that follows *instant*."""
        return min(cron.after(instant) for cron in self._crons)

    def all_after(self, instant: float) -> Iterator[list[float]]:
        """Yield every tick that follows *instant*, one at a time."""
        while True:
            instant = self.after(instant)
            yield [instant]

    def last_until(self, instant: float, since: float = -math.inf) -> float:
        """Return the last tick at or before *instant*.

        Of those that follow *since*, one by one; where there is none, *since* or less.
        """
        last = max(cron.last_until(instant, since) for cron in self._crons)
        if last <= since or not any(cron.has_changed(last) for cron in self._crons):
            return last
        # What a gap has shifted does not follow the tick of another expression after the gap.
        return _stepped_until(self, instant, since, (int(last // DAY) - 2) * DAY)


def _stepped_until(
    cron: CronTicks | SeveralCrons, instant: float, since: float, begin: float
) -> float:
    """Return the last tick at or before *instant*, step by step from *since* or *begin* on.

    From the later of them; *begin* is before clocks changed.
    """
    last = begin = max(since, begin)
    while (following := cron.after(last)) <= instant:
        last = following
    return cron.last_until(begin, since) if last == begin > since else last


def _seconds_ahead(instant: float, zone: ZoneInfo) -> int:
    """Return how many seconds *zone* is ahead of UTC at *instant*."""
    offset = datetime.fromtimestamp(instant, zone).utcoffset()
    assert offset is not None, "that of a zone is always known"
    return offset // timedelta(seconds=1)


def is_plain(expression: str) -> bool:
    """Tell whether the ticks of *expression* can be remembered."""
    # What croniter draws by lot is another time whenever it is asked.
    drawn = map(hash_expression_re.match, expression.lower().split())
    return bool(_PLAIN.fullmatch(expression)) and not any(drawn)


def are_due_more_often(expressions: Iterable[str], most: int) -> bool:
    """Tell whether these cron *expressions* name more than *most* times on some day.

    A time that several of them name on one day counts once. What says more than lists of numbers
    counts by itself, as if it named each day.
    """
    dailies: list[Daily] = []
    for expression in expressions:
        if (daily := Daily.of(expression)) is not None:
            dailies.append(daily)
            continue
        minutes, hours, *_ = fields = croniter(expression).expanded
        times = (60 if minutes[0] == "*" else len(minutes)) * (
            24 if hours[0] == "*" else len(hours)
        )
        if times * (len(fields[5]) if len(fields) > 5 else 1) > most:
            return True
    if len({second for daily in dailies for second in daily.seconds}) <= most:
        return False
    together: dict[int, tuple[int, ...]] = {}
    for number, daily in enumerate(dailies):
        for first in range(0, _CYCLE_DAYS, _MAX_DAYS_SEARCHED):
            for day in daily.dates(first):
                together[day] = (*together.get(day, ()), number)
    return any(
        len({second for number in numbers for second in dailies[number].seconds}) > most
        for numbers in set(together.values())
    )


def names_years(expression: str) -> bool:
    """Tell whether *expression* has a seventh field, the years, that says more than "all"."""
    return expression.split()[6:] not in ([], ["*"])


def several_crons(crons: Iterable[tuple[str, str]]) -> SeveralCrons:
    """Return the remembered ticks of several plain expressions, each with its zone."""
    return SeveralCrons(map(cron_ticks, crons))


def cron_ticks(cron: tuple[str, str]) -> CronTicks:
    """Return the remembered ticks of *cron*, a plain expression and its zone."""
    remembered = _thread.ticks
    if _thread.grown > _MAX_TICKS_IN_ALL:
        remembered.clear()
        _thread.grown = 0
    if cron not in remembered:
        if len(remembered) >= _MAX_SCHEDULES:
            del remembered[next(iter(remembered))]
        remembered[cron] = CronTicks(*cron)
    return remembered[cron]
