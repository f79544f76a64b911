"""Spread the runs of many DAGs over the time in which they may start, so that little runs at once.

Every DAG gets one delay after its due times. Delays are chosen DAG by DAG, the one with the most
work first, where its runs add least to the load of their pools; then each is reconsidered once.
Nothing is random: the same work gets the same delays.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate

from calendar_timetable.load.history import STEP_SECONDS, Need
from calendar_timetable.planning.plan import put_in
from calendar_timetable.planning.spans import Spans

# The cost of a step is its load to this power: peaks count, and so does what is close to one.
_POWER = 8
_LARGEST = 100_000.0  # slots that a pool without end is taken to have
_MOST_CHOICES = 96  # of a delay: a quarter of an hour apart where there is a day's room
_PASSES = 2


@dataclass(frozen=True)
class Work:
    """The runs of one DAG in the time that is looked at, and what each of them *needs*.

    *room* has, for each due time in epoch seconds, when its run may start; that is never empty.
    *fixed* is when those start that are not put, in epoch seconds.
    """

    dag_id: str
    needs: tuple[Need, ...]
    room: tuple[tuple[float, Spans], ...]
    fixed: tuple[float, ...] = ()

    @cached_property
    def amount(self) -> float:
        """What all its runs take, in slots times seconds."""
        return sum(need.copies * need.slots * need.seconds for need in self.needs) * (
            len(self.room) + len(self.fixed)
        )

    @cached_property
    def delays(self) -> tuple[int, ...]:
        """The delays to choose from, in seconds: from the earliest start on, where time is open."""
        if not self.room:
            return (0,)
        first = min(int(room.bounds[0] - due) for due, room in self.room)
        last = max(int(room.bounds[-1] - 1 - due) for due, room in self.room)
        apart = -(-max(last - first, 0) // _MOST_CHOICES // STEP_SECONDS) * STEP_SECONDS
        choices = range(first, last + 1, apart or STEP_SECONDS)
        return tuple(delay for delay in choices if self.takes(delay)) or (first,)

    def takes(self, delay: int) -> bool:
        """Tell whether some run may start so long after it is due."""
        return any(due + delay in room for due, room in self.room)

    def starts(self, delay: int) -> list[float]:
        """Return when its runs start with that *delay*, in epoch seconds."""
        return [*self.fixed, *(put_in(room, due, delay) for due, room in self.room)]

    def add_to(self, load: Mapping[str, Load], delay: int, sign: int = 1) -> None:
        """Add its runs with that *delay* to the *load* of their pools, or take them away."""
        for start in self.starts(delay):
            for need in self.needs:
                if need.pool in load:
                    slots = sign * need.slots * need.copies
                    load[need.pool].add(start + need.after, need.seconds, slots)


@dataclass(frozen=True)
class Load:
    """The slots of a pool that are in use from *begin* on, in epoch seconds, by steps.

    After the last step comes the first one again: what is put beyond the end does not vanish. The
    pool has *size* slots, and ``inf`` if it has no end.
    """

    begin: float
    steps: list[float]
    size: float = 1.0

    def at(self, instant: float) -> float:
        """Return how many are in use at *instant*."""
        return self.steps[int((instant - self.begin) // STEP_SECONDS) % len(self.steps)]

    def copy(self) -> Load:
        """Return the same, for something else to be added."""
        return replace(self, steps=list(self.steps))

    def add(self, start: float, seconds: float, slots: float) -> None:
        """Add *slots* that are in use for so many *seconds* from *start* on."""
        for low, high in self.touched(start, seconds):
            for index in range(low, high):
                self.steps[index] += slots

    def touched(self, start: float, seconds: float) -> list[tuple[int, int]]:
        """Return the ranges of steps in which something that lasts from *start* on is in use.

        Two ranges where it goes on past the last step. What lasts longer than all steps touches
        each of them once.
        """
        most = len(self.steps)
        first = int((start - self.begin) // STEP_SECONDS)
        length = min(-int((self.begin - start - seconds) // STEP_SECONDS) - first, most)
        low = first % most
        if low + length <= most:
            return [(low, low + length)]
        return [(low, most), (0, low + length - most)]


def place(
    work: Sequence[Work], load: Mapping[str, Load], kept_delays: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the delay of each DAG of *work*, in seconds, by its id.

    *load* is what else is in use of each pool; the runs are added to it. Those that have
    *kept_delays* stay at these, as people have read them, unless time is closed then whenever they
    are due.
    """
    kept_delays = kept_delays or {}
    places = [_Place(dag_work, load) for dag_work in sorted(work, key=_most_first)]
    for place_ in places:
        delay = kept_delays.get(place_.work.dag_id)
        if delay is not None and place_.work.takes(delay):
            place_.put(delay)
            place_.stays = True
    for number in range(_PASSES):
        for place_ in places:
            if place_.delay is None:
                place_.put(place_.best())
            elif number and not place_.stays:
                place_.improve()
    return {place_.work.dag_id: place_.delay or 0 for place_ in places}


