"""The runs of many DAGs in one list: existing, planned, and due times without a run."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from sqlalchemy import type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.types import NullType

from calendar_timetable import clock
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import database, time_budget, usage
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.forecast import MOST_TICKS, ForecastQuery, forecast
from calendar_timetable.runs.lru import LruCache
from calendar_timetable.runs.rows import RunRow, collapse, existing_row, planned_row
from calendar_timetable.runs.stored_schedules import Schedule, newest, read_schedules

_ANSWERS_BYTES = 16 * 1024 * 1024  # of all lists that are remembered together
_DAGS_IN_SAMPLE = 50  # from which it is estimated how often all of them run
_WEEK = 7 * DAY
_FRESH_SECONDS = 60  # for which a list is right: what is late changes with the clock


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list shows; empty means everything. Times are in epoch seconds."""

    since: float
    until: float
    dag_ids: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    calendars: tuple[str, ...] = ()
    moved: bool = False
    # Whether what is planned of paused DAGs, which does not start, is shown too.
    paused: bool = True
    limit: int = 500
    offset: int = 0


_answers: LruCache[bytes] = LruCache(_ANSWERS_BYTES, len)


def cached_answer(
    session: Session,
    readable: Collection[str],
    filters: Filters,
    now: float,
    runs_of: Collection[str] | None,
    write: Callable[[list[Dag], dict[str, Schedule]], bytes],
    *more: object,
) -> bytes:
    """Return what *write* makes of the *readable* DAGs that *filters* name, and their schedules.

    It is remembered while it stays right, by all that it depends on, *more* included. *now* is in
    epoch seconds; existing runs of the DAGs *runs_of* may be shown, or of all where that is
    ``None``.
    """
    dag_ids = asked_of(readable, filters.dag_ids)
    # Only the state of the DAGs that are wanted may count: that of others changes as well.
    if filters.tags or filters.owners:
        dag_ids = [dag.dag_id for dag in readable_dags(session, readable, filters)]
    key = state_key(session, dag_ids, filters, runs_of, now // _FRESH_SECONDS, *more)
    answer = _answers.get(key)
    if answer is None:
        answer = write(*dags_and_schedules(session, dag_ids, filters))
        _answers.put(key, answer)
    return answer


def state_key(
    session: Session,
    dag_ids: Collection[str],
    filters: Filters,
    runs_of: Collection[str] | None,
    *more: object,
) -> bytes:
    """Return a key that stays the same as long as a list of runs does."""
    untold = () if runs_of is None else sorted(set(dag_ids) - set(runs_of))
    return hashlib.sha256(
        repr((filters, untold, _state(session, dag_ids, filters), more)).encode()
    ).digest()


def _state(
    session: Session, dag_ids: Collection[str], filters: Filters
) -> list[list[tuple[object, ...]]]:
    """Return all that a list is made of, as the database's driver gives it.

    It is only compared, so its values need not be converted to Python's types.
    """
    queries = (
        database.dags(dag_ids),
        database.tags_of(dag_ids),
        newest(dag_ids),
        database.runs_state(dag_ids, filters.since, filters.until),
        database.pools(),
    )
    untyped = (
        q.with_only_columns(*(type_coerce(c, NullType()) for c in q.selected_columns))
        for q in queries
    )
    return [list(map(tuple, session.execute(query))) for query in untyped]


def asked_of(readable: Collection[str], dag_ids: Collection[str] | None) -> Collection[str]:
    """Return the *dag_ids* that are *readable*, or all that are readable if none are named."""
    return set(readable) & set(dag_ids) if dag_ids else readable


def readable_dags(session: Session, readable: Collection[str], filters: Filters) -> list[Dag]:
    """Return the *readable* DAGs that a list with these *filters* is about."""
    dag_ids = asked_of(readable, filters.dag_ids)
    return database.read_dags(session, dag_ids, tags=filters.tags, owners=filters.owners)


def dags_and_schedules(
    session: Session, dag_ids: Collection[str], filters: Filters
) -> tuple[list[Dag], dict[str, Schedule]]:
    """Return those of *dag_ids* that exist and use the calendars in *filters*.

    With them come the schedules of all that exist, by DAG id.
    """
    dags = database.read_dags(session, dag_ids)
    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    return using_calendars(dags, schedules, filters), schedules


def using_calendars(dags: list[Dag], schedules: dict[str, Schedule], filters: Filters) -> list[Dag]:
    """Return those of *dags* that use the calendars in *filters*, or all if these name none."""
    if not filters.calendars:
        return dags
    labels = set(filters.calendars)
    return [
        dag
        for dag in dags
        if dag.dag_id in schedules and labels & set(schedules[dag.dag_id].calendars)
    ]


def paused_among(dags: list[Dag]) -> int:
    """Count those of *dags* that have a next run which does not start, as they are paused."""
    return sum(dag.paused and dag.stored is not None for dag in dags)


def first_rows(
    session: Session,
    dags: list[Dag],
    schedules: dict[str, Schedule],
    filters: Filters,
    now: float,
    runs_of: Collection[str] | None = None,
) -> tuple[list[RunRow], bool]:
    """Return the rows to show, in order, and whether there are more.

    Only as much of the range is looked at as is needed for the page that *filters* ask for.
    """
    needed = filters.offset + filters.limit
    length = filters.until - filters.since
    # Of many DAGs, a sample shows how long a part of the range fills the page.
    if len(dags) > 4 * _DAGS_IN_SAMPLE:
        week = replace(filters, until=min(filters.until, filters.since + _WEEK))
        sample = dags[:: len(dags) // _DAGS_IN_SAMPLE]
        count = sum(
            passes(row, filters)
            for row in find_rows(session, sample, schedules, week, now, runs_of)[0]
        )
        length = 1.1 * needed * (week.until - week.since) * len(sample) / len(dags) / max(count, 1)
    while True:
        until = min(filters.until, filters.since + length)
        rows, told_until = find_rows(
            session, dags, schedules, replace(filters, until=until), now, runs_of
        )
        rows = [
            row
            for row in rows
            if passes(row, filters) and (until == filters.until or row.at < until)
        ]
        if until == filters.until or len(rows) > needed or time_budget.spent():
            left_out = told_until < math.inf or until < filters.until
            return sorted(rows, key=lambda row: row.key), left_out
        length *= max(1.5, min(16, 1.25 * needed / max(len(rows), 1)))


def find_rows(
    session: Session,
    dags: list[Dag],
    schedules: dict[str, Schedule],
    filters: Filters,
    now: float,
    runs_of: Collection[str] | None = None,
) -> tuple[list[RunRow], float]:
    """Return every row of *dags* in the range of *filters*, DAG by DAG, and where that ends.

    From then on (epoch seconds) there are more; it is infinite where these are all. Existing runs,
    and how long they took, are included only for the DAGs *runs_of*, or for all where that is
    ``None``.
    """
    rows: list[RunRow] = []
    told_until = math.inf
    for part in rows_by_dag(session, dags, schedules, filters, now, runs_of):
        rows += collapse(part.rows)
        told_until = min(told_until, part.told_until)
    return rows, told_until


class Part(NamedTuple):
    """The rows of one DAG, each run by itself, in order.

    There are more past *told_until* (epoch seconds), unless that is infinite.
    """

    rows: list[RunRow]
    told_until: float


def rows_by_dag(
    session: Session,
    dags: list[Dag],
    schedules: dict[str, Schedule],
    filters: Filters,
    now: float,
    runs_of: Collection[str] | None = None,
    most: int = MOST_TICKS,
) -> Iterator[Part]:
    """Yield the rows of each of *dags* in the range of *filters*, at most *most* due times of each.

    Existing runs, and how long they took, are included only for the DAGs *runs_of*, or for all
    where that is ``None``.
    """
    dags = using_calendars(dags, schedules, filters)
    dag_ids = [dag.dag_id for dag in dags if runs_of is None or dag.dag_id in runs_of]
    existing, older_left_out = database.read_runs(session, dag_ids, filters.since, filters.until)
    by_dag = defaultdict(list)
    for run in existing:
        by_dag[run.dag_id].append(run)
    lengths = run_lengths(session, schedules, dag_ids)
    question = ForecastQuery(now, filters.since, filters.until, most)
    for dag in dags:
        schedule, length = schedules.get(dag.dag_id), lengths.get(dag.dag_id)
        rows = [existing_row(dag, schedule, run, length, now) for run in by_dag[dag.dag_id]]
        ids = {row.identity for row in rows}
        more = False
        if schedule is not None and (filters.paused or not dag.paused):
            places, more = forecast(schedule, dag.stored, question)
            # A paused DAG's past due times without a run are left out.
            ahead = [
                planned_row(dag, schedule, placed, length)
                for placed in places
                if placed.start is not None or placed.tick.due > now or not dag.paused
            ]
            rows += [row for row in ahead if row.identity not in ids] if ids else ahead
        rows = sorted(
            (row for row in rows if row.touches(filters.since, filters.until)),
            key=lambda row: row.key,
        )
        if older_left_out:
            yield Part(rows, filters.since)
        else:
            yield Part(rows, (rows[-1].at if rows else filters.since) if more else math.inf)


def run_lengths(
    session: Session, schedules: dict[str, Schedule], dag_ids: Collection[str]
) -> dict[str, float]:
    """Return how many seconds runs take, by DAG id: as its schedule says, else as usual."""
    durations = {
        i: s.compiled.policy.duration
        for i, s in schedules.items()
        if s.compiled and s.compiled.policy.duration
    }
    others = [dag_id for dag_id in dag_ids if dag_id not in durations]
    usual = usage.usual_lengths(session, others, clock.now())
    return {dag_id: length.median for dag_id, length in usual.items()} | durations


def next_rows(
    dag: Dag, schedule: Schedule, now: float, until: float, limit: int, length: float | None
) -> list[RunRow]:
    """Return what becomes of one DAG's next ticks, the stored one first, at most *limit* of them.

    Its runs last *length* seconds, if that is known; *now* and *until* are in epoch seconds.
    """
    since = now if dag.stored is None else min(now, dag.stored.start, dag.stored.interval_end)
    places, _ = forecast(schedule, dag.stored, ForecastQuery(now, since, until, limit))
    return [planned_row(dag, schedule, placed, length) for placed in places[:limit]]


def passes(row: RunRow, filters: Filters) -> bool:
    """Tell whether *filters* let the *row* through."""
    move = "combined" if row.placed.outcome == "coalesced" else row.placed.outcome
    return (not filters.states or row.state in filters.states or move in filters.states) and (
        not filters.moved or row.placed.outcome != "on_time"
    )
