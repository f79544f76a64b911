"""The due times of base schedules, one after the other.

Airflow's own timetables are asked for them; those of cron are remembered.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property, partial
from itertools import chain, islice, takewhile
from operator import gt
from typing import Any

from airflow.timetables.base import DataInterval, TimeRestriction, Timetable
from dateutil.relativedelta import relativedelta
from pendulum import DateTime

from calendar_timetable import clock
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import Tick, TickStream, new
from calendar_timetable.schedule.base import DueTimes, cron_base, decode_base, to_pendulum
from calendar_timetable.schedule.cron import (
    CronTicks,
    SeveralCrons,
    are_due_more_often,
    cron_ticks,
    is_plain,
    several_crons,
)

_CRON_TRIGGER = "airflow.timetables.trigger.CronTriggerTimetable"
_CRON_INTERVAL = "airflow.timetables.interval.CronDataIntervalTimetable"
_MULTIPLE = "airflow.timetables.trigger.MultipleCronTriggerTimetable"
_CONTINUOUS = "airflow.timetables.simple.ContinuousTimetable"
_ONCE = "airflow.timetables.simple.OnceTimetable"
_DELTA_INTERVAL = "airflow.timetables.interval.DeltaDataIntervalTimetable"
_DELTA_TRIGGER = "airflow.timetables.trigger.DeltaTriggerTimetable"
_DELTAS = (_DELTA_INTERVAL, _DELTA_TRIGGER)
# The first tick of these is the start date or the present, whichever is later.
_BEGIN_NOW = (_ONCE, _DELTA_TRIGGER)
_MOST_A_DAY = 96  # due times, where runs keep their hour: each is looked at on each day
TOO_FREQUENT = "goes with a schedule that is due every quarter of an hour at most; leave it out"
# Ticks of a timetable that is not Airflow's, before it is asked anew from an opening on.
_MAX_TICKS_WALKED = 1000
_MAX_SECONDS_BACK = 10 * 366 * 86400  # that the last tick is looked for into the past
_EVENTS = "airflow.timetables.events.EventsTimetable"
_GRID = (_CRON_TRIGGER, _CRON_INTERVAL, _MULTIPLE, _EVENTS)


class Ticks:
    """The due times of a base schedule, given as JSON.

    Airflow's own timetable is asked for them; those of cron are remembered. Instants are in epoch
    seconds.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._kind: str = data.get("__type", "")
        # Whether ticks are the same whatever ran before.
        self.on_grid = "events" in data or self._kind in _GRID
        # Whether ticks after any time can be told: those of the others are "now", and one.
        self.known_ahead = self._kind not in (_ONCE, _CONTINUOUS)
        self.is_cron = self._kind in (_CRON_INTERVAL, _CRON_TRIGGER, _MULTIPLE)
        arguments = data.get("__var", {})
        # Of each data interval, in seconds.
        length = arguments.get("interval", 0) if self._kind == _CRON_TRIGGER else 0
        self._length = length if isinstance(length, (int, float)) else 0
        one_cron = self._kind == _CRON_INTERVAL or (
            self._kind == _CRON_TRIGGER and length == self._length
        )
        # Whether ticks are cheap to step through.
        self.remembered = one_cron and is_plain(arguments["expression"])
        # Whether a tick follows from any time before it.
        self.plain = self.remembered and self._kind == _CRON_TRIGGER and not length
        zero_length = self._kind == _MULTIPLE and not arguments["interval"]
        # Whether data intervals have no length.
        self.exact = (
            self.plain
            or (self._kind == _CRON_TRIGGER and not length)
            or (self.on_grid and (zero_length or self._kind in ("", _EVENTS)))
        )
        self._cron_arguments = (
            (arguments["expression"], arguments["timezone"]) if self.remembered else None
        )
        expressions = arguments["expressions"] if zero_length else ()
        self._several = (
            [(e, arguments["timezone"]) for e in expressions]
            if all(map(is_plain, expressions))
            else []
        )

    @property
    def _cron(self) -> CronTicks | SeveralCrons | None:
        """What this thread remembers of the cron expressions, if that is what the base is.

        Looked up for each walk, because decoded schedules are shared by threads.
        """
        return several_crons(self._several) if self._several else self._one_cron

    @property
    def _one_cron(self) -> CronTicks | None:
        return cron_ticks(self._cron_arguments) if self._cron_arguments else None

    @cached_property
    def base(self) -> Timetable:
        """The base schedule as a timetable; made only where ticks are not remembered."""
        if (
            self._cron_arguments
            and not self._length
            and not self._data["__var"].get("run_immediately")
        ):
            return cron_base(*self._cron_arguments, with_intervals=self._kind == _CRON_INTERVAL)
        return decode_base(self._data)

    @property
    def is_frequent(self) -> bool:
        """Whether on some day more is due than every quarter of an hour.

        That follows from the schedule alone: what is valid on one day is valid on all.
        """
        arguments = self._data.get("__var", {})
        if self.is_cron:
            expressions = arguments.get("expressions") or [arguments["expression"]]
            return are_due_more_often(expressions, _MOST_A_DAY)
        if not self.on_grid:
            return self._step is not None and self._step < DAY / _MOST_A_DAY
        base: Any = self.base
        moments = (
            base.starts if isinstance(base, DueTimes) else map(zones.to_instant, base.event_dates)
        )
        dues = sorted(set(moments))
        pairs = zip(dues, islice(dues, _MOST_A_DAY, None), strict=False)
        return any(last - first < DAY for first, last in pairs)

    def pick(self, last: DataInterval | None, restriction: TimeRestriction) -> Tick | None:
        """Return the tick that follows the run *last* under *restriction*, ``catchup`` included."""
        due = self._remembered(last, restriction) if last is not None else None
        if due is None:
            return next(self._ask(last, restriction), None)
        return (
            Tick(due, due, due)
            if restriction.latest is None or due <= restriction.latest.timestamp()
            else None
        )

    def walk(
        self, last: DataInterval | None, restriction: TimeRestriction, first: Tick | None = None
    ) -> Iterator[Tick]:
        """Return every tick after the run *last*, strictly increasing.

        From *first* on where it is given.
        """
        if not restriction.catchup:
            restriction = TimeRestriction(restriction.earliest, restriction.latest, catchup=True)
        if first is None and (first := self.pick(last, restriction)) is None:
            return iter(())
        return chain((first,), self.following(first, restriction))

    def from_instant(self, start: float, latest: DateTime | None = None) -> Iterator[Tick]:
        """Return ticks from *start* to *latest*.

        Of a cron base also the one whose interval holds *start*.
        """
        earliest = to_pendulum(start)
        if self.is_cron:
            earliest = self.base.infer_manual_data_interval(run_after=earliest).start
        return self.walk(None, TimeRestriction(earliest, latest, catchup=True))

    def at_or_after(self, start: float, latest: DateTime | None = None) -> Iterator[Tick]:
        """Return ticks from *start* to *latest*, or a few earlier ones too.

        Those of plain cron are told without asking Airflow.
        """
        cron = self._one_cron if self.plain else None
        if cron is None:
            return self.from_instant(start, latest)
        # What a gap has shifted follows only what is before the gap.
        if not cron.is_calm(start):
            start = cron.last_until(start - 1) + 1
        return self.walk(
            DataInterval.exact(to_pendulum(start - 1)), TimeRestriction(None, latest, catchup=True)
        )

    def is_calm(self, now: float) -> bool:
        """Tell whether the base schedule's answer without catchup follows from its ticks at *now*.

        That is so for plain cron where clocks do not change within a day.
        """
        cron = self._one_cron
        return cron is not None and self.plain and cron.is_calm(now)

    def stream(self, ticks: Iterator[Tick], latest: DateTime | None) -> TickStream:
        """Return *ticks*, which end with *latest*, as a stream where many can be passed over."""
        return TickStream(ticks, partial(self._leap, latest), self._hours)

    def since(
        self, floor: float, last: DataInterval | None, restriction: TimeRestriction
    ) -> TickStream:
        """Return ticks after the run *last* and the start date, beginning around *floor*.

        The first of them is the last one due by *floor*, else the first of all. Whether a tick is
        among them does not depend on the clock, wherever the base schedule allows that.
        """
        earliest, latest, _ = restriction
        every = TimeRestriction(earliest, latest, catchup=True)
        if self._kind == _CONTINUOUS or (last is None and self._kind in _BEGIN_NOW):
            return self.stream(self.walk(last, every, self.pick(last, restriction)), latest)
        if last is not None and earliest is not None and earliest > last.end:
            last_end = last.end.timestamp()
            return self._from_floor(
                (t for t in self.walk(None, every) if t.interval_end > last_end), floor, every
            )
        low = -math.inf if last is None else last.end.timestamp()
        if last is None and earliest is not None:
            low = earliest.timestamp() - 1e-6
        cron = self._cron if self.exact else None
        due = -math.inf if cron is None else cron.last_until(floor, low)
        if due > low:
            first = Tick(due, due, due) if latest is None or due <= latest.timestamp() else None
            return self.stream(self.walk(last, every, first), latest)
        if last is None and self._kind == _DELTA_INTERVAL and self._step is not None:
            return self.stream(self._back_to(floor, self.pick(None, restriction), every), latest)
        if last is None and earliest is None:
            tick = self._last_before(floor, low)
            ticks = (
                self.from_instant(floor, latest) if tick is None else self.walk(None, every, tick)
            )
            return self.stream(ticks, latest)
        try:
            return self._from_floor(self.walk(last, every), floor, every)
        except ValueError:
            # Airflow's CronDataIntervalTimetable raises this after a run that was not on its grid.
            if last is None or not self.on_grid:
                raise
            last_begin, last_end = last.start.timestamp(), last.end.timestamp()
            ticks = (
                t
                for t in self.from_instant(last_end, latest)
                if t.interval_end > last_end and t.interval_start > last_begin
            )
            return self._from_floor(ticks, floor, every)

    def _from_floor(
        self, ticks: Iterator[Tick], floor: float, restriction: TimeRestriction
    ) -> TickStream:
        """Return *ticks* from the last one due at *floor* or before; else from the first."""
        latest = restriction.latest
        stream = self.stream(ticks, latest)
        first = stream.peek()
        if first is None or first.due >= floor:
            return stream
        last = self.last_until(floor, first, latest)
        return stream if last is None else self.stream(self.walk(None, restriction, last), latest)

    def _back_to(
        self, floor: float, tick: Tick | None, restriction: TimeRestriction
    ) -> Iterator[Tick]:
        """Return ticks from *tick*, or from an earlier one if *floor* is before it.

        An earlier one only as far as the start date allows it.
        """
        step, earliest = self._step, restriction.earliest
        if tick is None or step is None:
            return iter(())
        count = max(-(-(tick.due - floor) // step), 0)
        if earliest is not None:
            count = min(count, max((tick.interval_start - earliest.timestamp()) // step, 0))
        return self.walk(None, restriction, Tick(*(at - count * step for at in tick)))

    def _leap(self, latest: DateTime | None, tick: Tick, instant: float) -> Iterator[Tick]:
        """Return ticks after *tick* and until *latest*.

        Those that another one follows by *instant* are left out.
        """
        restriction = TimeRestriction(None, latest, catchup=True)
        last = self.last_until(instant, tick, latest)
        return (
            self.following(tick, restriction)
            if last is None
            else self.walk(None, restriction, last)
        )

    def _hours(self, timezone: str, begin: float, end: float) -> list[float] | None:
        """Return at which times of day in *timezone* ticks from *begin* to *end* are due.

        In seconds after midnight, in order; ``None`` where that is not known of the base schedule.
        """
        cron = self._cron
        pairs = self._several or ([self._cron_arguments] if self._cron_arguments else [])
        dailies = [cron_ticks(pair).daily for pair in pairs if pair[1] == timezone]
        if cron is None or len(dailies) < len(pairs):
            return None
        hours: set[float] = set()
        for daily in dailies:
            if daily is None:
                return None
            hours.update(daily.seconds)
        zone = zones.load_zone(timezone)
        for day in range(int(begin // DAY), int(end // DAY) + 1):
            # Where clocks change, they come at other times too.
            if zones.day_offset(day, zone) is None:
                dues = chain.from_iterable(cron.all_after((day - 1) * DAY))
                until = partial(gt, (day + 3) * DAY)
                hours.update(zones.seconds_of_day(due, zone) for due in takewhile(until, dues))
        return sorted(hours)

    def last_until(self, instant: float, tick: Tick, latest: DateTime | None = None) -> Tick | None:
        """Return the last tick due at *instant* or before, and by *latest*.

        ``None`` where that is not after *tick*.
        """
        if latest is not None:
            instant = min(instant, latest.timestamp())
        if instant <= tick.due:
            return None
        if self._kind in (_CONTINUOUS, _ONCE):
            return None
        cron = self._cron
        if cron is not None:
            due = cron.last_until(instant, tick.due)
            if due <= tick.due:
                return None
            return Tick(
                due,
                cron.last_until(due - 1) if self._kind == _CRON_INTERVAL else due - self._length,
                due,
            )
        step = self._step
        if step is not None:
            count = (instant - tick.due) // step
            return Tick(*(at + count * step for at in tick)) if count else None
        if not self.on_grid:
            last: Tick | None = None
            every = self.following(tick, TimeRestriction(None, None, catchup=True))
            for following in islice(every, _MAX_TICKS_WALKED):
                if following.due > instant:
                    return last
                last = following
            return self._last_before(instant, tick.due if last is None else last.due) or last
        return self._last_before(instant, tick.due)

    def _last_before(self, instant: float, low: float) -> Tick | None:
        """Return the last tick due at *instant* or before, and after *low*.

        The base schedule is asked for ticks from ever further back.
        """
        back = 60.0
        while back < _MAX_SECONDS_BACK:
            last = None
            begin = max(instant - back, low)
            for tick in self.from_instant(begin):
                if tick.due > instant:
                    break
                if tick.due > low:
                    last = tick
            if last is not None or begin <= low:
                return last
            back *= 8
        return None

    @cached_property
    def _step(self) -> float | None:
        """Seconds from each tick to the next, where that is always the same; else ``None``."""
        delta = getattr(self.base, "_delta", None) if self._kind in _DELTAS else None
        if isinstance(delta, relativedelta):
            fixed = timedelta(
                days=delta.days, hours=delta.hours, minutes=delta.minutes, seconds=delta.seconds
            )
            delta = (
                fixed if delta == relativedelta(days=fixed.days, seconds=fixed.seconds) else None
            )
        return delta.total_seconds() if isinstance(delta, timedelta) else None

    def _remembered(self, last: DataInterval, restriction: TimeRestriction) -> float | None:
        """Return what ``CronTriggerTimetable.next_dagrun_info`` would answer, as a due time.

        ``None`` where that is not remembered, or there is no answer without asking Airflow.
        """
        cron = self._one_cron
        if cron is None or not self.plain:
            return None
        end = last.end.timestamp()
        if restriction.catchup:
            return cron.after(end)
        if restriction.earliest is not None and restriction.earliest > last.end:
            return None
        now = clock.now()
        if not cron.is_calm(now):
            return None
        latest = cron.told_until(now)
        if latest is None:
            return None
        return latest if latest > end else cron.after(end)

    def following(self, first: Tick, restriction: TimeRestriction) -> Iterator[Tick]:
        """Yield every tick after *first*.

        Lazily, because most who ask take only the next one.
        """
        cron = self._cron
        if cron is None:
            # The next tick of a continuous schedule is always "now".
            if self._kind != _CONTINUOUS:
                interval = DataInterval(
                    to_pendulum(first.interval_start), to_pendulum(first.interval_end)
                )
                yield from self._ask(interval, restriction)
            return
        latest = restriction.latest.timestamp() if restriction.latest else math.inf
        with_intervals, length = self._kind == _CRON_INTERVAL, self._length
        previous = first.due
        for dues in cron.all_after(previous):
            for due in dues:
                if (previous if with_intervals else due) > latest:
                    return
                yield new(Tick, (due, previous if with_intervals else due - length, due))
                previous = due

    def _ask(self, last: DataInterval | None, restriction: TimeRestriction) -> Iterator[Tick]:
        newest = last.end if last else None
        stale = False
        while True:
            info = self.base.next_dagrun_info(
                last_automated_data_interval=last, restriction=restriction
            )
            if info is None:
                return
            interval = info.data_interval or DataInterval.exact(info.run_after)
            if newest is None or interval.end > newest:
                newest = interval.end
                yield Tick(*map(zones.to_instant, (info.run_after, interval.start, interval.end)))
            elif stale and last is not None and interval.end <= last.end:
                # For the second time the base schedule does not get on.
                return
            else:
                # Once that may be: to the base, a run with a widened interval may look like an
                # earlier one.
                stale = True
            last = interval
