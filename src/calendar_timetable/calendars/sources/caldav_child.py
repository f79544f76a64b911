"""Read a CalDAV account, in a process that can be killed.

The objects of a calendar are read with as few requests as its server allows: by what changed, else
by what differs, else all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from urllib.parse import urljoin

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message, serve_child
from calendar_timetable.calendars.ical.bundle import (
    COLLECTION_DIGITS,
    Item,
    digest,
    join,
    make_item,
    split,
)
from calendar_timetable.calendars.net.client import DownloadFailed, HttpClient, refusal, serve
from calendar_timetable.calendars.sources.caldav_discovery import (
    GONE,
    Account,
    CalDavCalendar,
    Place,
)
from calendar_timetable.calendars.sources.caldav_protocol import (
    CALDAV,
    DAV,
    CalDavError,
    CalDavServer,
    Resource,
    ResultTruncated,
    changes,
    free_busy,
    multiget,
    path_of,
    query,
)

Items = dict[str, Item]
_GONE = (404, 410)
# Properties that a server makes up anew for each free/busy answer (RFC 5545 section 3.6.4). They
# would look like a change.
_OF_THE_ANSWER = re.compile(
    r"^(?:DTSTAMP|UID|PRODID)[;:].*\r?\n(?:[ \t].*\r?\n)*", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is read: events from *since* on, or only free/busy in *range*.

    An empty *since* means all events.
    """

    since: str
    range: tuple[str, str]
    busy_only: bool


