"""When a DAG may run: windows and blackouts in their roles, zone and policy.

The calendars in them are not read yet: :meth:`TimeRules.read` does that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

from calendar_timetable.calendars import codec
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import Policy
from calendar_timetable.planning.time_sets import TimeRange, TimeSet, horizon_around, leaves

# A gate that looks asks a calendar again when it was asked longer ago than this.
FRESH = timedelta(seconds=2)
_KEPT = 2.0  # seconds that one process goes without looking at the shared copy again
_MOST_KEPT = 100


@dataclass(frozen=True)
class TimeRules:
    """When a DAG may run: its windows and blackouts in their roles, before calendars are read.

    ``horizon`` is set where the calendars in it have been read already (a schedule out of a
    serialized DAG).
    """

    windows: TimeSet | None
    blackouts: TimeSet | None
    timezone: str
    policy: Policy
    horizon: TimeRange | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TimeRules:
        """Return the rules that :meth:`to_json` wrote.

        Raises :class:`codec.SealedElsewhere`.
        """
        windows, blackouts = (
            data[name] and codec.decode(data[name]) for name in ("windows", "blackouts")
        )
        horizon = data["horizon"] and TimeRange(*data["horizon"])
        return cls(windows, blackouts, data["zone"], Policy.from_json(data["policy"]), horizon)

    def to_json(self, *, hide: bool = False) -> dict[str, Any]:
        """Return these rules for a trigger, addresses of calendars included.

        *hide* is as in :func:`codec.encode`.
        """
        windows, blackouts = (
            s and codec.encode(s, hide=hide) for s in (self.windows, self.blackouts)
        )
        return {
            "windows": windows,
            "blackouts": blackouts,
            "zone": self.timezone,
            "policy": self.policy.to_json(),
            "horizon": self.horizon and [self.horizon.start, self.horizon.end],
        }

    @cached_property
    def key(self) -> str:
        """A text that is the same for rules that one reading of calendars serves."""
        return json.dumps(self.to_json() | {"policy": None}, sort_keys=True)

    @cached_property
    def refresh(self) -> float | None:
        """Seconds after which what was read may have changed; ``None`` without calendars."""
        parts = (
            part
            for timeset in (self.windows, self.blackouts)
            if timeset
            for part in leaves(timeset)
        )
        intervals: list[timedelta] = [part.refresh for part in parts if hasattr(part, "refresh")]
        return max(min(intervals).total_seconds(), 1) if intervals else None

    def read(self, now: float) -> OpenTime:
        """Return what these rules leave open, with calendars as they are at *now* (epoch seconds).

        Calendars are asked as often as their ``refresh`` says. Raises :class:`CalendarUnavailable`
        for a calendar that cannot be had.
        """
        horizon = self.horizon or horizon_around(now, 0)
        windows, blackouts = (
            s and s.resolve(horizon, self.timezone) for s in (self.windows, self.blackouts)
        )
        return OpenTime(windows, blackouts, horizon)

    def read_afresh(self, now: float) -> OpenTime:
        """Return what :meth:`read` returns, with calendars asked no longer than :data:`FRESH` ago.

        Where one of these cannot be had, return what :meth:`read` returns.
        """
        windows, blackouts = (s and s.asked_within(FRESH) for s in (self.windows, self.blackouts))
        try:
            return replace(self, windows=windows, blackouts=blackouts).read(now)
        except CalendarUnavailable:
            # With the last good copy, for as long as these rules trust it.
            return self.read(now)

    def read_kept(self, now: float) -> OpenTime:
        """Return what :meth:`read` returns, cheap enough for a loop.

        This process keeps what it read for a moment.
        """
        read_at, open_time = _kept.get(self.key, (0.0, None))
        if open_time is None or not 0 <= now - read_at <= _KEPT:
            open_time = self.read(now)
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[self.key] = now, open_time
        return open_time


_kept: dict[str, tuple[float, OpenTime]] = {}
