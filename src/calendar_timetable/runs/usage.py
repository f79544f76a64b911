"""The slots that runs take by Airflow's records: usually, in past hours, and at this moment.

Tables of tasks are large and have no index on time. So they are joined to runs, which have one, and
are summed up in the database.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import BigInteger, ColumnElement, case, cast, extract, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from calendar_timetable.load.history import Need, TaskUse, Usual, joined, need_of, usual
from calendar_timetable.load.remaining import Doing, Stage
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import BY_SCHEDULE
from calendar_timetable.runs.lru import LruCache

HOUR = 3600
MOST_WEEKS = 5  # of records that are looked at
_RUNS_OF_LENGTHS = 30  # the last ones of a DAG, that show how long it takes
_ENOUGH_RUNS = 5  # by schedule, that make those by hand not count
_RUNS_OF_TASKS = 10  # the last ones of a DAG, that show what its tasks take
# Task instances after which no earlier day is looked at: what was used long ago matters least.
_MOST_INSTANCES = 500_000
_MOST_RUNS = 5_000  # under way at once
_MOST_TASKS = 50_000  # of these, mapped ones counted once
_LENGTHS_FRESH_SECONDS = 300  # for which it is remembered how long runs of a DAG take
_TASKS_FRESH_SECONDS = 900  # and for which what its tasks take: of more rows
_HELD = ("running", "queued")  # states in which a task has slots
_RUNNING = "running"
# Where former tries of tasks are: since Airflow 3.4 beside the last ones, and only told to who asks
# with `include_all_attempts`.
_TRIES: list[Any] = [TaskInstance]
with suppress(ImportError):
    from airflow.models.taskinstancehistory import TaskInstanceHistory

    _TRIES.append(TaskInstanceHistory)
_LATER = (None, "deferred", "up_for_retry", "up_for_reschedule", "restarting")


class PoolSize(NamedTuple):
    """The *slots* of a pool, below 0 for one without end; whether *deferred* tasks keep theirs."""

    slots: int
    deferred: bool

    @property
    def capacity(self) -> float:
        """Its slots; infinity for one without end."""
        return math.inf if self.slots < 0 else float(self.slots)


@dataclass(frozen=True, slots=True)
class Habit:
    """What the last successful runs of a DAG took: how long, and what each of its tasks asked for.

    *needs* are those of a whole run.
    """

    usual: Usual
    tasks: dict[str, Need]
    needs: tuple[Need, ...]


class Used(NamedTuple):
    """Slots times seconds that were used in past hours, from *since* (epoch seconds) on.

    *work* has them by pool and by the number of the hour: hours are counted from the epoch, and
    begin *phase* seconds after those of UTC. *partial*: there was no time to read further back.
    """

    since: float
    phase: int
    work: dict[str, dict[int, float]]
    partial: bool = False


@dataclass(frozen=True, slots=True)
class RunUnderWay:
    """A run that is queued or running, and its tasks; times are in epoch seconds."""

    dag_id: str
    run_type: str
    state: str
    interval_end: float | None
    started: float | None
    tasks: list[Doing]


def read_pools(session: Session) -> dict[str, PoolSize]:
    """Return every pool, by name."""
    rows = session.execute(select(Pool.pool, Pool.slots, Pool.include_deferred))
    return {str(name): PoolSize(slots, bool(deferred)) for name, slots, deferred in rows}


_T = TypeVar("_T")
_Asked = tuple[dict[str, Need], tuple[Need, ...]]  # by each task, and by a whole run
# By DAG: when the database was asked, in monotonic seconds, and what it said. ``None``: of no run.
_lengths: LruCache[tuple[float, Usual | None]] = LruCache(20_000, lambda _: 1)
_tasks: LruCache[tuple[float, _Asked | None]] = LruCache(
    20_000, lambda entry: 1 if entry[1] is None else 1 + len(entry[1][0])
)


def usual_lengths(session: Session, dag_ids: Iterable[str], now: float) -> dict[str, Usual]:
    """Return how long the last successful runs of each DAG took, of those that have any.

    *now* is in epoch seconds. Runs that failed, or were cleared and so ran in part, say nothing of
    a whole run. Of a DAG with enough runs by schedule only these count: by hand people often try
    less.
    """
    return _remembered(
        _lengths,
        _LENGTHS_FRESH_SECONDS,
        dag_ids,
        lambda missing: _read_lengths(session, missing, now),
    )


def read_habits(
    session: Session, dag_ids: Iterable[str], pools: dict[str, PoolSize], now: float
) -> dict[str, Habit]:
    """Return what the last successful runs of each DAG took, of those that have any.

    *now* is in epoch seconds. How long they took is what :func:`usual_lengths` says.
    """
    lengths = usual_lengths(session, dag_ids, now)
    tasks = _remembered(
        _tasks,
        _TASKS_FRESH_SECONDS,
        lengths,
        lambda missing: _read_tasks(session, missing, pools, now),
    )
    return {
        dag_id: Habit(length, *tasks.get(dag_id, ({}, ()))) for dag_id, length in lengths.items()
    }


def _remembered(
    cache: LruCache[tuple[float, _T | None]],
    fresh_seconds: float,
    dag_ids: Iterable[str],
    read: Callable[[list[str]], Mapping[str, _T]],
) -> dict[str, _T]:
    """Return what *cache* has of each DAG, if fresh, and what *read* returns of the others."""
    clock = time.monotonic()
    values: dict[str, _T | None] = {}
    missing: list[str] = []
    for dag_id in dag_ids:
        entry = cache.get(dag_id)
        if entry is None or clock - entry[0] > fresh_seconds:
            missing.append(dag_id)
        else:
            values[dag_id] = entry[1]
    if missing:
        answers = read(missing)
        for dag_id in missing:
            values[dag_id] = answers.get(dag_id)
            cache.put(dag_id, (clock, values[dag_id]))
    return {dag_id: value for dag_id, value in values.items() if value is not None}


def _last_runs(dag_ids: Collection[str], now: float, kind: Any, *more: Any) -> Any:
    """Return the query for successful runs of the last weeks, each with its *place*.

    The last run of each *kind* (the columns that tell kinds apart) has place 1. Of each run *more*
    columns are told.
    """
    place = func.row_number().over(partition_by=kind, order_by=DagRun.run_after.desc())
    return select(DagRun.dag_id, place.label("place"), *more).where(
        DagRun.dag_id.in_(dag_ids),
        DagRun._state == "success",  # noqa: SLF001  (the column behind state)
        DagRun.run_after >= zones.to_datetime(now - MOST_WEEKS * 7 * DAY),
        DagRun.clear_number == 0,
        DagRun.start_date.is_not(None),
        DagRun.end_date.is_not(None),
    )


def _read_lengths(session: Session, dag_ids: Collection[str], now: float) -> dict[str, Usual]:
    # The last runs of each type: the last of all types are among them.
    runs = _last_runs(
        dag_ids,
        now,
        (DagRun.dag_id, DagRun.run_type),
        DagRun.run_type,
        DagRun.run_after,
        DagRun.start_date,
        DagRun.end_date,
    ).subquery()
    query = (
        select(
            runs.c.dag_id,
            runs.c.run_type == BY_SCHEDULE,
            _seconds(runs.c.end_date) - _seconds(runs.c.start_date),
        )
        .where(runs.c.place <= _RUNS_OF_LENGTHS)
        .order_by(runs.c.run_after.desc())
    )
    every: dict[str, list[float]] = defaultdict(list)
    scheduled: dict[str, list[float]] = defaultdict(list)
    for dag_id, by_schedule, seconds in session.execute(query):
        every[dag_id].append(max(0, seconds))
        if by_schedule:
            scheduled[dag_id].append(max(0, seconds))
    by_dag: dict[str, Usual] = {}
    for dag_id, lengths in every.items():
        enough = len(scheduled[dag_id]) >= _ENOUGH_RUNS
        length = usual(scheduled[dag_id] if enough else lengths[:_RUNS_OF_LENGTHS])
        assert length is not None
        by_dag[dag_id] = length
    return by_dag


def _read_tasks(
    session: Session, dag_ids: Collection[str], pools: dict[str, PoolSize], now: float
) -> dict[str, _Asked]:
    """Return by DAG what each of its tasks asks for in a run, and what the run does."""
    ti = TaskInstance
    begin, ended = _slots_taken_at(ti, pools), _seconds(ti.end_date)
    ready = func.coalesce(_seconds(ti.scheduled_dttm), begin)
    runs = _last_runs(
        dag_ids,
        now,
        DagRun.dag_id,
        DagRun.run_id,
        _seconds(DagRun.start_date).label("started"),
        func.count().over(partition_by=DagRun.dag_id).label("known"),
    ).subquery()
    query = (
        select(
            runs.c.dag_id,
            runs.c.known,
            ti.task_id,
            ti.pool,
            ti.pool_slots,
            func.avg(case((ready < begin, ready), else_=begin) - runs.c.started),
            func.avg(ended - begin),
            func.count(),
        )
        .join(ti, (ti.dag_id == runs.c.dag_id) & (ti.run_id == runs.c.run_id))
        .where(
            runs.c.place <= _RUNS_OF_TASKS,
            ti.start_date.is_not(None),
            ti.end_date.is_not(None),
            ended > begin,
        )
        .group_by(runs.c.dag_id, runs.c.known, ti.task_id, ti.pool, ti.pool_slots)
    )
    by_dag: dict[str, dict[str, Need]] = defaultdict(dict)
    for dag_id, run_count, task_id, pool, slots, after, seconds, instances in session.execute(
        query
    ):
        use = TaskUse(pool, slots, float(after), float(seconds), instances)
        need = need_of(use, min(run_count, _RUNS_OF_TASKS))
        if need is not None:
            by_dag[dag_id][task_id] = need
    return {dag_id: (needs, joined(needs.values())) for dag_id, needs in by_dag.items()}


# By DAGs, phase and hour. Weighed by pools and hours.
_used: LruCache[Used] = LruCache(
    100_000, lambda used: 1 + sum(len(hours) for hours in used.work.values())
)


def read_used(
    session: Session, dag_ids: Collection[str], pools: dict[str, PoolSize], phase: int, now: float
) -> Used:
    """Return what runs of these DAGs used in the last weeks, or in as many days as can be read.

    Hours begin *phase* seconds after those of UTC. *now* is in epoch seconds; the answer is
    remembered for the rest of the hour. Each try of a task counts.
    """
    ids = hashlib.sha256(repr(sorted(dag_ids)).encode()).digest()
    key = ids, phase, now // HOUR, tuple(sorted(pools.items()))
    remembered = _used.get(key)
    if remembered is not None:
        return remembered
    work: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    since, instances = float(now), 0
    for day in range(1, 7 * MOST_WEEKS + 1):
        if instances >= _MOST_INSTANCES:
            break
        if time_budget.spent():
            return Used(since, phase, work, partial=True)
        until, since = since, now - day * DAY
        for table in _TRIES:
            query = _used_by(table, dag_ids, pools, phase, (since, until), now)
            for pool, first, last, count, slots, begins, ends in session.execute(query):
                instances += count
                # MySQL and PostgreSQL tell some of these as Decimal.
                sums = (float(slots), float(begins), float(ends))
                _add(work[pool], phase, int(first), int(last), *sums)
    # Of the time before the first record nothing is known: nobody kept it, or nothing was there.
    first = min((min(hours) for hours in work.values()), default=None)
    since = now if first is None else max(since, first * HOUR + phase)
    used = Used(since, phase, {pool: dict(hours) for pool, hours in work.items()})
    _used.put(key, used)
    return used


def _used_by(
    table: Any,
    dag_ids: Collection[str],
    pools: dict[str, PoolSize],
    phase: int,
    between: tuple[float, float],
    now: float,
) -> Any:
    """Return the query for what tasks of runs *between* two instants (epoch seconds) used.

    It has one row for each pool, hour of begin and hour of end: how many tasks there are, the sum
    of their slots, and the sums of slots times begin and of slots times end.
    """
    begin = _slots_taken_at(table, pools)
    ended = func.coalesce(_seconds(table.end_date), int(now))
    low, high = map(zones.to_datetime, between)
    tasks = (
        select(
            table.pool,
            table.pool_slots.label("slots"),
            begin.label("begun"),
            ended.label("ended"),
        )
        .join(DagRun, (DagRun.dag_id == table.dag_id) & (DagRun.run_id == table.run_id))
        .where(
            # Only the index of run_after leads to few rows; this keeps the other away.
            (DagRun.dag_id + "").in_(dag_ids),
            DagRun.run_after >= low,
            DagRun.run_after < high,
            table.start_date.is_not(None),
            table.end_date.is_not(None) | (table.state == _RUNNING),
        )
        # A bound, and SQLite would read each text of a time again for each sum without it.
        .limit(_MOST_INSTANCES)
        .subquery()
    )
    slots, start, over = tasks.c.slots, tasks.c.begun, tasks.c.ended
    first, last = (start - phase) // HOUR, (over - phase) // HOUR
    return (
        select(
            tasks.c.pool,
            first,
            last,
            func.count(),
            func.sum(slots),
            func.sum(slots * start),
            func.sum(slots * over),
        )
        .where(over > start)
        .group_by(tasks.c.pool, first, last)
        .execution_options(include_all_attempts=True)
    )


def _add(
    hours: dict[int, float],
    phase: int,
    first: int,
    last: int,
    slots: float,
    begins: float,
    ends: float,
) -> None:
    """Add to *hours* what the tasks of one row of :func:`_used_by` used.

    They began in the hour *first* and ended in the hour *last*, and have so many *slots* together;
    *begins* and *ends* are the sums of slots times begin and of slots times end.
    """
    if first == last:
        hours[first] += ends - begins
        return
    hours[first] += slots * ((first + 1) * HOUR + phase) - begins
    for hour in range(first + 1, last):
        hours[hour] += slots * HOUR
    hours[last] += ends - slots * (last * HOUR + phase)


def under_way(
    session: Session, dag_ids: Collection[str], pools: dict[str, PoolSize]
) -> list[RunUnderWay]:
    """Return the runs of these DAGs that are queued or running."""
    active = (
        select(
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.run_type,
            DagRun._state.label("state"),  # noqa: SLF001
            DagRun.data_interval_end,
            DagRun.start_date,
        )
        .where(
            (DagRun.dag_id + "").in_(dag_ids),  # by the index of states: few runs are under way
            DagRun._state.in_(_HELD),  # noqa: SLF001
        )
        .order_by(DagRun.start_date.is_(None), DagRun.start_date, DagRun.id)
        .limit(_MOST_RUNS)
    )
    runs: dict[tuple[str, str], RunUnderWay] = {}
    for dag_id, run_id, run_type, state, interval_end, started in session.execute(active):
        runs[dag_id, run_id] = RunUnderWay(
            dag_id,
            str(run_type),
            str(state),
            None if interval_end is None else zones.to_instant(interval_end),
            None if started is None else zones.to_instant(started),
            [],
        )
    ti, of = TaskInstance, active.subquery()
    # Joined from the left, as SQLite then begins with the few runs and not with all tasks.
    query = (
        select(
            of.c.dag_id,
            of.c.run_id,
            ti.task_id,
            ti.state,
            ti.pool,
            ti.pool_slots,
            func.count(),
            func.min(_slots_taken_at(ti, pools)),
        )
        .outerjoin_from(of, ti, (ti.dag_id == of.c.dag_id) & (ti.run_id == of.c.run_id))
        .where(ti.task_id.is_not(None))
        .group_by(of.c.dag_id, of.c.run_id, ti.task_id, ti.state, ti.pool, ti.pool_slots)
        .limit(_MOST_TASKS)
    )
    for dag_id, run_id, task_id, task_state, pool, slots, instances, begin in session.execute(
        query
    ):
        run = runs.get((dag_id, run_id))
        if run is not None:
            stage = _stage(task_state, keeps=pool in pools and pools[pool].deferred)
            run.tasks.append(Doing(task_id, stage, pool, slots, instances, begin))
    return list(runs.values())


def _stage(state: str | None, *, keeps: bool) -> Stage:
    """Return the stage of a task in *state*; a deferred one *keeps* its slots or does not."""
    if state in _HELD or (state == "deferred" and keeps):
        return "holds"
    if state == "scheduled":
        return "waits"
    return "later" if state in _LATER else "over"


class _seconds(FunctionElement[int]):  # noqa: N801 - a function of SQL
    """An instant of a column as whole seconds since the epoch."""

    type = BigInteger()
    inherit_cache = True


@compiles(_seconds)
def _extracted(instant: _seconds, compiler: SQLCompiler, **options: Any) -> str:
    [column] = instant.clauses
    return compiler.process(cast(extract("epoch", column), BigInteger), **options)


@compiles(_seconds, "mysql", "mariadb")
def _epoch_in_mysql(instant: _seconds, compiler: SQLCompiler, **options: Any) -> str:
    # EXTRACT has no epoch there; Airflow's connections to MySQL are in UTC.
    column = compiler.process(instant.clauses, **options)
    return f"TIMESTAMPDIFF(SECOND, '1970-01-01', {column})"


def _slots_taken_at(table: Any, pools: dict[str, PoolSize]) -> ColumnElement[int]:
    """Return the expression for when a task got its slots, in epoch seconds: when it was queued.

    A deferred task is queued again when it goes on. Meanwhile it has given its slots back, unless
    its pool counts deferred tasks: then it has had them since it started.
    """
    queued, started = _seconds(table.queued_dttm), _seconds(table.start_date)
    keeping = [name for name, pool in pools.items() if pool.deferred]
    return case(
        (table.queued_dttm.is_(None), started),
        (table.pool.in_(keeping) & (started < queued), started),
        else_=queued,
    )
