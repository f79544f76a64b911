"""The runs of past weeks as they were, and as they would have been under other rules."""

from __future__ import annotations

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from airflow.models.dag import DagModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable.load.history import Need
from calendar_timetable.load.queueing import Ask
from calendar_timetable.load.replay import Taken, replay
from calendar_timetable.planning.late_start import late_start
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.plan import Placement, Policy, Tick, place_ticks, share_of
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange, TimeSet, leaves
from calendar_timetable.runs.database import PastRun, read_past_runs
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.runs.usage import Habit, read_habits, read_pools
from calendar_timetable.schedule.compiled import CompiledSchedule

What = Literal["late", "in_events", "skipped", "combined", "after_end"]

Role = Literal["windows", "blackouts"]
# Calendars are read for so many seconds more, before and after the runs.
_AROUND = 31 * DAY

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OtherRules:
    """Rules that replace those of DAGs; what is ``None`` stays as a DAG has it.

    Lengths are in seconds; each DAG takes its own share of the *stagger*. *placements* are by DAG
    id. With *none* DAGs have no rules at all, and run when they are due.
    """

    windows: TimeSet | None = None
    blackouts: TimeSet | None = None
    stagger: int | None = None
    max_delay: int | None = None
    placements: Mapping[str, Placement] | None = None
    none: bool = False

    def policy(self, dag_id: str, own: Policy) -> Policy:
        """Return the policy that a DAG with its *own* one has under these rules.

        Raises :class:`InvalidArgument` where the two do not go together.
        """
        if self.none:
            return Policy(max_delay=own.max_delay)
        policy = own
        if self.max_delay is not None:
            policy = replace(policy, max_delay=self.max_delay)
        if self.stagger is not None:
            policy = replace(policy, stagger=share_of(self.stagger, dag_id), placement=None)
        if self.placements is not None and own.may_be_placed:
            within = 0 if own.placement is None else own.placement.within
            within = within if self.stagger is None else self.stagger
            placement = self.placements.get(dag_id, None if own.placement is None else Placement())
            if placement is not None:
                policy = replace(policy, placement=placement._replace(within=within))
        policy.check()
        return policy


class Changed(NamedTuple):
    """A DAG's *schedule* under other rules, and its *own*, ``None`` where that is none of ours.

    *carries*: some of its calendars count still, and of these it carries only parts.
    """

    schedule: CompiledSchedule
    own: CompiledSchedule | None = None
    carries: bool = False

    def knows(self, due: float, start: float | None) -> bool:
        """Tell whether the schedule carries all that decides where a run *due* then starts."""
        if not self.carries or self.own is None or self.own.horizon is None:
            return True
        policy = self.schedule.policy
        low, high = policy.searched(due, start)
        return low >= self.own.horizon.start and self.own.travels(low, high + policy.duration)


class Fate(NamedTuple):
    """When a run starts under other rules, in epoch seconds, or *why* it does not.

    It is *known* where the schedule carries all of its calendars that matter for that.
    """

    start: float | None
    why: Literal["skipped", "combined"] | None = None
    known: bool = True


class PoolOutcome(NamedTuple):
    """The slots in use of a pool, and what is wrong with the runs that use it."""

    taken: Taken
    counts: Counter[What]


class Side(NamedTuple):
    """The runs as they were, or as they would have been: by pool, all together, and by DAG."""

    pools: dict[str, PoolOutcome]
    counts: Counter[What]
    by_dag: dict[str, Counter[What]]


