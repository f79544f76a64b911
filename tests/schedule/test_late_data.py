"""Whenever data come, and however seldom the DAG file is read: starts are in open time, in order.

Airflow 3.4 asks a schedule with assets for its next run as it asks any other, and again at the
moment at which data are there: so does this scheduler in a few lines, on any Airflow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
import time_machine
from airflow.timetables.base import DagRunInfo
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.exceptions import NoOpening
from calendar_timetable.planning.plan import WhenBlocked
from tests.support.moments import utc
from tests.support.scheduler import dag_model, plain
from tests.support.timetables import restriction, travelled

BEGIN, MINUTE = utc("2026-11-09 00:00"), timedelta(minutes=1)  # a Monday
LIMIT = 3 * 24 * 60  # minutes that are lived through
RULES = (
    ("daily 06:00-19:00",),
    ("mon-fri 09:00-12:00", "mon-fri 13:00-17:00"),
    ("tue 00:00-24:00", "wed 05:00-05:30"),
)
CRONS = ("0 5 * * *", "0 * * * *", "30 11 * * *", "*/20 8-10 * * *")


@dataclass
class Life:
    """A DAG whose runs wait for data that come at *arrivals*, in minutes from the beginning."""

    timetable: CalendarTimetable
    arrivals: list[int]
    catchup: bool
    parses: int  # minutes from one reading of the DAG file to the next
    last: DagRunInfo | None = None
    stored: DagRunInfo | None = None
    made: list[tuple[DagRunInfo, datetime]] = field(default_factory=list)  # and when
    used: int = 0

    def live(self) -> None:
        minute = 0
        while minute <= LIMIT:
            with time_machine.travel(BEGIN + minute * MINUTE, tick=False):
                if minute % self.parses == 0:
                    self._parse()
                self._look(minute)
            # Nothing happens but by a parse, data, or a start that is stored.
            coming = [minute + self.parses - minute % self.parses, *self.arrivals]
            if self.stored is not None:
                coming.append(int((plain(self.stored.run_after) - BEGIN) / MINUTE) + 1)
            minute = min(at for at in coming if at > minute)

    def _has_data(self, minute: int) -> bool:
        return any(at <= minute for at in self.arrivals[self.used :])

    def _parse(self) -> None:
        self.stored = self.timetable.next_dagrun_info_v2(
            last_dagrun_info=self.last, restriction=restriction(BEGIN, catchup=self.catchup)
        )

    def _look(self, minute: int) -> None:
        now = BEGIN + minute * MINUTE
        if self.stored is None or self.stored.run_after > now or not self._has_data(minute):
            return
        model = dag_model(self.stored)
        try:
            info = self.timetable.next_run_info_from_dag_model(dag_model=model)
        except NoOpening:
            self.stored = None
            return
        assert info is not None
        self.used = sum(at <= minute for at in self.arrivals)
        self.made.append((info, now))
        self.last = info
        self._parse()


@pytest.mark.slow
@given(
    cron=st.sampled_from(CRONS),
    rules=st.sampled_from(RULES),
    arrivals=st.lists(st.integers(0, LIMIT), min_size=1, max_size=8).map(sorted),
    when_blocked=st.sampled_from(("postpone", "skip")),
    max_delay=st.sampled_from((timedelta(hours=2), timedelta(days=7))),
    coalesce=st.booleans(),
    catchup=st.booleans(),
    parses=st.sampled_from((45, 200, 600)),
)
def test_late_data_start_nothing_in_closed_time_nor_out_of_order(
    cron: str,
    rules: tuple[str, ...],
    arrivals: list[int],
    when_blocked: WhenBlocked,
    max_delay: timedelta,
    coalesce: bool,
    catchup: bool,
    parses: int,
) -> None:
    timetable = travelled(
        CalendarTimetable(
            cron,
            timezone="UTC",
            blackouts=Weekly(*rules),
            when_blocked=when_blocked,
            max_delay=max_delay,
            coalesce=coalesce,
        )
    )
    life = Life(timetable, arrivals, catchup, parses)
    life.live()

    assert len(life.made) <= len(arrivals), "each run has data of its own"
    before: DagRunInfo | None = None
    for info, at in life.made:
        start = max(plain(info.run_after), at)
        assert timetable.compiled.open_time.fits(start.timestamp(), 0), f"{start} is closed"
        assert info.logical_date is not None
        assert info.logical_date <= info.run_after
        assert info.data_interval is not None
        assert info.data_interval.end <= info.run_after, "nothing starts before it is due"
        if before is not None and before.data_interval is not None:
            assert info.run_after > before.run_after, "starts never go backwards"
            assert info.data_interval.end > before.data_interval.end
        before = info
