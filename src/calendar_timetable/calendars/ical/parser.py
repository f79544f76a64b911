"""Bytes into components: unfolding, decoding and nesting (RFC 5545 sections 3.1 and 3.4).

This is not icalendar's own parser, which takes ten times as long for a big feed, looks up time
zones while it parses, and gives up the whole calendar for one bad line. Here a component is split
off without being understood, so that each can fail alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.ical.bundle import MARK

TOP_LEVEL = frozenset({"VEVENT", "VTODO", "VJOURNAL", "VFREEBUSY", "VAVAILABILITY", "VTIMEZONE"})
EVENTS = re.compile(rb"\nBEGIN:(?:VEVENT|VFREEBUSY|VAVAILABILITY)[ \t]*\r?(?=\n)", re.IGNORECASE)

_TIMES = frozenset({"DTSTART", "DTEND", "RDATE", "EXDATE", "RECURRENCE-ID"})
_KEPT = _TIMES | {
    "ATTENDEE", "BUSYTYPE", "CALSCALE", "CATEGORIES", "DURATION", "EXRULE", "FREEBUSY", "LOCATION",
    "METHOD", "ORGANIZER", "PRIORITY", "RRULE", "SEQUENCE", "STATUS", "SUMMARY", "TRANSP", "TZID",
    "TZOFFSETFROM", "TZOFFSETTO", "UID", "X-MICROSOFT-CDO-BUSYSTATUS", "X-WR-TIMEZONE", MARK,
}  # fmt: skip
_COMPONENTS = TOP_LEVEL | {
    "AVAILABLE", "DAYLIGHT", "PARTICIPANT", "STANDARD", "VALARM", "VCALENDAR", "VLOCATION", "VPOLL",
    "VRESOURCE", "VVOTER", "VOTE",
}  # fmt: skip
_MARK = b"\xef\xbb\xbf"
_BLANK = re.compile(rb"\n\n+")
_NAME = re.compile(r"[A-Za-z0-9-]+")
_HEAD = re.compile(r'((?:[^":]|"[^"]*")*):(.*)', re.DOTALL)
_PARAMETER = re.compile(r';([^=;:"]+)=((?:[^";\\]+|"[^"]*"|\\.?)*)')
_MANY_BYTES = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")  # one character of several bytes in UTF-8
_SHAPE = (re.compile(r"\d"), "9"), (re.compile(r"[^\W\d_]|[^\x00-\x7f]"), "x")
_SHAPE_CHARACTERS = 40  # characters of a value's shape


class Unreadable(Exception):
    """A component, or the whole body, cannot be understood. The text never quotes the feed."""


def shape_of(value: str) -> str:
    """Return what *value* looks like, without what it says: each digit as 9, each letter as x."""
    value = value.strip()[: _SHAPE_CHARACTERS + 1]
    for pattern, sign in _SHAPE:
        value = pattern.sub(sign, value)
    value = "".join(sign if sign.isprintable() else " " for sign in value)
    return value if len(value) <= _SHAPE_CHARACTERS else f"{value[:_SHAPE_CHARACTERS]}…"


@dataclass(frozen=True, slots=True)
class ContentLine:
    """One property: its parameters by upper-case name, and its value as written."""

    name: str
    params: dict[str, str]
    value: str


@dataclass(slots=True)
class Component:
    """One component, split off but not understood; ``broken`` if it was not closed properly.

    A VCALENDAR that is ``ended`` may still get components, from after its end. ``raw`` holds the
    names of its properties and their lines as written: a line is split when it is asked for.
    """

    name: str
    raw: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[Component] = field(default_factory=list)
    broken: bool = False
    ended: bool = False

    def all(self, *names: str) -> Iterator[ContentLine]:
        """Yield every property called one of *names* that has a value."""
        for name, raw in self.raw:
            if name in names:
                line = _split(name, raw)
                if line is not None and line.value.strip():
                    yield line

    def first(self, name: str) -> ContentLine | None:
        """Return the first property called *name*, or ``None``.

        A line with a blank after its colon may be text of another property, so any other goes
        before it.
        """
        doubtful = None
        for line in self.all(name):
            if not line.value.startswith(" "):
                return line
            doubtful = doubtful or line
        return doubtful

    def text(self, name: str) -> str:
        """Return the value of the first property called *name* in upper case, or ``""``."""
        line = self.first(name)
        return "" if line is None else line.value.strip().upper()


def read_calendars(body: bytes) -> list[Component]:
    """Return the VCALENDARs in *body*.

    Raises :class:`Unreadable` if there is none, or if there are too many components. Text that was
    broken over lines may look like BEGIN or END, or like a property ("Status: cancelled"). So only
    known names begin and end components, and a property in small letters has no blank after its
    colon. What follows END:VCALENDAR belongs to the calendar before it.
    """
    calendars: list[Component] = []
    stack: list[Component] = []
    components = blocks = 0
    for raw in _unfold(body):
        match = _NAME.match(raw)
        if match is None:
            continue
        name = (word := match.group()).upper()
        if name == "BEGIN":
            kind = _component(raw, match.end())
            if kind == "VCALENDAR":
                _close(stack, 0)
                stack.append(Component(kind))
                calendars.append(stack[0])
                continue
            if not stack and kind in TOP_LEVEL:
                stack += calendars[-1:]
            if not stack or not kind:
                continue
            if kind in TOP_LEVEL:
                _close(stack, 1)
                components += kind != "VTIMEZONE"
            blocks += 1
            if components > limits.MAX_COMPONENTS:
                raise Unreadable(f"more than {limits.MAX_COMPONENTS} components")
            if blocks > limits.MAX_BLOCKS:
                raise Unreadable(f"more than {limits.MAX_BLOCKS} components, nested ones too")
            block = Component(kind)
            stack[-1].blocks.append(block)
            stack.append(block)
        elif name == "END" and stack:
            kind = _component(raw, match.end())
            depth = next((i for i in range(len(stack) - 1, -1, -1) if stack[i].name == kind), None)
            if depth is not None:
                _close(stack, depth + 1)
                stack.pop().ended = True
            elif kind:
                stack[-1].broken = True
        elif stack and name in _KEPT and (word == name or not raw.startswith(": ", match.end())):
            stack[-1].raw.append((name, raw))
    if not calendars:
        raise Unreadable("not a calendar")
    _close(stack, 0)
    return calendars


def _component(raw: str, at: int) -> str:
    """Return the component that a BEGIN or END names; ``""`` if none. Its colon is at *at*."""
    kind = raw[at + 1 :].rstrip().upper() if raw[at : at + 1] == ":" else ""
    return kind if kind in _COMPONENTS or (kind.startswith("X-") and " " not in kind) else ""


def _close(stack: list[Component], depth: int) -> None:
    """Close the blocks from *depth* on; those that were never ended are broken."""
    for block in stack[depth:]:
        block.broken = block.broken or not block.ended
    del stack[depth:]


def _unfold(body: bytes) -> Iterator[str]:
    # Folds may lie within a character, so unfolding comes before decoding.
    body = body.replace(b"\r\n", b"\n")
    # Some bodies have every line end doubled.
    if b"\n\n" in body:
        body = _BLANK.sub(b"\n", body)
    body = body.replace(b"\n ", b"").replace(b"\n\t", b"")
    # Where calendars were put together, each may begin with a byte order mark.
    body = body.removeprefix(_MARK).replace(b"\n" + _MARK, b"\n")
    try:
        return iter(body.decode().split("\n"))
    except UnicodeDecodeError:
        usual = len(_MANY_BYTES.findall(body))
        return (_decoded(line, usual) for line in body.split(b"\n"))


def _decoded(line: bytes, usual: int) -> str:
    """Decode *line* of a body that is not wholly UTF-8.

    *usual* is the number of characters of several bytes in the body.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        # Among whole characters, or at the end of a line, what fails is a character that was cut.
        # Else the line has another encoding.
        cut = usual and (_MANY_BYTES.search(line) or error.end >= len(line.rstrip()))
        return line.decode(errors="replace") if cut else line.decode("cp1252", "replace")


def _split(name: str, raw: str) -> ContentLine | None:
    head, colon, value = raw.partition(":")
    # An unquoted TZID=UTC+02:00 has a colon; a time itself has none.
    if name in _TIMES and ":" in value:
        head, colon, value = raw.rpartition(":")
    elif '"' in head:
        match = _HEAD.match(raw)
        head, value = match.groups() if match else (head, value)
    if not colon:
        return None
    if len(head) == len(name):
        return ContentLine(name, {}, value)
    params = {
        key.strip().upper(): text.replace('"', "")
        for key, text in _PARAMETER.findall(head[len(name) :])
    }
    return ContentLine(name, params, value)
