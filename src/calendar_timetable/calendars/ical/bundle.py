"""A calendar kept object by object, so that a source can send only what changed.

A bundle is a body that reads as a calendar, like any other. Each event says, in a property of ours
that readers ignore (RFC 5545 section 3.8.8.2), which object it belongs to, and in which version.
Objects with the same frame, such as those with the same VTIMEZONE, share one VCALENDAR, so that it
is read once. No two objects of a collection share a UID (RFC 4791 section 4.1), but a bundle may
hold several collections: the first digits of an object's key tell them apart.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

_BEGIN, _END = "BEGIN:VCALENDAR", "END:VCALENDAR"
MARK = "X-CALENDAR-TIMETABLE-OBJECT"
# The digits of a key that objects have in common if those with the same UID are one series: the
# digest of their collection or, from a service that names series itself, of their series.
COLLECTION_DIGITS = 12
_FLAGS = re.IGNORECASE | re.MULTILINE | re.DOTALL
_KIND = r"(?:VEVENT|VFREEBUSY|VAVAILABILITY)"
_EVENT = re.compile(rf"^BEGIN:({_KIND})[ \t]*\r?\n.*?^END:\1[ \t]*\r?\n", _FLAGS)
_OPENING = re.compile(rf"^BEGIN:{_KIND}[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
_MARKED = re.compile(rf"^{MARK}:([0-9a-f]+) ([0-9a-f]+)\r\n", re.MULTILINE)
_CALENDAR = re.compile(r"^BEGIN:VCALENDAR\r\n.*?^END:VCALENDAR\r\n", re.MULTILINE | re.DOTALL)
_FRAME = re.compile(r"^(?:BEGIN|END):VCALENDAR[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
# Stands for an object that was not sent whole: the reader quarantines it.
_BROKEN = "BEGIN:VEVENT\r\nEND:VEVENT\r\n"


@dataclass(frozen=True, slots=True)
class Item:
    """One object: a digest of its *version* at the source, its events, and what is around them."""

    version: str
    frame: str = field(repr=False)
    events: tuple[str, ...] = field(repr=False)


def digest(text: str) -> str:
    """Return what stands for an address, an id or a version in a bundle, so that it tells none."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def collection_of(mark: str) -> str:
    """Return what tells an object's collection from others, by the value of its mark."""
    return mark[:COLLECTION_DIGITS]


def make_item(data: str, version: str, zone: str = "") -> Item:
    """Return *data*, one object as a VCALENDAR, as an item.

    *zone* (an IANA name) is that of its calendar, for objects that name none. An object that is not
    whole becomes one that the reader quarantines.
    """
    data = data.strip()
    if not data[:100].upper().startswith(_BEGIN) or not data[-100:].upper().endswith(_END):
        return Item(digest(version), _frame(zone), (_BROKEN,))
    head = f"X-WR-TIMEZONE:{zone}\r\n" if zone and "X-WR-TIMEZONE" not in data else ""
    text = f"{_BEGIN}\r\n{head}{data[len(_BEGIN) : -len(_END)].strip()}\r\n{_END}\r\n"
    text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    events = tuple(_MARKED.sub("", match.group()) for match in _EVENT.finditer(text))
    frame = _MARKED.sub("", _EVENT.sub("", text))
    if _OPENING.search(frame) or len(_FRAME.findall(text)) != 2:
        return Item(digest(version), _frame(zone), (_BROKEN,))
    return Item(digest(version), frame if events else _frame(zone), events)


def join(items: Mapping[str, Item], zone: str = "") -> bytes:
    """Return the body of all *items*, by their key (a :func:`digest`).

    It has at least one VCALENDAR.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    # Also there for a calendar that holds nothing; it says the zone.
    head = groups[_frame(zone)]
    for key, item in sorted(items.items()):
        mark = f"{MARK}:{key} {item.version}\r\n"
        groups[item.frame] += [
            event[: (at := event.index("\n") + 1)] + mark + event[at:] for event in item.events
        ]
        if not item.events:
            head.insert(0, mark)
    parts = (
        f"{frame[: -len(_END) - 2]}{''.join(events)}{_END}\r\n" for frame, events in groups.items()
    )
    return "".join(parts).encode()


def split(body: bytes) -> dict[str, Item]:
    """Return the items, by key, of a body that :func:`join` made; none of any other body."""
    items: dict[str, Item] = {}
    for calendar in _CALENDAR.findall(body.decode(errors="replace")):
        outside = _EVENT.sub("", calendar)
        frame = _MARKED.sub("", outside)
        items |= {key: Item(version, frame, ()) for key, version in _MARKED.findall(outside)}
        for match in _EVENT.finditer(calendar):
            mark = _MARKED.search(match.group())
            if mark is not None:
                key, version = mark.groups()
                events = items[key].events if key in items else ()
                items[key] = Item(
                    version, frame, (*events, _MARKED.sub("", match.group(), count=1))
                )
    return items


def _frame(zone: str) -> str:
    head = f"X-WR-TIMEZONE:{zone}\r\n" if zone else ""
    return f"{_BEGIN}\r\nVERSION:2.0\r\n{head}{_END}\r\n"
