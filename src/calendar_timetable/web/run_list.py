"""The runs of many DAGs as one list for people, and by what it can be filtered."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime
from zoneinfo import ZoneInfo

from airflow.configuration import conf
from sqlalchemy.orm import Session

from calendar_timetable.planning import explain, zones
from calendar_timetable.runs import database, time_budget
from calendar_timetable.runs.listing import Filters, answered, concerned, first_rows, paused_among
from calendar_timetable.runs.rows import Row, explanation, outlook_of, reasons_of
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.web import models


def list_runs(
    session: Session, readable: Collection[str], filters: Filters, now: float, runs_of: Collection[str] | None = None
) -> bytes:
    """The runs of the *readable* DAGs that *filters* let through, by start: ``models.Runs`` as JSON.

    Runs that exist, and how long they took, only of the DAGs *runs_of*; of all where that is ``None``.
    Nothing is worked out again while neither the DAGs nor their runs have changed.
    """
    return answered(session, readable, filters, now, runs_of, _list_runs)


def choices(session: Session, readable: Collection[str]) -> models.Choices:
    """What :class:`Filters` of the *readable* DAGs can name."""
    dags = database.read_dags(session, readable)
    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    return models.Choices(
        dags=[models.DagChoice(dag_id=dag.dag_id, dag_display_name=dag.name) for dag in dags],
        tags=sorted({tag for dag in dags for tag in dag.tags}),
        owners=sorted({owner for dag in dags for owner in dag.owners}),
        calendars=sorted({calendar for schedule in schedules.values() for calendar in schedule.calendars}),
    )


def _list_runs(
    session: Session, dag_ids: Collection[str], filters: Filters, now: float, runs_of: Collection[str] | None
) -> bytes:
    dags, schedules = concerned(session, dag_ids, filters)
    with time_budget.share(time_budget.PLANNING):
        rows, truncated = first_rows(session, dags, schedules, filters, now, runs_of)
    told: list[str] = []
    for row in rows[filters.offset : filters.offset + filters.limit]:
        if time_budget.spent():
            break
        told.append(as_run(row, now).model_dump_json())  # one at a time: thousands keep the garbage collector busy
    shown = {row.dag.dag_id: row.dag for row in rows[filters.offset : filters.offset + len(told)]}
    uses = {dag_id: schedules[dag_id].pools if dag_id in schedules else () for dag_id in shown}
    used = {pool for pools in uses.values() for pool in pools}
    rest = {
        "total_entries": len(rows),
        "truncated": truncated or filters.offset + len(told) < len(rows),
        "paused_dags": paused_among(dags),
        "parallelism": conf.getint("core", "parallelism"),
        "limits": [
            {"dag_id": dag.dag_id, "max_active_runs": dag.max_active_runs, "pools": uses[dag.dag_id]}
            for dag in shown.values()
        ],
        "pools": [{"name": pool, "slots": slots} for pool, slots in session.execute(database.pools()) if pool in used],
    }
    return f'{{"runs":[{",".join(told)}],{json.dumps(rest)[1:]}'.encode()


def as_run(row: Row, now: float) -> models.Run:
    """*row* for people: with its words."""
    reasons = reasons_of(row)
    zone, due = row.zone, row.placed.tick.due
    outlook = outlook_of(row)
    blackout = outlook.next_blackout and models.Blackout(**outlook.next_blackout._asdict())
    return models.Run(
        id=row.identity,
        dag_id=row.dag.dag_id,
        dag_display_name=row.dag.name,
        tags=list(row.dag.tags),
        owners=list(row.dag.owners),
        paused=row.dag.paused,
        run_id=None if row.run is None or row.count > 1 else row.run.run_id,
        run_type="scheduled" if row.run is None else row.run.run_type,
        state=row.state,
        due=zones.to_datetime(due),
        start=_moment(row.start),
        end=_moment(row.end),
        end_estimated=row.end_estimated,
        outcome=row.placed.outcome,
        reasons=[told(reason, zone, due) for reason in reasons],
        explanation=explanation(row, reasons),
        calendars=[] if row.schedule is None else list(row.schedule.calendars),
        late=row.is_late(now),
        collapsed=models.Collapsed(count=row.count, every_seconds=row.every) if row.count > 1 else None,
        **(outlook._asdict() | {"next_blackout": blackout}),
    )


def told(reason: explain.Reason, zone: ZoneInfo, near: float) -> models.Reason:
    """*reason* as data and, for the due time *near*, in words."""
    times = {"start": _moment(reason.start), "end": _moment(reason.end)}
    return models.Reason(**{**asdict(reason), **times}, text=reason.text(zone, near, alone=True))


def _moment(instant: float | None) -> datetime | None:
    return None if instant is None else zones.to_datetime(instant)
