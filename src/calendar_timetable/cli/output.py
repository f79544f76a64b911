"""What the commands print, for people and as JSON."""

from __future__ import annotations

import json
import sys
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from calendar_timetable.calendars.health import Health
from calendar_timetable.calendars.occurrences import Occurrence, Problem
from calendar_timetable.planning.plan import PlannedRun

_PLAIN_WIDTH = 200  # of a line that goes into a pipe, where nothing may be cut off
# C1 controls, and marks that turn the direction of writing (Unicode TR9).
_UNPRINTABLE = dict.fromkeys(
    [*range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class _Printable:
    """A file that a terminal may show: what is written passes but for what would steer the terminal, or mislead.

    Calendars are written by others. rich leaves out the control characters of ASCII, but not those beyond.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.translate(_UNPRINTABLE))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console() -> Console:
    """Where results go."""
    out = sys.stdout
    return Console(
        file=cast("TextIO", _Printable(out)),
        width=None if out.isatty() else _PLAIN_WIDTH,
        highlight=False,
        markup=False,
    )


def progress(step: str) -> AbstractContextManager[Any]:
    """A sign on stderr, where that is a terminal, that *step* is being done."""
    return Console(stderr=True).status(f"{step} …")


def table(*columns: str) -> Table:
    """A table with these columns."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, no_wrap=column in ("Start", "End", "Due", "Outcome"))
    return made


def clock(moment: datetime, zone: ZoneInfo) -> str:
    """*moment* in *zone*."""
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}"


def length(duration: timedelta) -> str:
    """*duration* in its largest unit."""
    seconds = int(duration.total_seconds())
    unit, name = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return f"{seconds // unit} {name}"


def health_line(health: Health) -> str:
    """How one calendar is doing."""
    read = "never read" if health.age is None else f"read {length(health.age)} ago"
    said = [f"{health.label}: {health.status}", read, "1 event" if health.events == 1 else f"{health.events} events"]
    if health.problems:
        first = next(iter(health.mattering), health.problems[0])
        said.append(f"{len(health.problems)} not understood ({reach_text(first, ZoneInfo(health.zone or 'UTC'))})")
    if health.error:
        said.append(health.error)
    if health.next_retry is not None:
        said.append(f"not asked again before {health.next_retry:%H:%M:%S} UTC")
    return ", ".join(said)


def reach_text(problem: Problem, zone: ZoneInfo) -> str:
    """The days of *zone* that *problem* may have to do with."""
    if problem.start is not None and problem.start == problem.end and not problem.counted:
        return "covers no time"
    if problem.start is None:
        days = "any day"
    else:
        first = problem.start.astimezone(zone).date()
        last = problem.end and max(problem.start, problem.end - timedelta(seconds=1)).astimezone(zone).date()
        days = f"{first} and later" if last is None else f"{first}" if first == last else f"{first} to {last}"
    return f"counted all the same, {days}" if problem.counted else f"may cover {days}"


def health_json(health: Health) -> dict[str, Any]:
    """The same for programs; times in ISO 8601, UTC."""
    times = {name: getattr(health, name) for name in ("read_at", "checked_at", "next_retry")}
    return {
        "calendar": health.label,
        "feed": health.feed,
        "status": health.status,
        "error": health.error,
        **{name: moment and moment.isoformat() for name, moment in times.items()},
        "age_seconds": None if health.age is None else int(health.age.total_seconds()),
        "timezone": health.zone,
        "events": health.events,
        "problems": [
            {
                "uid": problem.uid,
                "reason": problem.reason,
                "start": problem.start and problem.start.isoformat(),
                "end": problem.end and problem.end.isoformat(),
                "counted": problem.counted,
            }
            for problem in health.problems
        ],
    }


def run_json(run: PlannedRun) -> dict[str, Any]:
    """What becomes of one tick."""
    return {
        "tick": run.tick.isoformat(),
        "start": run.start and run.start.isoformat(),
        "outcome": run.outcome,
        "data_interval": [moment.isoformat() for moment in run.data_interval],
        "reasons": list(run.reasons),
    }


def event_json(event: Occurrence) -> dict[str, Any]:
    """One occurrence."""
    return {
        "uid": event.uid,
        "summary": event.summary,
        "start": event.start.isoformat(),
        "end": event.end.isoformat(),
        "all_day": event.all_day,
        "busy": event.busy,
        "status": event.status,
    }


def print_json(out: Console, data: object) -> None:
    """*data*, as it is."""
    print(json.dumps(data, indent=2, ensure_ascii=False), file=out.file)
