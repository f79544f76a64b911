"""Rules that a table of due times is laid out from: what ``On`` and ``Recurrence`` share."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.time_sets import TimeRange, TimeSet

# How far due times are laid out around the horizon: a table of them travels in the DAG.
_BACK, _AHEAD = timedelta(days=366), timedelta(days=2 * 366)
_AT = re.compile(r"(\d{1,2}):(\d{2})")
_MOST_HOURS = 48


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


def laid_out(horizon: TimeRange) -> tuple[date, date]:
    """Return the first and the last day of the table around *horizon*."""
    first, last = (datetime.fromtimestamp(at, UTC).date() for at in (horizon.start, horizon.end))
    return first - _BACK, last + _AHEAD


def times_of_day(at: Any) -> tuple[int, ...]:
    """Return the times *at*, one or a list of texts, in seconds after midnight on the clock."""
    given = at if isinstance(at, (list, tuple)) else (at,)
    found: list[int] = []
    for one in given:
        match = _AT.fullmatch(one) if isinstance(one, str) else None
        hours, minutes = map(int, match.groups()) if match else (0, 60)
        if minutes > 59 or hours >= _MOST_HOURS:
            remedy = "give a time of day as '18:00', up to '47:59' for the day after"
            raise InvalidArgument("at", one, remedy)
        found.append(hours * 3600 + minutes * 60)
    if not found:
        raise InvalidArgument("at", at, "give a time of day as '18:00'")
    return tuple(found)


def in_words(at: Any) -> str:
    """Say the times of day: "06:00 and 18:00"."""
    return " and ".join(at if isinstance(at, (list, tuple)) else (at,))
