"""What a scheduler asks of a schedule: the next run, with the clock in view."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from calendar_timetable.carried import Carried
from calendar_timetable.planning.opentime import DAY
from calendar_timetable.planning.plan import Placed, Tick, runs
from calendar_timetable.schedules import to_pendulum


@dataclass(slots=True)
class _Ahead:
    """Where this thread's last answer left off: one that is asked for run after run goes on from there."""

    carried: Carried
    restriction: TimeRestriction
    rest: Iterator[Placed]
    interval: DataInterval | None = None
    due: float = 0


class _Thread(threading.local):
    ahead: _Ahead | None = None


_thread = _Thread()


def next_run(carried: Carried, last: DataInterval | None, restriction: TimeRestriction) -> DagRunInfo | None:
    """The run after *last*; without catchup the latest that is due, and nothing older.

    Its ``run_after`` is its start, its data interval is its tick's.
    """
    now = time.time()
    ahead = _thread.ahead
    if (
        ahead is not None
        and last is not None
        and ahead.interval is last
        and ahead.carried is carried
        and ahead.restriction == restriction
        and (restriction.catchup or ahead.due > now + 2 * DAY)  # without catchup the clock counts, and when it changes
    ):
        ahead.interval = None  # until there is an answer
        found = next(ahead.rest, None)
    else:
        found, rest = _search(carried, last, restriction, now)
        _thread.ahead = ahead = None if rest is None else _Ahead(carried, restriction, rest)
    if found is None:
        return None
    start = found.start
    if start is not None and start <= now and not _is_backfill(restriction, now):
        start = carried.start_from(start, now)
    if start is None:
        return None
    tick = found.tick
    begins = to_pendulum(tick.interval_start)
    ends = begins if tick.interval_end == tick.interval_start else to_pendulum(tick.interval_end)
    interval = DataInterval(begins, ends)
    if ahead is not None:
        ahead.interval, ahead.due = interval, tick.interval_end
    return DagRunInfo(to_pendulum(start), interval, None, None)  # 3.2 has no defaults for the last two


def _is_backfill(restriction: TimeRestriction, now: float) -> bool:
    """Whether only the past is asked about: a backfill follows ticks."""
    return restriction.catchup and restriction.latest is not None and restriction.latest.timestamp() < now


def _search(
    carried: Carried, last: DataInterval | None, restriction: TimeRestriction, now: float
) -> tuple[Placed | None, Iterator[Placed] | None]:
    """The next run and, where ticks follow from cron alone, those after it."""
    ticks, picked = carried.ticks, None
    if not restriction.catchup:
        try:
            picked = ticks.pick(last, restriction)
        except Exception:  # noqa: BLE001  (Airflow's CronDataIntervalTimetable fails in some hours after a clock change)
            return _latest_due(carried, ticks.walk(last, restriction), now), None
        if picked is None:
            return None, None
    rest = runs(ticks.walk(last, restriction, picked), carried.policy, carried.open_time)
    found = next(rest, None)
    if last is not None and picked is not None and picked.due <= now and not _stands_alone(carried, picked, found):
        floor = picked.due - carried.policy.max_delay
        return _latest_due(carried, _since(carried, last, restriction, floor), now), None
    return found, rest if ticks.plain else None


def _latest_due(carried: Carried, ticks: Iterator[Tick], now: float) -> Placed | None:
    """Of the runs that *ticks* lead to the last that starts by *now*, else the first."""
    found: Placed | None = None
    for run in runs(ticks, carried.policy, carried.open_time):
        assert run.start is not None
        if found is None or (found.start is not None and found.start < run.start <= now):
            found = run  # of several with one start, each in turn
        if run.start > now:
            break
    return found


def _stands_alone(carried: Carried, tick: Tick, found: Placed | None) -> bool:
    """Whether no earlier tick matters to what becomes of *tick*, from which on *found* is the first run."""
    if carried.open_time.always:
        return True
    if not carried.policy.coalesce or tick.interval_start != tick.interval_end:
        return False
    runs_itself = found is not None and found.tick is tick
    return runs_itself or carried.policy.place(tick, carried.open_time).start is not None


def _since(carried: Carried, last: DataInterval, restriction: TimeRestriction, floor: float) -> Iterator[Tick]:
    """Ticks after the run *last*; where that is long ago, only from *floor* on."""
    end = last.end.timestamp()
    if carried.ticks.on_grid and end < floor:
        return (t for t in carried.ticks.from_instant(floor, restriction.latest) if t.interval_end > end)
    return carried.ticks.walk(last, restriction)
