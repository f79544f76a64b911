"""The list against the scheduler.

The runs of every kind of schedule are those that Airflow would make, to the second.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from airflow.models.dag import DagModel
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule
from airflow.timetables import assets, trigger
from airflow.timetables.base import DagRunInfo, TimeRestriction
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from dateutil.relativedelta import relativedelta
from pendulum import DateTime
from sqlalchemy.orm import Session

from calendar_timetable.planning.plan import Placement
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.forecast import ForecastQuery, StoredNextRun, forecast
from calendar_timetable.runs.listing import Filters
from calendar_timetable.runs.stored_schedules import Schedule, read_schedules
from calendar_timetable.timetable import CalendarTimetable
from calendar_timetable.web import models
from calendar_timetable.web.run_list import list_runs
from tests.support.airflow_database import add_dag
from tests.support.deployments import Made, deployment
from tests.support.moments import utc
from tests.support.schedules import NOW, SCHEDULES
from tests.support.timetables import pen

START = utc("2026-10-01 00:00")
HOURS = timedelta(hours=1)
AIRFLOWS: dict[str, Callable[[], Any]] = {
    "cron": lambda: "30 4 * * *",
    "cron in a zone": lambda: CronTriggerTimetable("30 2 * * *", timezone="America/New_York"),
    "cron with interval": lambda: CronTriggerTimetable(
        "0 3 * * *", timezone="Asia/Kolkata", interval=24 * HOURS
    ),
    "cron with data intervals": lambda: CronDataIntervalTimetable("0 */6 * * *", "Europe/Berlin"),
    "several crons": lambda: MultipleCronTriggerTimetable(
        "0 1 * * *", "0 13 * * MON", timezone="UTC"
    ),
    "timedelta": lambda: 7 * HOURS,
    "trigger delta": lambda: DeltaTriggerTimetable(26 * HOURS),
    "interval delta": lambda: DeltaDataIntervalTimetable(26 * HOURS),
    "months": lambda: DeltaDataIntervalTimetable(relativedelta(months=1)),
    "preset": lambda: "@weekly",
    "once": lambda: "@once",
    "events": lambda: EventsTimetable([pen(utc(f"2026-11-{day} 08:30")) for day in (12, 17, 24)]),
    "asset or time": lambda: AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("15 4 * * *", timezone="UTC"), assets=[Asset("a")]
    ),
    "assets": lambda: [Asset("a")],
    "none": lambda: None,
}
if hasattr(trigger, "CronPartitionTimetable"):  # since Airflow 3.2
    AIRFLOWS["partitions"] = lambda: trigger.CronPartitionTimetable("30 */5 * * *", timezone="UTC")
and_time: Any = getattr(assets, "AssetAndTimeSchedule", None)
if and_time is not None:  # since Airflow 3.4
    AIRFLOWS["asset and time"] = lambda: and_time(
        timetable=CronTriggerTimetable("15 4 * * *", timezone="UTC"), assets=[Asset("a")]
    )
RANGES = {"now": (0, 14), "later": (9, 30), "much later": (60, 75)}  # days from now


def scheduled(session: Session, dag_id: str, until: datetime) -> list[datetime]:
    """The starts that the scheduler comes to, one run after the other, from the stored one on."""
    model = session.get_one(DagModel, dag_id)
    timetable = read_schedules(session, [dag_id])[dag_id].timetable
    info: DagRunInfo | None = timetable.next_run_info_from_dag_model(dag_model=model)
    found: list[datetime] = []
    while info is not None and info.run_after < until:
        found.append(info.run_after)
        restriction = TimeRestriction(DateTime.instance(START), None, catchup=True)
        following = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)
        assert following is None or following.run_after >= info.run_after
        if following == info:
            break
        info = following
    return found


def told(session: Session, dag_id: str, since: datetime, until: datetime) -> list[models.Run]:
    asked = Filters(since.timestamp(), until.timestamp(), dag_ids=(dag_id,), limit=5000)
    return list(
        models.Runs.model_validate_json(list_runs(session, [dag_id], asked, NOW.timestamp())).runs
    )


def compare(session: Session, dag_id: str, schedule: Any, within: str) -> None:
    add_dag(
        session, DAG(dag_id, schedule=schedule, start_date=START, catchup=False), NOW, seen=START
    )
    since, until = (NOW + timedelta(days=days) for days in RANGES[within])
    runs = [run for run in told(session, dag_id, since, until) if run.start and run.start < until]
    # Where several start together Airflow is told microseconds that keep them apart.
    expected = [
        start.replace(microsecond=0)
        for start in scheduled(session, dag_id, until)
        if start >= since
    ]
    found = [run.start for run in runs if run.start and run.start >= since]
    assert sum(run.collapsed.count if run.collapsed else 1 for run in runs) == len(expected)
    assert found == (
        expected if len(found) == len(expected) else [at for at in expected if at in found]
    )
    assert all(run.outcome == "on_time" or run.reasons for run in runs)


@pytest.mark.parametrize("within", RANGES)
@pytest.mark.parametrize("name", AIRFLOWS)
def test_airflows_schedules(session: Session, name: str, within: str) -> None:
    compare(session, f"theirs-{name}-{within}".replace(" ", "_"), AIRFLOWS[name](), within)


@pytest.mark.parametrize("within", RANGES)
@pytest.mark.parametrize("name", SCHEDULES)
def test_ours(session: Session, name: str, within: str) -> None:
    compare(session, f"ours-{name}-{within}".replace(" ", "_"), SCHEDULES[name].make(), within)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_plan_tells_the_same(session: Session, name: str) -> None:
    """Every tick to come has its row, as ``plan()`` of the schedule says."""
    timetable = SCHEDULES[name].make()
    dag_id = f"plan-{name}"
    add_dag(
        session,
        DAG(dag_id, schedule=timetable, start_date=START, catchup=False),
        NOW,
        seen=START,
    )
    compiled = read_schedules(session, [dag_id])[dag_id].compiled
    assert compiled is not None
    since, until = NOW + timedelta(days=2), NOW + timedelta(days=9)
    runs = {
        run.due: (run.start, run.outcome)
        for run in told(session, dag_id, since, until)
        if not run.collapsed
    }
    if compiled.ticks.on_grid:
        plan = compiled.plan(since.timestamp(), until.timestamp(), None)
        assert {p.due: (p.start, p.outcome) for p in plan if p.due in runs} == {
            due: run for due, run in runs.items() if since <= due < until
        }
    assert runs or name in ("staggered", "held")


@pytest.mark.parametrize("catchup", [True, False])
def test_a_stored_run_that_is_late_is_told_as_it_will_be_made(
    session: Session, catchup: bool
) -> None:
    """Airflow was down for 18 days: without catchup nothing is made up for after max_delay."""
    due, back = utc("2026-11-02 05:00"), utc("2026-11-20 20:00")
    schedule = CalendarTimetable(
        "0 5 * * MON", timezone="UTC", windows=Weekly("daily 19:00-07:00"), max_delay=24 * HOURS
    )
    with time_machine.travel(utc("2026-11-01 12:00"), tick=False):
        dag = DAG("weekly", schedule=schedule, start_date=START, catchup=catchup)
        add_dag(session, dag, utc("2026-11-01 12:00"), seen=START)
    with time_machine.travel(back, tick=False):
        asked = Filters(due.timestamp(), (due + HOURS).timestamp(), dag_ids=("weekly",))
        answer = list_runs(session, ["weekly"], asked, back.timestamp())
        [run] = models.Runs.model_validate_json(answer).runs

    assert run.due == due
    assert run.outcome == ("on_time" if catchup else "skipped")


def _freely_placed(random_: random.Random, one: Made) -> Any:
    """The schedule of *one*; of some without what closes time, or put somewhere by a placement."""
    arguments = one.schedule.arguments if isinstance(one.schedule, CalendarTimetable) else None
    if arguments is None:
        return one.schedule
    if random_.random() < 0.5:
        arguments = replace(arguments, windows=None, blackouts=None)
    if arguments.policy.may_be_placed and random_.random() < 0.4:
        delay = Placement(random_.choice((0, 1200, 3 * 3600, 20 * 3600)))
        arguments = replace(arguments, place=True, placement=delay)
    return one.schedule.with_arguments(arguments)


@pytest.mark.parametrize("part", range(4))
def test_a_range_in_pieces_tells_what_it_tells_whole(session: Session, part: int) -> None:
    """No run is lost between two pieces, wherever they meet; nor does one tell of other runs."""
    moved = 0
    for number in range(8):
        random_ = random.Random(f"pieces {part} {number}")
        made = deployment(random_, f"p{part}_{number}", 4, calendars=random_.random() < 0.5)
        with time_machine.travel(NOW, tick=False):
            for one in made:
                dag = DAG(
                    one.dag_id,
                    schedule=_freely_placed(random_, one),
                    start_date=START,
                    catchup=random_.random() < 0.2,
                )
                add_dag(session, dag, NOW, seen=START)
            ids = [one.dag_id for one in made]
            schedules = read_schedules(session, ids)
            now, until = NOW.timestamp(), (NOW + timedelta(days=7)).timestamp()
            cuts = sorted(random_.uniform(now, until) for _ in range(6))
            for known in read_dags(session, ids):
                places = partial(_places, schedules[known.dag_id], known.stored)
                whole = places(now, until)
                for low, high in pairwise((now, *cuts, until)):
                    # What is due before a piece and starts in it is told of in both.
                    expected = {
                        (due, start, outcome)
                        for due, start, outcome in whole
                        if min(due, start or due) < high and max(due, start or due) >= low
                    }
                    assert places(low, high) == expected, (known.dag_id, low, high)
                moved += sum(start is not None and start > due for due, start, _ in whole)
    assert moved > 100


def _places(
    schedule: Schedule, stored: StoredNextRun | None, since: float, until: float
) -> set[tuple[float, float | None, str]]:
    places, more = forecast(schedule, stored, ForecastQuery(NOW.timestamp(), since, until))
    assert not more
    return {(placed.tick.due, placed.start, placed.outcome) for placed in places}
