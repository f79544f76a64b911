"""DAGs, existing runs and past runs, as read from Airflow's database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs.forecast import StoredNextRun

MOST_RUNS = 20_000  # existing runs in one answer
MOST_PAST_RUNS = 100_000  # runs that are replayed, the newest ones
BY_SCHEDULE = "scheduled"  # the type of such runs
# Seconds before a range in which a run that reaches into it may have been due to start. One that
# began longer ago is found only by a range that holds its planned start.
_LONGEST_RUN_SECONDS = 14 * DAY


@dataclass(frozen=True, slots=True)
class Dag:
    """A DAG as lists show it."""

    dag_id: str
    name: str
    owners: tuple[str, ...]
    tags: tuple[str, ...]
    paused: bool
    stored: StoredNextRun | None
    summary: str
    max_active_runs: int


@dataclass(frozen=True, slots=True)
class ExistingRun:
    """A run that Airflow has made; times are in epoch seconds."""

    dag_id: str
    run_id: str
    run_type: str
    state: str
    run_after: float
    started: float | None
    ended: float | None
    changed: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that began; times are in epoch seconds.

    *planned* is when it was to start. It took so many *seconds*, or has taken them so far. Of one
    that was cleared Airflow keeps only the last start and end: it is told to have *started* as
    planned, and to have taken ``None``. *key* is that of its record.
    """

    key: int
    dag_id: str
    scheduled: bool
    planned: float
    started: float
    seconds: float | None
    interval: tuple[float, float] | None


def dags(dag_ids: Collection[str]) -> Any:
    """Return the query for the DAGs that :func:`read_dags` reads."""
    return (
        select(
            DagModel.dag_id,
            DagModel._dag_display_property_value,  # noqa: SLF001  (the column behind dag_display_name)
            DagModel.owners,
            DagModel.is_paused,
            DagModel.next_dagrun_create_after,
            DagModel.next_dagrun_data_interval_start,
            DagModel.next_dagrun_data_interval_end,
            DagModel.next_dagrun_partition_key,
            DagModel.timetable_summary,
            DagModel.max_active_runs,
        )
        .where(DagModel.dag_id.in_(dag_ids), DagModel.is_stale.is_(False))
        .order_by(DagModel.dag_id)
    )


def tags_of(dag_ids: Collection[str]) -> Any:
    """Return the query for the tags that :func:`read_dags` reads."""
    return (
        select(DagTag.dag_id, DagTag.name)
        .where(DagTag.dag_id.in_(dag_ids))
        .order_by(DagTag.dag_id, DagTag.name)
    )


def pools() -> Any:
    """Return the query for every pool and the number of its slots, below 0 if unlimited."""
    return select(Pool.pool, Pool.slots).order_by(Pool.pool)


def read_dags(
    session: Session,
    dag_ids: Collection[str],
    *,
    tags: Collection[str] = (),
    owners: Collection[str] = (),
) -> list[Dag]:
    """Return those of *dag_ids* that exist, with any of *tags* and any of *owners* if given."""
    tagged: dict[str, list[str]] = defaultdict(list)
    for dag_id, tag in session.execute(tags_of(dag_ids)):
        tagged[dag_id].append(tag)
    found_dags = []
    for dag_id, name, owned, paused, start, low, high, key, summary, most in session.execute(
        dags(dag_ids)
    ):
        dag_owners = tuple(sorted({owner.strip() for owner in (owned or "").split(",")} - {""}))
        dag_tags = tuple(sorted(tagged[dag_id]))
        if (tags and not set(tags) & set(dag_tags)) or (
            owners and not set(owners) & set(dag_owners)
        ):
            continue
        stored = None
        if start is not None:
            at = zones.to_instant(start)
            interval = (
                (at, at)
                if low is None or high is None
                else (zones.to_instant(low), zones.to_instant(high))
            )
            stored = StoredNextRun(at, *interval, key)
        found_dags.append(
            Dag(
                dag_id,
                name or dag_id,
                dag_owners,
                dag_tags,
                bool(paused),
                stored,
                summary or "",
                most,
            )
        )
    return found_dags


