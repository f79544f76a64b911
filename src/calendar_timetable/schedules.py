"""Base schedules: anything that says when a run is due, as an Airflow timetable and as ticks."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from itertools import accumulate, chain
from typing import Any

from airflow.exceptions import AirflowTimetableInvalid
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from pendulum import UTC as PENDULUM_UTC
from pendulum import DateTime

from calendar_timetable.cron import CronTicks, cron_ticks, is_plain
from calendar_timetable.planning import zones
from calendar_timetable.planning.codec import decode_feed, encode_feed
from calendar_timetable.planning.errors import InvalidArgument
from calendar_timetable.planning.plan import Tick, new
from calendar_timetable.planning.timesets import Feed

_REMEDY = "give a cron expression, a preset such as '@weekly', a timedelta, an Airflow timetable or a Calendar"
_CRON_TRIGGER = "airflow.timetables.trigger.CronTriggerTimetable"
_CRON_INTERVAL = "airflow.timetables.interval.CronDataIntervalTimetable"
_MULTIPLE = "airflow.timetables.trigger.MultipleCronTriggerTimetable"
_CONTINUOUS = "airflow.timetables.simple.ContinuousTimetable"
_GRID = (_CRON_TRIGGER, _CRON_INTERVAL, _MULTIPLE, "airflow.timetables.events.EventsTimetable")


@lru_cache(maxsize=8192)
def to_pendulum(instant: float) -> DateTime:
    """*instant*, in epoch seconds, as Airflow wants it: a UTC-aware ``pendulum.DateTime``. DAGs share due times."""
    at = datetime.fromtimestamp(instant, UTC)  # pendulum's own way takes six times as long
    return DateTime(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, tzinfo=PENDULUM_UTC)


def make_base(schedule: object, timezone: str) -> Timetable:
    """The Airflow timetable that Airflow itself would make of *schedule* in *timezone*.

    Honours ``[scheduler] create_cron_data_intervals`` for cron expressions and timedeltas, as Airflow does.
    """
    if not isinstance(schedule, str):  # which it takes long to tell from a timetable
        from airflow.serialization.encoders import coerce_to_core_timetable

        schedule = coerce_to_core_timetable(schedule)
    if isinstance(schedule, Timetable):
        return schedule
    from airflow.configuration import conf
    from airflow.timetables import interval, simple, trigger
    from airflow.utils.dates import cron_presets
    from dateutil.relativedelta import relativedelta

    with_intervals = conf.getboolean("scheduler", "create_cron_data_intervals")
    if isinstance(schedule, (timedelta, relativedelta)):
        return (interval.DeltaDataIntervalTimetable if with_intervals else trigger.DeltaTriggerTimetable)(schedule)
    if schedule == "@once":
        return simple.OnceTimetable()
    if schedule == "@continuous":
        return simple.ContinuousTimetable()
    if isinstance(schedule, str) and schedule.strip():
        return _cron_base(cron_presets.get(schedule, schedule), timezone, with_intervals=with_intervals)
    raise InvalidArgument("schedule", schedule, _REMEDY)


@lru_cache(maxsize=512)
def _cron_base(expression: str, timezone: str, *, with_intervals: bool) -> Timetable:
    """Remembered, because Airflow puts cron into words each time; processes forked to parse inherit it."""
    from airflow.timetables import interval, trigger

    if with_intervals:
        return interval.CronDataIntervalTimetable(expression, timezone)
    return trigger.CronTriggerTimetable(expression, timezone=timezone)


def check_base(base: Timetable, schedule: object, timezone: str) -> None:
    """Refuse a *base*, made of *schedule* in *timezone*, that cannot give ticks."""
    if not base.can_be_scheduled or base.asset_condition or base.partitioned:
        remedy = "it has no due times of its own; for assets put CalendarTimetable inside AssetOrTimeSchedule"
        raise InvalidArgument("schedule", schedule, remedy)
    now = datetime.now(UTC).timestamp()
    try:
        if isinstance(schedule, str) and is_plain(base.summary):
            ticks = cron_ticks((base.summary, timezone))
            if ticks.daily is not None:
                ticks.after(now)
                return
        base.validate()
        if type(base).__module__.startswith("airflow.timetables."):  # a cron may name a day that never comes
            restriction = TimeRestriction(to_pendulum(now), None, catchup=True)
            base.next_dagrun_info(last_automated_data_interval=None, restriction=restriction)
    except AirflowTimetableInvalid as error:
        raise InvalidArgument("schedule", schedule, f"{error}; {_REMEDY}") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument("schedule", schedule, f"{error}; {_REMEDY}") from None


class CalendarEvents(Timetable):
    """The starts of a calendar's events as due times, stepped as ``CronTriggerTimetable`` steps.

    Lives only inside :class:`~calendar_timetable.CalendarTimetable`; never registered with Airflow.
    """

    def __init__(self, label: str, starts: Sequence[int], feed: Feed | None = None) -> None:
        self.label, self.starts, self.feed = label, tuple(starts), feed

    @property
    def summary(self) -> str:
        return f"events of {self.label}"

    def serialize(self) -> dict[str, Any]:
        deltas = [b - a for a, b in zip((0, *self.starts), self.starts, strict=False)]
        return {"calendar": self.label, "events": deltas, **encode_feed(self.feed)}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> CalendarEvents:
        return cls(data["calendar"], tuple(accumulate(data["events"])), decode_feed(data))

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        candidates = []
        if last_automated_data_interval is not None:
            candidates.append(bisect_right(self.starts, last_automated_data_interval.end.timestamp()))
        elif restriction.earliest is None:
            candidates.append(self._first_run())
        if restriction.earliest is not None and not (restriction.catchup and last_automated_data_interval):
            candidates.append(bisect_left(self.starts, restriction.earliest.timestamp()))
        if not restriction.catchup:
            candidates.append(max(0, bisect_right(self.starts, datetime.now(UTC).timestamp()) - 1))
        index = max(candidates)
        if index >= len(self.starts):
            return None
        due = to_pendulum(self.starts[index])
        if restriction.latest is not None and due > restriction.latest:
            return None
        return DagRunInfo.exact(due)

    def _first_run(self) -> int:
        """As cron without a start date: the last event if it is only just past, else the next one."""
        now = datetime.now(UTC).timestamp()
        following = bisect_right(self.starts, now)
        if following == 0:
            return 0
        gap = self.starts[following] - self.starts[following - 1] if following < len(self.starts) else 0
        return following - 1 if now - self.starts[following - 1] <= max(gap / 10, 300) else following


def encode_base(base: Timetable) -> dict[str, Any]:
    """*base* as JSON: in Airflow's own form where it is Airflow's to read."""
    if isinstance(base, CalendarEvents):
        return base.serialize()
    from airflow.serialization.encoders import encode_timetable
    from airflow.serialization.enums import Encoding

    encoded = encode_timetable(base)
    return {name.value: encoded[name] for name in (Encoding.TYPE, Encoding.VAR)}


def decode_base(data: dict[str, Any]) -> Timetable:
    """The inverse of :func:`encode_base`."""
    if "events" in data:
        return CalendarEvents.deserialize(data)
    from airflow.serialization.decoders import decode_timetable

    return decode_timetable(data)


class Ticks:
    """The due times of a base schedule, given as JSON: Airflow's own, and those of cron remembered."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._kind: str = data.get("__type", "")
        self.on_grid = "events" in data or self._kind in _GRID  # ticks are the same whatever ran before
        self.is_cron = self._kind in (_CRON_INTERVAL, _CRON_TRIGGER, _MULTIPLE)
        arguments = data.get("__var", {})
        one_cron = self._kind == _CRON_INTERVAL or (self._kind == _CRON_TRIGGER and not arguments["interval"])
        self.remembered = one_cron and is_plain(arguments["expression"])  # ticks are cheap to step through
        self.plain = self.remembered and self._kind == _CRON_TRIGGER  # a tick follows from any time before it
        self._cron_arguments = (arguments["expression"], arguments["timezone"]) if self.remembered else None

    @property
    def _cron(self) -> CronTicks | None:
        """What this thread remembers; looked up for each walk, because decoded schedules are shared by threads."""
        return cron_ticks(self._cron_arguments) if self._cron_arguments else None

    @cached_property
    def base(self) -> Timetable:
        """The base schedule as a timetable; made only where ticks are not remembered."""
        if self._cron_arguments and not self._data["__var"].get("run_immediately"):
            return _cron_base(*self._cron_arguments, with_intervals=self._kind == _CRON_INTERVAL)
        return decode_base(self._data)

    def pick(self, last: DataInterval | None, restriction: TimeRestriction) -> Tick | None:
        """The tick that *restriction*, ``catchup`` included, leads to after the run *last*."""
        due = self._remembered(last, restriction) if last is not None else None
        if due is None:
            return next(self._ask(last, restriction), None)
        return Tick(due, due, due) if restriction.latest is None or due <= restriction.latest.timestamp() else None

    def walk(
        self, last: DataInterval | None, restriction: TimeRestriction, first: Tick | None = None
    ) -> Iterator[Tick]:
        """Every tick after the run *last*, from *first* on where it is given; strictly increasing."""
        if not restriction.catchup:
            restriction = TimeRestriction(restriction.earliest, restriction.latest, catchup=True)
        if first is None and (first := self.pick(last, restriction)) is None:
            return iter(())
        return chain((first,), self._following(first, restriction))

    def from_instant(self, start: float, latest: DateTime | None = None) -> Iterator[Tick]:
        """Ticks from *start* to *latest*; of a cron base also the one whose interval holds *start*."""
        earliest = to_pendulum(start)
        if self.is_cron:
            earliest = self.base.infer_manual_data_interval(run_after=earliest).start
        return self.walk(None, TimeRestriction(earliest, latest, catchup=True))

    def at_or_after(self, start: float, latest: DateTime | None = None) -> Iterator[Tick]:
        """Ticks from *start* to *latest*, or a few earlier ones too; of plain cron without asking Airflow."""
        if not self.plain:
            return self.from_instant(start, latest)
        return self.walk(DataInterval.exact(to_pendulum(start - 1)), TimeRestriction(None, latest, catchup=True))

    def _remembered(self, last: DataInterval, restriction: TimeRestriction) -> float | None:
        """What ``CronTriggerTimetable.next_dagrun_info`` would answer, where that is remembered."""
        cron = self._cron
        if cron is None or not self.plain:
            return None
        end = last.end.timestamp()
        if restriction.catchup:
            return cron.after(end)
        if restriction.earliest is not None and restriction.earliest > last.end:
            return None
        now = time.time()
        if not cron.is_calm(now):
            return None
        tick = cron.latest(now)
        if tick is None or tick <= end:
            following = cron.after(end)
            tick = following if following > now else cron.latest(now)
        return tick

    def _following(self, first: Tick, restriction: TimeRestriction) -> Iterator[Tick]:
        """Every tick after *first*; lazily, because most who ask take only that one."""
        cron = self._cron
        if cron is None:
            if self._kind != _CONTINUOUS:  # whose next tick is always "now"
                interval = DataInterval(to_pendulum(first.interval_start), to_pendulum(first.interval_end))
                yield from self._ask(interval, restriction)
            return
        latest = restriction.latest.timestamp() if restriction.latest else math.inf
        with_intervals = self._kind == _CRON_INTERVAL
        previous = first.due
        for some in cron.all_after(previous):
            for due in some:
                start = previous if with_intervals else due
                if start > latest:
                    return
                yield new(Tick, (due, start, due))
                previous = due

    def _ask(self, last: DataInterval | None, restriction: TimeRestriction) -> Iterator[Tick]:
        newest = last.end if last else None
        stale = False
        while True:
            info = self.base.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
            if info is None:
                return
            interval = info.data_interval or DataInterval.exact(info.run_after)
            if newest is None or interval.end > newest:
                newest = interval.end
                yield Tick(*map(zones.to_instant, (info.run_after, interval.start, interval.end)))
            elif stale and last is not None and interval.end <= last.end:
                return  # it does not get on
            else:
                stale = True  # to the base, a run with a widened interval may look like an earlier one
            last = interval
