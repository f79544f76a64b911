"""Bytes into components: unfolding, decoding and nesting (RFC 5545 sections 3.1 and 3.4).

Not icalendar's own parser: it takes ten times as long for a big feed, looks time zones up while it
parses, and gives the whole calendar up for one bad line. Here a component is split off without being
understood, so that each can fail alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from calendar_timetable.calendars import limits

TOP_LEVEL = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VTIMEZONE"})
EVENTS = re.compile(rb"\nBEGIN:(?:VEVENT|VFREEBUSY|VAVAILABILITY)[ \t]*\r?(?=\n)", re.IGNORECASE)

_TIMES = frozenset({"DTSTART", "DTEND", "RDATE", "EXDATE", "RECURRENCE-ID"})
_KEPT = _TIMES | {
    "ATTENDEE", "BUSYTYPE", "CALSCALE", "CATEGORIES", "DURATION", "EXRULE", "FREEBUSY", "LOCATION", "ORGANIZER",
    "PRIORITY", "RRULE", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "TZID", "TZOFFSETFROM", "TZOFFSETTO", "UID",
    "X-MICROSOFT-CDO-BUSYSTATUS", "X-WR-TIMEZONE",
}  # fmt: skip
_MARK = b"\xef\xbb\xbf"
_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEAD = re.compile(r'((?:[^":]|"[^"]*")*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([^=;:"]+)=((?:"[^"]*"|[^";])*)')


class Unreadable(Exception):
    """A component, or the whole body, cannot be understood. The text never quotes the feed."""


@dataclass(frozen=True, slots=True)
class Line:
    """One property: its parameters by upper-case name, its value as written."""

    name: str
    params: dict[str, str]
    value: str


@dataclass(slots=True)
class Block:
    """One component, split off but not understood. ``broken`` when it was not closed properly.

    ``raw`` holds the names of its properties and their lines as written: each is split when it is asked for.
    """

    name: str
    raw: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    broken: bool = False

    def all(self, *names: str) -> Iterator[Line]:
        """Every property called one of *names*."""
        return (line for name, raw in self.raw if name in names and (line := _split(name, raw)) is not None)

    def first(self, name: str) -> Line | None:
        """The first property called *name*."""
        return next(self.all(name), None)

    def text(self, name: str) -> str:
        """The value of the first property called *name*, upper case, or ``""``."""
        line = self.first(name)
        return "" if line is None else line.value.strip().upper()


def read_calendars(body: bytes) -> list[Block]:
    """The VCALENDARs in *body*; :class:`Unreadable` when there is none or it has too many components."""
    calendars: list[Block] = []
    stack: list[Block] = []
    components = blocks = 0
    for raw in _unfold(body):
        match = _NAME.match(raw)
        if match is None:
            continue
        name = match.group().upper()
        if name == "BEGIN":
            kind = raw[match.end() + 1 :].strip().upper()
            if kind == "VCALENDAR":
                _close(stack, 0)
                stack.append(Block(kind))
                calendars.append(stack[0])
                continue
            if not stack:
                continue
            if kind in TOP_LEVEL:
                _close(stack, 1)
                components += kind != "VTIMEZONE"
            blocks += 1
            if components > limits.MAX_COMPONENTS or blocks > limits.MAX_BLOCKS:
                raise Unreadable(f"more than {limits.MAX_COMPONENTS} components")
            block = Block(kind)
            stack[-1].blocks.append(block)
            stack.append(block)
        elif name == "END" and stack:
            kind = raw[match.end() + 1 :].strip().upper()
            depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].name == kind), None)
            if depth is None:
                stack[-1].broken = True
            else:
                _close(stack, depth + 1)
                stack.pop()
        elif stack and name in _KEPT:
            stack[-1].raw.append((name, raw))
    if not calendars:
        raise Unreadable("not a calendar")
    _close(stack, 0)
    return calendars


def _close(stack: list[Block], depth: int) -> None:
    """Close the blocks below *depth* that were never ended."""
    for block in stack[depth:]:
        block.broken = True
    del stack[depth:]


def _unfold(body: bytes) -> Iterator[str]:
    # folds may lie within a character, so unfolding comes before decoding
    body = body.replace(b"\r\n", b"\n").replace(b"\n ", b"").replace(b"\n\t", b"")
    body = body.removeprefix(_MARK).replace(b"\n" + _MARK, b"\n")  # one each where calendars were put together
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = body.decode("cp1252", "replace")
    return iter(text.split("\n"))


def _split(name: str, raw: str) -> Line | None:
    head, colon, value = raw.partition(":")
    if name in _TIMES and ":" in value:  # unquoted TZID=UTC+02:00; a time itself has no colon
        head, colon, value = raw.rpartition(":")
    elif '"' in head:
        match = _HEAD.match(raw)
        head, value = match.groups() if match else (head, value)
    if not colon:
        return None
    params = {key.strip().upper(): text.replace('"', "") for key, text in _PARAMETER.findall(head[len(name) :])}
    return Line(name, params, value)
