"""A schedule of cron, rules and calendars worked out without Airflow, whose import takes seconds."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import pendulum
from croniter import CroniterError, croniter

from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.horizon import horizon_around
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import Placed, Policy, Tick, lay_out, share_of
from calendar_timetable.planning.time_sets import Range, TimeSet

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_FIELDS = 5
_RANDOM = re.compile(r"(?<![A-Z])[HR](?![A-Z])", re.IGNORECASE)  # croniter draws these anew each time


@dataclass(frozen=True)
class Alone:
    """A schedule that Airflow is not needed for; the same to its users as ``Carried``."""

    cron: str
    timezone: str
    policy: Policy
    windows: TimeSet | None
    blackouts: TimeSet | None
    horizon: Range | None = None

    @classmethod
    def of(cls, options: argparse.Namespace, windows: TimeSet | None, blackouts: TimeSet | None) -> Alone | None:
        """What *options* say; ``None`` where that is not for us, as it is no cron expression that gives due times."""
        cron = _PRESETS.get(options.schedule, options.schedule)
        zone = zones.load_zone(options.timezone or zones.default_zone()).key
        stagger = int(options.stagger.total_seconds()) if options.stagger else 0
        policy = Policy(
            options.when_blocked,
            int(options.duration.total_seconds()) if options.duration else 0,
            int(options.max_delay.total_seconds()),
            not options.no_coalesce,
            share_of(stagger, f"{cron} {zone}"),
        )
        made = cls(cron, zone, policy, windows, blackouts)
        try:
            possible = not _RANDOM.search(cron) and len(croniter(cron).expanded) == _FIELDS
            next(made.ticks(0))
        except (CroniterError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return made if possible and options.offset is None else None

    @cached_property
    def zone(self) -> ZoneInfo:
        return zones.load_zone(self.timezone)

    @cached_property
    def open_time(self) -> OpenTime:
        return OpenTime(self.windows, self.blackouts, self.horizon)

    def read(self, start: float, end: float | None) -> Alone:
        """The same with its calendars read for the months around *start*, or as far as *end*."""
        reach = self.policy.max_delay + self.policy.duration + self.policy.stagger
        horizon = horizon_around(start, reach, None if end is None else end + reach)
        windows, blackouts = (s and s.resolve(horizon, self.timezone) for s in (self.windows, self.blackouts))
        return Alone(self.cron, self.timezone, self.policy, windows, blackouts, horizon)

    def placed(self, start: float) -> Iterator[Placed]:
        """Every due time from *start* on, in its place."""
        ticks = self.ticks(start - self.policy.max_delay)
        return (p for p in lay_out(ticks, self.policy, self.open_time) if p.tick.due >= start)

    def reasons(self, placed: Placed) -> tuple[explain.Reason, ...]:
        """Why *placed* does not simply run when due."""
        return explain.reasons(placed, self.policy, self.open_time)

    def ticks(self, start: float) -> Iterator[Tick]:
        """Due times from *start* on: what Airflow's own timetable comes to, clock changes included."""
        zone = pendulum.timezone(self.timezone)
        at = pendulum.from_timestamp(start - 1, zone)
        while True:
            naive = datetime(at.year, at.month, at.day, at.hour, at.minute, at.second)  # noqa: DTZ001  (wall clock)
            cron = croniter(self.cron, start_time=naive)
            following: datetime = cron.get_next(datetime)
            if cron.expanded[1] == ["*"]:  # at least hourly: through an hour that comes twice, twice
                at += timedelta(seconds=(following - naive).total_seconds())
            else:
                at = pendulum.instance(zone.convert(following.replace(fold=1)))
            due = int(at.timestamp())
            if due >= start:
                yield Tick(due, due, due)
