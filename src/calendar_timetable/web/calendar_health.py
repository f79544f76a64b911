"""How the calendars are doing that DAGs use, as far as this host's cache knows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable.calendars.feed import cache
from calendar_timetable.calendars.feed.health import Health, health_of
from calendar_timetable.calendars.occurrences import Problem, digest_of_uid
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.planning.time_sets import CalendarSpans, Feed, leaves
from calendar_timetable.runs import database
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.web import models

MOST_PROBLEMS = 50


@dataclass
class _Use:
    feed: Feed | None = None
    dag_ids: set[str] = field(default_factory=set)
    roles: set[str] = field(default_factory=set)
    titled: bool = False  # whether some DAG that the viewer may read shows its titles


def calendars(
    session: Session, readable: Collection[str], *, limit: int, offset: int
) -> models.Calendars:
    """Return the calendars of the *readable* DAGs, by label.

    Their status is "unknown" where this host has not read them.
    """
    dag_ids = [dag.dag_id for dag in database.read_dags(session, readable)]
    uses: dict[tuple[str, str], _Use] = {}
    for dag_id, schedule in read_schedules(session, dag_ids).items():
        titled = _titled(schedule)
        for calendar in schedule.compiled.calendars if schedule.compiled else ():
            use = uses.setdefault(
                (calendar.label, calendar.feed.key if calendar.feed else ""), _Use()
            )
            # Of DAGs that give it different options the strictest counts: it is held first.
            if use.feed is None or (
                calendar.feed is not None and calendar.feed.max_stale < use.feed.max_stale
            ):
                use.feed = calendar.feed
            use.dag_ids.add(dag_id)
            use.roles.add(calendar.role)
            use.titled = use.titled or calendar.feed in titled
    page = sorted(uses.items())[offset : offset + limit]
    try:
        files = cache.files()
    except InvalidArgument:
        # The cache folder cannot be trusted, so nothing in it is believed.
        files = {}
    return models.Calendars(
        calendars=[_as_model(label, use, files) for (label, _), use in page],
        total_entries=len(uses),
        truncated=offset + len(page) < len(uses),
    )


def _as_model(label: str, use: _Use, files: dict[str, list[Path]]) -> models.CalendarHealth:
    feed = use.feed if use.feed and use.feed.key in files else None
    health = None if feed is None else health_of(feed.key, feed.max_stale, files[feed.key])
    answer = models.CalendarHealth(
        label=label,
        status="unknown",
        dag_ids=sorted(use.dag_ids),
        roles=sorted(use.roles),
        on_unavailable=use.feed.on_unavailable if use.feed else None,
        max_stale_seconds=use.feed.max_stale if use.feed else None,
    )
    return answer if health is None else answer.model_copy(update=_facts(health, titled=use.titled))


def _facts(health: Health, *, titled: bool) -> dict[str, object]:
    return {
        "status": health.status,
        "read_at": health.read_at,
        "checked_at": health.checked_at,
        # In whole minutes, so that the answer stays the same for a while.
        "age_seconds": None if health.age is None else int(health.age.total_seconds() // 60 * 60),
        "next_retry": health.next_retry,
        "error": health.error,
        "events": health.events,
        "problems": [
            _problem(problem, titled=titled)
            for problem in sorted(health.problems, key=_over)[:MOST_PROBLEMS]
        ],
    }


def _problem(problem: Problem, *, titled: bool) -> models.Problem:
    return models.Problem(
        uid=on_one_line(problem.uid) if titled else digest_of_uid(problem.uid),
        reason=problem.reason,
        start=problem.start,
        end=problem.end,
        counted=problem.counted,
        matters=not _over(problem),
    )


def _over(problem: Problem) -> bool:
    """Tell whether the time that *problem* may concern has passed."""
    return not problem.is_current(clock.utc())


def _titled(schedule: Schedule) -> list[Feed | None]:
    """Return the feeds whose titles travel in *schedule*: their UIDs may be shown as well."""
    compiled = schedule.compiled
    sets = (compiled.windows, compiled.blackouts) if compiled else ()
    members = (leaf for timeset in sets if timeset is not None for leaf in leaves(timeset))
    return [leaf.feed for leaf in members if isinstance(leaf, CalendarSpans) and leaf.titles]
