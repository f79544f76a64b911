"""The routes of what passes closed time: the list of it, exemptions, and freezes in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Query, Request, Response

from calendar_timetable.planning import zones
from calendar_timetable.runs import granting
from calendar_timetable.runs.exemptions import MOST, Exemption
from calendar_timetable.web import freezes, models, override_list
from calendar_timetable.web.access import (
    Readable,
    ReadableDag,
    allowed,
    api_router,
    asked_by_us,
    may_edit,
)
from calendar_timetable.web.models import Limit, Offset, answer, wrong
from calendar_timetable.web.routes import Moment, Wanted, bounded_range, near

_PAST = timedelta(days=30)

router = api_router()


def past_range(start: Moment = None, end: Moment = None) -> tuple[float, float]:
    """Return ``[start, end)`` in epoch seconds: the last 30 days until now, unless given."""
    high = near("end", end) if end else datetime.now(UTC) + timedelta(seconds=1)
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
    found = override_list.listed(session, runs_of, *between, limit=limit, offset=offset)
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        if found.truncated and offset == 0:
            # A table cannot say that it is not whole.
            raise wrong("start", "there is more than this: give a shorter time, or a higher limit")
        return Response(
            override_list.as_csv(found),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="overrides.csv"'},
        )
    return answer(request, found)


@router.get("/freezes", response_model=models.Freezes)
def freezes_now(
    request: Request, session: SessionDep, readable: Readable, wanted: Wanted
) -> Response:
    """Blackouts of the whole deployment that are in force, or are next and begin within a day.

    Those that hold any DAG that the user may read, or any of each *dag_id*.
    """
    return answer(request, freezes.of_deployment(session, readable, wanted))


@router.get("/dags/{dag_id}/exemption", response_model=models.ExemptionOf)
def exemption(
    request: Request, session: SessionDep, user: GetUserDep, dag_id: ReadableDag
) -> Response:
    """Whether a DAG is exempt from the rules of the deployment, and which of these hold for it."""
    found = granting.in_force(session).get(dag_id)
    may_read = bool(allowed(user, session, [dag_id], DagAccessEntity.RUN))
    told = models.ExemptionOf(
        exemption=None if found is None else _told(found, may_read=may_read),
        rules=freezes.rules_for(session, dag_id),
        may_exempt=may_edit(user, session, dag_id),
    )
    return answer(request, told)


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
        made = granting.grant(session, dag_id, asked.until, user, asked.reason)
    except granting.TooManyExemptions:
        raise HTTPException(409, f"{MOST} DAGs are exempt already: end one first") from None
    return _told(made, may_read=True)


@router.delete("/dags/{dag_id}/exemption", status_code=204, dependencies=[Depends(asked_by_us)])
def end_exemption(session: SessionDep, user: GetUserDep, dag_id: EditableDag) -> None:
    """End the exemption of a DAG, if it has one."""
    granting.end(session, dag_id, user)


def _told(one: Exemption, *, may_read: bool) -> models.Exemption:
    return models.Exemption(
        since=zones.to_datetime(one.since),
        until=zones.to_datetime(one.until),
        who=one.by if may_read else None,
        reason=one.why if may_read else None,
    )
