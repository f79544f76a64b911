"""The rules of ``airflow-timetables-calendar`` 0.6.0: which day of each month one of them names.

What they mean is as that package does it, and says it: "The model" in its description.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any

from calendar_timetable.cli.imports.result import Unsaid

_DAY = timedelta(days=1)
_USUAL_GRACE = 366  # days
_CHOICES = {
    "kind": ("absolute", "relative", "operating", "closed"),
    "start_day": ("day", "month_end", "weekday"),
    "substitution": ("skip", "previous", "next", "run_anyway"),
    "count": ("operating", "calendar"),
    "scope": ("period", "free"),
    "frequency": ("daily", "monthly"),
}
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Rule:
    """A rule, with the fields and defaults of its ``ScheduleRule``."""

    kind: str = "operating"
    start_day: str = "day"
    day: int = 1
    weekday: str | None = None
    month_offset: int = 0
    substitution: str = "skip"
    grace_days: int = 0
    offset: int = 0
    count: str = "operating"
    offset_grace_days: int = 0
    shift_direction: int = 0
    scope: str = "free"
    frequency: str = "monthly"
    include_start: bool = True
    virtual: bool = False

    @classmethod
    def from_definition(cls, line: int, definition: Any) -> Rule:
        """Return the rule of *definition*, a name, ``dict`` or rule; raises :class:`Unsaid`."""
        if isinstance(definition, Rule):
            rule = definition
        elif isinstance(definition, str):
            name = ALIASES.get(definition, definition)
            if name not in PRESETS:
                raise Unsaid(line, definition, f"no such rule; there are {', '.join(ALIASES)}")
            rule = PRESETS[name]
        elif isinstance(definition, Mapping):
            field_names = {field.name for field in fields(cls)}
            if unknown := sorted(map(str, definition.keys() - field_names)):
                raise Unsaid(line, unknown[0], "a rule has no such field; take it out")
            rule = cls(**definition)
        else:
            raise Unsaid(
                line, definition, "a rule is a name, or what a function of the package makes"
            )
        rule.check(line)
        return rule

    def check(self, line: int) -> None:
        """Refuse what the package refuses, and what it says is not what it seems."""
        for field in fields(self):
            value: Any = getattr(self, field.name)
            if field.name in _CHOICES:
                if value not in _CHOICES[field.name]:
                    choices = ", ".join(_CHOICES[field.name])
                    raise Unsaid(line, value, f"{field.name} here is one of {choices}")
            elif field.type == "int" and (isinstance(value, bool) or not isinstance(value, int)):
                raise Unsaid(line, value, f"{field.name} is a number")
            elif field.type == "int" and abs(value) > _USUAL_GRACE:
                raise Unsaid(line, value, f"{field.name} is at most {_USUAL_GRACE}")
            elif field.type == "bool" and not isinstance(value, bool):
                raise Unsaid(line, value, f"{field.name} is True or False")
        if self.virtual or not self.include_start:
            value = "virtual" if self.virtual else "include_start"
            raise Unsaid(line, value, "the package does not do what this says; take it out")
        weekday: Any = self.weekday
        if weekday is not None and weekday not in WEEKDAYS:
            raise Unsaid(line, weekday, f"weekday is one of {', '.join(WEEKDAYS)}")
        if self.day < 0:
            raise Unsaid(
                line, self.day, "day counts from 1, or from 0 back from the end of a month"
            )
        if self.start_day == "weekday" and weekday is None:
            raise Unsaid(line, "weekday", "name the day of the week")
        if self.start_day == "weekday" and self.kind not in ("absolute", "relative"):
            remedy = "what this counts is not defined; write kind absolute or relative"
            raise Unsaid(line, self.kind, remedy)

    def day_of(self, year: int, month: int, base_day: int, days: Days) -> date | None:
        """Return the day in the month that begins on *base_day* of *month*; ``None``: no run."""
        start = _clamped(year, month, base_day)
        following = (year, month + 1) if month < 12 else (year + 1, 1)
        end = _clamped(*following, base_day) - _DAY
        day = self._unmoved_day(year, month, start, end, days)
        if day is not None and day not in days:
            day = self._substituted(day, days)
        if day is not None and self.offset:
            day = self._moved_day(day, days)
        early = day is not None and (day.year, day.month) < (year, month)
        return None if self.scope == "period" and early else day

    def _unmoved_day(
        self, year: int, month: int, start: date, end: date, days: Days
    ) -> date | None:
        """Return the day before it is moved."""
        absolute = self.kind == "absolute"
        first, last = date(year, month, 1), _clamped(year, month, 31)
        begin, close = (first, last) if absolute else (start, end)
        counted_days = {"operating": days.open, "closed": days.closed}.get(self.kind)
        match self.start_day:
            case "weekday":
                ahead = (WEEKDAYS.index(self.weekday or "mon") - begin.weekday()) % 7
                day = begin + timedelta(days=ahead + 7 * (self.day - 1))
                return min(day, close)
            case "month_end" if counted_days is not None:
                # It counts back to the first of the calendar month, whatever the base day.
                return _nth_back(counted_days, close.replace(day=1), close, self.day)
            case "month_end":
                return close - timedelta(days=self.day)
        if counted_days is not None:
            # It counts to the end of the calendar month, whatever the base day.
            return _nth(counted_days, start, last, self.day)
        if absolute:
            return _clamped(year, month, self.day) if self.day > 0 else None
        return start + timedelta(days=self.day - 1)

    def _substituted(self, day: date, days: Days) -> date | None:
        if self.substitution == "run_anyway":
            return day
        grace = timedelta(days=self.grace_days or _USUAL_GRACE)
        if self.substitution == "next":
            open_day = days.after(day, 1)
            return open_day if open_day is not None and open_day - day <= grace else None
        if self.substitution == "previous":
            open_day = days.after(day, -1)
            return open_day if open_day is not None and day - open_day <= grace else None
        return None

    def _moved_day(self, day: date, days: Days) -> date | None:
        if self.count == "calendar":
            return day + timedelta(days=self.offset)
        grace = timedelta(days=self.offset_grace_days or _USUAL_GRACE)
        step = 1 if self.offset > 0 else -1
        if day in days:
            target = days.after(day, self.offset)
            walked = None if target is None else abs(target - day)
        else:
            # Onto a working day first, which is none of those counted.
            settled = days.after(day, self.shift_direction or step)
            target = None if settled is None else days.after(settled, self.offset)
            walked = (
                None
                if settled is None or target is None
                else abs(settled - day) + abs(target - settled)
            )
        return target if walked is not None and walked <= grace else None


class Days:
    """The days on which that timetable runs, and those between, over some years."""

    def __init__(self, every: Sequence[date], works: frozenset[date]) -> None:
        self.open = [day for day in every if day in works]
        self.closed = [day for day in every if day not in works]
        self._works = works

    def __contains__(self, day: date) -> bool:
        return day in self._works

    def after(self, day: date, count: int) -> date | None:
        """Return the day *count* of them after *day*, or before it where *count* is negative."""
        at = bisect_left(self.open, day)
        if count > 0 and day in self._works:
            at += 1
        at += count - 1 if count > 0 else count
        return self.open[at] if 0 <= at < len(self.open) else None


def _clamped(year: int, month: int, day: int) -> date:
    following = date(year + month // 12, month % 12 + 1, 1)
    return date(year, month, min(day, (following - _DAY).day))


def _nth(days: Sequence[date], begin: date, last: date, number: int) -> date | None:
    """Return day *number* of *days* from *begin* on, or the last one up to *last*."""
    low, high = bisect_left(days, begin), bisect_left(days, last + _DAY)
    at = low + number - 1
    if number < 1:
        return None
    if at < high:
        return days[at]
    return days[high - 1] if high else None


def _nth_back(days: Sequence[date], floor: date, last: date, number: int) -> date | None:
    """Return the day of *days* that has *number* others between it and the end of *last*."""
    at = bisect_left(days, last + _DAY) - 1 - max(number, 0)
    return days[at] if at >= 0 and days[at] >= floor else None


def nth_business_day(n: int) -> Rule:
    """Return the rule of that name."""
    return Rule(day=n, substitution="next", grace_days=30)


def nth_business_day_from_end(n: int) -> Rule:
    """Return the rule of that name."""
    return Rule(start_day="month_end", day=n, substitution="previous", grace_days=30)


def simple_rule(
    *,
    period: str = "monthly",
    day: int | str = 1,
    weekday: str | None = None,
    shift: str | None = None,
    relative: int = 0,
) -> Rule:
    """Return the rule that the compact notation means; raises ``ValueError``."""
    names = {None: "skip", "none": "skip", "next": "next", "later": "next"}
    names |= {"prev": "previous", "earlier": "previous", "anyway": "run_anyway"}
    if shift not in names:
        raise ValueError(f"shift is one of {', '.join(filter(None, names))}")
    moves = names[shift]
    rule = Rule(frequency=period, scope="period", substitution=moves)
    if weekday is not None:
        number = day if isinstance(day, int) else 1
        rule = replace(rule, kind="absolute", start_day="weekday", weekday=weekday, day=number)
    elif day in ("L", "l"):
        rule = replace(rule, start_day="month_end", day=0)
    elif isinstance(day, int):
        rule = replace(rule, kind="absolute", day=day)
    else:
        raise ValueError('day is a number or "L"')
    if relative:
        towards = {"previous": -1, "next": 1}.get(moves, 0)
        return replace(
            rule,
            substitution="run_anyway",
            offset=relative,
            offset_grace_days=60,
            shift_direction=towards,
        )
    return replace(rule, grace_days=60) if moves in ("next", "previous") else rule


def _shifted(sign: int, count: str) -> Callable[..., Rule]:
    grace = 60 if count == "operating" else None

    def shifted(anchor: Rule, n: int) -> Rule:
        grace_days = anchor.offset_grace_days if grace is None else grace
        return replace(anchor, offset=sign * n, count=count, offset_grace_days=grace_days)

    return shifted


PRESETS = {
    "月初営業日": nth_business_day(1),
    "当月末営業日": nth_business_day_from_end(0),
    "前月末営業日": replace(nth_business_day_from_end(0), month_offset=-1),
    "月末前営業日": Rule(start_day="month_end", day=0, offset=-1, offset_grace_days=30),
    "翌営業日": nth_business_day(1),
    "前営業日": replace(nth_business_day(1), substitution="previous"),
    "毎営業日": Rule(frequency="daily"),
}
ALIASES = {
    "first_business_day_of_month": "月初営業日",
    "last_business_day_of_month": "当月末営業日",
    "last_business_day_of_previous_month": "前月末営業日",
    "business_day_before_month_end": "月末前営業日",
    "next_business_day": "翌営業日",
    "previous_business_day": "前営業日",
    "every_business_day": "毎営業日",
}
_FIELDS = tuple(field.name for field in fields(Rule))
# What its functions make, and the arguments that may stand unnamed.
MAKERS: dict[str, tuple[Callable[..., Rule], tuple[str, ...]]] = {
    "nth_business_day": (nth_business_day, ("n",)),
    "nth_business_day_from_end": (nth_business_day_from_end, ("n",)),
    "simple_rule": (simple_rule, ()),
    "verbose_rule": (Rule, ()),
    "ScheduleRule": (Rule, _FIELDS),
    "business_days_before": (_shifted(-1, "operating"), ("anchor", "n")),
    "business_days_after": (_shifted(1, "operating"), ("anchor", "n")),
    "calendar_days_before": (_shifted(-1, "calendar"), ("anchor", "n")),
    "calendar_days_after": (_shifted(1, "calendar"), ("anchor", "n")),
}
