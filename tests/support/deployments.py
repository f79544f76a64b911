"""Random deployments: DAGs of every kind as they are stored, and the same schedules by hand."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.plan import PlacedTick
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import Union
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.impact import Cost
from calendar_timetable.runs.subjects import Concerned, concerned
from calendar_timetable.schedule.compiled import CompiledSchedule
from tests.support.airflow_database import add_dag
from tests.support.moments import utc
from tests.support.time_sets import Explicit, FakeCalendar

NOW = utc("2026-11-10 12:00")  # a Tuesday
EPOCH = int(NOW.timestamp())
BASES: list[Any] = [
    "0 * * * *",
    "*/20 * * * *",
    "30 */3 * * *",
    "15 13 * * *",
    "0 0 * * SUN",
    timedelta(minutes=50),
    DeltaTriggerTimetable(timedelta(hours=5)),
    CronDataIntervalTimetable("10 * * * *", "Europe/Berlin"),
    CronTriggerTimetable("45 */2 * * *", timezone="UTC", interval=timedelta(hours=2)),
    MultipleCronTriggerTimetable("0 14 * * *", "40 */4 * * *", timezone="UTC"),
]
WINDOWS = [
    None,
    None,
    ("daily 13:00-23:00",),
    ("mon-fri 22:00-06:00", "sat"),
    ("daily 14:30-15:10",),
]
DAYS31 = timedelta(days=31)
# By due time: how a run is moved, its start before and after.
Changes = dict[float, tuple[str, float | None, float | None]]


@dataclass(frozen=True)
class Made:
    """A DAG: its schedule as its file has it, and as a rule of the deployment would hold it."""

    dag_id: str
    schedule: Any
    as_held: CalendarTimetable


def deployment(random_: random.Random, name: str, most: int, *, calendars: bool) -> list[Made]:
    """Make up to *most* DAGs; without *calendars* all that closes time is rules."""
    return [
        _made(random_, f"{name}_{number}", calendars=calendars)
        for number in range(random_.randint(1, most))
    ]


def _made(random_: random.Random, dag_id: str, *, calendars: bool) -> Made:
    base = random_.choice(BASES)
    if random_.random() < 0.3:  # a DAG that knows nothing of calendars
        held = CalendarTimetable(base, timezone="UTC", max_delay=DAYS31)
        return Made(dag_id, base, held)
    windows = random_.choice(WINDOWS)
    meetings = _meetings(random_) if calendars else _rules(random_)
    minutes = timedelta(minutes=1)
    when_blocked = random_.choice(("postpone", "postpone", "postpone", "advance", "skip", "run"))
    # Of a timedelta's runs that are advanced the next one does not tell where its due times are.
    if when_blocked == "advance" and isinstance(base, DeltaTriggerTimetable):
        when_blocked = "skip"
    coalesce = random_.random() < 0.8
    keep_hour = when_blocked == "postpone" and coalesce and random_.random() < 0.3
    given = CalendarTimetable(
        base,
        timezone="Europe/Berlin",
        windows=None if windows is None else Weekly(*windows, timezone="Europe/Berlin"),
        blackouts=meetings,
        duration=random_.choice((None, None, 10 * minutes, 45 * minutes, 150 * minutes)),
        when_blocked=when_blocked,  # type: ignore[arg-type]
        max_delay=random_.choice((30 * minutes, 200 * minutes, timedelta(days=2))),
        coalesce=coalesce,
        keep_hour=keep_hour,
        stagger=random_.choice((None, None, 20 * minutes, 90 * minutes)),
        stagger_key=dag_id,
    )
    return Made(dag_id, given, given)


def _meetings(random_: random.Random) -> FakeCalendar:
    return FakeCalendar(
        Spans(
            (start, start + random_.choice((600, 3600, 3 * 3600)))
            for start in (
                EPOCH + 600 * random_.randint(-12, 300) for _ in range(random_.randint(0, 6))
            )
        )
    )


def _rules(random_: random.Random) -> Weekly | None:
    hours = random_.sample(range(9, 23), random_.randint(0, 3))
    times = (f"{hour:02}:{random_.choice('035')}0-{hour + 1:02}:20" for hour in hours)
    return Weekly(*(f"daily {time}" for time in times), timezone="UTC") if hours else None


def stored(session: Session, made: Iterable[Made], at: datetime = NOW) -> Concerned:
    """Store the DAGs as they are parsed *at* that time, and return what a blackout is asked of."""
    ids = []
    for one in made:
        dag = DAG(one.dag_id, schedule=one.schedule, start_date=utc("2026-10-01"), catchup=False)
        add_dag(session, dag, at)
        ids.append(one.dag_id)
    return concerned(session, read_dags(session, ids))


def with_blackout(schedule: CompiledSchedule, start: int, end: int) -> CompiledSchedule:
    """Return *schedule* with the blackout really added."""
    added = Explicit([(start, end)])
    own = () if schedule.blackouts is None else (schedule.blackouts,)
    return replace(schedule, blackouts=Union((*own, added)))


def plan(placed_ticks: Iterable[PlacedTick], until: float) -> dict[float, PlacedTick]:
    """Return what becomes of every due time up to *until*, by due time.

    And of those after it, up to the run that does the work of the last of them.
    """
    found: dict[float, PlacedTick] = {}
    waits = False
    for placed in placed_ticks:
        if placed.tick.due > until and not waits:
            break
        found[placed.tick.due] = placed
        # Of what keeps its hour some may be skipped before the run that does the work comes.
        waits = placed.outcome == "coalesced" or (waits and placed.outcome == "skipped")
    return found


def longest_wait(schedule: CompiledSchedule) -> int:
    """Return for how many seconds after a blackout a due time may have to do with it."""
    policy = schedule.policy
    return min(policy.max_delay, 3 * 86400) if policy.when_blocked == "advance" else 3600


def disturbed(before: dict[float, PlacedTick], after: dict[float, PlacedTick]) -> Changes:
    """Return what becomes of each run, by due time: how it is moved, its start before and after."""
    found: Changes = {}
    for due in before.keys() & after.keys():
        was, then = before[due], after[due]
        survivor = then.survivor
        if was.start is None and then.start is None:
            continue
        if was.start is None:
            found[due] = "separate", was.start, then.start
        elif then.outcome == "coalesced":
            assert survivor is not None
            found[due] = "combined", was.start, after[survivor].start
        elif then.start is None:
            found[due] = "skipped", was.start, None
        elif then.start != was.start:
            kind = "postponed" if then.start > was.start else "advanced"
            found[due] = kind, was.start, then.start
        elif then.outcome == "forced" != was.outcome:
            found[due] = "forced", was.start, then.start
    return found


def cost(changes: Changes, schedule: CompiledSchedule) -> Cost:
    """Return how many runs are disturbed, and for how many seconds in all."""
    runs = delay = 0
    for kind, before, after in changes.values():
        if kind in ("separate", "forced"):
            continue
        runs += 1
        if after is None or before is None:
            delay += schedule.policy.max_delay
        else:
            delay += int(abs(after - before))
    return Cost(runs, delay)
