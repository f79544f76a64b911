"""Microsoft 365 through the Microsoft provider's Graph hook, in a process that can be killed.

Graph expands recurring events itself, and tells what changed only for a stretch of time, a calendar
view. So whole months around today are read, and read anew when the month changes.

See https://learn.microsoft.com/en-us/graph/delta-query-events and
https://learn.microsoft.com/en-us/graph/api/resources/event
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from calendar_timetable import clock
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message
from calendar_timetable.calendars.ical import writer
from calendar_timetable.calendars.ical.bundle import Item, digest, split
from calendar_timetable.calendars.net.client import DownloadFailed, refusal
from calendar_timetable.calendars.sources.cloud import (
    CONN_ID,
    SyncTokenExpired,
    build_body,
    get_text,
    run,
)

Event = dict[str, Any]
_DAYS_BACK = 31
_DAYS_AHEAD = 400  # days; calendars are looked at for up to a year ahead
_PREFER = 'outlook.timezone="UTC", odata.maxpagesize=500, IdType="ImmutableId"'
_GONE = re.compile(r"(?:sync|resync)[a-z]*(?:notfound|required|invalid)", re.IGNORECASE)
_ANSWERS = {"accepted": "ACCEPTED", "declined": "DECLINED", "tentativelyAccepted": "TENTATIVE"}
_FREE = ("free", "workingElsewhere")
_REFUSALS = {
    401: (
        "Microsoft does not accept the Connection's token: "
        "is its field Scopes another than https://graph.microsoft.com/.default?"
    ),
    403: (
        "the app may not read this mailbox: "
        "give it the application permission Calendars.Read, with admin consent"
    ),
    404: "no such mailbox or calendar",
}


def read(request: Message, body: bytes) -> tuple[Message, bytes]:
    """Return what the calendar holds now, and from where the next reading goes on."""
    connection = request["connection"]
    if not connection["login"] or not any(
        connection["extra"].get(name) for name in ("tenant_id", "tenantId")
    ):
        raise DownloadFailed(
            "the Connection needs Client ID, Client Secret and Tenant ID: fill them in"
        )
    return asyncio.run(_read(request, body))


async def _read(request: Message, body: bytes) -> tuple[Message, bytes]:
    from airflow.providers.microsoft.azure.hooks.msgraph import KiotaRequestAdapterHook

    memory, view = request["known"], _view(request["days_back"] or _DAYS_BACK)
    graph = _Graph(KiotaRequestAdapterHook(conn_id=CONN_ID, timeout=request["read"]))
    if memory.get("link") and memory["view"] == view:
        with suppress(SyncTokenExpired):
            changed = await graph.round(memory["link"])
            message: Message = {
                "unchanged": not changed,
                "known": {"link": graph.link, "view": view},
            }
            return message, build_body(merge(split(body), changed)) if changed else b""
    user, _, calendar = request["calendar"].partition("/")
    path = f"users/{quote(user, safe='@')}" + (
        f"/calendars/{quote(calendar, safe='')}" if calendar else ""
    )
    everything = await graph.round(
        f"{path}/calendarView/delta", startDateTime=view[0], endDateTime=view[1]
    )
    return {"unchanged": False, "known": {"link": graph.link, "view": view}}, build_body(
        merge({}, everything)
    )


def _view(days_back: int) -> list[str]:
    """Return the start and the end of the view (UTC).

    Both are the first of a month, so that they change once a month.
    """
    now = clock.utc()
    return [
        f"{now + timedelta(days=days):%Y-%m-01T00:00:00Z}" for days in (-days_back, _DAYS_AHEAD)
    ]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: str
    body: bytes


class _Graph:
    """Delta rounds through the hook; ``link`` is where the next round begins."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook
        self.link = ""

    async def round(self, start: str, **query: str) -> list[Event]:
        """Return the events of all pages of one round, each in its latest version.

        Raises :class:`SyncTokenExpired` when the round has to begin anew.
        """
        events: dict[str, Event] = {}
        # More than a body may have: texts and invitations come along, and cannot be left out.
        url, bytes_left = start, limits.MAX_BODY * 10
        while True:
            content = await self._ask(url, query)
            bytes_left -= len(content)
            page = json.loads(content)
            for event in page.get("value", ()):
                events[get_text(event, "id") or json.dumps(event)] = (
                    event if isinstance(event, dict) else {}
                )
            if bytes_left < 0 or len(events) > 2 * limits.MAX_COMPONENTS:
                raise DownloadFailed("its events are too many to be read")
            self.link = get_text(page, "@odata.deltaLink")
            url, query = get_text(page, "@odata.nextLink"), {}
            if self.link or not url:
                break
        if not self.link:
            raise DownloadFailed("the answer is not one of Microsoft Graph")
        return list(events.values())

    async def _ask(self, url: str, query: dict[str, str]) -> bytes:
        from azure.core.exceptions import ClientAuthenticationError
        from kiota_http.middleware.options import (
            RedirectHandlerOption,
            ResponseHandlerOption,
            RetryHandlerOption,
        )

        if url.startswith("http"):
            # The token is sent to no other host.
            base = (await self.hook.get_async_conn()).base_url
            if urlsplit(url)[:2] != urlsplit(base)[:2]:
                raise DownloadFailed("it leads to another host than the Connection's")
        request = self.hook.request_information(
            url, query_parameters=query, headers={"Prefer": _PREFER}
        )
        request.add_request_options(
            [
                ResponseHandlerOption(response_handler=_Received()),
                # When to ask again is decided by the caller, as that has to outlive this process.
                RetryHandlerOption(should_retry=False),
                RedirectHandlerOption(should_redirect=False),
            ]
        )
        try:
            answer: _Answer = await self.hook.send_request(request)
        except ClientAuthenticationError as error:
            code = re.search(r"AADSTS\d+", str(error))
            hint = f" ({code.group()})" if code else ""
            raise DownloadFailed(
                f"Microsoft does not accept the Connection's client id or secret{hint}"
            ) from None
        if answer.status != 200:
            raise _refusal(answer)
        return answer.body


