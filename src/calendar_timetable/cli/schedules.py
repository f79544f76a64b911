"""Schedules named on the command line: by their arguments, or by a DAG's id."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.console import Console

from calendar_timetable.cli import options as values
from calendar_timetable.cli.output import clock, print_json, progress, run_json, table
from calendar_timetable.planning.errors import InvalidArgument

if TYPE_CHECKING:
    from airflow.dag_processing.bundles.base import BaseDagBundle
    from airflow.dag_processing.dagbag import BundleDagBag

    from calendar_timetable.timetable import CalendarTimetable


def preview(options: argparse.Namespace, out: Console) -> int:
    """Show what becomes of the next ticks of a schedule."""
    timetable = _timetable(options)
    zone = ZoneInfo(timetable.zone_name)
    start = values.moment_in(options.start, zone) or datetime.now(UTC)
    end = values.moment_in(options.end, zone)
    with progress("Reading calendars"):
        plan = timetable.plan(start, end, options.limit if end is None else None)
    if options.json:
        print_json(out, [run_json(run) for run in plan])
        return 0
    shown = table("Due", "Start", "Outcome", "Why")
    for run in plan:
        starts = "-" if run.start is None else clock(run.start, zone)
        shown.add_row(clock(run.tick, zone), starts, run.outcome.replace("_", " "), "; ".join(run.reasons))
    out.print(f"Times in {zone.key}.")
    out.print(shown)
    return 0


def explain(options: argparse.Namespace, out: Console) -> int:
    """Say whether a time is open, and what becomes of the next tick."""
    timetable = _timetable(options)
    with progress("Reading calendars"):
        said = timetable.explain(values.moment_in(options.at, ZoneInfo(timetable.zone_name)) or datetime.now(UTC))
    if options.json:
        print_json(out, {"explanation": said})
    else:
        out.print(said, soft_wrap=True)
    return 0


def add_schedule(command: argparse.ArgumentParser) -> None:
    """The options that describe a schedule."""
    command.add_argument("schedule", nargs="?", help="cron expression, preset or a calendar's address")
    command.add_argument("--dag-id", help="take the schedule of this DAG instead")
    command.add_argument("--dags-folder", help="where to look for it (default: Airflow's DAG bundles)")
    command.add_argument("--timezone")
    times = "weekly rule ('mon-fri 19:00-07:00'), 'holidays:DE-BY', or a calendar; may be repeated"
    command.add_argument("--window", action="append", default=[], metavar="TIMES", help=times)
    command.add_argument("--blackout", action="append", default=[], metavar="TIMES", help=times)
    command.add_argument("--duration", type=values.length, metavar="LENGTH", help="such as 4h, 90m or 1d12h")
    command.add_argument("--when-blocked", choices=("postpone", "advance", "skip", "run"), default="postpone")
    command.add_argument("--max-delay", type=values.length, default=timedelta(days=7), metavar="LENGTH")
    command.add_argument("--stagger", type=values.length, metavar="LENGTH")
    after = "due this long after its events where the schedule is a calendar; before them: --offset=-30m"
    command.add_argument("--offset", type=values.signed_length, metavar="LENGTH", help=after)
    command.add_argument("--no-coalesce", action="store_true", help="run every tick, also those that start together")


def bags(place: str | None) -> list[BundleDagBag]:
    """The DAG file or files at *place*, else those of every DAG bundle of this Airflow, read as Airflow reads them."""
    from airflow.dag_processing.dagbag import BundleDagBag

    if place is None:
        return [BundleDagBag(b.path, bundle_path=b.path, bundle_name=b.name) for b in _bundles()]
    path = Path(place).absolute()
    if not path.exists():
        raise InvalidArgument("DAG files", place, "there is no such file or folder")
    return [BundleDagBag(path, bundle_path=path if path.is_dir() else path.parent, bundle_name="")]


def _bundles() -> Iterator[BaseDagBundle]:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    make: Any = DagBundlesManager
    for bundle in make().get_all_dag_bundles():
        bundle.initialize()
        yield bundle


def calendar_timetable(timetable: Any) -> CalendarTimetable | None:
    """*timetable*, or the one inside ``AssetOrTimeSchedule``, if it is ours."""
    from calendar_timetable.timetable import CalendarTimetable

    inner = getattr(timetable, "timetable", timetable)
    return inner if isinstance(inner, CalendarTimetable) else None


def _timetable(options: argparse.Namespace) -> CalendarTimetable:
    if options.dag_id and options.schedule:
        raise values.Misused("give a schedule or --dag-id, not both")
    if options.dag_id:
        return _timetable_of_dag(options.dag_id, options.dags_folder)
    if not options.schedule:
        raise InvalidArgument("schedule", options.schedule, "give a schedule, or --dag-id")
    from airflow.exceptions import AirflowTimetableInvalid

    from calendar_timetable.timetable import CalendarTimetable

    timetable = CalendarTimetable(
        options.schedule,
        timezone=options.timezone,
        windows=[values.times("--window", text) for text in options.window] or None,
        blackouts=[values.times("--blackout", text) for text in options.blackout] or None,
        duration=options.duration,
        when_blocked=options.when_blocked,
        max_delay=options.max_delay,
        stagger=options.stagger,
        coalesce=not options.no_coalesce,
        offset=options.offset,
    )
    try:
        timetable.validate()
    except AirflowTimetableInvalid as error:
        raise values.Misused(str(error)) from None
    return timetable


def _timetable_of_dag(dag_id: str, folder: str | None) -> CalendarTimetable:
    places, errors = [], []
    with progress("Reading DAG files"):
        for bag in bags(folder):
            dag = bag.dags.get(dag_id)
            if dag is not None:
                timetable = calendar_timetable(dag.timetable)
                if timetable is None:
                    raise InvalidArgument("--dag-id", dag_id, f"its schedule is a {type(dag.timetable).__name__}")
                return timetable
            places.append(str(bag.dag_folder))
            errors += [f"{file}: {error}" for file, error in bag.import_errors.items()]
    failed = f" ({'; '.join(errors)})" if errors else ""
    raise InvalidArgument("--dag-id", dag_id, f"not found in {', '.join(places)}{failed}")
