"""What a run that is under way will still ask for."""

from __future__ import annotations

from calendar_timetable.load.history import Need
from calendar_timetable.load.remaining import Doing, remaining

USUALLY = {
    "first": Need("a", 1, 0, 600),
    "second": Need("a", 2, 610, 300),
    "beside": Need("b", 1, 100, 200),
}
NOW = 10_000.0


def test_nothing_has_begun() -> None:
    later = [Doing(task, "later", "a", 1, 1) for task in USUALLY]
    assert remaining(USUALLY, later, NOW, NOW) == tuple(
        sorted(USUALLY.values(), key=lambda need: need.after)
    )


def test_half_of_it_is_over() -> None:
    doing = [Doing("first", "holds", "a", 1, 1, NOW - 400), Doing("beside", "over", "b", 1, 1)]
    assert remaining(USUALLY, doing, NOW - 400, NOW) == (
        Need("a", 1, 0, 200, held=True),
        Need("a", 2, 210, 300),
    )


def test_what_takes_longer_moves_what_comes_after_it() -> None:
    doing = [Doing("first", "holds", "a", 1, 1, NOW - 2000), Doing("beside", "over", "b", 1, 1)]
    assert remaining(USUALLY, doing, NOW - 2000, NOW) == (
        Need("a", 1, 0, 200, held=True),
        Need("a", 2, 210, 300),
    )


def test_what_waits_asks_now() -> None:
    doing = [Doing("first", "over", "a", 1, 1), Doing("second", "waits", "a", 2, 1)]
    assert remaining(USUALLY, doing, NOW - 900, NOW)[1:] == (Need("b", 1, 0, 200),)
    assert remaining(USUALLY, doing, NOW - 900, NOW)[0] == Need("a", 2, 0, 300)


def test_of_a_mapped_task_some_are_over() -> None:
    doing = [
        Doing("first", "over", "a", 1, 3),
        Doing("first", "holds", "a", 1, 2, NOW - 100),
        Doing("first", "waits", "a", 1, 5),
    ]
    usually = {"first": Need("a", 1, 0, 300, 10)}
    assert set(remaining(usually, doing, NOW - 100, NOW)) == {
        Need("a", 1, 0, 200, 2, held=True),
        Need("a", 1, 0, 300, 5),
    }


def test_of_a_mapped_task_some_have_begun_and_some_come_later() -> None:
    usually = {"first": Need("a", 1, 0, 300, 10), "then": Need("a", 1, 310, 60)}
    deferred = Doing("first", "later", "a", 1, 4)
    holding = Doing("first", "holds", "a", 1, 6, NOW - 100)
    assert remaining(usually, [holding, deferred], NOW - 100, NOW) == (
        Need("a", 1, 0, 200, 6, held=True),
        Need("a", 1, 0, 300, 4),
        Need("a", 1, 310, 60),
    )
    over = Doing("first", "over", "a", 1, 6)
    assert remaining(usually, [over, deferred], NOW - 100, NOW) == (
        Need("a", 1, 0, 300, 4),
        Need("a", 1, 310, 60),
    ), "what comes after it waits for them"
    begun = Doing("then", "over", "a", 1, 1)
    assert remaining(usually, [over, begun], NOW - 100, NOW) == ()


def test_without_history_a_task_goes_on_as_long_as_it_has() -> None:
    doing = [Doing("new", "holds", "a", 1, 1, NOW - 500), Doing("next", "later", "a", 1, 1)]
    assert remaining({}, doing, NOW - 500, NOW) == (Need("a", 1, 0, 500, held=True),)