class _Received:
    """Keeps an answer as it is.

    The hook's own response handler keeps neither the status nor Retry-After.
    """

    async def handle_response_async(self, response: Any, error_map: object) -> _Answer:
        return _Answer(
            response.status_code, response.headers.get("retry-after", ""), response.content
        )


def _refusal(answer: _Answer) -> Exception:
    """Return the error that a refusal by Graph stands for.

    See https://learn.microsoft.com/en-us/graph/errors
    """
    code = ""
    with suppress(ValueError):
        code = get_text(json.loads(answer.body), "error", "code")
    if answer.status == 410 or (answer.status == 400 and _GONE.fullmatch(code)):
        return SyncTokenExpired()
    hint = f" ({code})" if re.fullmatch(r"[A-Za-z_.]{1,60}", code) else ""
    if answer.status in _REFUSALS:
        return DownloadFailed(
            f"HTTP {answer.status}: {_REFUSALS[answer.status]}{hint}", answer.status
        )
    return DownloadFailed(f"{refusal(answer.status)}{hint}", answer.status, answer.retry_after)


# --- events into objects --------------------------------------------------------------------------


def merge(earlier: dict[str, Item], changed: list[Event]) -> dict[str, Item]:
    """Return the objects of a view after what has *changed*.

    The key of an occurrence begins with that of its series. When an occurrence is deleted, Graph
    sends the master of the series and the occurrences that are left, and does not name the one that
    is gone. So a master that comes means that the series begins anew. Occurrences say only their
    times and their series: the rest is what the master says.

    Raises :class:`SyncTokenExpired` if an occurrence comes without its master.
    """
    removed = {digest(get_text(event, "id")) for event in changed if "@removed" in event}
    masters = {
        get_text(event, "id"): event for event in changed if event.get("type") == "seriesMaster"
    }
    ended = removed | {digest(series) for series in masters}
    size = len(digest(""))
    items = {
        key: item
        for key, item in earlier.items()
        if key[:size] not in ended and key[size:] not in removed
    }
    for event in changed:
        if "@removed" in event or event.get("type") == "seriesMaster":
            continue
        series = get_text(event, "seriesMasterId")
        full = masters.get(series, {}) | {
            name: value for name, value in event.items() if value is not None
        }
        if series and "showAs" not in full and earlier:
            # An occurrence came without its master: only reading everything brings that.
            raise SyncTokenExpired
        items[
            (digest(series) if series else "") + digest(get_text(event, "id") or json.dumps(event))
        ] = _item(full)
    return items


def _item(event: Event) -> Item:
    uid = get_text(event, "iCalUId") or get_text(event, "id")
    if get_text(event, "seriesMasterId"):
        uid += f"/{get_text(event, 'originalStart') or get_text(event, 'start', 'dateTime')}"[:17]
    try:
        lines = list(_lines(event))
    except (LookupError, ValueError, TypeError, AttributeError, OverflowError):
        # Without a start it is quarantined.
        lines = []
    return writer.item(uid, lines)


def _lines(event: Event) -> Iterator[str]:
    for name, at in (("DTSTART", "start"), ("DTEND", "end")):
        moment = _moment(event[at])
        if event.get("isAllDay"):
            yield writer.day(name, _day(moment, get_text(event, f"original{at.title()}TimeZone")))
        else:
            yield writer.moment(name, moment)
    shown_as = event.get("showAs")
    if event.get("isCancelled"):
        yield "STATUS:CANCELLED"
    elif shown_as == "tentative":
        yield "STATUS:TENTATIVE"
    if shown_as in _FREE or get_text(event, "responseStatus", "response") == "declined":
        yield "TRANSP:TRANSPARENT"
    yield from writer.text("SUMMARY", event.get("subject"))
    yield from writer.text("LOCATION", get_text(event, "location", "displayName"))
    for category in event.get("categories") or ():
        yield from writer.text("CATEGORIES", category)
    yield from writer.person("ORGANIZER", get_text(event, "organizer", "emailAddress", "address"))
    for person in event.get("attendees") or ():
        answered = _ANSWERS.get(get_text(person, "status", "response"), "")
        yield from writer.person("ATTENDEE", get_text(person, "emailAddress", "address"), answered)


def _moment(value: dict[str, str]) -> datetime:
    moment = datetime.fromisoformat(value["dateTime"])
    return moment if moment.tzinfo else moment.replace(tzinfo=writer.zone_called(value["timeZone"]))


def _day(moment: datetime, zone: str) -> date:
    """Return the day that begins at *moment*.

    That is midnight in the zone asked for or, for events that keep a zone of their own, in *zone*.
    """
    midnight = not (moment.hour or moment.minute)
    return moment.date() if midnight else moment.astimezone(writer.zone_called(zone)).date()


if __name__ == "__main__":
    run(read, "microsoft")
