"""Pools as queues: runs ask for slots, and wait where too few are free.

Slots are given in the order in which they are asked for. A task that asks for more than are free
waits, and tasks that ask for fewer pass it, as in Airflow's scheduler. A need that follows another
of the same run comes later by as much as that one had to wait. The uses of a pool add up to what it
holds hour by hour.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from calendar_timetable.load.history import Need, spread

_END, _ASK = 0, 1  # at one instant, slots are given back before others are asked for


class Ask(NamedTuple):
    """A run that starts at *start*, in epoch seconds, and what it *needs* from then on."""

    start: float
    needs: tuple[Need, ...]


class Use(NamedTuple):
    """One *need* of the run with this *number*: when it was *asked* for, and had *begun*.

    Times are in epoch seconds; *begun* is ``None`` where it still waits at the end. *in_use* counts
    the slots of the pool that are taken once it has begun.
    """

    number: int
    need: Need
    asked: float
    begun: float | None
    in_use: float


def simulate(asks: Iterable[Ask], slots: Mapping[str, float], until: float) -> Iterator[Use]:
    """Yield the use that each need of *asks* comes to, as it begins, up to *until*.

    *asks* come in the order of their starts; all times are in epoch seconds. Pools have so many
    *slots*; needs of other pools are left out. Slots that are held already count even where they
    are more than the pool has.
    """
    pools = {name: _Pool(count) for name, count in slots.items()}
    events: list[tuple[float, int, int, int]] = []
    runs: dict[int, _Run] = {}
    coming = iter(enumerate(asks))
    following = next(coming, None)
    while True:
        while following is not None and (not events or following[1].start <= events[0][0]):
            number, ask = following
            needs = tuple(need for need in ask.needs if need.pool in pools)
            if needs:
                run = runs[number] = _Run(ask.start, needs)
                for place in run.first():
                    heapq.heappush(events, (ask.start + needs[place].after, _ASK, number, place))
            following = next(coming, None)
        if not events or events[0][0] >= until:
            break
        now = events[0][0]
        touched: dict[str, _Pool] = {}
        while events and events[0][0] == now:
            _, kind, number, place = heapq.heappop(events)
            run = runs[number]
            need = run.needs[place]
            pool = touched[need.pool] = pools[need.pool]
            if kind == _END:
                pool.in_use -= need.slots
                for later in run.ended(place):
                    at = run.start + run.needs[later].after + run.late[later]
                    heapq.heappush(events, (max(now, at), _ASK, number, later))
                if run.is_over:
                    del runs[number]
            else:
                pool.ask(now, number, place, need)
        for pool in touched.values():
            for asked_at, number, place in pool.give():
                run = runs[number]
                need = run.needs[place]
                run.began(place, now - asked_at)
                heapq.heappush(events, (now + need.seconds, _END, number, place))
                yield Use(number, need, asked_at, now, pool.in_use)
    for pool in pools.values():
        for asked_at, number, place in pool.left():
            yield Use(number, runs[number].needs[place], asked_at, None, pool.in_use)


class _Pool:
    """A pool with so many slots in all, and who waits for them, by how many they ask for."""

    def __init__(self, slots: float) -> None:
        self._slots = slots
        self.in_use = 0
        self._waiting: dict[int, deque[tuple[float, int, int]]] = {}
        self._held: list[tuple[float, int, int]] = []

    def ask(self, now: float, number: int, place: int, need: Need) -> None:
        line = self._held if need.held else self._waiting.setdefault(need.slots, deque())
        line.extend([(now, number, place)] * need.copies)
        if need.held:
            self.in_use += need.slots * need.copies

    def give(self) -> Iterator[tuple[float, int, int]]:
        """Yield who gets slots now, in order: when they asked, and who they are."""
        yield from self._held
        self._held.clear()
        while True:
            fitting = [
                (line[0], size)
                for size, line in self._waiting.items()
                if line and size <= self._slots - self.in_use
            ]
            if not fitting:
                return
            first, size = min(fitting)
            self._waiting[size].popleft()
            self.in_use += size
            yield first

    def left(self) -> Iterator[tuple[float, int, int]]:
        """Yield who waits at the end."""
        for line in self._waiting.values():
            yield from line


@lru_cache(maxsize=4096)
def _order(needs: tuple[Need, ...]) -> tuple[list[list[int]], list[int]]:
    """Return, by need, those that come after its end, and after how many it comes itself.

    Remembered, as a DAG's runs need the same again and again.
    """
    ends = [need.after + need.seconds for need in needs]
    in_order = sorted(range(len(needs)), key=lambda place: needs[place].after)
    begins = [needs[place].after for place in in_order]
    after = [in_order[bisect_left(begins, end) :] for end in ends]
    ends.sort()
    return after, [bisect_right(ends, need.after) for need in needs]


class _Run:
    """A run under way: which of its needs wait for others of its own, and how late each is."""

    __slots__ = ("_after", "_left", "_unmet", "is_over", "late", "needs", "start")

    def __init__(self, start: float, needs: tuple[Need, ...]) -> None:
        self.start, self.needs = start, needs
        self._after, unmet = _order(needs)
        self._unmet = list(unmet)
        self._left = [need.copies for need in needs]
        self.late = [0.0] * len(needs)
        self.is_over = False

    def first(self) -> list[int]:
        """Return the needs that wait for no other."""
        return [place for place, unmet in enumerate(self._unmet) if not unmet]

    def began(self, place: int, waited: float) -> None:
        """Take down that a need got slots after it had *waited* so many seconds."""
        late = self.late[place] + waited
        for later in self._after[place]:
            self.late[later] = max(self.late[later], late)

    def ended(self, place: int) -> list[int]:
        """Take down that one use of a need has ended; return the needs that it was the last for."""
        self._left[place] -= 1
        if self._left[place]:
            return []
        for later in self._after[place]:
            self._unmet[later] -= 1
        self.is_over = not any(self._left)
        return [later for later in self._after[place] if not self._unmet[later]]


@dataclass(slots=True)
class Stretch:
    """The use of a pool in a stretch of time.

    *work* is slots times seconds, *by_user* the same by DAG; *peak* is the most slots in use at
    once. *waiting* is slots times seconds that needs waited for. *longest* is the longest wait that
    begins here, in seconds; where that wait is *open*, it lasts longer still.
    """

    work: float = 0.0
    peak: float = 0.0
    waiting: float = 0.0
    longest: float = 0.0
    open: bool = False
    by_user: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class Hours:
    """The use of one pool in *count* stretches of *length* seconds, from *start* (epoch) on."""

    def __init__(self, start: float, count: int, length: float = 3600) -> None:
        self.start, self.length = start, length
        self.stretches = [Stretch() for _ in range(count)]
        # What is taken when each stretch begins, as changes from the one before.
        self._steps = [0.0] * (count + 1)

    def add(self, use: Use, user: str) -> None:
        """Count one *use* of the pool, by *user*."""
        until = self.start + len(self.stretches) * self.length
        slots = use.need.slots
        waited_until = until if use.begun is None else use.begun
        if waited_until > use.asked:
            for number, work in self._inside(use.asked, waited_until, slots):
                self.stretches[number].waiting += work
            first = self._number(use.asked)
            if 0 <= first < len(self.stretches):
                at = self.stretches[first]
                if waited_until - use.asked >= at.longest:
                    at.longest, at.open = waited_until - use.asked, use.begun is None
        if use.begun is None:
            return
        ends = use.begun + use.need.seconds
        for number, work in self._inside(use.begun, ends, slots):
            stretch = self.stretches[number]
            stretch.work += work
            stretch.by_user[user] += work
        begins = self._number(use.begun)
        if 0 <= begins < len(self.stretches):
            at = self.stretches[begins]
            at.peak = max(at.peak, use.in_use)
        low = max(0, math.ceil((use.begun - self.start) / self.length))
        high = max(0, math.ceil((ends - self.start) / self.length))
        if low < high and low < len(self._steps):
            self._steps[low] += slots
            self._steps[min(high, len(self._steps) - 1)] -= slots

    def close(self) -> list[Stretch]:
        """Return the stretches after the last use; slots in use as they begin count as peak."""
        level = 0.0
        for stretch, step in zip(self.stretches, self._steps, strict=False):
            level += step
            stretch.peak = max(stretch.peak, level)
        return self.stretches

    def _number(self, at: float) -> int:
        return math.floor((at - self.start) / self.length)

    def _inside(self, begin: float, end: float, slots: float) -> list[tuple[int, float]]:
        begin = max(begin, self.start)
        end = min(end, self.start + len(self.stretches) * self.length)
        return list(spread(begin, end, slots, self.start, self.length))
