"""The schedule of a running task's DAG, read afresh where the task runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from calendar_timetable.calendars import codec
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning.horizon import horizon_around
from calendar_timetable.planning.plan import Policy
from calendar_timetable.planning.time_sets import Range, TimeSet, leaves
from calendar_timetable.schedule.compiled import Carried
from calendar_timetable.timetable import CalendarTimetable

FRESH = timedelta(seconds=2)  # a gate that looks asks a calendar again when it was asked longer ago than this
_KEPT = 2.0  # seconds that one process goes without looking at the shared copy again
_MOST_KEPT = 100
_HOLDERS = ("timetable", "dag", "task")  # AssetOrTimeSchedule and DAG, task, task instance; in this order


@dataclass(frozen=True)
class Rules:
    """When a DAG may run: its windows and blackouts in their roles, before calendars are read.

    ``horizon`` is set where the calendars in it have been read already (a schedule out of a serialized DAG).
    """

    windows: TimeSet | None
    blackouts: TimeSet | None
    timezone: str
    policy: Policy
    horizon: Range | None = None

    @classmethod
    def of(cls, timetable: CalendarTimetable) -> Rules:
        """The rules of *timetable*; without I/O."""
        given = timetable.arguments
        if given is None:
            carried = timetable.carried
            sets = carried.windows, carried.blackouts
            return cls(*sets, carried.timezone, carried.policy, horizon=carried.horizon)
        given.check()
        return cls(given.window_set, given.blackout_set, given.zone_name, given.policy)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Rules:
        """The inverse of :meth:`to_json`; :class:`wire.SealedElsewhere`."""
        windows, blackouts = (data[name] and codec.decode(data[name]) for name in ("windows", "blackouts"))
        horizon = data["horizon"] and Range(*data["horizon"])
        return cls(windows, blackouts, data["zone"], Policy(**data["policy"]), horizon)

    def to_json(self, *, hide: bool = False) -> dict[str, Any]:
        """These rules for a trigger, addresses of calendars included; *hide* as in :func:`wire.encode`."""
        windows, blackouts = (s and codec.encode(s, hide=hide) for s in (self.windows, self.blackouts))
        return {
            "windows": windows,
            "blackouts": blackouts,
            "zone": self.timezone,
            "policy": {name: getattr(self.policy, name) for name in Policy.__dataclass_fields__},
            "horizon": self.horizon and [self.horizon.start, self.horizon.end],
        }

    @cached_property
    def key(self) -> str:
        """What rules have in common that one reading serves."""
        return json.dumps(self.to_json() | {"policy": None}, sort_keys=True)

    @cached_property
    def refresh(self) -> float | None:
        """Seconds after which what was read may have changed; ``None`` without calendars."""
        given = (part for timeset in (self.windows, self.blackouts) if timeset for part in leaves(timeset))
        found: list[timedelta] = [part.refresh for part in given if hasattr(part, "refresh")]
        return max(min(found).total_seconds(), 1) if found else None

    def read(self, now: float) -> Carried:
        """These rules with the calendars as they are, asked as often as their ``refresh`` says.

        Raises :class:`CalendarUnavailable` for a calendar that cannot be had. Its base is of no use: it has no ticks.
        """
        horizon = self.horizon or horizon_around(now, 0)
        windows, blackouts = (s and s.resolve(horizon, self.timezone) for s in (self.windows, self.blackouts))
        return Carried({}, self.timezone, self.policy, windows, blackouts, horizon)

    def read_afresh(self, now: float) -> Carried:
        """As :meth:`read`, with calendars that were asked no longer than :data:`FRESH` ago, where they can be had."""
        windows, blackouts = (s and codec.decode(codec.encode(s), FRESH) for s in (self.windows, self.blackouts))
        try:
            return replace(self, windows=windows, blackouts=blackouts).read(now)
        except CalendarUnavailable:
            return self.read(now)  # with the last good copy, for as long as these rules trust it

    def read_kept(self, now: float) -> Carried:
        """As :meth:`read`, cheap enough for a loop: this process keeps what it read for a moment."""
        read_at, kept = _kept.get(self.key, (0.0, None))
        if kept is None or not 0 <= now - read_at <= _KEPT or kept.policy != self.policy:
            kept = self.read(now)
            if len(_kept) >= _MOST_KEPT:
                _kept.clear()
            _kept[self.key] = now, kept
        return kept


_kept: dict[str, tuple[float, Carried]] = {}


def rules_of(source: Any = None) -> Rules:
    """The rules of the DAG that *source* belongs to: a schedule, DAG, task, task instance, or a task's context.

    Without one, of the running task's DAG.
    """
    return Rules.of(schedule_of(source))


def schedule_of(source: Any = None) -> CalendarTimetable:
    """The ``CalendarTimetable`` of *source*; see :func:`rules_of`."""
    if source is None:
        from airflow.sdk import get_current_context

        source = get_current_context()
    seen = source.get("dag") if isinstance(source, Mapping) else source
    found = find_schedule(seen)
    if found is not None:
        return found
    remedy = "its DAG has no calendars of its own: give the DAG schedule=CalendarTimetable(...), or give one here"
    raise InvalidArgument("schedule", getattr(seen, "dag_id", type(seen).__name__), remedy)


def find_schedule(holder: Any) -> CalendarTimetable | None:
    """The ``CalendarTimetable`` that *holder*, a schedule, DAG, task or task instance, leads to."""
    while holder is not None and not isinstance(holder, CalendarTimetable):
        holder = next((part for name in _HOLDERS if (part := getattr(holder, name, None)) is not None), None)
    return holder


def now() -> float:
    """The clock, in epoch seconds."""
    return datetime.now(UTC).timestamp()
