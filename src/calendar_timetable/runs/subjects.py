"""Which DAGs a blackout of the whole deployment would hold for, and as what schedules."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import Policy, Tick
from calendar_timetable.runs import exemption_store
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.deadlines import read_deadlines
from calendar_timetable.runs.exemptions import Exemption
from calendar_timetable.runs.impact import Impact, PlannedBlackout, Subject, impact_of
from calendar_timetable.runs.listing import run_lengths
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.schedule.compiled import CompiledSchedule
from calendar_timetable.schedule.deployment_rules import (
    DeploymentRule,
    has_due_times,
    rules_of_blackouts,
)

_log = logging.getLogger(__name__)


class Concerned(NamedTuple):
    """The DAGs that a blackout would hold for.

    *subjects* have planned runs. The DAGs *waiting* have no due times: their tasks would wait. The
    schedules of the DAGs *unread* cannot be read. *exempt* has the exemptions in force.
    """

    subjects: list[Subject]
    waiting: list[str]
    unread: list[str]
    exempt: dict[str, Exemption]


def concerned(
    session: Session,
    dags: Sequence[Dag],
    runs_of: Collection[str] | None = None,
    calendar: str | None = None,
    *,
    paused: bool = False,
) -> Concerned:
    """Return those of *dags* that a blackout of this deployment would hold for.

    These are the DAGs that its rules with blackouts hold for, or those with the blackouts of the
    one *calendar*; every DAG without an exempt tag where there are no such rules. Paused DAGs,
    whose runs do not start, are left out unless *paused*. How long runs take is told for the DAGs
    *runs_of*, or for all where that is ``None``.
    """
    rules = rules_of_blackouts(calendar)
    mine = {
        dag.dag_id: holding
        for dag in dags
        if (paused or not dag.paused)
        and (holding := [r for r in rules if r.names(dag.dag_id, dag.tags, dag.owners)])
    }
    schedules = read_schedules(session, list(mine))
    lengths = run_lengths(
        session, schedules, [dag_id for dag_id in mine if runs_of is None or dag_id in runs_of]
    )
    deadlines = read_deadlines(session, list(mine))
    always = OpenTime(None, None, None)
    unread = [dag_id for dag_id in mine if dag_id not in schedules]
    scope = Concerned([], [], unread, exemption_store.in_force(session))
    for dag in dags:
        schedule = schedules.get(dag.dag_id)
        if schedule is None:
            continue
        holding = mine[dag.dag_id]
        try:
            timed = schedule.compiled is not None or _has_due_times(schedule)
        except Exception:  # noqa: BLE001
            # As of a timetable whose plugin is not here. It must not take all others away.
            _log.warning("The schedule of DAG %s cannot be read", dag.dag_id, exc_info=True)
            scope.unread.append(dag.dag_id)
            continue
        if not timed:
            if not schedule.only_by_hand or any(rule.apply_to == "all" for rule in holding):
                scope.waiting.append(dag.dag_id)
            continue
        if schedule.by_assets_too:
            scope.waiting.append(dag.dag_id)
        compiled = _as_held(schedule, holding, always)
        if dag.stored is None or compiled.held:
            continue
        stored = dag.stored
        due = stored.interval_end if schedule.compiled is not None else stored.start
        scope.subjects.append(
            Subject(
                dag,
                compiled,
                Tick(due, stored.interval_start, stored.interval_end),
                schedule.restriction,
                lengths.get(dag.dag_id),
                deadlines.get(dag.dag_id, ()),
            )
        )
    return scope


def impact_on(concerned: Concerned, period: PlannedBlackout, now: float) -> Impact:
    """Return what the blackout *period* would do, as seen at *now*."""
    exempt = {
        exemption.dag_id
        for exemption in concerned.exempt.values()
        if exemption.since <= period.start and period.end <= exemption.until
    }
    moved = [subject for subject in concerned.subjects if subject.dag.dag_id not in exempt]
    impact = impact_of(moved, period, now)
    impact.waiting, impact.unread = concerned.waiting, concerned.unread
    return impact


def _as_held(
    schedule: Schedule, rules: Sequence[DeploymentRule], always: OpenTime
) -> CompiledSchedule:
    """Return *schedule* as *rules* would have it: see ``runtime/deployment.py``."""
    if schedule.compiled is not None:
        return schedule.compiled
    delay = max(rule.max_delay for rule in rules)
    compiled = CompiledSchedule(
        schedule.data, schedule.timezone, Policy(max_delay=int(delay.total_seconds()))
    )
    compiled.ticks, compiled.open_time = schedule.ticks, always
    return compiled


def _has_due_times(schedule: Schedule) -> bool:
    if schedule.ticks.is_cron:
        return True
    return has_due_times(schedule.timetable)
