"""What a blackout would do to the runs that are planned: arithmetic alone, nothing is read.

The plan of each DAG is worked out twice, by its schedule as it is and by the same with the blackout
added, and what becomes of each due time is compared. Instants are in epoch seconds.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, tee
from typing import Literal, NamedTuple

from airflow.timetables.base import TimeRestriction

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import OpenTime, members
from calendar_timetable.planning.plan import EDGE_SECONDS, PlacedTick, Tick, place_ticks
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import Period, TimeSet, Union
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.database import Dag
from calendar_timetable.runs.deadlines import Deadline
from calendar_timetable.runs.forecast import MOST_TICKS, not_before
from calendar_timetable.schedule.compiled import LATE_START, CompiledSchedule

# What becomes of a run: it starts later, or earlier; another run does its work; it is lost; it
# starts all the same, as its schedule says ``when_blocked="run"``; or it runs by itself after all,
# as the run that was to do its work is moved.
Kind = Literal["postponed", "advanced", "combined", "skipped", "forced", "separate"]
KINDS: tuple[Kind, ...] = ("postponed", "advanced", "combined", "skipped", "forced", "separate")
# Those by which a run is disturbed.
DISTURBED: tuple[Kind, ...] = ("postponed", "advanced", "combined", "skipped")

_log = logging.getLogger(__name__)


class PlannedBlackout(Period):
    """A blackout that is asked about, in whole epoch seconds: known, however far off it is."""

    @property
    def span(self) -> tuple[int, int]:
        """Its start and end."""
        return self.start, self.end

    def __str__(self) -> str:
        return "the blackout"


class _Without(OpenTime):
    """What *open_time* leaves open without *period*; *open_time* is laid out once for all."""

    def __init__(self, open_time: OpenTime, period: PlannedBlackout) -> None:
        closed: tuple[TimeSet, ...] = (*members(open_time.blackouts), period)
        super().__init__(open_time.windows, Union(closed), open_time.horizon)
        self._before, self._period = open_time, period

    def _lay_out(self, start: int, end: int) -> Spans:
        laid = self._before.over(start, end).clip(start, end)
        return laid - Spans((self._period.span,))


@dataclass(frozen=True)
class Subject:
    """A DAG that the blackout would hold for, and its *schedule* under the rules of the deployment.

    *stored* is the tick of its next run; *restriction* has the DAG's start and end date. Runs take
    *length* seconds, if that is known.
    """

    dag: Dag
    schedule: CompiledSchedule
    stored: Tick
    restriction: TimeRestriction
    length: float | None = None
    deadlines: tuple[Deadline, ...] = ()

    def ticks(self, floor: float) -> Iterator[Tick]:
        """Yield its due times from the stored run on; those due before *floor* may be left out."""
        ticks, stored = self.schedule.ticks, self.stored
        if ticks.on_grid:
            begin = max(floor, min(stored.due, stored.interval_end))
            candidates = ticks.at_or_after(begin, self.restriction.latest)
            return (tick for tick in candidates if tick.interval_end >= stored.interval_end)
        from airflow.timetables.base import DataInterval

        from calendar_timetable.schedule.base import to_pendulum

        last = DataInterval(to_pendulum(stored.interval_start), to_pendulum(stored.interval_end))
        every = self.restriction._replace(catchup=True)
        if floor <= stored.due:
            return chain((stored,), ticks.walk(last, every))
        return iter(ticks.since(floor, last, every))


@dataclass(frozen=True, slots=True)
class Change:
    """What the blackout would do to one run.

    *before* is its start now and *after* its start then, or that of the run, due at *runs_with*,
    that does its work; ``None`` where there is none. *missed* says by how many seconds it would end
    past a deadline that it keeps now; infinite where it would not run at all. *uncertain*: it goes
    by calendars that are not known so far, or of which the DAG carries only what it needed.
    """

    subject: Subject
    due: float
    kind: Kind
    before: float | None
    after: float | None
    runs_with: float | None = None
    missed: float | None = None
    uncertain: bool = False

    @property
    def dag_id(self) -> str:
        """The id of the run's DAG."""
        return self.subject.dag.dag_id

    @property
    def delay(self) -> int:
        """How far its work moves, in whole seconds; a lost run counts as ``max_delay``."""
        if self.kind == "skipped":
            return self.subject.schedule.policy.max_delay
        if self.before is None or self.after is None:
            return 0
        return int(abs(self.after - self.before))


