"""The routes of subscriptions, and the feed itself: the only route that needs no login."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.configuration import conf
from airflow.utils.session import create_session
from fastapi import Depends, HTTPException, Request, Response
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams

from calendar_timetable import clock
from calendar_timetable.config import URL_PREFIX
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, find_rows, first_rows, readable_dags, state_key
from calendar_timetable.runs.lru import LruCache, Single
from calendar_timetable.runs.rows import RunRow
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.web import models, subscriptions
from calendar_timetable.web.access import Readable, api_router, asked_by_us
from calendar_timetable.web.answers import Limit, Offset, answer, client_has
from calendar_timetable.web.store import NO_TABLE, Subscription, has_table, site_key

PAST, AHEAD = timedelta(days=30), timedelta(days=60)
MOST_EVENTS = 5_000
# Seconds. The range moves by such steps only, so that a feed is not worked out for every request.
_GRID = 6 * 3600
_FRESH = 300  # seconds for which a feed is right enough while nothing but the clock changes
_RETRY_AFTER = 10  # seconds
# Seconds of processor time for planning. To write as many events as there may be takes as long.
_PLANNING_SECONDS = 2.5
_FEEDS_BYTES = 16 * 1024 * 1024  # bytes of all feeds that are remembered together


@dataclass(frozen=True, slots=True)
class Choice:
    """What a feed holds, as its address says.

    Whoever has the address may choose, and sees no more than its owner may.
    """

    skipped: bool = True
    moved: bool = False
    frequent: bool = True
    paused: bool = False

    @classmethod
    def of(cls, parameters: QueryParams) -> Choice:
        """Return what the parameters of an address say, with the defaults for what they do not."""
        usual = asdict(cls())
        return cls(
            **{name: parameters.get(name, str(usual[name])).lower() == "true" for name in usual}
        )

    def query_parameters(self) -> dict[str, str]:
        """Return the parameters of an address that say this: what is not the default."""
        usual = asdict(Choice())
        return {
            name: str(value).lower() for name, value in asdict(self).items() if value != usual[name]
        }

    def of_rows(self, rows: Iterable[RunRow]) -> list[RunRow]:
        """Return those of *rows* that the feed holds."""
        rows = list(rows)
        often = set() if self.frequent else _due_often(rows)
        return [
            row
            for row in rows
            if (self.skipped or row.state != "skipped")
            and (not self.moved or row.placed.outcome != "on_time")
            and row.dag.dag_id not in often
        ]


@dataclass(frozen=True, slots=True)
class WrittenFeed:
    """A feed, its ETag, and until when, in epoch seconds, the clock alone changes nothing in it."""

    body: bytes
    etag: str
    until: float


_log = logging.getLogger(__name__)
_feeds: LruCache[WrittenFeed] = LruCache(_FEEDS_BYTES, lambda feed: len(feed.body))
_writing = Single()

router = api_router("/subscriptions", {503: {"description": NO_TABLE}})


def table(session: SessionDep) -> None:
    """Answer 503 with the remedy where the tables were never created."""
    if not has_table(session):
        raise HTTPException(503, NO_TABLE)


Table = Depends(table)


@router.get("", dependencies=[Table], response_model=models.Subscriptions)
def list_subscriptions(
    request: Request, session: SessionDep, user: GetUserDep, limit: Limit = 500, offset: Offset = 0
) -> Response:
    """One's own subscriptions that have not expired."""
    rows = subscriptions.owned_by(session, user)
    page = [_as_model(subscription) for subscription in rows[offset : offset + limit]]
    more = offset + len(page) < len(rows)
    return answer(
        request, models.Subscriptions(subscriptions=page, total_entries=len(rows), truncated=more)
    )


def logged(event: str) -> Any:
    """Return a dependency that notes *event* in Airflow's audit log.

    It stands after :func:`asked_by_us`, so that only what our own page asked for is noted.
    """
    return Depends(action_logging(f"calendar_timetable.{event}"))


@router.post("", status_code=201, dependencies=[Depends(asked_by_us), Table, logged("subscribe")])
def subscribe(
    request: Request,
    session: SessionDep,
    user: GetUserDep,
    readable: Readable,
    asked: models.Subscribe,
) -> models.NewSubscription:
    """Make the address of a feed: of all that one may read, of a tag, or of a DAG. It is told only now.

    Whoever has the address reads the feed with the owner's rights, re-checked each time, until it
    expires or is revoked.
    """
    # Somebody who reads by the public role of FAB has no id.
    if not user.get_id():
        raise HTTPException(403, "Log in first: a feed has the rights of its owner")
    if asked.kind == "dag" and asked.value not in readable:
        raise HTTPException(404, "There is no such DAG")
    try:
        subscription, token = subscriptions.subscribe(
            session, user, asked.kind, asked.value, asked.days
        )
    except subscriptions.TooManySubscriptions:
        most = subscriptions.MOST_PER_OWNER
        raise HTTPException(
            409, f"You have {most} subscriptions already: revoke one first"
        ) from None
    choice = Choice(asked.skipped, asked.moved, asked.frequent, asked.paused)
    url = f"{site_address(request)}{URL_PREFIX}/feed.ics?{urlencode({'token': token, **choice.query_parameters()})}"
    return models.NewSubscription(**_as_model(subscription).model_dump(), url=url)