def read_runs(
    session: Session, dag_ids: Collection[str], since: float, until: float
) -> tuple[list[ExistingRun], bool]:
    """Return the runs that touch ``[since, until)``, newest last, and whether older are left out.

    Times are in epoch seconds. At most ``MOST_RUNS`` runs are read.
    """
    query = (
        select(
            DagRun.dag_id,
            DagRun.run_id,
            DagRun.run_type,
            DagRun._state,  # noqa: SLF001  (the column behind state)
            DagRun.run_after,
            DagRun.start_date,
            DagRun.end_date,
            DagRun.data_interval_start,
            DagRun.data_interval_end,
            func.coalesce(DagRun.updated_at, DagRun.run_after),
        )
        .where(DagRun.dag_id.in_(dag_ids), *_between(since, until))
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(MOST_RUNS + 1)
    )
    runs = []
    rows = session.execute(query)
    for dag_id, run_id, run_type, state, run_after, started, ended, low, high, changed in rows:
        interval = (
            None if low is None or high is None else (zones.to_instant(low), zones.to_instant(high))
        )
        run = ExistingRun(
            dag_id,
            run_id,
            str(run_type),
            state or "queued",
            zones.to_instant(run_after),
            None if started is None else zones.to_instant(started),
            None if ended is None else zones.to_instant(ended),
            changed.timestamp(),
            interval,
        )
        if run.ended is None or run.ended >= since or run.run_after >= since:
            runs.append(run)
    return runs[:MOST_RUNS][::-1], len(runs) > MOST_RUNS


def _between(since: float, until: float) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions on ``run_after`` of runs that may touch ``[since, until)``."""
    low, high = zones.to_datetime(since - _LONGEST_RUN_SECONDS), zones.to_datetime(until)
    return DagRun.run_after >= low, DagRun.run_after < high


def runs_state(dag_ids: Collection[str], since: float, until: float) -> Any:
    """Return a query whose result changes whenever the runs that :func:`read_runs` finds do."""
    query = select(
        func.count(), func.max(DagRun.id), func.max(DagRun.updated_at), func.max(DagRun.end_date)
    )
    return query.where(DagRun.dag_id.in_(dag_ids), *_between(since, until))


def read_past_runs(session: Session, since: float, until: float) -> tuple[list[PastRun], bool]:
    """Return the runs that began before *until* and went on after *since*, by their start.

    Also tells whether there are more: then the oldest are left out. Both are in epoch seconds.
    """
    low, early, high = map(zones.to_datetime, (since, since - _LONGEST_RUN_SECONDS, until))
    query = (
        select(
            DagRun.id,
            DagRun.dag_id,
            DagRun.run_type,
            DagRun.run_after,
            DagRun.start_date,
            DagRun.end_date,
            DagRun.clear_number,
            DagRun.data_interval_start,
            DagRun.data_interval_end,
        )
        .where(
            DagRun.run_after >= early,
            DagRun.run_after < high,
            or_(
                DagRun.run_after >= low,
                and_(DagRun.clear_number == 0, DagRun.end_date.is_(None)),
                and_(DagRun.clear_number == 0, DagRun.end_date >= low),
            ),
            # One that was cleared has run, also where it is queued once more.
            or_(DagRun.start_date.is_not(None), DagRun.clear_number > 0),
        )
        .order_by(DagRun.run_after.desc(), DagRun.id.desc())
        .limit(MOST_PAST_RUNS + 1)
    )
    rows = session.execute(query).all()
    runs = []
    for key, dag_id, run_type, after, start, end, cleared, first, last in rows[:MOST_PAST_RUNS]:
        planned = zones.to_instant(after)
        started, seconds = planned, None
        if not cleared:
            started = zones.to_instant(start)
            seconds = max(0.0, (until if end is None else zones.to_instant(end)) - started)
        interval = (
            None
            if first is None or last is None
            else (zones.to_instant(first), zones.to_instant(last))
        )
        scheduled = str(run_type) == BY_SCHEDULE
        run = PastRun(key, dag_id, scheduled, planned, started, seconds, interval)
        if run.started < until:
            runs.append(run)
    runs.sort(key=lambda run: (run.started, run.dag_id, run.planned))
    return runs, len(rows) > MOST_PAST_RUNS
