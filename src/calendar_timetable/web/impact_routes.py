"""The routes that tell what a blackout would do, find a better time, and book it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, HTTPException, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import TimeRange
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.publishing import booking
from calendar_timetable.publishing.booking import calendars_to_book
from calendar_timetable.publishing.target import PublishingFailed
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.better_times import better_times
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.impact import Kind, check_period
from calendar_timetable.runs.impact_words import as_json, told_better
from calendar_timetable.runs.subjects import Concerned, concerned, impact_on
from calendar_timetable.web import routes
from calendar_timetable.web.access import allowed, api_router, asked_by_us, may_edit_connection
from calendar_timetable.web.answers import Limit, Offset, answer, wrong
from calendar_timetable.web.subscription_routes import logged

MOST_BLACKOUT_DAYS = 31  # of a blackout, and that are searched
_MOST_TEXT = 250  # characters
_FEW = 20  # rules of a search

router = api_router()


class RunMoved(BaseModel):
    """What a blackout would do to one run; ``start`` is what it is now."""

    dag_id: str
    dag_display_name: str
    due: datetime
    kind: Kind
    start: datetime | None
    new_start: datetime | None = Field(
        description="Its start, or that of the run that does its work; null where it is skipped"
    )
    runs_with: datetime | None = Field(description="Due time of the run that does its work")
    delay_seconds: int
    misses_deadline: bool
    missed_by_seconds: int | None = Field(description="null where it would not run at all")
    uncertain: bool = Field(description="It goes by calendars that are not known so far")
    how: str = Field(description="How it is moved, as in: 4 h later")
    text: str = Field(description="The same with its due time and start, as a sentence")


class Missing(BaseModel):
    """A DAG that would miss a deadline."""

    dag_id: str
    by_seconds: int | None


class ImpactTold(BaseModel):
    """What a blackout would do to the DAGs that the user may read."""

    start: datetime
    end: datetime
    summary: str
    counts: dict[Kind, int]
    changes: list[RunMoved]
    total_entries: int
    missing: list[Missing]
    waiting_dags: list[str] = Field(description="Without due times: their tasks would wait")
    dags: int = Field(description="So many were looked at")
    untold_dags: list[str]
    truncated: bool


class BetterTime(BaseModel):
    """A time for a blackout, and what it would do."""

    start: datetime
    end: datetime
    runs: int
    delay_seconds: int
    summary: str


class BetterTimes(BaseModel):
    """The times that would disturb least, best first."""

    times: list[BetterTime]
    partial: bool = Field(description="There was no time to look at all: there may be better")


class Bookable(BaseModel):
    """The calendars, by Connection id, into which the user may book a blackout."""

    calendars: list[str]


class Booking(BaseModel):
    """A blackout to be booked."""

    model_config = ConfigDict(extra="forbid")

    start: datetime
    end: datetime
    title: str = Field(min_length=1, max_length=200)
    calendar: str = Field(min_length=1, max_length=_MOST_TEXT)


class BookingMade(BaseModel):
    """The event that was entered; ``created`` is false where it was there already."""

    uid: str
    created: bool
    calendar: str


def zone_of(
    timezone: Annotated[str, Query(max_length=100, description="IANA zone of the texts")] = "UTC",
) -> ZoneInfo:
    """Return the zone that texts are in."""
    return routes.zone_named(timezone)


Zone = Annotated[ZoneInfo, Depends(zone_of)]


class Scope(BaseModel):
    """Which DAGs are asked about, of those that the user may read."""

    dag_ids: list[str]
    tags: list[str]
    paused: bool
    calendar: str | None


def scope(
    wanted: routes.Wanted,
    tag: routes.Names = None,
    paused: Annotated[
        bool, Query(description="Also DAGs that are paused, whose runs do not start")
    ] = False,
    calendar: Annotated[
        str | None,
        Query(max_length=_MOST_TEXT, description="Only what holds by this one, as for a booking"),
    ] = None,
) -> Scope:
    """Return which DAGs are asked about."""
    return Scope(dag_ids=sorted(wanted), tags=tag or [], paused=paused, calendar=calendar)


Asked = Annotated[Scope, Depends(scope)]


@router.get("/impact", response_model=ImpactTold)
def impact(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    asked: Asked,
    between: routes.TimeRange,
    zone: Zone,
    limit: Limit = 500,
    offset: Offset = 0,
) -> Response:
    """What a blackout from *start* to *end* would do to the runs that are planned; nothing is changed."""
    now = clock.now()
    try:
        period = check_period(*between, now, MOST_BLACKOUT_DAYS * DAY)
    except InvalidArgument as error:
        raise wrong(error.field, str(error)) from None
    with time_budget.share(time_budget.PLANNING):
        effect = impact_on(_concerned(session, user, asked), period, now)
    return answer(request, ImpactTold(**as_json(effect, period, zone, limit, offset)))


@router.get("/find", response_model=BetterTimes)
def find(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    asked: Asked,
    zone: Zone,
    length: Annotated[int, Query(ge=1, le=MOST_BLACKOUT_DAYS * 1440, description="Minutes")] = 60,
    days: Annotated[
        int, Query(ge=1, le=MOST_BLACKOUT_DAYS, description="Search so far ahead")
    ] = 14,
    between: Annotated[
        list[str] | None,
        Query(max_length=_FEW, description="Only in such times, as mon-fri 08:00-18:00"),
    ] = None,
) -> Response:
    """When a blackout would disturb least: fewest runs, then least delay, then earliest."""
    now = clock.now()
    whole = TimeRange(int(now), int(now) + days * DAY)
    allowed_in = Spans(((whole.start, whole.end),))
    if between:
        weekly = Weekly(*between, timezone=zone.key)
        try:
            weekly.validate()
        except InvalidArgument as error:
            raise wrong("between", str(error)) from None
        allowed_in = weekly.resolve(whole, zone.key).cover(whole.start, whole.end)
    with time_budget.share(time_budget.PLANNING):
        subjects = _concerned(session, user, asked)
        best = better_times(subjects.subjects, length * 60, allowed_in, now)
    times = [(time, impact_on(subjects, time.period, now)) for time in best.times]
    partial = best.truncated or any(what.untold or what.unread for _, what in times)
    data = {"times": told_better(times), "partial": partial}
    return answer(request, BetterTimes.model_validate(data))


@router.get("/bookings", response_model=Bookable)
def bookable(request: Request, session: SessionDep, user: GetUserDep) -> Response:
    """The deployment's calendars into which the user may book a blackout."""
    mine = [name for name in calendars_to_book() if _may_book(user, session, name)]
    return answer(request, Bookable(calendars=mine))


