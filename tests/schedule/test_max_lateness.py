"""Runs that are not made because nobody could make them in time, as in a paused DAG."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.timetables.interval import CronDataIntervalTimetable

from calendar_timetable.exceptions import InvalidArgument, NoOpening
from calendar_timetable.planning.plan import PlacedTick, Policy
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import minute, utc
from tests.support.scheduler import dag_model
from tests.support.timetables import next_run, travelled

TEN = timedelta(minutes=10)
LAST = utc("2026-11-20 02:00")


def due_and_start(
    made: CalendarTimetable, now: str, last: datetime | None = LAST, *, catchup: bool = False
) -> tuple[str, str]:
    with time_machine.travel(utc(now), tick=False):
        info = next_run(travelled(made), last, catchup=catchup)
    assert info is not None
    assert info.data_interval is not None
    return minute(info.data_interval.end), minute(info.run_after)


@pytest.mark.parametrize("catchup", [True, False])
@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-11-28 02:05", "2026-11-28T02:00"),  # unpaused in time
        ("2026-11-28 02:11", "2026-11-29T02:00"),
        ("2026-11-28 23:00", "2026-11-29T02:00"),
        ("2027-02-28 23:00", "2027-03-01T02:00"),
    ],
)
def test_what_came_due_while_a_dag_was_paused_is_left_alone(
    now: str, due: str, catchup: bool
) -> None:
    made = CalendarTimetable("0 2 * * *", timezone="UTC", max_lateness=TEN)

    assert due_and_start(made, now, catchup=catchup) == (due, due)


def test_without_it_the_latest_is_made() -> None:
    made = CalendarTimetable("0 2 * * *", timezone="UTC")

    assert due_and_start(made, "2026-11-28 23:00")[0] == "2026-11-28T02:00"


def test_a_run_that_waits_for_its_opening_is_not_late() -> None:
    """Lateness counts from the start, not from the due time."""
    nights = Weekly("daily 19:00-07:00")
    made = CalendarTimetable("0 8 * * *", timezone="UTC", windows=nights, max_lateness=TEN)

    by_day = due_and_start(made, "2026-11-28 15:00")
    assert by_day == ("2026-11-28T08:00", "2026-11-28T19:00")
    assert due_and_start(made, "2026-11-28 19:05") == by_day
    assert due_and_start(made, "2026-11-28 19:30") == ("2026-11-29T08:00", "2026-11-29T19:00")


def test_windows_take_nothing_that_is_in_time() -> None:
    made = CalendarTimetable(
        "0 * * * *",
        timezone="UTC",
        windows=Weekly("daily 08:00-18:00"),
        max_lateness=timedelta(hours=2),
    )
    last = utc("2026-11-28 08:00")

    for catchup in (True, False):
        found = due_and_start(made, "2026-11-28 15:30", last, catchup=catchup)
        assert found == (("2026-11-28T14:00",) * 2 if catchup else ("2026-11-28T15:00",) * 2)


def closed_till_noon() -> CalendarTimetable:
    return CalendarTimetable(
        "0 9 * * *",
        timezone="UTC",
        blackouts=Weekly("daily 09:02-12:00"),
        duration=timedelta(minutes=1),
        max_lateness=timedelta(hours=1),
    )


def test_a_late_run_that_fits_before_time_closes_is_made() -> None:
    found = due_and_start(closed_till_noon(), "2026-11-28 09:01", utc("2026-11-27 09:00"))
    assert found == ("2026-11-28T09:00",) * 2


@pytest.mark.parametrize("now", ["09:03", "09:05", "10:30", "12:30"])
def test_a_late_run_that_would_wait_too_long_is_left_out_at_once(now: str) -> None:
    found = due_and_start(closed_till_noon(), f"2026-11-28 {now}", utc("2026-11-27 09:00"))
    assert found == ("2026-11-29T09:00",) * 2


def test_a_year_of_missed_runs_is_not_walked_through() -> None:
    made = travelled(
        CalendarTimetable(
            "* * * * *",
            timezone="UTC",
            windows=Weekly("daily 00:00-23:00"),
            stagger=timedelta(seconds=30),
            stagger_key="a",
            max_lateness=TEN,
        )
    )
    placed = 0
    place = Policy.place

    def counted(*given: Any) -> PlacedTick:
        nonlocal placed
        placed += 1
        return place(*given)

    with pytest.MonkeyPatch.context() as patch, time_machine.travel(utc("2026-11-28 12:00:30")):
        patch.setattr(Policy, "place", counted)
        info = next_run(made, utc("2025-11-28 12:00"), catchup=True)
    assert info is not None
    assert minute(info.run_after) == "2026-11-28T11:51"
    assert placed < 3_000


def test_the_next_run_covers_what_was_left_out() -> None:
    made = CalendarTimetable(CronDataIntervalTimetable("0 2 * * *", "UTC"), max_lateness=TEN)
    with time_machine.travel(utc("2026-11-28 12:00"), tick=False):
        info = next_run(travelled(made), earliest=utc("2026-11-20 02:00"), catchup=True)
    assert info is not None
    assert info.data_interval is not None
    assert [minute(info.data_interval.start), minute(info.data_interval.end)] == [
        "2026-11-20T02:00",
        "2026-11-29T02:00",
    ]


def test_a_stored_run_that_is_too_late_is_not_created() -> None:
    made = CalendarTimetable("0 2 * * *", timezone="UTC", max_lateness=TEN)
    with time_machine.travel(utc("2026-11-28 01:00"), tick=False):
        stored = next_run(travelled(made), LAST + timedelta(days=7), catchup=False)
    assert stored is not None
    row: Any = dag_model(stored)

    with time_machine.travel(utc("2026-11-28 02:09"), tick=False):
        assert travelled(made).next_run_info_from_dag_model(dag_model=row) is not None
    with time_machine.travel(utc("2026-11-28 02:11"), tick=False), pytest.raises(NoOpening):
        travelled(made).next_run_info_from_dag_model(dag_model=row)
    assert row.next_dagrun is None


@pytest.mark.parametrize("wrong", [timedelta(seconds=30), 600, timedelta(days=-1)])
def test_a_wrong_length_is_refused(wrong: Any) -> None:
    made = CalendarTimetable("0 2 * * *", max_lateness=wrong)

    with pytest.raises(InvalidArgument, match="max_lateness"):
        made.arguments.check()  # type: ignore[union-attr]


@pytest.mark.parametrize("preset", ["@once", "@continuous"])
def test_it_goes_with_what_is_due_again_and_again(preset: str) -> None:
    made = CalendarTimetable(preset, max_lateness=TEN)

    with pytest.raises(InvalidArgument, match="max_lateness"):
        made.arguments.check()  # type: ignore[union-attr]
