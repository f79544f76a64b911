"""How much better hardware is used when starts are spread or placed, and what that costs.

A replay: people's demand for GPUs as it was, and recurring work on top, a fifth of all, started by
real schedules. ``place`` sees the first two weeks; what is told is of the time after them. What a
strategy is worth is work done by the capacity that covers 99.9 % of the minutes, against cron.

The traces lie in the folder that ``CALENDAR_TIMETABLE_TRACES`` names; without it they are made up.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import traces
from benchmarks.figures import Figure, of_pairs, of_ratios
from benchmarks.parsing import folder
from benchmarks.traces import DAY_STEPS, DAYS, LEARNT_DAYS, ZONE, Cluster, Job
from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.load.history import STEP_SECONDS, WEEK_STEPS, Need, expected_week
from calendar_timetable.load.placement import Load, Work, place
from calendar_timetable.planning.plan import Placement
from calendar_timetable.planning.spans import Spans

POOL = "gpu"
OFF_PEAK = Weekly("mon-fri 19:00-07:00", "sat-sun")
_MOST_CHOICES = 96


@dataclass(frozen=True)
class Run:
    """One run of a job; times are in epoch seconds. *start* is ``None`` where it is skipped."""

    job: Job
    due: float
    start: float | None

    @property
    def is_late(self) -> bool:
        """Whether it is not over by its deadline."""
        return self.start is None or self.start > self.due + self.job.slack * 60


@dataclass
class Replay:
    """One cluster, its recurring jobs and its team's calendar."""

    cluster: Cluster
    jobs: list[Job]
    calendar: Path
    meetings: Spans
    begin: float = field(init=False)

    def __post_init__(self) -> None:
        self.begin = self.cluster.begin.timestamp()

    @property
    def told_from(self) -> float:
        """When the time begins that is told, and that ``place`` has not seen."""
        return self.begin + LEARNT_DAYS * 86_400

    def schedules(self, calendar: Path | None = None, **more: Any) -> list[CalendarTimetable]:
        """Return every job's schedule as its author writes it, with the team's calendar.

        A run that cannot wait for the end of a freeze begins before it.
        """
        return [
            CalendarTimetable(
                job.cron,
                timezone=ZONE,
                blackouts=Calendar(calendar or self.calendar),
                when_blocked="advance" if job.is_tight else "postpone",
                max_delay=timedelta(hours=12) if job.is_tight else timedelta(minutes=job.slack),
                **{name: value(job) if callable(value) else value for name, value in more.items()},
            )
            for job in self.jobs
        ]

    def planned(self, schedules: Sequence[CalendarTimetable]) -> list[Run]:
        """Return the runs that *schedules* plan in all of the time."""
        begin = self.cluster.begin
        return [
            Run(
                job,
                planned.due.timestamp(),
                None if planned.start is None else planned.start.timestamp(),
            )
            for job, schedule in zip(self.jobs, schedules, strict=True)
            for planned in schedule.plan(begin, begin + timedelta(days=DAYS))
            if planned.outcome != "coalesced"
        ]

    def cron(self) -> list[Run]:
        """Return the runs of cron: each starts when it is due."""
        return self.planned([CalendarTimetable(job.cron, timezone=ZONE) for job in self.jobs])

    def demand(self, runs: Sequence[Run]) -> Load:
        """Return what people and *runs* want."""
        load = Load(self.begin, self.cluster.by_hand)
        for run in runs:
            if run.start is not None:
                load.add(run.start, run.job.minutes * 60, run.job.gpus)
        return load

    def expected(self) -> Load:
        """Return what is expected after the first two weeks, by what was in use in them."""
        by_hand = self.cluster.by_hand
        weeks = [by_hand[:WEEK_STEPS], by_hand[WEEK_STEPS : 2 * WEEK_STEPS]]
        return Load(self.told_from, expected_week(weeks) * 2)

    def placed(
        self, schedules: list[CalendarTimetable], kept: dict[str, int] | None = None
    ) -> tuple[list[CalendarTimetable], dict[str, int]]:
        """Return *schedules* as ``place`` puts them, and their delays."""
        until = self.told_from + LEARNT_DAYS * 86_400
        work = [
            Work(
                job.dag_id,
                (Need(POOL, job.gpus, 0, job.minutes * 60),),
                tuple(schedule.planner(self.told_from, until).rooms(self.told_from, until)),
            )
            for job, schedule in zip(self.jobs, schedules, strict=True)
        ]
        delays = place(work, {POOL: self.expected()}, kept)
        return [
            put(schedule, delays[job.dag_id])
            for job, schedule in zip(self.jobs, schedules, strict=True)
        ], delays


