"""What passed closed time, for people and for export."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection

from airflow.models.dag import DagModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.overrides import Override, overrides
from calendar_timetable.web import models

# Programs that open CSV take what begins so for a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


def listed(
    session: Session,
    dag_ids: Collection[str],
    since: float,
    until: float,
    *,
    limit: int,
    offset: int,
) -> models.Overrides:
    """Return what passed in ``[since, until)`` (epoch seconds) of these DAGs, newest first.

    Whoever is told must be allowed to read their runs.
    """
    with time_budget.share(time_budget.PLANNING):
        entries, complete = overrides(session, dag_ids, since, until)
    page = entries[offset : offset + limit]
    # The column behind dag_display_name
    query = select(DagModel.dag_id, DagModel._dag_display_property_value)  # noqa: SLF001
    query = query.where(DagModel.dag_id.in_({override.dag_id for override in page}))
    names = {dag_id: name for dag_id, name in session.execute(query)}  # noqa: C416
    return models.Overrides(
        overrides=[
            _as_override(override, names.get(override.dag_id) or override.dag_id)
            for override in page
        ],
        total_entries=len(entries),
        truncated=not complete or offset + len(page) < len(entries),
    )


def _as_override(override: Override, name: str) -> models.Override:
    return models.Override(
        how=override.how,
        dag_id=override.dag_id,
        dag_display_name=name,
        at=zones.to_datetime(override.at),
        until=None if override.until is None else zones.to_datetime(override.until),
        who=override.who,
        reason=override.why,
        run_id=override.run_id,
        state=override.state,
        refused=override.refused,
    )


def as_csv(page: models.Overrides) -> bytes:
    """Return the list as CSV (RFC 4180), with a line of names; times are in UTC."""
    columns = [name for name in models.Override.model_fields if name != "dag_display_name"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for override in page.overrides:
        fields = override.model_dump(mode="json")
        writer.writerow([_cell(fields[name]) for name in columns])
    return text.getvalue().encode()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULAS) else text
