"""A CalDAV account read where it can be killed: ``python -m calendar_timetable.calendars.sources.caldav_child``.

One process finds the calendars, asks whether they changed and, only then, reads what did: RFC 4791, with the
discovery of RFC 6764 and the tokens of RFC 6578 (or the older ctag).
"""

from __future__ import annotations

from functools import cache, partial

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message, answer
from calendar_timetable.calendars.ical.bundle import join, split
from calendar_timetable.calendars.net.client import DownloadFailed, Web, served
from calendar_timetable.calendars.sources.caldav_discovery import GONE, Account, Found, Place
from calendar_timetable.calendars.sources.caldav_reader import Items, Reader, Terms
from calendar_timetable.calendars.sources.caldav_server import Server


def _read(given: bytes, web: Web, request: Message) -> tuple[Message, bytes]:
    """The calendars now; *given* is the body of the last time, without which nothing but their places is known."""
    server = Server(web, request["url"])
    known: Message = request["known"]
    before: Message = known.get("calendars", {}) if given else {}
    found, at = _find(Account(server, request["calendars"]), known, availability=request["availability"])
    terms = Terms(request["since"], tuple(request["range"]), request["busy_only"])
    readers = [Reader(server, calendar, terms, before.get(calendar.path, {})) for calendar in found]
    if before.keys() == {reader.calendar.path for reader in readers} and all(map(Reader.is_unchanged, readers)):
        return {"unchanged": True, "known": {**at, "calendars": before}, "notes": []}, b""

    held = cache(partial(split, given))
    told, parts = {}, []
    for reader in readers:
        own: Items = {key: item for key, item in held().items() if key.startswith(reader.prefix)} if before else {}
        told[reader.calendar.path], items = reader.read(own)
        parts.append(join(items, reader.calendar.zone))
    body = b"".join(parts)
    if len(body) > request["bytes"]:
        raise DownloadFailed(f"larger than {request['bytes'] // 1024} KiB")
    now = {**at, "calendars": told}
    return {"unchanged": now == known and body == given, "known": now, "notes": _notes(readers)}, body


def _find(account: Account, known: Message, *, availability: bool) -> tuple[list[Found], Message]:
    """The calendars and what keeps their owner's availability, where they were the last time or are now."""
    places: list[Place] = [(url, depth) for url, depth in known.get("places", ())]
    inboxes: list[str] = known.get("inboxes", [])
    try:
        found = [*account.choose(places), *account.availability(inboxes)] if places else []
    except DownloadFailed as error:
        elsewhere = any(account.server.is_partner(url) for url, _ in places)  # where accounts are moved about
        if error.status not in GONE and not (elsewhere and error.status in (401, 421)):
            raise
        found = []  # it has moved: find it anew
    if not found:
        places, inboxes = account.find(), account.inboxes() if availability else []
        found = [*account.choose(places), *account.availability(inboxes)]
    return found, {"places": [list(place) for place in places], "inboxes": inboxes}


def _notes(readers: list[Reader]) -> list[str]:
    several = len(readers) > 1
    return [
        f"calendar {number} of {len(readers)}: {note}" if several else note
        for number, reader in enumerate(readers, 1)
        for note in reader.notes
    ]


def _serve(request: Message, given: bytes) -> tuple[Message, bytes]:
    return served(partial(_read, given), request)


if __name__ == "__main__":
    answer(_serve, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
