"""The REST API of the page, under ``/calendar-timetable/api``; every route needs a login."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Query, Request, Response

from calendar_timetable import clock
from calendar_timetable._version import __version__
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import listing
from calendar_timetable.runs.listing import Filters
from calendar_timetable.web import calendar_health, models, run_list
from calendar_timetable.web.access import Readable, ReadableDag, allowed, api_router, asked_by_us
from calendar_timetable.web.answers import Limit, Offset, answer, wrong
from calendar_timetable.web.plan import May, plan_of, what_if
from calendar_timetable.web.store import has_table
from calendar_timetable.web.time_spans import spans

MOST_RANGE_DAYS = 100
MOST_DAYS_BY_HOUR = 15
MOST_AWAY = timedelta(days=2 * 366)  # from now; nothing is worked out that is further off
_WEEK = timedelta(days=7)


api = api_router()
Names = Annotated[list[str] | None, Query(max_length=500)]
Moment = Annotated[datetime | None, Query(description="ISO 8601; without an offset, UTC")]


def time_range(start: Moment = None, end: Moment = None) -> tuple[float, float]:
    """Return ``[start, end)`` in epoch seconds: from now and for a week, unless given."""
    low = near("start", start) if start else clock.utc().replace(second=0, microsecond=0)
    return bounded_range(low, near("end", end) if end else low + _WEEK)


def bounded_range(low: datetime, high: datetime) -> tuple[float, float]:
    """Return ``[low, high)`` in epoch seconds, or answer 422 where that is empty or too long."""
    if not low < high <= low + timedelta(days=MOST_RANGE_DAYS):
        remedy = f"give a time after start, {low:%Y-%m-%dT%H:%MZ}, and at most {MOST_RANGE_DAYS} days after it"
        raise wrong("end", f"{high:%Y-%m-%dT%H:%MZ} cannot be the end: {remedy}")
    return zones.to_instant(low), zones.to_instant(high)


def near(field: str, moment: datetime) -> datetime:
    """Return *moment* in UTC, or answer 422 where it is too far from now."""
    now = clock.utc()
    first, last = now - MOST_AWAY, now + MOST_AWAY
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    # Checked before it is converted to UTC, which fails in the first and last years there are.
    if not first <= moment <= last:
        remedy = f"give a time from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
        raise wrong(field, f"{moment.isoformat()} is more than two years away: {remedy}")
    return moment.astimezone(UTC)


TimeRange = Annotated[tuple[float, float], Depends(time_range)]


def wanted_dags(readable: Readable, dag_id: Names = None) -> Collection[str]:
    """Return the ids of the DAGs that are asked about, of those that the user may read."""
    return listing.asked_of(readable, dag_id)


Wanted = Annotated[Collection[str], Depends(wanted_dags)]


def run_filters(
    between: TimeRange,
    dag_id: Names = None,
    tag: Names = None,
    owner: Names = None,
    state: Annotated[
        list[models.StateOrMove] | None, Query(description="Or how calendars moved a run")
    ] = None,
    calendar: Names = None,
    moved: Annotated[
        bool, Query(description="Only runs that do not simply start when due")
    ] = False,
    paused: Annotated[
        bool, Query(description="Also what is planned of paused DAGs, which does not start")
    ] = False,
) -> Filters:
    """Return which runs are asked about; a parameter that repeats means any of its values."""
    return Filters(
        *between,
        dag_ids=tuple(dag_id or ()),
        tags=tuple(tag or ()),
        owners=tuple(owner or ()),
        states=tuple(state or ()),
        calendars=tuple(calendar or ()),
        moved=moved,
        paused=paused,
    )


Asked = Annotated[Filters, Depends(run_filters)]


@api.get("/runs", response_model=models.Runs)
def runs(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    wanted: Wanted,
    asked: Asked,
    limit: Limit = 500,
    offset: Offset = 0,
) -> Response:
    """Runs that exist, that are planned, and due times that do not run, by start; of every schedule, not only ours.

    A DAG that runs more often than hourly has one row for each stretch of a day. Without *start*
    and *end*: a week from now. ``truncated`` tells that there are more than are told. Runs that
    exist are told of DAGs whose runs the user may read.
    """
    runs_of = allowed(user, session, wanted, DagAccessEntity.RUN)
    page = replace(asked, limit=limit, offset=offset)
    return answer(request, run_list.list_runs(session, wanted, page, clock.now(), runs_of))


def zone_named(timezone: str) -> ZoneInfo:
    """Return the IANA zone *timezone*, or answer 422 where there is none."""
    try:
        return zones.load_zone(timezone)
    except InvalidArgument:
        raise wrong(
            "timezone", f"{timezone!r} is not a time zone: give an IANA name such as Europe/Berlin"
        ) from None


def hours_or_days(
    between: TimeRange,
    by: Annotated[Literal["hour", "day"], Query(description="What is counted together")] = "day",
    timezone: Annotated[
        str, Query(max_length=100, description="IANA zone whose days these are")
    ] = "UTC",
) -> list[float]:
    """Return the instants between which runs are counted, in epoch seconds.

    They are where each hour, or day of the zone *timezone*, begins, and where the last one ends.
    """
    zone = zone_named(timezone)
    if by == "hour" and between[1] - between[0] > MOST_DAYS_BY_HOUR * DAY:
        raise wrong(
            "by",
            f"'hour' is too much for this range: give at most {MOST_DAYS_BY_HOUR} days, or 'day'",
        )
    return run_list.edges(*between, None if by == "hour" else zone)


@api.get("/counts", response_model=models.Counts)
def counts(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    wanted: Wanted,
    asked: Asked,
    edges: Annotated[list[float], Depends(hours_or_days)],
) -> Response:
    """How many runs start in each hour, or on each day, of the range: where there are too many for a list.

    Every hour or day is told. Where there was no time to count all of its runs, ``at_least`` says
    so.
    """
    runs_of = allowed(user, session, wanted, DagAccessEntity.RUN)
    return answer(request, run_list.counts(session, wanted, asked, edges, clock.now(), runs_of))


@api.get("/choices", response_model=models.Choices)
def choices(request: Request, session: SessionDep, readable: Readable) -> Response:
    """The DAGs, tags, owners and calendars by which runs can be filtered."""
    return answer(request, run_list.choices(session, readable))


def viewer_may(dag_id: ReadableDag, user: GetUserDep, session: SessionDep) -> May:
    """Return what the user may see of a DAG besides that it exists."""
    runs, code = (
        bool(allowed(user, session, [dag_id], e))
        for e in (DagAccessEntity.RUN, DagAccessEntity.CODE)
    )
    return May(runs, code)


ViewerMay = Annotated[May, Depends(viewer_may)]


@api.get("/dags/{dag_id}/plan", response_model=models.Plan)
def plan(
    request: Request,
    session: SessionDep,
    dag_id: ReadableDag,
    may: ViewerMay,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Response:
    """What becomes of a DAG's next due times, and its schedule as Python."""
    dag_plan = plan_of(session, dag_id, limit, clock.now(), may)
    if dag_plan is None:
        raise HTTPException(404, "There is no such DAG")
    return answer(request, dag_plan)


