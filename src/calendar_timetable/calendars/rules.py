"""Recurrence rules in wall-clock time: what is refused, and where the instances are (RFC 5545 section 3.3.10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from calendar_timetable.calendars.lines import Unreadable
from calendar_timetable.calendars.values import Moment, parse_until

if TYPE_CHECKING:
    from dateutil.rrule import rrule

_FREQUENCIES = ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_STEPS = {
    "MINUTELY": timedelta(minutes=1),
    "HOURLY": timedelta(hours=1),
    "DAILY": timedelta(days=1),
    "WEEKLY": timedelta(weeks=1),
}
_SURE_DAY = 28  # every month has it


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that starts at *begin*; its UNTIL, like every time here, is naive and in the zone of its series."""

    fields: dict[str, str]
    begin: datetime
    first: datetime | None  # its first instance

    @property
    def text(self) -> str:
        return ";".join(f"{key}={value}" for key, value in self.fields.items())

    def from_(self, low: datetime) -> Iterator[datetime]:
        """The instances from *low* on."""
        found: Iterator[datetime] = _generate(self.text, self._begin_near(low)).xafter(low, inc=True)
        return found

    def _begin_near(self, low: datetime) -> datetime:
        """A later beginning, not after *low*, from which on the instances are the same ones.

        Whole intervals later, so that the rule stays in step: dateutil would count through years one by one.
        """
        fields, begin = self.fields, self.begin
        if "COUNT" in fields or low <= begin:
            return begin
        interval = int(fields.get("INTERVAL", "1"))
        frequency = fields["FREQ"]
        if frequency in _STEPS:
            step = interval * _STEPS[frequency]
            return begin + (low - begin) // step * step
        if frequency != "MONTHLY":
            return begin
        months = 12 * (low.year - begin.year) + low.month - begin.month
        index = 12 * begin.year + begin.month - 1 + max(months // interval - 1, 0) * interval
        named = "BYDAY" in fields or "BYMONTHDAY" in fields or "BYYEARDAY" in fields
        if index == 12 * begin.year + begin.month - 1 or (begin.day > _SURE_DAY and not named):
            return begin
        return begin.replace(year=index // 12, month=index % 12 + 1, day=1 if named else begin.day)


def parse_rule(text: str, begin: datetime, moment: Moment) -> Rule:
    """The rule *text* of a series from *begin*, its UNTIL in the zone of *moment*; refused if it would run for ever."""
    pairs = (field.partition("=") for field in text.upper().split(";") if field.strip())
    fields = {key.strip(): value.strip() for key, _, value in pairs}
    if fields.get("FREQ") == "SECONDLY":
        raise Unreadable("a rule that repeats every second is refused")
    if fields.get("FREQ") not in _FREQUENCIES:
        raise Unreadable("its rule has no known FREQ")
    interval = fields.get("INTERVAL", "1")
    if not interval.isdecimal() or int(interval[:9]) == 0:
        raise Unreadable("a rule with INTERVAL=0 is refused")
    until = None
    if "UNTIL" in fields:
        until = parse_until(fields["UNTIL"], moment)
        fields["UNTIL"] = f"{until:%Y%m%dT%H%M%S}"
    rule = Rule(fields, begin, None)
    try:
        first = next(iter(_generate(rule.text, begin)), None)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Unreadable("its rule cannot be understood") from None
    if first is None and (until is None or until >= begin):
        raise Unreadable("its rule never comes true")
    return Rule(fields, begin, first)


def _generate(rule: str, begin: datetime) -> rrule:
    from dateutil.rrule import rrulestr

    made: Any = rrulestr(rule, dtstart=begin)  # a set only where there are several rules
    single: rrule = made
    return single
