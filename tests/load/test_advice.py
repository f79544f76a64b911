"""Each kind of advice by literal numbers, and what falls just short of it."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from calendar_timetable.load import advice, history
from calendar_timetable.load.advice import Advice, Basis, Ends, Gain, Kind, Line, Pool, Wait
from calendar_timetable.load.history import STEP_SECONDS, Need, Usual
from calendar_timetable.load.placement import Load, Work
from calendar_timetable.load.queueing import Ask, simulate
from calendar_timetable.planning.plan import share_of
from calendar_timetable.planning.python import delta, later_cron
from calendar_timetable.planning.spans import Spans

HOUR = 3600
MINUTE = 60
FAIR, BAD, WORSE = Ends(14, 0, 0), Ends(14, 6, 0), Ends(12, 0, 2)


def test_a_duration_that_is_too_short() -> None:
    usual = Usual(100 * MINUTE, 161 * MINUTE, 20)
    told = advice.duration_advice("train", HOUR, usual, BAD, FAIR)
    assert told is not None
    assert told.python == (("train", "duration=timedelta(hours=2, minutes=45),"),)
    assert told.gain == Gain("runs in two weeks that may end in closed time", 6, 0)
    assert told.text == "train takes up to 2 h 41 min, and may still run when its time closes"
    assert told.evidence == (
        "19 of 20 runs took no longer than 2 h 41 min, half of them no longer than 1 h 40 min",
        "the file says 1 h",
        "of 14 runs in two weeks 6 may end in closed time, and 0 with 2 h 45 min",
    )
    assert str(told.basis) == "many runs: 20 of each DAG"


@pytest.mark.parametrize(
    ("given", "high", "runs", "better"),
    [
        (3600, 3600, 5, None),
        (3600, 3601, 5, 3900),
        (3600, 3601, 4, None),
        (0, 600, 5, None),
        (0, 601, 5, 900),
        (3600, 1800, 5, None),  # twice as long, not more
        (3600, 1799, 5, 1800),
        (3000, 1200, 5, None),  # half an hour more, not beyond
        (3001, 1200, 5, 1200),
        (3600, 0, 5, 300),
    ],
)
def test_where_a_duration_is_right(given: int, high: float, runs: int, better: int | None) -> None:
    assert advice.better_duration(given, Usual(high / 2, high, runs)) == better


def test_one_run_alone_says_no_duration() -> None:
    alone = history.usual([*[HOUR] * 9, 5 * HOUR])
    assert alone is not None and alone == (HOUR, 5 * HOUR, 10, True)
    assert advice.better_duration(HOUR, alone) is None
    for lengths in ([*[HOUR] * 9, 4 * HOUR], [*[HOUR] * 8, 5 * HOUR, 5 * HOUR]):
        known = history.usual(lengths)
        assert known is not None and not known.outlier, "not so far, or not alone"
        assert advice.better_duration(HOUR, known) is not None
    many = history.usual([*[HOUR] * 19, 5 * HOUR])
    assert many == (HOUR, HOUR, 20, False), "of twenty runs the longest does not count"


def test_of_few_runs_the_longest_is_told() -> None:
    told = advice.duration_advice("train", HOUR, Usual(HOUR, 2 * HOUR, 19), BAD, FAIR)
    assert told is not None
    assert told.evidence[0] == "the longest of 19 runs took 2 h, half of them no longer than 1 h"


def test_a_duration_is_not_advised_where_it_does_no_good() -> None:
    usual = Usual(HOUR, 2 * HOUR, 20)
    assert advice.duration_advice("a", HOUR, usual, FAIR, FAIR) is None, "windows are long enough"
    assert advice.duration_advice("a", HOUR, usual, BAD, BAD) is None
    assert advice.duration_advice("a", HOUR, usual, BAD, WORSE) is None, "no window is so long"
    none = advice.duration_advice("a", 0, usual, FAIR, FAIR)
    assert none is not None and none.gain == Gain("minutes kept free for each run", 0, 120)
    long = advice.duration_advice("a", 8 * HOUR, usual, FAIR, FAIR)
    assert long is not None and long.gain == Gain("minutes kept free for each run", 480, 120)
    assert long.text == "a keeps 8 h free for each run, and takes up to 2 h"


# --- pools -------------------------------------------------------------------------------------


def a_line(dag_id: str, at: float = HOUR, seconds: float = HOUR, slots: int = 1) -> Line:
    return Line(dag_id, (Need("gpu", slots, 0, seconds),), (at,), 12)


def a_pool(lines: Sequence[Line], slots: int = 4, weeks: int | None = 3) -> Pool:
    load = Load(0, [0.0] * (12 * HOUR // STEP_SECONDS))
    for line in lines:
        line.add_to({"gpu": load})
    return Pool("gpu", slots, {"gpu": load}, weeks)


def room_until(end: float, lines: Sequence[Line]) -> dict[str, Work]:
    return {
        line.dag_id: Work(line.dag_id, line.needs, ((line.starts[0], Spans(((HOUR, int(end)),))),))
        for line in lines
    }


def started(lines: Sequence[Line], until: float, slots: int = 4) -> Advice | None:
    return advice.start_advice(a_pool(lines, slots), lines, room_until(until, lines).get)


def test_a_start_that_lowers_the_peak() -> None:
    lines = [a_line(name) for name in "abcd"]
    told = started(lines, 5 * HOUR)
    assert told is not None
    assert told.gain == Gain("slots of 4 of pool gpu asked for at once, at most", 4, 1)
    assert set(told.dag_ids) < {"a", "b", "c", "d"}, "one of them stays"
    assert {code for _, code in told.python} == {"place=True,"}
    assert told.command == "calendar-timetable place --out placement.toml"
    assert str(told.basis) == "some runs: 12 of each DAG, 3 weeks of what else runs"
    assert started(lines[::-1], 5 * HOUR) == told, "whatever the order in which they are told"


def test_a_start_that_gains_too_little() -> None:
    lines = [a_line(name) for name in "abcd"]
    assert started(lines, HOUR + 1) is None, "there is no room"
    assert started(lines, 5 * HOUR, slots=9) is None, "the pool is not half full"
    assert started(lines, 5 * HOUR, slots=8) is not None
    assert started(lines, 5 * HOUR, slots=-1) is None, "it is never full"
    assert started(lines, 5 * HOUR, slots=0) is None, "nothing runs there"
    # Eleven slots become ten: less than a tenth.
    fixed = [a_line("big", slots=10, seconds=4 * HOUR), a_line("small")]
    pool, rooms = a_pool(fixed, 11), room_until(8 * HOUR, fixed[1:])
    assert advice.start_advice(pool, fixed, rooms.get) is None
    fixed[0] = a_line("big", slots=9, seconds=4 * HOUR)
    told = advice.start_advice(a_pool(fixed, 11), fixed, rooms.get)
    assert told is not None and told.dag_ids == ("small",), "ten become nine"


def staggered(line: Line, seconds: int) -> Sequence[float]:
    return [at + share_of(seconds, line.dag_id) for at in line.starts]


def stagger(lines: Sequence[Line], slots: int = 4) -> Advice | None:
    return advice.stagger_advice(
        a_pool(lines, slots), lines, staggered, lambda _, s: f"stagger={delta(s)},"
    )


def test_a_stagger_where_many_are_due_together() -> None:
    lines = [a_line(f"dag_{n}", seconds=900) for n in range(8)]
    told = stagger(lines)
    assert told is not None
    assert (told.gain.before, told.gain.after) == (8, 4)
    assert told.dag_ids == tuple(f"dag_{n}" for n in range(8))
    assert len({code for _, code in told.python}) == 1
    assert told.text == "8 DAGs are due in the same minute, as pool gpu gets fullest"
    assert stagger(lines[::-1]) == told
    lengths = [text.split(":")[0] for text in told.evidence[1:]]
    assert lengths == [f"with a stagger of {n}" for n in ("15 min", "30 min", "1 h", "2 h")]


def test_no_stagger_where_few_are_due_together_or_nothing_is_gained() -> None:
    lines = [a_line(f"dag_{n}", seconds=900) for n in range(5)]
    assert stagger(lines) is not None
    assert stagger(lines, -1) is None and stagger(lines, 0) is None
    assert stagger(lines[:4], 4) is None, "four are few"
    apart = [*lines[:4], a_line("dag_4", HOUR + 61, 900)]
    assert stagger(apart) is None, "another minute"
    assert stagger([a_line(f"dag_{n}", seconds=8 * HOUR) for n in range(5)]) is None
    elsewhere = [*lines, a_line("big", 5 * HOUR, slots=6)]
    assert stagger(elsewhere) is None, "the pool is fuller at another time"


# --- conflicts ---------------------------------------------------------------------------------


def waited(
    *,
    slots: int = 1,
    runs: int = 6,
    seconds: float = HOUR,
    need: int = 1,
    copies: tuple[int, int] = (1, 1),
) -> list[Wait]:
    """The second of two DAGs is due ten minutes after the first, once a day."""
    asks, names = [], []
    for day in range(runs):
        for n, name in enumerate(("first", "second")):
            start = day * 24 * HOUR + n * 600
            asks.append(Ask(start, (Need("gpu", need, 0, seconds / copies[n], copies[n]),)))
            names.append(name)
    pools = {"gpu": float(slots)}
    until = runs * 24 * HOUR
    return advice.waits(simulate(asks, pools, until), names.__getitem__, pools, until)


def test_who_waits_for_whom() -> None:
    assert waited() == [Wait("second", "first", "gpu", 6, 6 * 3000.0, 3000.0)]
    assert waited(slots=3, need=2) == [Wait("second", "first", "gpu", 6, 6 * 3000.0, 3000.0)]
    assert waited(slots=2) == [], "there is room for both"
    assert waited(seconds=600) == []
    assert waited(seconds=659) == [], "it waits less than a minute"
    assert waited(seconds=660) != []


def test_what_many_tasks_of_a_run_wait_at_once_counts_once() -> None:
    once = [Wait("second", "first", "gpu", 6, 6 * 3000.0, 3000.0)]
    assert waited(copies=(1, 20)) == once, "twenty wait for the one that has it"
    assert waited(copies=(20, 1)) == once, "and one for twenty, one after the other"
    assert waited(slots=3, need=2, copies=(1, 20)) == once
    assert advice.later_by(waited(copies=(1, 20))[0]) == HOUR


@pytest.mark.parametrize("seed", range(20))
def test_waits_are_those_of_every_pair(seed: int) -> None:
    """Each wait against each hold of the same pool, whenever that began."""
    random_ = random.Random(seed)
    pools = {"gpu": 4.0, "one": 1.0}
    starts = sorted(random_.uniform(0, 4 * 24 * HOUR) for _ in range(150))
    lengths = (30, 600, 2 * HOUR, *(30 * HOUR,) * (seed % 3 == 0))
    asks = [
        Ask(at, tuple(_drawn(random_, lengths) for _ in range(random_.randint(1, 2))))
        for at in starts
    ]
    until = 5.0 * 24 * HOUR
    uses = list(simulate(asks, pools, until))
    told = advice.waits(uses, lambda number: f"dag_{number % 7}", pools, until)
    every: dict[tuple[str, str, str], dict[int, set[float]]] = {}
    for use in uses:
        begin = until if use.begun is None else use.begun
        for hold in uses if begin - use.asked >= MINUTE else ():
            if hold.begun is None or hold.need.pool != use.need.pool:
                continue
            ends = hold.begun + hold.need.seconds
            low, high = max(hold.begun, use.asked), min(ends, begin)
            dags = f"dag_{use.number % 7}", f"dag_{hold.number % 7}"
            fits = use.need.slots + hold.need.slots <= pools[use.need.pool]
            if low < high and dags[0] != dags[1] and not fits:
                run = every.setdefault((*dags, use.need.pool), {}).setdefault(use.number, set())
                run |= {(low, high)}  # type: ignore[arg-type]
    assert {(wait.waiter, wait.holder, wait.pool): wait.runs for wait in told} == {
        key: len(runs) for key, runs in every.items()
    }
    assert told == sorted(told, key=lambda wait: (-wait.seconds, wait))


def _drawn(random_: random.Random, lengths: Sequence[float]) -> Need:
    pool, slots = random_.choice((("gpu", 1), ("gpu", 2), ("gpu", 3), ("one", 1)))
    return Need(pool, slots, random_.choice((0, 900)), random_.choice(lengths))


class _Looks(advice._Hold):
    """A hold that counts how often holds are looked at."""

    looks = 0

    @property
    def ends(self) -> float:  # type: ignore[override]
        _Looks.looks += 1
        return self[1]


@pytest.mark.parametrize(("slots", "all_wait"), [(1000, False), (1, True)])
def test_who_waits_costs_in_proportion_to_the_uses(
    slots: int, all_wait: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "_Hold", _Looks)

    def looks(number: int) -> int:
        asks = [Ask(5 * n, (Need("gpu", 1, 0, 5),)) for n in range(number)]
        # The first one keeps a slot for longer.
        asks[0] = Ask(0, (Need("gpu", 1, 0, 600),))
        pools = {"gpu": float(slots)}
        uses = list(simulate(asks, pools, math.inf))
        assert sum(use.begun != use.asked for use in uses) == (number - 1) * all_wait
        _Looks.looks = 0
        advice.waits(uses, str, pools, math.inf)
        return _Looks.looks

    assert looks(8000) <= 2.5 * looks(4000)


def test_what_is_a_conflict() -> None:
    six = Wait("second", "first", "gpu", 6, 1200, 200)
    assert advice.conflicts([six], 2) == [six]
    assert advice.conflicts([six._replace(runs=2)], 2) == []
    assert advice.conflicts([six._replace(seconds=1199)], 2) == []
    assert advice.later_by(six._replace(longest=900)) == 900
    assert advice.later_by(six._replace(longest=901)) == 1800


def test_advice_on_a_conflict() -> None:
    wait = Wait("second", "first", "gpu", 6, 18000, 3000)

    def told(after: float) -> Advice | None:
        python = "'10 3 * * *',  # instead of '10 2 * * *'"
        return advice.conflict_advice(wait, 1, (18000, after), 2, Basis(5), python)

    found = told(0)
    assert found is not None
    assert found.text == "second waits for first: pool gpu cannot serve both at once"
    assert found.gain == Gain("minutes a week waited for pool gpu", 150, 0)
    assert found.evidence == (
        "pool gpu has 1 slot",
        "6 runs of second wait in 2 weeks, each up to 50 min",
        "second would start 1 h later",
    )
    assert found.dag_ids == ("second", "first") and found.python[0][0] == "second"
    assert told(18000 - 1200) is not None and told(18000 - 1199) is None


# --- all of it ---------------------------------------------------------------------------------


def test_how_sure_it_is() -> None:
    levels = [
        Basis(*given).level
        for given in ((9,), (10,), (19, 2), (20,), (20, 4), (20, 3), (30, 1), (30, 0))
    ]
    assert levels == ["few", "some", "some", "many", "many", "some", "few", "few"]
    assert str(Basis(5)) == "few runs: 5 of each DAG"
    assert str(Basis(1, 1)) == "few runs: 1 of each DAG, 1 week of what else runs"
    assert str(Basis(0, 0)) == "few runs: none, no whole week of what else runs"


def test_the_order_and_the_bound() -> None:
    def one(dag_id: str, before: float, after: float) -> Advice:
        gain = Gain("slots", before, after)
        return Advice("start", (dag_id,), "text", gain, Basis(5), ())

    found = [one("c", 4, 2), one("a", 4, 2), one("b", 10, 1)]
    assert [told.dag_ids[0] for told in advice.by_gain(found)] == ["b", "a", "c"]
    ahead = [one("a", 0, 120), one("b", 10, 9)]
    assert [told.dag_ids[0] for told in advice.by_gain(ahead)] == ["b", "a"], "a trouble is first"
    many = [one(f"{n:02}", 4, 2) for n in range(80)]
    kinds: list[Kind] = ["start", "duration", "conflict", "stagger"]
    assert len(advice.by_gain(many)) == advice.MOST_OF_A_KIND
    mixed = [replace(told, kind=kinds[n % 4]) for n, told in enumerate(many)]
    assert len(advice.by_gain(mixed)) == advice.MOST


@pytest.mark.parametrize(
    ("cron", "seconds", "later"),
    [
        ("10 2 * * *", 3600, "10 3 * * *"),
        ("50 2 * * MON-FRI", 900, "5 3 * * MON-FRI"),
        ("44 23 * * *", 900, "59 23 * * *"),
        ("45 23 * * *", 900, None),
        ("50 23 * * *", 900, None),
        ("50 23 * * MON", 900, None),
        ("*/5 2 * * *", 900, None),
        ("0 2,3 * * *", 900, None),
        ("@daily", 900, None),
    ],
)
def test_a_cron_expression_that_is_later(cron: str, seconds: int, later: str | None) -> None:
    assert later_cron(cron, seconds) == later
