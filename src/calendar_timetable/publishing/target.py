"""Bring a calendar up to date with runs: by UID, none twice, and only our own events."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta, timezone
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple, Protocol

from calendar_timetable.calendars.child_process import Message
from calendar_timetable.calendars.ical.parser import Unreadable, read_calendars
from calendar_timetable.calendars.ical.properties import CalendarTime, uid_of
from calendar_timetable.calendars.ical.series import read_part
from calendar_timetable.calendars.ical.timezones import FeedZones
from calendar_timetable.calendars.ical.writer import DOMAIN
from calendar_timetable.calendars.net.client import request_in_child
from calendar_timetable.exceptions import CalendarTimetableError

DIGEST, PUBLISHED_START = "X-CALENDAR-TIMETABLE-DIGEST", "X-CALENDAR-TIMETABLE-START"
Mode = Literal["write", "force", "look"]
# Seconds besides PUBLISH_SECONDS, for the process itself and for its last request.
STARTING = 60.0
_FLOATING = timezone(timedelta(0), "floating")  # of times that name no zone
_ALWAYS_REMOVABLE = 10  # events that may be removed, whatever share of all they are


class PublishingFailed(CalendarTimetableError):
    """The calendar cannot be published into; the text says why."""


class Shown(NamedTuple):
    """When an event takes place, and whether it counts, as those who read the calendar see it.

    *start* and *end* are in epoch seconds, *status* and *busy* as in
    :class:`~calendar_timetable.calendars.occurrences.Details`. It is *plain* if it takes place
    once, and at instants: not on dates, nor at floating times, which each reader takes for others.
    """

    start: float
    end: float
    status: str
    busy: bool
    plain: bool = True


@dataclass(frozen=True, slots=True)
class DesiredEvent:
    """An event that the calendar is to hold.

    *body* is a calendar object (RFC 4791 section 4.1). It carries the event's *digest*, which is
    empty where all events with this UID say the same, and when it starts. If *titles* are given,
    the event counts only where one of these patterns matches its title.
    """

    uid: str
    digest: str
    body: str = field(repr=False)
    titles: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ExistingEvent:
    """An event of ours as the calendar holds it.

    *digest* is empty where a client has dropped it. *start*, in epoch seconds, is what was
    published, wherever people have moved the event; where a client has dropped that too, when it
    starts now. *shown* is ``None`` if that cannot be understood. *place* and *etag* are the
    calendar's own.
    """

    uid: str
    digest: str
    start: float
    place: str = field(repr=False)
    etag: str = field(repr=False)
    shown: Shown | None = None
    title: str = field(default="", repr=False)


class Planned(NamedTuple):
    """The time, in epoch seconds, of which the events to publish are known whole.

    Events before *since* are history. Of those from *until* on some may be missing, because there
    are too many, or because the schedule of a DAG cannot be read.
    """

    since: float
    until: float = math.inf


def owns(site: str, uid: str) -> bool:
    """Tell whether *uid* is that of an event which the Airflow with the key *site* wrote."""
    return uid.endswith(f"-{site}@{DOMAIN}")


def published_start(mark: str, shown: Shown | None) -> float:
    """Return :attr:`ExistingEvent.start` of an event with this *mark*, in epoch seconds as text.

    It is 0 at least, from where on ``publish --remove`` removes events.
    """
    if mark.isdecimal():
        return float(mark)
    return max(shown.start, 0.0) if shown else 0.0


class CalendarObject(NamedTuple):
    """A calendar object: its *uid*, ``""`` without one, what it shows, and its title."""

    uid: str
    shown: Shown | None = None
    title: str = ""


def read_object(body: str) -> CalendarObject:
    """Return the calendar object in *body*; it has no UID if it has several, or is unreadable."""
    try:
        (calendar,) = read_calendars(body.encode())
    except (Unreadable, ValueError):
        return CalendarObject("")
    events = [block for block in calendar.blocks if block.name == "VEVENT"]
    uids = {uid_of(event) for event in events}
    if len(uids) != 1:
        return CalendarObject("")
    clock = CalendarTime(FeedZones(calendar), _FLOATING, _FLOATING)
    try:
        first, *others = (read_part(event, clock) for event in events)
    except (Unreadable, ArithmeticError, ValueError):
        return CalendarObject(uids.pop())
    recurs = others or first.recurs or first.recurrence_id or first.doubts
    plain = not recurs and first.begin.zone is not _FLOATING
    details = first.details
    shown = Shown(first.start, first.end, details.status, details.busy, plain)
    return CalendarObject(uids.pop(), shown, details.summary)


class Target(Protocol):
    """A calendar to publish into.

    An implementation has to see to it that only the events of one Airflow are touched.
    """

    def existing_events(self) -> Iterable[ExistingEvent]:
        """Return the events that this Airflow has written, whatever clients made of them since."""
        ...

    def shown_of(self, event: DesiredEvent) -> Shown | None:
        """Return what the calendar shows of *event* once it is written."""
        ...

    def write(self, event: DesiredEvent, existing: ExistingEvent | None) -> bool:
        """Write the event, in the place of *existing* if that is given; return whether it is there.

        It is not where somebody else was faster, or where there is no time left.
        """
        ...

    def remove(self, existing: ExistingEvent) -> bool:
        """Remove the event; return whether it is gone."""
        ...


@dataclass(slots=True)
class PublishResult:
    """What was done, as numbers of events.

    *left*, for the next time, are those that somebody else was changing or that there was no time
    for. *refused*: nothing was done, as so many events would have been removed. After a mere look,
    *to_write* has the UIDs of the events that would be written, and *to_remove* the starts, in
    epoch seconds, of those that would be removed.
    """

    written: int = 0
    removed: int = 0
    unchanged: int = 0
    left: int = 0
    refused: int = 0
    to_write: list[str] = field(default_factory=list)
    to_remove: list[float] = field(default_factory=list)


def publish(
    target: Target, events: Iterable[DesiredEvent], planned: Planned, mode: Mode = "write"
) -> PublishResult:
    """Make *target* hold *events*: write what is new or changed, remove what is no longer planned.

    An event is changed also if people have moved or cancelled it, or otherwise changed what is
    :class:`Shown`; what else they have changed is left until the event itself changes. Only events
    that were published to start within *planned* are removed; with no events, and all time planned,
    that is all of them. More than half of them, and more than ten, are removed only by *mode*
    ``"force"``. Mode ``"look"`` changes nothing.
    """
    result = PublishResult()
    existing = {event.uid: event for event in target.existing_events()}
    removable = {uid for uid, old in existing.items() if planned.since <= old.start < planned.until}
    pairs = [(event, existing.pop(event.uid, None)) for event in events]
    changes = [
        (event, before)
        for event, before in pairs
        if before is None or not is_current(target, event, before)
    ]
    dropped = [event for event in existing.values() if event.uid in removable]
    result.unchanged = len(pairs) - len(changes)
    if mode == "look":
        result.to_write = [event.uid for event, _ in changes]
        result.to_remove = [event.start for event in dropped]
        return result
    if mode != "force" and len(dropped) > max(_ALWAYS_REMOVABLE, len(removable) / 2):
        result.refused = len(dropped)
        return result
    for event, before in changes:
        if target.write(event, before):
            result.written += 1
        else:
            result.left += 1
    for old in dropped:
        if target.remove(old):
            result.removed += 1
        else:
            result.left += 1
    return result


def is_current(target: Target, event: DesiredEvent, existing: ExistingEvent) -> bool:
    """Tell whether *existing* still says in *target* what *event* does."""
    title = existing.title.casefold()
    return (
        event.digest in ("", existing.digest)
        and existing.shown == target.shown_of(event)
        and (not event.titles or any(fnmatchcase(title, t.casefold()) for t in event.titles))
    )


def publish_in_child(
    module: str,
    request: Message,
    events: Iterable[DesiredEvent],
    planned: Planned,
    mode: Mode,
    seconds: float,
) -> PublishResult:
    """Have the child *module* do :func:`publish` within *seconds*, where *request* says.

    The child's side is :func:`publish_body`. Raises the child's :class:`DownloadFailed`.
    """
    request = {**request, "planned": planned, "mode": mode, "seconds": seconds}
    body = json.dumps([asdict(event) for event in events]).encode()
    result, _ = request_in_child(module, request, body, seconds + STARTING)
    return PublishResult(**result)


def publish_body(target: Target, request: Message, body: bytes) -> tuple[Message, bytes]:
    """Publish the events in *body*; return the :class:`PublishResult` as a dict, and no body."""
    events = [DesiredEvent(**event) for event in json.loads(body)]
    return asdict(publish(target, events, Planned(*request["planned"]), request["mode"])), b""