@dataclass(frozen=True)
class Backtest:
    """What other rules would have made of the runs from *since* to *until*, in epoch seconds.

    *runs* counts, by DAG, the runs that its schedule planned for that time; *beside* counts all
    others. The rules hold for the DAGs *changed*, and move so many runs of each (*moved*); to the
    DAGs *left* they cannot be applied. So many runs are *uncertain*, as their DAGs do not carry all
    that calendars said then, and for so many the slots that they take are *unknown*. *truncated*:
    there are too many runs, and the oldest are left out. Pools have so many *slots*.
    """

    since: float
    until: float
    runs: Counter[str]
    beside: int
    changed: tuple[str, ...]
    left: tuple[str, ...]
    moved: Counter[str]
    uncertain: int
    unknown: int
    truncated: bool
    slots: Mapping[str, float]
    before: Side
    after: Side

    @property
    def pools(self) -> list[str]:
        """The pools that runs use, the fullest first."""

        def fullest(name: str) -> tuple[float, str]:
            slots = self.slots[name]
            return -self.before.pools[name].taken.peak / slots if slots else -math.inf, name

        used = [
            name
            for name in self.slots
            if any(side.pools[name].taken.minutes for side in (self.before, self.after))
        ]
        return sorted(used, key=fullest)


def backtest(
    session: Session, rules: OtherRules, dag_ids: Collection[str] | None, since: float, until: float
) -> Backtest:
    """Return what *rules* for the DAGs *dag_ids* would have made of the runs since some time.

    ``None`` means every DAG; the runs of other DAGs stay as they were. *since* and *until*, which
    is now, are in epoch seconds.
    """
    recorded, truncated = read_past_runs(session, since, until)
    if truncated:
        since = min(run.planned for run in recorded)
    planned = defaultdict(list)
    for run in recorded:
        if run.scheduled and run.planned >= since:
            planned[run.dag_id].append(run)
    ran = sorted({run.dag_id for run in recorded})
    pools = read_pools(session)
    slots = {name: math.inf if size.slots < 0 else size.slots for name, size in pools.items()}
    needs = _Needs(read_habits(session, ran, pools, until), read_schedules(session, ran))
    changed: dict[str, Changed] = {}
    left = []
    if rules != OtherRules():
        current_ids = select(DagModel.dag_id).where(DagModel.is_stale.is_(False))
        may = set(session.scalars(current_ids)) if dag_ids is None else set(dag_ids)
        changer = _Changer(rules, since, until)
        for dag_id in sorted(planned.keys() & may):
            change = changer.changed(needs.schedules.get(dag_id))
            if change is None:
                left.append(dag_id)
            else:
                changed[dag_id] = change
    fates: dict[PastRun, Fate] = {}
    for dag_id, change in changed.items():
        fates.update(zip(planned[dag_id], fates_of(planned[dag_id], change), strict=True))
    judge = _Judge(needs.schedules, changed, (since, until))
    planned_runs = {run for runs in planned.values() for run in runs}
    before = _side(
        [(run, Fate(run.started)) for run in recorded], planned_runs, needs, slots, judge
    )
    after = before
    if fates:
        starts = [(run, fates.get(run, Fate(run.started))) for run in recorded]
        after = _side(starts, planned_runs, needs, slots, judge)
    return Backtest(
        since,
        until,
        Counter({dag_id: len(runs) for dag_id, runs in planned.items()}),
        len(recorded) - len(planned_runs),
        tuple(changed),
        tuple(left),
        Counter(run.dag_id for run, fate in fates.items() if fate.start != run.started),
        sum(not fate.known for fate in fates.values()),
        sum(not needs.is_known(run) for run in planned_runs),
        truncated,
        slots,
        before,
        after,
    )


