"""Blackouts of the whole deployment: what is in force, for which DAGs, and what passes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from calendar_timetable.config import reason_required
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, members
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, unexempted
from calendar_timetable.runs import database, granting
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.schedule.deployment_rules import DeploymentRule, rules
from calendar_timetable.web import models

_AROUND = 62 * DAY  # seconds: a freeze that began or ends further off is open at that end
MOST = 20  # freezes that are told


def of_deployment(
    session: Session, readable: Collection[str], wanted: Collection[str]
) -> models.Freezes:
    """Return the blackouts that hold any of the *wanted* DAGs now, or will within a day.

    What they are is known from the schedules of the *readable* DAGs, which carry them. No calendar
    is read.
    """
    try:
        required = reason_required()
    except InvalidArgument:  # gates say so, and refuse
        required = True
    given = [rule for rule in rules() if rule.blackout_set is not None]
    found: list[models.Freeze] = []
    if given:
        now = datetime.now(UTC).timestamp()
        dags = database.read_dags(session, readable)
        known = _known(read_schedules(session, [dag.dag_id for dag in dags]))
        exempt = granting.in_force(session)
        for rule in given:
            held = [
                dag.dag_id
                for dag in dags
                if dag.dag_id in wanted and rule.names(dag.dag_id, dag.tags, dag.owners)
            ]
            labels = dict.fromkeys(map(str, members(rule.blackout_set))) if held else ()
            for label in labels:
                freeze = _freeze(rule, label, known.get(label, ()), now)
                if freeze is not None:
                    freeze.exempted = len(exempt.keys() & held)
                    freeze.dags = len(held) - freeze.exempted
                    found.append(freeze)
    found.sort(key=lambda one: (not one.in_force, one.start, one.label))
    return models.Freezes(freezes=found[:MOST], reason_required=required)


def rules_for(session: Session, dag_id: str) -> list[str]:
    """Return what the rules of the deployment close or open for the DAG, in words."""
    given = rules()
    mine = database.read_dags(session, [dag_id]) if given else []
    return [
        text
        for dag in mine
        for rule in given
        if rule.names(dag.dag_id, dag.tags, dag.owners)
        for text in (
            *(f"not {member}" for member in members(rule.blackout_set)),
            *([] if rule.window_set is None else [str(rule.window_set)]),
        )
    ]


def _known(schedules: dict[str, Schedule]) -> dict[str, set[TimeSet]]:
    """Return what schedules carry of each blackout, by its name."""
    known: dict[str, set[TimeSet]] = defaultdict(set)
    for schedule in schedules.values():
        if schedule.compiled is not None:
            for member in map(unexempted, members(schedule.compiled.blackouts)):
                known[str(member)].add(member)
    return known


def _freeze(
    rule: DeploymentRule, label: str, known: Collection[TimeSet], now: float
) -> models.Freeze | None:
    """Return the freeze that is in force, else the next one within a day, if there is one.

    Each DAG carries a part of it; how many it holds is not told yet.
    """
    low, high = int(now) - _AROUND, int(now) + _AROUND
    spans = Spans(pair for member in known for pair in member.cover(low, high))
    at: float | None = now if now in spans else spans.next_start(now)
    if at is None or at > now + DAY:
        return None
    start, end = spans.start_of_span(at), spans.end_of_span(at)
    assert start is not None, "it is one of the spans"
    assert end is not None, "every span has an end"
    titles = (m.title_at(at) for m in known if isinstance(m, CalendarSpans))
    return models.Freeze(
        label=label,
        title=next((title for title in titles if title), None),
        start=zones.to_datetime(start),
        end=None if end >= high else zones.to_datetime(end),
        in_force=at == now,
        dags=0,
        exempted=0,
        exempt_tags=sorted(rule.exempt_tags),
        by_hand=rule.apply_to == "scheduled",
    )
