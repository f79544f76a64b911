"""``Recurrence``: due times by a recurrence rule of RFC 5545, such as every other Friday."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import TimeRange
from calendar_timetable.schedule.due_rule import (
    MOST_A_YEAR,
    TOO_OFTEN,
    DueRule,
    in_words,
    laid_out,
    times_of_day,
)

if TYPE_CHECKING:
    from calendar_timetable.calendars.ical.recurrence import Recurrence as Series

_YEAR = timedelta(days=366)
_MOST_TEXT = 500  # characters
# What calendars are forgiven for, and what nobody means who writes a schedule.
_NOT_MEANT = {
    "BYHOUR": "leave BYHOUR out and say the time of day in at",
    "BYMINUTE": "leave BYMINUTE out and say the time of day in at",
    "BYSECOND": "leave BYSECOND out and say the time of day in at",
    "INTERVAL": "give INTERVAL from 1 to 9999",
    "COUNT": "give COUNT from 1 to 9999, or leave it out",
}
_NUMBER = re.compile(r"0*[1-9][0-9]{0,3}")
_REMEDY = "write an RRULE of RFC 5545, as 'FREQ=WEEKLY;INTERVAL=2;BYDAY=FR'"


@dataclass(frozen=True)
class Recurrence(DueRule):
    """Due as *rule* says, in the language of calendars (RFC 5545 section 3.3.10).

    :param rule: a RECUR value, such as ``"FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"``. A day that does not
        exist, as a 31st of June, is left out. UNTIL is a day, or a time of the schedule's zone.
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
        times, series = times_of_day(self.at), self._series
        # From the first day on: a rule may begin long after it counts from.
        begin = series.first
        assert begin is not None, "a rule that never comes true is not read"
        self._days(begin, begin + int(_YEAR.total_seconds()), MOST_A_YEAR // len(times))

    def due(self, horizon: TimeRange, timezone: str) -> list[int]:
        zone = zones.load_zone(timezone)
        first, last = laid_out(horizon)
        low, high = ((day - date(1970, 1, 1)).days * DAY for day in (first, last))
        times = times_of_day(self.at)
        most = MOST_A_YEAR * ((last - first) // _YEAR + 1) // len(times)
        days = self._days(low, high, most)
        return sorted({zones.local_instant(day, at, zone) for day in days for at in times})

    def doubt(self, timezone: str) -> str:
        series = self._series
        first = series.first
        ended = series.until is not None and first is not None and series.until < first
        return "UNTIL is before the first day of the rule: nothing will run" if ended else ""

    def _days(self, low: int, high: int, most: int) -> list[date]:
        """Return the days of the rule between two times on the clock, in seconds since 1970.

        Raises :class:`InvalidArgument` where they are more than *most*.
        """
        from calendar_timetable.calendars.ical.parser import Unreadable
        from calendar_timetable.calendars.ical.properties import local_time

        try:
            times = list(islice(self._series.between(low, high + DAY), most + 1))
        except Unreadable as error:
            raise InvalidArgument("rule", self.rule, f"{error}; {_REMEDY}") from None
        if len(times) > most:
            raise InvalidArgument("rule", self.rule, TOO_OFTEN)
        return [local_time(at).date() for at in times]

    @property
    def _series(self) -> Series:
        """The days as a series of events."""
        from calendar_timetable.calendars.ical.parser import Unreadable
        from calendar_timetable.calendars.ical.properties import WallTime
        from calendar_timetable.calendars.ical.rrule import parse_rrule

        if not isinstance(self.rule, str):
            raise InvalidArgument("rule", self.rule, _REMEDY)
        if len(self.rule) > _MOST_TEXT:
            remedy = f"give at most {_MOST_TEXT} characters; {_REMEDY}"
            raise InvalidArgument("rule", self.rule, remedy)
        text = self.rule.strip().removeprefix("RRULE:")
        for part in text.upper().split(";"):
            name, _, value = (piece.strip() for piece in part.partition("="))
            advice = _NOT_MEANT.get(name)
            if advice and (name.startswith("BY") or not _NUMBER.fullmatch(value)):
                raise InvalidArgument("rule", self.rule, advice)
        begin = datetime.combine(self.start, time())
        moment = WallTime(begin, zones.load_zone("UTC"), is_date=True)
        try:
            return parse_rrule(text, begin, moment)
        except Unreadable as error:
            raise InvalidArgument("rule", self.rule, f"{error}; {_REMEDY}") from None

    def __str__(self) -> str:
        """Say it as written: "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR from 2026-11-27, at 20:00"."""
        return f"{self.rule} from {self.start}, at {in_words(self.at)}"
