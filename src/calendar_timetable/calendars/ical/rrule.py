"""Recurrence rules as text: what is understood, and what is refused.

See RFC 5545 section 3.3.10, and RFC 7529.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime

from calendar_timetable.calendars.ical.parser import Unreadable
from calendar_timetable.calendars.ical.properties import WallTime, local_seconds, parse_until
from calendar_timetable.calendars.ical.recurrence import Recurrence, RecurrenceRule

_FREQUENCIES = ("MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
# The greatest number in each list, and whether it may count from the end.
_NUMBERS = {
    "BYMONTH": (12, False),
    "BYWEEKNO": (53, True),
    "BYYEARDAY": (366, True),
    "BYMONTHDAY": (31, True),
    "BYHOUR": (23, False),
    "BYMINUTE": (59, False),
    "BYSECOND": (60, False),
    "BYSETPOS": (366, True),
}
# In a period, where BYSETPOS takes some of them.
_MOST_TIMES = 600_000
_PERIOD_DAYS = {"WEEKLY": 7, "MONTHLY": 31, "YEARLY": 366}
_CLOCK = ("BYHOUR", "BYMINUTE", "BYSECOND")
_KNOWN = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST", "BYDAY", "RSCALE", "SKIP", *_NUMBERS}
# The frequencies with which each part means nothing: "N/A" in the table of the RFC.
_NOT_WITH = {
    "BYWEEKNO": {"MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY"},
    "BYYEARDAY": {"DAILY", "WEEKLY", "MONTHLY"},
    "BYMONTHDAY": {"WEEKLY"},
}
_SURE_DAY = 28  # every month has it


def parse_rrule(text: str, begin: datetime, moment: WallTime) -> Recurrence:
    """Return the rule *text* of a series from *begin*, its UNTIL in the zone of *moment*.

    Raises :class:`Unreadable` for a rule whose meaning is in doubt.
    """
    rule, until = _understood(text, moment.is_date)
    start = local_seconds(begin)
    recurrence = Recurrence(
        rule, start, None if until is None else local_seconds(parse_until(until, moment))
    )
    first = recurrence.first
    if first is None:
        raise Unreadable("its rule never comes true")
    if first != start and rule.interval > 1 and recurrence.is_of_another_year:
        raise Unreadable("it is not sure from which year its rule counts")
    return recurrence


def _understood(text: str, is_date: bool) -> tuple[RecurrenceRule, str | None]:
    """Return what *text* says, and its UNTIL."""
    parts = _parts(text)
    frequency = parts.get("FREQ", "")
    if frequency == "SECONDLY":
        raise Unreadable("a rule that repeats every second is refused")
    if frequency not in _FREQUENCIES:
        raise Unreadable("its rule has no known FREQ")
    interval = parts.get("INTERVAL", "1")
    if not interval.isdecimal() or int(interval[:9]) == 0:
        raise Unreadable("a rule with INTERVAL=0 is refused")
    count = parts.get("COUNT")
    if count is not None and re.fullmatch(r"-\d+", count, re.ASCII):
        # Atlassian Confluence writes a negative COUNT where there is none.
        count = None
    if count is not None and (not count.isdecimal() or int(count[:9]) == 0):
        raise Unreadable("a rule with COUNT=0 is refused")
    if count is not None and "UNTIL" in parts:
        raise Unreadable("its rule has both COUNT and UNTIL")
    numbers = {name: _numbers(name, parts.get(name)) for name in _NUMBERS}
    weekdays = _weekdays(parts.get("BYDAY"))
    week_start = parts.get("WKST", "MO")
    if week_start not in _DAYS:
        raise Unreadable("its rule cannot be understood")
    _check_together(parts, numbers, weekdays)
    times = math.prod(len(numbers[name] or "1") for name in _CLOCK) * _PERIOD_DAYS.get(frequency, 1)
    if numbers["BYSETPOS"] and times > _MOST_TIMES:
        raise Unreadable("its rule has too many times of the day to count them")
    if is_date:
        if frequency in ("HOURLY", "MINUTELY"):
            raise Unreadable("its rule repeats within a day, but it starts on a date")
        # They MUST be ignored where DTSTART is a date.
        numbers |= dict.fromkeys(_CLOCK, frozenset())
    rule = RecurrenceRule(
        frequency,
        int(interval[:9]),
        None if count is None else int(count[:9]),
        numbers["BYMONTH"],
        numbers["BYWEEKNO"],
        numbers["BYYEARDAY"],
        numbers["BYMONTHDAY"],
        weekdays,
        numbers["BYHOUR"],
        numbers["BYMINUTE"],
        # 60 is a leap second (section 3.3.12).
        frozenset(min(second, 59) for second in numbers["BYSECOND"]),
        numbers["BYSETPOS"],
        _DAYS.index(week_start),
        parts.get("SKIP", "OMIT"),
    )
    return rule, parts.get("UNTIL")


def _parts(text: str) -> dict[str, str]:
    """Return the parts of a rule by name, without the blanks and small letters that some write."""
    parts: dict[str, str] = {}
    for part in text.upper().split(";"):
        if not part.strip():
            continue
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in _KNOWN:
            raise Unreadable("its rule has a part that is unknown")
        if parts.setdefault(name, value) != value:
            raise Unreadable("its rule has a part twice")
    return parts


def _numbers(name: str, text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset()
    most, negative = _NUMBERS[name]
    least = 1 if negative or name == "BYMONTH" else 0
    form = r"\s*[+-]?\d{1,3}\s*" if negative else r"\s*\d{1,2}\s*"
    items = [int(item) if re.fullmatch(form, item, re.ASCII) else None for item in text.split(",")]
    numbers = frozenset(
        number for number in items if number is not None and least <= abs(number) <= most
    )
    if len(numbers) < len(set(items)):
        raise Unreadable("its rule cannot be understood")
    return numbers


def _weekdays(text: str | None) -> frozenset[tuple[int, int]]:
    if text is None:
        return frozenset()
    matches = [_WEEKDAY.fullmatch("".join(item.split())) for item in text.split(",")]
    weekdays = frozenset(
        (int(match[1]) if match[1] else 0, _DAYS.index(match[2])) for match in matches if match
    )
    if not all(matches) or any(
        match and match[1] and not -53 <= (int(match[1]) or 99) <= 53 for match in matches
    ):
        raise Unreadable("its rule cannot be understood")
    return weekdays


def _check_together(
    parts: Mapping[str, str],
    numbers: Mapping[str, frozenset[int]],
    weekdays: frozenset[tuple[int, int]],
) -> None:
    """Refuse parts that MUST NOT be together, or whose meaning together is not sure."""
    frequency = parts["FREQ"]
    has_ordinals = any(ordinal for ordinal, _ in weekdays)
    if (
        any(name in parts and frequency in frequencies for name, frequencies in _NOT_WITH.items())
        or (has_ordinals and (frequency not in ("MONTHLY", "YEARLY") or "BYWEEKNO" in parts))
        or ("BYWEEKNO" in parts and ("BYMONTHDAY" in parts or "BYYEARDAY" in parts))
        or (
            has_ordinals
            and frequency == "YEARLY"
            and "BYMONTHDAY" in parts
            and "BYMONTH" not in parts
        )
        or (
            "BYSETPOS" in parts
            and not any(name.startswith("BY") for name in parts if name != "BYSETPOS")
        )
    ):
        raise Unreadable("its rule has parts that may not be together")
    if parts.get("RSCALE", "GREGORIAN") not in ("GREGORIAN", "GREGORY"):
        raise Unreadable("a rule of another calendar than the Gregorian")
    skip = parts.get("SKIP", "OMIT")
    days = numbers["BYMONTHDAY"]
    # With these it is not sure what becomes of a day that does not exist, or a day would be named
    # twice.
    unsure = (
        "BYWEEKNO" in parts
        or "BYYEARDAY" in parts
        or has_ordinals
        or any(day < -_SURE_DAY for day in days)
        or (skip == "FORWARD" and frequency == "MONTHLY" and any(day < 2 for day in days))
    )
    if skip != "OMIT" and (skip not in ("BACKWARD", "FORWARD") or "RSCALE" not in parts or unsure):
        raise Unreadable("a rule with a SKIP that is not sure")
