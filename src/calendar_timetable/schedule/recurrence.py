"""``Recurrence``: due times by a recurrence rule of RFC 5545, such as every other Friday."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import islice
from typing import Any

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import TimeRange
from calendar_timetable.schedule.due_rule import DueRule, in_words, laid_out, times_of_day

_MOST = 5000  # due times of a table
_REMEDY = "write an RRULE of RFC 5545, as 'FREQ=WEEKLY;INTERVAL=2;BYDAY=FR'"


@dataclass(frozen=True)
class Recurrence(DueRule):
    """Due as *rule* says, in the language of calendars (RFC 5545 section 3.3.10).

    :param rule: a RECUR value, such as ``"FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"``. Every day of it
        counts; one that does not exist, as a 31st of June, is left out, and so is a rule's UNTIL
        understood: as a day, or a time of the schedule's zone.
    :param start: the day from which it counts: DTSTART.
    :param at: the time of day; several as a list. ``"25:00"`` is 01:00 the day after.

    Times are those of the schedule's zone. Rules of less than a day are refused: cron says them.
    Raises :class:`InvalidArgument` when it is used.
    """

    rule: str
    start: date
    at: Any = "00:00"

    def validate(self) -> None:
        start: object = self.start
        if not isinstance(start, date) or isinstance(start, datetime):
            raise InvalidArgument("start", start, "give the day from which the rule counts")
        times_of_day(self.at)
        self._days(0, 0)

    def due(self, horizon: TimeRange, timezone: str) -> list[int]:
        zone = zones.load_zone(timezone)
        first, last = laid_out(horizon)
        low, high = ((day - date(1970, 1, 1)).days * DAY for day in (first, last))
        days = self._days(low, high)
        times = times_of_day(self.at)
        return sorted({zones.local_instant(day, at, zone) for day in days for at in times})

    def _days(self, low: int, high: int) -> list[date]:
        """Return the days of the rule between two times on the clock, in seconds since 1970."""
        from calendar_timetable.calendars.ical.parser import Unreadable
        from calendar_timetable.calendars.ical.properties import WallTime, local_time
        from calendar_timetable.calendars.ical.rrule import parse_rrule

        if not isinstance(self.rule, str):
            raise InvalidArgument("rule", self.rule, _REMEDY)
        begin = datetime.combine(self.start, time())
        moment = WallTime(begin, zones.load_zone("UTC"), is_date=True)
        try:
            recurrence = parse_rrule(self.rule.strip().removeprefix("RRULE:"), begin, moment)
            found = list(islice(recurrence.between(low, high + DAY), _MOST + 1))
        except Unreadable as error:
            raise InvalidArgument("rule", self.rule, f"{error}; {_REMEDY}") from None
        if len(found) > _MOST:
            raise InvalidArgument("rule", self.rule, "it is due too often; write cron")
        return [local_time(at).date() for at in found]

    def __str__(self) -> str:
        """Say it as written: "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR from 2026-11-27, at 20:00"."""
        return f"{self.rule} from {self.start}, at {in_words(self.at)}"
