"""The DAGs whose runs a placement may put, and the load of pools by all others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy.orm import Session

from calendar_timetable.load.history import STEP_SECONDS, Need, expected_week
from calendar_timetable.load.placement import Load, Work
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.runs.usage import (
    HOUR,
    MOST_WEEKS,
    Habit,
    PoolSize,
    Used,
    read_habits,
    read_pools,
    read_used,
)
from calendar_timetable.schedule.compiled import CompiledSchedule

PLACED_AHEAD = 14 * DAY  # seconds that are laid out: every day of the week twice
_WEEK = 7 * DAY
MOST_DUE = 2_000  # due times of one DAG; one that is due more often can hardly be moved
_STEPS_PER_HOUR = HOUR // STEP_SECONDS


@dataclass
class Room:
    """DAGs that may be placed, as *work*, and the *load* of each pool by all others.

    *schedules* are those of DAGs that may be placed; *unknown* says which of them are not in
    *work*, and why. The load rests on so many whole *weeks* of records.
    """

    work: list[Work]
    load: dict[str, Load]
    pools: dict[str, PoolSize]
    schedules: dict[str, CompiledSchedule]
    habits: dict[str, Habit]
    weeks: int
    unknown: dict[str, str] = field(default_factory=dict)


def read_room(
    session: Session,
    dags: Sequence[Dag],
    schedules: Mapping[str, Schedule],
    now: float,
) -> Room:
    """Return which of *dags* may be placed, and the load by all others, two weeks from *now* on.

    *now* is in epoch seconds. The load of the others is what they used in the same hours of past
    weeks. Paused DAGs use nothing.
    """
    begin = math.floor(now / HOUR) * float(HOUR)
    mine = {
        dag.dag_id: compiled
        for dag in dags
        if not dag.paused
        and dag.dag_id in schedules
        and (compiled := schedules[dag.dag_id].compiled) is not None
        and compiled.policy.placement is not None
    }
    dag_ids = [dag.dag_id for dag in dags]
    pools = read_pools(session)
    habits = read_habits(session, dag_ids, pools, now)
    used = read_used(session, sorted(set(dag_ids) - mine.keys()), pools, 0, now)
    weeks = min(int((begin - used.since) // _WEEK), MOST_WEEKS)
    room = Room([], expected_loads(used, pools, begin, weeks), pools, mine, habits, weeks)
    for dag_id, compiled in sorted(mine.items()):
        if compiled.held:
            room.unknown[dag_id] = f"held: {compiled.held[0]}"
            continue
        needs = needs_of(habits.get(dag_id), compiled, schedules[dag_id].pools)
        due = tuple(islice(compiled.rooms(begin, begin + PLACED_AHEAD), MOST_DUE))
        if not needs:
            room.unknown[dag_id] = "nothing is known of what its runs take: none has succeeded yet"
        elif not due:
            room.unknown[dag_id] = "no run that may be put comes in the next two weeks"
        elif len(due) == MOST_DUE:
            room.unknown[dag_id] = f"it is due {MOST_DUE:,} times in two weeks, or more"
        else:
            room.work.append(Work(dag_id, needs, due))
    return room


def needs_of(
    habit: Habit | None, compiled: CompiledSchedule, pools: Sequence[str]
) -> tuple[Need, ...]:
    """Return what a run asks for by its *habit*, else for the ``duration`` of its schedule."""
    if habit is not None:
        return habit.needs
    duration = compiled.policy.duration
    return tuple(Need(pool, 1, 0, duration) for pool in pools) if duration else ()


def expected_loads(
    used: Used, pools: Mapping[str, PoolSize], begin: float, weeks: int
) -> dict[str, Load]:
    """Return what is expected to be in use of each pool from *begin* on."""
    loads = {}
    for pool, size in pools.items():
        hours = used.work.get(pool, {})
        past = []
        for week in range(1, weeks + 1):
            first = int((begin - week * _WEEK) // HOUR)
            means = [hours.get(hour, 0.0) / HOUR for hour in range(first, first + _WEEK // HOUR)]
            past.append([mean for mean in means for _ in range(_STEPS_PER_HOUR)])
        slots = max(size.capacity, 1.0)
        loads[pool] = Load(begin, expected_week(past) * (PLACED_AHEAD // _WEEK), slots)
    return loads