@router.delete(
    "/{subscription_id}",
    status_code=204,
    dependencies=[Depends(asked_by_us), Table, logged("unsubscribe")],
)
def revoke(session: SessionDep, user: GetUserDep, subscription_id: str) -> None:
    """Make one's own subscription's address useless; 404 for one that is not there, or not one's own."""
    if not subscriptions.revoke(session, user, subscription_id):
        raise HTTPException(404, "There is no such subscription")


async def feed(request: Request) -> Response:
    """Serve the runs of a subscription as a calendar, or 404 whatever is wrong with its token.

    It is 503 where that cannot be told, so that nobody takes the calendar for gone.
    """
    token = request.query_params.get("token", "")
    choice = Choice.of(request.query_params)
    try:
        written_feed = (
            await run_in_threadpool(_feed, token, choice, site_address(request)) if token else None
        )
    except (subscriptions.Unavailable, OperationalError, NoConnection) as error:
        # What the error says may hold a token.
        _log.warning("A feed is not told now: %s", type(error.__cause__ or error).__name__)
        return Response(
            "Ask again later", 503, {"Retry-After": str(_RETRY_AFTER)}, media_type="text/plain"
        )
    if written_feed is None:
        return Response("There is no such calendar", 404, media_type="text/plain")
    headers = {"ETag": written_feed.etag, "Cache-Control": "private, no-cache"}
    if client_has(request, written_feed.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = 'inline; filename="runs.ics"'
    return Response(written_feed.body, media_type="text/calendar; charset=utf-8", headers=headers)


def _feed(token: str, choice: Choice, base_url: str) -> WrittenFeed | None:
    """Return the feed of the subscription that *token* opens; ``None`` where it opens none."""
    with create_session(scoped=False) as session:
        if not has_table(session):
            return None
        opened = subscriptions.opened_by(session, token)
        return None if opened is None else _in_force(session, *opened, choice, base_url)


def _in_force(
    session: Session,
    subscription: Subscription,
    readable: set[str],
    runs_of: set[str],
    choice: Choice,
    base_url: str,
) -> WrittenFeed:
    """Return the feed of *subscription*, written once for as long as nothing in it changes.

    What it depends on is known before it is written, so that asking again while that is the same
    costs next to nothing. Raise :class:`~calendar_timetable.runs.time_budget.Busy` while another
    request has it written.
    """
    now = clock.now()
    around = now // _GRID * _GRID
    value = (subscription.value or "",)
    filters = Filters(
        around,
        around + AHEAD.total_seconds(),
        dag_ids=value if subscription.kind == "dag" else (),
        tags=value if subscription.kind == "tag" else (),
        limit=MOST_EVENTS,
    )
    dags = [
        dag for dag in readable_dags(session, readable, filters) if choice.paused or not dag.paused
    ]
    all_of_it = replace(filters, since=around - PAST.total_seconds())
    dag_ids = [dag.dag_id for dag in dags]
    key = state_key(session, dag_ids, all_of_it, runs_of, subscription.id, choice, base_url)
    written_feed = _feeds.get(key)
    if written_feed is None or written_feed.until <= now:
        if not _writing.begin(subscription.id):
            raise time_budget.Busy(_RETRY_AFTER)
        try:
            written_feed = _feed_of(
                session, subscription, dags, filters, runs_of, choice, base_url, now
            )
        finally:
            _writing.end(subscription.id)
        _feeds.put(key, written_feed)
    return written_feed


def _feed_of(
    session: Session,
    subscription: Subscription,
    dags: list[Dag],
    filters: Filters,
    runs_of: set[str],
    choice: Choice,
    base_url: str,
    now: float,
) -> WrittenFeed:
    from calendar_timetable.runs.calendar_events import Site, write_feed

    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    before = replace(filters, since=filters.since - PAST.total_seconds(), until=filters.since)
    with time_budget.share(_PLANNING_SECONDS):
        past, _ = find_rows(session, dags, schedules, before, now, runs_of)
        ahead, _ = first_rows(session, dags, schedules, filters, now, runs_of)
    rows = {row.identity: row for row in (*past, *ahead)}
    nearest = sorted(choice.of_rows(rows.values()), key=lambda row: abs(row.at - now))[:MOST_EVENTS]
    name = f"Airflow runs: {subscription.value}" if subscription.value else "Airflow runs"
    body = write_feed(
        sorted(nearest, key=lambda row: row.key), Site(base_url, site_key(session)), name, now
    )
    until = max(min((row.right_until(now) for row in nearest), default=math.inf), now + _FRESH)
    return WrittenFeed(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"', until)


def _due_often(rows: Iterable[RunRow]) -> set[str]:
    """Return the ids of the DAGs that are due more than once on some day of their zone."""
    due: Counter[tuple[str, date]] = Counter()
    for row in rows:
        if row.run is None or row.run.run_type == "scheduled":
            due[row.dag.dag_id, datetime.fromtimestamp(row.placed.tick.due, row.zone).date()] += (
                row.count
            )
    return {dag_id for (dag_id, _), count in due.items() if count > 1}


def site_address(request: Request) -> str:
    """Return where people reach this Airflow: ``[api] base_url``, else as it was asked for."""
    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return base or str(request.base_url).rstrip("/").removesuffix(URL_PREFIX)


def _as_model(subscription: Subscription) -> models.Subscription:
    return models.Subscription(
        id=subscription.id,
        scope=models.Scope.model_validate({"kind": subscription.kind, "value": subscription.value}),
        created_at=subscription.created_at,
        expires_at=subscription.expires_at,
        last_fetched_at=subscription.last_fetched_at,
    )
