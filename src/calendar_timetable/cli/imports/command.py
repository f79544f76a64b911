"""``calendar-timetable import``: what other schedulers have, as Python."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from calendar_timetable.cli.imports.result import ImportResult, Schedule, Unsaid, read_text
from calendar_timetable.cli.output import print_json

_FORMATS = ("change-calendar", "run-cycles", "timetables-calendar")
_CALENDAR = re.compile(r"\s*BEGIN:VCALENDAR", re.IGNORECASE)
_CYCLES = re.compile(
    r"^\s*(SCHEDULE|ON|EXCEPT|\$CALENDAR|\$SCHEDULE)\b", re.IGNORECASE | re.MULTILINE
)

_SECONDS = 60.0  # that an import may take


class _OutOfTime(BaseException):
    """The import took too long. No handler of errors on the way takes it for one of its own."""


def add_import(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`import_`."""
    command.add_argument("file", type=Path, help="the file, at most a MiB of UTF-8 text")
    command.add_argument(
        "--from",
        dest="format",
        choices=_FORMATS,
        help="what the file is: a change calendar of AWS Systems Manager (.ics), job streams of "
        "HCL Workload Automation as composer prints them, or a DAG file or JSON of "
        "airflow-timetables-calendar (default: what it looks like)",
    )


def import_(options: argparse.Namespace, out: Console) -> int:
    """Print the Python that does what another scheduler's rules do, and what cannot be said."""
    from calendar_timetable.cli.imports.python import program

    with _limited(options.file):
        text = read_text(options.file)
        kind = options.format or _format_of(text)
        result = _checked(_reader(kind)(text, options.file))
        python = program(result.schedules) if result.schedules else ""
    result.unsaid.sort(key=lambda unsaid: unsaid.line)
    if options.json:
        unsaid = [{"line": u.line, "value": u.value, "remedy": u.remedy} for u in result.unsaid]
        print_json(out, {"format": kind, "python": python, "unsaid": unsaid})
    else:
        if python:
            print(python, file=out.file)
        for error in result.unsaid:
            print(f"calendar-timetable: {error}", file=sys.stderr)
    return 1 if result.unsaid else 0


@contextmanager
def _limited(path: Path) -> Iterator[None]:
    """Raise :class:`Unsaid` where the block takes too long. Needs the main thread."""
    before = signal.signal(signal.SIGALRM, _ring)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    except _OutOfTime:
        remedy = f"it takes more than {_SECONDS:g} s; import fewer definitions at a time"
        raise Unsaid(1, path.name, remedy) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise _OutOfTime


def _format_of(text: str) -> str:
    if _CALENDAR.match(text):
        return "change-calendar"
    if "airflow_timetables_calendar" in text or '"calendar_id"' in text:
        return "timetables-calendar"
    if _CYCLES.search(text):
        return "run-cycles"
    if '"BEGIN:VCALENDAR' in text:
        remedy = "give its iCalendar text: aws ssm get-document --query Content --output text"
        raise Unsaid(1, "JSON", remedy)
    first = text.strip().partition("\n")[0]
    raise Unsaid(1, first, f"it looks like none of {', '.join(_FORMATS)}; name one in --from")


def _reader(kind: str) -> Callable[[str, Path], ImportResult]:
    if kind == "change-calendar":
        from calendar_timetable.cli.imports import change_calendar

        return change_calendar.read
    if kind == "run-cycles":
        from calendar_timetable.cli.imports import run_cycles

        return lambda text, path: run_cycles.read(text)
    from calendar_timetable.cli.imports import timetables_calendar

    return lambda text, path: timetables_calendar.read(text)


def _checked(result: ImportResult) -> ImportResult:
    """Return *result* without the schedules that ``CalendarTimetable`` refuses, which are told."""
    valid_schedules: list[Schedule] = []
    for schedule in result.schedules:
        try:
            _check(schedule)
        except ValueError as error:
            result.unsaid.append(Unsaid(schedule.line, schedule.name, f"{error}; write it by hand"))
        else:
            valid_schedules.append(schedule)
    result.schedules = valid_schedules
    return result


def _check(schedule: Schedule) -> None:
    """Raise ``ValueError`` for what cannot be used."""
    if "schedule" not in schedule.arguments:
        for timeset in schedule.arguments.values():
            timeset.validate()
    elif schedule.arguments["schedule"] is not None:
        from airflow.exceptions import AirflowTimetableInvalid

        from calendar_timetable.timetable import CalendarTimetable

        try:
            CalendarTimetable(**schedule.arguments).validate()
        except AirflowTimetableInvalid as error:
            raise ValueError(str(error)) from None
