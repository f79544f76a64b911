"""A calendar that runs are written into: by UID, nothing twice, and only ever our own events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from calendar_timetable.exceptions import CalendarTimetableError
from calendar_timetable.runs.calendar_events import DOMAIN

DIGEST = "X-CALENDAR-TIMETABLE-DIGEST"
Mode = Literal["write", "force", "look"]
_FEW = 10  # events may be removed whatever share they are


class PublishingFailed(CalendarTimetableError):
    """The calendar cannot be published into, with the reason."""


@dataclass(frozen=True, slots=True)
class DesiredEvent:
    """An event that the calendar is to hold: *body* is a calendar object (RFC 4791 section 4.1) with its *digest*."""

    uid: str
    digest: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExistingEvent:
    """An event of ours as the calendar holds it; *place* and *etag* are the calendar's own."""

    uid: str
    digest: str
    start: float
    place: str = field(repr=False)
    etag: str = field(repr=False)


def owns(site: str, uid: str) -> bool:
    """Whether *uid* is that of an event that the Airflow with this key wrote."""
    return uid.endswith(f"-{site}@{DOMAIN}")


class Target(Protocol):
    """A calendar to publish into. It answers for its own: it touches no event but those of one Airflow."""

    def kept(self) -> Iterable[ExistingEvent]:
        """The events that this Airflow has written."""
        ...

    def write(self, event: DesiredEvent, kept: ExistingEvent | None) -> bool:
        """Write the event, in the place of *kept*; whether it is there: not where somebody else was faster."""
        ...

    def remove(self, kept: ExistingEvent) -> bool:
        """Remove the event; whether it is gone."""
        ...


@dataclass(slots=True)
class PublishResult:
    """What was done; *left*, for the next time, is what somebody else was changing or what there was no time for.

    *refused*: nothing was done, as so many events would have been removed. Of a mere look, *to_write* are the UIDs of
    what would be written, and *to_remove* when the events start that would be removed.
    """

    written: int = 0
    removed: int = 0
    unchanged: int = 0
    left: int = 0
    refused: int = 0
    to_write: list[str] = field(default_factory=list)
    to_remove: list[float] = field(default_factory=list)


def publish(target: Target, events: Iterable[DesiredEvent], since: float, mode: Mode = "write") -> PublishResult:
    """Make *target* tell *events*: write what is new or has changed, remove what is not planned any more.

    Events that start before *since* are history, and stay: with no events and since 0, all are taken back. More than
    half of those that are not history are removed only by *mode* ``"force"``; ``"look"`` changes nothing.
    """
    done = PublishResult()
    kept = {event.uid: event for event in target.kept()}
    coming = sum(event.start >= since for event in kept.values())
    wanted = [(event, kept.pop(event.uid, None)) for event in events]
    changes = [(event, before) for event, before in wanted if before is None or before.digest != event.digest]
    dropped = [event for event in kept.values() if event.start >= since]
    done.unchanged = len(wanted) - len(changes)
    if mode == "look":
        done.to_write = [event.uid for event, _ in changes]
        done.to_remove = [event.start for event in dropped]
        return done
    if mode != "force" and len(dropped) > max(_FEW, coming / 2):
        done.refused = len(dropped)
        return done
    for event, before in changes:
        if target.write(event, before):
            done.written += 1
        else:
            done.left += 1
    for gone in dropped:
        if target.remove(gone):
            done.removed += 1
        else:
            done.left += 1
    return done
