"""Leave out what is over before anything is understood: of an old calendar that is nearly all of it.

An event is left out only when its own lines say beyond doubt that it is a single one which ended days before the
time in question, and that nothing else speaks of it. Whatever is odd stays, to be read or quarantined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from calendar_timetable.calendars.ical.timezones import named_zone

_BEGIN, _END, _NEWLINES = b"\nBEGIN:VEVENT", b"\nEND:VEVENT", (b"\r\n", b"\n")
# Each begins with the end of the line before: the engine looks for that one byte several times as fast as for "^".
_UID = re.compile(rb"\n[Uu][Ii][Dd](?:;[^:\r\n]*)?:[ \t]*([^\r\n]*)")  # of a folded one, how it begins
_LINKED = re.compile(rb"\n(?:RRULE|RDATE|EXRULE|RECURRENCE-ID|DURATION|BEGIN:VEVENT)\b", re.IGNORECASE)
_DAY = rb"(\d{4}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))"
_CLOCK = rb"(T(?:[01]\d|2[0-3])[0-5]\d[0-5]\d)?(Z?)"
_TIME = re.compile(
    rb"\nDT(START|END)((?:;VALUE=DATE(?:-TIME)?|;TZID=[\w/+ -]+)*):" + _DAY + _CLOCK + rb"\r?(?=\n(?![ \t]))"
)
_ZONE = re.compile(rb"TZID=([^;]+)")
_SLACK = timedelta(days=3)  # more than any two clocks on earth differ


def sift(body: bytes, start: int) -> tuple[bytes, int]:
    """*body* without the single events that ended well before *start* (epoch seconds), and how many those were."""
    before = (datetime.fromtimestamp(start, UTC) - _SLACK).strftime("%Y%m%d").encode()
    uids = Counter(_UID.findall(body))
    zones: dict[bytes, bool] = {}
    kept: list[bytes] = []
    at = left_out = 0
    for first, last in _events(body):
        if _is_over(body[first + len(_BEGIN) : last + 1], before, uids, zones):
            kept.append(body[at : first + 1])
            at = body.index(b"\n", last + 1) + 1
            left_out += 1
    return b"".join((*kept, body[at:])) if left_out else body, left_out


def _events(body: bytes) -> Iterator[tuple[int, int]]:
    """Where events begin and end: at the end of the line before."""
    last = 0
    while (first := body.find(_BEGIN, last)) >= 0 and (last := body.find(_END, first)) >= 0:
        while last >= 0 and not body.startswith(_NEWLINES, last + len(_END)):
            last = body.find(_END, last + 1)
        if last < 0:
            return
        if body.startswith(_NEWLINES, first + len(_BEGIN)):
            yield first, last


def _is_over(lines: bytes, before: bytes, uids: Counter[bytes], zones: dict[bytes, bool]) -> bool:
    times = _TIME.findall(lines)
    if len(times) != 2 or _LINKED.search(lines):
        return False
    (first, at, day, clock, utc), (last, *end) = sorted(times, reverse=True)
    uid = _UID.findall(lines)
    return (
        first == b"START"
        and last == b"END"
        and end[0] == at
        and end[3] == utc
        and bool(end[2]) == bool(clock)
        and (day, clock) <= (end[1], end[2])
        and end[1] < before
        and len(uid) == 1
        and uids[uid[0]] == 1
        and _exists(day)
        and _exists(end[1])
        and _is_known(at, zones)
    )


def _exists(day: bytes) -> bool:
    if day[6:] <= b"28":
        return True
    try:
        date(int(day[:4]), int(day[4:6]), int(day[6:]))
    except ValueError:
        return False
    return True


def _is_known(parameters: bytes, zones: dict[bytes, bool]) -> bool:
    """Whether the zone in *parameters*, if any, is one that everybody knows."""
    if parameters not in zones:
        names = _ZONE.findall(parameters)
        zones[parameters] = len(names) < 2 and all(named_zone(name.decode("ascii", "replace")) for name in names)
    return zones[parameters]
