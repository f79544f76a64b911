"""What a blackout would do is what it does: against plans with the blackout really added."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable
from calendar_timetable.planning.plan import PlacedTick, place_ticks
from calendar_timetable.planning.spans import Spans
from calendar_timetable.runs.better_times import better_times
from calendar_timetable.runs.impact import PlannedBlackout, Subject, impact_of
from calendar_timetable.schedule.compiled import CompiledSchedule
from tests.support import deployments as made_up
from tests.support.deployments import (
    EPOCH,
    NOW,
    Changes,
    Made,
    deployment,
    plan,
    stored,
    with_blackout,
)

PARTS = 10  # of 30 deployments each


class BruteForce:
    """What a blackout does to a DAG, by two plans of the schedule in its DAG file."""

    def __init__(self, made: Made, subject: Subject, until: float) -> None:
        self.schedule = made.as_held.planner(EPOCH, EPOCH + 40 * 86400)
        self._stored = subject.stored
        self._begin = min(subject.stored.interval_start, subject.stored.due)
        self._until = until + made_up.longest_wait(self.schedule)
        self._now = plan(self.schedule.placed(self._begin), self._until)
        # Of a spread start the next due time is the limit: more are needed than are compared.
        more = plan(self.schedule.placed(self._begin), self._until + 7 * 86400)
        self._ticks = [placed.tick for placed in more.values()]

    def __call__(self, period: PlannedBlackout) -> Changes:
        """Ask the schedule for its whole plan, with the blackout really added."""
        schedule = with_blackout(self.schedule, *period.span)
        return self._moved(schedule, plan(schedule.placed(self._begin), self._until))

    def quickly(self, period: PlannedBlackout) -> Changes:
        """Place the same due times by the schedule with the blackout really added."""
        schedule = with_blackout(self.schedule, *period.span)
        placed = place_ticks(self._ticks, schedule.policy, schedule.open_time)
        return self._moved(schedule, plan(placed, self._until))

    def _moved(self, schedule: CompiledSchedule, then: dict[float, PlacedTick]) -> Changes:
        before, after = _late(self.schedule, self._now), _late(schedule, then)
        return {
            due: told
            for due, told in made_up.disturbed(before, after).items()
            if due >= self._stored.due and (told[1] is None or told[1] > EPOCH)
        }


def _late(schedule: CompiledSchedule, plan: dict[float, PlacedTick]) -> dict[float, PlacedTick]:
    """Return *plan*, in which a run that would be advanced into the past goes by the late rule."""
    return {
        due: placed._replace(start=schedule.late_start(placed.start, due, EPOCH, catchup=True))
        if due > EPOCH and placed.start is not None and placed.start <= EPOCH
        else placed
        for due, placed in plan.items()
    }


@pytest.mark.parametrize("part", range(PARTS))
def test_what_it_would_do_is_what_it_does(session: Session, part: int) -> None:
    told = uncertain = 0
    for number in range(30):
        random_ = random.Random(f"impact {part} {number}")
        start = EPOCH + 60 * random_.randint(-60, 1500)
        period = PlannedBlackout(start, start + 60 * random_.choice((1, 30, 240, 1440, 3000)))
        if period.end <= EPOCH:
            continue
        with time_machine.travel(NOW, tick=False):
            made = deployment(random_, f"d{part}_{number}", 4, calendars=random_.random() < 0.5)
            found = stored(session, made)
            impact = impact_of(found.subjects, period, EPOCH)
            now_on = PlannedBlackout(max(period.start, EPOCH), period.end)
            for one in made:
                subject = next((s for s in found.subjects if s.dag.dag_id == one.dag_id), None)
                if subject is None:
                    continue
                expected = BruteForce(one, subject, period.end)(now_on)
                mine = [c for c in impact.changes if c.dag_id == one.dag_id]
                got = {c.due: (c.kind, c.before, c.after) for c in mine}
                doubtful = {c.due for c in mine if c.uncertain}
                uncertain += len(doubtful)
                told += len(got)
                assert got.keys() == expected.keys(), (one, period)
                assert {d: t for d, t in got.items() if d not in doubtful} == {
                    d: t for d, t in expected.items() if d not in doubtful
                }, (one, period)
    assert told > 50
    assert uncertain < told / 2


@pytest.mark.parametrize("part", range(PARTS))
def test_better_times_are_the_best_there_are(session: Session, part: int) -> None:
    """Minute by minute, each with the blackout really added."""
    for number in range(30):
        random_ = random.Random(f"find {part} {number}")
        length = 60 * random_.choice((10, 45, 90, 180))
        begin = EPOCH + 60 * random_.randint(0, 900)
        allowed = Spans(
            ((begin, begin + length + 60 * 40), (begin + 30_000, begin + 30_000 + length + 60 * 20))
        )
        with time_machine.travel(NOW, tick=False):
            made = deployment(random_, f"f{part}_{number}", 3, calendars=False)
            found = stored(session, made)
            times = better_times(found.subjects, length, allowed, EPOCH)
            assert not times.truncated
            subjects = {subject.dag.dag_id: subject for subject in found.subjects}
            until = allowed.bounds[-1]
            brutes = [
                BruteForce(d, subjects[d.dag_id], until) for d in made if d.dag_id in subjects
            ]
            by_minute = []
            for low, high in allowed:
                for start in range(-(-low // 60) * 60, high - length + 1, 60):
                    period = PlannedBlackout(start, start + length)
                    costs = [
                        made_up.cost(brute.quickly(period), brute.schedule) for brute in brutes
                    ]
                    runs, delay = sum(c.runs for c in costs), sum(c.delay for c in costs)
                    by_minute.append((runs, delay, start))
            best: list[tuple[int, int, int]] = []
            for candidate in sorted(by_minute):
                if len(best) < 5 and all(abs(candidate[2] - b[2]) >= length for b in best):
                    best.append(candidate)
            got = [(*time.cost, time.period.start) for time in times.times]
            assert got == best, (made, length)


def test_nothing_moves_where_no_run_is_near(session: Session) -> None:
    with time_machine.travel(NOW, tick=False):
        made = [Made("daily", "15 13 * * *", None)]  # type: ignore[arg-type]
        found = stored(session, made)
        at = EPOCH + 6 * 3600

        impact = impact_of(found.subjects, PlannedBlackout(at, at + 3600), EPOCH)

    assert impact.changes == []
    assert impact.looked_at == 1


def test_a_run_that_may_not_wait_so_long_is_lost(session: Session) -> None:
    """Also where nothing but the blackout closes time."""
    with time_machine.travel(NOW, tick=False):
        schedule = CalendarTimetable("0 * * * *", timezone="UTC", max_delay=timedelta(hours=1))
        found = stored(session, [Made("hourly", schedule, schedule)])
        allowed = Spans(((EPOCH + 3600, EPOCH + 5 * 3600),))
        times = better_times(found.subjects, 3 * 3600, allowed, EPOCH)

    # From 13:01 to 16:01: the runs of 14:00 and 15:00 would wait for more than an hour, that of
    # 16:00 for a minute.
    assert times.times[0].period.start == EPOCH + 3660
    assert times.times[0].cost == (3, 2 * 3600 + 60)
