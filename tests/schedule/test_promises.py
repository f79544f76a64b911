"""What the plan tells on the first day is made.

With the clock moving, a parse now and then, and a scheduler alive.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from calendar_timetable.planning.plan import PlannedRun
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.on import On
from calendar_timetable.timetable import CalendarTimetable
from tests.support.bases import BASES, Base, timetable
from tests.support.brute import Brute
from tests.support.effort import tries
from tests.support.scheduler import dag_model, plain
from tests.support.strategies import LENGTH, brutes, moment
from tests.support.timetables import placed, restriction, travelled

MORE_BASES = [
    Base(
        "cron with an interval",
        CronTriggerTimetable("30 */2 * * *", timezone="UTC", interval=timedelta(hours=2)),
        (),
    ),
    Base("daily data intervals", CronDataIntervalTimetable("0 8 * * *", "UTC"), ()),
    Base("daily", "0 8 * * *", ()),
    Base("every minute", "* * * * *", ()),
    Base(
        "three times on weekdays",
        On([1, 2, 3, 4, 5], Weekly("mon-fri"), of="week", at=["06:00", "13:30", "25:00"]),
        (),
    ),
]
# A timedelta without a start date is due when it is asked; Airflow's own moves on as the clock
# does.
PROMISING = [base for base in BASES if base.name != "every 45 minutes"] + MORE_BASES

Made = tuple[datetime, datetime, datetime, datetime]  # start, data interval, when it was made


class Life:
    """A DAG in an Airflow.

    Parsed at *parses*, and looked at by a scheduler *latency* seconds after each start.
    """

    def __init__(
        self, schedule: CalendarTimetable, limits: TimeRestriction, latency: float
    ) -> None:
        self.schedule, self.limits, self.latency = schedule, limits, timedelta(seconds=latency)
        self.stored: DagRunInfo | None = None
        self.last: DagRunInfo | None = None
        self.made: list[Made] = []
        self.current = schedule

    def parse(self, now: datetime) -> None:
        with time_machine.travel(now, tick=False):
            self.current = travelled(self.schedule)
            before, self.stored = self.stored, self.next()
            if before is None or plain(before.run_after) <= now:
                return
            assert self.stored is not None
            # Without a start date Airflow's own data intervals move on as the clock does.
            if self.last is None and self.limits.earliest is None:
                before = before._replace(data_interval=self.stored.data_interval)
            assert self.stored == before, "what is told stays while the clock moves"

    def next(self) -> DagRunInfo | None:
        return self.current.next_dagrun_info(
            last_automated_data_interval=self.last and self.last.data_interval,
            restriction=self.limits,
        )

    def live(self, begin: datetime, parses: list[int], end: datetime) -> list[Made]:
        now = begin
        for pause in [*parses, LENGTH * 2]:
            self.parse(now)
            until = min(now + timedelta(minutes=pause), end)
            while (
                self.stored is not None
                and max(plain(self.stored.run_after), now) + self.latency < until
            ):
                now = max(plain(self.stored.run_after), now) + self.latency
                self.create(now)
            now = until
            if now >= end:
                break
        return self.made

    def create(self, now: datetime) -> None:
        assert self.stored is not None
        with time_machine.travel(now, tick=False):
            info = self.current.next_run_info_from_dag_model(dag_model=dag_model(self.stored))
            assert info is not None
            assert info.data_interval is not None
            assert info.data_interval.start <= info.run_after, (
                "Airflow starts no task before the logical date"
            )
            self.made.append((*map(plain, (info.run_after, *info.data_interval)), now))
            assert self.last is None or info.data_interval.end > self.last.data_interval.end, (  # type: ignore[union-attr]
                "due times increase"
            )
            self.last = info
            self.stored = self.next()


def told(plan: list[PlannedRun], after: datetime) -> list[tuple[datetime, datetime]]:
    return [(run.start, run.due) for run in plan if run.start is not None and run.start > after]


LIVES = {
    "latency": st.sampled_from([0, 1, 5]),
    "parses": st.lists(st.integers(1, 300), min_size=1, max_size=12),
    "first": st.integers(-600, LENGTH - 600),
}


@pytest.mark.slow
@pytest.mark.parametrize("base", PROMISING, ids=repr)
@pytest.mark.parametrize("start_date", [False, True], ids=["no start date", "start date"])
@settings(max_examples=tries(15), phases=[Phase.explicit, Phase.generate])
@given(
    brute=brutes(),
    share=st.sampled_from([0, 0, 25]),
    delay=st.sampled_from([None, None, 0, 40, 600]),
    catchup=st.booleans(),
    **LIVES,
)
@example(
    brute=Brute([(19 * 60, 31 * 60), (43 * 60, 55 * 60)], [], max_delay=1440),
    share=0,
    delay=None,
    catchup=False,
    latency=5,
    parses=[90] * 24,
    first=600,
)
@example(  # asked in the midst of an interval that is open, and after which no run fits
    brute=Brute(None, [(72, 509)], when_blocked="skip", duration=240, max_delay=0),
    share=0,
    delay=None,
    catchup=False,
    latency=5,
    parses=[120, 249],
    first=-251,
)
@example(  # two start together too early, of which only the second may still be made up for
    brute=Brute(
        None, [(1, 1047)], when_blocked="advance", duration=60, max_delay=900, coalesce=False
    ),
    share=0,
    delay=None,
    catchup=True,
    latency=0,
    parses=[13, 76, 253, 13, 300, 113],
    first=348,
)
def test_what_is_told_on_the_first_day_is_made(
    base: Base,
    start_date: bool,
    brute: Brute,
    share: int,
    delay: int | None,
    catchup: bool,
    latency: int,
    parses: list[int],
    first: int,
) -> None:
    # Of which one opening may release hundreds: they would take longer than a minute
    if base.name == "every minute":
        latency = 0
    given_stagger = {"stagger": timedelta(minutes=share), "stagger_key": "a"}
    schedule: Any = placed(timetable(base, brute, **given_stagger), delay)
    begin, end = moment(first), moment(LENGTH + 600)
    limits = restriction(begin if start_date else None, catchup=catchup)
    with time_machine.travel(begin, tick=False):
        since = begin if start_date else begin - timedelta(minutes=brute.max_delay + brute.duration)
        if (
            not start_date
            and catchup
            and base.name in ("hourly data intervals", "daily data intervals", "events")
        ):
            return  # Airflow's own makes no run then, or begins with the first event of all
        plan = schedule.plan(since, end + timedelta(days=2), 100_000)
    made = Life(schedule, limits, latency).live(begin, parses, end)
    settled = end - timedelta(days=1)
    promised = [run for run in told(plan, begin) if run[0] < settled]
    kept = [(start, due) for start, _, due, _ in made if begin < start < settled]

    if kept and kept[0][1] in [
        run.due for run in plan if run.start is not None and run.start <= begin
    ]:
        del kept[0]  # it was to start before the DAG was there, and is made up for
    if start_date and "data intervals" in base.name and len(promised) == len(kept) + 1:
        del promised[0]  # of an interval that began before the start date
    assert kept == promised
    assert all(a[1] < b[1] and a[2] < b[2] for a, b in pairwise(made))
    # Runs that are not combined, and made up for, keep the starts that were planned.
    if brute.coalesce:
        assert all(a[0] <= b[0] for a, b in pairwise(made))
    if (
        made
        and any(first_of != due for _, first_of, due, _ in made)
        and brute.when_blocked != "advance"
    ):
        assert all(a[2] == b[1] for a, b in pairwise(made)), "no data is lost"
