"""A cron expression with windows and blackouts, planned without Airflow."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import pendulum
from croniter import CroniterError, croniter
from croniter.croniter import hash_expression_re

from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import PlacedTick, Policy, Tick, place_ticks, share_of
from calendar_timetable.planning.time_sets import TimeRange, TimeSet, horizon_around

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_FIELDS = 5


@dataclass(frozen=True)
class CronSchedule:
    """A schedule that Airflow is not needed for.

    To its users it is the same as ``CompiledSchedule``.
    """

    cron: str
    timezone: str
    policy: Policy
    windows: TimeSet | None
    blackouts: TimeSet | None
    horizon: TimeRange | None = None

    @classmethod
    def of(
        cls, options: argparse.Namespace, windows: TimeSet | None, blackouts: TimeSet | None
    ) -> CronSchedule | None:
        """Return what *options* say.

        ``None`` where that is not for us, as it is no cron expression that gives due times.
        """
        cron = _PRESETS.get(options.schedule, options.schedule)
        zone = zones.load_zone(options.timezone or zones.default_zone()).key
        stagger = int(options.stagger.total_seconds()) if options.stagger else 0
        policy = Policy(
            options.when_blocked,
            int(options.duration.total_seconds()) if options.duration else 0,
            int(options.max_delay.total_seconds()),
            not options.no_coalesce,
            share_of(stagger, f"{cron} {zone}"),
            zone if options.keep_hour else "",
        )
        policy.check()
        alone = cls(cron, zone, policy, windows, blackouts)
        try:
            # What croniter draws by lot is another time whenever it is asked.
            drawn = any(map(hash_expression_re.match, cron.lower().split()))
            possible = not drawn and len(croniter(cron).expanded) == _FIELDS
            next(alone.ticks(0))
        except (CroniterError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return alone if possible and options.offset is None else None

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone that the schedule is read in."""
        return zones.load_zone(self.timezone)

    @cached_property
    def open_time(self) -> OpenTime:
        """Where runs may start."""
        return OpenTime(self.windows, self.blackouts, self.horizon)

    def read(self, start: float, end: float | None) -> CronSchedule:
        """Return the same schedule with its calendars read around *start*, or as far as *end*.

        Around *start* means the months around it; both are in epoch seconds.
        """
        reach = self.policy.reach
        horizon = horizon_around(start, reach, None if end is None else end + reach)
        windows, blackouts = (
            s and s.resolve(horizon, self.timezone) for s in (self.windows, self.blackouts)
        )
        return CronSchedule(self.cron, self.timezone, self.policy, windows, blackouts, horizon)

    def placed(self, start: float) -> Iterator[PlacedTick]:
        """Return every due time from *start* on, in its place."""
        ticks = self.ticks(start - self.policy.max_delay)
        return (p for p in place_ticks(ticks, self.policy, self.open_time) if p.tick.due >= start)

    def reasons(self, placed: PlacedTick) -> tuple[explain.Reason, ...]:
        """Return why *placed* does not simply run when due."""
        return explain.reasons(placed, self.policy, self.open_time)

    def ticks(self, start: float) -> Iterator[Tick]:
        """Yield due times from *start* on, in epoch seconds.

        They are what Airflow's own timetable comes to, clock changes included.
        """
        zone = pendulum.timezone(self.timezone)
        at = pendulum.from_timestamp(start - 1, zone)
        while True:
            # Wall-clock time in the zone.
            naive = datetime(at.year, at.month, at.day, at.hour, at.minute, at.second)  # noqa: DTZ001
            cron = croniter(self.cron, start_time=naive)
            following: datetime = cron.get_next(datetime)
            # At least hourly: it goes through an hour that comes twice, twice.
            if cron.expanded[1] == ["*"]:
                at += timedelta(seconds=(following - naive).total_seconds())
            else:
                at = pendulum.instance(zone.convert(following.replace(fold=1)))
            due = int(at.timestamp())
            if due >= start:
                yield Tick(due, due, due)
