"""Runs that are postponed by days, and keep their time of day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import MultipleCronTriggerTimetable

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.ticks import Ticks
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import minute, utc
from tests.support.processor import processor_seconds
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import next_run, pen, travelled

BERLIN, DAYS = "Europe/Berlin", timedelta(days=31)


def schedule(
    due: Any, *closed: tuple[str, str], timezone: str = "UTC", **more: Any
) -> CalendarTimetable:
    blackouts = FakeCalendar(spans(*closed)) if closed else None
    return CalendarTimetable(
        due, timezone=timezone, blackouts=blackouts, **({"keep_hour": True} | more)
    )


def starts(made: CalendarTimetable, first: str, end: str) -> dict[str, str | None]:
    """Return the start of each due time from *first* to *end*, all in UTC."""
    with time_machine.travel(utc(first), tick=False):
        plan = travelled(made).plan(utc(first), utc(end))
    return {minute(run.due): minute(run.start) if run.start else None for run in plan}


# Saturday's run, Saturday being closed by day.
SATURDAY = ("2026-11-28 00:00", "2026-11-28 18:00")


@pytest.mark.parametrize(
    ("closed", "start"),
    [
        ([SATURDAY], "2026-11-29T02:00"),
        ([SATURDAY, ("2026-11-29 01:00", "2026-11-29 02:00")], "2026-11-29T02:00"),
        ([SATURDAY, ("2026-11-29 02:00", "2026-11-29 02:01")], "2026-11-30T02:00"),
        # Four hours do not fit into the morning of Sunday.
        ([SATURDAY, ("2026-11-29 05:00", "2026-11-29 06:00")], "2026-11-30T02:00"),
        ([("2026-11-26 00:00", "2026-12-02 12:00")], "2026-12-03T02:00"),
        ([("2026-11-26 00:00", "2026-12-06 12:00")], None),
    ],
)
def test_a_weekly_run_moves_by_days(closed: list[tuple[str, str]], start: str | None) -> None:
    made = schedule("0 2 * * SAT", *closed, duration=timedelta(hours=4))

    assert starts(made, "2026-11-28", "2026-11-30") == {"2026-11-28T02:00": start}


def test_without_it_the_opening_is_the_start() -> None:
    made = schedule("0 2 * * SAT", SATURDAY, keep_hour=False)

    assert starts(made, "2026-11-28", "2026-11-30") == {"2026-11-28T02:00": "2026-11-28T18:00"}


def test_the_hour_is_that_of_the_zone_when_clocks_change() -> None:
    """On 29 March 2026 Berlin's clocks go from 02:00 to 03:00; on 25 October from 03:00 back."""
    spring = schedule("30 2 * * SAT", ("2026-03-28 00:00", "2026-03-28 12:00"), timezone=BERLIN)
    autumn = schedule("30 2 * * SAT", ("2026-10-24 00:00", "2026-10-24 12:00"), timezone=BERLIN)
    over = schedule("0 9 * * SAT", ("2026-03-28 00:00", "2026-03-28 12:00"), timezone=BERLIN)

    # 02:30 is left out on Sunday: with the offset from before it is 03:30.
    assert starts(spring, "2026-03-28", "2026-03-29") == {"2026-03-28T01:30": "2026-03-29T01:30"}
    assert starts(autumn, "2026-10-24", "2026-10-25") == {"2026-10-24T00:30": "2026-10-25T00:30"}
    assert starts(over, "2026-03-28", "2026-03-29") == {"2026-03-28T08:00": "2026-03-29T07:00"}


def test_what_waits_is_taken_along_by_the_next_that_runs() -> None:
    """At 06:00 and 18:00; what is due in a closed morning runs that evening."""
    made = schedule("0 6,18 * * *", ("2026-11-28 00:00", "2026-11-28 12:00"))

    assert starts(made, "2026-11-28", "2026-11-29") == {
        "2026-11-28T06:00": None,
        "2026-11-28T18:00": "2026-11-28T18:00",
    }


@pytest.mark.parametrize("now", ["2026-11-28 01:00", "2026-11-28 10:00", "2026-11-28 20:00"])
@pytest.mark.parametrize("catchup", [True, False])
def test_what_waits_for_its_hour_is_not_replaced_as_time_goes_by(now: str, catchup: bool) -> None:
    made = schedule("0 2 * * SAT", SATURDAY)
    with time_machine.travel(utc(now), tick=False):
        last = utc("2026-11-21 02:00")
        info = next_run(travelled(made), last, catchup=catchup)

    assert info is not None
    assert minute(info.run_after) == "2026-11-29T02:00"


