"""``calendar-timetable``: look at calendars and schedules before, or without, Airflow."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, redirect_stdout
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table

from calendar_timetable.planning import zones
from calendar_timetable.planning.errors import CalendarTimetableError, InvalidArgument
from calendar_timetable.planning.timesets import TimeSet
from calendar_timetable.planning.weekly import Weekly, parse_rule

if TYPE_CHECKING:
    from calendar_timetable.planning.plan import PlannedRun
    from calendar_timetable.timetable import CalendarTimetable

OK, FOUND_PROBLEMS, FAILED, USAGE = 0, 1, 1, 2
_LENGTH = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?:in)?)?(?:(\d+)s)?")
_PLAIN_WIDTH = 200  # of a line that goes into a pipe, where nothing may be cut off
_EVENTS_SHOWN = 10


class Misused(CalendarTimetableError):
    """A schedule that Airflow would refuse, or a DAG that has none of ours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 for success, 1 for problems found or a failure, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    out = Console(width=None if sys.stdout.isatty() else _PLAIN_WIDTH, highlight=False, markup=False)
    try:
        code: int = options.run(options, out)
    except CalendarTimetableError as error:
        print(f"calendar-timetable: {error}", file=sys.stderr)
        return USAGE if isinstance(error, (InvalidArgument, Misused)) else FAILED
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def check(options: argparse.Namespace, out: Console) -> int:
    """Read a calendar and say what was understood."""
    from calendar_timetable.calendars.calendar import Calendar

    calendar = Calendar(options.address, timezone=options.timezone, refresh=timedelta(0))
    calendar.validate()
    now = datetime.now(UTC)
    with _progress(f"Reading {calendar}"):
        state = calendar.describe()
        events = [e for e in calendar.events(now, now + timedelta(days=options.days)) if e.status != "cancelled"]
    zone = ZoneInfo(options.timezone or state.zone or "UTC")
    if options.json:
        _print_json(
            {
                "calendar": state.label,
                "status": state.status,
                "error": state.error,
                "timezone": state.zone,
                "events": state.events,
                "next": [_event_json(event) for event in events[:_EVENTS_SHOWN]],
                "problems": [{"uid": p.uid, "reason": p.reason} for p in state.problems],
            }
        )
    else:
        out.print(f"{state.label}: {state.status}" + (f" ({state.error})" if state.error else ""))
        out.print(f"{state.events} events; zone of the calendar: {state.zone or 'none of its own, UTC is used'}")
        table = _table("Start", "End", "Busy", "Event")
        for event in events[:_EVENTS_SHOWN]:
            busy = "busy" if event.busy else "free"
            table.add_row(_shown(event.start, zone), _shown(event.end, zone), busy, event.summary)
        out.print(f"Next of {len(events)} in {options.days} days, in {zone.key}:" if events else "Nothing is coming.")
        if events:
            out.print(table)
        for problem in state.problems:
            out.print(f"problem: {problem.uid or '(no UID)'}: {problem.reason}")
    return FOUND_PROBLEMS if state.problems or state.status != "ok" else OK


def preview(options: argparse.Namespace, out: Console) -> int:
    """Show what becomes of the next ticks of a schedule."""
    timetable = _timetable(options)
    start = options.start or datetime.now(UTC)
    with _progress("Reading calendars"):
        plan = timetable.plan(start, options.end, options.limit if options.end is None else None)
    if options.json:
        _print_json([_run_json(run) for run in plan])
        return OK
    zone = ZoneInfo(timetable.zone_name)
    table = _table("Due", "Start", "Outcome", "Why")
    for run in plan:
        starts = "-" if run.start is None else _shown(run.start, zone)
        table.add_row(_shown(run.tick, zone), starts, run.outcome.replace("_", " "), "; ".join(run.reasons))
    out.print(f"Times in {zone.key}.")
    out.print(table)
    return OK


