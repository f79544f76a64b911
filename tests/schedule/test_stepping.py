"""The scheduler, one run at a time, makes the runs of the plan: everywhere, and always the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise

import pytest
import time_machine
from airflow.timetables.events import EventsTimetable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.timetable import CalendarTimetable
from tests.support.bases import BASES, Base, timetable
from tests.support.brute import Brute
from tests.support.effort import tries
from tests.support.schedules import SCHEDULES, runs_of
from tests.support.strategies import LENGTH, brutes, moment
from tests.support.timetables import next_run, pen, placed, said, stepped, travelled

BEFORE = moment(-3000)  # so that nothing counts as late
END = moment(LENGTH - 1)


def compare(schedule: CalendarTimetable, base: Base) -> None:
    start, first = (moment(at) for at in base.ticks[0])
    steps = [said(info) for info in stepped(schedule, start, END)]
    expected = [
        (run.start, *run.data_interval)
        for run in schedule.plan(first, END + timedelta(days=3))
        if run.start
    ]
    assert all(a[0] <= b[0] and a[1] < b[1] and a[2] < b[2] for a, b in pairwise(steps)), (
        "they never go back"
    )
    # Near the end of the range, the tick past it that a run may coalesce with is in the plan only.
    settled = [step for step in steps if step[2] <= END - timedelta(days=1)]

    assert len(expected) >= len(settled)
    assert [(start, tick) for start, _, tick in settled] == [
        (start, tick) for start, _, tick in expected[: len(settled)]
    ]
    assert settled[1:] == expected[1 : len(settled)], (
        "the first run's interval may begin before the start date"
    )


@pytest.mark.parametrize("base", BASES, ids=repr)
@settings(max_examples=tries(40))
@given(brute=brutes(), share=st.sampled_from([0, 0, 1, 25, 400]))
@example(Brute(None, [(290, 400)], "postpone", 0, 105, coalesce=False), 400)
def test_stepping_makes_the_runs_of_the_plan(base: Base, brute: Brute, share: int) -> None:
    schedule = timetable(base, brute, stagger=timedelta(minutes=share), stagger_key="a")
    with time_machine.travel(BEFORE, tick=False):
        compare(schedule, base)


@pytest.mark.parametrize("base", BASES, ids=repr)
@settings(max_examples=tries(15))
@given(brute=brutes(), share=st.sampled_from([0, 25]))
def test_a_round_trip_at_every_step_changes_nothing(base: Base, brute: Brute, share: int) -> None:
    schedule = timetable(base, brute, stagger=timedelta(minutes=share), stagger_key="a")
    start = moment(base.ticks[0][0])
    with time_machine.travel(BEFORE, tick=False):
        straight = [said(info) for info in stepped(schedule, start, END)]
        stored = [said(info) for info in stepped(schedule, start, END, travel=True)]

    assert stored == straight


@settings(max_examples=tries(150))
@given(
    brute=brutes(),
    due=st.integers(0, LENGTH),
    share=st.sampled_from([0, 0, 1, 180, 700]),
    delay=st.sampled_from([None, None, 0, 40, 600]),
    catchup=st.booleans(),
)
@example(Brute(None, [(270, 1080), (1140, 1800)], duration=240, max_delay=9000), 0, 0, None, False)
@example(Brute(None, [(270, 1080), (1140, 1800)], max_delay=9000), 0, 180, None, True)
@example(Brute(None, [(61, 359), (365, 500)], duration=1, max_delay=9000), 0, 60, None, True)
@example(Brute([(0, 600)], [(400, 420)], duration=240, max_delay=9000), 30, 0, None, True)
def test_a_late_run_starts_by_what_travels_as_by_all_that_calendars_say(
    brute: Brute, due: int, share: int, delay: int | None, catchup: bool
) -> None:
    """Up to six hours late, and whatever closes time where it fits next, for all of its length."""
    base = Base("once", EventsTimetable(event_dates=[pen(moment(due))]), ())
    given_stagger = {"stagger": timedelta(minutes=share), "stagger_key": "a"}
    schedule = placed(timetable(base, brute, **given_stagger), delay)
    with time_machine.travel(BEFORE, tick=False):
        carried, whole = travelled(schedule).compiled, schedule.compiled
        [run] = schedule.plan(BEFORE, END + timedelta(days=9))
    if run.start is None:
        return
    planned, at = run.start.timestamp(), run.due.timestamp()
    moments = [planned + 60 * late for late in (*range(0, 360, 5), 359.98)]
    told, known = (
        [each.late_start(planned, at, now, catchup=catchup) for now in moments]
        for each in (carried, whole)
    )

    assert told == known


NEVER = {
    "no window ever": {"windows": Weekly("mon") & ~Weekly("mon")},
    "blocked for ever": {"blackouts": ~Weekly("mon") | Weekly("mon")},
    "longer than every window": {"windows": Weekly("sat-sun"), "duration": timedelta(days=3)},
}


@pytest.mark.parametrize("when_blocked", ["postpone", "advance", "skip"])
@pytest.mark.parametrize("name", NEVER)
def test_a_search_that_finds_no_opening_ends_with_no_run(name: str, when_blocked: str) -> None:
    schedule = CalendarTimetable(
        "0 */6 * * *",
        timezone="UTC",
        when_blocked=when_blocked,  # type: ignore[arg-type]
        **NEVER[name],  # type: ignore[arg-type]
    )
    with time_machine.travel(BEFORE, tick=False):
        for catchup in (True, False):
            assert next_run(schedule, earliest=moment(0), catchup=catchup) is None
            assert next_run(schedule, moment(0), earliest=moment(0), catchup=catchup) is None
        tick = schedule.plan(moment(0), limit=1)[0]

    assert (tick.start, tick.outcome) == (None, "skipped")
    assert tick.reasons


CHILD = """
import json, sys, time
import time_machine
from tests.support.schedules import SCHEDULES, runs_of
from calendar_timetable.timetable import CalendarTimetable
payloads = json.load(sys.stdin)
answer = {"offset": time.timezone, "here": {}, "carried": {}, "bytes": {}}
for name, data in payloads.items():
    answer["here"][name] = runs_of(name, None)
    answer["carried"][name] = runs_of(name, CalendarTimetable.deserialize(data))
    with time_machine.travel(SCHEDULES[name].now, tick=False):
        answer["bytes"][name] = json.dumps(SCHEDULES[name].make().serialize())
print(json.dumps(answer))
"""


@pytest.mark.slow
def test_a_fresh_process_under_another_tz_decides_the_same() -> None:
    payloads = {}
    for name, schedule in SCHEDULES.items():
        with time_machine.travel(schedule.now, tick=False):
            payloads[name] = schedule.make().serialize()
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(payloads),
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "TZ": "Pacific/Auckland",
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        },
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = {name: runs_of(name, None) for name in SCHEDULES}

    assert answer["offset"] == -12 * 3600, "the child must live in another zone"
    assert all(len(runs) >= 3 for name, runs in expected.items() if name != "held")
    assert answer["here"] == expected
    assert answer["carried"] == expected
    assert answer["bytes"] == {name: json.dumps(data) for name, data in payloads.items()}
