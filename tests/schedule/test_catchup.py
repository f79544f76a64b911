"""Rule 6: what is due with and without catchup.

Between start and end date, and when it could not be made in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.interval import CronDataIntervalTimetable

from calendar_timetable import Calendar
from calendar_timetable.exceptions import NoOpening
from calendar_timetable.planning.time_sets import Feed, TimeRange
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import instant, iso, utc
from tests.support.scheduler import Scheduler, dag_model
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import next_run, pen, travelled

START = utc("2026-11-01")
# Three days, from Thursday 08:00 to Saturday 12:00
FREEZE = FakeCalendar(spans(("2026-11-12 08:00", "2026-11-14 12:00")), "freeze")


def nov(text: str) -> datetime:
    """ "12 09:00" in November 2026."""
    return utc(f"2026-11-{text}")


@pytest.fixture(autouse=True)
def in_november() -> Iterator[None]:
    """Let what is stored outside of a story have the calendars of that month too."""
    with time_machine.travel(nov("10 12:00"), tick=False):
        yield


def shown(info: DagRunInfo | None) -> tuple[str, str] | None:
    """(tick, start), as "12 09:00"."""
    if info is None or info.data_interval is None:
        return None
    return f"{info.data_interval.end:%d %H:%M}", f"{info.run_after:%d %H:%M}"


def at(
    now: str, timetable: CalendarTimetable, last: str | None = None, *, catchup: bool, **limits: Any
) -> tuple[str, str] | None:
    """What follows the run of the tick *last*, at *now*.

    From the arguments and from the database alike.
    """
    with time_machine.travel(nov(now), tick=False):
        found = [
            shown(
                next_run(
                    each,
                    (last and nov(last)) or None,
                    catchup=catchup,
                    **({"earliest": START} | limits),  # type: ignore[arg-type]
                )
            )
            for each in (timetable, travelled(timetable))
        ]
    assert found[0] == found[1]
    return found[0]


# now, the tick that ran last, and without catchup: the next tick and its start. Due at 09:00 every
# day.
DAILY: list[tuple[str, str | None, tuple[str, str]]] = [
    ("10 10:00", "06 09:00", ("10 09:00", "10 09:00")),  # the latest due, nothing older
    ("10 10:00", "10 09:00", ("11 09:00", "11 09:00")),
    ("10 10:00", None, ("10 09:00", "10 09:00")),
    ("10 08:59", "06 09:00", ("09 09:00", "09 09:00")),
    # 12, 13 and 14 start together: only the last runs
    ("11 23:00", "11 09:00", ("14 09:00", "14 12:00")),
    ("13 10:00", "11 09:00", ("14 09:00", "14 12:00")),  # still, while they wait
    ("14 12:01", "11 09:00", ("14 09:00", "14 12:00")),  # and once released
    ("15 08:00", "11 09:00", ("14 09:00", "14 12:00")),
    ("15 10:00", "11 09:00", ("15 09:00", "15 09:00")),
    ("15 10:00", "14 09:00", ("15 09:00", "15 09:00")),
]


@pytest.mark.parametrize(("now", "last", "expected"), DAILY)
def test_without_catchup_the_latest_due_is_honoured(
    now: str, last: str | None, expected: tuple[str, str]
) -> None:
    timetable = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=FREEZE)

    assert at(now, timetable, last, catchup=False) == expected


# The same where each of them runs (coalesce=False).
EACH: list[tuple[str, str | None, tuple[str, str]]] = [
    ("10 10:00", "06 09:00", ("10 09:00", "10 09:00")),
    ("11 23:00", "11 09:00", ("12 09:00", "14 12:00")),
    ("12 10:00", "11 09:00", ("12 09:00", "14 12:00")),
    ("13 10:00", "11 09:00", ("12 09:00", "14 12:00")),  # not lost though the 13th is due by now
    ("14 11:59", "11 09:00", ("12 09:00", "14 12:00")),
    ("14 11:59", "12 09:00", ("13 09:00", "14 12:00")),
    ("14 11:59", "13 09:00", ("14 09:00", "14 12:00")),
    (
        "14 12:00",
        "12 09:00",
        ("13 09:00", "14 12:00"),
    ),  # released together: none of them is older than another
    ("15 10:00", "11 09:00", ("15 09:00", "15 09:00")),
]


@pytest.mark.parametrize(("now", "last", "expected"), EACH)
def test_ticks_that_wait_are_not_lost_to_newer_ones(
    now: str, last: str | None, expected: tuple[str, str]
) -> None:
    timetable = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=FREEZE, coalesce=False)

    assert at(now, timetable, last, catchup=False) == expected


def test_catchup_makes_every_run_one_by_one() -> None:
    timetable = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=FREEZE)

    assert at("20 00:00", timetable, "06 09:00", catchup=True) == ("07 09:00", "07 09:00")
    assert at("20 00:00", timetable, None, catchup=True) == ("01 09:00", "01 09:00")
    assert at("20 00:00", timetable, "11 09:00", catchup=True) == ("14 09:00", "14 12:00")


def test_without_catchup_no_data_interval_is_lost_to_a_blackout() -> None:
    timetable = CalendarTimetable(CronDataIntervalTimetable("0 9 * * *", "UTC"), blackouts=FREEZE)
    with time_machine.travel(nov("13 10:00"), tick=False):
        before = DataInterval(pen(nov("10 09:00")), pen(nov("11 09:00")))
        first = next_run(timetable, before, earliest=START, catchup=False)

    assert first is not None
    assert first.data_interval is not None
    assert (iso(first.data_interval.start), iso(first.data_interval.end), iso(first.run_after)) == (
        "2026-11-11T09:00+00:00",
        "2026-11-14T09:00+00:00",
        "2026-11-14T12:00+00:00",
    )


class Events(Calendar):
    """A calendar whose events start at these times."""

    starting: Sequence[str] = ("11 14:00", "12 09:00", "12 14:00", "17 10:00")

    def starts(self, horizon: TimeRange, timezone: str) -> tuple[list[int], Feed | None]:
        found = [instant(f"2026-11-{start}") for start in self.starting]
        return [start for start in found if horizon.start <= start < horizon.end], None


EVENTS: list[tuple[str, str | None, tuple[str, str] | None]] = [
    ("12 08:59", "11 14:00", ("12 09:00", "12 09:00")),
    ("12 09:00", "11 14:00", ("12 09:00", "12 09:00")),
    ("12 09:01", "11 14:00", ("12 09:00", "12 09:00")),  # one parse late
    ("12 13:59", "11 14:00", ("12 09:00", "12 09:00")),
    ("12 14:00", "11 14:00", ("12 14:00", "12 14:00")),
    ("12 14:01", "12 09:00", ("12 14:00", "12 14:00")),
    ("12 09:01", None, ("12 09:00", "12 09:00")),
    ("11 00:00", None, ("11 14:00", "11 14:00")),
    ("16 00:00", "12 14:00", ("17 10:00", "17 10:00")),
    ("18 00:00", "12 14:00", ("17 10:00", "17 10:00")),
    ("18 00:00", "17 10:00", None),
]


@pytest.mark.parametrize(("now", "last", "expected"), EVENTS)
def test_an_event_as_tick_is_not_lost_by_a_late_parse(
    now: str, last: str | None, expected: tuple[str, str] | None
) -> None:
    assert (
        at(now, CalendarTimetable(Events("team"), timezone="UTC"), last, catchup=False) == expected
    )


def test_events_as_ticks_move_by_their_offset() -> None:
    timetable = CalendarTimetable(Events("team"), timezone="UTC", offset=timedelta(minutes=-15))

    assert at("11 00:00", timetable, None, catchup=True) == ("11 13:45", "11 13:45")
    assert at("11 00:00", timetable, "11 13:45", catchup=True) == ("12 08:45", "12 08:45")


def test_events_as_ticks_wait_for_open_time() -> None:
    timetable = CalendarTimetable(Events("team"), timezone="UTC", blackouts=FREEZE)

    assert at("12 09:01", timetable, "11 14:00", catchup=False) == ("12 14:00", "14 12:00")


# start_date, end_date, the tick that ran last, with catchup at the 20th: the next tick and its
# start
LIMITS: list[tuple[str, str | None, str | None, tuple[str, str] | None]] = [
    ("05 09:00", None, None, ("05 09:00", "05 09:00")),
    ("05 09:01", None, None, ("06 09:00", "06 09:00")),
    ("05 00:00", "05 09:00", None, ("05 09:00", "05 09:00")),
    ("05 00:00", "05 08:59", None, None),
    ("05 00:00", "05 09:00", "05 09:00", None),
    # The end bounds ticks: the start may be later
    ("12 00:00", "12 09:00", None, ("12 09:00", "14 12:00")),
    # And the tick of the 14th is none
    ("05 00:00", "13 10:00", "11 09:00", ("13 09:00", "14 12:00")),
    ("13 00:00", None, None, ("14 09:00", "14 12:00")),
    ("14 10:00", None, None, ("15 09:00", "15 09:00")),
]


@pytest.mark.parametrize(("start", "end", "last", "expected"), LIMITS)
def test_start_and_end_date_bound_ticks(
    start: str, end: str | None, last: str | None, expected: tuple[str, str] | None
) -> None:
    timetable = CalendarTimetable("0 9 * * *", timezone="UTC", blackouts=FREEZE)
    limits = {"earliest": nov(start), "latest": nov(end) if end else None}

    assert at("04 00:00", timetable, last, catchup=True, **limits) == expected


@pytest.mark.parametrize("catchup", [True, False])
def test_every_iteration_ends_at_the_end_date(catchup: bool) -> None:
    timetable = CalendarTimetable(
        "* * * * *", timezone="UTC", windows=Weekly("mon") & ~Weekly("mon")
    )

    assert at("04 00:00", timetable, None, catchup=catchup, latest=nov("05 00:00")) is None


# A run due at 07:00 that could not be made then: now, hours that it takes, policy, its start
MEETING = FakeCalendar(
    spans(("2026-11-12 08:00", "2026-11-12 10:00"), ("2026-11-12 10:30", "2026-11-12 12:30"))
)
LATE: list[tuple[str, int, str, str]] = [
    ("12 06:59", 0, "postpone", "12 07:00"),
    ("12 07:01", 0, "postpone", "12 07:00"),
    ("12 07:59", 0, "postpone", "12 07:00"),
    ("12 08:00", 0, "postpone", "12 10:00"),
    ("12 09:00", 0, "postpone", "12 10:00"),
    ("12 09:59", 0, "postpone", "12 10:00"),
    ("12 10:00", 0, "postpone", "12 07:00"),  # open by now: it starts at once
    ("12 11:00", 0, "postpone", "12 12:30"),
    ("12 13:00", 0, "postpone", "12 07:00"),
    ("12 09:00", 0, "advance", "12 10:00"),
    ("12 09:00", 0, "run", "12 07:00"),
    ("12 07:10", 1, "postpone", "12 12:30"),  # an hour no longer fits, nor between the meetings
    ("12 09:00", 1, "postpone", "12 12:30"),
    ("12 10:05", 1, "postpone", "12 12:30"),
    ("12 12:30", 1, "postpone", "12 07:00"),
]


@pytest.mark.parametrize("catchup", [True, False])
@pytest.mark.parametrize(("now", "hours", "when_blocked", "start"), LATE)
def test_a_late_run_never_starts_in_a_blackout(
    now: str, hours: int, when_blocked: Any, start: str, catchup: bool
) -> None:
    timetable = CalendarTimetable(
        "0 7 * * *",
        timezone="UTC",
        blackouts=MEETING,
        duration=timedelta(hours=hours),
        when_blocked=when_blocked,
    )

    assert at(now, timetable, "11 07:00", catchup=catchup) == ("12 07:00", start)

    stored = DagRunInfo.exact(pen(nov("12 07:00")))  # as an earlier parse left it
    with time_machine.travel(nov(now), tick=False):
        for each in (timetable, travelled(timetable)):
            created = each.next_run_info_from_dag_model(dag_model=dag_model(stored))
            assert shown(created) == ("12 07:00", start)
            assert created is not None
            assert created.logical_date == nov("12 07:00"), "it keeps its identity"


@pytest.mark.parametrize("catchup", [True, False])
def test_a_late_run_that_may_not_wait_is_skipped_for_good(catchup: bool) -> None:
    timetable = CalendarTimetable(
        "0 7 * * *", timezone="UTC", blackouts=MEETING, when_blocked="skip"
    )
    stored = DagRunInfo.exact(pen(nov("12 07:00")))

    for now in ("12 09:00", "12 10:30"):  # the meeting, and after it
        assert at(now, timetable, "11 07:00", catchup=catchup) == ("13 07:00", "13 07:00")
        with (
            time_machine.travel(nov(now), tick=False),
            pytest.raises(NoOpening, match="is skipped"),
        ):
            timetable.next_run_info_from_dag_model(dag_model=dag_model(stored))


def test_a_window_that_the_run_just_fits_is_not_lost_to_latency() -> None:
    window = FakeCalendar(spans(("2026-11-12 07:00", "2026-11-12 08:00")))
    timetable = CalendarTimetable(
        "0 7 * * *", timezone="UTC", windows=window, duration=timedelta(hours=1)
    )
    stored = DagRunInfo.exact(pen(nov("12 07:00")))

    with time_machine.travel(nov("12 07:00:20"), tick=False):
        assert shown(timetable.next_run_info_from_dag_model(dag_model=dag_model(stored))) == (
            "12 07:00",
            "12 07:00",
        )


def test_an_advanced_run_is_not_lost_to_latency() -> None:
    """Without a duration it starts in the last second before time closes.

    It is made some seconds later.
    """
    timetable = CalendarTimetable(
        "0 8 * * *", timezone="UTC", windows=Weekly("daily 19:00-07:00"), when_blocked="advance"
    )
    with time_machine.travel(nov("11 12:00"), tick=False):
        stored = next_run(timetable, nov("11 08:00"), earliest=START)
    assert stored is not None
    assert stored.run_after == nov("12 06:59:59")

    with time_machine.travel(nov("12 07:00:04"), tick=False):
        created = timetable.next_run_info_from_dag_model(dag_model=dag_model(stored))
    assert created is not None
    assert created.run_after == nov("12 06:59:59")


def test_no_stored_run_is_none() -> None:
    stored = dag_model(DagRunInfo.exact(pen(nov("12 07:00"))))
    stored.next_dagrun_create_after = None

    assert CalendarTimetable("@daily").next_run_info_from_dag_model(dag_model=stored) is None


NIGHTS = Weekly("daily 19:00-07:00")
# Start date, end date and the tick that ran last: the past, two days, and what is still to come.
# The DAG is first seen, or unpaused, on the 11th at 20:30; closed are the hours from 07:00 to 19:00
RANGES: list[tuple[str, str, str | None]] = [
    ("01 00:00", "05 21:00", None),
    ("01 00:00", "05 07:30", None),
    ("01 00:00", "11 12:00", None),
    ("01 00:00", "12 06:00", None),
    ("01 00:00", "13 12:00", None),
    ("11 00:00", "11 12:00", None),
    ("11 00:00", "12 06:00", None),
    ("11 07:30", "12 12:00", None),
    ("01 00:00", "05 21:00", "02 20:00"),
    ("01 00:00", "11 12:00", "02 08:00"),
    ("01 00:00", "13 12:00", "02 08:00"),
]


@pytest.mark.parametrize("when_blocked", ["postpone", "advance", "skip", "run"])
@pytest.mark.parametrize(("start", "end", "last"), RANGES)
def test_what_is_promised_up_to_an_end_date_is_made(
    start: str, end: str, last: str | None, when_blocked: Any
) -> None:
    """Each run is made that the same DAG makes up to then without an end date, and at its start."""
    timetable = travelled(
        CalendarTimetable("0 8,20 * * *", timezone="UTC", windows=NIGHTS, when_blocked=when_blocked)
    )

    def made(until: datetime | None) -> list[tuple[datetime, datetime]]:
        before = DagRunInfo.exact(pen(nov(last))) if last else None
        dag = Scheduler(timetable, nov(start), True, until, timedelta(hours=3), last=before)
        dag.run((nov("11 20:30"), nov("15 12:00")))
        return [(due, begins) for due, begins, _ in dag.made]

    expected = [(due, begins) for due, begins in made(None) if due <= nov(end)]
    assert made(nov(end)) == expected
    if when_blocked != "skip":
        first = nov(last) if last else nov(start) - timedelta(minutes=1)
        hours = int((nov(end) - nov("01 00:00")).total_seconds() // 3600) + 1
        every = (nov("01 00:00") + timedelta(hours=hour) for hour in range(hours))
        assert [due for due, _ in expected] == [
            due for due in every if due.hour in (8, 20) and due > first
        ]


@pytest.mark.parametrize("end", [None, "11 00:00", "10 07:00"])
@pytest.mark.parametrize(
    "options",
    [{"max_delay": timedelta(days=1)}, {"max_lateness": timedelta(hours=40)}],
    ids=["max_delay", "max_lateness"],
)
def test_a_run_that_cannot_be_made_keeps_no_other_from_being_made(
    options: dict[str, Any], end: str | None
) -> None:
    """Unpaused after the end date: the first that was missed is skipped."""
    closed = FakeCalendar(spans(("2026-11-06 12:00", "2026-11-09 12:00")))
    timetable = CalendarTimetable("0 8 * * *", timezone="UTC", blackouts=closed, **options)
    before = DagRunInfo.exact(pen(nov("05 08:00")))
    dag = Scheduler(
        travelled(timetable), START, True, end and nov(end), timedelta(hours=1), last=before
    )
    dag.run((nov("11 09:00"), nov("11 23:00")))

    due = (
        ["10 08:00", "11 08:00"]
        if "max_lateness" in options
        else ["09 08:00", "10 08:00", "11 08:00"]
    )
    assert [f"{due:%d %H:%M}" for due, *_ in dag.made] == [
        each for each in due if end is None or nov(each) <= nov(end)
    ]


def test_after_the_end_date_a_run_that_waits_is_made_and_none_that_is_too_late() -> None:
    closed = FakeCalendar(spans(("2026-11-10 06:00", "2026-11-11 08:00")))
    timetable = travelled(
        CalendarTimetable(
            "0 8 * * *", timezone="UTC", blackouts=closed, max_lateness=timedelta(hours=1)
        )
    )
    before = DagRunInfo.exact(pen(nov("05 08:00")))
    dag = Scheduler(timetable, START, True, nov("10 12:00"), timedelta(hours=1), last=before)
    dag.run((nov("10 20:00"), nov("12 00:00")))

    assert [(due, start) for due, start, _ in dag.made] == [(nov("10 08:00"), nov("11 08:00"))]


def test_a_run_after_one_that_was_late_is_late_by_its_own_start() -> None:
    """No start goes back: that of a run made up for follows the late start of the one before."""
    closed = FakeCalendar(spans(("2026-11-05 12:30", "2026-11-10 12:10")))
    timetable = CalendarTimetable(
        "0 8 * * *",
        timezone="UTC",
        windows=NIGHTS,
        blackouts=closed,
        coalesce=False,
        max_delay=timedelta(days=1),
    )
    before = DagRunInfo.exact(pen(nov("01 08:00")))._replace(run_after=pen(nov("04 19:00")))
    dag = Scheduler(travelled(timetable), START, True, None, timedelta(hours=1), last=before)
    dag.run((nov("10 19:00"), nov("10 23:00")))

    assert [due for due, *_ in dag.made] == [nov("02 08:00"), nov("03 08:00"), nov("10 08:00")]


def backfilled(schedule: Any, since: str, until: str, now: str) -> list[tuple[str, str] | None]:
    """What Airflow makes of a backfill of a DAG with *schedule*."""
    dag = DAG("backfilled", schedule=schedule, start_date=START, end_date=nov("05"), catchup=True)
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    with time_machine.travel(nov(now), tick=False):
        return [shown(info) for info in stored.iter_dagrun_infos_between(nov(since), nov(until))]


@pytest.mark.parametrize("around", [False, True], ids=["itself", "with assets besides"])
@pytest.mark.parametrize("when_blocked", ["postpone", "advance", "skip", "run"])
@pytest.mark.parametrize(
    ("since", "until", "now"),
    [
        ("01 00:00", "05 00:00", "11 20:30"),  # all of the DAG's own time
        ("02 00:00", "03 12:00", "11 20:30"),
        ("10 00:00", "12 23:00", "12 09:00"),  # as it is blocked, up to this day's end
    ],
)
def test_a_backfill_follows_ticks_and_not_the_clock(
    since: str, until: str, now: str, when_blocked: Any, around: bool
) -> None:
    timetable: Any = CalendarTimetable(
        "0 8,20 * * *", timezone="UTC", windows=NIGHTS, when_blocked=when_blocked
    )
    if around:
        timetable = AssetOrTimeSchedule(timetable=timetable, assets=[Asset("data")])
    hours = range(int((nov(until) - nov(since)).total_seconds() // 3600) + 1)
    due = [f"{each:%d %H:%M}" for each in (nov(since) + timedelta(hours=hour) for hour in hours)]

    assert backfilled(timetable, since, until, now) == [
        (each, each) for each in due if each[3:] in ("08:00", "20:00")
    ]
