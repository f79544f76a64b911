"""``calendar-timetable``: look at calendars and schedules, and keep calendars fresh.

Before, or without, Airflow. The docstrings of commands are their help texts.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from typing import Any

from calendar_timetable._version import __version__
from calendar_timetable.cli import values
from calendar_timetable.cli.backtest import add_backtest, backtest
from calendar_timetable.cli.diff import add_diff, diff
from calendar_timetable.cli.impact import add_find, add_impact, find, impact
from calendar_timetable.cli.imports.command import add_import, import_
from calendar_timetable.cli.output import console
from calendar_timetable.cli.overrides import add_overrides, overrides
from calendar_timetable.cli.place import add_place, place
from calendar_timetable.cli.preview import add_schedule, explain, preview
from calendar_timetable.cli.publish import add_publish, add_subscriptions, publish, subscriptions
from calendar_timetable.cli.recommend import add_recommend, recommend
from calendar_timetable.cli.sync import add_check, add_sync, check, sync
from calendar_timetable.config import environment_variable
from calendar_timetable.exceptions import CalendarTimetableError, InvalidArgument, masked

_ABOUT = "Look at calendars and schedules before, or without, Airflow, and keep calendars fresh."
_CODES = """exit codes: 0 all is well; 1 problems were found, nothing will run, or something could
not be read; 2 wrong usage"""
_NO_DATABASE = (
    "Airflow's database cannot be read: {}. Run this where Airflow's components run, with their "
    "AIRFLOW_HOME and settings, after 'airflow db migrate'"
)
_TIME = "as 2026-11-28T02:00, in the schedule's zone, or with an offset"
_EXAMPLES = {
    "check": ("https://calendar.example.com/team.ics", "team_calendar --days 30 --limit 50"),
    "preview": (
        '"0 2 * * SAT" --window sat-sun --blackout team.ics --match "*freeze*" --duration 4h',
        "--dag-id weekly_retraining --start 2026-11-28 --end 2026-12-05",
    ),
    "explain": ("--dag-id weekly_retraining --at 2026-11-28T02:00", '"@daily" --blackout team.ics'),
    "diff": ("origin/main HEAD --path dags --markdown", "../before/dags dags --exit-code"),
    "sync": ("", "--watch --every 30s", "--status", "--forget team_calendar"),
    "publish": ("--to runs_calendar --scope tag:ml --dry-run", "--watch", "--remove"),
    "overrides": ("--start 2026-11-01 --end 2026-12-01", "--dag-id weekly_retraining --json"),
    "impact": (
        "--from 2026-11-24T20:00 --to 2026-11-25T00:00",
        "--from 2026-11-24T20:00 --to 2026-11-25T00:00 --book Maintenance --to-calendar freezes",
    ),
    "find": ("--length 4h --within 14d --between 'mon-fri 08:00-18:00'",),
    "place": ("", "--out dags/placement.toml", "--out dags/placement.toml --anew"),
    "recommend": ("", "--dag-id weekly_retraining --json", "--tag ml"),
    "backtest": (
        "--window 'mon-fri 19:00-07:00' --tag heavy",
        "--blackout team.ics --match '*meeting*' --stagger 30m --picture load.svg",
        "--placement placement.toml --days 14 --json",
        "--cron",
    ),
    "import": (
        "freeze.ics",
        "payroll.txt --from run-cycles",
        "dags/month_end.py --json",
    ),
    "subscriptions": ("--owner ada", "--owner ada --revoke-all"),
}


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """A help formatter that leaves examples as they are."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit code.

    0 for success, 1 for problems found or a failure, 2 for wrong usage.
    """
    options = _parser().parse_args(arguments)
    try:
        out = console()
        # Airflow's log and what DAG files print belong on stderr.
        with _airflow_connections(), redirect_stdout(sys.stderr):
            code: int = options.run(options, out)
    except CalendarTimetableError as error:
        print(f"calendar-timetable: {error}", file=sys.stderr)
        return 2 if isinstance(error, (InvalidArgument, values.Misused)) else 1
    except _database_errors() as error:
        why = masked(str(error.orig).partition("\n")[0])
        print(f"calendar-timetable: {_NO_DATABASE.format(why)}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # The reader of the output, such as head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _database_errors() -> tuple[type[Any], ...]:
    """Return what is raised where a database is not there, or has no tables.

    Commands that never ask one do not load SQLAlchemy.
    """
    errors = sys.modules.get("sqlalchemy.exc")
    return (errors.OperationalError, errors.ProgrammingError) if errors else ()


def _airflow_connections() -> AbstractContextManager[None]:
    """Make connections from Airflow's database available, as in Airflow's own command line.

    Otherwise Airflow looks at the environment only.
    """
    return environment_variable("_AIRFLOW_PROCESS_CONTEXT", "server")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="calendar-timetable", description=_ABOUT, epilog=_CODES, formatter_class=_Formatter
    )
    parser.add_argument("--version", action="version", version=f"calendar-timetable {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    added: tuple[tuple[Any, Callable[[argparse.ArgumentParser], None]], ...] = (
        (check, add_check),
        (preview, _add_preview),
        (explain, _add_explain),
        (diff, add_diff),
        (sync, add_sync),
        (impact, add_impact),
        (find, add_find),
        (publish, add_publish),
        (place, add_place),
        (recommend, add_recommend),
        (backtest, add_backtest),
        (overrides, add_overrides),
        (subscriptions, add_subscriptions),
        (import_, add_import),
    )
    for run, add in added:
        name = run.__name__.rstrip("_")
        examples = "examples:\n" + "\n".join(
            f"  calendar-timetable {name} {line}" for line in _EXAMPLES[name]
        )
        command = commands.add_parser(
            name,
            help=run.__doc__,
            description=run.__doc__,
            epilog=f"{examples}\n\n{_CODES}",
            formatter_class=_Formatter,
        )
        add(command)
        # Python, which an import prints, has times as they are written.
        times = "" if run is import_ else "; times are in UTC"
        command.add_argument("--json", action="store_true", help=f"print JSON{times}")
        command.set_defaults(run=run)
    return parser


def _add_preview(command: argparse.ArgumentParser) -> None:
    add_schedule(command)
    command.add_argument(
        "--start", type=values.moment, metavar="TIME", help=f"from here on, {_TIME} (default: now)"
    )
    command.add_argument(
        "--end", type=values.moment, metavar="TIME", help="up to here, instead of --limit"
    )
    command.add_argument(
        "--limit", type=values.count, default=10, help="how many due times (default: %(default)s)"
    )


def _add_explain(command: argparse.ArgumentParser) -> None:
    add_schedule(command)
    command.add_argument("--at", type=values.moment, metavar="TIME", help=f"{_TIME} (default: now)")
