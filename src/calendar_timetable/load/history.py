"""What recorded runs lead to expect: how long they take, and the slots they take meanwhile."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

_Number = TypeVar("_Number", int, float)

HIGH = 0.95  # of all runs end within the length that is told as the high one
_FAR = 4  # times the median: longer than runs of a DAG are wont to be
_HIGH_USE = 0.9  # of all weeks use no more than what is told as high
MOST_ALIKE = 100  # slots that one need asks for one by one; more are fewer that take longer
# Two needs of one run with a gap of this part of the first are as one.
_GAP = 0.1
_SHORT_GAP_SECONDS = 5


class Need(NamedTuple):
    """Slots of a *pool* that a run asks for *after* so many seconds, and keeps for *seconds*.

    It asks for so many *copies* at once, each of so many *slots*. Where these are *held*, the run
    has them already.
    """

    pool: str
    slots: int
    after: float
    seconds: float
    copies: int = 1
    held: bool = False


class Usual(NamedTuple):
    """How many seconds runs take, the *median* and the *high* one, and how many *runs* say so.

    *outlier* says that the high one is of one run alone, which took far longer than all others.
    """

    median: float
    high: float
    runs: int
    outlier: bool = False


def usual(lengths: Iterable[float]) -> Usual | None:
    """Return what *lengths* of runs, in seconds, lead to expect; ``None`` where there are none."""
    known = sorted(lengths)
    if not known:
        return None
    median, high = quantile(known, 0.5), quantile(known, HIGH)
    # Of few runs the high one is the longest.
    outlier = high == known[-1] > _FAR * median and len(known) > 1 and known[-2] <= _FAR * median
    return Usual(median, high, len(known), outlier)


def quantile(ascending: Sequence[_Number], part: float) -> _Number:
    """Return the least of some values that at least this *part* of them does not exceed."""
    return ascending[max(0, math.ceil(part * len(ascending)) - 1)]


class TaskUse(NamedTuple):
    """What the instances of a task took, in all runs that were looked at.

    Each asked for its *slots* so many seconds *after* the start of its run, and kept them for
    *seconds*, on average.
    """

    pool: str
    slots: int
    after: float
    seconds: float
    instances: int


def need_of(use: TaskUse, runs: int) -> Need | None:
    """Return what a task asks for in a run, as it did in so many *runs*.

    ``None`` for a task that ran in fewer than half of them.
    """
    copies = math.floor(use.instances / runs + 0.5)
    if copies < 1 or use.seconds <= 0:
        return None
    alike = min(copies, MOST_ALIKE)
    return Need(use.pool, use.slots, max(0.0, use.after), use.seconds * copies / alike, alike)


def joined(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return *needs* of one run, those that follow each other at once as one.

    Tasks in a row that take the same slots keep a pool as full as one long task does.
    """
    ends: defaultdict[tuple[str, int], deque[list[float]]] = defaultdict(deque)
    found: list[Need] = []
    for need in sorted(needs, key=lambda one: (one.after, one)):
        if need.copies > 1 or need.held:
            found.append(need)
            continue
        rows = ends[need.pool, need.slots]
        row = next((row for row in rows if _follows(row, need.after)), None)
        if row is None:
            rows.append([need.after, need.after + need.seconds])
        else:
            row[1] = need.after + need.seconds
    for (pool, slots), rows in ends.items():
        found += [Need(pool, slots, begin, end - begin) for begin, end in rows]
    return tuple(sorted(found, key=lambda one: (one.after, one)))


def _follows(row: Sequence[float], after: float) -> bool:
    gap = after - row[1]
    return 0 <= gap <= max(_SHORT_GAP_SECONDS, _GAP * (row[1] - row[0]))


class Weekly(NamedTuple):
    """What was used in one hour of the week: slots, in the *mean* and a *high* one of *weeks*."""

    mean: float
    high: float
    weeks: int


def weekly(used: Iterable[float]) -> Weekly | None:
    """Return what an hour of the week used, of the mean slots in use in each week's."""
    known = sorted(used)
    if not known:
        return None
    return Weekly(sum(known) / len(known), quantile(known, _HIGH_USE), len(known))


def spread(
    begin: float, end: float, slots: float, start: float, length: float
) -> Iterable[tuple[int, float]]:
    """Yield what *slots* from *begin* to *end* come to in each stretch of *length* seconds.

    That is the number of the stretch, counted from *start*, and slots times seconds.
    """
    at, number = begin, math.floor((begin - start) / length)
    while at < end:
        edge = min(end, start + (number + 1) * length)
        yield number, slots * (edge - at)
        at, number = edge, number + 1
