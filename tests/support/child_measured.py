"""Expand the calendar on stdin where production does, and tell what that used.

Tells the result, and what child and parent used for it.

A process of its own, so that what its only child used can be told.
"""

from __future__ import annotations

import json
import resource
import sys
from typing import Any

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.ical.expand import ExpansionFailed, expand


def main() -> None:
    """Print one line of JSON; sizes in bytes, times in seconds of processor time."""
    start, end = map(int, sys.argv[1:3])
    limits.EXPAND_SECONDS = float(sys.argv[3])
    limits.START_SECONDS = 120.0  # others may use the processors too
    body = sys.stdin.buffer.read()
    answer: dict[str, Any]
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        answer = {"reading": expand(body, start, end, "UTC").to_wire(), "error": ""}
    except ExpansionFailed as error:
        answer = {"reading": None, "error": str(error)}
    parent, child = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    used = {
        "child_memory": child.ru_maxrss * 1024,
        "child_seconds": child.ru_utime + child.ru_stime,
        "parent_seconds": parent.ru_utime + parent.ru_stime - before.ru_utime - before.ru_stime,
        "parent_modules": sorted({name.partition(".")[0] for name in sys.modules}),
    }
    print(json.dumps(answer | used))


if __name__ == "__main__":
    main()
