"""The plan against a brute force that goes through time minute by minute.

The brute force is ``tests/support/brute.py``.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calendar_timetable.planning.late_start import late_start
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.plan import (
    PlacedTick,
    Placement,
    Policy,
    Tick,
    TickStream,
    place_ticks,
    put_in,
    same_hour,
)
from calendar_timetable.planning.spans import Spans
from tests.support.brute import Brute, Row, comparable, is_open
from tests.support.strategies import EPOCH, brutes, irregular_ticks
from tests.support.time_sets import Explicit


def open_time(brute: Brute) -> OpenTime:
    def rule(stretch: object) -> Explicit | None:
        if stretch is None:
            return None
        return Explicit([(EPOCH + a * 60, EPOCH + b * 60) for a, b in stretch])  # type: ignore[attr-defined]

    return OpenTime(rule(brute.windows), rule(brute.blackouts), None)


def laid_out(
    ticks: list[tuple[int, int]],
    brute: Brute,
    stagger: int = 0,
    placement: Placement | None = None,
) -> list[PlacedTick]:
    policy = Policy(
        when_blocked=brute.when_blocked,  # type: ignore[arg-type]
        duration=brute.duration * 60,
        max_delay=brute.max_delay * 60,
        coalesce=brute.coalesce,
        stagger=stagger,
        keep_hour="UTC" if brute.keep_hour else "",
        placement=placement,
    )
    given_ticks = [Tick(EPOCH + b * 60, EPOCH + a * 60, EPOCH + b * 60) for a, b in ticks]
    return list(place_ticks(given_ticks, policy, open_time(brute)))


def second(moment: float) -> int:
    """Return the whole second from the origin in which *moment* lies; microseconds tell apart."""
    return math.floor(moment - EPOCH)


def minute(moment: float) -> int:
    """Return the minute from the origin in which *moment* lies."""
    return second(moment) // 60


def placed_row(placed: PlacedTick) -> Row:
    tick = placed.tick
    return Row(
        minute(tick.due),
        None if placed.start is None else second(placed.start),
        placed.outcome,
        minute(tick.interval_start),
        minute(tick.interval_end),
    )


# Runs that keep their hour are always combined.
UNCOMBINED = {"coalesce": False, "keep_hour": False}
COMBINED = brutes().filter(lambda brute: brute.coalesce and not brute.keep_hour)
# A start just before the origin, which rounding toward zero would move into closed time.
JUST_BEFORE = Brute(None, [(0, 1)], "advance", 0, 1, coalesce=False)


@given(ticks=irregular_ticks(), brute=brutes())
@example(ticks=[(-60, 0)], brute=JUST_BEFORE)
def test_the_plan_is_the_brute_force(ticks: list[tuple[int, int]], brute: Brute) -> None:
    rows = [placed_row(p) for p in laid_out(ticks, brute)]

    assert comparable(rows) == comparable(brute.plan(ticks))


@given(ticks=irregular_ticks(), brute=brutes())
def test_ticks_increase_and_starts_never_go_back(
    ticks: list[tuple[int, int]], brute: Brute
) -> None:
    placed = laid_out(ticks, brute)
    starts = [p.start for p in placed if p.start is not None]

    assert all(a.tick.due < b.tick.due for a, b in pairwise(placed))
    assert all(a <= b for a, b in pairwise(starts))
    if brute.coalesce:
        assert all(a < b for a, b in pairwise(starts))


@given(ticks=irregular_ticks(), brute=brutes())
@example(ticks=[(-60, 0)], brute=JUST_BEFORE)
def test_the_whole_run_lies_in_open_time_and_near_its_tick(
    ticks: list[tuple[int, int]], brute: Brute
) -> None:
    for placed in laid_out(ticks, brute):
        if placed.start is None or placed.outcome == "forced":
            continue
        assert brute.fits(minute(placed.start))
        assert abs(placed.start - placed.tick.due) <= brute.max_delay * 60
        if placed.outcome == "on_time":
            assert placed.start == placed.tick.due


@given(ticks=irregular_ticks(), brute=brutes())
def test_without_coalescing_every_tick_that_fits_somewhere_runs(
    ticks: list[tuple[int, int]], brute: Brute
) -> None:
    brute = Brute(**vars(brute) | UNCOMBINED)
    alone = [brute.place(due)[0] for _, due in ticks]
    placed = laid_out(ticks, brute)

    assert [None if p.start is None else second(p.start) for p in placed] == alone


@given(ticks=irregular_ticks(), brute=brutes(), share=st.integers(0, 4 * 3600))
@example(ticks=[(-60, 0)], brute=JUST_BEFORE, share=0)
def test_stagger_moves_every_start_and_none_too_far(
    ticks: list[tuple[int, int]], brute: Brute, share: int
) -> None:
    placed = laid_out(ticks, brute, stagger=share)
    starts = [p.start for p in placed if p.start is not None]

    assert [p.tick.due for p in placed] == [EPOCH + due * 60 for _, due in ticks]
    assert all(a <= b for a, b in pairwise(starts))
    dues = [p.tick.due for p in placed]
    for run in placed:
        alone, outcome = brute.place(minute(run.tick.due))
        if run.start is None:
            assert alone is None or (brute.coalesce and run.outcome == "coalesced")
            continue
        assert alone is not None
        moved = second(run.start) - alone
        assert 0 <= moved <= share
        if outcome in ("advanced", "forced"):
            assert moved == 0, "later it would not fit, or it is to start when due"
            continue
        # The start may be off the minute: its own second and the last second of the run must be
        # open.
        assert brute.fits(minute(run.start))
        assert (
            second(run.start) % 60 == 0 or brute.duration == 0 or brute.fits(minute(run.start) + 1)
        )
        assert run.start - run.tick.due <= brute.max_delay * 60
        following = next((due for due in dues if due > EPOCH + alone), None)
        assert following is None or run.start < following
        # There was no room for all of it before open time ends, the next due time, or max_delay.
        if moved < share:
            full = alone + share
            # No start is put into the last five minutes.
            edge = full if brute.duration else full + 299
            closes = not all(map(brute.fits, range(alone // 60, -(-edge // 60) + 1)))
            late = full > second(run.tick.due) + brute.max_delay * 60
            assert closes or late or (following is not None and EPOCH + full >= following)


@given(ticks=irregular_ticks(), brute=COMBINED, delay=st.integers(0, 100_000))
def test_a_run_is_put_where_the_placement_says_or_elsewhere_in_its_room(
    ticks: list[tuple[int, int]], brute: Brute, delay: int
) -> None:
    placed = laid_out(ticks, brute, placement=Placement(delay))
    alone = laid_out(ticks, brute)
    starts = [p.start for p in placed if p.start is not None]

    assert [p[:1] + p[2:3] for p in placed] == [p[:1] + p[2:3] for p in alone]
    assert all(a <= b for a, b in pairwise(starts))
    dues = [p.tick.due for p in placed]
    for run, unmoved in zip(placed, alone, strict=True):
        if run.start is None or unmoved.start is None or run.outcome in ("advanced", "forced"):
            assert run.start == unmoved.start
            continue
        following = next((due for due in dues if due > unmoved.start), math.inf)
        assert unmoved.start <= run.start <= run.tick.due + brute.max_delay * 60
        assert run.start < following
        wanted = run.tick.due + delay
        # Without a duration no start is put into the last five minutes.
        ends = second(wanted) + (brute.duration * 60 or 300)
        opened = all(
            is_open(at, brute.windows, brute.blackouts)
            for at in range(minute(wanted), -(-ends // 60))
        )
        if opened and unmoved.start <= wanted < following and delay <= brute.max_delay * 60:
            assert run.start == wanted


def test_what_is_closed_piles_up_no_starts_where_it_ends() -> None:
    """Fifty runs, a minute apart, of which a closure hits thirty: those stay a minute apart."""
    room = Spans([(0, 600), (2400, 6000)])

    starts = [put_in(room, 0, delay) for delay in range(0, 3000, 60)]

    assert len(set(starts[10:40])) == 30
    assert starts[:10] == list(range(0, 600, 60)), "what is open is left alone"
    assert all(start in room for start in starts)


def test_shares_that_find_no_room_are_spread_over_what_is_left() -> None:
    """Forty DAGs share a due time half an hour before time closes, with a stagger of two hours."""
    until = OpenTime(Explicit([(0, 1800)]), None, None)

    starts = [
        placed.start
        for share in range(0, 7200, 180)
        for placed in place_ticks([Tick(0, 0, 0)], Policy(stagger=share), until)
    ]

    assert max(starts.count(start) for start in starts) <= 3  # of one second; clamped it were 31


@given(ticks=irregular_ticks(), brute=brutes())
def test_a_share_of_nothing_moves_nothing(ticks: list[tuple[int, int]], brute: Brute) -> None:
    assert laid_out(ticks, brute, stagger=0) == laid_out(ticks, brute)


def test_late_runs_are_spread_also_when_all_of_max_delay_has_passed() -> None:
    """Airflow was down from ten to two, and time is closed until ten past: nine DAGs wait."""
    closed = OpenTime(None, Explicit([(48_600, 51_000)]), None)

    starts = {
        late_start(
            36_000, 36_000, 50_400, Policy(max_delay=3600, stagger=share), closed, catchup=True
        )
        for share in range(0, 1800, 200)
    }

    assert starts == {51_000 + share for share in range(0, 1800, 200)}


def test_a_late_run_keeps_its_share_whenever_it_is_asked_about() -> None:
    """Due at ten, down from ten to two; closed until ten past two, and open from then on."""
    closed = OpenTime(None, Explicit([(48_600, 51_000)]), None)
    policy = Policy(max_delay=3600, stagger=1500)

    def told(now: float) -> float | None:
        return late_start(36_000, 36_000, now, policy, closed, catchup=True)

    assert told(48_000) == 36_000, "time has been open since: at once"
    assert {told(now) for now in range(48_600, 52_500, 50)} == {52_500}
    assert told(52_500) == told(60_000) == 36_000, "its share has passed: at once"


def test_a_late_run_keeps_its_share_of_its_hour() -> None:
    """Due daily at ten, which a closure took; the next ten o'clock, and its share, are the next."""
    closed = OpenTime(None, Explicit([(30_000, 90_000)]), None)
    policy = Policy(keep_hour="UTC", stagger=1500)

    def told(now: float) -> float | None:
        return late_start(36_000, 36_000, now, policy, closed, catchup=True)

    assert {told(now) for now in range(36_000, 123_900, 300)} == {123_900}
    assert told(123_900) == 36_000


