"""How many runs start in each hour or on each day, for ranges with more runs than anybody reads."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from calendar_timetable.planning import zones
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, answered, concerned, paused_among, rows_by_dag, shown
from calendar_timetable.runs.rows import Row, is_often, stretches
from calendar_timetable.web import models

_HOUR = 3600
_NAMED = 4  # DAGs of a day
_MOST_DAGS = 1_000
_MOST_TICKS = 62_000  # of one DAG: six weeks of minutes
_MOVED = ("postponed", "advanced", "forced")


def edges(since: float, until: float, zone: ZoneInfo | None) -> list[float]:
    """Where hours, or with a *zone* its days, begin in ``[since, until)``, and where the last one ends."""
    if zone is None:
        return [*(since + _HOUR * n for n in range(-int(-(until - since) // _HOUR))), until]
    found = [since]
    day = datetime.fromtimestamp(since, UTC).astimezone(zone).date()
    while found[-1] < until:
        day += timedelta(days=1)
        found.append(min(zones.local_instant(day, 0, zone), until))
    return found


@dataclass(slots=True)
class _Count:
    """Of one hour or day."""

    runs: int = 0
    often: int = 0
    moved: int = 0
    running: int = 0
    failed: int = 0
    skipped: int = 0
    first: dict[str, float] = field(default_factory=dict)  # when each DAG starts, and …
    by_dag: Counter[str] = field(default_factory=Counter)  # … how often

    def add(self, row: Row, *, often: bool) -> None:
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
    """``models.Counts`` of the *readable* DAGs that *filters* let through, as JSON."""

    def work(
        session: Session, dag_ids: Collection[str], filters: Filters, now: float, runs_of: Collection[str] | None
    ) -> bytes:
        dags, schedules = concerned(session, dag_ids, filters)
        names = {dag.dag_id: dag for dag in dags}
        found = [_Count() for _ in edges[1:]]
        told_until = filters.until
        seen: list[str] = []
        with time_budget.share(time_budget.PLANNING):
            for part in rows_by_dag(session, dags, schedules, filters, now, runs_of, _MOST_TICKS):
                rows = [row for row in part.rows if filters.since <= row.at < filters.until and shown(row, filters)]
                for stretch in stretches(rows):
                    often = is_often(stretch)
                    for row in stretch:
                        found[bisect_right(edges, row.at) - 1].add(row, often=often)
                if rows:
                    seen.append(rows[0].dag.dag_id)
                if part.told_until is not None:
                    told_until = min(told_until, part.told_until)
        told = [_told(*of, told_until, names) for of in zip(found, edges, edges[1:], strict=False)]
        answer = models.Counts(counts=told, dag_ids=seen[:_MOST_DAGS], paused_dags=paused_among(dags))
        return answer.model_dump_json().encode()

    return answered(session, readable, filters, now, runs_of, work, tuple(edges))


def _told(count: _Count, start: float, end: float, told_until: float, dags: dict[str, Dag]) -> models.Count:
    long = end - start > _HOUR
    first = sorted(count.first, key=count.first.__getitem__)[:_NAMED] if long else []
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
        dags=[models.DagCount(dag_id=i, dag_display_name=dags[i].name, runs=count.by_dag[i]) for i in first],
        more_dags=len(count.by_dag) - len(first) if long else 0,
    )
