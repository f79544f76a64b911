"""Cron ticks, remembered: the same as Airflow's own, without a new croniter for every step.

Airflow builds a croniter per step because of clock changes. Where the zone's offset is the same before and after a
step and the wall-clock time is unique, naive arithmetic gives the same answer; everywhere else Airflow's own
timetable is asked. ``tests/unit/test_equality.py`` holds the two together.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from croniter import croniter
from pendulum import DateTime

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (wall-clock time)
_ANY_TIME = TimeRestriction(None, None, catchup=True)
_PLAIN = re.compile(r"[\d\s*,/\-A-Za-z#?]+")
_RANDOM = re.compile(r"(?<![A-Z])[HR](?![A-Z])", re.IGNORECASE)  # croniter draws these anew each time
_SCHEDULES = 512
_REMEMBERED = 20_000  # ticks of one schedule; about two weeks of minutes
_CATCH_UP = 50  # ticks between what is remembered and now
_thread = threading.local()


class CronTicks:
    """The due times of one cron expression, in epoch seconds, as a growing chain."""

    def __init__(self, expression: str, timezone: str) -> None:
        self._expression, self._timezone = expression, timezone
        self._zone = ZoneInfo(timezone)
        self._steps: croniter | None = None
        self._steps_offset = timedelta(0)
        self._at = 0.0  # the tick at which *_steps* stands
        self._chain: list[float] = []

    @cached_property
    def _airflow(self) -> CronTriggerTimetable:
        """Airflow's own, made only where it is asked: it puts the expression into words each time."""
        return CronTriggerTimetable(self._expression, timezone=self._timezone)

    def after(self, instant: float) -> float:
        """The tick that follows *instant*, which is a tick or any other time."""
        index = bisect_right(self._chain, instant)
        if not index > 0 or self._chain[index - 1] != instant or len(self._chain) > _REMEMBERED:
            self._chain, self._steps, index = [instant], None, 1
        if index == len(self._chain):
            self._chain.append(self._step(instant))
        return self._chain[index]

    def latest(self, now: float) -> float | None:
        """The last tick at or before *now*; ``None`` where that cannot be told from what is remembered."""
        if not self._chain or now < self._chain[0]:
            return None
        index = bisect_right(self._chain, now)
        for _ in range(_CATCH_UP):
            if index < len(self._chain):
                break
            self._chain.append(self._step(self._chain[-1]))
            index = bisect_right(self._chain, now)
        else:
            return None  # long ago: Airflow's way, from now backwards, is the shorter
        tick = self._chain[index - 1]
        # The chain's start need not be a tick.
        return tick if index > 1 and self._offset(tick) == self._offset(now) is not None else None

    def _step(self, tick: float) -> float:
        if self._steps is None or self._at != tick:
            offset = self._offset(tick)
            if offset is None:
                return self._ask(tick)
            local = datetime.fromtimestamp(tick, UTC).replace(tzinfo=None) + offset
            self._steps, self._steps_offset = croniter(self._expression, start_time=local), offset
        following: datetime = self._steps.get_next(datetime)
        if self._offset_of(following) != self._steps_offset:
            return self._ask(tick)
        self._at = (following - self._steps_offset - _EPOCH).total_seconds()
        return self._at

    def _ask(self, tick: float) -> float:
        self._steps = None
        last = DataInterval.exact(DateTime.fromtimestamp(tick, UTC))
        info = self._airflow.next_dagrun_info(last_automated_data_interval=last, restriction=_ANY_TIME)
        assert info is not None, "without a latest date cron never ends"
        seconds = info.run_after.timestamp()
        return int(seconds) if seconds == int(seconds) else seconds

    def _offset(self, instant: float) -> timedelta | None:
        """The zone's offset at *instant*, or ``None`` where its wall-clock time is not unique."""
        moment = datetime.fromtimestamp(instant, self._zone)
        offset = moment.utcoffset()
        return offset if moment.replace(fold=1 - moment.fold).utcoffset() == offset else None

    def _offset_of(self, local: datetime) -> timedelta | None:
        first = local.replace(tzinfo=self._zone).utcoffset()
        return first if local.replace(tzinfo=self._zone, fold=1).utcoffset() == first else None


def cron_ticks(expression: str, timezone: str) -> CronTicks | None:
    """The remembered ticks of *expression* in *timezone*; ``None`` for one that is not plain cron.

    Each thread remembers for itself: a lock could be held while the DAG processor forks.
    """
    remembered: dict[tuple[str, str], CronTicks | None] = _thread.__dict__.setdefault("ticks", {})
    key = expression, timezone
    if key not in remembered:
        plain = _PLAIN.fullmatch(expression) and not _RANDOM.search(expression)
        if len(remembered) >= _SCHEDULES:
            del remembered[next(iter(remembered))]
        remembered[key] = CronTicks(expression, timezone) if plain else None
    return remembered[key]
