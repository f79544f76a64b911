"""What pools saw of runs, in plain numbers."""

from __future__ import annotations

import math

import pytest

from calendar_timetable.load.history import Need
from calendar_timetable.load.queueing import Ask
from calendar_timetable.load.replay import most_by_minute, replay


def hour_long(pool: str = "gpu", slots: int = 1) -> tuple[Need, ...]:
    return (Need(pool, slots, 0, 3600),)


def test_two_at_once_in_a_pool_with_one_slot() -> None:
    found = replay([Ask(0, hour_long()), Ask(600, hour_long())], {"gpu": 1}, 0, 86400)
    taken = found.pools["gpu"]
    assert taken[:5] == (1, 1, 3000, 3000, 1)
    assert sum(taken.minutes) == 120
    assert found.late == {1: 3000}


def test_two_at_once_where_there_is_room() -> None:
    found = replay([Ask(0, hour_long()), Ask(600, hour_long())], {"gpu": math.inf}, 0, 86400)
    assert found.pools["gpu"][:5] == (2, 2, 0, 0, 0)
    assert found.late == {}


def test_a_peak_of_one_minute_in_two_weeks_is_left_out_of_nearly_all() -> None:
    asks = [Ask(0, (Need("gpu", 1, 0, 14 * 86400),)), Ask(3600, (Need("gpu", 7, 0, 60),))]
    taken = replay(asks, {"gpu": 8}, 0, 14 * 86400).pools["gpu"]
    assert (taken.peak, taken.nearly_all) == (8, 1)


def test_later_needs_of_a_run_that_waited_are_late_as_well() -> None:
    needs = (Need("gpu", 1, 0, 60), Need("cpu", 1, 60, 60))
    found = replay([Ask(0, hour_long()), Ask(0, needs)], {"gpu": 1, "cpu": 1}, 0, 86400)
    assert found.late == {1: 3600}
    assert found.pools["cpu"].runs == 0, "it asks later, and gets at once"
    assert found.pools["cpu"].minutes[61] == 1


def test_only_the_time_looked_at_is_told() -> None:
    asks = [Ask(0, hour_long()), Ask(60, hour_long()), Ask(7200, hour_long())]
    taken = replay(asks, {"gpu": 1, "idle": 4}, 3600, 7200).pools
    assert taken["gpu"][:5] == (1, 1, 0, 0, 0), "who waits had asked before"
    assert list(taken["gpu"].minutes) == [1] * 60
    assert taken["idle"] == (0, 0, 0, 0, 0, [])


def test_who_asked_for_more_than_there_is_now_gets_all() -> None:
    taken = replay([Ask(0, hour_long(slots=8))], {"gpu": 2}, 0, 86400).pools["gpu"]
    assert (taken.peak, taken.waited) == (2, 0)


def test_a_pool_without_slots_gives_none() -> None:
    found = replay([Ask(0, hour_long())], {"gpu": 0}, 0, 7200)
    assert found.pools["gpu"][:5] == (0, 0, 7200, 7200, 1)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [0, 0, 0]),
        ({0: 1, 60: -1}, [1, 0, 0]),
        ({59: 2, 61: -2}, [2, 2, 0]),
        ({70: 2, 80: 1, 90: -3}, [0, 3, 0]),
        ({-500: 1, 61: 1, 62: -1, 500: -1}, [1, 2, 1]),
        ({-500: 1, 0: -1}, [0, 0, 0]),
        ({150: 4, 9000: -4}, [0, 0, 4]),
    ],
)
def test_the_most_in_each_minute(changes: dict[float, int], expected: list[int]) -> None:
    assert most_by_minute(changes, 0, 180) == expected