def explain(options: argparse.Namespace, out: Console) -> int:
    """Say whether a time is open, and what becomes of the next tick."""
    timetable = _timetable(options)
    with _progress("Reading calendars"):
        said = timetable.explain(options.at or datetime.now(UTC))
    if options.json:
        _print_json({"explanation": said})
    else:
        out.print(said, soft_wrap=True)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="calendar-timetable", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help=check.__doc__, description=check.__doc__)
    command.add_argument("address", help="a calendar's address (https://, webcal://, a path) or Connection id")
    command.add_argument("--timezone", help="zone for floating and all-day times if the calendar names none")
    command.add_argument("--days", type=int, default=90, help="how far ahead to look (default: %(default)s)")
    command.set_defaults(run=check)

    command = commands.add_parser("preview", help=preview.__doc__, description=preview.__doc__)
    _add_schedule(command)
    command.add_argument("--start", type=_moment, metavar="TIME", help="from here on (ISO 8601; default: now)")
    command.add_argument("--end", type=_moment, metavar="TIME", help="up to here, instead of --limit")
    command.add_argument("--limit", type=int, default=10, help="how many ticks (default: %(default)s)")
    command.set_defaults(run=preview)

    command = commands.add_parser("explain", help=explain.__doc__, description=explain.__doc__)
    _add_schedule(command)
    command.add_argument("--at", type=_moment, metavar="TIME", help="ISO 8601 with offset (default: now)")
    command.set_defaults(run=explain)

    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_schedule(command: argparse.ArgumentParser) -> None:
    command.add_argument("schedule", nargs="?", help="cron expression, preset or a calendar's address")
    command.add_argument("--dag-id", help="take the schedule of this DAG instead")
    command.add_argument("--dags-folder", help="where to look for it (default: Airflow's)")
    command.add_argument("--timezone")
    times = "weekly rule ('mon-fri 19:00-07:00'), 'holidays:DE-BY', or a calendar; may be repeated"
    command.add_argument("--window", action="append", default=[], metavar="TIMES", help=times)
    command.add_argument("--blackout", action="append", default=[], metavar="TIMES", help=times)
    command.add_argument("--duration", type=_length, metavar="LENGTH", help="such as 4h, 90m or 1d12h")
    command.add_argument("--when-blocked", choices=("postpone", "advance", "skip", "run"), default="postpone")
    command.add_argument("--max-delay", type=_length, default=timedelta(days=7), metavar="LENGTH")
    command.add_argument("--stagger", type=_length, metavar="LENGTH")
    command.add_argument("--no-coalesce", action="store_true", help="run every tick, also those that start together")


def _timetable(options: argparse.Namespace) -> CalendarTimetable:
    if options.dag_id and options.schedule:
        raise Misused("give a schedule or --dag-id, not both")
    if options.dag_id:
        return _timetable_of_dag(options.dag_id, options.dags_folder)
    if not options.schedule:
        raise InvalidArgument("schedule", options.schedule, "give a schedule, or --dag-id")
    from airflow.exceptions import AirflowTimetableInvalid

    from calendar_timetable.timetable import CalendarTimetable

    timetable = CalendarTimetable(
        options.schedule,
        timezone=options.timezone,
        windows=[_times(text) for text in options.window] or None,
        blackouts=[_times(text) for text in options.blackout] or None,
        duration=options.duration,
        when_blocked=options.when_blocked,
        max_delay=options.max_delay,
        stagger=options.stagger,
        coalesce=not options.no_coalesce,
    )
    try:
        timetable.validate()
    except AirflowTimetableInvalid as error:
        raise Misused(str(error)) from None
    return timetable


def _timetable_of_dag(dag_id: str, folder: str | None) -> CalendarTimetable:
    from airflow.dag_processing.dagbag import DagBag

    from calendar_timetable.timetable import CalendarTimetable

    with _progress("Reading DAG files"), redirect_stdout(sys.stderr):
        bag = DagBag(dag_folder=folder)
    dag = bag.dags.get(dag_id)
    if dag is None:
        errors = "; ".join(f"{file}: {error}" for file, error in bag.import_errors.items())
        raise InvalidArgument("--dag-id", dag_id, f"not found in {bag.dag_folder}" + (f" ({errors})" if errors else ""))
    timetable = getattr(dag.timetable, "timetable", dag.timetable)
    if not isinstance(timetable, CalendarTimetable):
        raise InvalidArgument("--dag-id", dag_id, f"its schedule is a {type(timetable).__name__}")
    return timetable


def _times(text: str) -> TimeSet:
    if text.startswith("holidays:"):
        from calendar_timetable.calendars.holidays import Holidays

        return Holidays(text.removeprefix("holidays:"))
    try:
        parse_rule(text)
    except InvalidArgument:
        from calendar_timetable.calendars.calendar import Calendar

        return Calendar(text)
    else:
        return Weekly(text)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 2026-11-28T02:00+01:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zones.default_zone()))


def _length(text: str) -> timedelta:
    match = _LENGTH.fullmatch(text)
    if not text or match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time; write it as 4h, 90m or 1d12h")
    days, hours, minutes, seconds = (int(n or 0) for n in match.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _progress(step: str) -> AbstractContextManager[Any]:
    return Console(stderr=True).status(f"{step} …")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("Start", "End", "Due", "Outcome"))
    return table


def _shown(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%a %Y-%m-%d %H:%M}"


def _run_json(run: PlannedRun) -> dict[str, Any]:
    return {
        "tick": run.tick.isoformat(),
        "start": run.start and run.start.isoformat(),
        "outcome": run.outcome,
        "data_interval": [moment.isoformat() for moment in run.data_interval],
        "reasons": list(run.reasons),
    }


def _event_json(event: Any) -> dict[str, Any]:
    return {
        "uid": event.uid,
        "summary": event.summary,
        "start": event.start.isoformat(),
        "end": event.end.isoformat(),
        "all_day": event.all_day,
        "busy": event.busy,
        "status": event.status,
    }


def _print_json(data: object) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
