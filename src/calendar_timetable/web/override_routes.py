"""The routes of what closes time for a whole deployment, and of what passes that.

These are freezes, exemptions from them, and the list of runs that started in closed time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from typing import Annotated, Literal

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Query, Request, Response
from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable.config import reason_required
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, members
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeSet, unexempted
from calendar_timetable.runs import database, exemption_store
from calendar_timetable.runs.exemptions import MOST, Exemption
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.schedule.deployment_rules import DeploymentRule, rules
from calendar_timetable.web import models, override_list
from calendar_timetable.web.access import (
    Readable,
    ReadableDag,
    allowed,
    api_router,
    asked_by_us,
    may_edit,
)
from calendar_timetable.web.answers import Limit, Offset, answer, wrong
from calendar_timetable.web.routes import Moment, Wanted, bounded_range, near

_PAST = timedelta(days=30)
_AROUND = 62 * DAY  # seconds: a freeze that began or ends further off is open at that end
_MOST_FREEZES = 20  # that are told

router = api_router()


def past_range(start: Moment = None, end: Moment = None) -> tuple[float, float]:
    """Return ``[start, end)`` in epoch seconds: the last 30 days until now, unless given."""
    high = near("end", end) if end else clock.utc() + timedelta(seconds=1)
    return bounded_range(near("start", start) if start else high - _PAST, high)


@router.get("/overrides", response_model=models.Overrides)
def overrides(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    wanted: Wanted,
    between: Annotated[tuple[float, float], Depends(past_range)],
    format: Annotated[  # noqa: A002
        Literal["json", "csv"] | None, Query(description="Or by the header Accept")
    ] = None,
    limit: Limit = 500,
    offset: Offset = 0,
) -> Response:
    """What passed closed time, newest first: runs by hand, runs that ignore calendars, exemptions; who, when, why.

    Of the DAGs whose runs the user may read. Without *start* and *end*: the last 30 days.
    """
    runs_of = allowed(user, session, wanted, DagAccessEntity.RUN)
    page = override_list.listed(session, runs_of, *between, limit=limit, offset=offset)
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        if page.truncated and offset == 0:
            # A table cannot say that it is not whole.
            raise wrong("start", "there is more than this: give a shorter time, or a higher limit")
        return Response(
            override_list.as_csv(page),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="overrides.csv"'},
        )
    return answer(request, page)


@router.get("/freezes", response_model=models.Freezes)
def freezes_now(
    request: Request, session: SessionDep, readable: Readable, wanted: Wanted
) -> Response:
    """Blackouts of the whole deployment that are in force, or are next and begin within a day.

    Those that hold any DAG that the user may read, or any of each *dag_id*.
    """
    return answer(request, freezes_of(session, readable, wanted))


@router.get("/dags/{dag_id}/exemption", response_model=models.ExemptionOf)
def exemption(
    request: Request, session: SessionDep, user: GetUserDep, dag_id: ReadableDag
) -> Response:
    """Whether a DAG is exempt from the rules of the deployment, and which of these hold for it."""
    grant = exemption_store.in_force(session).get(dag_id)
    may_read = bool(allowed(user, session, [dag_id], DagAccessEntity.RUN))
    return answer(
        request,
        models.ExemptionOf(
            exemption=None if grant is None else _as_exemption(grant, may_read=may_read),
            rules=rules_for(session, dag_id),
            may_exempt=may_edit(user, session, dag_id),
        ),
    )


def editable_dag(dag_id: ReadableDag, user: GetUserDep, session: SessionDep) -> str:
    """Return *dag_id* of the path, or answer 403 where the user may not edit that DAG."""
    if not may_edit(user, session, dag_id):
        raise HTTPException(403, "Only people who may edit this DAG may exempt it")
    return dag_id


EditableDag = Annotated[str, Depends(editable_dag)]


@router.post("/dags/{dag_id}/exemption", status_code=201, dependencies=[Depends(asked_by_us)])
def exempt(
    session: SessionDep, user: GetUserDep, dag_id: EditableDag, asked: models.Exempt
) -> models.Exemption:
    """Exempt a DAG from the rules of the deployment until a time, with a reason. It ends by itself."""
    try:
        grant = exemption_store.grant(session, dag_id, asked.until, user, asked.reason)
    except exemption_store.TooManyExemptions:
        raise HTTPException(409, f"{MOST} DAGs are exempt already: end one first") from None
    return _as_exemption(grant, may_read=True)


@router.delete("/dags/{dag_id}/exemption", status_code=204, dependencies=[Depends(asked_by_us)])
def end_exemption(session: SessionDep, user: GetUserDep, dag_id: EditableDag) -> None:
    """End the exemption of a DAG, if it has one."""
    exemption_store.end(session, dag_id, user)


def _as_exemption(grant: Exemption, *, may_read: bool) -> models.Exemption:
    return models.Exemption(
        since=zones.to_datetime(grant.since),
        until=zones.to_datetime(grant.until),
        who=grant.by if may_read else None,
        reason=grant.why if may_read else None,
    )


def freezes_of(
    session: Session, readable: Collection[str], dag_ids: Collection[str]
) -> models.Freezes:
    """Return the blackouts that hold any of the DAGs *dag_ids* now, or will within a day.

    What they are is known from the schedules of the *readable* DAGs, which carry them. No calendar
    is read.
    """
    try:
        required = reason_required()
    except InvalidArgument:  # gates say so, and refuse
        required = True
    blackout_rules = [rule for rule in rules() if rule.blackout_set is not None]
    freezes: list[models.Freeze] = []
    if blackout_rules:
        now = clock.now()
        dags = database.read_dags(session, readable)
        parts = _blackouts_by_name(read_schedules(session, [dag.dag_id for dag in dags]))
        exempt = exemption_store.in_force(session)
        for rule in blackout_rules:
            held_ids = [
                dag.dag_id
                for dag in dags
                if dag.dag_id in dag_ids and rule.names(dag.dag_id, dag.tags, dag.owners)
            ]
            labels = dict.fromkeys(map(str, members(rule.blackout_set))) if held_ids else ()
            for label in labels:
                freeze = _freeze(rule, label, parts.get(label, ()), now)
                if freeze is not None:
                    freeze.exempted = len(exempt.keys() & held_ids)
                    freeze.dags = len(held_ids) - freeze.exempted
                    freezes.append(freeze)
    freezes.sort(key=lambda f: (not f.in_force, f.start, f.label))
    return models.Freezes(freezes=freezes[:_MOST_FREEZES], reason_required=required)


def rules_for(session: Session, dag_id: str) -> list[str]:
    """Return what the rules of the deployment close or open for the DAG, in words."""
    deployment_rules = rules()
    mine = database.read_dags(session, [dag_id]) if deployment_rules else []
    return [
        text
        for dag in mine
        for rule in deployment_rules
        if rule.names(dag.dag_id, dag.tags, dag.owners)
        for text in (
            *(f"not {member}" for member in members(rule.blackout_set)),
            *([] if rule.window_set is None else [str(rule.window_set)]),
        )
    ]


def _blackouts_by_name(schedules: dict[str, Schedule]) -> dict[str, set[TimeSet]]:
    """Return what schedules carry of each blackout, by its name."""
    parts: dict[str, set[TimeSet]] = defaultdict(set)
    for schedule in schedules.values():
        if schedule.compiled is not None:
            for member in map(unexempted, members(schedule.compiled.blackouts)):
                parts[str(member)].add(member)
    return parts


def _freeze(
    rule: DeploymentRule, label: str, parts: Collection[TimeSet], now: float
) -> models.Freeze | None:
    """Return the freeze that is in force, else the next one within a day, if there is one.

    Each DAG carries a part of it; how many it holds is not told yet.
    """
    low, high = int(now) - _AROUND, int(now) + _AROUND
    spans = Spans(pair for part in parts for pair in part.cover(low, high))
    at: float | None = now if now in spans else spans.next_start(now)
    if at is None or at > now + DAY:
        return None
    start, end = spans.start_of_span(at), spans.end_of_span(at)
    assert start is not None, "it is one of the spans"
    assert end is not None, "every span has an end"
    titles = (m.title_at(at) for m in parts if isinstance(m, CalendarSpans))
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
