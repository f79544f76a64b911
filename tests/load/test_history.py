"""What recorded runs lead to expect, and how it adds up by the hour."""

from __future__ import annotations

import math
import random

import pytest

from calendar_timetable.load.history import (
    MOST_ALIKE,
    Need,
    TaskUse,
    joined,
    need_of,
    spread,
    usual,
    weekly,
)
from calendar_timetable.load.queueing import Ask, Hours, simulate

HOUR = 3600


def test_usual_lengths() -> None:
    assert usual([]) is None
    assert usual([7.0]) == (7, 7, 1, False)
    assert usual(range(100, 0, -1)) == (50, 95, 100, False)


def test_what_a_task_asks_for() -> None:
    assert need_of(TaskUse("a", 2, 30, 60, 10), 10) == Need("a", 2, 30, 60)
    assert need_of(TaskUse("a", 1, -3, 60, 4), 10) is None, "a branch that few runs took"
    assert need_of(TaskUse("a", 1, -3, 60, 6), 10) == Need("a", 1, 0, 60)
    mapped = need_of(TaskUse("a", 1, 0, 10, 30 * MOST_ALIKE), 10)
    assert mapped == Need("a", 1, 0, 30, MOST_ALIKE), "as much work, by fewer"


def test_tasks_in_a_row_are_as_one() -> None:
    row = [Need("a", 1, 0, 100), Need("a", 1, 104, 50), Need("a", 1, 165, 50)]
    assert joined(row) == (Need("a", 1, 0, 215),)
    beside = [Need("a", 1, 0, 100), Need("a", 1, 50, 100), Need("b", 1, 100, 10)]
    assert joined(beside) == (Need("a", 1, 0, 100), Need("a", 1, 50, 100), Need("b", 1, 100, 10))
    apart = [Need("a", 1, 0, 100), Need("a", 1, 130, 100), Need("a", 2, 100, 10)]
    assert joined(apart) == (Need("a", 1, 0, 100), Need("a", 2, 100, 10), Need("a", 1, 130, 100))
    mapped = [Need("a", 1, 0, 100, 5)]
    assert joined(mapped) == tuple(mapped)


def test_an_hour_of_the_week() -> None:
    assert weekly([]) is None
    assert weekly([4, 1, 2, 3]) == (2.5, 4, 4)


def test_work_is_spread_over_hours() -> None:
    assert list(spread(30, 250, 2, 0, 100)) == [(0, 140), (1, 200), (2, 100)]
    assert list(spread(-50, 0, 1, 0, 100)) == [(-1, 50)]


@pytest.mark.parametrize("seed", range(30))
def test_hours_against_every_second(seed: int) -> None:
    random_ = random.Random(seed)
    slots = random_.choice((1, 2, 4, math.inf))
    starts = sorted(random_.randint(0, 300) for _ in range(12))
    asks = [
        Ask(at, (Need("a", random_.choice((1, 1, 2)), 0, random_.randint(1, 90)),)) for at in starts
    ]
    uses = list(simulate(asks, {"a": slots}, 400))
    hours = Hours(0, 4, 100)
    for use in uses:
        hours.add(use, f"dag {use.number % 2}")
    in_use, waiting = [0] * 400, [0] * 400
    for use in uses:
        begun = 400 if use.begun is None else int(use.begun)
        for second in range(int(use.asked), min(400, begun)):
            waiting[second] += use.need.slots
        for second in range(begun, min(400, begun + int(use.need.seconds))):
            in_use[second] += use.need.slots
    for number, stretch in enumerate(hours.close()):
        inside = slice(100 * number, 100 * number + 100)
        assert stretch.work == sum(in_use[inside]) == sum(stretch.by_user.values())
        assert stretch.peak == max(in_use[inside])
        assert stretch.waiting == sum(waiting[inside])


def test_who_waits_for_how_long() -> None:
    asks = [Ask(at, (Need("a", 1, 0, 2 * HOUR),)) for at in (0, 600, 3 * HOUR)]
    hours = Hours(0, 4)
    for use in simulate(asks, {"a": 1}, 4 * HOUR):
        hours.add(use, "dag")
    first, _, _, last = hours.close()
    assert (first.longest, first.open) == (2 * HOUR - 600, False)
    assert (last.longest, last.open) == (HOUR, True), "it waits at least so long"
    assert last.waiting == HOUR
