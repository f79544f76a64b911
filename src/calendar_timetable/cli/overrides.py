"""``calendar-timetable overrides``: who passed closed time, when and why."""

from __future__ import annotations

import argparse
from datetime import timedelta
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import format_clock, print_json, show_rows
from calendar_timetable.exceptions import InvalidArgument

_UTC = ZoneInfo("UTC")
_PAST = timedelta(days=30)
_MOST = 100_000  # entries of one export
_HOW = {
    "by_hand": "by hand",
    "conf": "ignore_calendar",
    "exemption": "exemption",
    "command": "airflow tasks test",
}


def add_overrides(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`overrides`."""
    command.add_argument(
        "--start",
        type=values.moment,
        metavar="TIME",
        help="from here on, in UTC unless it has an offset (default: 30 days before the end)",
    )
    command.add_argument(
        "--end", type=values.moment, metavar="TIME", help="up to here (default: now)"
    )
    command.add_argument(
        "--dag-id", action="append", default=[], metavar="ID", help="only this DAG; may repeat"
    )


def overrides(options: argparse.Namespace, out: Console) -> int:
    """List who passed closed time: runs by hand, tasks of commands, runs that ignore calendars, exemptions."""  # noqa: E501
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from calendar_timetable.runs.override_reasons import NO_REASON
    from calendar_timetable.web import override_list

    end = values.moment_in(options.end, _UTC) or clock.utc() + timedelta(seconds=1)
    start = values.moment_in(options.start, _UTC) or end - _PAST
    if start >= end:
        raise InvalidArgument("--end", f"{end:%Y-%m-%dT%H:%MZ}", "give a time after --start")
    with create_session() as session:
        known_ids = set(session.scalars(select(DagModel.dag_id)))
        for wrong in sorted(set(options.dag_id) - known_ids):
            raise InvalidArgument("--dag-id", wrong, "there is no such DAG")
        dag_ids = set(options.dag_id) or known_ids
        listing = override_list.listed(
            session, dag_ids, start.timestamp(), end.timestamp(), limit=_MOST, offset=0
        )
    if options.json:
        print_json(out, [override.model_dump(mode="json") for override in listing.overrides])
    elif listing.overrides:
        rows = [
            (
                format_clock(override.at, _UTC),
                override.dag_id,
                _HOW[override.how] + (", refused" if override.refused else ""),
                override.who or "",
                "" if override.until is None else format_clock(override.until, _UTC),
                override.reason or NO_REASON,
            )
            for override in listing.overrides
        ]
        show_rows(out, ("At (UTC)", "DAG", "How", "Who", "Until (UTC)", "Why"), rows)
    else:
        out.print("Nobody passed closed time.")
    if listing.truncated:
        raise values.Misused("there are more entries: narrow --start and --end")
    return 0
