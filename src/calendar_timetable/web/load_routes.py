"""The route that tells how full the pools get."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, Query, Request, Response
from pydantic import Field

from calendar_timetable import clock
from calendar_timetable.load.queueing import Stretch
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, cached_answer
from calendar_timetable.runs.pool_forecast import (
    LoadForecast,
    Overrun,
    PoolForecast,
    forecast_load,
)
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.runs.usage import HOUR, Habit
from calendar_timetable.web.access import Readable, allowed, api_router
from calendar_timetable.web.answers import answer, wrong
from calendar_timetable.web.models import Answer
from calendar_timetable.web.routes import MOST_DAYS_BY_HOUR, TimeRange, zone_named

_WORKING = 4.0  # seconds of processor time for finding it all; the rest is for writing it
_DAGS_IN_AN_HOUR = 5  # that are named, those that use most of a pool
_MOST_OVERRUNS = 200
# Seconds of a quarter of an hour, at which hours begin: the offsets of zones are multiples of it,
# and what was used in past hours is remembered by where these begin.
_QUARTER = 900

router = api_router()


class LoadShare(Answer):
    """How many slots the runs of a DAG use in an hour, on average."""

    dag_id: str
    slots: float


class LoadHour(Answer):
    """An hour of a pool: what is expected, what was used, and what is usual at this time of the week."""

    start: datetime
    expected: float | None = Field(
        description="Slots in use, on average; of this hour, in what is left of it; null where that is over, or not known"
    )
    peak: float | None = Field(description="The most slots in use at once")
    waiting: float | None = Field(description="Slots that tasks wait for, on average")
    longest_wait_seconds: int | None = Field(description="Of what asks for slots in this hour")
    wait_at_least: bool = Field(description="Whether that wait goes on past what is known")
    unknown_runs: int = Field(
        description="Runs that start here of which nothing is known: they come on top of that"
    )
    used: float | None = Field(description="Slots that were in use, on average")
    usual: float | None = Field(description="What was used in this hour of the week, on average")
    usual_high: float | None = Field(description="And in the fullest of ten such weeks")
    weeks: int = Field(description="So many weeks say what is usual")
    rests_on: int | None = Field(
        description="So many runs at least say what is expected, of each DAG that uses the pool here"
    )
    dags: list[LoadShare] = Field(description="At most five, those that are to use most")
    more_dags: int


class PoolLoad(Answer):
    """How full a pool gets, and what of it is in use at this moment, by DAGs whose runs the viewer may read."""

    name: str
    slots: int = Field(description="Below 0 where it has no end")
    in_use: int
    waiting: int = Field(description="Slots that tasks wait for at this moment")
    hours: list[LoadHour]


class UsualLength(Answer):
    """How long the runs of a DAG take."""

    dag_id: str
    dag_display_name: str
    median_seconds: int
    high_seconds: int = Field(description="19 of 20 runs took no longer")
    runs: int = Field(description="So many runs say so")


class RunOverrun(Answer):
    """A run that may not end before its window does."""

    dag_id: str
    start: datetime
    running: bool
    waits_seconds: int = Field(description="So long it is expected to wait for slots")
    closes: datetime = Field(description="When time closes that is open as it starts")
    ends: datetime = Field(description="When it ends, if it takes long")


class Load(Answer):
    """How full the pools get, of the DAGs that the viewer may read."""

    pools: list[PoolLoad]
    dags: list[UsualLength] = Field(description="Those that are named here")
    overruns: list[RunOverrun] = Field(description="At most 200, by start")
    total_overruns: int
    told_until: datetime = Field(description="From here on nothing is expected, as it is not known")
    used_since: datetime = Field(description="From here on it is known what was used")
    known_dags: int = Field(description="DAGs of which some runs are recorded that succeeded")
    unknown_dags: int = Field(description="DAGs with runs to come of which none is")
    partial: bool = Field(description="Whether some schedule could not be told to its end")


def few_days(between: TimeRange) -> tuple[float, float]:
    """Return the range, from a quarter of an hour on, or answer 422 where it has too many hours."""
    if between[1] - between[0] > MOST_DAYS_BY_HOUR * DAY:
        raise wrong("end", f"the load is told by the hour: give at most {MOST_DAYS_BY_HOUR} days")
    return between[0] // _QUARTER * _QUARTER, between[1]


@router.get("/load", response_model=Load)
def load(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    readable: Readable,
    between: Annotated[tuple[float, float], Depends(few_days)],
    timezone: Annotated[
        str, Query(max_length=100, description="IANA zone whose weeks tell what is usual")
    ] = "UTC",
) -> Response:
    """How full each pool gets, hour by hour from *start* on: what is planned, taking what its DAG's last runs took.

    Only DAGs that the user may read count; what their runs took, and which run, only where they may
    read these. What is further than 15 days ahead is not told.
    """
    zone = zone_named(timezone)
    runs_of = allowed(user, session, readable, DagAccessEntity.RUN)

    now = clock.now()

    def write(dags: list[Dag], schedules: dict[str, Schedule]) -> bytes:
        with time_budget.share(_WORKING):
            forecast = forecast_load(session, dags, schedules, between, zone, now, runs_of)
        names = {dag.dag_id: dag.name for dag in dags}
        coming = {dag.dag_id for dag in dags if dag.stored is not None and not dag.paused}
        return as_load(forecast, names, coming, now).model_dump_json().encode()

    # What becomes of runs from now on matters, also to hours that are asked for later.
    filters = Filters(min(now, between[0]), max(now, between[1]), paused=False)
    body = cached_answer(session, readable, filters, now, runs_of, write, "load", between, timezone)
    return answer(request, body)


def as_load(
    forecast: LoadForecast, names: dict[str, str], coming: Collection[str], now: float
) -> Load:
    """Return the *forecast* for people: *names* of DAGs, and which have runs that are *coming*."""
    pools = [_pool(pool, forecast, now) for pool in forecast.pools]
    overruns = sorted(forecast.overruns, key=lambda overrun: (overrun.start, overrun.dag.dag_id))
    dag_ids = {share.dag_id for pool in pools for hour in pool.hours for share in hour.dags}
    dag_ids |= {overrun.dag.dag_id for overrun in overruns[:_MOST_OVERRUNS]}
    return Load(
        pools=pools,
        dags=[
            _length(dag_id, names[dag_id], forecast.habits[dag_id])
            for dag_id in sorted(dag_ids)
            if dag_id in forecast.habits
        ],
        overruns=[_overrun(overrun) for overrun in overruns[:_MOST_OVERRUNS]],
        total_overruns=len(overruns),
        told_until=zones.to_datetime(forecast.told_until),
        used_since=zones.to_datetime(forecast.used_since),
        known_dags=len(forecast.habits),
        unknown_dags=len(set(coming) - forecast.habits.keys()),
        partial=forecast.partial,
    )


def _pool(pool: PoolForecast, forecast: LoadForecast, now: float) -> PoolLoad:
    hours = [
        _hour(
            at,
            pool.expected[n] if now < at + HOUR and at < forecast.told_until else None,
            pool,
            n,
            forecast,
            now,
        )
        for n, at in enumerate(forecast.edges)
    ]
    return PoolLoad(
        name=pool.name,
        slots=pool.slots,
        in_use=pool.live.in_use,
        waiting=pool.live.waiting,
        hours=hours,
    )


def _hour(
    at: float,
    expected: Stretch | None,
    pool: PoolForecast,
    n: int,
    forecast: LoadForecast,
    now: float,
) -> LoadHour:
    seconds = at + HOUR - max(at, min(now, at + HOUR - 1))
    usual, used = pool.usual[n], pool.used[n]
    shares = (
        sorted(expected.by_user.items(), key=lambda item: (-item[1], item[0])) if expected else []
    )
    runs = [
        forecast.habits[dag_id].usual.runs if dag_id in forecast.habits else 0
        for dag_id, _ in shares
    ]
    return LoadHour(
        start=zones.to_datetime(at),
        expected=None if expected is None else round(expected.work / seconds, 2),
        peak=None if expected is None else expected.peak,
        waiting=None if expected is None else round(expected.waiting / seconds, 2),
        longest_wait_seconds=None if expected is None else round(expected.longest),
        wait_at_least=expected is not None and expected.open,
        unknown_runs=pool.unknown[n],
        used=None if used is None else round(used, 2),
        usual=None if usual is None else round(usual.mean, 2),
        usual_high=None if usual is None else round(usual.high, 2),
        weeks=0 if usual is None else usual.weeks,
        rests_on=min(runs, default=None),
        dags=[
            LoadShare(dag_id=dag_id, slots=round(work / seconds, 2))
            for dag_id, work in shares[:_DAGS_IN_AN_HOUR]
        ],
        more_dags=max(0, len(shares) - _DAGS_IN_AN_HOUR),
    )


def _length(dag_id: str, name: str, habit: Habit) -> UsualLength:
    return UsualLength(
        dag_id=dag_id,
        dag_display_name=name,
        median_seconds=round(habit.usual.median),
        high_seconds=round(habit.usual.high),
        runs=habit.usual.runs,
    )


def _overrun(overrun: Overrun) -> RunOverrun:
    return RunOverrun(
        dag_id=overrun.dag.dag_id,
        start=zones.to_datetime(overrun.start),
        running=overrun.running,
        waits_seconds=round(overrun.waits),
        closes=zones.to_datetime(overrun.closes),
        ends=zones.to_datetime(overrun.ends),
    )
