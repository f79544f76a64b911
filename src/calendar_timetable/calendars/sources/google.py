"""Google Calendar through the Google provider's hook, in a process that can be killed.

How it is asked, what its refusals mean, and what changed since the last reading. See
https://developers.google.com/workspace/calendar/api/guides/errors
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from calendar_timetable import clock
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message
from calendar_timetable.calendars.ical import writer
from calendar_timetable.calendars.ical.bundle import Item, digest, split
from calendar_timetable.calendars.ical.timezones import named_zone
from calendar_timetable.calendars.net.client import DownloadFailed, refusal
from calendar_timetable.calendars.sources.base import parse_retry_after
from calendar_timetable.calendars.sources.cloud import (
    CONN_ID,
    SyncTokenExpired,
    build_body,
    get_text,
    run,
)

SCOPE = "https://www.googleapis.com/auth/calendar.readonly"
_FIELDS = (
    "kind,nextPageToken,nextSyncToken,timeZone,"
    "items(id,status,summary,location,start,end,recurrence,recurringEventId,originalStartTime,"
    "transparency,eventType,attendeesOmitted,attendees(email,self,responseStatus),organizer(email))"
)
_KEY_DIGITS = len(digest(""))
_RECURRENCE = re.compile(r"(?:RRULE|EXRULE|RDATE|EXDATE)[;:].*")
_PATTERN = ("DTSTART", "RRULE", "EXRULE", "RDATE", "EXDATE")
_ANSWERS = {
    "accepted": "ACCEPTED",
    "declined": "DECLINED",
    "tentative": "TENTATIVE",
    "needsAction": "NEEDS-ACTION",
}
_FREE_TYPES = ("workingLocation", "birthday")  # they describe a day and take up no time

Event = dict[str, Any]
PAGE = 2500  # events; the most that Google allows
# These last for a moment; the other quotas are per day.
_BUSY = ("rateLimitExceeded", "userRateLimitExceeded")
_QUOTA = (*_BUSY, "quotaExceeded", "dailyLimitExceeded")
_QUOTA_WAIT = "60"  # seconds where Google names none: its quotas are per minute
_WORDS = {404: "no such calendar, or it is not shared with the Connection's account"}


class GoogleApiError(DownloadFailed):
    """A refusal by Google.

    ``reason`` is Google's own word for why, ``busy`` says that it is only for a moment, and
    ``wait`` is for how many seconds Google says to wait.
    """

    def __init__(self, words: str, status: int, reason: str, retry_after: str) -> None:
        quota = status == 429 or (status == 403 and reason in _QUOTA)
        words = "Google's quota is used up for now" if quota else words
        message = f"HTTP {status}: {words}" if words else refusal(status)
        super().__init__(message, status, retry_after or (_QUOTA_WAIT if quota else ""))
        self.reason, self.wait = reason, parse_retry_after(retry_after)
        self.busy = status >= 500 or status == 429 or (status == 403 and reason in _BUSY)


class Google:
    """The API as the Connection of this process may use it, within *scope*.

    *do* says in words what it is used for, for messages of errors.
    """

    def __init__(self, scope: str, do: str) -> None:
        from airflow.exceptions import AirflowException  # type: ignore[attr-defined]
        from airflow.providers.google.common.hooks.base_google import get_field
        from airflow.providers.google.suite.hooks.calendar import GoogleCalendarHook
        from google.auth.exceptions import GoogleAuthError

        hook = GoogleCalendarHook(api_version="v3", gcp_conn_id=CONN_ID)
        if not get_field(hook.extras, "scope"):
            # The provider's own default scope gives no access to calendars.
            hook.extras["scope"] = scope
        try:
            self.events: Any = hook.get_conn().events()
        except (AirflowException, GoogleAuthError, LookupError, ValueError) as error:
            kind = type(error).__name__
            reason = (
                f"the Connection's credentials cannot be used ({kind}): "
                "paste the whole key into Keyfile JSON"
            )
            raise DownloadFailed(reason) from None
        self._words = {
            "accessNotConfigured": (
                "the Google Calendar API is not enabled in the account's project: enable it there"
            ),
            "insufficientPermissions": (
                f"the Connection's Scopes do not let it {do}: empty them, or add {scope}"
            ),
            "requiredAccessLevel": (
                f"the calendar's sharing does not let the Connection's account {do}"
            ),
        }

    def answer(self, request: Any, kind: str, retries: int = 0) -> Event:
        """Return what Google answers, a *kind* of resource; any kind if that is empty.

        Where Google is busy it is asked again, up to *retries* times. Raises
        :class:`GoogleApiError`, or another :class:`DownloadFailed` for credentials that are not
        accepted and answers of another kind.
        """
        from google.auth.exceptions import RefreshError
        from googleapiclient.errors import HttpError

        try:
            answer = request.execute(num_retries=retries)
        except HttpError as error:
            raise self._refusal(
                int(error.resp.status), error.content, error.resp.get("retry-after", "")
            ) from None
        except RefreshError as error:
            match = re.search(r"\binvalid_[a-z]+|\bunauthorized_client\b", str(error))
            code = f" ({match.group()})" if match else ""
            raise DownloadFailed(
                f"Google does not accept the Connection's credentials{code}"
            ) from None
        if kind and get_text(answer, "kind") != kind:
            raise DownloadFailed("the answer is not one of Google Calendar: is a proxy in between?")
        resource: Event = answer
        return resource

    def _refusal(self, status: int, content: bytes, retry_after: str) -> GoogleApiError:
        reason = ""
        with suppress(ValueError, LookupError, TypeError):
            reason = str(json.loads(content)["error"]["errors"][0]["reason"])
        return GoogleApiError(
            self._words.get(reason, _WORDS.get(status, "")), status, reason, retry_after
        )


def read(request: Message, body: bytes) -> tuple[Message, bytes]:
    """Return what the calendar holds now, and from where the next reading goes on."""
    memory, since = request["known"], _since(request["days_back"])
    calendar = _Calendar(request["calendar"])
    if memory.get("token") and memory["since"] == since:
        with suppress(SyncTokenExpired):
            changed = calendar.events(syncToken=memory["token"])
            earlier = split(body)
            zone = calendar.zone
            if zone == memory["zone"] and not _series_was_rescheduled(earlier, changed, zone):
                items = merge(earlier, changed, zone)
                return calendar.answer(since, items, unchanged=not changed)
    everything = calendar.events(timeMin=f"{since}T00:00:00Z" if since else None)
    return calendar.answer(since, merge({}, everything, calendar.zone))


class _Calendar:
    """One calendar, asked through the hook.

    ``zone`` and ``token`` are what the last reading returned.
    """

    def __init__(self, calendar: str) -> None:
        self._google, self._calendar = Google(SCOPE, "read calendars"), calendar
        self.zone = self.token = ""

    def events(self, **query: str | None) -> list[Event]:
        """Return the events of all pages of one reading, each in its latest version.

        Raises :class:`SyncTokenExpired` when the token has expired.
        """
        events_by_id: dict[str, Event] = {}
        page: str | None = None
        while True:
            answer = self._ask(pageToken=page, **query)
            for event in answer.get("items", ()):
                events_by_id[get_text(event, "id") or json.dumps(event)] = (
                    event if isinstance(event, dict) else {}
                )
            if len(events_by_id) > 2 * limits.MAX_COMPONENTS:
                raise DownloadFailed(f"more than {limits.MAX_COMPONENTS} events: set days_back")
            page = get_text(answer, "nextPageToken")
            if not page:
                break
        zone = named_zone(get_text(answer, "timeZone") or "UTC")
        self.zone, self.token = zone.key if zone else "", get_text(answer, "nextSyncToken")
        return list(events_by_id.values())

    def _ask(self, **query: str | None) -> Event:
        ask = self._google.events.list
        request = ask(
            calendarId=self._calendar, singleEvents=False, maxResults=PAGE, fields=_FIELDS, **query
        )
        try:
            return self._google.answer(
                request, "calendar#events", 2 if query.get("pageToken") else 0
            )
        except GoogleApiError as refused:
            if refused.status == 410:
                raise SyncTokenExpired from None
            raise

    def answer(
        self, since: str, items: dict[str, Item], *, unchanged: bool = False
    ) -> tuple[Message, bytes]:
        """Return the message and the body of a reading that found *items*."""
        memory = {"token": self.token, "since": since, "zone": self.zone}
        return {"unchanged": unchanged, "known": memory}, b"" if unchanged else build_body(
            items, self.zone
        )


def _since(days_back: int) -> str:
    """Return the first of the month that *days_back* leads to; ``""`` for no bound.

    So it changes once a month.
    """
    return f"{clock.utc() - timedelta(days=days_back):%Y-%m-01}" if days_back else ""


def _series_was_rescheduled(earlier: dict[str, Item], changed: list[Event], zone: str) -> bool:
    """Tell whether a series with exceptions has other times now.

    Nothing then tells which of its exceptions are left.
    """
    with_exceptions = {key[:_KEY_DIGITS] for key in earlier if len(key) > _KEY_DIGITS}
    for event in changed:
        key = _key(event)
        if (
            key in with_exceptions
            and key in earlier
            and _pattern(earlier[key]) != _pattern(_item(event, zone))
        ):
            return True
    return False


def _pattern(item: Item) -> list[str]:
    return [
        line for event in item.events for line in event.splitlines() if line.startswith(_PATTERN)
    ]


def merge(earlier: dict[str, Item], changed: list[Event], zone: str) -> dict[str, Item]:
    """Return the objects of a calendar after what has *changed*.

    An object is an event, a master or an exception; the key of an exception begins with that of its
    master. A series that was deleted takes its exceptions along.
    """
    deleted = {_key(event) for event in changed if _is_deleted(event)}
    items = {key: item for key, item in earlier.items() if key[:_KEY_DIGITS] not in deleted}
    for event in changed:
        key = _key(event)
        if key[:_KEY_DIGITS] not in deleted:
            items[key] = _item(event, zone)
    return items


def _is_deleted(event: Event) -> bool:
    """Tell whether *event* was deleted.

    On an exception the status means something else: that the series does not take place then.
    """
    return event.get("status") == "cancelled" and not event.get("recurringEventId")


def _key(event: Event) -> str:
    event_id, series = get_text(event, "id"), get_text(event, "recurringEventId")
    return digest(series) + digest(event_id) if series else digest(event_id or json.dumps(event))


def _item(event: Event, zone: str) -> Item:
    """Return the object of *event*; one that cannot be understood is quarantined.

    Its UID is Google's id of the series: nothing else is promised for a cancelled exception.
    """
    uid = get_text(event, "recurringEventId") or get_text(event, "id")
    try:
        lines = list(_lines(event, zone))
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError):
        # Without a start it is quarantined.
        lines = []
    return writer.item(uid, lines, zone)


def _lines(event: Event, zone: str) -> Iterator[str]:
    recurrence = event.get("recurrence") or []
    start = event.get("start") or event["originalStartTime"]
    home = (
        writer.zone_called(start.get("timeZone") or zone or "UTC")
        if recurrence and "date" not in start
        else None
    )
    yield _time("DTSTART", start, home)
    if event.get("end"):
        yield _time("DTEND", event["end"], home)
    if event.get("recurringEventId"):
        yield _time("RECURRENCE-ID", event["originalStartTime"], None)
    for line in recurrence:
        # A line that is not understood becomes a rule that is quarantined.
        yield line if _RECURRENCE.fullmatch(line) else "RRULE:FREQ="
    status = get_text(event, "status").upper()
    if status in ("TENTATIVE", "CANCELLED"):
        yield f"STATUS:{status}"
    yield from writer.text("SUMMARY", event.get("summary"))
    yield from writer.text("LOCATION", event.get("location"))
    kind = get_text(event, "eventType")
    if kind not in ("", "default"):
        yield from writer.text("CATEGORIES", kind)
    people = event.get("attendees") or []
    declined = any(
        person.get("self") and person.get("responseStatus") == "declined" for person in people
    )
    if event.get("transparency") == "transparent" or kind in _FREE_TYPES or declined:
        yield "TRANSP:TRANSPARENT"
    # Where attendees are left out, the list is of no use: it is not complete.
    if not event.get("attendeesOmitted"):
        yield from writer.person("ORGANIZER", get_text(event, "organizer", "email"))
        for person in people:
            yield from writer.person(
                "ATTENDEE", person.get("email"), _ANSWERS.get(person.get("responseStatus"), "")
            )


def _time(name: str, value: dict[str, str], home: ZoneInfo | None) -> str:
    if "date" in value:
        return writer.day(name, date.fromisoformat(value["date"]))
    moment = datetime.fromisoformat(value["dateTime"])
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=writer.zone_called(value.get("timeZone")))
    return writer.moment(name, moment, home)


if __name__ == "__main__":
    run(read, "google")
