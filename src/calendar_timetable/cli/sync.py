"""``calendar-timetable sync``: asks calendars outside of DAG parsing.

It does so for all who share the cache folder. And ``calendar-timetable check``: reads one calendar.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable import clock, metrics
from calendar_timetable.calendars.feed import cache, health
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.feed.health import Health
from calendar_timetable.cli import values, watching
from calendar_timetable.cli.dag_files import bags, calendar_timetable, calendars_from_cache_alone
from calendar_timetable.cli.output import (
    event_json,
    format_clock,
    health_json,
    health_line,
    last_line,
    print_json,
    progress,
    reach_text,
    show_rows,
    used_by,
)
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import TimeRange

if TYPE_CHECKING:
    from calendar_timetable.calendars.calendar import Calendar
    from calendar_timetable.runtime.calendar_edits import WatchedDag


@dataclass(frozen=True)
class SyncTarget:
    """A calendar, and the time that a DAG file will ask it about."""

    calendar: Calendar
    horizon: TimeRange
    zone: str


def add_sync(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`sync`."""
    what_help = (
        "a DAG file (.py), an address or a Connection id; "
        "default: every DAG file of Airflow's DAG bundles"
    )
    command.add_argument("what", nargs="*", metavar="FILE|CALENDAR", help=what_help)
    command.add_argument("--dags-folder", help="read the DAG files in here")
    command.add_argument(
        "--dag-id", action="append", default=[], help="only calendars of this DAG; may be repeated"
    )
    command.add_argument("--force", action="store_true", help="fetch at once, due or not")
    command.add_argument(
        "--asked", action="store_true", help="tell only of calendars that were fetched just now"
    )
    status_help = "fetch nothing: tell of every calendar in the cache folder, and who uses it"
    command.add_argument("--status", action="store_true", help=status_help)
    forget_help = (
        "remove the calendar of this name (as --status tells it) from the cache folder; "
        "may be repeated"
    )
    command.add_argument("--forget", action="append", default=[], metavar="NAME", help=forget_help)
    command.add_argument(
        "--watch",
        action="store_true",
        help="go on until stopped, fetching each calendar when it is due, and tell which runs an "
        "edit of a calendar moved",
    )
    watching.add_every(command, "look at DAG files and for what is due")


def sync(options: argparse.Namespace, out: Console) -> int:
    """Fetch the calendars of DAG files that are due for refresh, and say how each is doing."""
    if options.forget:
        return _forget(options.forget, out)
    if options.status:
        return _status(options, out)
    if options.watch:
        return _watch(options)
    metrics.set_up()
    start = clock.utc()
    dags, targets, broken = _questions(options)
    reports = []
    with progress("Reading calendars") as status:
        for number, target in enumerate(targets, 1):
            status.update(f"Reading {target.calendar}, {number} of {len(targets)} …")
            reports.append(
                target.calendar.refreshed(target.horizon, target.zone, force=options.force)
            )
    if watching.is_watched():
        watching.tell_what_moved("sync", partial(_watched, dags), options, out)
    selection = [
        report for report in reports if not options.asked or (report.checked_at or start) >= start
    ]
    for file, error in broken.items():
        print(f"calendar-timetable: {file} cannot be read: {error}", file=sys.stderr)
    return max(_tell(selection, options, out), int(bool(broken)))


def _tell(reports: list[Health], options: argparse.Namespace, out: Console) -> int:
    """Print a line for each feed, and return the exit code.

    Of several answers about one feed the last is told.
    """
    latest = list({report.feed or report.label: report for report in reports}.values())
    if options.json:
        print_json(out, [health_json(report) for report in latest])
    for report in () if options.json else latest:
        out.print(health_line(report), soft_wrap=True)
    return int(any(report.status != "ok" for report in latest))


def _status(options: argparse.Namespace, out: Console) -> int:
    """Print how each calendar in the cache folder is doing and who uses it.

    Returns the exit code, for which only what is in use is a problem.
    """
    reports, connections, used = health.health_reports(), feeds.connections(), _dags_by_feed()
    in_use = [report for report in reports if used is None or report.feed in used]
    if options.json:
        users = [
            {
                "connection": connections.get(report.feed),
                "dag_ids": used and used.get(report.feed, []),
            }
            for report in reports
        ]
        print_json(
            out, [health_json(report) | who for report, who in zip(reports, users, strict=True)]
        )
    for report in () if options.json else reports:
        who = used_by(
            connections.get(report.feed), None if used is None else used.get(report.feed, [])
        )
        out.print(health_line(report) + (f"; {who}" if who else ""), soft_wrap=True)
    return int(any(report.status != "ok" for report in in_use))


def _dags_by_feed() -> dict[str, list[str]] | None:
    """Return the ids of the DAGs that use each feed, as Airflow's database has them.

    ``None`` where it cannot be asked.
    """
    try:
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        from calendar_timetable.runs.stored_schedules import read_schedules

        with create_session() as session:
            present = session.scalars(
                select(DagModel.dag_id).where(DagModel.is_stale.is_(False))
            ).all()
            schedules = read_schedules(session, present)
    except Exception:  # noqa: BLE001
        # There is no database, none that is set up, or none that may be read from here.
        return None
    dag_ids_by_feed: dict[str, list[str]] = {}
    for dag_id, schedule in sorted(schedules.items()):
        for key in {
            used.feed.key
            for used in (schedule.compiled.calendars if schedule.compiled else ())
            if used.feed
        }:
            dag_ids_by_feed.setdefault(key, []).append(dag_id)
    return dag_ids_by_feed