def put(schedule: CalendarTimetable, delay: int) -> CalendarTimetable:
    """Return *schedule* as the cluster policy makes it of a placement file."""
    assert schedule.arguments is not None
    return schedule.with_arguments(replace(schedule.arguments, placement=Placement(delay)))


def slack(job: Job) -> timedelta:
    """Return how far a start may be spread so that the run is over by its deadline."""
    return timedelta(minutes=job.slack)


def first_fit(replay: Replay, runs: Sequence[Run]) -> list[Run]:
    """Return *runs* as a queue starts them: when GPUs are free, at the latest when it must."""
    load = Load(replay.begin, replay.cluster.by_hand)
    started = []
    waiting: list[Run] = []
    coming = sorted(runs, key=lambda run: run.due)
    for step in range(len(load.steps)):
        now = replay.begin + step * STEP_SECONDS
        while coming and coming[0].due <= now:
            waiting.append(coming.pop(0))
        for run in list(waiting):
            latest = run.due + run.job.slack * 60
            fits = load.steps[step] + run.job.gpus <= replay.cluster.capacity
            if fits or now + STEP_SECONDS > latest:
                waiting.remove(run)
                start = min(max(now, run.due), max(latest, run.due))
                load.add(start, run.job.minutes * 60, run.job.gpus)
                started.append(replace(run, start=start))
    return started


def foresight(replay: Replay, schedules: Sequence[CalendarTimetable]) -> list[Run]:
    """Return each run where it adds least to what will be in use, which nobody can know."""
    end = replay.begin + DAYS * 86_400
    rooms = [
        (job, due, room)
        for job, schedule in zip(replay.jobs, schedules, strict=True)
        for due, room in schedule.planner(replay.begin, end).rooms(replay.begin, end)
    ]
    rooms.sort(key=lambda one: (-one[0].gpus * one[0].minutes, one[0].dag_id, one[1]))
    load = Load(replay.begin, replay.cluster.by_hand)
    put_at: dict[tuple[str, float], Run] = {}
    for _ in range(2):
        for job, due, room in rooms:
            before = put_at.get((job.dag_id, due))
            if before is not None and before.start is not None:
                load.add(before.start, job.minutes * 60, -job.gpus)
            start = min(choices(due, room), key=lambda at: (added(load, at, job), at))
            load.add(start, job.minutes * 60, job.gpus)
            put_at[job.dag_id, due] = Run(job, due, start)
    # What is advanced has no room: it starts as it is planned.
    planned = {(run.job.dag_id, run.due): run for run in replay.planned(schedules)}
    return list((planned | put_at).values())