@pytest.mark.parametrize(
    ("when_blocked", "start", "searched"),
    [
        ("postpone", None, (100, 110)),
        ("advance", None, (90, 100)),
        ("skip", None, (100, 100)),
        ("run", None, (100, 100)),
        ("postpone", 105, (100, 105)),
        ("advance", 95, (95, 100)),
    ],
)
def test_where_a_start_was_looked_for(
    when_blocked: Any, start: float | None, searched: tuple[float, float]
) -> None:
    assert Policy(when_blocked, 0, 10).searched(100, start) == searched


@given(
    dues=st.sets(st.integers(0, 60), min_size=1),
    steps=st.lists(st.tuples(st.sampled_from(["next", "peek", "first_after"]), st.integers(0, 70))),
)
def test_the_first_after_an_instant_is_the_first_after_it(
    dues: set[int], steps: list[tuple[str, int]]
) -> None:
    """Whatever was taken, and whatever was asked for before."""
    rest = [Tick(due, due, due) for due in sorted(dues)]
    stream = TickStream(rest)
    for step, instant in steps:
        if step == "first_after":
            expected = next((tick for tick in rest if tick.due > instant), None)
            assert stream.first_after(instant, Tick(0, 0, 0)) == expected
        else:
            found = stream.next() if step == "next" else stream.peek()
            assert found == (rest[0] if rest else None)
            rest = rest[step == "next" :]


