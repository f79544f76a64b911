"""By when runs are to have ended: what of a DAG's deadline alerts does not move with its runs."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Any

from airflow.models.deadline_alert import DeadlineAlert
from airflow.serialization.decoders import decode_deadline_alert
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.planning.milestones import milestone_deadline
from calendar_timetable.planning.plan import PlacedTick
from calendar_timetable.runs.stored_schedules import newest

# The end that a run is to keep, in epoch seconds; ``None`` where there is none for it.
Deadline = Callable[[PlacedTick], float | None]

_log = logging.getLogger(__name__)


def read_deadlines(session: Session, dag_ids: Collection[str]) -> dict[str, tuple[Deadline, ...]]:
    """Return the deadlines of *dag_ids* as their newest versions give them.

    Left out are those that move with the run, as they cannot be missed by a start that is moved:
    counted from when it is queued, from how long runs take, or from where open time ends.
    """
    newest_of = newest(dag_ids).subquery()
    query = select(
        newest_of.c.dag_id,
        DeadlineAlert.reference,
        DeadlineAlert.interval,
        DeadlineAlert.callback_def,
    ).join(DeadlineAlert, DeadlineAlert.serialized_dag_id == newest_of.c.id)
    deadlines: dict[str, tuple[Deadline, ...]] = defaultdict(tuple)
    for dag_id, reference, interval, callback in session.execute(query):
        alert = {"reference": reference, "interval": interval, "callback": callback}
        try:
            after: Any = decode_deadline_alert(alert).interval
            deadline = _deadline(reference, after) if isinstance(after, timedelta) else None
        except Exception:  # noqa: BLE001
            # One broken alert must not take the answer away from all others.
            _log.exception("Cannot read a deadline of %s", dag_id)
            continue
        if deadline is not None:
            deadlines[dag_id] += (deadline,)
    return dict(deadlines)


def _deadline(reference: dict[str, Any], after: timedelta) -> Deadline | None:
    """Return the deadline so long *after* the *reference*, as Airflow stores that."""
    seconds = after.total_seconds()
    if "milestones" in reference:

        def of_milestone(placed: PlacedTick) -> float | None:
            if placed.start is None:
                return None
            deadline = milestone_deadline(reference, zones.to_datetime(placed.start))
            return None if deadline is None else deadline.timestamp() + seconds

        return of_milestone
    kind = reference.get("reference_type")
    if kind == "FixedDatetimeDeadline":
        at = float(reference["datetime"]) + seconds
        return lambda _: at
    if kind == "DagRunLogicalDateDeadline":
        return lambda placed: placed.tick.interval_start + seconds
    return None
