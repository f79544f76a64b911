"""Rules that a table of due times is laid out from: what ``On`` and ``Recurrence`` share."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.codec import KEYS
from calendar_timetable.planning.time_sets import Combined, Complement, TimeRange, TimeSet
from calendar_timetable.planning.weekly import Weekly

# How far due times are laid out around the horizon: a table of them travels in the DAG.
_BACK, _AHEAD = timedelta(days=366), timedelta(days=2 * 366)
# Due times of a rule: the table of them is some 70,000 characters then.
MOST_A_YEAR = 1500
TOO_OFTEN = "it is due too often; write cron"
_AT = re.compile(r"([0-9]{1,2}):([0-9]{2})")
_MOST_HOURS = 48
_MOST_PYTHON = 500  # characters that travel in the DAG
_SIGNS = {"any": " | ", "all": " & ", "except": " - "}


class DueRule:
    """A schedule that is said in days: base of :class:`On` and :class:`Recurrence`."""

    days: TimeSet | None = None  # that have to be resolved first

    def validate(self) -> None:
        """Check the arguments, without I/O. Raises :class:`InvalidArgument`."""
        raise NotImplementedError

    def due(self, horizon: TimeRange, timezone: str) -> list[int]:
        """Return the due times around *horizon*, in epoch seconds, sorted.

        Raises :class:`CalendarUnavailable` where a calendar among the days cannot be read.
        """
        raise NotImplementedError

    def reach(self, horizon: TimeRange, timezone: str) -> TimeRange:
        """Return the time of which :meth:`due` asks what days count."""
        return horizon

    def doubt(self, timezone: str) -> str:
        """Return what makes no sense though it is valid; ``""``: nothing. Reads nothing."""
        return ""

    def python(self) -> str:
        """Return it as Python, of calendars no more than people may see.

        ``""`` where that is long, or a set among the days is of a kind of its own.
        """
        pairs = ((f, getattr(self, f.name)) for f in fields(cast("Any", self)))
        parts: list[str] = []
        for field, value in pairs:
            if value == field.default:
                continue
            argument = in_python(value) if isinstance(value, TimeSet) else _plain(value)
            if argument is None:
                return ""
            in_order = field.name in ("which", "days", "rule", "start")
            parts.append(argument if in_order else f"{field.name}={argument}")
        text = f"{type(self).__name__}({', '.join(parts)})"
        return text if len(text) <= _MOST_PYTHON else ""


def laid_out(horizon: TimeRange) -> tuple[date, date]:
    """Return the first and the last day of the table around *horizon*."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in (horizon.start, horizon.end))
    return first - _BACK, last + _AHEAD


def times_of_day(at: Any) -> tuple[int, ...]:
    """Return the times *at*, one or a list of texts, in seconds after midnight on the clock."""
    texts = at if isinstance(at, (list, tuple)) else (at,)
    seconds: list[int] = []
    for text in texts:
        match = _AT.fullmatch(text) if isinstance(text, str) else None
        hours, minutes = map(int, match.groups()) if match else (0, 60)
        if minutes > 59 or hours >= _MOST_HOURS:
            remedy = "give a time of day as '18:00', up to '47:59' for the day after"
            raise InvalidArgument("at", text, remedy)
        seconds.append(hours * 3600 + minutes * 60)
    if not seconds:
        raise InvalidArgument("at", at, "give a time of day as '18:00'")
    if len({*seconds}) < len(seconds):
        raise InvalidArgument("at", at, "give each time of day once")
    return tuple(seconds)


def in_words(at: Any) -> str:
    """Say the times of day: "06:00 and 18:00"."""
    return " and ".join(at if isinstance(at, (list, tuple)) else (at,))


def in_python(timeset: TimeSet) -> str | None:
    """Return a set that is not resolved as Python, calendars by their labels alone.

    ``None`` where it is of a kind that is not ours, and so may say anything.
    """
    from calendar_timetable.calendars.calendar import Calendar
    from calendar_timetable.calendars.holidays import Holidays
    from calendar_timetable.calendars.working_days import TradingHours, WorkingDays

    if isinstance(timeset, Combined):
        texts = [in_python(member) for member in timeset.members]
        inner = [
            f"({text})" if member.parts() else text
            for member, text in zip(timeset.members, texts, strict=True)
            if text is not None
        ]
        if len(inner) < len(texts):
            return None
        alone = isinstance(timeset, Complement)
        return f"~{inner[0]}" if alone else _SIGNS[KEYS[type(timeset)]].join(inner)
    if type(timeset) in (Weekly, Holidays, WorkingDays, TradingHours):
        return _plain(timeset)
    return f"Calendar({str(timeset)!r})" if type(timeset) is Calendar else None


def _plain(value: object) -> str:
    return repr(value).replace("datetime.date(", "date(")
