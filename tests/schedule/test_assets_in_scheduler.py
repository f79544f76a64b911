"""Airflow 3.4's own scheduler makes the runs of schedules that wait for assets.

What it asks, and when, decides where a run starts whose data are late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.asset import AssetDagRunQueue, AssetEvent, AssetModel
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.sdk import DAG, Asset
from airflow.sdk import CronTriggerTimetable as SdkCronTriggerTimetable
from airflow.timetables.base import Timetable
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from tests.support.airflow_database import add_dag, airflow_database
from tests.support.moments import utc
from tests.support.timetables import pen

pytestmark = pytest.mark.skipif(
    not hasattr(Timetable, "asset_gated"), reason="Airflow lets time wait for assets since 3.4"
)

# The scheduler compares what it stored with the clock of the database: all of this has passed.
DUE, NOON, OPENS = utc("2026-11-12 05:00"), utc("2026-11-12 12:00"), utc("2026-11-12 19:00")
SALES = Asset("sales")


class Scheduler:
    """Airflow's scheduler, on the tables of *session*, with one DAG stored before it was due."""

    def __init__(self, session: Session, schedule: Any) -> None:
        self.session = session
        executor: Any = SimpleNamespace()
        self._runner: Any = SchedulerJobRunner(Job(), executors=[executor])
        asset = AssetModel(name="sales", uri="sales", group="asset")
        asset.id = 1
        session.add(asset)
        before = DUE - timedelta(hours=1)
        with time_machine.travel(before, tick=False):
            dag = DAG("gated", schedule=schedule, start_date=before, catchup=False)
            gate: Any = {"timetable_asset_gated": True, "asset_expression": {"asset": {}}}
            add_dag(session, dag, before, **gate)

    @property
    def dag(self) -> DagModel:
        return self.session.get_one(DagModel, "gated")

    def update(self, at: datetime) -> int:
        """Let the data come."""
        event = AssetEvent(asset_id=1, timestamp=at, extra={})
        self.session.add(event)
        self.session.flush()
        self.session.add(
            AssetDagRunQueue(
                target_dag_id="gated", asset_event_id=event.id, asset_id=1, created_at=at
            )
        )
        self.session.commit()
        return event.id

    def look(self, now: datetime) -> list[DagRun]:
        """Let the scheduler make what it finds due *now*; all runs that are there."""
        with time_machine.travel(now, tick=False):
            needing, by_assets = DagModel.dags_needing_dagruns(self.session)
            assert not by_assets, "no asset starts a run by itself"
            self._runner._create_dag_runs(needing.all(), self.session)
            self.session.commit()
        return list(self.session.scalars(select(DagRun).order_by(DagRun.id)))

    @property
    def queued(self) -> list[int]:
        return list(self.session.scalars(select(AssetDagRunQueue.asset_event_id)))


Make = Callable[[Any], Scheduler]


def used(run: Any) -> list[int]:
    return [event.id for event in run.consumed_asset_events]


def ours(**arguments: Any) -> CalendarTimetable:
    return CalendarTimetable(
        "0 5 * * *",
        timezone="UTC",
        blackouts=Weekly("daily 06:00-19:00"),
        assets=[SALES],
        **arguments,
    )


@pytest.fixture
def make() -> Iterator[Make]:
    """Return what makes a scheduler of a DAG with a schedule."""
    with airflow_database() as session:
        yield partial(Scheduler, session)


@pytest.fixture
def airflows() -> Any:
    sdk: Any = pytest.importorskip("airflow.sdk")
    cron = SdkCronTriggerTimetable("0 5 * * *", timezone="UTC")
    return sdk.AssetAndTimeSchedule(timetable=cron, assets=[SALES])


def test_without_data_no_run_is_made(make: Make) -> None:
    scheduler = make(ours())

    assert scheduler.look(DUE) == []
    assert scheduler.look(OPENS) == []
    assert scheduler.dag.next_dagrun == DUE


def test_data_that_were_there_start_it_when_it_is_due(make: Make) -> None:
    scheduler = make(ours())
    event = scheduler.update(DUE - timedelta(minutes=30))

    [run] = scheduler.look(DUE + timedelta(seconds=2))

    assert (run.run_after, used(run), scheduler.queued) == (DUE, [event], [])


def test_airflows_own_starts_late_in_a_blackout(make: Make, airflows: Any) -> None:
    scheduler = make(airflows)
    scheduler.update(NOON)

    [run] = scheduler.look(NOON)

    assert run.run_after == DUE, "which is past: it starts at once, at noon"


def test_ours_waits_for_the_opening(make: Make) -> None:
    scheduler = make(ours())
    event = scheduler.update(NOON)

    [run] = scheduler.look(NOON)

    assert run.run_after == OPENS
    assert run.logical_date == DUE
    assert run.run_id == "scheduled__2026-11-12T05:00:00+00:00"
    assert (used(run), scheduler.queued) == ([event], [])
    assert scheduler.dag.next_dagrun == DUE + timedelta(days=1)
    # What comes while it waits is for the next.
    later = scheduler.update(NOON + timedelta(hours=1))
    assert scheduler.queued == [later]
    [_, following] = scheduler.look(DUE + timedelta(days=1, seconds=2))
    assert following.run_after == DUE + timedelta(days=1)
    assert (used(following), scheduler.queued) == ([later], [])


def test_several_events_start_one_run(make: Make) -> None:
    scheduler = make(ours())
    events = [scheduler.update(NOON), scheduler.update(NOON + timedelta(minutes=1))]

    [run] = scheduler.look(NOON + timedelta(minutes=2))

    assert run.run_after == OPENS
    assert (used(run), scheduler.queued) == (events, [])


def test_the_event_of_a_run_that_is_skipped_is_left_for_the_next(make: Make) -> None:
    scheduler = make(ours(max_delay=timedelta(hours=3)))
    event = scheduler.update(NOON)

    assert scheduler.look(NOON) == []
    assert scheduler.queued == [event]
    assert scheduler.dag.next_dagrun is None, "until its file is read again"

    tomorrow = pen(DUE + timedelta(days=1))
    scheduler.dag.next_dagrun = scheduler.dag.next_dagrun_create_after = tomorrow
    scheduler.dag.next_dagrun_data_interval = (tomorrow, tomorrow)
    scheduler.session.commit()
    [run] = scheduler.look(tomorrow)
    assert run.run_after == tomorrow
    assert (used(run), scheduler.queued) == ([event], [])
