"""Past runs in the queues of pools once more, at the times they started or at others."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from calendar_timetable.load.history import Need, quantile
from calendar_timetable.load.queueing import Ask, simulate

MINUTE = 60
_NEARLY_ALL = 0.999  # of all minutes


class Taken(NamedTuple):
    """Slots in use of a pool: its *peak*, and the number that *nearly_all* minutes do not exceed.

    *waited* are the seconds for which all runs together waited, *longest* those of the longest
    wait; so many *runs* waited at all. *minutes* has the most slots in use in each minute; it is
    empty where none was ever used.
    """

    peak: int
    nearly_all: int
    waited: float
    longest: float
    runs: int
    minutes: Sequence[int]


class Replay(NamedTuple):
    """The slots in use of each of the *pools*.

    *late* has, by the number of a run, how many seconds later it ended because it waited.
    """

    pools: dict[str, Taken]
    late: dict[int, float]


@dataclass(slots=True)
class _Pool:
    changes: defaultdict[float, int] = field(default_factory=lambda: defaultdict(int))
    waited: float = 0.0
    longest: float = 0.0
    runs: set[int] = field(default_factory=set)


def replay(asks: Sequence[Ask], slots: Mapping[str, float], since: float, until: float) -> Replay:
    """Return what becomes of *asks*, which come in the order of their starts.

    Slots in use and waits are counted from *since* to *until*, both in epoch seconds. Pools have so
    many *slots*. A run that asks for more than a pool has asks for all of it: it did run, so the
    pool was larger then.
    """
    pools = {name: _Pool() for name in slots}
    late: dict[int, float] = {}
    fitting: dict[tuple[Need, ...], tuple[Need, ...]] = {}
    for ask in asks:
        if ask.needs not in fitting:
            fitting[ask.needs] = tuple(_fitting(need, slots) for need in ask.needs)
    fitting_asks = (ask._replace(needs=fitting[ask.needs]) for ask in asks)
    for use in simulate(fitting_asks, slots, math.inf):
        pool, need = pools[use.need.pool], use.need
        # A pool without slots gives none.
        begin = max(until, use.asked) if use.begun is None else use.begun
        if begin > use.asked:
            behind = begin - asks[use.number].start - need.after
            late[use.number] = max(behind, late.get(use.number, 0.0))
            if since <= use.asked < until:
                pool.waited += begin - use.asked
                pool.longest = max(pool.longest, begin - use.asked)
                pool.runs.add(use.number)
        if use.begun is not None:
            pool.changes[begin] += need.slots
            pool.changes[begin + need.seconds] -= need.slots
    by_pool = {}
    for name, pool in pools.items():
        minutes = most_by_minute(pool.changes, since, until) if pool.changes else []
        by_pool[name] = Taken(
            max(minutes, default=0),
            int(quantile(sorted(minutes), _NEARLY_ALL)) if minutes else 0,
            pool.waited,
            pool.longest,
            len(pool.runs),
            minutes,
        )
    return Replay(by_pool, late)


def _fitting(need: Need, slots: Mapping[str, float]) -> Need:
    has = slots.get(need.pool, math.inf)
    return need._replace(slots=int(has)) if 0 < has < need.slots else need


def most_by_minute(changes: Mapping[float, int], since: float, until: float) -> list[int]:
    """Return the most slots in use in each minute from *since* to *until*.

    *changes* has, by instant, how many slots are taken (or given back: below 0); times are in epoch
    seconds.
    """
    count = max(0, math.ceil((until - since) / MINUTE))
    minutes = [0] * count
    level, before = 0, -math.inf
    for at, change in sorted(changes.items()):
        if level and at > since:
            first = max(0, math.floor((before - since) / MINUTE)) if before > since else 0
            for minute in range(first, min(count, math.ceil((at - since) / MINUTE))):
                minutes[minute] = max(minutes[minute], level)
        level, before = level + change, at
        if at >= until:
            break
    return minutes
