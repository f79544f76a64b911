"""What the commands print, for people and as JSON."""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO, cast
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from calendar_timetable.calendars.feed.health import Health
from calendar_timetable.calendars.occurrences import Occurrence, Problem

MOST_TEXT = 500  # characters of an error that is told
_TABLE_WIDTH = 100  # of a terminal, for a table
_PLAIN_WIDTH = 200  # of a line that goes into a pipe, where nothing may be cut off
# C1 controls, and marks that turn the direction of writing (Unicode TR9).
_UNPRINTABLE = dict.fromkeys(
    [*range(0x7F, 0xA0), 0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
_TRAILING_BLANKS = re.compile(r" +$", re.MULTILINE)
_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


class _Printable:
    """A file that a terminal may show: what would steer the terminal, or mislead, is left out.

    Calendars are written by others. rich leaves out the control characters of ASCII, but not those
    beyond. It also fills the last column of a table with blanks, which nobody needs.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(_TRAILING_BLANKS.sub("", text.translate(_UNPRINTABLE)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def console() -> Console:
    """Return the console that results are written to."""
    out = sys.stdout
    return Console(
        file=cast("TextIO", _Printable(out)),
        width=None if out.isatty() else _PLAIN_WIDTH,
        highlight=False,
        markup=False,
    )


def progress(step: str) -> AbstractContextManager[Any]:
    """Return a context that shows on stderr, if a terminal, that *step* is being done."""
    return Console(stderr=True).status(f"{step} …")


def show_rows(out: Console, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with these columns.

    Where it would not fit, its rows are printed one below the other, so that nothing is lost.
    """
    if out.width < _TABLE_WIDTH:
        widest = max(map(len, columns)) + 2
        for row in rows:
            for column, text in zip(columns, row, strict=True):
                lines = textwrap.wrap(
                    text, max(out.width - widest, 20), break_on_hyphens=False
                ) or [""]
                for number, line in enumerate(lines if text else ()):
                    out.print(
                        f"{'' if number else column:{widest}}{line}", no_wrap=True, crop=False
                    )
            out.print()
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column != columns[-1], overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def utc(moment: datetime) -> str:
    """Return *moment* as text for programs, as the REST API writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_clock(moment: datetime, zone: ZoneInfo) -> str:
    """Return *moment* as text for people, in *zone*."""
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}"


def format_age(duration: timedelta) -> str:
    """Return *duration* as text, in its largest unit."""
    seconds = int(duration.total_seconds())
    unit, name = next((unit for unit in _UNITS if seconds >= unit[0]), _UNITS[-1])
    return f"{seconds // unit} {name}"


def health_line(health: Health) -> str:
    """Return in one line how a calendar is doing."""
    parts = [
        f"{health.label}: {health.status}",
        "never read" if health.age is None else f"read {format_age(health.age)} ago",
    ]
    if health.age is not None:
        parts.append(_number_of(health.events))
    if health.problems:
        first = next(iter(health.current_problems), health.problems[0])
        reach = reach_text(first, ZoneInfo(health.zone or "UTC"))
        parts.append(f"{_number_of(len(health.problems))} could not be parsed ({reach})")
    sentences = [", ".join(parts)]
    if health.error:
        sentences.append(f"The last fetch failed: {health.error}")
    if health.next_retry is not None:
        sentences.append(f"It is not fetched again before {health.next_retry:%H:%M:%S} UTC")
    return ". ".join(sentences).replace("?.", "?")


def _number_of(events: int) -> str:
    return "1 event" if events == 1 else f"{events} events"


def reach_text(problem: Problem, zone: ZoneInfo) -> str:
    """Say which days of *zone* the *problem* may have to do with."""
    if problem.start is not None and problem.start == problem.end and not problem.counted:
        return "covers no time"
    if problem.start is None:
        days = "any day"
    else:
        first = problem.start.astimezone(zone).date()
        last = (
            problem.end
            and max(problem.start, problem.end - timedelta(seconds=1)).astimezone(zone).date()
        )
        days = (
            f"{first} and later"
            if last is None
            else f"{first}"
            if first == last
            else f"{first} to {last}"
        )
    return f"counted all the same, {days}" if problem.counted else f"may cover {days}"


def used_by(connection: str | None, dag_ids: Sequence[str] | None) -> str:
    """Say who uses a calendar.

    An Airflow Connection names it, and DAGs count it, where that is known (*dag_ids* is not
    ``None``).
    """
    users = [f"Connection {connection}"] if connection else []
    if dag_ids is not None:
        users.append(f"DAG{'s'[: len(dag_ids) > 1]} {', '.join(dag_ids)}" if dag_ids else "no DAG")
    return f"used by {' and '.join(users)}" if users else ""


def health_json(health: Health) -> dict[str, Any]:
    """Return how a calendar is doing, for programs; times are in ISO 8601, UTC."""
    times = {name: getattr(health, name) for name in ("read_at", "checked_at", "next_retry")}
    return {
        "calendar": health.label,
        "feed": health.feed,
        "status": health.status,
        "error": health.error,
        **{name: moment and utc(moment) for name, moment in times.items()},
        "age_seconds": None if health.age is None else int(health.age.total_seconds()),
        "timezone": health.zone,
        "events": health.events,
        "problems": [
            {
                "uid": problem.uid,
                "reason": problem.reason,
                "start": problem.start and utc(problem.start),
                "end": problem.end and utc(problem.end),
                "counted": problem.counted,
            }
            for problem in health.problems
        ],
    }


def event_json(event: Occurrence) -> dict[str, Any]:
    """Return one occurrence, for programs."""
    return {
        "uid": event.uid,
        "summary": event.summary,
        "start": utc(event.start),
        "end": utc(event.end),
        "all_day": event.all_day,
        "busy": event.busy,
        "status": event.status,
    }


def say(options: argparse.Namespace, out: Console, text: str) -> None:
    """Print *text* on a line, beside the output where that is JSON."""
    if options.json:
        print(text, file=sys.stderr)
    else:
        out.print(text, soft_wrap=True)


def print_json(out: Console, data: object) -> None:
    """Print *data* as JSON."""
    print(json.dumps(data, indent=2, ensure_ascii=False), file=out.file)


def last_line(text: str) -> str:
    """Return the last line of an import error, which says what is wrong, cut where it is long."""
    return text.strip().splitlines()[-1][:MOST_TEXT] if text.strip() else "it cannot be read"