@dataclass
class Impact:
    """What a blackout would do, to so many DAGs *looked_at*.

    *waiting* are the ids of DAGs without due times of their own, whose tasks would wait. *untold*
    are those that there was no time for, or whose runs are too many to tell all; *unread* those
    whose schedules cannot be read.
    """

    changes: list[Change] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    looked_at: int = 0
    untold: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[Kind]:
        """How many runs there are of each kind."""
        return Counter(change.kind for change in self.changes)

    @property
    def missing(self) -> dict[str, float]:
        """By how many seconds each DAG would miss a deadline at most, the worst first."""
        worst: dict[str, float] = {}
        for change in self.changes:
            if change.missed is not None:
                worst[change.dag_id] = max(change.missed, worst.get(change.dag_id, 0))
        return dict(sorted(worst.items(), key=lambda item: (-item[1], item[0])))


class Cost(NamedTuple):
    """What a blackout costs, to be compared: first the runs that it disturbs, then their delays."""

    runs: int
    delay: int  # of all together, in seconds


def cost_of(changes: Iterable[Change]) -> Cost:
    """Return what *changes* cost."""
    disturbed = [change for change in changes if change.kind in DISTURBED]
    return Cost(len(disturbed), sum(change.delay for change in disturbed))


def check_period(start: float, end: float, now: float, most: int) -> PlannedBlackout:
    """Return the blackout ``[start, end)``.

    Raise :class:`InvalidArgument` where it is over, empty, or longer than *most* seconds.
    """
    text = f"{zones.to_datetime(end):%Y-%m-%d %H:%M} UTC"
    if end <= max(start, now):
        raise InvalidArgument("end", text, "give an end that is in the future and after the start")
    if end - start > most:
        remedy = f"give a time at most {explain.format_length(most)} after the start"
        raise InvalidArgument("end", text, remedy)
    return PlannedBlackout(math.floor(start), math.ceil(end))


def impact_of(subjects: Sequence[Subject], period: PlannedBlackout, now: float) -> Impact:
    """Return what the blackout *period* would do to *subjects*, as seen at *now*."""
    impact = Impact()
    open_times: dict[int, OpenTime] = {}
    for number, subject in enumerate(subjects):
        if time_budget.spent():
            impact.untold += [other.dag.dag_id for other in subjects[number:]]
            break
        changes: list[Change] = []
        try:
            with time_budget.share(time_budget.DAG):
                changes, more = changes_of(subject, period, now, open_times)
        except time_budget.Spent:
            more = True
        except time_budget.Busy:
            raise
        except Exception:  # noqa: BLE001
            # One broken timetable must not take the answer away from all others.
            _log.exception("Cannot tell the planned runs of %s", subject.dag.dag_id)
            more = True
        impact.changes += changes
        impact.looked_at += 1
        if more:
            impact.untold.append(subject.dag.dag_id)
    impact.changes.sort(key=lambda change: (_at(change), change.dag_id, change.due))
    return impact


def changes_of(
    subject: Subject,
    period: PlannedBlackout,
    now: float,
    open_times: dict[int, OpenTime] | None = None,
) -> tuple[list[Change], bool]:
    """Return what the blackout *period* would do to one DAG, and whether there is more.

    *open_times* remembers open time without the period, by what it was made of.
    """
    schedule = subject.schedule
    period = PlannedBlackout(max(period.start, math.floor(now)), period.end)
    open_time = schedule.open_time
    without = None if open_times is None else open_times.get(id(open_time))
    if without is None:
        without = _Without(open_time, period)
        if open_times is not None:
            open_times[id(open_time)] = without
    other = replace(schedule, blackouts=without.blackouts)
    other.open_time = without
    ticks_before, ticks_after = tee(
        time_budget.metered(subject.ticks(first_touched(schedule, period.start)))
    )
    before_all = place_ticks(ticks_before, schedule.policy, open_time)
    after_all = place_ticks(ticks_after, schedule.policy, without)
    until = last_touched(schedule, period.end)
    changes: list[Change] = []
    # Those whose work is done by a run that is not reached yet, each with the run as it was.
    waiting: list[tuple[Change, PlacedTick]] = []
    carried: list[tuple[int, int]] = []
    furthest = until
    calendars = schedule.uses_calendars
    for count, (before, after) in enumerate(zip(before_all, after_all, strict=False)):
        due = before.tick.due
        if due > until and not waiting and (due > furthest or not calendars):
            break
        if count == MOST_TICKS:
            return _marked_by_coverage(changes, carried, subject), True
        if calendars:
            carried.append(_carried(before, schedule))
        planned = not_before(schedule, before, now, catchup=subject.restriction.catchup)
        change = _change(subject, planned, after, other, now)
        if change is not None and change.kind == "combined":
            waiting.append((change, planned))
        elif change is not None:
            changes.append(change)
        if after.start is not None and waiting:
            survivor = not_before(other, after, now, catchup=subject.restriction.catchup)
            changes += [_with(change, was, survivor) for change, was in waiting]
            waiting = []
        if changes:
            furthest = max(furthest, changes[-1].after or 0)
    return _marked_by_coverage(changes, carried, subject), False