@dataclass
class Reader:
    """Reads one calendar.

    ``known`` is what :meth:`read` returned about the calendar the last time.
    """

    server: CalDavServer
    calendar: CalDavCalendar
    terms: Terms
    known: Message
    notes: list[str] = field(default_factory=list)  # what went wrong and was overcome

    def __post_init__(self) -> None:
        # The keys of its items begin with it.
        self.prefix = digest(self.calendar.path)[:COLLECTION_DIGITS]
        self._availability = self.prefix + digest("availability")
        self._sync = self.calendar.sync
        self._complete = True  # whether everything that was asked for came
        self._too_many = False

    def is_unchanged(self) -> bool:
        """Tell whether the server says that nothing changed; without tokens it never does."""
        now: Message = {
            "zone": self.calendar.zone,
            "availability": digest(self.calendar.availability),
        }
        if self.calendar.kinds:
            now |= {
                "token": self.calendar.token or None,
                "of": self._of(busy=bool(self.known.get("busy"))),
            }
        return all(self.known.get(name, "") == value for name, value in now.items())

    def read(self, earlier: Items) -> tuple[Message, Items]:
        """Return what to remember of the calendar for the next time, and its items by key.

        *earlier* are the items of the last time.
        """
        calendar = self.calendar
        memory: Message = {"zone": calendar.zone, "availability": digest(calendar.availability)}
        items = {key: item for key, item in earlier.items() if key != self._availability}
        if calendar.kinds and not self.is_unchanged():
            items, busy = self._events(items)
            token, sync = (calendar.token, self._sync) if self._complete else ("", "")
            memory |= {
                "token": token,
                "sync": "" if busy else sync,
                "busy": busy,
                "of": self._of(busy=busy),
            }
        if calendar.availability:
            availability = make_item(calendar.availability, calendar.availability, calendar.zone)
            items[self._availability] = availability
        return {**self.known, **memory}, items

    def _of(self, *, busy: bool) -> str:
        """Return the time that was asked for, as text: if it differs, all is read anew."""
        return "/".join(self.terms.range) if busy else self.terms.since

    def _events(self, earlier: Items) -> tuple[Items, bool]:
        """Return the items, and whether they are only free/busy.

        Where events may not be read, free/busy is asked for instead, but never in place of events
        that could be read before: what is chosen by their titles would be gone without a word.
        """
        if self.terms.busy_only:
            return self._free_busy(), True
        refused = CalDavError(DownloadFailed(refusal(403), 403))
        if not self.calendar.closed:
            try:
                return self._objects(earlier), False
            except CalDavError as error:
                if error.status != 403:
                    raise
                refused = error
        if self.known.get("busy") is False:
            raise refused
        try:
            items = self._free_busy()
        except CalDavError:
            raise refused from None
        self.notes.append("only its free/busy may be read: its events have no titles")
        return items, True

    # --- its events -------------------------------------------------------------------------------

    def _objects(self, earlier: Items) -> Items:
        failed = CalDavError(DownloadFailed("it cannot be asked"))
        for way in self._ways(earlier):
            try:
                return way()
            except CalDavError as error:
                failed = error
                self._too_many = isinstance(error, ResultTruncated)
        raise failed

    def _ways(self, earlier: Items) -> Iterator[Callable[[], Items]]:
        """Yield ways to read the objects, each for when the server refuses those before it."""
        memory = self.known
        if memory.get("busy") or memory.get("zone") != self.calendar.zone:
            # None of them is of use: they are free/busy, or tell another zone of their calendar.
            earlier = {}
        if earlier and memory.get("sync") and memory.get("of") == self.terms.since:
            yield partial(self._changes, memory["sync"], earlier)
            self.notes.append(
                "its sync token is not accepted any more: all its events are compared"
            )
        if earlier:
            yield partial(self._differences, earlier)
            self.notes.append("its events cannot be compared: all are read")
        yield self._all
        if self._too_many:
            yield partial(self._differences, {})
            if self.calendar.sync:
                yield partial(self._changes, "", {})

    def _changes(self, token: str, earlier: Items) -> Items:
        """Return *earlier* with what changed since *token*, by a sync-collection (RFC 6578).

        The answer may come in pages (section 3.6).
        """
        items, missing = dict(earlier), dict[str, str]()
        for _ in range(limits.MAX_PAGES):
            answer = self.server.report(self.calendar.url, 0, changes(token))
            for resource in answer.resources:
                key = self._key(resource)
                if key and resource.status in _GONE:
                    items.pop(key, None)
                    missing.pop(key, None)
                elif key and resource.text(f"{CALDAV}calendar-data"):
                    items[key] = self._item(resource)
                    missing.pop(key, None)
                elif key and resource.status != 507 and not _is_same(items.get(key), resource):
                    missing[key] = resource.href
                    items.pop(key, None)
            # A 507 says that there are more pages (RFC 6578 section 3.6).
            if all(resource.status != 507 for resource in answer.resources):
                self._sync = answer.token
                return items | self._objects_at(missing)
            if answer.token in ("", token):
                break
            token = answer.token
        raise CalDavError(DownloadFailed("its list of changes does not end"))

    def _differences(self, earlier: Items) -> Items:
        """Return the items after a comparison of ETags (RFC 9110 section 8.8.3).

        This is for servers that keep no tokens.
        """
        listed = self._listing(data=False)
        same = {
            key: earlier[key] for key, resource in listed if _is_same(earlier.get(key), resource)
        }
        return same | self._objects_at(
            {key: resource.href for key, resource in listed if key not in same}
        )

    def _all(self) -> Items:
        return {key: self._item(resource) for key, resource in self._listing(data=True)}

    def _objects_at(self, hrefs: dict[str, str]) -> Items:
        """Return the items of the objects at *hrefs*, by key, as a multiget gives them.

        Those that are gone by now are left out; those that the server does not answer for are
        quarantined.
        """
        waiting, items = list(hrefs.items()), Items()
        answered: set[str] = set()
        for first in range(0, len(waiting), limits.MULTIGET):
            page = dict(waiting[first : first + limits.MULTIGET])
            answer = self.server.report(self.calendar.url, 1, multiget(page.values()))
            resources = {
                key: resource
                for resource in answer.resources
                if (key := self._key(resource)) in page
            }
            answered |= resources.keys()
            items |= {
                key: self._item(resource)
                for key, resource in resources.items()
                if resource.status not in _GONE
            }
        return items | {key: self._item(None) for key in hrefs.keys() - answered}

    def _listing(self, *, data: bool) -> list[tuple[str, Resource]]:
        listed: list[tuple[str, Resource]] = []
        for kind in self.calendar.kinds:
            try:
                answer = self.server.report(
                    self.calendar.url, 1, query(kind, self.terms.since, data=data)
                )
            except CalDavError as error:
                if kind == self.calendar.kinds[0] or isinstance(error, ResultTruncated):
                    raise
                # The calendar may hold such components, but the server does not search for them.
                continue
            for resource in answer.resources:
                key = self._key(resource)
                if resource.status == 507 or (not key and resource.status != 200):
                    raise ResultTruncated
                if key and resource.status not in _GONE:
                    listed.append((key, resource))
        return listed

    def _key(self, resource: Resource) -> str:
        """Return the key of an object's item; ``""`` for the calendar itself and non-objects."""
        path = path_of(urljoin(self.calendar.url, resource.href))
        is_object = not resource.href.endswith("/") and path != self.calendar.path
        return self.prefix + digest(path) if is_object else ""

    def _item(self, resource: Resource | None) -> Item:
        """Return the item of an object as it was sent.

        If it was not sent, the item is quarantined, and asked for again the next time.
        """
        data = resource.text(f"{CALDAV}calendar-data") if resource is not None else ""
        self._complete = self._complete and bool(data)
        version = resource.text(f"{DAV}getetag") if resource is not None and data else ""
        return make_item(data, version, self.calendar.zone)

    # --- when it is busy --------------------------------------------------------------------------

    def _free_busy(self) -> Items:
        data = self.server.text(self.calendar.url, 1, free_busy(*self.terms.range))
        if "BEGIN:VFREEBUSY" not in data.upper():
            raise DownloadFailed("the server tells no free/busy")
        data = _OF_THE_ANSWER.sub("", data)
        return {self.prefix + digest("free/busy"): make_item(data, data, self.calendar.zone)}


