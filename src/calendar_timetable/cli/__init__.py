"""``calendar-timetable``: look at calendars and schedules before, or without, Airflow, and keep calendars fresh."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout

from calendar_timetable import __version__
from calendar_timetable.cli import options as values
from calendar_timetable.cli.check import check
from calendar_timetable.cli.output import console
from calendar_timetable.cli.publish import add_publish, publish
from calendar_timetable.cli.schedules import add_schedule, explain, preview
from calendar_timetable.cli.subscriptions import add_subscriptions, subscriptions
from calendar_timetable.cli.sync import add_sync, sync
from calendar_timetable.planning.errors import CalendarTimetableError, InvalidArgument

_CODES = "exit codes: 0 all is well; 1 problems were found, or something could not be read; 2 wrong usage"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 for success, 1 for problems found or a failure, 2 for wrong usage."""
    options = _parser().parse_args(arguments)
    try:
        out = console()
        with _airflow_connections(), redirect_stdout(sys.stderr):  # where Airflow's log and DAG files' prints belong
            code: int = options.run(options, out)
    except CalendarTimetableError as error:
        print(f"calendar-timetable: {error}", file=sys.stderr)
        return 2 if isinstance(error, (InvalidArgument, values.Misused)) else 1
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


@contextmanager
def _airflow_connections() -> Iterator[None]:
    """Connections from Airflow's database too, as in its own command line; else it looks at the environment only."""
    name = "_AIRFLOW_PROCESS_CONTEXT"
    before = os.environ.get(name)
    os.environ[name] = "server"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="calendar-timetable", description=__doc__, epilog=_CODES)
    parser.add_argument("--version", action="version", version=f"calendar-timetable {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("check", help=check.__doc__, description=check.__doc__, epilog=_CODES)
    command.add_argument("address", help="a calendar's address (https://, webcal://, a path) or Connection id")
    command.add_argument("--timezone", help="zone for floating and all-day times if the calendar names none")
    command.add_argument("--days", type=values.days, default=90, help="how far ahead to look (default: %(default)s)")
    command.set_defaults(run=check)

    command = commands.add_parser("preview", help=preview.__doc__, description=preview.__doc__, epilog=_CODES)
    add_schedule(command)
    written = "as 2026-11-28T02:00, in the schedule's zone, or with an offset"
    command.add_argument("--start", type=values.moment, metavar="TIME", help=f"from here on, {written} (default: now)")
    command.add_argument("--end", type=values.moment, metavar="TIME", help="up to here, instead of --limit")
    command.add_argument("--limit", type=values.ticks, default=10, help="how many ticks (default: %(default)s)")
    command.set_defaults(run=preview)

    command = commands.add_parser("explain", help=explain.__doc__, description=explain.__doc__, epilog=_CODES)
    add_schedule(command)
    command.add_argument("--at", type=values.moment, metavar="TIME", help=f"{written} (default: now)")
    command.set_defaults(run=explain)

    command = commands.add_parser("sync", help=sync.__doc__, description=sync.__doc__, epilog=_CODES)
    add_sync(command)
    command.set_defaults(run=sync)

    command = commands.add_parser("publish", help=publish.__doc__, description=publish.__doc__, epilog=_CODES)
    add_publish(command)
    command.set_defaults(run=publish)

    command = commands.add_parser(
        "subscriptions", help=subscriptions.__doc__, description=subscriptions.__doc__, epilog=_CODES
    )
    add_subscriptions(command)
    command.set_defaults(run=subscriptions)

    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser
