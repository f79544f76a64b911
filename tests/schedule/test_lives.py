"""A DAG's life: a clock that jumps, late schedulers, and people who edit.

The DAG is parsed at any time, and schedulers may be late, down or two.

Whatever happens in between: no id and no logical date comes twice, none is after its run's start,
due times increase, nothing starts in time that was closed when its run was made, and a run that is
refused is not asked for again.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import time_machine
from airflow.timetables.base import DagRunInfo, Timetable
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from airflow.utils.types import DagRunType
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calendar_timetable.exceptions import NoOpening
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.due_rule import DueRule
from calendar_timetable.schedule.on import On
from calendar_timetable.schedule.recurrence import Recurrence
from calendar_timetable.timetable import CalendarTimetable
from tests.support.effort import tries
from tests.support.scheduler import dag_model, plain
from tests.support.strategies import EPOCH, POLICIES, moment
from tests.support.time_sets import FakeCalendar
from tests.support.timetables import pen, placed, restriction, said, travelled, without_catchup

pytestmark = pytest.mark.slow

SCHEDULES: dict[str, Any] = {
    "daily": "0 8 * * *",
    "hourly": "0 * * * *",
    "several crons": MultipleCronTriggerTimetable("0 6 * * *", "30 5,22 * * *", timezone="UTC"),
    "cron with an interval": CronTriggerTimetable(
        "15 */4 * * *", timezone="UTC", interval=timedelta(hours=4)
    ),
    "hourly data intervals": CronDataIntervalTimetable("0 * * * *", "UTC"),
    "daily data intervals": CronDataIntervalTimetable("30 7 * * *", "UTC"),
    "data intervals of 5 hours": DeltaDataIntervalTimetable(timedelta(hours=5)),
    "timedelta": DeltaTriggerTimetable(timedelta(hours=5)),
    "events": EventsTimetable(event_dates=[pen(moment(m)) for m in range(17, 14 * 1440, 777)]),
    "working days": On([1, 2, 3, -1], Weekly("mon-fri"), of="week", at=["06:00", "25:30"]),
    "every other day": Recurrence("FREQ=DAILY;INTERVAL=2", start=date(2026, 2, 1), at="21:00"),
}
NIGHTS = Weekly("daily 19:00-07:00")
BEGIN = moment(600)


class Life(RuleBasedStateMachine):
    """One DAG in an Airflow. ``stored`` is the row that its DAG processor and schedulers share."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.events: list[tuple[int, int]] = []
        self.options: dict[str, Any] = {}
        self.delay: int | None = None  # minutes after due times, in the placement file
        self.stored: DagRunInfo | None = None
        self.runs: list[DagRunInfo] = []
        self.ids: list[str] = []
        self.ours = True
        self.paused = False
        self.troubles: list[str] = []

    @initialize(
        schedule=st.sampled_from(sorted(SCHEDULES)),
        catchup=st.booleans(),
        started=st.booleans(),
        hours=st.sampled_from([None, None, -5, 20, 60]),
        ours=st.booleans(),
    )
    def add(
        self, schedule: str, catchup: bool, started: bool, hours: int | None, ours: bool
    ) -> None:
        self.schedule, self.catchup, self.ours = SCHEDULES[schedule], catchup, ours
        self.end_date = None if hours is None else BEGIN + timedelta(hours=hours)
        self.start_date = BEGIN - timedelta(hours=30) if started else None
        self.parse()

    # What people do.

    @rule(
        when_blocked=st.sampled_from(POLICIES),
        duration=st.sampled_from([0, 30, 240]),
        max_delay=st.sampled_from([0, 600, 7 * 1440]),
        coalesce=st.booleans(),
        nights=st.booleans(),
        stagger=st.sampled_from([0, 45]),
        keep_hour=st.booleans(),
        max_lateness=st.sampled_from([None, None, 5, 300]),
        delay=st.sampled_from([None, None, 0, 90, 700]),
    )
    def edit(
        self, nights: bool, max_lateness: int | None, delay: int | None, **options: Any
    ) -> None:
        minutes = {
            name: timedelta(minutes=options[name]) for name in ("duration", "max_delay", "stagger")
        }
        self.options = options | minutes | ({"windows": NIGHTS} if nights else {})
        if options["when_blocked"] != "postpone" or not options["coalesce"]:
            self.options["keep_hour"] = False
        self.delay = delay
        if max_lateness is not None:
            self.options["max_lateness"] = timedelta(minutes=max_lateness)

    @rule(start=st.integers(-300, 1440), length=st.integers(10, 3000))
    def add_event(self, start: int, length: int) -> None:
        begins = int((self.now.timestamp() - EPOCH) // 60) + start
        self.events.append((begins, begins + length))

    @precondition(lambda self: self.events)
    @rule()
    def remove_event(self) -> None:
        self.events.pop()

    @rule()
    def change_class(self) -> None:
        """The same schedule, with this timetable or without."""
        self.ours = not self.ours

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.paused = paused

    # What Airflow does.

    @rule(minutes=st.sampled_from([1, 7, 55, 240, 1500, 6000]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @rule(seconds=st.integers(0, 400))
    def wait_for_the_next_run(self, seconds: int) -> None:
        if self.stored is not None:
            self.now = max(self.now, plain(self.stored.run_after)) + timedelta(seconds=seconds)

    @rule()
    def parse(self) -> None:
        with time_machine.travel(self.now, tick=False):
            self.timetable = self._timetable()
            self.stored = self._next()

    @precondition(lambda self: not self.paused)
    @rule(most=st.integers(1, 5))
    def schedule_runs(self, most: int) -> None:
        for _ in range(most):
            with time_machine.travel(self.now, tick=False):
                self._schedule()

    def _timetable(self) -> Timetable:
        if not self.ours:
            if isinstance(self.schedule, (str, DueRule)):
                # Without this class there are no due times by days.
                cron = self.schedule if isinstance(self.schedule, str) else "0 6 * * *"
                return CronTriggerTimetable(cron, timezone="UTC")
            return self.schedule  # type: ignore[no-any-return]
        known = Spans((EPOCH + a * 60, EPOCH + b * 60) for a, b in self.events)
        calendar = FakeCalendar(known, "team")
        made = CalendarTimetable(self.schedule, timezone="UTC", blackouts=calendar, **self.options)
        made = placed(made, self.delay)
        return travelled(made if self.catchup else without_catchup(made))

    def _next(self) -> DagRunInfo | None:
        last = max(self.runs, key=lambda run: run.logical_date) if self.runs else None  # type: ignore[arg-type,return-value]
        return self.timetable.next_dagrun_info_v2(
            last_dagrun_info=last and DagRunInfo(*last),
            restriction=restriction(self.start_date, self.end_date, catchup=self.catchup),
        )

    def _schedule(self) -> None:
        """As ``SchedulerJobRunner._create_dag_runs``."""
        if self.stored is None or self.stored.run_after > self.now:
            return
        if self.stored.logical_date in [run.logical_date for run in self.runs]:
            self.troubles.append(f"run already exists: {self.stored}")
            self.stored = None
            return
        try:
            info = self.timetable.next_run_info_from_dag_model(dag_model=dag_model(self.stored))
        except NoOpening:
            following = self._next()
            assert following is None or said(following) != said(self.stored), (
                "what is refused is not asked for again"
            )
            self.stored = None
            return
        assert info is not None
        run_id = self.timetable.generate_run_id(
            run_type=DagRunType.SCHEDULED,
            run_after=info.run_after,
            data_interval=info.data_interval,
        )
        if isinstance(self.timetable, CalendarTimetable):
            self._look_at(info, self.timetable)
        self.ids.append(run_id)
        self.runs.append(info)
        self.stored = self._next()

    def _look_at(self, info: DagRunInfo, timetable: CalendarTimetable) -> None:
        interval, start = info.data_interval, info.run_after.timestamp()
        assert interval is not None
        assert interval.start <= info.run_after, "Airflow starts no task before the logical date"
        previous = [run.data_interval.end for run in self.runs if run.data_interval]
        assert not previous or interval.end > max(previous), "due times increase"
        compiled = timetable.compiled
        most = compiled.policy.max_lateness
        assert most is None or self.now.timestamp() - start <= most, (
            "no run is later than it may be"
        )
        if compiled.policy.when_blocked != "run":
            opens = compiled.open_time
            late = self.now.timestamp() - start <= 300 and compiled.policy.when_blocked == "advance"
            assert opens.fits(max(start, self.now.timestamp()), 0) or late, (
                f"{info} starts in closed time at {self.now}"
            )

    @invariant()
    def nothing_comes_twice(self) -> None:
        assert not self.troubles
        assert len(set(self.ids)) == len(self.ids), (
            "Airflow's scheduler ends at a run id that it has"
        )
        dates = [run.logical_date for run in self.runs]
        assert len(set(dates)) == len(dates)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=tries(150), stateful_step_count=40, deadline=None)
