"""The routes of subscriptions, and the feed itself: the only thing here that is had without a login."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.configuration import conf
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from calendar_timetable.web import budget, models, subscriptions
from calendar_timetable.web.access import PREFIX, Readable, asked_by_us
from calendar_timetable.web.answers import REFUSALS, Limit, Offset, answer, known_already
from calendar_timetable.web.cached import Memory, Single
from calendar_timetable.web.listing import Filters, find_rows, first_rows, known_by, readable_dags
from calendar_timetable.web.records import Dag
from calendar_timetable.web.schedules import read_schedules
from calendar_timetable.web.store import NO_TABLE, Subscription, has_table, site_key

PAST, AHEAD = timedelta(days=30), timedelta(days=60)
MOST_EVENTS = 5_000
_GRID = 3600  # the range moves once an hour, so that what is worked out is worked out once
_FRESH = 300  # seconds for which a feed is right while nothing changes: after as many a run counts as late
_RETRY_AFTER = 10
_PLANNING = 2.5  # seconds of processor time; to write as many events as there may be takes as long
_FEEDS = 16 * 1024 * 1024  # bytes of all feeds that are remembered together

_feeds: Memory[bytes] = Memory(_FEEDS, len)
_writing = Single()

router = APIRouter(prefix="/api/subscriptions", responses={**REFUSALS, 503: {"description": NO_TABLE}})


def table(session: SessionDep) -> None:
    """503 with the remedy where the table was never made."""
    if not has_table(session):
        raise HTTPException(503, NO_TABLE)


Table = Depends(table)


@router.get("", dependencies=[Table], response_model=models.Subscriptions)
def list_subscriptions(
    request: Request, session: SessionDep, user: GetUserDep, limit: Limit = 500, offset: Offset = 0
) -> Response:
    """One's own subscriptions that have not expired."""
    owned = subscriptions.owned_by(session, user)
    shown = [_told(subscription) for subscription in owned[offset : offset + limit]]
    more = offset + len(shown) < len(owned)
    return answer(request, models.Subscriptions(subscriptions=shown, total_entries=len(owned), truncated=more))


def logged(event: str) -> Any:
    """Have what is done noted in Airflow's audit log, once it was asked for by our own page."""
    return Depends(action_logging(f"calendar_timetable.{event}"))


@router.post("", status_code=201, dependencies=[Depends(asked_by_us), Table, logged("subscribe")])
def subscribe(
    request: Request, session: SessionDep, user: GetUserDep, readable: Readable, asked: models.Subscribe
) -> models.NewSubscription:
    """Make the address of a feed: of all that one may read, of a tag, or of a DAG. It is told only now.

    Whoever has the address reads the feed with the owner's rights, re-checked each time, until it expires or
    is revoked.
    """
    if not user.get_id():  # as of who reads by FAB's public role
        raise HTTPException(403, "Log in first: a feed has the rights of its owner")
    if asked.kind == "dag" and asked.value not in readable:
        raise HTTPException(404, "There is no such DAG")
    try:
        made, token = subscriptions.subscribe(session, user, asked.kind, asked.value, asked.days)
    except subscriptions.TooMany:
        most = subscriptions.MOST_PER_OWNER
        raise HTTPException(409, f"You have {most} subscriptions already: revoke one first") from None
    url = f"{site_address(request)}{PREFIX}/feed.ics?token={token}"
    return models.NewSubscription(**_told(made).model_dump(), url=url)


@router.delete("/{subscription_id}", status_code=204, dependencies=[Depends(asked_by_us), Table, logged("unsubscribe")])
def revoke(session: SessionDep, user: GetUserDep, subscription_id: str) -> None:
    """Make one's own subscription's address useless; 404 for one that is not there, or not one's own."""
    if not subscriptions.revoke(session, user, subscription_id):
        raise HTTPException(404, "There is no such subscription")


async def feed(request: Request) -> Response:
    """The runs that a subscription is about, as a calendar; 404 whatever is wrong with its token."""
    token = request.query_params.get("token", "")
    body = await run_in_threadpool(_feed, token, site_address(request)) if token else None
    if body is None:
        return Response("There is no such calendar", 404, media_type="text/plain")
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if known_already(request, etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = 'inline; filename="runs.ics"'
    return Response(body, media_type="text/calendar; charset=utf-8", headers=headers)


def _feed(token: str, base_url: str) -> bytes | None:
    with create_session(scoped=False) as session:
        if not has_table(session):
            return None
        opened = subscriptions.opened_by(session, token)
        return None if opened is None else _body(session, *opened, base_url)


def _body(session: Session, subscription: Subscription, readable: set[str], runs_of: set[str], base_url: str) -> bytes:
    """The feed of *subscription*, written once for as long as nothing that it tells of changes."""
    now = datetime.now(UTC).timestamp()
    around = now // _GRID * _GRID
    value = (subscription.value or "",)
    filters = Filters(
        around,
        around + AHEAD.total_seconds(),
        dag_ids=value if subscription.kind == "dag" else (),
        tags=value if subscription.kind == "tag" else (),
        limit=MOST_EVENTS,
    )
    dags = readable_dags(session, readable, filters)
    all_of_it = replace(filters, since=around - PAST.total_seconds())
    told = [dag.dag_id for dag in dags]
    key = known_by(session, told, all_of_it, runs_of, subscription.id, base_url, now // _FRESH)
    body = _feeds.get(key)
    if body is None:
        if not _writing.begin(subscription.id):
            raise budget.Busy(_RETRY_AFTER)
        try:
            body = _written(session, subscription, dags, filters, runs_of, base_url, now)
        finally:
            _writing.end(subscription.id)
        _feeds.put(key, body)
    return body


def _written(
    session: Session,
    subscription: Subscription,
    dags: list[Dag],
    filters: Filters,
    runs_of: set[str],
    base_url: str,
    now: float,
) -> bytes:
    from calendar_timetable.web.events import Site
    from calendar_timetable.web.events import feed as write

    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    before = replace(filters, since=filters.since - PAST.total_seconds(), until=filters.since)
    with budget.share(_PLANNING):
        past, _ = find_rows(session, dags, schedules, before, now, runs_of)
        ahead, _ = first_rows(session, dags, schedules, filters, now, runs_of)
    rows = {row.identity: row for row in (*past, *ahead)}
    nearest = sorted(rows.values(), key=lambda row: abs(row.at - now))[:MOST_EVENTS]
    name = f"Airflow runs: {subscription.value}" if subscription.value else "Airflow runs"
    return write(sorted(nearest, key=lambda row: row.key), Site(base_url, site_key(session)), name, now)


def site_address(request: Request) -> str:
    """Where people reach this Airflow: ``[api] base_url``, else as it was asked for."""
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return base or str(request.base_url).rstrip("/").removesuffix(PREFIX)


def _told(subscription: Subscription) -> models.Subscription:
    return models.Subscription(
        id=subscription.id,
        scope=models.Scope.model_validate({"kind": subscription.kind, "value": subscription.value}),
        created_at=subscription.created_at,
        expires_at=subscription.expires_at,
        last_fetched_at=subscription.last_fetched_at,
    )
