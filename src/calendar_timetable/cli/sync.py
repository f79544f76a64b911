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
from calendar_timetable.cli.output import (
    event_json,
    format_clock,
    health_json,
    health_line,
    last_line,
    print_json,
    progress,
    reach_text,
    say,
    show_rows,
    used_by,
)
from calendar_timetable.cli.preview import bags, calendar_timetable, calendars_from_cache_alone
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import TimeRange

if TYPE_CHECKING:
    from calendar_timetable.calendars.calendar import Calendar


@dataclass(frozen=True)
class SyncTarget:
    """A calendar, and the time that a DAG file will ask it about."""

    calendar: Calendar
    horizon: TimeRange
    zone: str


def add_sync(command: argparse.ArgumentParser) -> None:
    """Add the options of :func:`sync`."""
    given = (
        "a DAG file (.py), an address or a Connection id; "
        "default: every DAG file of Airflow's DAG bundles"
    )
    command.add_argument("what", nargs="*", metavar="FILE|CALENDAR", help=given)
    command.add_argument("--dags-folder", help="read the DAG files in here")
    command.add_argument(
        "--dag-id", action="append", default=[], help="only calendars of this DAG; may be repeated"
    )
    command.add_argument("--force", action="store_true", help="fetch at once, due or not")
    command.add_argument(
        "--asked", action="store_true", help="tell only of calendars that were fetched just now"
    )
    told = "fetch nothing: tell of every calendar in the cache folder, and who uses it"
    command.add_argument("--status", action="store_true", help=told)
    gone = (
        "remove the calendar of this name (as --status tells it) from the cache folder; "
        "may be repeated"
    )
    command.add_argument("--forget", action="append", default=[], metavar="NAME", help=gone)
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
    begun = clock.utc()
    dags, found, broken = _questions(options)
    told = []
    with progress("Reading calendars") as status:
        for number, question in enumerate(found, 1):
            status.update(f"Reading {question.calendar}, {number} of {len(found)} …")
            told.append(
                question.calendar.refreshed(question.horizon, question.zone, force=options.force)
            )
    if watching.is_watched():
        _tell_what_moved(dags, options, out)
    asked = [one for one in told if not options.asked or (one.checked_at or begun) >= begun]
    for file, error in broken.items():
        print(f"calendar-timetable: {file} cannot be read: {error}", file=sys.stderr)
    return max(_tell(asked, options, out), int(bool(broken)))


def _tell(told: list[Health], options: argparse.Namespace, out: Console) -> int:
    """Print a line for each feed, and return the exit code.

    Of several answers about one feed the last is told.
    """
    latest = list({one.feed or one.label: one for one in told}.values())
    if options.json:
        print_json(out, [health_json(one) for one in latest])
    for one in () if options.json else latest:
        out.print(health_line(one), soft_wrap=True)
    return int(any(one.status != "ok" for one in latest))


def _status(options: argparse.Namespace, out: Console) -> int:
    """Print how each calendar in the cache folder is doing and who uses it.

    Returns the exit code, for which only what is in use is a problem.
    """
    known, named, used = health.known(), feeds.connections(), _dags_by_feed()
    in_use = [one for one in known if used is None or one.feed in used]
    if options.json:
        told = [
            {"connection": named.get(one.feed), "dag_ids": used and used.get(one.feed, [])}
            for one in known
        ]
        print_json(out, [health_json(one) | who for one, who in zip(known, told, strict=True)])
    for one in () if options.json else known:
        who = used_by(named.get(one.feed), None if used is None else used.get(one.feed, []))
        out.print(health_line(one) + (f"; {who}" if who else ""), soft_wrap=True)
    return int(any(one.status != "ok" for one in in_use))


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
    found: dict[str, list[str]] = {}
    for dag_id, schedule in sorted(schedules.items()):
        for key in {
            used.feed.key
            for used in (schedule.compiled.calendars if schedule.compiled else ())
            if used.feed
        }:
            found.setdefault(key, []).append(dag_id)
    return found


def _forget(names: list[str], out: Console) -> int:
    known, named = health.known(), feeds.connections()
    for name in names:
        found = [one.feed for one in known if name in (one.label, named.get(one.feed))]
        if not found:
            raise InvalidArgument(
                "--forget", name, "the cache folder holds no calendar of this name; see --status"
            )
        for feed in found:
            cache.forget(feed)
        out.print(f"{name}: forgotten{f', {len(found)} calendars' if len(found) > 1 else ''}")
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
    found = [SyncTarget(calendar, around, zones.default_zone()) for calendar in calendars]
    broken: dict[str, str] = {}
    dags: list[Any] = []
    if not calendars or folders or options.dag_id:
        with progress("Reading DAG files"):
            for folder in folders or [None]:
                for bag in bags(folder):
                    broken |= {file: last_line(text) for file, text in bag.import_errors.items()}
                    wanted = [
                        dag
                        for name, dag in bag.dags.items()
                        if name in (options.dag_id or bag.dags)
                    ]
                    dags += wanted
                    found += (
                        question for dag in wanted for question in _of_dag(dag.timetable, now)
                    )
    for dag_id in set(options.dag_id) - {dag.dag_id for dag in dags}:
        broken[dag_id] = "no DAG file defines this DAG"
    return dags, list(dict.fromkeys(found)), broken


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


def _tell_what_moved(dags: Iterable[Any], options: argparse.Namespace, out: Console) -> None:
    """Tell which runs of *dags* calendars moved since the last pass.

    What goes wrong is told as well, and ends nothing.
    """
    from calendar_timetable.runtime import calendar_edits

    now, found = clock.now(), []
    try:
        paused = _paused()
        # They were asked a moment ago.
        with calendars_from_cache_alone():
            for dag in dags:
                ours = calendar_timetable(dag.timetable)
                if ours is not None and dag.dag_id not in paused:
                    found.append(
                        calendar_edits.watched_file(dag.dag_id, ours, dag.start_date, dag.end_date)
                    )
        moved = calendar_edits.moved_since_last_look("sync", [one for one in found if one], now)
        if moved is not None:
            calendar_edits.tell(moved, partial(say, options, out))
    except Exception as error:  # noqa: BLE001
        print(f"calendar-timetable: cannot tell what moved: {error}", file=sys.stderr)


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
        found = (
            []
            if health.status == "unavailable"
            else calendar.events(now, now + timedelta(days=options.days))
        )
    events = [event for event in found if event.status != "cancelled"]
    shown = events[: options.limit]
    zone = ZoneInfo(options.timezone or health.zone or "UTC")
    if options.json:
        print_json(out, {**health_json(health), "next": [event_json(event) for event in shown]})
    else:
        out.print(health_line(health))
        if health.status != "unavailable":
            out.print(f"All-day events are days of {health.zone or 'a zone of its own'}.")
            next_of = f"Next {len(shown)} of {len(events)} in {options.days} days, in {zone.key}:"
            out.print(next_of if events else f"Nothing is coming in {options.days} days.")
            rows = (
                (
                    format_clock(e.start, zone),
                    format_clock(e.end, zone),
                    "busy" if e.busy else "free",
                    e.summary,
                )
                for e in shown
            )
            if shown:
                show_rows(out, ("Start", "End", "Busy", "Event"), rows)
        for problem in health.problems:
            out.print(
                f"problem: {problem.uid or '(no UID)'}: {problem.reason}; "
                f"{reach_text(problem, zone)}"
            )
    return 0 if health.status == "ok" else 1
