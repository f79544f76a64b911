"""``calendar-timetable preview`` and ``explain``: what becomes of a schedule's due times, and why.

The schedule is that of a DAG, or given by arguments: a cron expression then does without Airflow.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import dag_files, values
from calendar_timetable.cli.cron_schedule import CronSchedule
from calendar_timetable.cli.output import format_clock, print_json, progress, show_rows, utc
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain as words
from calendar_timetable.planning import zones
from calendar_timetable.planning.plan import PlacedTick
from calendar_timetable.planning.time_sets import TimeSet

if TYPE_CHECKING:
    from calendar_timetable.schedule.compiled import CompiledSchedule
    from calendar_timetable.timetable import CalendarTimetable

    Schedule: TypeAlias = "CronSchedule | CompiledSchedule"
    Reader = Callable[[float, float | None], Schedule]

_OUTCOMES = {"on_time": "on time", "coalesced": "combined", "forced": "runs anyway"}


def preview(options: argparse.Namespace, out: Console) -> int:
    """Show what becomes of the next due times of a schedule."""
    zone_name, reader = _schedule(options)
    zone = zones.load_zone(zone_name)
    start = (values.moment_in(options.start, zone) or clock.utc()).timestamp()
    end_moment = values.moment_in(options.end, zone)
    end = None if end_moment is None else end_moment.timestamp()
    if end is not None and end <= start:
        raise InvalidArgument("--end", f"{options.end:%Y-%m-%dT%H:%M}", "give a time after --start")
    with progress("Reading calendars"):
        schedule = reader(start, end)
    plan = list(_until(schedule.placed(start), end, None if end else options.limit))
    if options.json:
        print_json(out, [placed_json(placed, schedule) for placed in plan])
    else:
        lasting = bool(schedule.policy.duration)
        columns = ("Due", "Start", *(("End",) if lasting else ()), "Outcome", "Why")
        out.print(f"Times in {zone.key}.")
        show_rows(out, columns, (_row(placed, schedule, lasting=lasting) for placed in plan))
        out.print(_summary(plan))
    return int(bool(plan) and not any(placed.runs for placed in plan))


def explain(options: argparse.Namespace, out: Console) -> int:
    """Say whether a time is open, and what becomes of the due time that follows."""
    zone_name, reader = _schedule(options)
    at = (values.moment_in(options.at, zones.load_zone(zone_name)) or clock.utc()).timestamp()
    with progress("Reading calendars"):
        schedule = reader(at, None)
    placed = next(schedule.placed(at), None)
    parts = schedule.policy, schedule.open_time, schedule.zone
    text = words.at_instant(at, placed, *parts)
    if options.json:
        why = words.closed_by(at, schedule.policy, schedule.open_time)
        answer = {
            "at": utc(zones.to_datetime(at)),
            "timezone": zone_name,
            "open": why is None,
            "reason": why and _reason_json(why, schedule, at),
            "next": placed and placed_json(placed, schedule),
            "text": text,
        }
        print_json(out, answer)
    else:
        out.print(text, soft_wrap=True)
    return 0


def _until(
    plan: Iterator[PlacedTick], end: float | None, limit: int | None
) -> Iterator[PlacedTick]:
    for number, placed in enumerate(plan):
        if (end is not None and placed.tick.due >= end) or number == limit:
            return
        yield placed


def _row(placed: PlacedTick, schedule: Schedule, *, lasting: bool) -> list[str]:
    def at(instant: float | None) -> str:
        return "-" if instant is None else format_clock(zones.to_datetime(instant), schedule.zone)

    end = placed.start and placed.start + schedule.policy.duration
    outcome = _OUTCOMES.get(placed.outcome, placed.outcome)
    why = words.in_words(schedule.reasons(placed), schedule.zone, placed.tick.due)
    return [
        at(placed.tick.due),
        at(placed.start),
        *([at(end)] if lasting else []),
        outcome,
        "; ".join(why),
    ]


def _summary(plan: list[PlacedTick]) -> str:
    """Say how many due times have a run: "7 of 10 will run (2 postponed, 3 combined)."."""
    outcomes = Counter(placed.outcome for placed in plan if placed.outcome != "on_time")
    details = ", ".join(
        f"{count} {_OUTCOMES.get(outcome, outcome)}" for outcome, count in outcomes.items()
    )
    what = (
        f"{sum(placed.runs for placed in plan)} of {len(plan)} will run"
        if plan
        else "No run is due"
    )
    return f"{what} ({details})." if details else f"{what}."


def placed_json(placed: PlacedTick, schedule: Schedule) -> dict[str, Any]:
    """Return what becomes of one due time, in the words of the REST API."""
    due, first, last = (utc(zones.to_datetime(instant)) for instant in placed.tick)
    duration, start = schedule.policy.duration, placed.start
    return {
        "due": due,
        "start": None if start is None else utc(zones.to_datetime(start)),
        "end": None if start is None or not duration else utc(zones.to_datetime(start + duration)),
        "outcome": placed.outcome,
        "provisional": start is not None and schedule.open_time.is_beyond(start),
        "data_interval": [first, last],
        "reasons": [
            _reason_json(reason, schedule, placed.tick.due) for reason in schedule.reasons(placed)
        ],
        "explanation": words.sentence(placed, schedule.policy, schedule.open_time, schedule.zone),
    }


def _reason_json(reason: words.Reason, schedule: Schedule, near: float) -> dict[str, Any]:
    times = {name: getattr(reason, name) for name in ("start", "end")}
    time_texts = {
        name: None if at is None else utc(zones.to_datetime(at)) for name, at in times.items()
    }
    return {**asdict(reason), **time_texts, "text": reason.text(schedule.zone, near, alone=True)}


def add_schedule(command: argparse.ArgumentParser) -> None:
    """Add the options that describe a schedule."""
    command.add_argument(
        "schedule", nargs="?", help="cron expression, preset or a calendar's address"
    )
    command.add_argument("--dag-id", help="take the schedule of this DAG instead, whatever it is")
    command.add_argument(
        "--dags-folder", help="where to look for it (default: Airflow's DAG bundles)"
    )
    zone = "IANA zone of the schedule, of rules and of the answer (default: Airflow's)"
    command.add_argument("--timezone", metavar="ZONE", help=zone)
    values.add_times(command)
    length = "how long a run takes, such as 4h, 90m or 1d12h: all of it must lie in open time"
    command.add_argument("--duration", type=values.length, metavar="LENGTH", help=length)
    blocked = "what becomes of a run that is blocked (default: %(default)s)"
    choices = ("postpone", "advance", "skip", "run")
    command.add_argument("--when-blocked", choices=choices, default="postpone", help=blocked)
    delay = "how far a start may move from its due time (default: 7d); past this the run is skipped"
    command.add_argument(
        "--max-delay", type=values.length, default=timedelta(days=7), metavar="LENGTH", help=delay
    )
    stagger = "spread starts over this long; a DAG's own share differs from the one shown here"
    command.add_argument("--stagger", type=values.length, metavar="LENGTH", help=stagger)
    after = (
        "due this long after its events where the schedule is a calendar; "
        "before them: --offset=-30m"
    )
    command.add_argument("--offset", type=values.signed_length, metavar="LENGTH", help=after)
    every = "run at every due time, also where several start together"
    command.add_argument("--no-coalesce", action="store_true", help=every)
    hour = "postpone to the same time of a later day instead of to the opening"
    command.add_argument("--keep-hour", action="store_true", help=hour)
    values.add_calendar(command)


def _schedule(options: argparse.Namespace) -> tuple[str, Reader]:
    """Return the zone of the schedule that *options* name, and how to read its calendars."""
    if options.dag_id:
        if options.schedule or options.window or options.blackout:
            raise values.Misused("give a schedule or --dag-id, not both")
        timetable = dag_files.schedule_of(options.dag_id, options.dags_folder)
        return timetable.zone_name, timetable.planner
    if not options.schedule:
        raise InvalidArgument("schedule", options.schedule, "give a schedule, or --dag-id")
    windows, blackouts = (values.all_times(name, options) for name in ("window", "blackout"))
    cron = CronSchedule.of(
        options, windows and windows.in_role(deny=False), blackouts and blackouts.in_role(deny=True)
    )
    if cron is not None:
        return cron.timezone, cron.read
    timetable = _timetable(options, windows, blackouts)
    return timetable.zone_name, timetable.planner


def _timetable(
    options: argparse.Namespace, windows: TimeSet | None, blackouts: TimeSet | None
) -> CalendarTimetable:
    from calendar_timetable.timetable import CalendarTimetable

    return dag_files.checked(
        CalendarTimetable(
            values.base_schedule(options),
            timezone=options.timezone,
            windows=windows,
            blackouts=blackouts,
            duration=options.duration,
            when_blocked=options.when_blocked,
            max_delay=options.max_delay,
            stagger=options.stagger,
            coalesce=not options.no_coalesce,
            offset=options.offset,
            keep_hour=options.keep_hour,
        )
    )
