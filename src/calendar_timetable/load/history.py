"""What records lead to expect: how long runs take, their slots meanwhile, the load of a week."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from itertools import accumulate
from statistics import fmean
from typing import NamedTuple, TypeVar

from calendar_timetable.planning.open_time import DAY

_Number = TypeVar("_Number", int, float)

HIGH = 0.95  # part of all runs that take no longer than the high length
_FAR = 4  # times the median, beyond which a length is an outlier
_HIGH_USE = 0.9  # part of all weeks that use no more than the high value
MOST_ALIKE = 100  # copies of one need; instead of more, these take longer
# A gap of this part of the first need, or of so many seconds, does not part two needs of a run.
_GAP = 0.1
_SHORT_GAP_SECONDS = 5
STEP_SECONDS = 300  # of a load: how long each of its values holds
WEEK_STEPS = 7 * DAY // STEP_SECONDS
_SMOOTHED_STEPS = 12  # to each side: two hours


class Need(NamedTuple):
    """What a run asks of a *pool*, *after* so many seconds: *copies* at once, each of *slots*.

    It keeps them for *seconds*. Where they are *held*, the run has them already.
    """

    pool: str
    slots: int
    after: float
    seconds: float
    copies: int = 1
    held: bool = False


class Usual(NamedTuple):
    """The *median* and the *high* length of so many *runs*, in seconds.

    *outlier*: the high one is that of one run alone, which took far longer than all others.
    """

    median: float
    high: float
    runs: int
    outlier: bool = False


def usual(lengths: Iterable[float]) -> Usual | None:
    """Return the usual length of runs from their *lengths*, in seconds; ``None`` without any."""
    seconds = sorted(lengths)
    if not seconds:
        return None
    median, high = quantile(seconds, 0.5), quantile(seconds, HIGH)
    # Of few runs the high one is the longest.
    outlier = (
        high == seconds[-1] > _FAR * median and len(seconds) > 1 and seconds[-2] <= _FAR * median
    )
    return Usual(median, high, len(seconds), outlier)


def quantile(ascending: Sequence[_Number], part: float) -> _Number:
    """Return the least of the *ascending* values that at least this *part* of them stays within."""
    return ascending[max(0, math.ceil(part * len(ascending)) - 1)]


class TaskUse(NamedTuple):
    """What the instances of a task took in some runs of its DAG.

    On average, each asked for *slots* so many seconds *after* the start of its run, and kept them
    for *seconds*.
    """

    pool: str
    slots: int
    after: float
    seconds: float
    instances: int


def need_of(use: TaskUse, runs: int) -> Need | None:
    """Return what a task asks for in one run, from its *use* in so many *runs*.

    ``None`` for a task that ran in fewer than half of them.
    """
    copies = math.floor(use.instances / runs + 0.5)
    if copies < 1 or use.seconds <= 0:
        return None
    alike = min(copies, MOST_ALIKE)
    return Need(use.pool, use.slots, max(0.0, use.after), use.seconds * copies / alike, alike)


def joined(needs: Iterable[Need]) -> tuple[Need, ...]:
    """Return the *needs* of one run, with those that follow each other at once made one.

    Tasks in a row with the same slots keep a pool as full as one long task does.
    """
    ends: defaultdict[tuple[str, int], deque[list[float]]] = defaultdict(deque)
    run_needs: list[Need] = []
    for need in sorted(needs, key=lambda need: (need.after, need)):
        if need.copies > 1 or need.held:
            run_needs.append(need)
            continue
        rows = ends[need.pool, need.slots]
        row = next((row for row in rows if _follows(row, need.after)), None)
        if row is None:
            rows.append([need.after, need.after + need.seconds])
        else:
            row[1] = need.after + need.seconds
    for (pool, slots), rows in ends.items():
        run_needs += [Need(pool, slots, begin, end - begin) for begin, end in rows]
    return tuple(sorted(run_needs, key=lambda need: (need.after, need)))


def _follows(row: Sequence[float], after: float) -> bool:
    gap = after - row[1]
    return 0 <= gap <= max(_SHORT_GAP_SECONDS, _GAP * (row[1] - row[0]))


class Weekly(NamedTuple):
    """Slots used in one hour of the week: the *mean*, and a *high* value, of so many *weeks*."""

    mean: float
    high: float
    weeks: int


def weekly(used: Iterable[float]) -> Weekly | None:
    """Return the slots that an hour of the week uses, from those *used* in it week by week."""
    slots = sorted(used)
    if not slots:
        return None
    return Weekly(sum(slots) / len(slots), quantile(slots, _HIGH_USE), len(slots))


def spread(
    begin: float, end: float, slots: float, start: float, length: float
) -> Iterable[tuple[int, float]]:
    """Yield how much of *slots*, in use from *begin* to *end*, lies in each stretch of time.

    Stretches are *length* seconds long and counted from *start*: their number comes with slots
    times seconds.
    """
    at, number = begin, math.floor((begin - start) / length)
    while at < end:
        edge = min(end, start + (number + 1) * length)
        yield number, slots * (edge - at)
        at, number = edge, number + 1


def expected_week(weeks: Sequence[Sequence[float]]) -> list[float]:
    """Return the load to expect in a week, from that of whole past *weeks*; both by steps.

    That is their mean as far as they agree, and elsewhere the mean of all time: what happened in
    one week alone says little of the next. Two weeks that have nothing in common give a flat line,
    and so does a single one.
    """
    if not weeks:
        return [0.0] * WEEK_STEPS
    smooth = [_smoothed(week) for week in weeks]
    means = [fmean(values) for values in zip(*smooth, strict=True)]
    overall, count = fmean(means), len(weeks)
    between = fmean((mean - overall) ** 2 for mean in means)
    if count == 1 or not between:
        return [overall] * len(means)
    # Analysis of variance: how much of what differs between times of a week is chance. A week that
    # was busier as a whole says nothing of that.
    levels = [fmean(week) - overall for week in smooth]
    by_chance = fmean(
        sum((week[i] - levels[k] - mean) ** 2 for k, week in enumerate(smooth)) / (count - 1)
        for i, mean in enumerate(means)
    )
    agreement = max(0.0, 1 - by_chance / count / between)
    return [overall + agreement * (mean - overall) for mean in means]


def _smoothed(week: Sequence[float]) -> list[float]:
    """Return the mean of the steps around each one; a week follows itself."""
    width = 2 * _SMOOTHED_STEPS + 1
    around = [*week[-_SMOOTHED_STEPS:], *week, *week[:_SMOOTHED_STEPS]]
    sums = list(accumulate(around, initial=0.0))
    return [(sums[i + width] - sums[i]) / width for i in range(len(week))]
