"""When a blackout of some length would disturb least: a search over whole minutes.

What each run adds to the cost of a blackout, as the minute of its beginning moves, is constant or
grows evenly in a few stretches of minutes. So all minutes are weighed at once, by the sums of where
stretches begin and end, in time that grows with the runs and the minutes, not with their product.
Runs that are spread or advanced follow no such stretches: for these a lower bound is weighed, and
the best minutes are looked at one by one, best bound first, until no other can be better.
"""

from __future__ import annotations

import heapq
import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from calendar_timetable.planning.plan import EDGE_SECONDS, PlacedTick, place_ticks
from calendar_timetable.planning.spans import Spans
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.forecast import MOST_TICKS, not_before
from calendar_timetable.runs.impact import (
    Cost,
    PlannedBlackout,
    Subject,
    changes_of,
    cost_of,
    first_touched,
    last_touched,
)

MINUTE = 60
MOST_FOUND = 5
# Runs of one DAG that are weighed: six weeks of minutes.
_MOST_RUNS = 6 * MOST_TICKS
# DAGs whose runs are spread or advanced, in all minutes that are looked at one by one.
_MOST_LOOKS = 20_000

_log = logging.getLogger(__name__)


class Better(NamedTuple):
    """A time for the blackout and what it costs."""

    period: PlannedBlackout
    cost: Cost


@dataclass
class BestTimes:
    """The times that disturb least, best first, none of which overlap.

    Where it is *truncated*, not every DAG or minute could be looked at in time.
    """

    times: list[Better]
    truncated: bool = False


