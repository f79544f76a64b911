"""How the calendars are doing, as far as the DAGs tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy.orm import Session

from calendar_timetable.web import models, records
from calendar_timetable.web.schedules import read_schedules


def calendars(session: Session, readable: Collection[str]) -> models.Calendars:
    """The calendars of the *readable* DAGs, by label."""
    dag_ids = [dag.dag_id for dag in records.read_dags(session, readable)]
    uses: dict[str, set[str]] = defaultdict(set)
    roles: dict[str, set[str]] = defaultdict(set)
    for dag_id, schedule in read_schedules(session, dag_ids).items():
        for role, label in schedule.calendar_roles:
            uses[label].add(dag_id)
            roles[label].add(role)
    found = [
        models.CalendarHealth(label=label, status="unknown", dag_ids=sorted(uses[label]), roles=sorted(roles[label]))
        for label in sorted(uses)
    ]
    return models.Calendars(calendars=found, total_entries=len(found))
