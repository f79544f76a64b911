"""Schedules named on the command line: by their arguments, or by a DAG's id.

By their arguments they may do without Airflow.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

import pendulum
from croniter import CroniterError, croniter
from croniter.croniter import hash_expression_re
from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import format_clock, print_json, progress, show_rows, utc
from calendar_timetable.config import environment_variable
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain as words
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import PlacedTick, Policy, Tick, place_ticks, share_of
from calendar_timetable.planning.time_sets import TimeRange, TimeSet, horizon_around

if TYPE_CHECKING:
    from airflow.dag_processing.bundles.base import BaseDagBundle
    from airflow.dag_processing.dagbag import BundleDagBag

    from calendar_timetable.schedule.compiled import CompiledSchedule
    from calendar_timetable.timetable import CalendarTimetable

    Schedule: TypeAlias = "Alone | CompiledSchedule"
    Reader = Callable[[float, float | None], Schedule]

_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_FIELDS = 5
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


def bags(place: str | None) -> list[BundleDagBag]:
    """Return the DAG file or files at *place*, read as Airflow reads them.

    Without *place* those of every DAG bundle of this Airflow. Raises :class:`InvalidArgument` where
    there is no such place, or Airflow cannot walk through it.
    """
    from airflow.dag_processing.dagbag import BundleDagBag

    if place is None:
        return [BundleDagBag(b.path, bundle_path=b.path, bundle_name=b.name) for b in _bundles()]
    path = Path(place).absolute()
    if not path.exists():
        raise InvalidArgument("DAG files", place, "there is no such file or folder")
    root = path if path.is_dir() else path.parent
    try:
        return [BundleDagBag(path, bundle_path=root, bundle_name="")]
    except RuntimeError as error:  # of a virtual environment in it, whose lib64 is a link to lib
        remedy = f"{error} Name a file, or keep environments out of that folder"
        raise InvalidArgument("DAG files", place, remedy) from None


def _bundles() -> Iterator[BaseDagBundle]:
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    make: Any = DagBundlesManager
    for bundle in make().get_all_dag_bundles():
        bundle.initialize()
        yield bundle


def calendar_timetable(timetable: Any) -> CalendarTimetable | None:
    """Return *timetable*, or the one inside ``AssetOrTimeSchedule``, if it is ours."""
    from calendar_timetable.timetable import CalendarTimetable

    inner = getattr(timetable, "timetable", timetable)
    return inner if isinstance(inner, CalendarTimetable) else None


def calendars_from_cache_alone() -> AbstractContextManager[None]:
    """Let no calendar be fetched for the time: what the cache folder holds is what they say."""
    return environment_variable("AIRFLOW__CALENDAR_TIMETABLE__FETCH", "external")


def timetable_of(dag: Any) -> CalendarTimetable:
    """Return the schedule of *dag*, straight from its file.

    One that is not ours is returned as it would be inside ours, with nothing in its way. Raises
    :class:`~calendar_timetable.cli.values.Misused` where it has no due times.
    """
    from calendar_timetable.timetable import CalendarTimetable

    plain = getattr(dag.timetable, "timetable", dag.timetable)
    zone = zones.zone_name(dag.timezone)
    return calendar_timetable(dag.timetable) or _checked(CalendarTimetable(plain, timezone=zone))


def _schedule(options: argparse.Namespace) -> tuple[str, Reader]:
    """Return the zone of the schedule that *options* name, and how to read its calendars."""
    if options.dag_id:
        if options.schedule or options.window or options.blackout:
            raise values.Misused("give a schedule or --dag-id, not both")
        timetable = _of_dag(options.dag_id, options.dags_folder)
        return timetable.zone_name, timetable.planner
    if not options.schedule:
        raise InvalidArgument("schedule", options.schedule, "give a schedule, or --dag-id")
    windows, blackouts = (values.all_times(name, options) for name in ("window", "blackout"))
    alone = Alone.of(
        options, windows and windows.in_role(deny=False), blackouts and blackouts.in_role(deny=True)
    )
    if alone is not None:
        return alone.timezone, alone.read
    timetable = _timetable(options, windows, blackouts)
    return timetable.zone_name, timetable.planner


def _timetable(
    options: argparse.Namespace, windows: TimeSet | None, blackouts: TimeSet | None
) -> CalendarTimetable:
    from calendar_timetable.timetable import CalendarTimetable

    return _checked(
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


def _checked(timetable: CalendarTimetable) -> CalendarTimetable:
    from airflow.exceptions import AirflowTimetableInvalid

    try:
        timetable.validate()
    except AirflowTimetableInvalid as error:
        raise values.Misused(str(error)) from None
    return timetable


def _of_dag(dag_id: str, folder: str | None) -> CalendarTimetable:
    """Return the schedule of a DAG as :func:`timetable_of` has it.

    Raises :class:`InvalidArgument` where the DAG is not found.
    """
    places, errors = [], []
    with progress("Reading DAG files"):
        for bag in bags(folder):
            dag = bag.dags.get(dag_id)
            if dag is not None:
                return timetable_of(dag)
            places.append(str(bag.dag_folder))
            errors += [f"{file}: {error}" for file, error in bag.import_errors.items()]
    failed = f" ({'; '.join(errors)})" if errors else ""
    raise InvalidArgument("--dag-id", dag_id, f"not found in {', '.join(places)}{failed}")


@dataclass(frozen=True)
class Alone:
    """A schedule that Airflow is not needed for.

    To its users it is the same as ``CompiledSchedule``.
    """

    cron: str
    timezone: str
    policy: Policy
    windows: TimeSet | None
    blackouts: TimeSet | None
    horizon: TimeRange | None = None

    @classmethod
    def of(
        cls, options: argparse.Namespace, windows: TimeSet | None, blackouts: TimeSet | None
    ) -> Alone | None:
        """Return what *options* say.

        ``None`` where that is not for us, as it is no cron expression that gives due times.
        """
        cron = _PRESETS.get(options.schedule, options.schedule)
        zone = zones.load_zone(options.timezone or zones.default_zone()).key
        stagger = int(options.stagger.total_seconds()) if options.stagger else 0
        policy = Policy(
            options.when_blocked,
            int(options.duration.total_seconds()) if options.duration else 0,
            int(options.max_delay.total_seconds()),
            not options.no_coalesce,
            share_of(stagger, f"{cron} {zone}"),
            zone if options.keep_hour else "",
        )
        policy.check()
        alone = cls(cron, zone, policy, windows, blackouts)
        try:
            # What croniter draws by lot is another time whenever it is asked.
            drawn = any(map(hash_expression_re.match, cron.lower().split()))
            possible = not drawn and len(croniter(cron).expanded) == _FIELDS
            next(alone.ticks(0))
        except (CroniterError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return alone if possible and options.offset is None else None

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone that the schedule is read in."""
        return zones.load_zone(self.timezone)

    @cached_property
    def open_time(self) -> OpenTime:
        """Where runs may start."""
        return OpenTime(self.windows, self.blackouts, self.horizon)

    def read(self, start: float, end: float | None) -> Alone:
        """Return the same schedule with its calendars read around *start*, or as far as *end*.

        Around *start* means the months around it; both are in epoch seconds.
        """
        reach = self.policy.reach
        horizon = horizon_around(start, reach, None if end is None else end + reach)
        windows, blackouts = (
            s and s.resolve(horizon, self.timezone) for s in (self.windows, self.blackouts)
        )
        return Alone(self.cron, self.timezone, self.policy, windows, blackouts, horizon)

    def placed(self, start: float) -> Iterator[PlacedTick]:
        """Return every due time from *start* on, in its place."""
        ticks = self.ticks(start - self.policy.max_delay)
        return (p for p in place_ticks(ticks, self.policy, self.open_time) if p.tick.due >= start)

    def reasons(self, placed: PlacedTick) -> tuple[words.Reason, ...]:
        """Return why *placed* does not simply run when due."""
        return words.reasons(placed, self.policy, self.open_time)

    def ticks(self, start: float) -> Iterator[Tick]:
        """Yield due times from *start* on, in epoch seconds.

        They are what Airflow's own timetable comes to, clock changes included.
        """
        zone = pendulum.timezone(self.timezone)
        at = pendulum.from_timestamp(start - 1, zone)
        while True:
            # Wall-clock time in the zone.
            naive = datetime(at.year, at.month, at.day, at.hour, at.minute, at.second)  # noqa: DTZ001
            cron = croniter(self.cron, start_time=naive)
            following: datetime = cron.get_next(datetime)
            # At least hourly: it goes through an hour that comes twice, twice.
            if cron.expanded[1] == ["*"]:
                at += timedelta(seconds=(following - naive).total_seconds())
            else:
                at = pendulum.instance(zone.convert(following.replace(fold=1)))
            due = int(at.timestamp())
            if due >= start:
                yield Tick(due, due, due)
