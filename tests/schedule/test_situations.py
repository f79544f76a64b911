"""Situations from public reports about schedulers.

Each with the literal times that people expect.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG, Asset
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.types import DagRunType

from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import iso, utc
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import next_run, pen, restriction, travelled

NIGHTS = Weekly("daily 19:00-07:00")


def at(
    now: str, timetable: CalendarTimetable, last: Any = None, **limits: Any
) -> tuple[str | None, str | None] | None:
    """Due time and start of what is next at *now*, without catchup."""
    with time_machine.travel(utc(now), tick=False):
        info = next_run(travelled(timetable), last, catchup=limits.pop("catchup", False), **limits)
    if info is None or info.data_interval is None:
        return None
    return iso(info.data_interval.end), iso(info.run_after)


def interval(first: str, last: str) -> DataInterval:
    return DataInterval(pen(utc(first)), pen(utc(last)))


@pytest.mark.parametrize(
    "now", ["2026-11-12 08:00", "2026-11-12 10:30", "2026-11-12 18:59", "2026-11-12 23:00"]
)
@pytest.mark.parametrize("coalesce", [True, False])
def test_without_a_start_date_what_is_due_by_day_runs_at_night(now: str, coalesce: bool) -> None:
    timetable = CalendarTimetable("0 8 * * *", timezone="UTC", windows=NIGHTS, coalesce=coalesce)

    assert at(now, timetable) == ("2026-11-12T08:00+00:00", "2026-11-12T19:00+00:00")


@pytest.mark.parametrize("now", ["2026-11-12 09:00", "2026-11-12 12:00", "2026-11-12 20:00"])
def test_an_event_outside_the_windows_waits_for_them(now: str) -> None:
    days = [pen(utc("2026-11-12 08:30")), pen(utc("2026-11-17 08:30"))]
    timetable = CalendarTimetable(EventsTimetable(event_dates=days), windows=NIGHTS)

    assert at(now, timetable, earliest=utc("2026-11-01")) == (
        "2026-11-12T08:30+00:00",
        "2026-11-12T19:00+00:00",
    )


def test_a_first_data_interval_does_not_shrink_while_it_waits() -> None:
    freeze = FakeCalendar(spans(("2026-11-23 00:00", "2026-11-27 12:00")))
    timetable = CalendarTimetable(CronDataIntervalTimetable("0 0 * * *", "UTC"), blackouts=freeze)
    for now in ("2026-11-24 01:00", "2026-11-26 01:00", "2026-11-27 12:30"):
        with time_machine.travel(utc(now), tick=False):
            info = next_run(travelled(timetable), earliest=utc("2026-11-23"), catchup=False)
        assert info is not None
        assert info.data_interval == interval("2026-11-23", "2026-11-27")
        assert info.run_after == utc("2026-11-27 12:00")


def test_a_due_time_missed_before_a_freeze_joins_what_waits() -> None:
    """Unpaused in the freeze.

    One run at the opening, and not one for the interval before and one for those in it.
    """
    freeze = FakeCalendar(spans(("2026-11-23 00:30", "2026-11-27 12:00")))
    timetable = CalendarTimetable(CronDataIntervalTimetable("0 0 * * *", "UTC"), blackouts=freeze)
    last = interval("2026-11-20", "2026-11-21")
    for now in ("2026-11-23 05:00", "2026-11-25 05:00", "2026-11-27 12:30"):
        with time_machine.travel(utc(now), tick=False):
            info = next_run(travelled(timetable), last, earliest=utc("2026-11-01"), catchup=False)
        assert info is not None
        assert (iso(info.data_interval.end), iso(info.run_after)) == (  # type: ignore[union-attr]
            "2026-11-27T00:00+00:00",
            "2026-11-27T12:00+00:00",
        )
        assert info.data_interval.start == utc("2026-11-22")  # type: ignore[union-attr]


@pytest.mark.parametrize("when_blocked", ["postpone", "skip"])
@pytest.mark.parametrize("catchup", [True, False])
def test_unpausing_never_starts_what_is_ruled_out(when_blocked: Any, catchup: bool) -> None:
    timetable = CalendarTimetable(
        "45 20 * * FRI",
        timezone="UTC",
        windows=Weekly("fri 20:00-24:00"),
        when_blocked=when_blocked,
        max_delay=timedelta(0),
    )
    # The last run was on the 6th; that of the 13th was missed, and the DAG is unpaused on the
    # Monday after.
    for now in ("2026-11-16 09:00", "2026-11-20 19:59", "2026-11-20 20:10", "2026-11-20 20:44"):
        found = at(
            now, timetable, utc("2026-11-06 20:45"), earliest=utc("2026-10-01"), catchup=catchup
        )
        assert found == ("2026-11-20T20:45+00:00", "2026-11-20T20:45+00:00"), now


def test_an_advanced_run_works_from_its_start_on() -> None:
    timetable = CalendarTimetable(
        "0 8 * * *", timezone="UTC", windows=NIGHTS, when_blocked="advance"
    )
    with time_machine.travel(utc("2026-11-12 05:00"), tick=False):
        info = next_run(
            travelled(timetable), utc("2026-11-11 08:00"), earliest=utc("2026-11-01"), catchup=False
        )
        assert info is not None
        following = next_run(
            travelled(timetable), info.data_interval, earliest=utc("2026-11-01"), catchup=False
        )

    assert (info.run_after, info.logical_date) == (
        utc("2026-11-12 06:59:59"),
        utc("2026-11-12 06:59:59"),
    )
    assert info.data_interval == interval("2026-11-12 06:59:59", "2026-11-12 08:00")
    assert following is not None
    assert following.data_interval is not None
    assert following.data_interval.end == utc("2026-11-13 08:00")


def test_an_advanced_run_is_not_half_a_day_late_for_a_minute() -> None:
    timetable = CalendarTimetable(
        "0 8 * * *", timezone="UTC", windows=NIGHTS, when_blocked="advance"
    )

    for now in ("2026-11-12 07:00:59", "2026-11-12 07:04"):
        assert at(now, timetable, utc("2026-11-11 08:00"), earliest=utc("2026-11-01")) == (
            "2026-11-12T08:00+00:00",
            "2026-11-12T06:59:59+00:00",
        )


def test_run_ids_are_those_of_airflow_for_the_same_due_time() -> None:
    timetable = CalendarTimetable(CronDataIntervalTimetable("0 0 * * *", "UTC"))
    own = CronDataIntervalTimetable("0 0 * * *", "UTC")
    last = interval("2026-11-11", "2026-11-12")
    with time_machine.travel(utc("2026-11-13 01:00"), tick=False):
        ours, theirs = (
            next_run(each, last, earliest=utc("2026-11-01")) for each in (timetable, own)
        )
    assert ours == theirs
    assert ours is not None
    said = {
        "run_type": DagRunType.SCHEDULED,
        "run_after": ours.run_after,
        "data_interval": ours.data_interval,
    }
    assert timetable.generate_run_id(**said) == own.generate_run_id(**said)  # type: ignore[arg-type]


@pytest.mark.parametrize("catchup", [True, False])
@pytest.mark.parametrize("days", [40, 60, 400])
def test_a_minutely_dag_runs_again_after_a_long_closure(days: int, catchup: bool) -> None:
    """Also after fifty thousand due times."""
    begin = utc("2026-11-12 12:00")
    known = FakeCalendar(spans(("2026-11-12 12:00", (begin + timedelta(days=days)).isoformat())))
    timetable = CalendarTimetable("* * * * *", timezone="UTC", blackouts=known)
    now = begin + timedelta(days=days, minutes=5)
    if days == 400:  # past what is known of calendars nothing is told as a date
        with time_machine.travel(begin + timedelta(days=1), tick=False):
            assert next_run(travelled(timetable), begin, earliest=begin, catchup=catchup) is None
    with time_machine.travel(now, tick=False):
        info = next_run(travelled(timetable), begin, earliest=begin, catchup=catchup)
    assert info is not None
    assert begin + timedelta(days=days) <= info.run_after <= now


def test_runs_that_start_together_follow_one_another_in_airflows_calendar_view() -> None:
    closed = FakeCalendar(spans(("2026-11-12 00:00", "2026-11-13 12:00")))
    made = CalendarTimetable("0 */6 * * *", timezone="UTC", blackouts=closed, coalesce=False)
    limits = restriction(utc("2026-11-01"), catchup=False)
    with time_machine.travel(utc("2026-11-11 00:00"), tick=False):
        timetable = travelled(made)
        info: DagRunInfo | None = DagRunInfo.exact(pen(utc("2026-11-11 18:00")))
        starts = []
        for _ in range(8):
            assert info is not None
            following = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=limits)
            assert following is not None
            assert following.run_after > info.run_after, "Airflow's Calendar view ends here"
            starts.append(iso(following.run_after.replace(microsecond=0)))
            info = following

    assert starts == ["2026-11-13T12:00+00:00"] * 7 + ["2026-11-13T18:00+00:00"]


def test_a_backfill_has_every_due_time() -> None:
    closed = FakeCalendar(spans(("2026-11-02 00:00", "2026-11-04 12:00")))
    for options in ({"when_blocked": "skip"}, {}, {"when_blocked": "advance"}):
        timetable = CalendarTimetable("0 6 * * *", timezone="UTC", blackouts=closed, **options)  # type: ignore[arg-type]
        with time_machine.travel(utc("2026-11-12"), tick=False):
            dag = DAG("x", schedule=timetable)
            stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
            infos = stored.iter_dagrun_infos_between(utc("2026-11-01"), utc("2026-11-05 23:00"))
            due = [f"{info.data_interval.end:%d %H}" for info in infos if info.data_interval]
        assert due == ["01 06", "02 06", "03 06", "04 06", "05 06"], options


def test_what_is_said_beside_assets_fits_into_airflows_database() -> None:
    many = spans(*((f"2026-11-{day:02} 08:00", f"2026-11-{day:02} 10:00") for day in range(10, 30)))
    timetable = CalendarTimetable(
        "0 9 * * *",
        timezone="UTC",
        blackouts=[FakeCalendar(many, "calendar " + "x" * 300 + str(i)) for i in range(6)],
    )
    with time_machine.travel(utc("2026-11-12 08:30"), tick=False):
        either = AssetOrTimeSchedule(timetable=travelled(timetable), assets=Asset("data"))
        assert len(str(either.description)) <= 1000


def test_what_rests_on_unknown_calendars_is_no_date() -> None:
    """A window calendar without coming events: no next run, and why."""
    timetable = CalendarTimetable(
        "0 9 * * *", timezone="UTC", windows=FakeCalendar(spans(), "off_peak")
    )
    with time_machine.travel(utc("2026-11-12 08:30"), tick=False):
        stored = travelled(timetable)
        assert (
            next_run(stored, utc("2026-11-11 09:00"), earliest=utc("2026-11-01"), catchup=False)
            is None
        )
        assert (
            next_run(stored, utc("2026-11-11 09:00"), earliest=utc("2026-11-01"), catchup=True)
            is None
        )
        assert "no available slot" in stored.description
        assert "2027" not in stored.summary.partition("read until")[0]
        [told] = stored.plan(utc("2027-02-28 00:00"), limit=1)
    assert told.provisional


class Dead(TimeSet):
    """A calendar that cannot be read, until it can."""

    dead = True

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        if self.dead:
            raise CalendarUnavailable("team", "HTTP 503", 1_794_480_000)
        return FakeCalendar(spans(("2026-11-12 08:00", "2026-11-12 10:00"))).resolve(
            horizon, timezone
        )

    def __str__(self) -> str:
        return "team"


def test_a_calendar_that_cannot_be_read_holds_its_dag_and_raises_nothing() -> None:
    calendar = Dead()
    timetable = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=calendar | Weekly("sun"))
    last, limits = utc("2026-11-11 09:00"), {"earliest": utc("2026-11-01"), "catchup": False}
    with time_machine.travel(utc("2026-11-12 09:30"), tick=False):
        stored = travelled(timetable)
        assert next_run(stored, last, **limits) is None  # type: ignore[arg-type]
        assert next_run(timetable, last, **limits) is None, "workers ask the schedule of the file"  # type: ignore[arg-type]
        assert stored.summary.startswith(
            "0 9 * * * + not team, not sun (held: team cannot be read: HTTP 503"
        )
        assert "HTTP 503" in stored.description
        assert stored.infer_manual_data_interval(run_after=pen(last)) is not None, "by hand it runs"
        assert json.dumps(stored.serialize()) == json.dumps(timetable.serialize())
    calendar.dead = False
    fresh = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=calendar | Weekly("sun"))

    assert at("2026-11-12 11:00", fresh, last, earliest=utc("2026-11-01")) == (
        "2026-11-12T09:00+00:00",
        "2026-11-12T10:00+00:00",
    ), "the latest due run is made up for"
