"""Runs as calendar events, from the plan to the end.

One event each, told anew whenever something changes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import icalendar
import pytest
import time_machine
import vobject  # type: ignore[import-untyped]
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.sdk import DAG
from sqlalchemy import select
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning import zones
from calendar_timetable.runs.calendar_events import Site, write_feed
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.listing import Filters, find_rows
from calendar_timetable.runs.stored_schedules import read_schedules
from tests.support.airflow_database import add_dag, add_run
from tests.support.moments import utc

NOON = utc("2027-03-10 12:00")  # a Wednesday
NIGHT = utc("2027-03-10 22:00")
SITE = Site("https://airflow.example.com/prod/", "0a1b2c3d")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def nightly(session: Session) -> str:
    """A DAG that is due at noon and waits for the night."""
    timetable = CalendarTimetable("0 12 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
    add_dag(
        session,
        DAG("nightly", schedule=timetable, start_date=datetime(2027, 1, 1), catchup=False),
        NOON,
    )
    return "nightly"


def told(session: Session, dag_id: str, now: datetime) -> dict[datetime, Any]:
    """The events of the feed at *now*, by the tick of each, as icalendar reads them.

    The library vobject reads the same.
    """
    dags, schedules = read_dags(session, [dag_id]), read_schedules(session, [dag_id])
    filters = Filters(utc("2027-03-10").timestamp(), utc("2027-03-13").timestamp())
    with time_machine.travel(now, tick=False):
        rows, _ = find_rows(session, dags, schedules, filters, now.timestamp())
    body = write_feed(rows, SITE, "Airflow runs", now.timestamp())
    calendar: Any = icalendar.Calendar.from_ical(body)
    events = {str(event["UID"]): event for event in calendar.walk("VEVENT")}
    second = {
        event.uid.value: event
        for event in vobject.readOne(body.decode(), validate=True).vevent_list
    }
    assert {uid: event.start for uid, event in events.items()} == {
        u: e.dtstart.value for u, e in second.items()
    }
    assert {uid: len(event.alarms.times) for uid, event in events.items()} == {
        uid: len(event.contents.get("valarm", [])) for uid, event in second.items()
    }
    by_uid = {SITE.uid(row): row for row in rows}
    return {zones.to_datetime(by_uid[uid].placed.tick.due): e for uid, e in events.items()}


def changed(before: Any, after: Any) -> bool:
    """Whether *after* is a later word of the same event."""
    assert after["UID"] == before["UID"]
    assert (
        after["SEQUENCE"] >= before["SEQUENCE"]
        and after["LAST-MODIFIED"].dt >= before["LAST-MODIFIED"].dt
    )
    assert after["DTSTAMP"].dt == after["LAST-MODIFIED"].dt
    return bool(after["SEQUENCE"] > before["SEQUENCE"])


def alarms(event: Any) -> list[datetime]:
    return [time.trigger for time in event.alarms.times]


def test_from_the_plan_to_the_end(session: Session, nightly: str) -> None:
    """Each step is a higher SEQUENCE of the same UID, and leads to the DAG, then to the run."""
    planned = told(session, nightly, NOON)[NOON]
    assert (planned["SUMMARY"], planned["STATUS"], planned.start, alarms(planned)) == (
        "nightly",
        "CONFIRMED",
        NIGHT,
        [],
    )
    assert planned["URL"] == "https://airflow.example.com/prod/dags/nightly"
    assert planned["DESCRIPTION"].startswith(
        "Due Wed 10 Mar 2027 12:00 UTC, outside daily 22:00-06:00 until 22:00; starts"
    )

    add_run(session, nightly, "queued", NOON, run_after=NIGHT)
    run = session.scalars(select(DagRun)).one()
    run.updated_at = NIGHT
    session.commit()
    queued = told(session, nightly, NIGHT + MINUTE)[NOON]
    assert changed(planned, queued)
    assert str(queued["URL"]).startswith(
        "https://airflow.example.com/prod/dags/nightly/runs/scheduled__2027"
    )

    late = told(session, nightly, NIGHT + 6 * MINUTE)[NOON]
    assert changed(queued, late)
    assert (late["SUMMARY"], alarms(late)) == ("nightly (late)", [NIGHT + 5 * MINUTE])

    run._state, run.start_date, run.updated_at = "running", NIGHT + 7 * MINUTE, NIGHT + 7 * MINUTE
    session.commit()
    running = told(session, nightly, NIGHT + 8 * MINUTE)[NOON]
    assert changed(late, running)
    assert (running["SUMMARY"], running.start, alarms(running)) == (
        "nightly (running)",
        NIGHT + 7 * MINUTE,
        [],
    )

    run._state, run.end_date, run.updated_at = "failed", NIGHT + 9 * MINUTE, NIGHT + 9 * MINUTE
    session.commit()
    failed = told(session, nightly, NIGHT + 10 * MINUTE)[NOON]
    assert changed(running, failed)
    assert (failed["SUMMARY"], failed.end, alarms(failed)) == (
        "nightly (failed)",
        NIGHT + 9 * MINUTE,
        [NIGHT + 9 * MINUTE],
    )
    assert not changed(failed, told(session, nightly, NIGHT + 60 * MINUTE)[NOON]), (
        "nothing happens to it any more"
    )


def test_a_plan_that_moves_is_the_same_event(session: Session, nightly: str) -> None:
    tomorrow = NOON + timedelta(days=1)
    before = told(session, nightly, NOON)[tomorrow]
    later = CalendarTimetable("0 12 * * *", timezone="UTC", windows=Weekly("daily 23:00-06:00"))
    moved = DAG(nightly, schedule=later, start_date=datetime(2027, 1, 1), catchup=False)
    stored = session.scalars(select(SerializedDagModel)).one()
    stored._data = type(stored)(lazy(moved))._data
    stored.dag_hash, stored.last_updated = "another", NOON + MINUTE
    session.commit()
    after = told(session, nightly, NOON + 2 * MINUTE)[tomorrow]
    assert changed(before, after)
    assert after.start == before.start + 60 * MINUTE


def test_a_run_that_misses_its_night_waits_for_the_next(session: Session, nightly: str) -> None:
    """While the scheduler is down: late, then moved, as nothing may start by day."""
    planned = told(session, nightly, NOON)[NOON]
    late = told(session, nightly, NIGHT + 10 * MINUTE)[NOON]
    assert changed(planned, late) and late["SUMMARY"] == "nightly (late)" and len(alarms(late)) == 1
    by_day = told(session, nightly, NIGHT + timedelta(hours=9))[NOON]
    assert changed(planned, by_day)
    assert (by_day.start, alarms(by_day)) == (NIGHT + timedelta(days=1), [])


def test_what_does_not_run_is_cancelled_and_what_may_not_is_tentative(session: Session) -> None:
    timetable = CalendarTimetable(
        "0 12 * * *", timezone="UTC", blackouts=Weekly("thu"), when_blocked="skip"
    )
    dag = DAG("skips", schedule=timetable, start_date=datetime(2027, 1, 1), catchup=False)
    add_dag(session, dag, NOON)
    states = {
        at: (event["STATUS"], event["SUMMARY"])
        for at, event in told(session, "skips", NOON).items()
    }
    assert states == {
        NOON: ("CONFIRMED", "skips"),
        NOON + timedelta(days=1): ("CANCELLED", "skips (skipped)"),
        NOON + timedelta(days=2): ("CONFIRMED", "skips"),
    }
    add_dag(
        session,
        DAG("paused", schedule="0 12 * * *", start_date=datetime(2027, 1, 1)),
        NOON,
        is_paused=True,
    )
    assert {event["STATUS"] for event in told(session, "paused", NOON).values()} == {"TENTATIVE"}


def lazy(dag: DAG) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG

    return LazyDeserializedDAG(data=DagSerialization.to_dict(dag))
