"""Run cycles of HCL Workload Automation as schedules.

What ``on``, ``except`` and ``freedays`` mean is as the User's Guide and Reference of HCL Workload
Automation has it: FDIGNORE leaves a date out that is no workday, FDNEXT and FDPREV take the nearest
workday after and before it; EXCEPT wins over ON; VALIDTO itself is not valid.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any
from zoneinfo import ZoneInfo

from calendar_timetable import clock
from calendar_timetable.calendars.working_days import WorkingDays
from calendar_timetable.cli.imports import run_cycle_rules
from calendar_timetable.cli.imports.result import ImportResult, Schedule, Unsaid
from calendar_timetable.cli.imports.run_cycle_rules import EVERY_DAY, ROLLS, Days
from calendar_timetable.cli.imports.workload_language import (
    WEEKDAYS,
    At,
    Cycle,
    Item,
    Stream,
    parse,
)
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.days import rolled
from calendar_timetable.planning.time_sets import TimeSet
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.on import On

_UNTIL = re.compile(r"\bUNTIL=(\d{8})")
_FAR = 1500  # days that an offset may lead away


def read(text: str) -> ImportResult:
    """Return the schedules of the job streams in *text*; :class:`Unsaid` where it has none."""
    definitions = parse(text)
    result = ImportResult()
    result.unsaid += definitions.unsaid
    for stream in definitions.streams:
        reading = _Stream(stream, definitions.calendars)
        result.unsaid += stream.refused + stream.beside
        for cycle in stream.cycles:
            result.unsaid += cycle.refused + cycle.beside
        cycles = [cycle for cycle in stream.cycles if not cycle.excluded]
        if not cycles:
            remedy = "without ON it is never planned; give it an ON"
            result.unsaid.append(Unsaid(stream.line, stream.name, remedy))
        for cycle in cycles:
            if stream.refused or cycle.refused:
                continue
            try:
                result.schedules.append(reading.schedule(cycle))
            except Unsaid as error:
                result.unsaid.append(error)
        if len(cycles) > 1:
            remedy = "a DAG has one schedule: make a DAG for each ON, or write one ON"
            result.unsaid.append(Unsaid(cycles[1].line, stream.name, remedy))
    return result


@dataclass
class _Stream:
    """A job stream, and the *calendars* beside it."""

    stream: Stream
    calendars: dict[str, list[date]]

    def schedule(self, cycle: Cycle) -> Schedule:
        """Return the schedule of one *cycle*."""
        name = f"{self.stream.name} {cycle.name}".strip()
        if any(item.kind == "request" for item in cycle.items):
            if len(cycle.items) > 1:
                raise Unsaid(cycle.line, "REQUEST", "a run on request has no dates; take one out")
            return Schedule(cycle.line, name, {"schedule": None})
        at, zone = self._time(cycle)
        rule, only = self._rule(cycle, at)
        arguments: dict[str, Any] = {"schedule": rule, "timezone": zone}
        if only is not None:
            arguments["windows"] = only
        excluded = [
            self._excluded(except_cycle)
            for except_cycle in self.stream.cycles
            if except_cycle.excluded
        ]
        if excluded:
            arguments["blackouts"] = reduce(or_, excluded)
        if len(arguments) > 2:
            if at.days:
                remedy = "days are left out by the time of a run, which is another day; see AT"
                raise Unsaid(at.line, f"+{at.days} DAYS", remedy)
            arguments["when_blocked"] = "skip"
        start, end, notes = self._valid(cycle, at, zone, rule)
        last = self._last(cycle, at, end)
        if last is not None and last < clock.utc().astimezone(zones.load_zone(zone)).date():
            notes += (f"its last day was {last}: nothing will run",)
        return Schedule(cycle.line, name, arguments, start, end, notes)

    def _last(self, cycle: Cycle, at: At, end: datetime | None) -> date | None:
        """Return the last day on which a run may start; ``None`` if there is none."""
        last = [] if end is None else [end.date()]
        later = timedelta(days=at.days)
        if {item.kind for item in cycle.items} <= {"dates", "calendar"}:
            last.append(self._dates(cycle)[-1] + later)
        if until := _UNTIL.search(cycle.items[0].text):
            # Of a rule that was accepted, so it is a date.
            last.append(date.fromisoformat(until[1]) + later)
        return min(last, default=None)

    def _time(self, cycle: Cycle) -> tuple[At, str]:
        at = cycle.at or self.stream.at
        if at is None:
            why = "without AT a run starts with the day of the plan, which is not told here"
            raise Unsaid(cycle.line, cycle.name or "ON", f"{why}; write AT 0600")
        if at.days > 1:
            raise Unsaid(at.line, f"+{at.days} DAYS", "a run is due up to 47:59 after its day")
        zone = at.zone or self.stream.zone
        if not zone:
            why = "times are those of the workstation, whose zone is not told here"
            raise Unsaid(at.line, "AT", f"{why}; write TIMEZONE Europe/Berlin after the time")
        try:
            zones.load_zone(zone)
        except InvalidArgument as error:
            raise Unsaid(at.line, zone, error.remedy) from None
        return at, zone

    def _valid(
        self, cycle: Cycle, at: At, zone: str, rule: object
    ) -> tuple[datetime | None, datetime | None, tuple[str, ...]]:
        """Return when the DAG starts and ends, and what is to be known of that."""
        clock, later = zones.load_zone(zone), timedelta(days=at.days)
        froms = [day for day in (cycle.valid_from, self.stream.valid_from) if day is not None]
        first = max(froms, default=None)
        if first == getattr(rule, "start", None):
            first = None
        start = None if first is None else _midnight(first, clock) + later
        # VALIDTO itself is not valid.
        to = cycle.valid_to
        end = None if to is None else _midnight(to, clock) + later - timedelta(seconds=1)
        if start is not None and end is not None and end < start:
            raise Unsaid(cycle.line, to, "it is valid on no day; write a VALIDTO after VALIDFROM")
        moves = cycle.free_days in ("FDNEXT", "FDPREV") and (start or end)
        notes = ("VALIDFROM and VALIDTO hold for days as FDNEXT and FDPREV moved them",)
        return start, end, notes if moves else ()

    def _rule(self, cycle: Cycle, at: At) -> tuple[Any, TimeSet | None]:
        """Return the rule, and the days to which its runs are confined besides."""
        kinds = {item.kind for item in cycle.items}
        time = f"{at.hours + 24 * at.days:02}:{at.minutes:02}"
        first = cycle.items[0]
        if "rule" in kinds:
            if len(cycle.items) > 1:
                raise Unsaid(first.line, first.text, "a rule stands alone; write an ON for each")
            return run_cycle_rules.of(first, cycle, time, self._days)
        if kinds == {"day"}:
            which = sorted({WEEKDAYS.index(item.text) + 1 for item in cycle.items})
            if cycle.free_days:
                roll, days = ROLLS[cycle.free_days], self._days(cycle.line).timeset
                return On(which, days, of="week", roll=roll, at=time), None
            return On(which, of="week", at=time), None
        if "day" in kinds:
            raise Unsaid(first.line, first.text, "write an ON for days, and one for dates")
        dates = self._dates(cycle)
        return On(EVERY_DAY, only(dates), of="week", at=time), None

    def _dates(self, cycle: Cycle) -> list[date]:
        """Return the dates that a cycle of dates and calendars names, moved off free days."""
        dates = {day for item in cycle.items for day in self._dates_of(item)}
        if cycle.free_days:
            days = self._days(cycle.line)
            works = [day for day in _around(dates) if days.works(day)]
            roll = ROLLS[cycle.free_days]
            # A period that no date leaves, as these rolls turn back at none.
            rolled_days = (rolled(day, works, date.min, date.max, roll) for day in dates)
            dates = {day for day in rolled_days if day is not None}
        if not dates:
            raise Unsaid(cycle.line, cycle.items[0].text, "no date is left; take the cycle out")
        return sorted(dates)

    def _dates_of(self, item: Item) -> list[date]:
        if item.kind == "dates":
            return [date.fromisoformat(item.text)]
        dates = self._calendar(item.text, item.line)
        if not item.offset:
            return dates
        counts = {"DAY": _every, "WEEKDAY": _weekday}.get(item.unit)
        counts = counts or self._days(item.line).works
        counted_days = [day for day in _around({*dates}, _FAR) if counts(day)]
        moved = [_day_at_offset(day, item.offset, counted_days) for day in {*dates}]
        if None in moved:
            raise Unsaid(item.line, item.offset, "it leads too far; write the dates themselves")
        return [day for day in moved if day is not None]

    def _excluded(self, cycle: Cycle) -> TimeSet:
        """Return the days that an EXCEPT leaves out."""
        first = cycle.items[0]
        if cycle.at is not None or cycle.valid_from or cycle.valid_to:
            value = "VALIDFROM" if cycle.at is None else "AT"
            raise Unsaid(
                cycle.line, value, "whole days are left out, always; take it out of EXCEPT"
            )
        kinds = {item.kind for item in cycle.items}
        if kinds == {"rule"} and len(cycle.items) == 1 and not cycle.free_days:
            return run_cycle_rules.excluded(first, self._days)
        if kinds == {"day"} and not cycle.free_days:
            return Weekly(",".join(_DAY[item.text] for item in cycle.items))
        if kinds <= {"dates", "calendar"}:
            return only(self._dates(cycle))
        remedy = "write the dates in a $CALENDAR, and EXCEPT its name"
        raise Unsaid(first.line, first.text or first.kind, remedy)

    def _calendar(self, name: str, line: int) -> list[date]:
        if name not in self.calendars:
            remedy = "its dates are not in the file; add what composer display calendars prints"
            raise Unsaid(line, name, remedy)
        return self.calendars[name]

    def _days(self, line: int) -> Days:
        """Return the workdays, for what stands at *line*."""
        off = sorted({*self._calendar(self.stream.calendar, line)})
        return Days(off, saturdays=self.stream.saturdays, sundays=self.stream.sundays)


_DAY = dict(zip(WEEKDAYS, ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), strict=True))


def only(dates: Sequence[date]) -> TimeSet:
    """Return these days, and no other: what two sets of opposite weekends have in common."""
    return WorkingDays(weekend="mon-fri", add=dates) & WorkingDays(weekend="sat-sun", add=dates)


def _midnight(day: date, clock: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=clock)


def _every(day: date) -> bool:
    return True


def _weekday(day: date) -> bool:
    return day.weekday() < 5


def _day_at_offset(day: date, offset: int, counted_days: Sequence[date]) -> date | None:
    """Return the day *offset* days of *counted_days* from *day*; ``None``: too far."""
    at = bisect_left(counted_days, day)
    if offset > 0:
        at += offset - (at == len(counted_days) or counted_days[at] != day)
    else:
        at += offset
    return counted_days[at] if 0 <= at < len(counted_days) else None


def _around(dates: set[date], far: int = 366) -> list[date]:
    """Return every day from so many days before *dates* to so many after them."""
    if not dates:
        return []
    first, last = min(dates) - timedelta(days=far), max(dates) + timedelta(days=far)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]
