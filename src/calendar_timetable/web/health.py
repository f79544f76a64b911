"""How the calendars are doing: what the DAGs use, and what this host's cache knows of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from calendar_timetable.calendars.health import Health, health_of
from calendar_timetable.calendars.occurrences import Problem
from calendar_timetable.planning.timesets import Feed
from calendar_timetable.web import models, records
from calendar_timetable.web.schedules import read_schedules

MOST_PROBLEMS = 50


@dataclass
class _Use:
    feed: Feed | None = None
    dag_ids: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)


def calendars(session: Session, readable: Collection[str], *, limit: int, offset: int) -> models.Calendars:
    """The calendars of the *readable* DAGs, by label; "unknown" where this host has not read them."""
    dag_ids = [dag.dag_id for dag in records.read_dags(session, readable)]
    uses: dict[tuple[str, str], _Use] = {}
    for dag_id, schedule in read_schedules(session, dag_ids).items():
        for used in schedule.carried.calendars if schedule.carried else ():
            use = uses.setdefault((used.label, used.feed.key if used.feed else ""), _Use())
            # Of DAGs that see it in different ways, the strictest: it is the first to be held.
            if use.feed is None or (used.feed is not None and used.feed.max_stale < use.feed.max_stale):
                use.feed = used.feed
            use.dag_ids.add(dag_id)
            use.roles.add(used.role)
    shown = sorted(uses.items())[offset : offset + limit]
    found = [_told(label, use) for (label, _), use in shown]
    return models.Calendars(calendars=found, total_entries=len(uses), truncated=offset + len(shown) < len(uses))


def _told(label: str, use: _Use) -> models.CalendarHealth:
    known = health_of(use.feed.key, use.feed.max_stale) if use.feed and use.feed.key else None
    told = models.CalendarHealth(
        label=label,
        status="unknown",
        dag_ids=sorted(use.dag_ids),
        roles=sorted(use.roles),
        on_unavailable=use.feed.on_unavailable if use.feed else None,
        max_stale_seconds=use.feed.max_stale if use.feed else None,
    )
    return told if known is None else told.model_copy(update=_facts(known))


def _facts(health: Health) -> dict[str, object]:
    return {
        "status": health.status,
        "read_at": health.read_at,
        "checked_at": health.checked_at,
        # In whole minutes, so that the answer stays the same for a while.
        "age_seconds": None if health.age is None else int(health.age.total_seconds() // 60 * 60),
        "next_retry": health.next_retry,
        "error": health.error,
        "events": health.events,
        "problems": [_problem(problem) for problem in sorted(health.problems, key=_over)[:MOST_PROBLEMS]],
    }


def _problem(problem: Problem) -> models.Problem:
    return models.Problem(
        uid=problem.uid or "",
        reason=problem.reason,
        start=problem.start,
        end=problem.end,
        counted=problem.counted,
        matters=not _over(problem),
    )


def _over(problem: Problem) -> bool:
    return not problem.matters(datetime.now(UTC))
