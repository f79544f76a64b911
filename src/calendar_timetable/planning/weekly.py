"""Weekly rules in wall-clock time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from datetime import timezone as fixed_zone
from functools import lru_cache

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.planning.zones import local_instant

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAYS = 28  # of a stretch of time, which is laid out at once
_STRETCH = _DAYS * DAY
# Characters of rules, some fifteen ranges of times; what longer ones cover is not remembered.
_MAX_TEXT = 200
_THURSDAY = 3  # the epoch's weekday
_REMEDY = (
    "write days and, if not whole days, times: "
    "'mon-fri 19:00-07:00', 'sat-sun', 'daily 22:00-04:00'"
)
_TIMES = re.compile(r"(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})")


@dataclass(frozen=True)
class WeeklyRule:
    """On each of *days* (Monday is 0), from *start* to *end* seconds after that day's midnight."""

    days: frozenset[int]
    start: int
    end: int


class Weekly(TimeSet):
    """Weekly rules such as ``"mon-fri 19:00-07:00"``, ``"sat-sun"`` or ``"daily 22:00-04:00"``.

    Days are ``mon`` to ``sun``, ranges and lists of them (``fri-mon``, ``mon,wed``), or ``daily``;
    without times a rule means whole days, and several ranges of times are separated by commas. A
    range past midnight belongs to the day it starts on. Times are wall-clock in *timezone*
    (default: the timetable's), so across a change of the clocks 19:00-07:00 lasts 11 or 13 hours.
    """

    def __init__(self, *rules: str, timezone: str | None = None) -> None:
        self.texts = rules
        self.timezone = timezone

    def fingerprint(self) -> str | None:
        return repr(self) if type(self) is Weekly else None

    def __repr__(self) -> str:
        zone = f", timezone={self.timezone!r}" if self.timezone else ""
        return f"Weekly({', '.join(map(repr, self.texts))}{zone})"

    def __str__(self) -> str:
        return ", ".join(self.texts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weekly) and (self.texts, self.timezone) == (
            other.texts,
            other.timezone,
        )

    def __hash__(self) -> int:
        return hash((self.texts, self.timezone))

    def validate(self) -> None:
        if not self.texts:
            raise InvalidArgument("Weekly", self.texts, f"give at least one rule; {_REMEDY}")
        for text in self.texts:
            parse_weekly_rule(text)
        if self.timezone is not None:
            zones.load_zone(self.timezone)

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return Weekly(*self.texts, timezone=zones.zone_name(self.timezone or timezone))

    def cover(self, start: int, end: int) -> Spans:
        zone = self.timezone or zones.default_zone()
        numbers = range(start // _STRETCH, -(-end // _STRETCH))
        return Spans.joined(_stretch(self.texts, zone, number) for number in numbers).clip(
            start, end
        )


def _stretch(texts: tuple[str, ...], timezone: str, number: int) -> Spans:
    """Return what rules cover of the stretch of time that has this *number*.

    Short rules are remembered, because they are asked for again; long ones would take much memory.
    """
    cover = _remembered if sum(map(len, texts)) <= _MAX_TEXT else _remembered.__wrapped__
    return cover(texts, timezone, number)


@lru_cache(maxsize=1024)
def _remembered(texts: tuple[str, ...], timezone: str, number: int) -> Spans:
    zone, first = zones.load_zone(timezone), number * _DAYS
    offset = zones.steady_offset(first - 3, first + _DAYS + 3, zone)
    if offset is None:
        return _lay_out(texts, first, zone)
    return Spans.of([first * DAY + bound for bound in _plain_stretch(texts, offset).bounds])


@lru_cache(maxsize=128)
def _plain_stretch(texts: tuple[str, ...], offset: int) -> Spans:
    """Return the first stretch of all where a zone keeps to *offset*, in seconds.

    All others are like it, but for when they begin.
    """
    return _lay_out(texts, 0, fixed_zone(timedelta(seconds=offset)))


def _lay_out(texts: tuple[str, ...], first: int, zone: tzinfo) -> Spans:
    # Ranges reach into the next day, and local dates are a day off from UTC's in some zones.
    days = range(first - 3, first + _DAYS + 2)
    return Spans(_pairs(texts, days, zone)).clip(first * DAY, first * DAY + _STRETCH)


def _pairs(texts: tuple[str, ...], days: range, zone: tzinfo) -> Iterator[tuple[int, int]]:
    rules = [rule for text in texts for rule in parse_weekly_rule(text)]
    for number in days:
        weekday = (number + _THURSDAY) % 7
        # A range ends on the next day at the latest.
        offset = zones.steady_offset(number, number + 2, zone)
        for rule in rules:
            if weekday not in rule.days:
                continue
            if offset is None:
                day = date.fromordinal(zones.EPOCH + number)
                yield local_instant(day, rule.start, zone), local_instant(day, rule.end, zone)
            else:
                midnight = number * DAY - offset
                yield midnight + rule.start, midnight + rule.end


def parse_weekly_rule(text: object) -> tuple[WeeklyRule, ...]:
    """Return the rules that *text* says, one per range of times.

    Raises :class:`InvalidArgument`.
    """
    if not isinstance(text, str):
        raise InvalidArgument("Weekly", text, _REMEDY)
    words = text.lower().split()
    if not 1 <= len(words) <= 2:
        raise InvalidArgument("Weekly", text, _REMEDY)
    days = _parse_days(words[0], text)
    if len(words) == 1:
        return (WeeklyRule(days, 0, DAY),)
    return tuple(WeeklyRule(days, *_parse_times(times, text)) for times in words[1].split(","))


def _parse_days(word: str, text: object) -> frozenset[int]:
    if word == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in word.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS or part.endswith("-"):
            raise InvalidArgument("Weekly", text, f"{part!r} is not a valid day; {_REMEDY}")
        length = (DAYS.index(last or first) - DAYS.index(first)) % 7
        days.update((DAYS.index(first) + i) % 7 for i in range(length + 1))
    return frozenset(days)


def _parse_times(word: str, text: object) -> tuple[int, int]:
    match = _TIMES.fullmatch(word)
    if match is None:
        raise InvalidArgument("Weekly", text, f"{word!r} is not a valid range of times; {_REMEDY}")
    hour, minute, end_hour, end_minute = map(int, match.groups())
    start, end = hour * 3600 + minute * 60, end_hour * 3600 + end_minute * 60
    if max(minute, end_minute) > 59 or start >= DAY or end > DAY:
        raise InvalidArgument("Weekly", text, f"{word!r} is outside 00:00 to 24:00; {_REMEDY}")
    if start == end:
        raise InvalidArgument(
            "Weekly", text, f"{word!r} is empty; leave the times out for whole days"
        )
    return start, end if end > start else end + DAY