def fates_of(runs: Sequence[PastRun], changed: Changed) -> list[Fate]:
    """Return what becomes of *runs* of one DAG under other rules.

    A run whose planned start does not change starts as it did. Others start as long after their
    new plan as they did after the old one, or when time opens after that.
    """
    schedule, policy = changed.schedule, replace(changed.schedule.policy, max_lateness=None)
    due_times = [_due(run, changed.own) for run in runs]
    ticks = {}
    for run, due in zip(runs, due_times, strict=True):
        ticks[due] = Tick(due, *(run.interval or (due, due)))
    in_order = (ticks[due] for due in sorted(ticks))
    placed_by_due = {
        placed.tick.due: placed for placed in place_ticks(in_order, policy, schedule.open_time)
    }
    fates = []
    for run, due in zip(runs, due_times, strict=True):
        placed = placed_by_due[due]
        start: float | None
        if placed.start is None:
            start = None
        elif placed.start == run.planned:
            start = run.started
        else:
            begins = placed.start + max(0.0, run.started - run.planned)
            start = late_start(
                placed.start, due, begins, policy, schedule.open_time, catchup=schedule.catchup
            )
            start = None if start is None else max(start, begins)
        why: Literal["skipped", "combined"] | None = None
        if start is None:
            why = "combined" if placed.outcome == "coalesced" else "skipped"
        fates.append(Fate(start, why, changed.knows(due, start)))
    return fates


def _due(run: PastRun, own: CompiledSchedule | None) -> float:
    """Return when *run* was due; with a schedule of ours that is not its planned start."""
    return run.planned if own is None or run.interval is None else run.interval[1]


class _Changer:
    """Applies *rules* to schedules; reads the calendars of the rules once for each zone."""

    def __init__(self, rules: OtherRules, since: float, until: float) -> None:
        self._rules = rules
        self._horizon = TimeRange(int(since) - _AROUND, int(until) + _AROUND)
        self._read: dict[tuple[Role, str], TimeSet] = {}
        self._open: dict[tuple[int, int, TimeRange], OpenTime] = {}

    def changed(self, schedule: Schedule | None) -> Changed | None:
        """Return *schedule* under the rules; ``None`` where they cannot be applied to it.

        Raises :class:`CalendarUnavailable` where a calendar of the rules cannot be read.
        """
        if schedule is None:
            return None
        try:
            own = schedule.compiled
            plain = CompiledSchedule(schedule.data, schedule.zone.key, Policy())
            policy = self._rules.policy(schedule.dag_id, (own or plain).policy)
        except ValueError as error:
            # Of a later release, or one that keeps its hour and may not wait that long.
            _log.warning("The rules do not go with DAG %s: %s", schedule.dag_id, error)
            return None
        windows, blackouts = (
            self._set("windows", own or plain),
            self._set("blackouts", own or plain),
        )
        own_sets = (
            windows if self._rules.windows is None else None,
            blackouts if self._rules.blackouts is None else None,
        )
        carries = any(
            isinstance(leaf, CalendarSpans)
            for timeset in own_sets
            if timeset is not None
            for leaf in leaves(timeset)
        )
        horizon = self._horizon
        if carries and own is not None and own.horizon is not None:
            horizon = TimeRange(
                max(horizon.start, own.horizon.start), min(horizon.end, own.horizon.end)
            )
        base = own or plain
        compiled = CompiledSchedule(base.base, base.timezone, policy, windows, blackouts, horizon)
        compiled.catchup = schedule.restriction.catchup
        if compiled.held:
            return None
        key = id(windows), id(blackouts), horizon
        compiled.open_time = self._open.setdefault(key, compiled.open_time)
        return Changed(compiled, own, carries)

    def _set(self, role: Role, own: CompiledSchedule) -> TimeSet | None:
        """Return the windows or blackouts of a DAG with its *own* schedule under the rules."""
        if self._rules.none:
            return None
        own_set: TimeSet | None = own.windows if role == "windows" else own.blackouts
        new_set = self._rules.windows if role == "windows" else self._rules.blackouts
        if new_set is None:
            return own_set
        key = role, own.timezone
        if key not in self._read:
            new_set = new_set.in_role(deny=role == "blackouts")
            self._read[key] = new_set.resolve(self._horizon, own.timezone)
        return self._read[key]


