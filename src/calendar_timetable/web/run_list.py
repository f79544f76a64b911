"""The runs of many DAGs in one list for people, its filters, and runs counted by hour or day."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.configuration import conf
from sqlalchemy.orm import Session

from calendar_timetable.planning import explain, zones
from calendar_timetable.runs import database, time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import (
    Filters,
    cached_answer,
    first_rows,
    passes,
    paused_among,
    rows_by_dag,
)
from calendar_timetable.runs.rows import (
    RunRow,
    explanation,
    is_often,
    outlook_of,
    reasons_of,
    stretches,
)
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.web import models

_HOUR = 3600
_DAGS_NAMED_A_DAY = 4  # DAGs that are named for a day
_MOST_DAGS = 1_000  # DAGs whose ids one answer with counts holds
_MOST_TICKS = 62_000  # due times of one DAG: six weeks of minutes
_MOVED = ("postponed", "advanced", "forced")


def list_runs(
    session: Session,
    readable: Collection[str],
    filters: Filters,
    now: float,
    runs_of: Collection[str] | None = None,
) -> bytes:
    """Return the runs of the *readable* DAGs that *filters* let through: ``models.Runs`` as JSON.

    They are in order of their starts; *now* is in epoch seconds. Existing runs, and how long they
    took, are included only for the DAGs *runs_of*, or for all where that is ``None``.
    Nothing is worked out again while neither the DAGs nor their runs have changed.
    """

    def write(dags: list[Dag], schedules: dict[str, Schedule]) -> bytes:
        with time_budget.share(time_budget.PLANNING):
            rows, truncated = first_rows(session, dags, schedules, filters, now, runs_of)
        runs: list[str] = []
        for row in rows[filters.offset : filters.offset + filters.limit]:
            if time_budget.spent():
                break
            # One at a time: thousands of models at once keep the garbage collector busy.
            runs.append(as_run(row, now).model_dump_json())
        dags_shown = {
            row.dag.dag_id: row.dag for row in rows[filters.offset : filters.offset + len(runs)]
        }
        uses = {
            dag_id: schedules[dag_id].pools if dag_id in schedules else () for dag_id in dags_shown
        }
        pools_used = {pool for pools in uses.values() for pool in pools}
        answer = {
            "total_entries": len(rows),
            "truncated": truncated or filters.offset + len(runs) < len(rows),
            "paused_dags": paused_among(dags),
            "parallelism": conf.getint("core", "parallelism"),
            "limits": [
                {
                    "dag_id": dag.dag_id,
                    "max_active_runs": dag.max_active_runs,
                    "pools": uses[dag.dag_id],
                }
                for dag in dags_shown.values()
            ],
            "pools": [
                {"name": pool, "slots": slots}
                for pool, slots in session.execute(database.pools())
                if pool in pools_used
            ],
        }
        return f'{{"runs":[{",".join(runs)}],{json.dumps(answer)[1:]}'.encode()

    return cached_answer(session, readable, filters, now, runs_of, write)


def choices(session: Session, readable: Collection[str]) -> models.Choices:
    """Return what :class:`Filters` of the *readable* DAGs can name."""
    dags = database.read_dags(session, readable)
    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    return models.Choices(
        dags=[models.DagChoice(dag_id=dag.dag_id, dag_display_name=dag.name) for dag in dags],
        tags=sorted({tag for dag in dags for tag in dag.tags}),
        owners=sorted({owner for dag in dags for owner in dag.owners}),
        calendars=sorted(
            {calendar for schedule in schedules.values() for calendar in schedule.calendars}
        ),
    )


def as_run(row: RunRow, now: float) -> models.Run:
    """Return *row* for people, with its reasons and its explanation in words."""
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
        start=zones.to_datetime_or_none(row.start),
        end=zones.to_datetime_or_none(row.end),
        end_estimated=row.end_estimated,
        outcome=row.placed.outcome,
        reasons=[as_reason(reason, zone, due) for reason in reasons],
        explanation=explanation(row, reasons),
        calendars=[] if row.schedule is None else list(row.schedule.calendars),
        late=row.is_late(now),
        collapsed=models.Collapsed(count=row.count, every_seconds=row.every)
        if row.count > 1
        else None,
        **(outlook._asdict() | {"next_blackout": blackout}),
    )


def as_reason(reason: explain.Reason, zone: ZoneInfo, near: float) -> models.Reason:
    """Return *reason* as data and, for the due time *near* in epoch seconds, in words."""
    times = {
        "start": zones.to_datetime_or_none(reason.start),
        "end": zones.to_datetime_or_none(reason.end),
    }
    return models.Reason(**{**asdict(reason), **times}, text=reason.text(zone, near, alone=True))


def edges(since: float, until: float, zone: ZoneInfo | None) -> list[float]:
    """Return where hours, or with a *zone* its days, begin in ``[since, until)``.

    The last item is where the last of them ends. All are in epoch seconds.
    """
    if zone is None:
        return [*(since + _HOUR * n for n in range(-int(-(until - since) // _HOUR))), until]
    instants = [since]
    day = datetime.fromtimestamp(since, UTC).astimezone(zone).date()
    while instants[-1] < until:
        day += timedelta(days=1)
        instants.append(min(zones.local_instant(day, 0, zone), until))
    return instants


@dataclass(slots=True)
class _Count:
    """What starts in one hour or on one day."""

    runs: int = 0
    often: int = 0
    moved: int = 0
    running: int = 0
    failed: int = 0
    skipped: int = 0
    # By DAG: when it starts first, in epoch seconds, and how often it starts.
    first: dict[str, float] = field(default_factory=dict)
    by_dag: Counter[str] = field(default_factory=Counter)

    def add(self, row: RunRow, *, often: bool) -> None:
        if row.start is None or row.state == "skipped":
            self.skipped += 1
            return
        self.runs += 1
        self.often += often
        self.moved += row.placed.outcome in _MOVED
        self.running += row.state == "running"
        self.failed += row.state == "failed"
        dag_id = row.dag.dag_id
        self.first.setdefault(dag_id, row.start)
        self.by_dag[dag_id] += 1


def counts(
    session: Session,
    readable: Collection[str],
    filters: Filters,
    edges: list[float],
    now: float,
    runs_of: Collection[str] | None,
) -> bytes:
    """Return ``models.Counts`` of the *readable* DAGs that *filters* let through, as JSON.

    Runs are counted between neighbouring *edges*; these and *now* are in epoch seconds. Existing
    runs are counted only of the DAGs *runs_of*, or of all where that is ``None``.
    """

    def write(dags: list[Dag], schedules: dict[str, Schedule]) -> bytes:
        names = {dag.dag_id: dag for dag in dags}
        tallies = [_Count() for _ in edges[1:]]
        told_until = filters.until
        counted_ids: list[str] = []
        with time_budget.share(time_budget.PLANNING):
            for part in rows_by_dag(session, dags, schedules, filters, now, runs_of, _MOST_TICKS):
                rows = [
                    row
                    for row in part.rows
                    if filters.since <= row.at < filters.until and passes(row, filters)
                ]
                for stretch in stretches(rows):
                    often = is_often(stretch)
                    for row in stretch:
                        tallies[bisect_right(edges, row.at) - 1].add(row, often=often)
                if rows:
                    counted_ids.append(rows[0].dag.dag_id)
                told_until = min(told_until, part.told_until)
        entries = [
            _as_count(*of, told_until, names) for of in zip(tallies, edges, edges[1:], strict=False)
        ]
        answer = models.Counts(
            counts=entries, dag_ids=counted_ids[:_MOST_DAGS], paused_dags=paused_among(dags)
        )
        return answer.model_dump_json().encode()

    return cached_answer(session, readable, filters, now, runs_of, write, tuple(edges))


def _as_count(
    count: _Count, start: float, end: float, told_until: float, dags: dict[str, Dag]
) -> models.Count:
    long = end - start > _HOUR
    first = sorted(count.first, key=count.first.__getitem__)[:_DAGS_NAMED_A_DAY] if long else []
    return models.Count(
        start=zones.to_datetime(start),
        end=zones.to_datetime(end),
        runs=count.runs,
        often=count.often,
        moved=count.moved,
        running=count.running,
        failed=count.failed,
        skipped=count.skipped,
        at_least=end > told_until,
        dags=[
            models.DagCount(dag_id=i, dag_display_name=dags[i].name, runs=count.by_dag[i])
            for i in first
        ],
        more_dags=len(count.by_dag) - len(first) if long else 0,
    )