def _most_first(work: Work) -> tuple[float, str]:
    return -work.amount, work.dag_id


class _Place:
    """One DAG's runs in the *load* of the pools that they use."""

    def __init__(self, work: Work, load: Mapping[str, Load]) -> None:
        self.work, self._load = work, load
        self.delay: int | None = None
        self.stays = False
        self._needs = [need for need in work.needs if need.pool in load]
        # Asked for in each pass.
        self._known: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def put(self, delay: int) -> None:
        """Let its runs start with this *delay*."""
        self.delay = delay
        self._add(1)

    def improve(self) -> None:
        """Choose the delay again, now that other runs are in the load."""
        assert self.delay is not None
        self._add(-1)
        self.put(self.best())

    def best(self) -> int:
        """Return the delay that adds least to the cost; of equal ones the shortest."""
        costs = self._costs(self.work.delays)
        return self.work.delays[costs.index(min(costs))]

    def _add(self, sign: int) -> None:
        assert self.delay is not None
        self.work.add_to(self._load, self.delay, sign)

    def _costs(self, delays: Sequence[int]) -> list[float]:
        """Return what each of *delays* adds to the cost of the load."""
        costs = [0.0] * len(delays)
        for number, need in enumerate(self._needs):
            load, slots = self._load[need.pool], need.slots * need.copies
            # How full a pool gets counts. One without end does not get full.
            size = min(load.size, _LARGEST)
            added = accumulate(
                (
                    ((used + slots) / size) ** _POWER - (used / size) ** _POWER
                    for used in load.steps
                ),
                initial=0.0,
            )
            sums = array("d", added)
            for index, delay in enumerate(delays):
                for low, high in self._bounds(number, delay):
                    costs[index] += sums[high] - sums[low]
        return costs

    def _bounds(self, number: int, delay: int) -> list[tuple[int, int]]:
        ranges = self._known.get((number, delay))
        if ranges is None:
            need = self._needs[number]
            load = self._load[need.pool]
            ranges = self._known[number, delay] = [
                part
                for start in self.work.starts(delay)
                for part in load.touched(start + need.after, need.seconds)
            ]
        return ranges


@dataclass(frozen=True)
class Busier:
    """Why runs do not start at once: *pool* is busier from *since* to *until* than at their start.

    These are epoch seconds of the first due time: *since* is its earliest start.
    """

    pool: str
    since: float
    until: float


def why(work: Work, delay: int, load: Mapping[str, Load]) -> Busier | None:
    """Return why the runs of *work*, which are part of *load*, start with this *delay*.

    ``None`` where they start as early as they can, or the pool that they use most is no reason.
    """
    due, room = work.room[0]
    earliest, start = float(room.bounds[0]), put_in(room, due, delay)
    needs = [need for need in work.needs if need.pool in load]
    if start - earliest < STEP_SECONDS or not needs:
        return None
    most = max(needs, key=lambda need: need.copies * need.slots * need.seconds)
    pool = load[most.pool]
    own = sum(need.copies * need.slots for need in needs if need.pool == most.pool)
    parts = pool.touched(start + most.after, most.seconds)
    here = max((used for low, high in parts for used in pool.steps[low:high]), default=0.0) - own
    until = earliest
    while until < start and pool.at(until) > here:
        until += STEP_SECONDS
    return Busier(most.pool, earliest, min(until, start)) if until > earliest else None