def test_a_run_that_waits_is_told_in_words() -> None:
    made = schedule(
        "0 2 * * SAT", SATURDAY, ("2026-11-29 02:00", "2026-11-29 03:00"), timezone=BERLIN
    )
    with time_machine.travel(utc("2026-11-27"), tick=False):
        [run] = travelled(made).plan(utc("2026-11-28"), utc("2026-11-29"))

    assert run.reasons == (
        "blocked by team_calendar until 19:00 CET",
        "waits for its time of day (keep_hour=True)",
    )


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-30 07:00", "2026-12-01T06:00"),
        ("2026-12-01 04:00", "2026-12-01T06:00"),
        # Time has opened, but it was told to wait for its hour.
        ("2026-12-01 05:10", "2026-12-01T06:00"),
        # From its hour on it may start at any time that is open.
        ("2026-12-01 06:10", "2026-11-30T06:00"),
    ],
)
def test_a_late_run_waits_for_its_hour_whoever_looks(now: str, start: str) -> None:
    made = schedule("0 6 * * mon", ("2026-11-30 06:30", "2026-12-01 05:00"))
    with time_machine.travel(utc(now), tick=False):
        info = next_run(travelled(made), utc("2026-11-23 06:00"), catchup=False)
    assert info is not None
    assert minute(info.run_after) == start


def test_what_closes_the_hour_of_the_next_day_travels() -> None:
    closed = (("2026-11-30 06:30", "2026-12-01 05:00"), ("2026-12-01 05:30", "2026-12-01 07:00"))
    made = schedule("0 6 * * mon", *closed)
    with time_machine.travel(utc("2026-11-30 05:00"), tick=False):
        stored = travelled(made)
    with time_machine.travel(utc("2026-11-30 07:00"), tick=False):
        info = next_run(stored, utc("2026-11-23 06:00"), catchup=False)
    assert info is not None
    assert minute(info.run_after) == "2026-12-02T06:00"


def test_many_that_wait_cost_no_more_than_a_look_at_each() -> None:
    made = travelled(schedule("*/30 * * * tue", windows=Weekly("mon", "wed-sun"), max_delay=DAYS))
    looked_at = 0
    fits = OpenTime.next_fit

    def counted(*given: Any) -> float | None:
        nonlocal looked_at
        looked_at += 1
        return fits(*given)

    with pytest.MonkeyPatch.context() as patch, time_machine.travel(utc("2026-11-24 12:10")):
        patch.setattr(OpenTime, "next_fit", counted)
        info = next_run(made, utc("2026-11-17 23:30"), catchup=False)
    assert info is not None
    assert looked_at < 20_000


@pytest.mark.parametrize("catchup", [True, False])
def test_due_times_that_never_fit_cost_one_walk_through_the_days(catchup: bool) -> None:
    windows = Weekly("daily 10:00-11:00")
    made = schedule("*/15 0-9 * * *", timezone=BERLIN, windows=windows, max_delay=DAYS)
    found: list[Any] = []
    with time_machine.travel(utc("2026-11-02 00:30"), tick=False):
        stored = travelled(made)
        taken = processor_seconds(
            lambda: found.append(next_run(stored, utc("2026-11-01 23:00"), catchup=catchup))
        )

    assert found == [None]
    # A walk of its own for each took 1.6 seconds and more.
    assert taken < 0.4


def test_what_travels_is_told_by_one_walk_through_the_days() -> None:
    closed = ("2026-11-06 09:00", "2026-11-06 12:00")
    windows = Weekly("daily 10:00-11:00")
    made = schedule("*/15 0-9 * * *", closed, timezone=BERLIN, windows=windows, max_delay=DAYS)
    with time_machine.travel(utc("2026-11-02 00:30"), tick=False):
        made.compiled.open_time.over(utc("2026-09-01").timestamp(), utc("2027-04-01").timestamp())
        taken = processor_seconds(made.compiled.to_json)

    assert taken < 0.6


ALMOST_NEVER = {
    # Of a gap only: 02:15 comes at 03:15 on 29 March, which is no hour of its own.
    "15,45 1,2 * * *": Weekly("daily 03:10-03:20"),
    "45 * * * *": Weekly("daily 03:10-03:20"),
    "*/15 0-9 * * *": Weekly("sun 09:30-09:40"),
    "0 0 * * SUN": Weekly("fri 23:30-24:00", "mon 02:00-03:00"),
    "30 2 29 2,3 *": Weekly("sat 02:00-04:00"),
}