def better_times(
    subjects: Sequence[Subject],
    length: int,
    allowed: Spans,
    now: float,
) -> BestTimes:
    """Return when a blackout of *length* seconds, whole minutes, would disturb *subjects* least.

    It has to lie in one of the spans that are *allowed*, from *now* on. Fewest runs disturbed come
    first, then the least delay of all together, then the earliest.
    """
    starts = [
        (-(-max(low, math.ceil(now)) // MINUTE), (high - length) // MINUTE) for low, high in allowed
    ]
    starts = [(first, last) for first, last in starts if first <= last]
    if not starts:
        return BestTimes([])
    scales = _Scales(*(_Scale(starts[0][0], starts[-1][1], length) for _ in range(2)))
    spread: list[_Weighed] = []
    truncated = False
    for group in _alike(subjects):
        if time_budget.spent():
            truncated = True
            break
        weighed = _Weighed(group[0], len(group), scales, now)
        try:
            with time_budget.share(time_budget.DAG):
                truncated |= weighed.weigh()
        except time_budget.Spent:
            truncated = True
        except time_budget.Busy:
            raise
        except Exception:  # noqa: BLE001
            # One broken schedule must not take the answer away from all others.
            _log.warning("DAG %s is not weighed", group[0].dag.dag_id, exc_info=True)
            truncated = True
            continue
        if not weighed.is_exact:
            spread.append(weighed)
    best = _best(scales, spread, starts)
    return BestTimes(best.times, truncated=truncated or best.truncated)


def _best(
    scales: _Scales, spread: Sequence[_Weighed], starts: Sequence[tuple[int, int]]
) -> BestTimes:
    exact, bounds = scales.exact.sums(), scales.bounds.sums()
    low, minutes = scales.exact.first, scales.exact.length // MINUTE
    queue = [
        (exact[0][n] + bounds[0][n], exact[1][n] + bounds[1][n], n + low, not spread)
        for first, last in starts
        for n in range(first - low, last - low + 1)
    ]
    heapq.heapify(queue)
    costs: dict[int, Cost] = {}

    def look(minute: int) -> bool:
        """Work out the cost of one minute; tell whether there was time for it."""
        try:
            more = [weighed.cost(minute) for weighed in spread]
        except time_budget.Spent:
            return False
        costs[minute] = cost = Cost(
            exact[0][minute - low] + sum(extra.runs for extra in more),
            exact[1][minute - low] + sum(extra.delay for extra in more),
        )
        heapq.heappush(queue, (*cost, minute, True))
        return True

    # The most promising of times that do not overlap come first: where there is no time to look at
    # all, the best of these are known.
    promising = _apart((entry[2] for entry in sorted(queue)), minutes, MOST_FOUND) if spread else []
    truncated = not all(map(look, promising))
    chosen: list[int] = []
    times: list[Better] = []
    while queue and len(times) < MOST_FOUND:
        count, delay, minute, is_exact = heapq.heappop(queue)
        if any(abs(minute - other) < minutes for other in chosen):
            continue
        if is_exact:
            chosen.append(minute)
            times.append(Better(scales.exact.period(minute), Cost(count, delay)))
        elif (
            (len(costs) + 1) * len(spread) > _MOST_LOOKS
            or time_budget.spent()
            or not (minute in costs or look(minute))
        ):
            queue = sorted(entry for entry in queue if entry[-1])
            truncated = True
    return BestTimes(times, truncated)


def _apart(minutes: Iterable[int], length: int, most: int) -> list[int]:
    """Return the first of *minutes* from which blackouts so long do not overlap, at most *most*."""
    starts: list[int] = []
    for minute in minutes:
        if all(abs(minute - other) >= length for other in starts):
            starts.append(minute)
            if len(starts) == most:
                break
    return starts


class _Scale:
    """The cost of a blackout of *length* seconds for each of the minutes from *first* to *last*.

    A cost that grows evenly is kept as its value in the first minute, and what each minute adds.
    """

    def __init__(self, first: int, last: int, length: int) -> None:
        self.first, self.last, self.length = first, last, length
        size = last - first + 2
        self._runs, self._fixed, self._rising = ([0] * size for _ in range(3))

    def period(self, minute: int) -> PlannedBlackout:
        """Return the blackout that begins in *minute*."""
        return PlannedBlackout(minute * MINUTE, minute * MINUTE + self.length)

    def cut(self, low: int, high: int) -> tuple[int, int]:
        """Return the minutes from *low* to *high* as far as they are weighed."""
        return max(low, self.first), min(high, self.last)

    def add_runs(self, low: int, high: int, count: int) -> None:
        """Let a blackout that begins in a minute from *low* to *high* disturb *count* more runs."""
        low, high = self.cut(low, high)
        if low <= high:
            self._runs[low - self.first] += count
            self._runs[high - self.first + 1] -= count

    def add_delay(self, low: int, high: int, at_low: int, rise: int, count: int) -> None:
        """Let it delay *count* runs, each by *at_low* seconds in minute *low*, rising by *rise*."""
        begin, end = self.cut(low, high)
        if begin > end:
            return
        at_first = at_low - rise * (low - self.first)
        for place, sign in ((begin - self.first, count), (end - self.first + 1, -count)):
            self._fixed[place] += sign * at_first
            self._rising[place] += sign * rise

    def sums(self) -> tuple[list[int], list[int]]:
        """Return how many runs are disturbed, and their delays in seconds, minute by minute."""
        rising = accumulate(self._rising)
        fixed = accumulate(self._fixed)
        delays = [at + rise * n for n, (at, rise) in enumerate(zip(fixed, rising, strict=True))]
        return list(accumulate(self._runs)), delays


class _Scales(NamedTuple):
    """The *exact* cost of most runs, and *bounds*: the least that the other runs cost."""

    exact: _Scale
    bounds: _Scale


class _Weighed:
    """One *subject*, which stands for *count* alike, put on the *scales*."""

    def __init__(self, subject: Subject, count: int, scales: _Scales, now: float) -> None:
        self._subject, self._count, self._scales, self._now = subject, count, scales, now
        policy = subject.schedule.policy
        # Whether what it adds to the cost is known exactly once it is put on the scale.
        moved_simply = not policy.spread and not policy.keep_hour
        self.is_exact = policy.when_blocked != "advance" and moved_simply
        self._scale = scales.exact if self.is_exact else scales.bounds
        self._touched: list[tuple[int, int]] = []

    def weigh(self) -> bool:
        """Put its runs on the scale; return whether some were left out."""
        when = self._subject.schedule.policy.when_blocked
        if not self.is_exact:
            add = self._add_bound
        elif when == "run":
            return False
        else:
            add = self._add_skipped if when == "skip" else self._add_postponed
        for count, placed in enumerate(self._runs()):
            if count == _MOST_RUNS:
                return True
            add(placed)
        return False

    def cost(self, minute: int) -> Cost:
        """Return the cost of a blackout that begins in *minute*, of runs with bounds only."""
        if minute not in self._minutes:
            return Cost(0, 0)
        changes, _ = changes_of(self._subject, self._scale.period(minute), self._now)
        cost = cost_of(changes)
        return Cost(cost.runs * self._count, cost.delay * self._count)

    @cached_property
    def _minutes(self) -> Spans:
        """The minutes in which a blackout may touch a run with bounds only."""
        return Spans((low, high + 1) for low, high in self._touched)

    def _runs(self) -> Iterator[PlacedTick]:
        """Yield the runs that some of the blackouts may touch, as they are planned now."""
        subject, scale = self._subject, self._scale
        schedule = subject.schedule
        begin = first_touched(schedule, scale.first * MINUTE)
        until = last_touched(schedule, scale.last * MINUTE + scale.length)
        ticks = time_budget.metered(subject.ticks(begin))
        for placed in place_ticks(ticks, schedule.policy, schedule.open_time):
            if placed.tick.due > until:
                return
            planned = not_before(schedule, placed, self._now, catchup=subject.restriction.catchup)
            if planned.start is not None and planned.start > self._now:
                yield planned

    def _touching(self, start: float, duration: float) -> tuple[int, int]:
        """Return the first and last minute whose blackout touches a run from *start* on.

        A run without a *duration* is touched where the blackout covers its start.
        """
        low = math.floor((start - self._scale.length) / MINUTE) + 1
        if duration:
            return low, math.ceil((start + duration) / MINUTE) - 1
        return low, math.floor(start / MINUTE)

    def _add_skipped(self, placed: PlacedTick) -> None:
        assert placed.start is not None
        policy = self._subject.schedule.policy
        low, high = self._touching(placed.start, policy.duration)
        self._scale.add_runs(low, high, self._count)
        self._scale.add_delay(low, high, policy.max_delay, 0, self._count)

    def _add_postponed(self, placed: PlacedTick) -> None:
        """Add a run that starts at the first fit after the blackout, if that is not too late."""
        assert placed.start is not None
        policy, open_time = self._subject.schedule.policy, self._subject.schedule.open_time
        start, latest = math.ceil(placed.start), placed.tick.due + policy.max_delay
        touching = self._touching(placed.start, policy.duration)
        low, high = self._scale.cut(*touching)
        self._scale.add_runs(low, high, self._count)
        while low <= high:
            ends = low * MINUTE + self._scale.length
            fit = open_time.next_fit(ends, policy.duration, latest)
            # Where nothing closes time, there is a fit however late.
            if fit is None or fit > latest:
                self._scale.add_delay(low, high, policy.max_delay, 0, self._count)
                return
            if fit > ends:  # closed until then, whenever the blackout ends before
                last = min(high, int((fit - self._scale.length) // MINUTE))
                self._scale.add_delay(low, last, int(fit) - start, 0, self._count)
            else:
                most = min(float(high * MINUTE + self._scale.length), latest)
                until = open_time.last_fit(ends, policy.duration, most)
                last = min(high, int((until - self._scale.length) // MINUTE))
                self._scale.add_delay(low, last, ends - start, MINUTE, self._count)
            low = last + 1

    def _add_bound(self, placed: PlacedTick) -> None:
        """Add the least that a run costs which is spread or advanced, or keeps its hour."""
        assert placed.start is not None
        policy, at = self._subject.schedule.policy, placed.start
        # Where it would be without its spread, which a blackout in its room may shorten.
        base = at // 1 if placed.opening is None else placed.opening
        low, high = self._touching(base, policy.duration)
        last = max(at, base + policy.spread)
        self._touched.append(
            (low, max(high, self._touching(last, policy.duration or EDGE_SECONDS)[1]))
        )
        if policy.when_blocked == "run":
            return
        if policy.when_blocked == "postpone":
            # Surely later: the blackout ends after the start that it has now.
            low = max(low, math.floor((at - self._scale.length) / MINUTE) + 1)
            turn = (math.ceil(at) + policy.max_delay - self._scale.length) // MINUTE
            first = low * MINUTE + self._scale.length - math.ceil(at)
            self._scale.add_delay(low, min(high, turn), first, MINUTE, self._count)
            self._scale.add_delay(max(low, turn + 1), high, policy.max_delay, 0, self._count)
        self._scale.add_runs(low, high, self._count)


def _alike(subjects: Sequence[Subject]) -> list[list[Subject]]:
    """Return *subjects* in groups, each of which has the same runs at the same times."""
    groups: dict[object, list[Subject]] = {}
    for subject in subjects:
        schedule = subject.schedule
        key = (
            json.dumps(schedule.base, sort_keys=True, default=str),
            schedule.policy,
            id(schedule.open_time),
            subject.stored,
            subject.restriction.latest,
        )
        groups.setdefault(key, []).append(subject)
    return list(groups.values())