def choices(due: float, room: Spans) -> list[float]:
    """Return times in *room* to choose from."""
    apart = max(STEP_SECONDS, (room.bounds[-1] - room.bounds[0]) // _MOST_CHOICES)
    found = [float(at) for low, high in room for at in range(low, high, apart)]
    return found or [due]


def added(load: Load, start: float, job: Job) -> float:
    """Return what a run of *job* adds to the cost of *load*."""
    return sum(
        (used + job.gpus) ** 8 - used**8
        for low, high in load.touched(start, job.minutes * 60)
        for used in load.steps[low:high]
    )


@dataclass
class Told:
    """What a strategy comes to on one cluster."""

    value: float  # work done by the capacity that covers 99.9 % of the minutes
    taken: float  # GPU-hours that scheduled work takes where people want more than there is
    late: int
    in_meetings: int
    runs: int


def told(replay: Replay, runs: Sequence[Run]) -> Told:
    """Return what *runs* come to in the time that is told."""
    skip = LEARNT_DAYS * DAY_STEPS
    load, by_hand = replay.demand(runs).steps[skip:], replay.cluster.by_hand[skip:]
    capacity = sorted(load)[-max(1, round(len(load) / 1000))]
    over = sum(
        min(used - hand, max(0.0, used - replay.cluster.capacity))
        for used, hand in zip(load, by_hand, strict=True)
    )
    end = replay.begin + (DAYS - 1) * 86_400
    mine = [run for run in runs if replay.told_from <= run.due < end]
    return Told(
        sum(load) / len(load) / capacity,
        over * STEP_SECONDS / 3600,
        sum(run.is_late for run in mine),
        sum(run.start is not None and run.start in replay.meetings for run in mine),
        len(mine),
    )


STRATEGIES: dict[str, Callable[[Replay], list[Run]]] = {
    "cron": lambda replay: replay.cron(),
    "cron, an hour of jitter": lambda replay: replay.planned(
        [
            CalendarTimetable(
                job.cron, timezone=ZONE, stagger=timedelta(hours=1), stagger_key=job.dag_id
            )
            for job in replay.jobs
        ]
    ),
    "windows": lambda replay: replay.planned(in_windows(replay)),
    "windows, stagger of 4 h": lambda replay: replay.planned(
        in_windows(replay, stagger=timedelta(hours=4), stagger_key=key)
    ),
    "spread over the slack": lambda replay: replay.planned(
        replay.schedules(stagger=slack, stagger_key=key)
    ),
    "first fit on arrival": lambda replay: first_fit(replay, replay.cron()),
    "placed": lambda replay: replay.planned(replay.placed(to_place(replay))[0]),
    "placed in windows": lambda replay: replay.planned(
        replay.placed(in_windows(replay, place=True))[0]
    ),
    "perfect foresight": lambda replay: foresight(replay, to_place(replay)),
}


def to_place(replay: Replay, calendar: Path | None = None) -> list[CalendarTimetable]:
    """Return schedules that may be placed anywhere up to their deadlines."""
    return replay.schedules(calendar, stagger=slack, stagger_key=key, place=True)


def in_windows(replay: Replay, **more: Any) -> list[CalendarTimetable]:
    """Return schedules that start at night or at weekends, up to a day later than they are due."""
    return [
        CalendarTimetable(
            job.cron,
            timezone=ZONE,
            windows=OFF_PEAK,
            blackouts=Calendar(replay.calendar),
            max_delay=timedelta(days=1),
            **{name: value(job) if callable(value) else value for name, value in more.items()},
        )
        for job in replay.jobs
    ]


def key(job: Job) -> str:
    """Return what a job's share of a stagger is derived from, as the cluster policy has it."""
    return job.dag_id


def figures() -> Iterator[Figure]:
    """Print the table, and yield what cron needs of the capacity that each strategy needs."""
    given = os.environ.get("CALENDAR_TIMETABLE_TRACES")
    traced = None if given is None else Path(given)
    drawn_from = traces.lengths(traced)
    clusters = traces.clusters(traced)
    source = "the traces" if traced else "made up, as no traces were given"
    for deadlines, within_a_day in (("the trace's deadlines", False), ("within a day", True)):
        with folder() as home, ProcessPoolExecutor(os.cpu_count()) as pool:
            ask = partial(replayed, drawn_from, home, within_a_day)
            names, told_of, moved = zip(*pool.map(ask, clusters), strict=True)
        rows = {name: [one[name] for one in told_of] for name in STRATEGIES}
        show(f"{source}, {deadlines}", names, rows, moved)
        cron = rows.pop("cron")
        for name, mine in rows.items():
            pairs = [(b.value, a.value) for a, b in zip(mine, cron, strict=True)]
            what = f"capacity for the same work, {deadlines}: {name}"
            yield of_ratios(what, "cron", pairs, "work / capacity")
    yield of_pairs("seconds to place 1,000 DAGs", "10 s", [(seconds_to_place(1_000), 10.0)], "s")


def replayed(
    drawn_from: list[tuple[int, int, int]], home: Path, within_a_day: bool, cluster: Cluster
) -> tuple[str, dict[str, Told], tuple[int, int, int, int]]:
    """Return what each strategy comes to on *cluster*, under its name, and what edits move."""
    mine = home / cluster.name
    mine.mkdir()
    replay = made(cluster, drawn_from, mine, within_a_day=within_a_day)
    name = f"{cluster.name}, {cluster.capacity} GPUs, {len(replay.jobs)} DAGs"
    every = {name: told(replay, strategy(replay)) for name, strategy in STRATEGIES.items()}
    return name, every, moves(replay, mine)


def made(
    cluster: Cluster, drawn_from: list[tuple[int, int, int]], home: Path, *, within_a_day: bool
) -> Replay:
    """Return a replay of *cluster*, with jobs and a calendar that are the same each time."""
    calendar = home / "team.ics"
    calendar.write_bytes(traces.team_calendar(cluster.begin))
    begin = cluster.begin.timestamp()
    known = CalendarTimetable("0 0 * * *", timezone=ZONE, blackouts=Calendar(calendar)).planner(
        begin, begin + DAYS * 86_400
    )
    assert known.blackouts is not None
    meetings = known.blackouts.cover(int(begin), int(begin) + DAYS * 86_400)
    jobs = list(traces.jobs(cluster, drawn_from, within_a_day=within_a_day))
    return Replay(cluster, jobs, calendar, meetings)


def moves(replay: Replay, home: Path) -> tuple[int, int, int, int]:
    """Return what edits move: starts by a meeting more, of how many; DAGs by one more, of many."""
    schedules, delays = replay.placed(to_place(replay))
    text = replay.calendar.read_text()
    day = replay.cluster.begin + timedelta(days=LEARNT_DAYS + 6, hours=2)
    edited = home / "edited.ics"
    event = traces.event("entered late", day, 60)
    edited.write_text(text.replace("END:VCALENDAR", f"{event}END:VCALENDAR"), newline="")
    after = [
        put(schedule, delays[job.dag_id])
        for job, schedule in zip(replay.jobs, to_place(replay, edited), strict=True)
    ]
    before_runs, after_runs = replay.planned(schedules), replay.planned(after)
    changed = sum(a.start != b.start for a, b in zip(before_runs, after_runs, strict=True))
    extra = Job("one_more", "0 0 * * *", max(1, replay.cluster.capacity // 8), 240, 480)
    larger = replace(replay, jobs=[*replay.jobs, extra])
    _, again = larger.placed(to_place(larger), delays)
    others = sum(again[dag_id] != delay for dag_id, delay in delays.items())
    return changed, len(before_runs), others, len(delays)


def seconds_to_place(count: int) -> float:
    """Return how long it takes to place *count* daily and weekly DAGs."""
    cluster = replace(traces.made_up(0), capacity=4_000)
    replay = Replay(cluster, [], Path(), Spans())
    drawn = traces.lengths(None)
    work = []
    for number in range(count):
        gpus, minutes, deadline = drawn[number % len(drawn)]
        dues = [replay.told_from + (day * 24 + number % 24) * 3600 for day in range(14)]
        room = tuple((due, Spans(((int(due), int(due) + deadline * 60),))) for due in dues)
        work.append(Work(f"dag_{number:04}", (Need(POOL, gpus, 0, minutes * 60),), room))
    began = time.process_time()
    place(work, {POOL: replay.expected()})
    return time.process_time() - began


def show(
    source: str,
    names: Sequence[str],
    rows: dict[str, list[Told]],
    moved: Sequence[tuple[int, int, int, int]],
) -> None:
    """Print the table of docs/capacity.md, and the clusters where placing loses."""
    cron = rows["cron"]
    print(f"\n{source}: {len(names)} replays; work / capacity against cron")
    heads = f"{'median':>8}{'quartiles':>17}{'worst':>8}{'late':>7}{'in meetings':>13}"
    print(f"{'':26}{heads}{'GPU-h taken':>13}")
    for name, mine in rows.items():
        gains = [a.value / b.value - 1 for a, b in zip(mine, cron, strict=True)]
        low, middle, high = statistics.quantiles(gains, n=4)
        runs = sum(one.runs for one in mine)
        print(
            f"{name:26}{middle:>+8.1%}{low:>+9.1%}{high:>+8.1%}{min(gains):>+8.1%}"
            f"{sum(one.late for one in mine) / runs:>7.1%}"
            f"{sum(one.in_meetings for one in mine):>13}{sum(one.taken for one in mine):>13,.0f}"
        )
    for name, one, base in zip(names, rows["placed"], cron, strict=True):
        if one.value < base.value:
            print(f"placing loses: {name}: {one.value / base.value - 1:+.1%}")
    changed, runs, others, dags = map(sum, zip(*moved, strict=True))
    print(f"a meeting entered later moves {changed} of {runs:,} starts")
    print(f"a DAG more moves {others} of {dags:,} DAGs\n")
