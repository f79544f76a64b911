"""Values as people write them on the command line."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from calendar_timetable.exceptions import CalendarTimetableError, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import TimeSet, Union
from calendar_timetable.planning.weekly import Weekly, parse_weekly_rule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from calendar_timetable.calendars.calendar import Calendar
    from calendar_timetable.runs.database import Dag

_LENGTH = re.compile(r"([+-]?)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m(?:in)?)?(?:(\d{1,9})s)?")
_MOST_DAYS = 3660
_FIRST_YEAR, _LAST_YEAR = 1970, 9900  # of times; what is moved lies up to ten years beyond
_MOST_LINES = 10_000
_MOST_PLANNED = 92  # days, of each run of many DAGs


class Misused(CalendarTimetableError):
    """What the command cannot work with.

    A schedule that Airflow refuses, a DAG that has none of ours, no tables.
    """


def add_times(command: argparse.ArgumentParser) -> None:
    """Add the options ``--window`` and ``--blackout``, which :func:`all_times` reads."""
    times = "weekly rule ('mon-fri 19:00-07:00'), 'holidays:DE-BY', or a calendar; may be repeated"
    command.add_argument(
        "--window",
        action="append",
        default=[],
        metavar="TIMES",
        help=f"runs start only in: {times}",
    )
    command.add_argument(
        "--blackout", action="append", default=[], metavar="TIMES", help=f"no runs in: {times}"
    )


def add_calendar(command: argparse.ArgumentParser) -> None:
    """Add the options of the calendars that a command is given."""
    group = command.add_argument_group(
        "calendars", "which events count, of every calendar that is named"
    )
    group.add_argument(
        "--match", metavar="GLOB", help="only those with such a title, such as '*freeze*'"
    )
    group.add_argument(
        "--category",
        action="append",
        default=[],
        metavar="NAME",
        help="of this category; may repeat",
    )
    group.add_argument("--location", metavar="GLOB", help="only those at such a place")
    group.add_argument("--attendee", metavar="ADDRESS", help="only those with this person")
    busy = "leave out those marked free, or count them (default: blackouts leave them out)"
    group.add_argument(
        "--busy-only", action=argparse.BooleanOptionalAction, default=None, help=busy
    )
    wider = "begin each earlier, and end it later: 30m or 30m,1h"
    group.add_argument(
        "--pad", type=pad, default=(timedelta(0),) * 2, metavar="BEFORE[,AFTER]", help=wider
    )
    moved = "move each as a whole; to earlier: --event-offset=-30m"
    group.add_argument(
        "--event-offset", type=signed_length, default=timedelta(0), metavar="LENGTH", help=moved
    )
    group.add_argument(
        "--event-timezone", metavar="ZONE", help="zone of all-day and floating times"
    )
    group.add_argument(
        "--strict",
        action="store_true",
        help="block also what events that cannot be parsed may cover",
    )
    group.add_argument("--show-titles", action="store_true", help="show titles of events")


def all_times(name: str, options: argparse.Namespace) -> TimeSet | None:
    """Return the union of what the option *name* names; ``None`` where it is not given."""
    timesets = [times(f"--{name}", text, options) for text in getattr(options, name)]
    for timeset in timesets:
        timeset.validate()
    return Union(tuple(timesets)) if len(timesets) > 1 else next(iter(timesets), None)


def base_schedule(options: argparse.Namespace) -> TimeSet | str:
    """Return what says when runs are due: a calendar, or what Airflow reads."""
    from calendar_timetable.calendars.addresses import is_address

    text: str = options.schedule
    return calendar_at(text, options) if is_address(text) else text


def calendar_at(address: str, options: argparse.Namespace) -> Calendar:
    """Return the calendar at *address*, with the options of :func:`add_calendar`."""
    from calendar_timetable.calendars.calendar import Calendar

    return Calendar(
        address,
        match=options.match,
        categories=options.category,
        location=options.location,
        attendee=options.attendee,
        busy_only=options.busy_only,
        pad=options.pad,
        offset=options.event_offset,
        timezone=options.event_timezone,
        strict=options.strict,
        show_titles=options.show_titles,
    )


def times(option: str, text: str, options: argparse.Namespace) -> TimeSet:
    """Return what *option* names: a weekly rule, holidays, or a calendar."""
    if text.startswith("holidays:"):
        from calendar_timetable.calendars.holidays import Holidays

        return Holidays(text.removeprefix("holidays:"))
    try:
        parse_weekly_rule(text)
    except InvalidArgument as error:
        return _calendar(option, text, error.remedy, options)
    return Weekly(text)


def _calendar(option: str, text: str, no_rule: str, options: argparse.Namespace) -> TimeSet:
    from calendar_timetable.calendars.addresses import is_address, printable

    calendar = calendar_at(text, options)
    try:
        calendar.validate()
    except InvalidArgument:
        if is_address(text):
            raise
    else:
        if is_address(text) or _is_connection(text):
            return calendar
    remedy = (
        "give a weekly rule ('mon-fri 19:00-07:00'), 'holidays:DE-BY', an address, "
        "or the id of an Airflow Connection"
    )
    raise InvalidArgument(
        option,
        printable(text),
        f"no Airflow Connection has that id, and as a weekly rule: {no_rule}; {remedy}",
    )


def _is_connection(text: str) -> bool:
    from airflow.sdk import BaseHook

    try:
        BaseHook.get_connection(text)
    except Exception as error:  # noqa: BLE001
        # A secrets backend that fails says so when the calendar is read.
        return type(error).__name__ != "AirflowNotFoundException"
    return True


def chosen_dags(session: Session, options: argparse.Namespace) -> list[Dag]:
    """Return the DAGs that ``--dag-id`` and ``--tag`` name; all that there are without these.

    Raises :class:`InvalidArgument` for one that is not there, and where none has such a tag.
    """
    from airflow.models.dag import DagModel
    from sqlalchemy import select

    from calendar_timetable.runs.database import read_dags

    present = set(session.scalars(select(DagModel.dag_id).where(DagModel.is_stale.is_(False))))
    for dag_id in sorted(set(options.dag_id) - present):
        raise InvalidArgument("--dag-id", dag_id, "there is no such DAG")
    dags = read_dags(session, set(options.dag_id) or present, tags=options.tag)
    if options.tag and not dags:
        raise InvalidArgument("--tag", ", ".join(options.tag), "no such DAG has this tag")
    return dags


def moment(text: str) -> datetime:
    """Parse a time in ISO 8601; one without an offset is to be read by :func:`moment_in`."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid time; write it as 2026-11-28T02:00"
        ) from None
    if not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise argparse.ArgumentTypeError(
            f"{text!r} is too far off; give a year from {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return time


def moment_in(time: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return *time*, in *zone* where it has no offset of its own."""
    return time.replace(tzinfo=zone) if time is not None and time.tzinfo is None else time


def length(text: str) -> timedelta:
    """Parse a length of time that is not negative."""
    duration = signed_length(text)
    if duration < timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r} is negative; write it as 4h, 90m or 1d12h")
    return duration


def pad(text: str) -> tuple[timedelta, timedelta]:
    """Parse how much earlier events begin and later they end: one length for both, or two."""
    before, _, after = text.partition(",")
    return length(before), length(after or before)


def signed_length(text: str) -> timedelta:
    """Parse a length of time that may be negative."""
    match = _LENGTH.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a valid length of time; write it as 4h, 90m or 1d12h"
        )
    days, hours, minutes, seconds = (int(n or 0) for n in match.groups()[1:])
    duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if duration > zones.LONGEST:
        raise argparse.ArgumentTypeError(
            f"{text!r} is too long; give at most {zones.LONGEST.days}d, or as many hours"
        )
    return -duration if match.group(1) == "-" else duration


def days(text: str) -> int:
    """Parse a number of days to look ahead."""
    return _number(text, _MOST_DAYS)


def days_of_plan(text: str) -> int:
    """Parse a number of days whose runs are all looked at."""
    return _number(text, _MOST_PLANNED)


def count(text: str) -> int:
    """Parse how many lines to show."""
    return _number(text, _MOST_LINES)


def _number(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= most or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
    return int(text)
