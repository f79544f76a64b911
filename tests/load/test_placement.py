"""Where runs are put: little at once, the same each time, and few moves by an edit."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable.load.history import STEP_SECONDS, WEEK_STEPS, Need, expected_week
from calendar_timetable.load.placement import Load, Work, place, why
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.spans import Spans

HOUR = 3600
DAY_STEPS = DAY // STEP_SECONDS


def nightly(
    dag_id: str, hours: float = 1, slots: int = 1, due: int = 0, room: int = 8, days: int = 14
) -> Work:
    """A DAG that is due each day at the hour *due*, and may start in so many hours from then on."""
    dues = [day * DAY + due * HOUR for day in range(days)]
    return Work(
        dag_id,
        (Need("gpu", slots, 0, hours * HOUR),),
        tuple((at, Spans(((at, at + room * HOUR + 1),))) for at in dues),
    )


def empty(days: int = 15) -> dict[str, Load]:
    return {"gpu": Load(0, [0.0] * (days * DAY_STEPS))}


def test_eight_hours_of_work_in_eight_hours_of_room_run_one_after_the_other() -> None:
    load = empty()

    delays = place([nightly(f"dag_{n}") for n in range(8)], load)

    assert sorted(delays.values()) == [n * HOUR for n in range(8)]
    assert max(load["gpu"].steps) == 1


def test_what_is_busy_by_hand_is_left_alone() -> None:
    load = {"gpu": Load(0, [5.0 if step % DAY_STEPS < 72 else 1.0 for step in range(15 * 288)])}

    delays = place([nightly("training", hours=2)], load)

    assert delays == {"training": 6 * HOUR}, "once the first six hours of the day are over"
    reason = why(nightly("training", hours=2), 6 * HOUR, load)
    assert reason is not None
    assert (reason.pool, reason.since, reason.until) == ("gpu", 0, 6 * HOUR)


def test_one_that_starts_when_due_has_no_reason() -> None:
    work, load = nightly("training"), empty()

    assert place([work], load) == {"training": 0}
    assert why(work, 0, load) is None


def test_nothing_is_put_where_time_is_closed() -> None:
    closed = Spans(((2 * HOUR, 3 * HOUR), (7 * HOUR, 8 * HOUR)))
    work = [Work(f"dag_{n}", (Need("gpu", 1, 0, HOUR),), ((0.0, closed),)) for n in range(9)]

    delays = place(work, empty())

    for one in work:
        assert all(start in closed for start in one.starts(delays[one.dag_id]))
    assert {delay < 4 * HOUR for delay in delays.values()} == {True, False}, "both are used"


def test_a_run_that_asks_twice_leaves_what_lies_between_to_others() -> None:
    twice = Work(
        "twice",
        (Need("gpu", 4, 0, HOUR), Need("gpu", 4, 3 * HOUR, HOUR)),
        ((0.0, Spans(((0, 1),))),),
    )
    load = empty()

    delays = place([twice, nightly("short", hours=1, slots=4, room=3, days=1)], load)

    assert delays["short"] in (HOUR, 2 * HOUR)
    assert max(load["gpu"].steps) == 4


@pytest.mark.parametrize("hour", range(0, 168, 5))
@pytest.mark.parametrize(("every", "room"), [(1, 23), (1, 12), (7, 166), (14, 300)])
def test_alone_in_an_empty_pool_it_starts_when_due(hour: int, every: int, room: int) -> None:
    """Whenever the command is run: what a delay moves past the two weeks does not vanish."""
    begin = hour * HOUR
    dues = [day * DAY + HOUR for day in range(0, 28, every) if begin <= day * DAY + HOUR]
    mine = [due for due in dues if due < begin + 14 * DAY]
    work = Work(
        "dag",
        (Need("gpu", 1, 0, 2 * HOUR),),
        tuple((float(due), Spans(((due, due + room * HOUR),))) for due in mine),
    )

    for load in (0.0, 2.0):
        assert place([work], {"gpu": Load(begin, [load] * (14 * DAY_STEPS))}) == {"dag": 0}


def test_a_small_pool_is_not_drowned_by_a_large_one() -> None:
    """Each task is counted in its own pool: eight hours of a GPU fit one after the other."""
    needs = (Need("default", 1, 0, 600), Need("gpu", 1, 0, HOUR))
    work = [replace(nightly(f"dag_{n}", days=14), needs=needs) for n in range(8)]
    busy = [300.0 + step % 7 for step in range(14 * DAY_STEPS)]
    load = {"gpu": Load(0, [0.0] * len(busy), 2), "default": Load(0, busy, 1_000)}

    place(work, load)

    assert max(load["gpu"].steps) == 1


def test_a_pool_that_nobody_knows_counts_for_nothing() -> None:
    work = Work("dag", (Need("gone", 1, 0, HOUR),), ((0.0, Spans(((0, HOUR),))),))

    assert place([work], empty()) == {"dag": 0}


def a_deployment(seed: int, count: int = 60) -> list[Work]:
    draw = random.Random(seed)
    return [
        nightly(
            f"dag_{n:03}",
            hours=draw.choice([0.25, 0.5, 1, 2, 5]),
            slots=draw.choice([1, 1, 2, 4]),
            due=draw.choice([0, 0, 1, 2, 6, 22]),
            room=draw.choice([0, 2, 8, 8, 20, 20]),
        )
        for n in range(count)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_peak_is_much_lower_than_where_all_start_when_due(seed: int) -> None:
    work = a_deployment(seed)
    when_due, load = empty(16), empty(16)
    for one in work:
        for start, need in itertools.product(one.starts(0), one.needs):
            when_due["gpu"].add(start, need.seconds, need.slots)

    place(work, load)

    assert max(load["gpu"].steps) <= 0.75 * max(when_due["gpu"].steps)


@given(order=st.permutations(range(12)))
def test_the_order_in_which_dags_are_told_changes_nothing(order: list[int]) -> None:
    work = a_deployment(7, 12)

    assert place([work[n] for n in order], empty(16)) == place(work, empty(16))


def test_a_dag_more_moves_no_other_and_finds_the_room_that_is_left() -> None:
    work = [nightly(f"dag_{n}") for n in range(7)]
    kept = place(work, empty())
    load = empty()

    after = place([*work, nightly("one_more")], load, kept)

    assert {dag_id: after[dag_id] for dag_id in kept} == kept
    assert max(load["gpu"].steps) == 1


def test_a_dag_whose_place_is_closed_by_now_gets_another_one() -> None:
    later = Work("dag", (Need("gpu", 1, 0, HOUR),), ((0.0, Spans(((2 * HOUR, 4 * HOUR),))),))

    assert place([later], empty(), {"dag": HOUR}) == {"dag": 2 * HOUR}
    assert place([later], empty(), {"dag": 3 * HOUR}) == {"dag": 3 * HOUR}


def test_weeks_that_agree_are_expected_again() -> None:
    week = [float(step % DAY_STEPS >= 144) * 8 for step in range(WEEK_STEPS)]

    told = expected_week([week, week, week])

    assert told[72] == pytest.approx(0)
    assert told[216] == pytest.approx(8)


def test_what_happened_once_is_not_expected_again() -> None:
    draw = random.Random(3)
    hours = [[draw.choice([0.0, 8.0]) for _ in range(168)] for _ in range(2)]
    weeks = [[load for load in week for _ in range(12)] for week in hours]

    told = expected_week(weeks)

    level = sum(map(sum, weeks)) / 2 / WEEK_STEPS
    assert max(abs(load - level) for load in told) < 1.5, "nearly flat"


def test_a_single_week_says_how_much_and_not_when() -> None:
    assert set(expected_week([[0.0, 4.0] * (WEEK_STEPS // 2)])) == {2.0}
    assert expected_week([]) == [0.0] * WEEK_STEPS