@api.post(
    "/dags/{dag_id}/what-if",
    name="what_if",
    response_model=models.WhatIfPlan,
    dependencies=[Depends(asked_by_us)],
)
def compare_plans(
    session: SessionDep,
    dag_id: ReadableDag,
    may: ViewerMay,
    body: models.WhatIf,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> models.WhatIfPlan:
    """The plan under other arguments, beside the one in force. Changes nothing."""
    comparison = what_if(session, dag_id, body, limit, clock.now(), may)
    if comparison is None:
        raise HTTPException(404, "There is no such DAG, or its schedule is not a CalendarTimetable")
    return comparison


@api.get("/time-sets", response_model=models.TimeSpans)
def time_sets(
    request: Request,
    session: SessionDep,
    wanted: Wanted,
    between: TimeRange,
    limit: Limit = 2000,
    offset: Offset = 0,
) -> Response:
    """Windows and blackouts of the DAGs that the user may read."""
    return answer(request, spans(session, wanted, *between, limit=limit, offset=offset))


@api.get("/calendars", response_model=models.Calendars)
def calendars(
    request: Request, session: SessionDep, wanted: Wanted, limit: Limit = 500, offset: Offset = 0
) -> Response:
    """How the calendars are doing that the DAGs use which the user may read."""
    return answer(request, calendar_health.calendars(session, wanted, limit=limit, offset=offset))


@api.get("/me", response_model=models.Me)
def me(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """Who asks, and what they may do."""
    base_url = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return answer(
        request,
        models.Me(
            username=user.get_name(),
            can={"subscribe": has_table(session)},
            base_url=base_url,
            timezone_default=zones.default_zone(),
            version=__version__,
        ),
    )


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: Request) -> Response:
    """Return the description of this API."""
    return answer(request, json.dumps(request.app.openapi()).encode())
