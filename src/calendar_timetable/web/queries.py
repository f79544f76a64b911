"""Upcoming runs, from Airflow's own records and timetables."""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from airflow._shared.timezones.timezone import coerce_datetime
from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.timetables.base import DagRunInfo, TimeRestriction, Timetable
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable.timetable import CalendarTimetable

RUNS_PER_DAG = 50
MOST_RUNS = 500

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UpcomingRun:
    """A run that is planned; times are UTC-aware. ``due`` is its tick, ``start`` when it may start."""

    start: datetime
    due: datetime
    dag_id: str
    dag_name: str
    paused: bool
    outcome: str
    why: tuple[str, ...]


def upcoming_runs(session: Session, dag_ids: Collection[str], until: datetime) -> tuple[list[UpcomingRun], bool]:
    """Runs of *dag_ids* that start before *until*, by start; and whether some were left out.

    Of one DAG at most :data:`RUNS_PER_DAG`, in all at most :data:`MOST_RUNS`.
    """
    query = select(DagModel).where(
        DagModel.dag_id.in_(dag_ids), DagModel.is_stale.is_(False), DagModel.next_dagrun_create_after <= until
    )
    dags = [
        (dag_model, dag)
        for dag_model in session.scalars(query.order_by(DagModel.dag_id))
        if (dag := SerializedDagModel.get_dag(dag_model.dag_id, session=session)) is not None
    ]
    # One more of each than is shown, so that it can be told whether there are more.
    runs = (islice(_runs(dag, dag_model, until), RUNS_PER_DAG + 1) for dag_model, dag in dags)
    shown: Counter[str] = Counter()
    found: list[UpcomingRun] = []
    truncated = False
    for run in heapq.merge(*runs, key=lambda run: (run.start, run.dag_id)):
        if len(found) == MOST_RUNS:
            return found, True
        if shown[run.dag_id] == RUNS_PER_DAG:
            truncated = True
            continue
        shown[run.dag_id] += 1
        found.append(run)
    return found, truncated


def _runs(dag: SerializedDAG, dag_model: DagModel, until: datetime) -> Iterator[UpcomingRun]:
    """The stored next run, then as the timetable goes on from it."""
    timetable, now = dag.timetable, datetime.now(UTC)
    latest = coerce_datetime(dag.end_date)
    try:
        info = timetable.next_run_info_from_dag_model(dag_model=dag_model)
        while info is not None and info.run_after <= until:
            yield _upcoming(dag, dag_model, info)
            catchup = dag.catchup or info.run_after > now
            previous, info = (
                info,
                timetable.next_dagrun_info_v2(
                    last_dagrun_info=info, restriction=TimeRestriction(None, latest, catchup)
                ),
            )
            if info == previous:
                return  # it does not get on
    except Exception:  # one broken timetable must not take the page away from all others
        log.exception("Cannot tell the upcoming runs of %s", dag_model.dag_id)


def _upcoming(dag: SerializedDAG, dag_model: DagModel, info: DagRunInfo) -> UpcomingRun:
    timetable = _calendar_timetable(dag.timetable)
    planned = timetable.planned_run(info) if timetable is not None else None
    return UpcomingRun(
        start=info.run_after,
        due=planned.tick if planned else info.run_after,
        dag_id=dag_model.dag_id,
        dag_name=dag_model.dag_display_name,
        paused=dag_model.is_paused,
        outcome=planned.outcome if planned else "on_time",
        why=planned.reasons if planned else (),
    )


def _calendar_timetable(timetable: Timetable) -> CalendarTimetable | None:
    """*timetable*, or the one inside ``AssetOrTimeSchedule``, if it is ours."""
    inner = getattr(timetable, "timetable", timetable)
    return inner if isinstance(inner, CalendarTimetable) else None
