"""Change calendars of AWS Systems Manager.

They are documents of iCalendar text. In one of the type ``DEFAULT_OPEN`` nothing may run during
its events, in ``DEFAULT_CLOSED`` only during them (AWS Systems Manager User Guide, "AWS Systems
Manager Change Calendar").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from calendar_timetable import clock
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.ical import reader
from calendar_timetable.calendars.ical.parser import Unreadable
from calendar_timetable.calendars.ical.timezones import named_zone
from calendar_timetable.cli.imports.result import ImportResult, Schedule, Unsaid

_ROLES = {"DEFAULT_OPEN": "blackouts", "DEFAULT_CLOSED": "windows"}
_YEARS = 366 * 86400 * 2  # seconds, either way, in which events are looked at
_SECONDS = 20.0  # of processor time, for them
_TAKE_OUT = "take the event out of a copy of the file, and import that"
_KNOWN = {"X-CALENDAR-TYPE", "X-CALENDAR-CMEVENTS", "X-EVENT-TYPE"}


class _Line(NamedTuple):
    number: int
    name: str
    head: str  # with parameters
    value: str


@dataclass
class _Block:
    """A component: its own lines by name, and what it is in."""

    kind: str
    line: int
    lines: dict[str, _Line] = field(default_factory=dict)

    def value(self, name: str, usual: str = "") -> str:
        """Return a value in upper case."""
        return self.lines[name].value.strip().upper() if name in self.lines else usual

    @property
    def title(self) -> str:
        """What people call it."""
        line = self.lines.get("SUMMARY") or self.lines.get("UID")
        return line.value if line else "event"


def read(text: str, path: Path) -> ImportResult:
    """Return what the change calendar at *path*, of this *text*, says.

    Raises :class:`Unsaid` where it is none.
    """
    blocks = list(_blocks(text))
    calendars = [block for block in blocks if block.kind == "VCALENDAR"]
    if len(calendars) != 1:
        line, count = (calendars[1].line, len(calendars)) if calendars else (1, 0)
        raise Unsaid(line, f"{count} VCALENDAR", "give a file with one calendar")
    (calendar,) = calendars
    kind = calendar.value("X-CALENDAR-TYPE")
    if kind not in _ROLES:
        line = calendar.lines["X-CALENDAR-TYPE"].number if kind else calendar.line
        remedy = "X-CALENDAR-TYPE has to be DEFAULT_OPEN or DEFAULT_CLOSED"
        raise Unsaid(line, kind or "BEGIN:VCALENDAR", remedy)
    events = [block for block in blocks if block.kind == "VEVENT"]
    result = ImportResult(unsaid=[*_odd(blocks, kind, "X-WR-TIMEZONE" in calendar.lines)])
    result.unsaid += _not_understood(text, events)
    zone_line = calendar.lines.get("X-WR-TIMEZONE")
    if zone_line is not None and named_zone(zone_line.value.strip()) is None:
        remedy = "no zone has that name; write one as Europe/Berlin"
        result.unsaid.append(Unsaid(zone_line.number, zone_line.value, remedy))
    if not result.unsaid:
        address = Calendar(str(path.absolute()), busy_only=False)
        notes = [f"{kind}: {len(events)} events; put the file where Airflow reads it, and fetch it"]
        notes.append(
            "again when it changes: aws ssm get-document --name ... --query Content --output text"
        )
        if kind == "DEFAULT_CLOSED" and not events:
            notes.append("it has no events: nothing will run")
        result.schedules.append(
            Schedule(calendar.line, path.name, {_ROLES[kind]: address}, notes=tuple(notes))
        )
    return result


def _odd(blocks: list[_Block], kind: str, zoned: bool) -> Iterator[Unsaid]:
    """Yield what counts there and not here, or the other way round."""
    for block in blocks:
        for line in block.lines.values():
            if line.name.startswith(("X-CALENDAR-", "X-EVENT-")) and line.name not in _KNOWN:
                yield Unsaid(line.number, line.name, "what this means is not known; take it out")
        if block.kind != "VEVENT":
            continue
        event_type = block.value("X-EVENT-TYPE", "STANDARD")
        if event_type == "ADVISORY":
            why = "an advisory event does not change the calendar's state, and would here"
            yield Unsaid(block.line, block.title, f"{why}; {_TAKE_OUT}")
        elif event_type != "STANDARD":
            remedy = f"X-EVENT-TYPE is not known; {_TAKE_OUT}"
            yield Unsaid(block.lines["X-EVENT-TYPE"].number, event_type, remedy)
        status = block.value("STATUS", "CONFIRMED")
        if status == "CANCELLED" or (status != "CONFIRMED" and kind == "DEFAULT_CLOSED"):
            why = f"an event that is {status} does not count here, and may there"
            yield Unsaid(block.lines["STATUS"].number, block.title, f"{why}; {_TAKE_OUT}")
        start = block.lines.get("DTSTART")
        floating = start and "TZID=" not in start.head.upper() and start.value[-1:].upper() != "Z"
        if start and floating and not zoned:
            remedy = "no zone is named; give the calendar a line X-WR-TIMEZONE:Europe/Berlin"
            yield Unsaid(start.number, start.value, remedy)


def _not_understood(text: str, events: list[_Block]) -> Iterator[Unsaid]:
    """Yield the events that this package does not understand."""
    lines = {block.lines["UID"].value: block.line for block in events if "UID" in block.lines}
    now = int(clock.now())
    try:
        reading = reader.read(text.encode(), now - _YEARS, now + _YEARS, "UTC", _SECONDS)
    except Unreadable as error:
        raise Unsaid(1, "calendar", f"{error}; export it again") from None
    for problem in reading.problems:
        yield Unsaid(
            lines.get(problem.uid, 1), problem.uid or "event", f"{problem.reason}; {_TAKE_OUT}"
        )


def _blocks(text: str) -> Iterator[_Block]:
    """Yield the components of *text*, each when it ends.

    Raises :class:`Unsaid` where one does not end, or a line is none.
    """
    stack: list[_Block] = []
    for line in _lines(text):
        if line.name == "BEGIN":
            stack.append(_Block(line.value.strip().upper(), line.number))
        elif not stack:
            raise Unsaid(line.number, line.name, "not in a calendar; begin with BEGIN:VCALENDAR")
        elif line.name == "END":
            block = stack.pop()
            if line.value.strip().upper() != block.kind:
                remedy = f"END:{block.kind} was expected, for line {block.line}"
                raise Unsaid(line.number, line.value, remedy)
            yield block
        else:
            stack[-1].lines.setdefault(line.name, line)
    if stack:
        remedy = f"it does not end; the file lacks END:{stack[-1].kind}"
        raise Unsaid(stack[-1].line, f"BEGIN:{stack[-1].kind}", remedy)


def _lines(text: str) -> Iterator[_Line]:
    """Yield the unfolded lines (RFC 5545 section 3.1)."""
    unfolded: list[tuple[int, list[str]]] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.removesuffix("\r")
        if line[:1] in (" ", "\t") and unfolded:
            unfolded[-1][1].append(line[1:])
        elif line:
            unfolded.append((number, [line]))
    for number, parts in unfolded:
        head, colon, value = "".join(parts).partition(":")
        if not colon:
            raise Unsaid(number, head, "not a line of iCalendar; write NAME:VALUE")
        yield _Line(number, head.partition(";")[0].strip().upper(), head, value)
