"""Runs that there have been, as Airflow's records tell them, for who asks what they took."""

from __future__ import annotations

from dataclasses import dataclass

from airflow.models.dagrun import DagRun
from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY

MOST = 100_000  # runs that are looked at, the newest ones
# Seconds before a time in which a run that was under way then may have been planned to start.
_LONGEST_RUN_SECONDS = 14 * DAY
_BY_SCHEDULE = "scheduled"


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


def past_runs(session: Session, since: float, until: float) -> tuple[list[PastRun], bool]:
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
        .limit(MOST + 1)
    )
    rows = session.execute(query).all()
    found = []
    for key, dag_id, run_type, after, start, end, cleared, first, last in rows[:MOST]:
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
        scheduled = str(run_type) == _BY_SCHEDULE
        run = PastRun(key, dag_id, scheduled, planned, started, seconds, interval)
        if run.started < until:
            found.append(run)
    return sorted(found, key=lambda run: (run.started, run.dag_id, run.planned)), len(rows) > MOST
