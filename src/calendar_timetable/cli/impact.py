"""``calendar-timetable impact`` and ``find``: what a blackout would do, before there is one."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import format_clock, print_json, show_rows, utc
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.weekly import Weekly

if TYPE_CHECKING:
    from calendar_timetable.planning.spans import Spans
    from calendar_timetable.runs.impact import Impact
    from calendar_timetable.runs.subjects import Concerned

_MOST_DAYS = 92  # of a blackout, and that are searched
_SHOWN = 500  # runs that are listed
_COLUMNS = ("DAG", "Due", "Starts", "Would start", "")


def add_impact(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`impact`."""
    time = "as 2026-11-24T20:00, in Airflow's default zone, or with an offset"
    command.add_argument(
        "--from", dest="start", type=values.moment, required=True, metavar="TIME", help=time
    )
    command.add_argument(
        "--to", dest="end", type=values.moment, required=True, metavar="TIME", help="its end"
    )
    _add_scope(command)
    command.add_argument(
        "--limit", type=values.count, default=_SHOWN, help="runs that are listed (%(default)s)"
    )
    command.add_argument(
        "--book", metavar="TITLE", help="enter it as an event into the calendar --to-calendar"
    )
    command.add_argument(
        "--to-calendar",
        metavar="CONNECTION",
        help="one of the deployment's blackouts: tell and book for this one alone",
    )


