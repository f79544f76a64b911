"""The rules in quotes of run cycles, such as ``"FREQ=MONTHLY;BYMONTHDAY=15"``."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal

from calendar_timetable.calendars.working_days import WorkingDays
from calendar_timetable.cli.imports.result import Unsaid
from calendar_timetable.cli.imports.workload_language import WEEKDAYS, Cycle, Item
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.days import Of, Roll
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.planning.weekly import DAYS, Weekly
from calendar_timetable.schedule.on import On
from calendar_timetable.schedule.recurrence import Recurrence

ROLLS: dict[str, Roll] = {"FDIGNORE": "skip", "FDNEXT": "following", "FDPREV": "preceding"}
EVERY_DAY = [1, 2, 3, 4, 5, 6, 7]
_NUMBERS = re.compile(r"[+-]?\d{1,3}(,[+-]?\d{1,3})*")
_ANY_YEAR = date(2000, 1, 1)  # from which a rule counts that is the same from any day on
_OF: dict[str, Of] = {"MONTHLY": "month", "YEARLY": "year"}
_COUNTED = ("BYWORKDAY", "BYFREEDAY")
_PARTS = {
    "FREQ",
    "INTERVAL",
    "BYDAY",
    "BYMONTHDAY",
    "BYMONTH",
    "BYSETPOS",
    "COUNT",
    "UNTIL",
    *_COUNTED,
}
_MOST_INTERVAL = {"DAILY": 999, "WEEKLY": 520, "MONTHLY": 120, "YEARLY": 10}


@dataclass(frozen=True)
class Days:
    """The workdays: not *off*, and no Saturdays and Sundays unless they are said to be."""

    off: Sequence[date]
    saturdays: bool
    sundays: bool

    def works(self, day: date) -> bool:
        """Tell whether *day* is a workday."""
        counts = {5: self.saturdays, 6: self.sundays}.get(day.weekday(), True)
        return counts and day not in self._off

    @cached_property
    def _off(self) -> frozenset[date]:
        return frozenset(self.off)

    @property
    def timeset(self) -> TimeSet:
        """The workdays as a time set."""
        off: dict[str, Any] = {"remove": list(self.off)} if self.off else {}
        if self.saturdays and self.sundays:
            return WorkingDays(**off) | WorkingDays(weekend="mon-fri", **off)
        if self.saturdays or self.sundays:
            return WorkingDays(weekend="sun" if self.saturdays else "sat", **off)
        return WorkingDays(**off)


def of(
    item: Item, cycle: Cycle, at: str, workdays: Callable[[int], Days]
) -> tuple[On | Recurrence, TimeSet | None]:
    """Return the rule of *item* at a time of day, and the days to which its runs are confined.

    Raises :class:`Unsaid` where it cannot be said.
    """
    freq, interval, parts = _parts(item)
    try:
        if day_parts := [name for name in _COUNTED if name in parts]:
            return _by_days(item, cycle, at, workdays(item.line), day_parts[0]), None
        form = _on(item, freq, parts, cycle) if interval == 1 else None
        if form is not None:
            which, period, start = form
            options: dict[str, Any] = {} if start is None else {"period_start": start}
            if cycle.free_days:
                options |= {"days": workdays(item.line).timeset, "roll": ROLLS[cycle.free_days]}
            on = On(which, of=period, at=at, **options)
            on.validate()
            return on, None
        return _recurrence(item, cycle, at), _confined(item, cycle, workdays)
    except InvalidArgument as error:
        raise Unsaid(item.line, item.text, error.remedy) from None


def excluded(item: Item, workdays: Callable[[int], Days]) -> TimeSet:
    """Return the days of *item*, of an EXCEPT, where they are those of every week."""
    freq, interval, parts = _parts(item)
    if interval == 1 and freq == "DAILY" and len(parts) == 1 and "" in parts.values():
        days = workdays(item.line).timeset
        return days if "BYWORKDAY" in parts else ~days
    if interval == 1 and freq == "WEEKLY" and parts.keys() == {"BYDAY"}:
        return Weekly(",".join(DAYS[number - 1] for number in _weekdays(item, parts["BYDAY"])))
    remedy = "write the dates in a $CALENDAR, and EXCEPT its name"
    raise Unsaid(item.line, item.text, remedy)


def _parts(item: Item) -> tuple[str, int, dict[str, str]]:
    """Return the frequency, the interval and the other parts of a rule."""
    parts: dict[str, str] = {}
    for part in item.text.split(";"):
        name, sign, value = part.partition("=")
        if name in parts or (bool(value) is not bool(sign)) or not (sign or name in _COUNTED):
            raise Unsaid(item.line, part or item.text, "write each part once, as NAME=VALUE")
        if name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
            raise Unsaid(item.line, part, "a run starts at its AT; write AT, and take this out")
        if name not in _PARTS:
            remedy = f"a rule of a run cycle has {', '.join(sorted(_PARTS))}; take it out"
            raise Unsaid(item.line, part, remedy)
        parts[name] = value
    freq, interval = parts.pop("FREQ", ""), parts.pop("INTERVAL", "1")
    if freq not in ("DAILY", "WEEKLY", "MONTHLY", "YEARLY"):
        raise Unsaid(item.line, freq or item.text, "FREQ is DAILY, WEEKLY, MONTHLY or YEARLY")
    most = _MOST_INTERVAL[freq]
    if not re.fullmatch(r"[1-9]\d{0,2}", interval) or int(interval) > most:
        raise Unsaid(item.line, interval, f"INTERVAL of {freq} is a number from 1 to {most}")
    if "COUNT" in parts and not re.fullmatch(r"[1-9]\d{0,3}", parts["COUNT"]):
        raise Unsaid(item.line, parts["COUNT"], "COUNT is a number from 1 to 9999")
    return freq, int(interval), parts


def _on(
    item: Item, freq: str, parts: dict[str, str], cycle: Cycle
) -> tuple[list[int] | Literal[1], Of, str | None] | None:
    """Return which days of which period a rule names, and when years begin, if it is so simple."""
    match freq, [*parts]:
        case "DAILY", []:
            return EVERY_DAY, "week", None
        case "WEEKLY", ["BYDAY"]:
            return _weekdays(item, parts["BYDAY"]), "week", None
        case "MONTHLY", ["BYMONTHDAY"]:
            return _numbers(item, parts["BYMONTHDAY"]), "month", None
        case "YEARLY", []:
            first = _begins(item, cycle)
            if (first.month, first.day) == (2, 29):
                remedy = "of years without 29 February nothing is said; write another day"
                raise Unsaid(cycle.line, first, remedy)
            return 1, "year", f"{first:%m-%d}"
    return None


def _by_days(item: Item, cycle: Cycle, at: str, workdays: Days, part_name: str) -> On:
    """Return the rule that counts workdays or free days."""
    freq, interval, parts = _parts(item)
    if len(parts) > 1 or interval > 1:
        why = "of workdays every one is taken, or one of a month or year by its number"
        raise Unsaid(item.line, item.text, f"{why}; write the dates in a $CALENDAR")
    free = part_name == "BYFREEDAY"
    if free and cycle.free_days:
        why = "a free day is asked for, and moved off free days"
        raise Unsaid(item.line, cycle.free_days, f"{why}; take one of the two out")
    days = ~workdays.timeset if free else workdays.timeset
    if not parts[part_name]:
        if freq != "DAILY":
            remedy = f"write FREQ=DAILY;{part_name}, or {part_name}=-1 for the last one"
            raise Unsaid(item.line, item.text, remedy)
        return On(EVERY_DAY, days, of="week", at=at)
    if freq not in _OF:
        raise Unsaid(item.line, item.text, f"{part_name}=… counts in a month or year")
    on = On(_numbers(item, parts[part_name]), days, of=_OF[freq], at=at)
    on.validate()
    return on


def _recurrence(item: Item, cycle: Cycle, at: str) -> Recurrence:
    """Return the rule as iCalendar has it, counted from VALIDFROM."""
    freq, interval, parts = _parts(item)
    every = "" if interval == 1 else f";INTERVAL={interval}"
    rest = "".join(f";{name}={value.replace('+', '')}" for name, value in parts.items())
    if interval == 1 and (freq, [*parts]) == ("MONTHLY", ["BYDAY"]) and cycle.valid_from is None:
        start = _ANY_YEAR
    else:
        start = _begins(item, cycle)
    rule = Recurrence(f"FREQ={freq}{every}{rest}", start, at=at)
    rule.validate()
    if interval > 1 and freq != "DAILY":
        _check_first_period(item, start, freq, rest)
    return rule


def _check_first_period(item: Item, start: date, freq: str, rest: str) -> None:
    """Refuse a rule of which it is not sure which week, month or year is its first.

    It is sure where all of its days in the week, month or year of VALIDFROM are still to come,
    whatever day weeks begin on.
    """
    if freq == "WEEKLY":
        names = rest.removeprefix(";BYDAY=").split(",") if rest else [WEEKDAYS[start.weekday()]]
        days = {WEEKDAYS.index(day) for day in names if day in WEEKDAYS}
        sunday, first = 6 in days, start.weekday() == min(days, default=None)
        sure = len(days) == len({*names}) and first and (len(days) == 1 or not sunday)
    else:
        begin = start.replace(day=1) if freq == "MONTHLY" else start.replace(month=1, day=1)
        whole = Recurrence(f"FREQ={freq}{rest}", begin).due(_within(begin, start), "UTC")
        sure = not rest or not any(at < _seconds(start) for at in whole)
    if not sure:
        why = "it is not sure from which week, month or year on this counts"
        raise Unsaid(item.line, start, f"{why}; write the first day of it as VALIDFROM")


def _confined(item: Item, cycle: Cycle, workdays: Callable[[int], Days]) -> TimeSet | None:
    """Return the days of which FDIGNORE leaves out all others."""
    if cycle.free_days in ("FDNEXT", "FDPREV"):
        why = "only days counted in each week, month or year are moved off free days"
        raise Unsaid(item.line, cycle.free_days, f"{why}; write the dates in a $CALENDAR")
    return workdays(item.line).timeset if cycle.free_days else None


def _begins(item: Item, cycle: Cycle) -> date:
    if cycle.valid_from is None:
        remedy = "it counts from VALIDFROM; give the run cycle one"
        raise Unsaid(item.line, item.text, remedy)
    return cycle.valid_from


def _weekdays(item: Item, text: str) -> list[int]:
    """Return the days of the week, Monday as 1."""
    names = text.split(",")
    if not {*names} <= {*WEEKDAYS}:
        raise Unsaid(item.line, text, f"write days of the week, of {','.join(WEEKDAYS)}")
    return sorted({WEEKDAYS.index(name) + 1 for name in names})


def _numbers(item: Item, text: str) -> list[int]:
    if not _NUMBERS.fullmatch(text):
        raise Unsaid(item.line, text, "write numbers, as 15,-1")
    return [int(number) for number in text.split(",")]


def _seconds(day: date) -> int:
    return (day - date(1970, 1, 1)).days * 86400


def _within(begin: date, end: date) -> TimeRange:
    return TimeRange(_seconds(begin), _seconds(end))
