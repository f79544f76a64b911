"""Publish into a Google calendar, in a child process that can be killed.

The process runs ``python -m calendar_timetable.publishing.google``. An event's id is made from its
UID, so that one run is never two events, whoever publishes, and whenever. That id, which nobody can
change, is what makes an event ours: others may drop the private properties in which we keep what we
published. One is changed only if its ETag is still the one that was read.

https://developers.google.com/workspace/calendar/api/v3/reference/events
and …/guides/version-resources
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message
from calendar_timetable.calendars.ical.writer import DOMAIN
from calendar_timetable.calendars.sources.cloud import HostedSource, get_text, run
from calendar_timetable.calendars.sources.google import PAGE, Event, Google, GoogleApiError
from calendar_timetable.publishing.target import (
    PUBLISHED_START,
    STARTING,
    DesiredEvent,
    ExistingEvent,
    Mode,
    Planned,
    PublishResult,
    Shown,
    is_current,
    publish_body,
    publish_in_child,
    published_start,
    read_object,
)

if TYPE_CHECKING:
    from calendar_timetable.runs.calendar_events import Site

SCOPE = "https://www.googleapis.com/auth/calendar.events"
_OWNER, _UID, _DIGEST = "calendarTimetable", "calendarTimetableUid", "calendarTimetableDigest"
_START = "calendarTimetableStart"
_EVENT = "id,status,etag,summary,start,end,recurrence,transparency,extendedProperties/private"
_FIELDS = f"kind,nextPageToken,items({_EVENT})"
_DIGITS = re.compile("[0-9a-f]{40}")  # of a UID, as Site.uid() makes it
_MAX_DESCRIPTION = 8_000  # characters
# HTTP statuses: the id is taken, the ETag is another one, the event is deleted.
_DUPLICATE, _CHANGED, _GONE = 409, 412, (404, 410)


def publishing(
    source: HostedSource,
    site: Site,
    events: Sequence[DesiredEvent],
    planned: Planned,
    mode: Mode,
    seconds: float,
) -> PublishResult:
    """Make the calendar of *source* hold *events*, or raise :class:`DownloadFailed`.

    See :func:`~calendar_timetable.publishing.target.publish`.
    """
    request = {**source.request(), "site": site.key, "pauses": limits.PUBLISH_PAUSES}
    return publish_in_child(__name__, request, events, planned, mode, seconds)


# --- the child's side -----------------------------------------------------------------------------


def work(request: Message, body: bytes) -> tuple[Message, bytes]:
    """Publish the events in *body*; return the :class:`PublishResult` as a dict, and no body."""
    until = time.monotonic() + request["seconds"]
    target = _Calendar(request["calendar"], request["site"], until, request["pauses"])
    return publish_body(target, request, body)


class _Calendar:
    """The *calendar* as a target; nothing is changed after *until*, in monotonic seconds."""

    def __init__(self, calendar: str, site: str, until: float, pauses: Sequence[float]) -> None:
        self._google = Google(SCOPE, "change events")
        self._calendar, self._site, self._until, self._pauses = calendar, site, until, pauses

    def existing_events(self) -> Iterator[ExistingEvent]:
        # All events are listed, as Google finds none by a part of its id.
        page: str | None = None
        while page != "":
            answer = self._ask(
                "list", kind="calendar#events", fields=_FIELDS, pageToken=page, maxResults=PAGE
            )
            for event in answer.get("items", ()):
                existing = self._existing(event)
                if existing is not None:
                    yield existing
            page = get_text(answer, "nextPageToken")

    def shown_of(self, event: DesiredEvent) -> Shown | None:
        shown = read_object(event.body).shown
        skipped = shown is not None and shown.status == "cancelled"
        return shown._replace(status="confirmed") if shown and skipped else shown

    def write(self, event: DesiredEvent, existing: ExistingEvent | None) -> bool:
        if self._late():
            return False
        body = {**as_google(event, self._site), "id": _id_of(event.uid)}
        try:
            if existing is None:
                self._ask("insert", body=body)
            else:
                self._ask("update", existing.etag, eventId=existing.place, body=body)
        except GoogleApiError as error:
            if error.status == _DUPLICATE and existing is None:
                return self._write_over(event, body)
            if existing is not None and error.status in (_CHANGED, *_GONE):
                return False
            raise
        return True

    def remove(self, existing: ExistingEvent) -> bool:
        if self._late():
            return False
        try:
            self._ask("delete", existing.etag, kind="", eventId=existing.place)
        except GoogleApiError as error:
            if error.status == _CHANGED:
                return False
            if error.status not in _GONE:
                raise
        return True

    def _write_over(self, event: DesiredEvent, body: Event) -> bool:
        """Write over the event that has this id already; return whether ours is in its place.

        It may be one that was deleted, which Google keeps, or one that another publisher wrote.
        """
        try:
            resource = self._ask("get", eventId=body["id"], fields=f"kind,{_EVENT}")
        except GoogleApiError as error:
            if error.status in _GONE:
                return False
            raise
        existing = self._existing(resource)
        if existing is None:
            return False
        return is_current(self, event, existing) or self.write(event, existing)

    def _existing(self, event: Event) -> ExistingEvent | None:
        """Return *event* if it is one of ours, else ``None``.

        A copy that somebody made of one of ours belongs to them: it has another id.
        """
        place = get_text(event, "id")
        digits = place.removesuffix(self._site)
        if place == digits or not _DIGITS.fullmatch(digits):
            return None
        marks = (event.get("extendedProperties") or {}).get("private") or {}
        shown = _shown(event)
        return ExistingEvent(
            f"{digits}-{self._site}@{DOMAIN}",
            get_text(marks, _DIGEST),
            published_start(get_text(marks, _START), shown),
            place,
            get_text(event, "etag"),
            shown,
            get_text(event, "summary"),
        )

    def _late(self) -> bool:
        return time.monotonic() >= self._until

    def _ask(
        self, method: str, etag: str = "", *, kind: str = "calendar#event", **arguments: Any
    ) -> Event:
        """Send a request, again and again while Google is busy: for about a minute.

        Each pause is at least as long as Google says. Raise :class:`GoogleApiError` when the pauses
        or the time for publishing are used up, or at once where Google is not busy.
        """
        for pause in (*self._pauses, None):
            request = getattr(self._google.events, method)(calendarId=self._calendar, **arguments)
            if etag:
                request.headers["If-Match"] = etag
            try:
                return self._google.answer(request, kind)
            except GoogleApiError as refused:
                # Random so that publishers who were refused together do not come back together.
                wait = max(refused.wait, (pause or 0) * random.uniform(1, 1.5))  # noqa: S311
                if pause is None or not refused.busy or time.monotonic() + wait >= self._until:
                    raise
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _id_of(uid: str) -> str:
    """Return the id of the event with *uid*: its hexadecimal digits.

    These are digits of base32hex too (RFC 4648 section 7), in which Google wants ids.
    """
    return uid.partition("@")[0].replace("-", "")


def _shown(event: Event) -> Shown | None:
    """Return what *event*, as Google's API describes one, shows; ``None`` if it has no times."""
    sides = [event.get("start") or {}, event.get("end") or {}]
    try:
        times = [
            datetime.fromisoformat(get_text(side, "dateTime") or side["date"]) for side in sides
        ]
    except (LookupError, TypeError, ValueError):
        return None
    start, end = (
        time.timestamp() if time.tzinfo else time.replace(tzinfo=UTC).timestamp() for time in times
    )
    status = get_text(event, "status") or "confirmed"
    busy = status != "cancelled" and get_text(event, "transparency") != "transparent"
    plain = not event.get("recurrence") and all(time.tzinfo for time in times)
    return Shown(start, end, status, busy, plain)