def add_find(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`find`."""
    command.add_argument(
        "--length", type=values.length, required=True, help="of the blackout, as 4h or 1d12h"
    )
    command.add_argument(
        "--within",
        type=values.length,
        default=timedelta(days=14),
        metavar="LENGTH",
        help="search so far ahead (default: 14d)",
    )
    command.add_argument(
        "--between",
        action="append",
        default=[],
        metavar="RULE",
        help="only in such times, as 'mon-fri 08:00-18:00'; may repeat",
    )
    _add_scope(command)
    command.add_argument(
        "--to-calendar", metavar="CONNECTION", help="for this calendar of the deployment alone"
    )


def _add_scope(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--dag-id", action="append", default=[], help="only this DAG; may be repeated"
    )
    command.add_argument(
        "--tag", action="append", default=[], help="only DAGs with this tag; may be repeated"
    )
    command.add_argument(
        "--paused", action="store_true", help="also DAGs that are paused, whose runs do not start"
    )


def impact(options: argparse.Namespace, out: Console) -> int:
    """Tell what a blackout would do: which runs it would postpone, advance, combine or skip, and which deadlines they would miss."""  # noqa: E501
    from airflow.utils.session import create_session

    from calendar_timetable.publishing.booking import book
    from calendar_timetable.runs.impact import check_period
    from calendar_timetable.runs.impact_words import as_json, sentence
    from calendar_timetable.runs.subjects import impact_on

    zone = zones.load_zone(zones.default_zone())
    now = clock.now()
    start, end = (values.moment_in(at, zone) for at in (options.start, options.end))
    assert start is not None, "it is required"
    assert end is not None, "it is required"
    period = check_period(start.timestamp(), end.timestamp(), now, _MOST_DAYS * DAY)
    calendar = _calendar_to_book(options)
    with create_session() as session:
        effect = impact_on(_concerned(options, session), period, now)
    data = as_json(effect, period, zone, options.limit)
    if calendar is not None:
        booked = book(calendar, period, options.book, getpass.getuser())
        data |= {"booked": {"uid": booked.uid, "created": booked.created}}
    if options.json:
        print_json(out, _as_text(data))
    else:
        between = f"{format_clock(start, zone)} to {format_clock(end, zone)} {zone.key}"
        out.print(f"A blackout from {between} {sentence(effect)}.", soft_wrap=True)
        _show(effect, zone, options.limit, out)
        if calendar is not None:
            was = "Booked" if booked.created else "It was booked already"
            out.print(f"{was}: {options.book} in {calendar}. DAGs follow once it is read again.")
    _tell_untold(effect)
    return int(bool(effect.untold or effect.unread))


def _calendar_to_book(options: argparse.Namespace) -> str | None:
    """Return the calendar that ``--book`` is for; ``None`` where nothing is to be booked."""
    from calendar_timetable.publishing.booking import calendars_to_book, check_booking

    if options.book is None:
        return None
    calendars = list(calendars_to_book())
    if options.to_calendar is None and len(calendars) != 1:
        raise InvalidArgument("--to-calendar", None, "name the calendar that --book is for")
    options.to_calendar = options.to_calendar or calendars[0]
    check_booking(options.to_calendar, options.book)
    return str(options.to_calendar)


def find(options: argparse.Namespace, out: Console) -> int:
    """Find when a blackout would disturb least: fewest runs, then least delay, then earliest."""
    from airflow.utils.session import create_session

    from calendar_timetable.runs.better_times import better_times
    from calendar_timetable.runs.impact_words import sentence, told_better
    from calendar_timetable.runs.subjects import impact_on

    zone = zones.load_zone(zones.default_zone())
    now = clock.now()
    length = _whole_minutes(options.length)
    within = options.within.total_seconds()
    if not length <= within <= _MOST_DAYS * DAY:
        remedy = f"give at least --length, and at most {_MOST_DAYS}d"
        raise InvalidArgument("--within", explain.format_length(within), remedy)
    allowed = between(options.between, now, within, zone)
    with create_session() as session:
        concerned = _concerned(options, session)
    best = better_times(concerned.subjects, length, allowed, now)
    times = [(time, impact_on(concerned, time.period, now)) for time in best.times]
    partial = best.truncated or any(effect.untold or effect.unread for _, effect in times)
    if options.json:
        data = {"times": told_better(times), "partial": partial}
        print_json(out, _as_text(data))
    elif not times:
        out.print("There is no such time.")
    else:
        rows = []
        for time, effect in times:
            begins, ends = map(zones.to_datetime, time.period.span)
            rows.append((format_clock(begins, zone), format_clock(ends, zone), sentence(effect)))
        show_rows(out, (f"From ({zone.key})", "To", "A blackout"), rows)
    if partial:
        print(
            "calendar-timetable: not all could be looked at: there may be better times",
            file=sys.stderr,
        )
    return int(partial or not times)


def between(rules: list[str], now: float, within: float, zone: ZoneInfo) -> Spans:
    """Return when a blackout may be, of the time from *now* on: by weekly *rules*, or always."""
    from calendar_timetable.planning.spans import Spans
    from calendar_timetable.planning.time_sets import TimeRange

    whole = TimeRange(int(now), int(now + within))
    if not rules:
        return Spans(((whole.start, whole.end),))
    weekly = Weekly(*rules, timezone=zone.key)
    weekly.validate()
    return weekly.resolve(whole, zone.key).cover(whole.start, whole.end)


def _whole_minutes(length: timedelta) -> int:
    seconds = int(length.total_seconds())
    if seconds < 60 or seconds % 60:
        raise InvalidArgument(
            "--length", explain.format_length(seconds), "give whole minutes, as 4h"
        )
    return seconds


def _concerned(options: argparse.Namespace, session: object) -> Concerned:
    from sqlalchemy.orm import Session

    from calendar_timetable.publishing.booking import check_calendar
    from calendar_timetable.runs.subjects import concerned

    assert isinstance(session, Session)
    if options.to_calendar is not None:
        check_calendar(options.to_calendar)
    dags = values.chosen_dags(session, options)
    return concerned(session, dags, calendar=options.to_calendar, paused=options.paused)


def _show(effect: Impact, zone: ZoneInfo, limit: int, out: Console) -> None:
    from calendar_timetable.runs.impact_words import in_short

    rows = []
    for change in effect.changes[:limit]:
        old_start, new_start = (
            "" if at is None else format_clock(zones.to_datetime(at), zone)
            for at in (change.before, change.after)
        )
        due = format_clock(zones.to_datetime(change.due), zone)
        rows.append((change.dag_id, due, old_start, new_start, in_short(change, zone)))
    if rows:
        out.print()
        show_rows(out, _COLUMNS, rows)
    if len(effect.changes) > limit:
        out.print(f"… and {len(effect.changes) - limit} more")
    if effect.waiting:
        out.print(f"Tasks would wait: {', '.join(effect.waiting)}", soft_wrap=True)


def _tell_untold(effect: Impact) -> None:
    if effect.untold or effect.unread:
        some = ", ".join([*effect.untold, *effect.unread][:5])
        print(f"calendar-timetable: not all is told of: {some}", file=sys.stderr)


def _as_text(data: object) -> object:
    """Return *data* with times as text for programs."""
    if isinstance(data, datetime):
        return utc(data)
    if isinstance(data, dict):
        return {name: _as_text(value) for name, value in data.items()}
    return [_as_text(value) for value in data] if isinstance(data, list) else data