@router.post(
    "/bookings", status_code=201, dependencies=[Depends(asked_by_us), logged("book_blackout")]
)
def book(response: Response, session: SessionDep, user: GetUserDep, asked: Booking) -> BookingMade:
    """Enter a blackout into one of the deployment's calendars; the same one twice is one event.

    Whoever may edit that calendar's Connection may. DAGs follow once the calendar is read again.
    """
    _check_may_book(user, session, asked.calendar)
    start, end = (routes.near(name, getattr(asked, name)).timestamp() for name in ("start", "end"))
    try:
        period = check_period(start, end, clock.now(), MOST_BLACKOUT_DAYS * DAY)
        # Nothing more is asked of the database, and the calendar may take its time.
        session.rollback()
        booked = booking.book(asked.calendar, period, asked.title, user.get_name())
    except InvalidArgument as error:
        raise wrong(error.field, str(error), "body") from None
    except PublishingFailed as error:
        raise HTTPException(502, str(error)) from None
    if not booked.created:
        response.status_code = 200
    return BookingMade(uid=booked.uid, created=booked.created, calendar=asked.calendar)


def _may_book(user: GetUserDep, session: Session, calendar: str) -> bool:
    return may_edit_connection(user, session, calendar.partition("/")[0])


def _check_may_book(user: GetUserDep, session: Session, calendar: str) -> None:
    # One answer for both: which Connections there are is not told.
    if calendar not in calendars_to_book() or not _may_book(user, session, calendar):
        raise HTTPException(
            403, "To book a blackout takes the right to edit the Connection of its calendar"
        )


def _concerned(session: Session, user: GetUserDep, filters: Scope) -> Concerned:
    if filters.calendar is not None:
        _check_may_book(user, session, filters.calendar)
    dags = read_dags(session, filters.dag_ids, tags=filters.tags)
    runs_of = allowed(user, session, [dag.dag_id for dag in dags], DagAccessEntity.RUN)
    try:
        return concerned(session, dags, runs_of, filters.calendar, paused=filters.paused)
    except InvalidArgument as error:
        raise wrong(error.field, str(error)) from None
