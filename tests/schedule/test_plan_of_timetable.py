"""The plan that a timetable tells, against the brute force (``tests/support/brute.py``)."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable.planning.plan import PlannedRun
from tests.support.bases import BASES, Base, timetable
from tests.support.brute import Brute, Row, comparable
from tests.support.strategies import EPOCH, LENGTH, brutes, moment


def planned_row(run: PlannedRun) -> Row:
    def offset(at: object) -> int:
        return int(at.timestamp()) - EPOCH  # type: ignore[attr-defined,no-any-return]

    start = None if run.start is None else offset(run.start)
    return Row(
        offset(run.due) // 60, start, run.outcome, *(offset(end) // 60 for end in run.data_interval)
    )


@pytest.mark.parametrize("base", BASES, ids=repr)
@given(brute=brutes())
def test_the_public_plan_is_the_brute_force(base: Base, brute: Brute) -> None:
    first, last = base.ticks[0][1], base.ticks[-1][1]
    with time_machine.travel(moment(-3000), tick=False):
        plan = timetable(base, brute).plan(moment(first), moment(last + 1))
    rows = [planned_row(run) for run in plan]
    expected = brute.plan(base.ticks)
    # A tick past the range may start together with one inside of it, and one before it may leave
    # its data interval to one inside: these are not compared.
    end = last - (brute.max_delay if brute.when_blocked == "advance" else 0)
    settled = [i for i, row in enumerate(expected) if row.start is None or row.start // 60 < end]
    whole = [i for i in settled if i > 0 and any(r.start is not None for r in expected[:i])]

    assert [row.tick for row in rows] == [row.tick for row in expected]
    assert [(rows[i].start, rows[i].outcome) for i in settled] == [
        (expected[i].start, expected[i].outcome) for i in settled
    ]
    assert [comparable([rows[i]]) for i in whole] == [comparable([expected[i]]) for i in whole]


@given(
    seed=st.text(min_size=1, max_size=8),
    tick=st.integers(0, LENGTH // 60),
    length=st.integers(61, 600),
    spread=st.integers(1, 60),
)
def test_a_released_start_is_moved_by_the_same_share_each_time(
    seed: str, tick: int, length: int, spread: int
) -> None:
    due = tick * 60
    base = Base("once a while", "0 */3 * * *", ())
    brute = Brute(windows=None, blackouts=[(due - 60, due + length)], max_delay=6000)
    with time_machine.travel(moment(-3000), tick=False):
        runs = [
            timetable(base, brute, stagger=timedelta(minutes=spread), stagger_key=seed).plan(
                moment(due), limit=9
            )
            for _ in range(2)
        ]
    released = [run for run in runs[0] if run.outcome == "postponed" and run.start is not None]

    assert runs[0] == runs[1]
    for run in released:
        assert run.start is not None
        assert moment(due + length) <= run.start < moment(due + length + spread)


def test_keys_spread_over_the_whole_stagger() -> None:
    base = Base("hourly", "0 * * * *", ())
    brute = Brute(windows=None, blackouts=[(-60, 90)], max_delay=6000)
    with time_machine.travel(moment(-3000), tick=False):
        shares = {
            (
                timetable(base, brute, stagger=timedelta(minutes=30), stagger_key=f"dag_{i}")
                .plan(moment(60), limit=1)[0]
                .start
            )
            for i in range(60)
        }
    moved = sorted((start - moment(90)).total_seconds() for start in shares if start is not None)

    assert len(moved) > 50
    assert 0 <= moved[0] < 300
    assert 1500 < moved[-1] < 1800