@pytest.mark.parametrize("zone", [BERLIN, "Australia/Lord_Howe", "America/Nuuk"])
@pytest.mark.parametrize("due", ALMOST_NEVER)
@pytest.mark.parametrize("days", [0, 2, 31])
def test_what_is_passed_over_has_no_run(zone: str, due: str, days: int) -> None:
    """However many due times are looked at one by one."""
    found: list[Any] = []
    more = {"windows": ALMOST_NEVER[due], "max_delay": timedelta(days=days)}
    now = utc("2026-02-20 00:00")
    with time_machine.travel(now, tick=False):
        for hours in (Ticks._hours, lambda *_: None):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Ticks, "_hours", hours)
                stored = travelled(schedule(due, timezone=zone, **more))
                runs: list[Any] = []
                last = next_run(stored, now, catchup=True)
                while last is not None and len(runs) < 6:
                    runs.append(last)
                    last = next_run(stored, last.data_interval, catchup=True)
                found.append(runs)

    assert found[0] == found[1]


@pytest.mark.parametrize("frequent", ["* * * * *", "*/10 * * * *", timedelta(minutes=5)])
def test_what_is_due_all_the_time_has_no_hour(frequent: Any) -> None:
    made = schedule(frequent)

    with pytest.raises(InvalidArgument, match="keep_hour"):
        made.arguments.check()  # type: ignore[union-attr]


def crons(*expressions: str) -> MultipleCronTriggerTimetable:
    return MultipleCronTriggerTimetable(*expressions, timezone=BERLIN)


def minutes(count: int, step: int) -> EventsTimetable:
    """Events of a Sunday in November, every *step* minutes from 06:00 on."""
    first = utc("2026-11-08 06:00")
    return EventsTimetable(
        event_dates=[pen(first + timedelta(minutes=step * n)) for n in range(count)]
    )


@pytest.mark.parametrize(
    ("due", "valid"),
    [
        ("*/5 * * * SUN", False),
        ("*/5 * * * SUN#1", False),
        ("*/10 * 29 2 *", False),
        ("*/15 * * * *", True),
        ("*/5 0-7 * * *", True),
        (CronDataIntervalTimetable("* 9,17 * * MON", BERLIN), False),
        # On 25 October there are four more of them in Berlin.
        (CronDataIntervalTimetable("*/15 * * * *", BERLIN), True),
        (crons("*/15 * * * *", "7 0 * * *"), False),
        (crons("*/15 * * * *", "30 2 * * *"), True),
        (crons("*/15 * * * MON", "7,8,9 * * * TUE"), True),
        (crons("*/15 * * * MON", "7 0 13 * *"), False),
        (minutes(97, 1), False),
        (minutes(96, 1), True),
        (minutes(200, 15), True),
        (minutes(200, 14), False),
    ],
)
def test_whether_it_is_valid_does_not_depend_on_the_day(due: Any, valid: bool) -> None:
    said = set()
    for day in ("02 12:00", "06 12:00", "07 23:59", "08 00:00", "08 07:00", "09 12:00"):
        for month in ("2026-10-2", "2026-11-0", "2028-02-2"):
            with time_machine.travel(utc(f"{month}{day[1:]}"), tick=False):
                made = schedule(due, timezone=BERLIN, windows=Weekly("daily 06:00-20:00"))
                try:
                    made.arguments.check()  # type: ignore[union-attr]
                except InvalidArgument as error:
                    said.add(str(error).partition("=")[0])
                else:
                    said.add("")

    assert said == {"" if valid else "keep_hour"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"keep_hour": 1}, "keep_hour"),
        ({"when_blocked": "advance"}, "keep_hour"),
        ({"coalesce": False}, "keep_hour"),
        ({"max_delay": timedelta(days=40)}, "max_delay"),
    ],
)
def test_what_does_not_go_with_it_is_refused(wrong: dict[str, Any], field: str) -> None:
    made = schedule("0 2 * * SAT", **wrong)

    with pytest.raises(InvalidArgument, match=field):
        made.arguments.check()  # type: ignore[union-attr]


def test_windows_of_every_day_leave_the_hour() -> None:
    """Due outside of its windows it would never run: that is told as a skipped run."""
    made = schedule("0 12 * * *", windows=Weekly("daily 19:00-07:00"))

    assert starts(made, "2026-11-28", "2026-11-29") == {"2026-11-28T12:00": None}
