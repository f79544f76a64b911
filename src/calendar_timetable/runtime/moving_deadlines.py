"""A milestone that moves takes the deadlines of runs under way along.

Airflow computes a run's deadline once, when the run is created. When a milestone moves, the next
parse of the DAG file stores its new deadline alert; this module follows that, in the same
transaction, in the DAG processor.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, select, update
from sqlalchemy.engine import Connection

from calendar_timetable.planning.milestones import milestone_deadline
from calendar_timetable.runtime.deadlines import MilestoneDeadline

_PATH = f"{MilestoneDeadline.__module__}.{MilestoneDeadline.__qualname__}"
# The deadline where the milestone is gone; it may come back at another time.
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_log = logging.getLogger(__name__)


def follow() -> None:
    """Let each deadline alert that is stored move the deadlines of runs under way.

    These are the deadlines that its predecessors made. This holds from now on, in this process.
    """
    from airflow.models.deadline_alert import DeadlineAlert

    if not event.contains(DeadlineAlert, "after_insert", _stored):
        event.listen(DeadlineAlert, "after_insert", _stored)


def _stored(mapper: object, connection: Connection, alert: Any) -> None:
    """Move the deadlines of runs under way, after *alert* was stored; never raise.

    A deadline that stays where it was is better than a DAG that cannot be stored.
    """
    if alert.reference.get("__class_path") != _PATH:
        return
    try:
        with connection.begin_nested():
            _move(connection, alert)
    except Exception:  # noqa: BLE001
        _log.exception("Deadlines of runs under way are not moved")


def _move(connection: Connection, alert: Any) -> None:
    from airflow.models import DagRun
    from airflow.models.deadline import Deadline
    from airflow.models.deadline_alert import DeadlineAlert
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.decoders import decode_deadline_alert

    old = DeadlineAlert.__table__
    deadline: Any = Deadline.__table__
    dag_id = connection.scalar(
        select(SerializedDagModel.dag_id).where(SerializedDagModel.id == alert.serialized_dag_id)
    )
    under_way = (
        select(deadline.c.id, DagRun.run_after, old.c.reference, old.c.interval, old.c.callback_def)
        .join(DagRun, DagRun.id == deadline.c.dagrun_id)
        .join(old, old.c.id == deadline.c.deadline_alert_id)
        .where(DagRun.dag_id == dag_id, DagRun.state.in_(("queued", "running")), ~deadline.c.missed)
        .where(old.c.id != alert.id)
    )
    stored = {
        "reference": alert.reference,
        "interval": alert.interval,
        "callback": alert.callback_def,
    }
    interval: Any = decode_deadline_alert(stored).interval
    for row in connection.execute(under_way).all():
        if _same(row, alert):
            values = {"deadline_alert_id": alert.id}
            if not alert.reference.get("unread"):
                base = milestone_deadline(alert.reference, row.run_after)
                values["deadline_time"] = _NEVER if base is None else base + interval
            connection.execute(update(deadline).where(deadline.c.id == row.id).values(**values))


def _same(row: Any, alert: Any) -> bool:
    """Tell whether *row* was made by the same alert of the DAG file, about other milestones."""
    if (row.interval, row.callback_def) != (alert.interval, alert.callback_def):
        return False
    return all(
        row.reference.get(name) == alert.reference.get(name)
        for name in ("__class_path", "which", "before")
    )