class _Needs:
    """The slots that past runs asked for: those that runs of their DAG usually ask for.

    Where a DAG has no habit, a run takes one slot of each of its pools for as long as it took.
    """

    def __init__(self, habits: Mapping[str, Habit], schedules: Mapping[str, Schedule]) -> None:
        self.schedules = schedules
        self._habits = habits

    def is_known(self, run: PastRun) -> bool:
        """Tell whether it is known what *run* asks for."""
        return run.dag_id in self._habits or bool(self.of(run))

    def of(self, run: PastRun) -> tuple[Need, ...]:
        """Return what *run* asks for."""
        habit = self._habits.get(run.dag_id)
        if habit is not None:
            return habit.needs
        schedule = self.schedules.get(run.dag_id)
        if schedule is None or not run.seconds:
            return ()
        return tuple(Need(pool, 1, 0.0, run.seconds) for pool in schedule.pools)


class _Judge:
    """Tells what is wrong with starts, by the other rules also for runs as they were."""

    def __init__(
        self,
        schedules: Mapping[str, Schedule],
        changed: Mapping[str, Changed],
        between: tuple[float, float],
    ) -> None:
        self.between = between
        self._schedules, self._changed = schedules, changed
        self._low, self._high = int(between[0]) - _AROUND, math.ceil(between[1]) + 1
        self._events: dict[int, tuple[TimeSet, Spans]] = {}

    def of(self, run: PastRun, fate: Fate, behind: float) -> Iterable[What]:
        """Yield what is wrong with *run*; waiting for slots it ends so many seconds *behind*."""
        start = fate.start
        if start is None:
            if fate.why is not None:
                yield fate.why
            return
        if start >= self.between[1]:
            yield "after_end"
            return
        own = self._own(run.dag_id)
        changed = self._changed.get(run.dag_id)
        judging = own if changed is None else changed.schedule
        policy = Policy() if judging is None else judging.policy
        # Late to end as to start: its length counts on both sides.
        if start + behind > _due(run, own) + policy.max_delay:
            yield "late"
        blackouts = None if judging is None else judging.blackouts
        if blackouts is None and own is not None:
            blackouts = own.blackouts
        if blackouts is not None and start in self._covered(blackouts):
            yield "in_events"

    def _own(self, dag_id: str) -> CompiledSchedule | None:
        if dag_id in self._changed:
            return self._changed[dag_id].own
        try:
            return self._schedules[dag_id].compiled if dag_id in self._schedules else None
        except ValueError:  # of a later release
            return None

    def _covered(self, blackouts: TimeSet) -> Spans:
        # With the set itself, so that no other one has its id meanwhile.
        key = id(blackouts)
        if key not in self._events:
            self._events[key] = blackouts, blackouts.cover(self._low, self._high)
        return self._events[key][1]


def _side(
    starts: Sequence[tuple[PastRun, Fate]],
    planned_runs: Collection[PastRun],
    needs: _Needs,
    slots: Mapping[str, float],
    judge: _Judge,
) -> Side:
    """Return what runs with these *starts* come to; those not in *planned_runs* only take slots."""
    asking = sorted(
        ((fate.start, number) for number, (_, fate) in enumerate(starts) if fate.start is not None)
    )
    asks = [Ask(start, needs.of(starts[number][0])) for start, number in asking]
    outcome = replay(asks, slots, *judge.between)
    behind = {asking[place][1]: late for place, late in outcome.late.items()}
    by_pool: defaultdict[str, Counter[What]] = defaultdict(Counter)
    by_dag: defaultdict[str, Counter[What]] = defaultdict(Counter)
    counts: Counter[What] = Counter()
    for number, (run, fate) in enumerate(starts):
        if run not in planned_runs:
            continue
        wrong = list(judge.of(run, fate, behind.get(number, 0.0)))
        counts.update(wrong)
        by_dag[run.dag_id].update(wrong)
        for pool in {need.pool for need in needs.of(run)}:
            by_pool[pool].update(wrong)
    pools = {name: PoolOutcome(use, by_pool[name]) for name, use in outcome.pools.items()}
    return Side(pools, counts, dict(by_dag))
