"""Who gets slots of a pool when, against a simulation of every second, and what people would see."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import pytest

from calendar_timetable.load.history import Need
from calendar_timetable.load.queueing import Ask, Use, _order, simulate
from tests.support.processor import processor_seconds

UNLIMITED = math.inf


def brute(
    asks: Sequence[Ask], slots: dict[str, float], until: int
) -> dict[tuple[int, int], list[tuple[int, int | None]]]:
    """By run and need: when each of its instances asks, and begins; second by second."""
    found: dict[tuple[int, int], list[tuple[int, int | None]]] = {}
    taken = dict.fromkeys(slots, 0)
    waiting: dict[str, list[tuple[int, int, int]]] = {name: [] for name in slots}
    running: list[tuple[int, int, int]] = []  # until, run, need
    late: dict[tuple[int, int], int] = {}
    over: dict[tuple[int, int], int] = {}
    asked: set[tuple[int, int]] = set()
    for now in range(until):
        for end, number, place in [one for one in running if one[0] == now]:
            running.remove((end, number, place))
            need = asks[number].needs[place]
            taken[need.pool] -= need.slots
            over[number, place] = over.get((number, place), 0) + 1
        for number, ask in enumerate(asks):
            for place, need in enumerate(ask.needs):
                if (number, place) in asked or need.pool not in slots:
                    continue
                before = [
                    n
                    for n, one in enumerate(ask.needs)
                    if one.pool in slots and one.after + one.seconds <= need.after
                ]
                if any(over.get((number, n), 0) < ask.needs[n].copies for n in before):
                    continue
                delay = max((late[number, n] for n in before), default=0)
                if ask.start + need.after + delay > now:
                    continue
                asked.add((number, place))
                found[number, place] = [(now, None)] * need.copies
                late[number, place] = delay
                if need.held:
                    taken[need.pool] += need.slots * need.copies
                    found[number, place] = [(now, now)] * need.copies
                    running += [(now + int(need.seconds), number, place)] * need.copies
                else:
                    waiting[need.pool] += [(now, number, place)] * need.copies
        for name, line in waiting.items():
            for one in list(line):
                at, number, place = one
                need = asks[number].needs[place]
                if taken[name] + need.slots <= slots[name]:
                    line.remove(one)
                    taken[name] += need.slots
                    which = found[number, place].index((at, None))
                    found[number, place][which] = (at, now)
                    before = [
                        n
                        for n, other in enumerate(asks[number].needs)
                        if other.pool in slots and other.after + other.seconds <= need.after
                    ]
                    own = max((late[number, n] for n in before), default=0) + now - at
                    late[number, place] = max(late[number, place], own)
                    running.append((now + int(need.seconds), number, place))
        for name, line in waiting.items():
            assert all(
                taken[name] + asks[number].needs[place].slots > slots[name]
                for _, number, place in line
            )
    return found


def told(uses: Sequence[Use], asks: Sequence[Ask]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for use in uses:
        place = asks[use.number].needs.index(use.need)
        found.setdefault((use.number, place), []).append((use.asked, use.begun))
    return {key: sorted(each, key=str) for key, each in found.items()}


@pytest.mark.parametrize("seed", range(200))
def test_it_agrees_with_a_simulation_of_every_second(seed: int) -> None:
    random_ = random.Random(seed)
    slots = {"a": random_.choice((0, 1, 2, 3, 5, UNLIMITED)), "b": random_.randint(1, 4)}
    until = 120
    asks = []
    for start in sorted(random_.randint(0, 80) for _ in range(random_.randint(1, 12))):
        needs = {
            Need(
                random_.choice(("a", "a", "b", "gone")),
                random_.choice((1, 1, 1, 2, 4)),
                random_.choice((0, 0, 3, 7, 15, 30)),
                random_.randint(1, 20),
                random_.choice((1, 1, 1, 3)),
                held=start < 4 and random_.random() < 0.2,
            )
            for _ in range(random_.randint(1, 4))
        }
        asks.append(Ask(start, tuple(sorted(needs, key=lambda one: (one.after, one)))))
    uses = list(simulate(asks, slots, until))
    expected = {k: sorted(each, key=str) for k, each in brute(asks, slots, until).items()}
    assert told(uses, asks) == expected
    begins = [use.begun for use in uses if use.begun is not None]
    assert begins == sorted(begins), "in the order in which they begin"


def begun(asks: Sequence[Ask], slots: dict[str, float], until: float = 1e6) -> list[object]:
    return [use.begun for use in simulate(asks, slots, until)]


def test_in_the_order_in_which_slots_are_asked_for() -> None:
    asks = [Ask(at, (Need("a", 1, 0, 100),)) for at in (0, 1, 2)]
    assert begun(asks, {"a": 1}) == [0, 100, 200]
    assert begun(asks, {"a": 2}) == [0, 1, 100]
    assert begun(asks, {"a": UNLIMITED}) == [0, 1, 2], "a pool without end"
    assert begun(asks, {"a": 0}) == [None] * 3, "a pool that gives nothing"


def test_who_asks_for_more_than_is_free_is_passed() -> None:
    asks = [
        Ask(0, (Need("a", 1, 0, 100),)),
        Ask(1, (Need("a", 2, 0, 100),)),
        Ask(2, (Need("a", 1, 0, 10),)),
        Ask(3, (Need("a", 3, 0, 10),)),  # never fits
    ]
    found = {use.number: use.begun for use in simulate(asks, {"a": 2}, 1000)}
    assert found == {0: 0, 1: 100, 2: 2, 3: None}


def test_a_wait_moves_what_comes_after_it() -> None:
    first = Ask(0, (Need("a", 1, 0, 100),))
    chain = Ask(10, (Need("a", 1, 0, 20), Need("b", 1, 5, 10), Need("b", 1, 25, 10)))
    found = {
        use.need: (use.asked, use.begun)
        for use in simulate([first, chain], {"a": 1, "b": 5}, 1000)
        if use.number == 1
    }
    assert list(found.values()) == [(15, 15), (10, 100), (125, 125)]


def test_what_is_held_stays_where_a_pool_has_become_smaller() -> None:
    held = [Ask(0, (Need("a", 1, 0, 50, held=True),)) for _ in range(4)]
    found = list(simulate([*held, Ask(1, (Need("a", 1, 0, 10),))], {"a": 2}, 1000))
    assert [use.begun for use in found] == [0, 0, 0, 0, 50]
    assert max(use.in_use for use in found) == 4


def test_mapped_tasks_wait_each_by_itself() -> None:
    assert begun([Ask(0, (Need("a", 1, 0, 10, 5),))], {"a": 2}) == [0, 0, 10, 10, 20]


@pytest.mark.parametrize("seed", range(20))
def test_a_need_comes_after_those_that_have_ended_before_it(seed: int) -> None:
    random_ = random.Random(seed)
    needs = tuple(Need("p", 1, random_.randint(0, 9), random_.randint(0, 4)) for _ in range(seed))
    after, unmet = _order(needs)
    for place, need in enumerate(needs):
        later = {n for n, other in enumerate(needs) if need.after + need.seconds <= other.after}
        assert {*after[place]} == later and len(after[place]) == len(later)
        assert unmet[place] == sum(place in some for some in after)


def test_a_run_of_very_many_tasks_costs_little() -> None:
    needs = tuple(Need("p", 1, 10.0 * n, 100.0) for n in range(2000))
    assert processor_seconds(lambda: list(simulate([Ask(0, needs)], {"p": 9.0}, math.inf))) < 5
