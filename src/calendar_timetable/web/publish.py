"""Runs written into a calendar that people share: by UID, nothing twice, and only ever our own events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from icalendar import Calendar, Event
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable import __version__
from calendar_timetable.planning.errors import InvalidArgument
from calendar_timetable.web.events import Site, event_of
from calendar_timetable.web.listing import Filters, find_rows, readable_dags
from calendar_timetable.web.rows import Row
from calendar_timetable.web.schedules import read_schedules

PAST, AHEAD = timedelta(days=1), timedelta(days=35)
DIGEST = "X-CALENDAR-TIMETABLE-DIGEST"
_PASSING = ("DTSTAMP", "LAST-MODIFIED", "SEQUENCE")  # what changes while the run stays the same


@dataclass(frozen=True, slots=True)
class Kept:
    """An event of ours as the calendar holds it; *place* and *etag* are the calendar's own."""

    uid: str
    digest: str
    start: float
    place: str = field(repr=False)
    etag: str = field(repr=False)


class Target(Protocol):
    """A calendar to publish into. It answers for its own: it shows, writes and removes no event but those of *site*."""

    def kept(self) -> Iterable[Kept]:
        """The events that this Airflow has written."""
        ...

    def write(self, uid: str, body: bytes, kept: Kept | None) -> bool:
        """Write the event, in the place of *kept*; whether it is written: not where somebody else was faster."""
        ...

    def remove(self, kept: Kept) -> bool:
        """Remove the event; whether it is gone."""
        ...


@dataclass(slots=True)
class Published:
    """What was done; *left* is what somebody else was changing, for the next time."""

    written: int = 0
    removed: int = 0
    unchanged: int = 0
    left: int = 0


def publish(target: Target, rows: Iterable[Row], site: Site, now: float, since: float) -> Published:
    """Make *target* tell *rows*: write what is new or has changed, remove what is not planned any more.

    Events that start before *since* are history, and stay.
    """
    done = Published()
    kept = {event.uid: event for event in target.kept()}
    for row in rows:
        event = event_of(row, site, now)
        uid = str(event["UID"])
        digest = _digest(event)
        before = kept.pop(uid, None)
        if before is not None and before.digest == digest:
            done.unchanged += 1
            continue
        event.add(DIGEST, digest)
        if target.write(uid, _alone(event), before):
            done.written += 1
        else:
            done.left += 1
    for dropped in kept.values():
        if dropped.start < since:
            continue
        if target.remove(dropped):
            done.removed += 1
        else:
            done.left += 1
    return done


def withdraw(target: Target) -> Published:
    """Remove every event that this Airflow has written."""
    done = Published()
    for event in target.kept():
        if target.remove(event):
            done.removed += 1
        else:
            done.left += 1
    return done


def rows_to_publish(session: Session, scope: str) -> tuple[list[Row], float, float]:
    """The runs of *scope* ("all", "tag:…" or "dag:…") around now; with now, and since when they are told."""
    from airflow.models.dag import DagModel

    kind, _, value = scope.partition(":")
    if (kind, bool(value)) not in (("all", False), ("tag", True), ("dag", True)):
        remedy = "write all, tag:NAME or dag:ID"
        raise InvalidArgument("[calendar_timetable] publish_scope", scope, remedy)
    now = datetime.now(UTC).timestamp()
    since = now - PAST.total_seconds()
    filters = Filters(
        since,
        now + AHEAD.total_seconds(),
        dag_ids=(value,) if kind == "dag" else (),
        tags=(value,) if kind == "tag" else (),
    )
    dags = readable_dags(session, set(session.scalars(select(DagModel.dag_id))), filters)
    rows, _ = find_rows(session, dags, read_schedules(session, [dag.dag_id for dag in dags]), filters, now)
    return rows, now, since


def read_kept(body: bytes, site: Site, place: str, etag: str) -> Kept | None:
    """The event of *site* in *body*; ``None`` where it is anybody else's."""
    try:
        whole: Any = Calendar.from_ical(body)
        (event,) = whole.walk("VEVENT")
        uid, digest, start = str(event["UID"]), str(event[DIGEST]), event.decoded("DTSTART")
    except (KeyError, ValueError):
        return None
    if not site.owns(uid) or not isinstance(start, datetime) or start.tzinfo is None:
        return None
    return Kept(uid, digest, start.timestamp(), place, etag)


def _digest(event: Event) -> str:
    lines = event.copy()
    lines.subcomponents = list(event.subcomponents)
    for name in _PASSING:
        lines.pop(name, None)
    return hashlib.sha256(lines.to_ical()).hexdigest()[:32]


def _alone(event: Event) -> bytes:
    """A calendar object of its own: it has no METHOD (RFC 4791 section 4.1)."""
    calendar = Calendar()
    calendar.add("prodid", f"-//calendar_timetable//{__version__}//EN")
    calendar.add("version", "2.0")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
