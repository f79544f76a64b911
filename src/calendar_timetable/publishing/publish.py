"""Write runs into a calendar that people share: which runs, as which events, and where to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from icalendar import Calendar, Event
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable._version import __version__
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.calendars.sources.caldav import CalDavSource
from calendar_timetable.calendars.sources.cloud import HostedSource
from calendar_timetable.calendars.sources.lookup import connected_source
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.publishing import caldav, google
from calendar_timetable.publishing.target import (
    DIGEST,
    PUBLISHED_START,
    DesiredEvent,
    Mode,
    Planned,
    PublishingFailed,
    PublishResult,
)
from calendar_timetable.runs.calendar_events import Site, event_of
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, find_rows, readable_dags
from calendar_timetable.runs.rows import RunRow
from calendar_timetable.runs.stored_schedules import read_schedules

PAST, AHEAD = timedelta(days=1), timedelta(days=35)
# Properties that change while the run stays the same: they do not count for the digest.
_PASSING = ("DTSTAMP", "LAST-MODIFIED", "SEQUENCE")


class RowsToPublish(NamedTuple):
    """Runs as they are *now*, in epoch seconds, and the time for which they are *planned* whole.

    Nothing is known of the DAGs *unread*, whose schedules cannot be read.
    """

    rows: list[RunRow]
    now: float
    planned: Planned
    unread: list[str]


def publish_into(
    calendar: str,
    site: Site,
    events: Sequence[DesiredEvent],
    planned: Planned,
    mode: Mode = "write",
    seconds: float | None = None,
) -> PublishResult:
    """Make *calendar* hold *events*, or raise :class:`PublishingFailed`, which says what is wrong.

    *calendar* names an Airflow Connection: one of type CalDAV that names one calendar, or one of
    Google's provider, with the calendar after a slash as in ``Calendar(...)``. All of it takes at
    most *seconds*, ten minutes without. For *planned* and *mode* see
    :func:`~calendar_timetable.publishing.target.publish`.
    """
    conn_id, _, place = calendar.partition("/")
    seconds = limits.PUBLISH_SECONDS if seconds is None else seconds
    try:
        source = connected_source(conn_id, place)
    except FetchFailed as error:
        raise PublishingFailed(str(error)) from None
    try:
        if isinstance(source, CalDavSource):
            return caldav.publishing(source, site, events, planned, mode, seconds)
        if isinstance(source, HostedSource) and source.service == "google":
            return google.publishing(source, site, events, planned, mode, seconds)
    except DownloadFailed as error:
        raise PublishingFailed(f"{calendar}: {error}") from None
    reason = "only calendars on CalDAV servers and of Google can be written"
    raise PublishingFailed(f"Airflow Connection {conn_id!r}: {reason}")


def desired_events(rows: Iterable[RunRow], site: Site, now: float) -> list[DesiredEvent]:
    """Return *rows* as the events to publish, as they are at *now*, in epoch seconds."""
    events = []
    for row in rows:
        event = event_of(row, site, now)
        digest = _digest(event)
        event.add(DIGEST, digest)
        event.add(PUBLISHED_START, str(int(row.at)))
        events.append(DesiredEvent(str(event["UID"]), digest, alone(event)))
    return events


def rows_to_publish(session: Session, scope: str, *, paused: bool = False) -> RowsToPublish:
    """Return the runs of :func:`dags_to_publish` around now."""
    now = clock.now()
    since = now - PAST.total_seconds()
    dags = dags_to_publish(session, scope, paused=paused)
    schedules = read_schedules(session, [dag.dag_id for dag in dags])
    filters = Filters(since, now + AHEAD.total_seconds())
    rows, until = find_rows(session, dags, schedules, filters, now)
    unread = [dag.dag_id for dag in dags if dag.dag_id not in schedules]
    if unread:
        until = since
    return RowsToPublish(rows, now, Planned(since, until), unread)


def dags_to_publish(session: Session, scope: str, *, paused: bool = False) -> list[Dag]:
    """Return the DAGs of *scope*.

    *scope* is "all", "tag:…" or "dag:…". Paused DAGs, whose runs do not start, are left out unless
    *paused* is true. Raise :class:`InvalidArgument` where *scope* is none of these, or no DAG has
    the tag or id.
    """
    from airflow.models.dag import DagModel

    kind, _, value = scope.partition(":")
    if (kind, bool(value)) not in (("all", False), ("tag", True), ("dag", True)):
        remedy = "write all, tag:NAME or dag:ID"
        raise InvalidArgument("[calendar_timetable] publish_scope", scope, remedy)
    filters = Filters(
        0,
        0,
        dag_ids=(value,) if kind == "dag" else (),
        tags=(value,) if kind == "tag" else (),
    )
    dags = readable_dags(session, set(session.scalars(select(DagModel.dag_id))), filters)
    if not dags and kind != "all":
        raise InvalidArgument(
            "publish scope", scope, f"no DAG has this {'id' if kind == 'dag' else 'tag'}"
        )
    return [dag for dag in dags if paused or not dag.paused]


def _digest(event: Event) -> str:
    """Return a hash of *event* that stays the same as long as the run does."""
    lines = event.copy()
    lines.subcomponents = list(event.subcomponents)
    for name in _PASSING:
        lines.pop(name, None)
    return hashlib.sha256(lines.to_ical()).hexdigest()[:32]


def alone(event: Event) -> str:
    """Return *event* as a calendar object of its own, without METHOD (RFC 4791 section 4.1)."""
    calendar = Calendar()
    calendar.add("prodid", f"-//calendar_timetable//{__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical()).decode()