def _forget(names: list[str], out: Console) -> int:
    reports, connections = health.health_reports(), feeds.connections()
    for name in names:
        feed_keys = [
            report.feed
            for report in reports
            if name in (report.label, connections.get(report.feed))
        ]
        if not feed_keys:
            raise InvalidArgument(
                "--forget", name, "the cache folder holds no calendar of this name; see --status"
            )
        for feed_key in feed_keys:
            cache.forget(feed_key)
        out.print(
            f"{name}: forgotten{f', {len(feed_keys)} calendars' if len(feed_keys) > 1 else ''}"
        )
    return 0


def _questions(
    options: argparse.Namespace,
) -> tuple[list[Any], list[SyncTarget], dict[str, str]]:
    """Return the DAGs, what to ask, each once, and the DAG files that cannot be read, with why."""
    from calendar_timetable.calendars.calendar import Calendar

    files = [text for text in options.what if text.endswith(".py")]
    folders: list[str | None] = [*files, *([options.dags_folder] if options.dags_folder else [])]
    calendars = [Calendar(text) for text in options.what if text not in files]
    for calendar in calendars:
        calendar.validate()
    now = clock.now()
    around = TimeRange(int(now) - 31 * 86400, int(now) + 122 * 86400)
    targets = [SyncTarget(calendar, around, zones.default_zone()) for calendar in calendars]
    broken: dict[str, str] = {}
    dags: list[Any] = []
    if not calendars or folders or options.dag_id:
        with progress("Reading DAG files"):
            for folder in folders or [None]:
                for bag in bags(folder):
                    broken |= {file: last_line(text) for file, text in bag.import_errors.items()}
                    bag_dags = [
                        dag
                        for name, dag in bag.dags.items()
                        if name in (options.dag_id or bag.dags)
                    ]
                    dags += bag_dags
                    targets += (
                        target for dag in bag_dags for target in _of_dag(dag.timetable, now)
                    )
    for dag_id in set(options.dag_id) - {dag.dag_id for dag in dags}:
        broken[dag_id] = "no DAG file defines this DAG"
    return dags, list(dict.fromkeys(targets)), broken


def _of_dag(timetable: object, now: float) -> Iterator[SyncTarget]:
    ours = calendar_timetable(timetable)
    if ours is not None:
        for calendar, horizon in ours.questions(now):
            yield SyncTarget(calendar, horizon, ours.zone_name)


def _watch(options: argparse.Namespace) -> int:
    arguments = [*options.what, "--asked"]
    arguments += [part for dag_id in options.dag_id for part in ("--dag-id", dag_id)]
    arguments += ["--dags-folder", options.dags_folder] if options.dags_folder else []
    arguments += [f"--{name}" for name in ("force", "json") if getattr(options, name)]
    return watching.watch(["sync", *arguments], options.every)


def _watched(dags: Iterable[Any]) -> Iterator[WatchedDag]:
    """Yield what is watched of *dags* whose runs start, with calendars asked a moment ago."""
    from calendar_timetable.runtime import calendar_edits

    paused = _paused()
    with calendars_from_cache_alone():
        for dag in dags:
            ours = calendar_timetable(dag.timetable)
            if ours is None or dag.dag_id in paused:
                continue
            if watched := calendar_edits.watched_file(
                dag.dag_id, ours, dag.start_date, dag.end_date
            ):
                yield watched


def _paused() -> frozenset[str]:
    """Return the DAGs whose runs do not start, as far as Airflow's database can be asked."""
    try:
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        with create_session() as session:
            return frozenset(session.scalars(select(DagModel.dag_id).where(DagModel.is_paused)))
    except Exception:  # noqa: BLE001
        return frozenset()


def add_check(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`check`."""
    command.add_argument(
        "address", help="a calendar's address (https://, webcal://, a path) or Connection id"
    )
    zone = "zone for floating and all-day times if the calendar names none"
    command.add_argument("--timezone", metavar="ZONE", help=zone)
    command.add_argument(
        "--days", type=values.days, default=90, help="how far ahead to look (default: %(default)s)"
    )
    command.add_argument(
        "--limit", type=values.count, default=10, help="how many events (default: %(default)s)"
    )


def check(options: argparse.Namespace, out: Console) -> int:
    """Read a calendar and say what was understood."""
    from calendar_timetable.calendars.calendar import Calendar

    calendar = Calendar(options.address, timezone=options.timezone)
    calendar.validate()
    now = clock.utc()
    ahead = TimeRange(int(now.timestamp()), int(now.timestamp()) + (options.days + 1) * 86400)
    with progress(f"Reading {calendar}"):
        health = calendar.refreshed(ahead, zones.default_zone(), force=True)
        occurrences = (
            []
            if health.status == "unavailable"
            else calendar.events(now, now + timedelta(days=options.days))
        )
    events = [event for event in occurrences if event.status != "cancelled"]
    next_events = events[: options.limit]
    zone = ZoneInfo(options.timezone or health.zone or "UTC")
    if options.json:
        print_json(
            out, {**health_json(health), "next": [event_json(event) for event in next_events]}
        )
    else:
        out.print(health_line(health))
        if health.status != "unavailable":
            out.print(f"All-day events are days of {health.zone or 'a zone of its own'}.")
            next_of = (
                f"Next {len(next_events)} of {len(events)} in {options.days} days, in {zone.key}:"
            )
            out.print(next_of if events else f"Nothing is coming in {options.days} days.")
            rows = (
                (
                    format_clock(e.start, zone),
                    format_clock(e.end, zone),
                    "busy" if e.busy else "free",
                    e.summary,
                )
                for e in next_events
            )
            if next_events:
                show_rows(out, ("Start", "End", "Busy", "Event"), rows)
        for problem in health.problems:
            out.print(
                f"problem: {problem.uid or '(no UID)'}: {problem.reason}; "
                f"{reach_text(problem, zone)}"
            )
    return 0 if health.status == "ok" else 1