def _as_text(description: str) -> str:
    """Return *description* escaped, as Google reads HTML there, and no longer than it takes.

    It may quote titles that others wrote.
    """
    # The cut may leave the beginning of a character reference, such as "&am", at the end.
    return re.sub(r"&[^;]{0,5}$", "", escape(description, quote=False)[:_MAX_DESCRIPTION])


def as_google(event: DesiredEvent, site: str) -> Event:
    """Return *event* as Google's API describes one.

    Only its title shows that a due time is skipped, as Google deletes what is cancelled. There is
    no reminder, which would reach only our account. The event is not marked as private, which would
    hide it from those the calendar is shared with.
    """
    from icalendar import Calendar

    calendar: Any = Calendar.from_ical(event.body.encode())
    (properties,) = calendar.walk("VEVENT")
    start = properties.decoded("DTSTART")
    end = properties.decoded("DTEND") if "DTEND" in properties else start
    began = {_START: str(properties[PUBLISHED_START])} if PUBLISHED_START in properties else {}
    marks = {_OWNER: site, _UID: event.uid, _DIGEST: event.digest, **began}
    return {
        "summary": str(properties["SUMMARY"]),
        "description": _as_text(str(properties["DESCRIPTION"])),
        "start": {"dateTime": start.isoformat(), "timeZone": "UTC"},
        "end": {"dateTime": end.isoformat(), "timeZone": "UTC"},
        "status": "tentative" if properties["STATUS"] == "TENTATIVE" else "confirmed",
        "transparency": str(properties.get("TRANSP", "OPAQUE")).lower(),
        "reminders": {"useDefault": False},
        "extendedProperties": {"private": marks},
    }


if __name__ == "__main__":
    run(work, "google", limits.PUBLISH_SECONDS + STARTING)
