"""Advice from this Airflow's records and plans: reads them for :mod:`load.advice`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, zip_longest
from typing import Any

from sqlalchemy.orm import Session

from calendar_timetable.load import advice
from calendar_timetable.load.advice import Advice, Basis, Ends, Line, Pool, Wait
from calendar_timetable.load.history import STEP_SECONDS, Need
from calendar_timetable.load.placement import Load, Work
from calendar_timetable.load.queueing import Ask, simulate
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Placement, Policy, share_of, spread_from
from calendar_timetable.planning.python import delta, later_cron
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.listing import Filters, rows_by_dag
from calendar_timetable.runs.room import MOST_DUE, PLACED_AHEAD, expected_loads, needs_of
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.runs.usage import (
    HOUR,
    MOST_WEEKS,
    Habit,
    PoolSize,
    read_habits,
    read_pools,
    read_used,
)
from calendar_timetable.schedule.base import is_plain_cron, is_plain_delta
from calendar_timetable.schedule.compiled import CompiledSchedule

_WEEK = 7 * DAY
_WEEKS = PLACED_AHEAD / _WEEK
_MOST_STEPS = 500_000  # of loads, for the runs of one DAG: a tenth of a second
# Seconds of processor time for what is planned, for the loads of pools, their peaks, and their
# queues; the rest is for durations.
_PLANNING, _LOADS, _PEAKS, _QUEUES = 1.5, 0.4, 0.8, 0.7
# How a schedule that is not ours would be placed as one of ours.
_PLAIN = Policy(), OpenTime(None, None, None)


@dataclass(slots=True)
class Advised:
    """The *advice*, best first, and what it rests on.

    So many DAGs have recorded runs (*known*); so many have planned runs but no recorded one
    (*unknown*). *partial*: there was no time to look at all. *left_out* counts the advice besides.
    """

    advice: list[Advice] = field(default_factory=list)
    known: int = 0
    unknown: int = 0
    partial: bool = False
    left_out: int = 0


@dataclass
class _Ahead:
    """What is planned for two weeks from *begin* on, in epoch seconds.

    *lines* has the planned runs of each DAG, *loads* the slots in use by them and all others. These
    others rest on so many *weeks* of records; ``None`` where there are none.
    """

    begin: float
    lines: dict[str, Line]
    schedules: Mapping[str, Schedule]
    pools: dict[str, PoolSize]
    loads: dict[str, Load]
    weeks: int | None
    # By DAG: when its runs are due, and when they start.
    starts: Mapping[str, list[tuple[float, float]]]

    @property
    def until(self) -> float:
        """The end of these two weeks, in epoch seconds."""
        return self.begin + PLACED_AHEAD

    def compiled(self, dag_id: str) -> CompiledSchedule | None:
        """Return the schedule of a DAG, where it is one of ours."""
        return self.schedules[dag_id].compiled

    def may_be_put(self, dag_id: str) -> CompiledSchedule | None:
        """Return the schedule of a DAG that could have ``place=True``, and has not."""
        compiled = self.compiled(dag_id)
        if compiled is None or compiled.policy.placement is not None:
            return None
        return compiled if compiled.policy.may_be_placed else None


def advise(
    session: Session,
    dags: Sequence[Dag],
    schedules: Mapping[str, Schedule],
    now: float,
    runs_of: Collection[str] | None = None,
    about: Collection[str] | None = None,
) -> Advised:
    """Return what could be better in the files of *dags*, as seen at *now*, in epoch seconds.

    Records of runs are read of the DAGs *runs_of*, or of all. Paused DAGs use nothing, and get no
    advice. Only advice that names one of the DAGs *about* is returned, or all; its gain counts all
    that runs.
    """
    mine = [dag for dag in dags if not dag.paused and dag.dag_id in schedules]
    dag_ids = [dag.dag_id for dag in mine if runs_of is None or dag.dag_id in runs_of]
    pools = read_pools(session)
    habits = read_habits(session, dag_ids, pools, now)
    report = Advised(known=len(habits))
    begin = math.ceil(now / HOUR) * float(HOUR)  # what is late by now tells nothing of other days
    with time_budget.share(_PLANNING):
        starts = _starts(session, mine, schedules, begin, now, report)
    report.unknown = len(starts.keys() - habits.keys())
    ahead = _ahead(session, dag_ids, schedules, pools, habits, starts, begin, report)
    with time_budget.share(_PEAKS):
        report.advice += _peaks(ahead, report)
    with time_budget.share(_QUEUES):
        report.advice += _conflicts(ahead, report)
    for dag_id in sorted(starts.keys() & habits.keys()):
        report.advice += _durations(dag_id, schedules[dag_id], habits[dag_id], begin, report)
    pieces = [
        piece
        for piece in report.advice
        if about is None or not set(about).isdisjoint(piece.dag_ids)
    ]
    report.advice = advice.by_gain(pieces)
    report.left_out = len(pieces) - len(report.advice)
    return report


def _starts(
    session: Session,
    dags: Sequence[Dag],
    schedules: Mapping[str, Schedule],
    begin: float,
    now: float,
    report: Advised,
) -> dict[str, list[tuple[float, float]]]:
    """Return, by DAG, the due time and the start of each run that is due within two weeks."""
    filters = Filters(begin, begin + PLACED_AHEAD, paused=False)
    starts: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for part in rows_by_dag(session, list(dags), dict(schedules), filters, now, ()):
        if time_budget.spent():
            report.partial = True
            break
        report.partial |= part.told_until < math.inf
        for row in part.rows:
            due = row.placed.tick.due
            if (
                row.state == "planned"
                and row.start is not None
                and filters.since <= due < filters.until
            ):
                starts[row.dag.dag_id].append((due, row.start))
    return starts


def _ahead(
    session: Session,
    dag_ids: Collection[str],
    schedules: Mapping[str, Schedule],
    pools: dict[str, PoolSize],
    habits: Mapping[str, Habit],
    starts: Mapping[str, list[tuple[float, float]]],
    begin: float,
    report: Advised,
) -> _Ahead:
    """Return all that is planned from *begin* on, and the load of pools with what else runs."""
    lines: dict[str, Line] = {}
    others = set(dag_ids) - starts.keys()
    for dag_id, times in starts.items():
        habit, compiled = habits.get(dag_id), schedules[dag_id].compiled
        needs = needs_of(habit, compiled, schedules[dag_id].pools) if compiled else ()
        needs = habit.needs if habit is not None else needs
        if _steps(needs) * len(times) > _MOST_STEPS:
            others |= {dag_id} & set(dag_ids)  # so often that it is usual
        elif needs:
            runs = 0 if habit is None else habit.usual.runs
            lines[dag_id] = Line(dag_id, needs, tuple(sorted(at for _, at in times)), runs)
    used = read_used(session, sorted(others), pools, 0, begin)
    report.partial |= used.partial
    weeks = min(int((begin - used.since) // _WEEK), MOST_WEEKS)
    loads = expected_loads(used, pools, begin, weeks)
    try:
        with time_budget.share(_LOADS):
            for line in time_budget.metered(lines.values()):
                line.add_to(loads)
    except time_budget.Spent:
        report.partial = True
        lines, loads = {}, {}  # of a load that lacks some runs nothing can be told
    # Records that were not read in time may matter.
    rest = weeks if used.work or used.partial else None
    return _Ahead(begin, lines, schedules, pools, loads, rest, starts)


def _steps(needs: Sequence[Need]) -> float:
    """Return how many steps of loads one run touches."""
    return sum(1 + min(need.seconds, PLACED_AHEAD) // STEP_SECONDS for need in needs)


# --- start and stagger -------------------------------------------------------------------------


def _peaks(ahead: _Ahead, report: Advised) -> Iterator[Advice]:
    free = {dag_id: line for dag_id, line in ahead.lines.items() if _is_unmoved(ahead, dag_id)}
    puttable = [line for dag_id, line in ahead.lines.items() if ahead.may_be_put(dag_id)]
    try:
        for name in time_budget.metered(sorted(ahead.loads)):
            pool = Pool(name, ahead.pools[name].slots, ahead.loads, ahead.weeks)
            piece = advice.start_advice(pool, time_budget.metered(puttable), partial(_work, ahead))
            if piece is not None:
                yield piece
            piece = advice.stagger_advice(
                pool,
                time_budget.metered(free.values()),
                partial(_staggered, ahead),
                partial(_stagger, ahead),
            )
            if piece is not None:
                yield piece
    except time_budget.Spent:
        report.partial = True


def _is_unmoved(ahead: _Ahead, dag_id: str) -> bool:
    """Tell whether neither a stagger nor a placement moves the runs of a DAG."""
    compiled = ahead.compiled(dag_id)
    return compiled is None or not (compiled.policy.stagger or compiled.policy.placement)


def _work(ahead: _Ahead, dag_id: str) -> Work | None:
    """Return the room that a DAG's runs would have with ``place=True``; ``None`` where none.

    Raises :class:`time_budget.Spent` where there is no time to lay it out.
    """
    if time_budget.spent():
        raise time_budget.Spent
    compiled = ahead.may_be_put(dag_id)
    if compiled is None:
        return None
    rooms = _changed(compiled, placement=Placement()).rooms(ahead.begin, ahead.until)
    starts = dict(ahead.starts[dag_id])
    room = {due: spans for due, spans in islice(rooms, MOST_DUE) if due in starts}
    # Runs that are early or in closed time stay, and so does what lies too far ahead.
    fixed = tuple(at for due, at in starts.items() if due not in room)
    return Work(dag_id, ahead.lines[dag_id].needs, tuple(room.items()), fixed) if room else None


def _staggered(ahead: _Ahead, line: Line, seconds: int) -> tuple[float, ...]:
    """Return when the runs of a DAG start with a stagger of so many *seconds*.

    Raises :class:`time_budget.Spent` where there is no time for it.
    """
    if time_budget.spent():
        raise time_budget.Spent
    compiled = ahead.compiled(line.dag_id)
    policy, open_time = _PLAIN if compiled is None else (compiled.policy, compiled.open_time)
    policy = replace(policy, stagger=share_of(seconds, line.dag_id))
    times = ahead.starts[line.dag_id]
    starts = []
    for (due, at), following in zip_longest(times, (due for due, _ in times[1:])):
        latest = due + policy.max_delay
        if following is not None and following > at:
            latest = min(latest, following - 1)
        # What starts early, or in closed time, is not staggered.
        moves = at >= due and open_time.fits(at, policy.duration)
        starts.append(spread_from(at, due, latest, policy, open_time) if moves else at)
    return tuple(starts)


def _stagger(ahead: _Ahead, dag_id: str, seconds: int) -> str:
    """Return the argument that staggers a DAG, or a whole schedule where it has none of ours."""
    stagger = f"stagger={delta(seconds)}"
    schedule = ahead.schedules[dag_id]
    if schedule.compiled is not None:
        return f"{stagger},"
    arguments = schedule.data["__var"]
    if is_plain_cron(schedule.data):
        base = f"{arguments['expression']!r}, timezone={arguments.get('timezone', 'UTC')!r}"
    elif is_plain_delta(schedule.data):
        base = delta(arguments["delta"])
    else:
        # Any other one would have other data intervals as an expression of ours.
        return f"schedule=CalendarTimetable(..., {stagger}),  # ...: the schedule that it has"
    return f"schedule=CalendarTimetable({base}, {stagger}),"


# --- conflict ----------------------------------------------------------------------------------


def _conflicts(ahead: _Ahead, report: Advised) -> Iterator[Advice]:
    slots = {name: float(size.slots) for name, size in ahead.pools.items() if size.slots > 0}
    shared = {name for name, count in slots.items() if _is_exclusive(ahead, name, count)}
    lines = [
        line for line in ahead.lines.values() if any(need.pool in shared for need in line.needs)
    ]
    try:
        every = _waits(ahead, lines, slots)
        for wait in advice.conflicts(every, _WEEKS):
            piece = _conflict(ahead, wait, lines, slots, every)
            if piece is not None:
                yield piece
    except time_budget.Spent:
        report.partial = True


def _is_exclusive(ahead: _Ahead, pool: str, slots: float) -> bool:
    """Tell whether some run needs more than half of a pool, so that two cannot run at once."""
    needs = (need for line in ahead.lines.values() for need in line.needs if need.pool == pool)
    return max((need.slots for need in needs), default=0) > slots / 2


def _waits(
    ahead: _Ahead, lines: Sequence[Line], slots: Mapping[str, float], later: Wait | None = None
) -> list[Wait]:
    """Return which DAGs wait for which; with *later*, as if its waiter started so much later."""
    by = {} if later is None else {later.waiter: advice.later_by(later)}
    asks = sorted(
        (start + by.get(line.dag_id, 0), line.dag_id) for line in lines for start in line.starts
    )
    queue = (Ask(start, ahead.lines[dag_id].needs) for start, dag_id in asks)
    uses = time_budget.metered(simulate(queue, slots, ahead.until))
    return advice.waits(uses, lambda number: asks[number][1], slots, ahead.until)


def _conflict(
    ahead: _Ahead,
    wait: Wait,
    lines: Sequence[Line],
    slots: Mapping[str, float],
    every: Sequence[Wait],
) -> Advice | None:
    python = _later_start(ahead, wait)
    if python is None:
        return None
    changed = _waits(ahead, lines, slots, wait)
    before, after = (
        sum(other.seconds for other in waits if other.pool == wait.pool)
        for waits in (every, changed)
    )
    basis = Basis(min(ahead.lines[dag_id].runs for dag_id in (wait.waiter, wait.holder)))
    return advice.conflict_advice(wait, slots[wait.pool], (before, after), _WEEKS, basis, python)


def _later_start(ahead: _Ahead, wait: Wait) -> str | None:
    """Return the Python that makes the waiter start later; ``None`` where no one line does."""
    seconds, starts = advice.later_by(wait), ahead.starts[wait.waiter]
    compiled = ahead.compiled(wait.waiter)
    data = ahead.schedules[wait.waiter].data
    if compiled is not None:
        data, policy, open_time = compiled.base, compiled.policy, compiled.open_time
        latest = ((due + policy.max_delay, at + seconds) for due, at in starts)
        if policy.placement is not None or not all(
            at <= last and open_time.fits(at, policy.duration) for last, at in latest
        ):
            return None
    cron = data.get("__var", {}).get("expression")
    if isinstance(cron, str) and all(due == at for due, at in starts):
        later = later_cron(cron, seconds)
        return None if later is None else f"{later!r},  # instead of {cron!r}"
    return "place=True," if ahead.may_be_put(wait.waiter) else None


# --- duration ----------------------------------------------------------------------------------


def _durations(
    dag_id: str, schedule: Schedule, habit: Habit, begin: float, report: Advised
) -> Iterator[Advice]:
    compiled = schedule.compiled
    if compiled is None or compiled.open_time.always or compiled.held:
        return
    policy, usual = compiled.policy, habit.usual
    better = advice.better_duration(policy.duration, usual)
    if better is None:
        return
    if time_budget.spent():
        report.partial = True
        return
    high = math.ceil(usual.high)
    changed = _changed(compiled, duration=better)
    now, then = (_ends(variant, begin, high) for variant in (compiled, changed))
    piece = advice.duration_advice(dag_id, policy.duration, usual, now, then)
    if piece is not None:
        yield piece


def _changed(compiled: CompiledSchedule, **policy: Any) -> CompiledSchedule:
    """Return the schedule with something else in its policy."""
    changed = replace(compiled, policy=replace(compiled.policy, **policy))
    changed.open_time = compiled.open_time  # laid out already
    return changed


def _ends(compiled: CompiledSchedule, begin: float, seconds: int) -> Ends:
    """Return what becomes of the due times of two weeks, if each run takes so many *seconds*."""
    runs = overrun = never = 0
    open_time, until = compiled.open_time, begin + PLACED_AHEAD
    for placed in islice(compiled.placed(begin), MOST_DUE):
        if placed.tick.due >= until:
            break
        if placed.start is None:
            never += placed.outcome == "skipped"
            continue
        runs += 1
        start = placed.start
        overrun += open_time.fits(start, 0) and not open_time.fits(start, seconds)
    return Ends(runs, overrun, never)