class _Looks(Tick):
    """A tick that counts how often ticks are looked at."""

    looks = 0

    @property
    def due(self) -> float:  # type: ignore[override]
        _Looks.looks += 1
        return self[0]


def _looks_at(number: int, policy: Policy) -> int:
    """How often minutely due times are looked at that all wait for one opening."""
    closed = OpenTime(None, Explicit([(EPOCH, EPOCH + 60 * number)]), None)
    dues = (EPOCH + 60 * minute for minute in range(2 * number))
    _Looks.looks = 0
    placed = list(place_ticks((_Looks(due, due, due) for due in dues), policy, closed))
    assert sum(run.outcome in ("postponed", "coalesced") for run in placed) == number
    return _Looks.looks


@pytest.mark.parametrize("coalesce", [True, False])
@pytest.mark.parametrize("more", [{"stagger": 3600}, {"placement": Placement(5400)}, {}])
def test_a_closure_costs_in_proportion_to_what_waits(coalesce: bool, more: dict[str, Any]) -> None:
    policy = Policy(coalesce=coalesce, **more)
    assert _looks_at(2000, policy) < 2.5 * _looks_at(1000, policy)


@given(brutes(), st.data())
def test_what_is_remembered_of_an_hour_changes_no_start(brute: Brute, data: st.DataObject) -> None:
    """Whatever was asked of the same open time before, day by day alike."""
    policy = Policy(duration=brute.duration * 60, keep_hour="Europe/Berlin")
    shared = open_time(brute)
    hours = st.sampled_from([0, 61, 720, 720, 1439])
    for _ in range(8):
        # Clocks go forward on the 27th day.
        planned = EPOCH + 60 * (data.draw(hours) + 1440 * data.draw(st.integers(-2, 30)))
        earliest = planned + 60 * data.draw(st.sampled_from([0, 0, 1, 360, 4000, -60]))
        latest = earliest + 60 * data.draw(st.sampled_from([0, 1440, 4000, 45_000]))
        alone = open_time(brute)
        candidates = [planned]
        while candidates[-1] <= latest:
            candidates.append(
                int(same_hour(planned, max(earliest, candidates[-1] + 1), "Europe/Berlin"))
            )
        fitting = (
            at for at in candidates if earliest <= at <= latest and alone.fits(at, policy.duration)
        )

        assert policy.next_start(planned, earliest, latest, shared) == next(fitting, None)
