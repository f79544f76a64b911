"""Timetables as Airflow asks them: what runs next, and what comes out of the database again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import airflow.serialization.decoders  # (freezegun breaks what is imported while time is frozen)
import airflow.serialization.encoders  # noqa: F401
import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable

from calendar_timetable.planning.plan import Placement
from calendar_timetable.timetable import CalendarTimetable

# name, run_after, data interval: what a DagRunInfo says, in plain values
Step = tuple[datetime, datetime, datetime]


def pen(moment: datetime) -> pendulum.DateTime:
    """Return *moment* as a pendulum datetime in UTC."""
    return pendulum.instance(moment.astimezone(UTC))


def restriction(
    earliest: datetime | None = None, latest: datetime | None = None, *, catchup: bool = True
) -> TimeRestriction:
    """Return a restriction with these limits."""
    return TimeRestriction(earliest and pen(earliest), latest and pen(latest), catchup=catchup)


def travelled(timetable: CalendarTimetable) -> CalendarTimetable:
    """*timetable* as another component gets it: out of the database."""
    data = json.loads(json.dumps(timetable.serialize()))
    return CalendarTimetable.deserialize(data)


def placed(timetable: CalendarTimetable, delay: int | None, why: str = "") -> CalendarTimetable:
    """Return *timetable* as a placement file puts it, *delay* minutes after due times.

    As it is where it may not be placed, or *delay* is ``None``.
    """
    arguments = timetable.arguments
    assert arguments is not None, "it comes from a DAG file"
    if delay is None or not arguments.policy.may_be_placed:
        return timetable
    own = replace(arguments, place=True, placement=Placement(delay * 60, why))
    return timetable.with_arguments(own)


def without_catchup(timetable: CalendarTimetable) -> CalendarTimetable:
    """Return *timetable* as the cluster policy tells it that its DAG has no catchup."""
    arguments = timetable.arguments
    assert arguments is not None, "it comes from a DAG file"
    return timetable.with_arguments(replace(arguments, catchup=False))


def stepped(
    timetable: Timetable,
    earliest: datetime | None,
    latest: datetime | None = None,
    limit: int = 1_000,
    *,
    travel: bool = False,
) -> Iterator[DagRunInfo]:
    """Yield runs as the scheduler makes them, one after the other, with catchup."""
    last: DataInterval | None = None
    for _ in range(limit):
        if travel:
            assert isinstance(timetable, CalendarTimetable)
            timetable = travelled(timetable)
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=restriction(earliest, latest)
        )
        if info is None:
            return
        yield info
        last = info.data_interval


def said(info: DagRunInfo) -> Step:
    """Return what *info* says: when the run may start, and its data interval."""
    interval = info.data_interval
    assert interval is not None
    return info.run_after, interval.start, interval.end


def next_run(
    timetable: Timetable,
    last: datetime | DataInterval | None = None,
    earliest: datetime | None = None,
    latest: datetime | None = None,
    *,
    catchup: bool = True,
) -> DagRunInfo | None:
    """Return the next run after the one whose tick (or data interval) is *last*."""
    interval = DataInterval.exact(pen(last)) if isinstance(last, datetime) else last
    return timetable.next_dagrun_info(
        last_automated_data_interval=interval,
        restriction=restriction(earliest, latest, catchup=catchup),
    )


def as_json(data: dict[str, Any]) -> str:
    """Return *data* as golden files hold it."""
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
