"""What is expected to be in use at each time of a week, from what was in use in past weeks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from statistics import fmean

from calendar_timetable.planning.open_time import DAY

STEP_SECONDS = 300  # of every load here: how long each of its values holds
WEEK_STEPS = 7 * DAY // STEP_SECONDS
_SMOOTHED_STEPS = 12  # to each side: two hours


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