def _is_same(item: Item | None, resource: Resource) -> bool:
    etag = resource.text(f"{DAV}getetag")
    return item is not None and bool(etag) and item.version == digest(etag)


def _read(last_body: bytes, web: HttpClient, request: Message) -> tuple[Message, bytes]:
    """Read the calendars as they are now.

    *last_body* is that of the last time; without it, only the places of the calendars are known.
    """
    server = CalDavServer(web, request["url"])
    memory: Message = request["known"]
    before: Message = memory.get("calendars", {}) if last_body else {}
    calendars, at = _find(
        Account(server, request["calendars"]), memory, availability=request["availability"]
    )
    terms = Terms(request["since"], tuple(request["range"]), request["busy_only"])
    readers = [
        Reader(server, calendar, terms, before.get(calendar.path, {})) for calendar in calendars
    ]
    if before.keys() == {reader.calendar.path for reader in readers} and all(
        map(Reader.is_unchanged, readers)
    ):
        return {"unchanged": True, "known": {**at, "calendars": before}, "notes": []}, b""

    earlier = cache(partial(split, last_body))
    memories, parts = {}, []
    for reader in readers:
        items_before: Items = (
            {key: item for key, item in earlier().items() if key.startswith(reader.prefix)}
            if before
            else {}
        )
        memories[reader.calendar.path], items = reader.read(items_before)
        parts.append(join(items, reader.calendar.zone))
    body = b"".join(parts)
    if len(body) > request["bytes"]:
        raise DownloadFailed(f"larger than {request['bytes'] // 1024} KiB")
    memory_now = {**at, "calendars": memories}
    return {
        "unchanged": memory_now == memory and body == last_body,
        "known": memory_now,
        "notes": _notes(readers),
    }, body


def _find(
    account: Account, memory: Message, *, availability: bool
) -> tuple[list[CalDavCalendar], Message]:
    """Return the calendars and what keeps their owner's availability, and where these are.

    They are looked for where they were the last time and, if they have moved, found anew.
    """
    places: list[Place] = [(url, depth) for url, depth in memory.get("places", ())]
    inboxes: list[str] = memory.get("inboxes", [])
    try:
        calendars = [*account.choose(places), *account.availability(inboxes)] if places else []
    except DownloadFailed as error:
        # On such a provider, accounts move from one host to another.
        elsewhere = any(account.server.is_partner(url) for url, _ in places)
        if error.status not in GONE and not (elsewhere and error.status in (401, 421)):
            raise
        # It has moved: find it anew.
        calendars = []
    if not calendars:
        places, inboxes = account.find(), account.inboxes() if availability else []
        calendars = [*account.choose(places), *account.availability(inboxes)]
    return calendars, {"places": [list(place) for place in places], "inboxes": inboxes}


def _notes(readers: list[Reader]) -> list[str]:
    several = len(readers) > 1
    return [
        f"calendar {number} of {len(readers)}: {note}" if several else note
        for number, reader in enumerate(readers, 1)
        for note in reader.notes
    ]


def _serve(request: Message, last_body: bytes) -> tuple[Message, bytes]:
    return serve(partial(_read, last_body), request)


if __name__ == "__main__":
    serve_child(_serve, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