def first_touched(schedule: CompiledSchedule, start: float) -> float:
    """Return a time before which whatever is due is not touched by a blackout from *start* on."""
    policy = schedule.policy
    # What starts by then is over before the blackout.
    clear = start - policy.duration - policy.spread - EDGE_SECONDS - 1
    return policy.settled_since(clear, schedule.open_time)


def last_touched(schedule: CompiledSchedule, end: float) -> float:
    """Return a time after which whatever is due is not touched by a blackout up to *end*."""
    policy = schedule.policy
    if policy.when_blocked != "advance":
        return end
    until = end + policy.max_delay
    return schedule.open_time.next_fit(end, policy.duration, until) or until


def _change(
    subject: Subject, before: PlacedTick, after: PlacedTick, other: CompiledSchedule, now: float
) -> Change | None:
    """Return what becomes of the run *before*, which is *after* with the blackout."""
    start, due = before.start, before.tick.due
    if start is not None and start <= now:
        return None  # it begins before anything can be known of the blackout
    if after.start is None and start is None:
        return None
    if after.outcome == "coalesced":
        return Change(subject, due, "combined", start, None, after.survivor)
    then = not_before(other, after, now, catchup=subject.restriction.catchup)
    kind: Kind
    if then.start is None:
        # By now it is too late for a run that would have been made without the others.
        if start is None:
            return None
        kind = "skipped"
    elif start is None:
        kind = "separate"
    elif then.start == start:
        if then.outcome != "forced" or before.outcome == "forced":
            return None
        kind = "forced"
    else:
        kind = "postponed" if then.start > start else "advanced"
    change = Change(subject, due, kind, start, then.start)
    if kind == "skipped" and start is not None:
        return replace(change, missed=_missed(subject, before, None))
    return replace(change, missed=_missed(subject, before, then.start))


def _with(change: Change, before: PlacedTick, survivor: PlacedTick) -> Change:
    """Return *change* of a run planned *before*, with *survivor* as the run that does its work."""
    missed = _missed(change.subject, before, survivor.start)
    return replace(change, after=survivor.start, runs_with=survivor.tick.due, missed=missed)


def _missed(subject: Subject, before: PlacedTick, start: float | None) -> float | None:
    """Return by how many seconds a run that starts at *start* misses a deadline it kept *before*.

    ``None`` where it misses none, or misses it in any case.
    """
    length, worst = subject.length or 0, None
    for deadline in subject.deadlines:
        by = deadline(before)
        if by is None or before.start is None or before.start + length > by:
            continue
        over = math.inf if start is None else start + length - by
        if over > 0:
            worst = max(over, worst or 0)
    return worst


def _marked_by_coverage(
    changes: list[Change], carried: list[tuple[int, int]], subject: Subject
) -> list[Change]:
    """Return *changes*, marked where they rest on more than the DAG carries of its calendars."""
    schedule = subject.schedule
    if not schedule.uses_calendars:
        return changes
    horizon, on_grid = schedule.horizon, schedule.ticks.on_grid
    coverage = Spans(carried)

    def uncertain(change: Change) -> bool:
        policy = schedule.policy
        low, high = policy.searched(change.due, change.after)
        if horizon is None or high >= horizon.end:
            return True
        end = min(math.ceil(high + policy.duration), horizon.end)
        return on_grid and bool(Spans(((max(int(low), horizon.start), end),)) - coverage)

    return [replace(change, uncertain=uncertain(change)) for change in changes]


def _carried(before: PlacedTick, schedule: CompiledSchedule) -> tuple[int, int]:
    """Return the time for which the DAG carries all of its calendars, around this due time.

    The same as ``CompiledSchedule.to_json`` keeps, or less.
    """
    policy, due = schedule.policy, before.tick.due
    start = policy.place(before.tick, schedule.open_time).start
    first = due if start is None else min(due, start)
    last = due if start is None else max(due, start)
    return int(first), int(last) + policy.duration + policy.spread + LATE_START


def _at(change: Change) -> float:
    return change.due if change.before is None else change.before
