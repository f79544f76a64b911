"""How full pools will get: planned runs queue for slots, and keep them as long as usual."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from calendar_timetable.load.history import Need, Weekly, weekly
from calendar_timetable.load.queueing import Ask, Hours, Stretch, simulate
from calendar_timetable.load.remaining import remaining
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import BY_SCHEDULE, Dag
from calendar_timetable.runs.listing import Filters, rows_by_dag
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.runs.usage import (
    HOUR,
    MOST_WEEKS,
    Habit,
    PoolSize,
    RunUnderWay,
    Used,
    read_habits,
    read_pools,
    read_used,
    under_way,
)

FORECAST_AHEAD = 15 * DAY  # seconds from now that are looked at
# Seconds of processor time for what is planned, and for the queues; the rest is for the records.
_PLANNING, _QUEUES = 2.5, 1.0
# What is planned is found in stretches of this many hours: what is near is known first.
_STRETCHES = (24, 168, FORECAST_AHEAD // HOUR)


class Live(NamedTuple):
    """Slots of a pool that are in use at this moment, and that tasks wait for."""

    in_use: int
    waiting: int


@dataclass(slots=True)
class PoolForecast:
    """One pool, hour by hour: what is *expected*, what was *used*, and what is *usual*.

    *unknown* counts the runs that start in an hour and of which no earlier run is known. *used* are
    slots on average, ``None`` for an hour that is not over, or before the records begin.
    """

    name: str
    slots: int
    live: Live
    expected: list[Stretch]
    unknown: list[int]
    used: list[float | None]
    usual: list[Weekly | None]


class Overrun(NamedTuple):
    """A run that may not end in its window; times are in epoch seconds.

    It begins, or began, at *start*, *waits* so many seconds for slots, and would end at *ends* by
    its DAG's *habit*. Its window *closes* before that.
    """

    dag: Dag
    start: float
    running: bool
    waits: float
    closes: float
    ends: float
    habit: Habit


@dataclass(slots=True)
class LoadForecast:
    """How full pools get, and what that rests on; times are in epoch seconds.

    Nothing is expected from *told_until* on, as it is not known. What was used is known from
    *used_since* on. *habits* are those of the DAGs that have one. *partial*: some runs were not
    found in time.
    """

    edges: list[float]
    told_until: float
    used_since: float
    pools: list[PoolForecast]
    overruns: list[Overrun]
    habits: dict[str, Habit]
    partial: bool = False


@dataclass(slots=True)
class _Coming:
    """What coming runs ask for, by start; of each its DAG, schedule, and whether it is running."""

    asks: list[Ask] = field(default_factory=list)
    runs: list[tuple[Dag, Schedule | None, bool]] = field(default_factory=list)
    # By pool: the starts of runs whose DAG has no habit.
    unknown: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    partial: bool = False

    def add(self, ask: Ask, dag: Dag, schedule: Schedule | None, *, running: bool) -> None:
        self.asks.append(ask)
        self.runs.append((dag, schedule, running))


def forecast_load(
    session: Session,
    dags: Sequence[Dag],
    schedules: dict[str, Schedule],
    between: tuple[float, float],
    zone: ZoneInfo,
    now: float,
    runs_of: Collection[str],
) -> LoadForecast:
    """Return how full the pools of *dags* get *between* two instants, hour by hour.

    All times are in epoch seconds. An hour of the week is one on the clocks of *zone*. Records of
    runs are read of the DAGs *runs_of* only.
    """
    since, until = between
    dag_ids = [dag.dag_id for dag in dags if dag.dag_id in runs_of]
    edges = [since + n * HOUR for n in range(math.ceil((until - since) / HOUR))]
    pools = read_pools(session)
    habits = read_habits(session, dag_ids, pools, now)
    active = under_way(session, dag_ids, pools)

    coming = _Coming()
    _add_under_way(coming, active, {dag.dag_id: dag for dag in dags}, schedules, habits, now)
    with time_budget.share(_PLANNING):
        told_until = _add_planned(
            session,
            coming,
            dags,
            schedules,
            habits,
            active,
            (now, min(until, now + FORECAST_AHEAD)),
        )
    hours = {name: Hours(since, len(edges)) for name in pools}
    with time_budget.share(_QUEUES):
        told_until, late = _queue(coming, pools, hours, told_until)
    used = read_used(session, dag_ids, pools, int(since % HOUR), now)

    names = {
        pool for dag in dags if dag.dag_id in schedules for pool in schedules[dag.dag_id].pools
    }
    names |= used.work.keys()
    names |= {need.pool for habit in habits.values() for need in habit.needs}
    forecasts = [
        PoolForecast(
            name,
            size.slots,
            _live(name, active),
            hours[name].close(),
            _by_hour(coming.unknown.get(name, ()), edges),
            [_used_in(used, name, at) if at + HOUR <= now else None for at in edges],
            [weekly(_same_hours(used, name, at, zone, now)) for at in edges],
        )
        for name, size in sorted(pools.items())
        if name in names
    ]
    overruns = list(_overruns(coming, habits, late, now))
    return LoadForecast(edges, told_until, used.since, forecasts, overruns, habits, coming.partial)


def _add_under_way(
    coming: _Coming,
    active: Sequence[RunUnderWay],
    dags: dict[str, Dag],
    schedules: dict[str, Schedule],
    habits: dict[str, Habit],
    now: float,
) -> None:
    """Add what the *active* runs still ask for.

    Queued runs of a paused DAG are left out: they do not start.
    """
    for run in active:
        dag, habit = dags[run.dag_id], habits.get(run.dag_id)
        if run.started is None and dag.paused:
            continue
        tasks: dict[str, Need] = {} if habit is None else habit.tasks
        started = now if run.started is None else run.started
        # A run by hand has no window.
        schedule = schedules.get(run.dag_id) if run.run_type == BY_SCHEDULE else None
        needs = remaining(tasks, run.tasks, started, now)
        coming.add(Ask(now, needs), dag, schedule, running=run.started is not None)


def _add_planned(
    session: Session,
    coming: _Coming,
    dags: Sequence[Dag],
    schedules: dict[str, Schedule],
    habits: dict[str, Habit],
    active: Sequence[RunUnderWay],
    between: tuple[float, float],
) -> float:
    """Add what planned runs ask for *between* now and an instant.

    Return up to when there was time for that. Runs that Airflow has made are *active* already.
    """
    now, until = between
    active_keys = {(run.dag_id, run.interval_end) for run in active}
    low = now
    for ahead in _STRETCHES:
        high = min(until, now + ahead * HOUR)
        if low >= high:
            break
        filters = Filters(low, high, paused=False)
        rows = []
        partial = False
        for part in rows_by_dag(session, list(dags), schedules, filters, now, ()):
            partial |= part.told_until < math.inf
            rows += [
                row
                for row in part.rows
                if row.state == "planned"
                and row.start is not None
                and (low <= row.start < high or (low == now and row.start < high))
                and (row.dag.dag_id, row.placed.tick.interval_end) not in active_keys
            ]
        if time_budget.spent():
            return low
        coming.partial |= partial
        for row in sorted(rows, key=lambda row: row.key):
            assert row.start is not None
            start, habit = max(now, row.start), habits.get(row.dag.dag_id)
            if habit is not None:
                coming.add(Ask(start, habit.needs), row.dag, row.schedule, running=False)
            elif row.schedule is not None:
                for pool in row.schedule.pools:
                    coming.unknown[pool].append(start)
        low = high
    return low


def _queue(
    coming: _Coming, pools: dict[str, PoolSize], hours: dict[str, Hours], until: float
) -> tuple[float, dict[int, float]]:
    """Let *coming* runs queue for slots, and count what they use in the *hours* of each pool.

    Return up to when there was time for that, and by how many seconds runs are late, by number.
    """
    slots = {name: size.capacity for name, size in pools.items()}
    late: dict[int, float] = {}
    told_until = until
    try:
        for use in time_budget.metered(simulate(coming.asks, slots, until)):
            told_until = use.asked if use.begun is None else use.begun
            hours[use.need.pool].add(use, coming.runs[use.number][0].dag_id)
            if use.begun is not None:
                waited = use.begun - coming.asks[use.number].start - use.need.after
                if waited > 0:
                    late[use.number] = max(waited, late.get(use.number, 0))
    except time_budget.Spent:
        return told_until, late
    return until, late


def _overruns(
    coming: _Coming, habits: dict[str, Habit], late: dict[int, float], now: float
) -> Iterator[Overrun]:
    """Yield the runs that begin in open time and may end after it closes."""
    for number, (dag, schedule, running) in enumerate(coming.runs):
        compiled = None if schedule is None else schedule.compiled
        habit = habits.get(dag.dag_id)
        if compiled is None or compiled.open_time.always or habit is None:
            continue
        start, waits = coming.asks[number].start, late.get(number, 0.0)
        ends = start + waits + habit.usual.high
        if running:
            needs = coming.asks[number].needs
            ends = now + waits + max((need.after + need.seconds for need in needs), default=0)
        open_time = compiled.open_time
        if not open_time.fits(start, 0) or open_time.fits(start, math.ceil(ends - start)):
            continue
        closes = open_time.end_of(start)
        if closes is not None:
            yield Overrun(dag, start, running, waits, closes, ends, habit)


def _live(name: str, active: Sequence[RunUnderWay]) -> Live:
    tasks = [task for run in active for task in run.tasks if task.pool == name]
    slots = {
        stage: sum(task.slots * task.copies for task in tasks if task.stage == stage)
        for stage in ("holds", "waits")
    }
    return Live(slots["holds"], slots["waits"])


def _by_hour(starts: Collection[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * len(edges)
    for at in starts:
        number = math.floor((at - edges[0]) / HOUR)
        if 0 <= number < len(counts):
            counts[number] += 1
    return counts


def _used_in(used: Used, pool: str, at: float) -> float | None:
    """Return the slots in use in the hour from *at* on, on average, if that is known."""
    if at < used.since:
        return None
    hour = math.floor((at - used.phase) / HOUR)
    return used.work.get(pool, {}).get(hour, 0.0) / HOUR


def _same_hours(used: Used, pool: str, at: float, zone: ZoneInfo, now: float) -> Iterator[float]:
    """Yield what was used in the same hour of earlier weeks, by the clocks of *zone*."""
    local = datetime.fromtimestamp(at, UTC).astimezone(zone)
    seconds = 3600 * local.hour + 60 * local.minute + local.second
    # *at* may lie weeks after the last records.
    ahead = max(0, math.ceil((at + HOUR - now) / (7 * DAY)))
    for week in range(max(1, ahead), max(1, ahead) + MOST_WEEKS):
        before = zones.local_instant(local.date() - timedelta(days=7 * week), seconds, zone)
        mean = _used_in(used, pool, before) if before + HOUR <= now else None
        if mean is not None:
            yield mean
