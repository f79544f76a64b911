"""The gate's decisions, in both forms.

What passes, what waits and until when, what gives up, who overrides.
"""

from __future__ import annotations

import logging
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from functools import partial
from typing import Any

import pytest
import time_machine
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
    TaskDeferred,
)

from calendar_timetable import (
    Calendar,
    CalendarGate,
    CalendarTimetable,
    InvalidArgument,
    Weekly,
    hold_until_open,
)
from calendar_timetable.calendars.feed.cache import CacheEntry
from calendar_timetable.calendars.sources.lookup import source_for
from calendar_timetable.runtime.gate_trigger import GateTrigger
from tests.support.moments import utc
from tests.support.team_calendar import TeamCalendar, context_of

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
pytestmark = pytest.mark.usefixtures("counted")


def at(text: str) -> time_machine.travel:
    return time_machine.travel(utc(text), tick=False)


@pytest.fixture
def schedule(team: TeamCalendar) -> CalendarTimetable:
    """Nights only, and not while the team is busy; runs take an hour."""
    return CalendarTimetable(
        "0 2 * * *",
        timezone="UTC",
        windows=Weekly("daily 22:00-06:00"),
        blackouts=Calendar(team.address),
        duration=HOUR,
    )


def outcome(context: dict[str, Any], **options: Any) -> str:
    """What both forms of the gate do.

    "passes", or when the held form looks again and the deferred one gives up.
    """
    try:
        hold_until_open(context, **options)
    except AirflowRescheduleException as held:
        until = held.reschedule_date
    else:
        CalendarGate(task_id="gate", **options).execute(context)
        return "passes"
    with pytest.raises(TaskDeferred) as deferred:
        CalendarGate(task_id="gate", **options).execute(context)
    assert isinstance(deferred.value.trigger, GateTrigger)
    assert deferred.value.method_name == "look_again"
    return f"{until:%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("now", "planned", "expected"),
    [
        ("2026-03-02 02:00:05", "2026-03-02 02:00", "passes"),
        ("2026-03-02 05:00:00", "2026-03-02 02:00", "passes"),  # just fits
        # Fits no more; looks again after `refresh`
        ("2026-03-02 05:00:01", "2026-03-02 02:00", "02 05:05:01"),
        # Was planned to just fit, and Airflow took its time
        ("2026-03-02 05:00:09", "2026-03-02 05:00", "passes"),
        # The opening comes before the refresh
        ("2026-03-02 21:59:00", "2026-03-02 02:00", "02 22:00:00"),
        # Queued through the night into the day
        ("2026-03-02 12:00:00", "2026-03-02 02:00", "02 12:05:00"),
    ],
)
def test_passes_or_waits(
    schedule: CalendarTimetable, now: str, planned: str, expected: str
) -> None:
    with at(now):
        assert outcome(context_of(schedule, run_after=planned)) == expected


def test_a_meeting_added_in_the_last_moment_holds_and_removed_lets_go(
    team: TeamCalendar, schedule: CalendarTimetable
) -> None:
    with at("2026-03-02 02:00:05"):
        context = context_of(schedule)
        assert outcome(context) == "passes"
        team.put("meeting", "2026-03-02 01:30", "2026-03-02 02:04")
        assert outcome(context) == "02 02:04:00"
        team.put("meeting", "2026-03-02 02:30", "2026-03-02 02:34")
        assert outcome(context) == "02 02:05:05", "an hour does not fit before it"
        assert outcome(context, duration=20 * MINUTE) == "passes"
        team.remove("meeting")
        assert outcome(context) == "passes"


def test_what_just_fits_after_an_opening_survives_latency(
    team: TeamCalendar, schedule: CalendarTimetable
) -> None:
    team.put("one", "2026-03-02 02:00", "2026-03-02 03:00")
    team.put("two", "2026-03-02 04:00", "2026-03-02 06:00")
    with at("2026-03-02 03:00:20"):
        assert outcome(context_of(schedule, run_after="2026-03-02 01:00")) == "passes"
    with at("2026-03-02 03:06:00"):
        assert outcome(context_of(schedule, run_after="2026-03-02 01:00")) == "02 03:11:00"


def test_looks_again_when_its_trigger_fires(
    team: TeamCalendar, schedule: CalendarTimetable
) -> None:
    gate = CalendarGate(task_id="gate")
    since = utc("2026-03-02 02:00").timestamp()
    with at("2026-03-02 03:00:05"):
        gate.look_again(context_of(schedule), {"open": True}, since)
        team.put("meeting", "2026-03-02 03:00", "2026-03-02 03:30")
        with pytest.raises(TaskDeferred) as deferred:
            gate.look_again(context_of(schedule), {"open": True}, since)
    assert deferred.value.kwargs == {"since": since}
    assert deferred.value.trigger.late_at == since + timedelta(days=7).total_seconds()


@pytest.mark.parametrize(
    ("when_late", "error"), [("skip", AirflowSkipException), ("fail", AirflowFailException)]
)
def test_gives_up_after_max_delay(
    schedule: CalendarTimetable, counted: Counter[str], when_late: Any, error: type[Exception]
) -> None:
    options: dict[str, Any] = {"max_delay": 2 * HOUR, "when_late": when_late}
    with at("2026-03-02 11:59:00"):
        assert (
            outcome(context_of(schedule, held_since="2026-03-02 10:00"), **options) == "02 12:00:00"
        )
    with at("2026-03-02 12:00:00"):
        with pytest.raises(
            error, match=r"outside daily 22:00-06:00 until 22:00.*waited 2 h \(max_delay\)"
        ):
            hold_until_open(context_of(schedule, held_since="2026-03-02 10:00"), **options)
        gate = CalendarGate(task_id="gate", **options)
        with pytest.raises(error, match=r"waited 2 h"):
            gate.look_again(
                context_of(schedule), {"open": False}, utc("2026-03-02 10:00").timestamp()
            )
    assert counted["calendar_timetable.gate.late"] == 2


def test_an_unreadable_calendar_holds(team: TeamCalendar, schedule: CalendarTimetable) -> None:
    team.path.unlink()
    with at("2026-03-02 02:00:05"):
        assert outcome(context_of(schedule)) == "02 02:05:05"
        with pytest.raises(AirflowSkipException, match=r"calendar team\.ics cannot be read"):
            hold_until_open(context_of(schedule, held_since="2026-02-01 10:00"))


def test_a_held_task_is_not_rescheduled_for_at_once(schedule: CalendarTimetable) -> None:
    """Airflow's scheduler may not have seen it end yet, and would fail it.

    Two looks are some seconds apart.
    """
    with at("2026-03-02 21:59:58"):
        assert outcome(context_of(schedule)) == "02 22:00:08"


def test_a_gate_does_not_go_by_what_another_is_just_asking(
    schedule: CalendarTimetable, team: TeamCalendar
) -> None:
    """Two gates look at once.

    Neither takes the old copy because the other holds the feed's lock.
    """
    with at("2026-03-02 02:00:05"):
        assert outcome(context_of(schedule)) == "passes"
    team.put("meeting", "2026-03-02 01:30", "2026-03-02 04:00")
    with at("2026-03-02 02:00:09"), ThreadPoolExecutor(1) as threads:
        with CacheEntry(source_for(team.address).identity).lock(wait=True) as alone:
            assert alone
            looks = threads.submit(outcome, context_of(schedule))
            with pytest.raises(TimeoutError):
                looks.result(timeout=1)
        assert looks.result() == "02 02:05:09"


def test_the_last_good_copy_counts_while_it_is_trusted(
    schedule: CalendarTimetable, team: TeamCalendar
) -> None:
    team.put("meeting", "2026-03-02 01:30", "2026-03-02 04:00")
    with at("2026-03-02 02:00:05"):
        assert outcome(context_of(schedule)) == "02 02:05:05"
    team.path.unlink()
    with at("2026-03-02 04:00:05"):
        assert outcome(context_of(schedule)) == "passes"


def test_a_closed_gate_with_no_opening_in_sight_goes_on_looking(team: TeamCalendar) -> None:
    never = CalendarTimetable(
        "0 2 * * *", timezone="UTC", blackouts=[Weekly("daily"), Calendar(team.address)]
    )
    with at("2026-03-02 02:00:05"):
        assert outcome(context_of(never)) == "02 02:05:05"


@pytest.mark.parametrize("when_blocked", ["run", "skip", "advance", "postpone"])
def test_a_gate_holds_whatever_the_plan_does(when_blocked: Any) -> None:
    days = CalendarTimetable(
        "0 2 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"), when_blocked=when_blocked
    )
    with at("2026-03-02 12:00"):
        assert outcome(context_of(days)) == "02 22:00:00"


def test_an_opening_is_staggered_as_the_schedule_says() -> None:
    schedule = CalendarTimetable(
        "0 2 * * *",
        timezone="UTC",
        windows=Weekly("daily 22:00-06:00"),
        stagger=30 * MINUTE,
        stagger_key="one",
    )
    assert schedule.arguments is not None
    share = schedule.arguments.policy.stagger
    assert 0 < share < 1800
    with at("2026-03-02 12:00"):
        assert (
            outcome(context_of(schedule))
            == f"{utc('2026-03-02 22:00') + timedelta(seconds=share):%d %H:%M:%S}"
        )


def test_another_schedule_may_count(schedule: CalendarTimetable) -> None:
    with at("2026-03-02 12:00"):
        assert outcome(context_of(None), schedule=schedule) == "02 12:05:00"
        with pytest.raises(InvalidArgument, match="schedule='training'"):
            hold_until_open(context_of(None))


@pytest.mark.parametrize(
    ("run", "who", "why"),
    [
        (
            {"run_type": "manual", "triggering_user_name": "alice", "note": "customer waits"},
            "alice",
            "customer waits",
        ),
        ({"run_type": "manual"}, "a user not named", "no reason given"),
        ({"conf": {"ignore_calendar": "hotfix"}, "triggering_user_name": "bob"}, "bob", "hotfix"),
        (
            {"run_type": "asset_triggered", "conf": {"ignore_calendar": True}},
            "a user not named",
            "no reason given",
        ),
    ],
)
def test_overrides_are_logged_with_who_and_why(
    schedule: CalendarTimetable,
    caplog: pytest.LogCaptureFixture,
    run: dict[str, Any],
    who: str,
    why: str,
) -> None:
    with at("2026-03-02 12:00"), caplog.at_level(logging.WARNING):
        assert outcome(context_of(schedule, **run)) == "passes"
    (said, _) = [
        record.getMessage() for record in caplog.records if "ignored" in record.getMessage()
    ]
    assert f"by {who}" in said and why in said


@pytest.mark.parametrize(
    "run", [{"run_type": "backfill"}, {"conf": {"ignore_calendar": False}}, {"conf": {"x": 1}}]
)
def test_other_runs_are_held(schedule: CalendarTimetable, run: dict[str, Any]) -> None:
    with at("2026-03-02 12:00"):
        assert outcome(context_of(schedule, **run)) == "02 12:05:00"


def test_a_task_that_resumes_is_not_held(schedule: CalendarTimetable) -> None:
    with at("2026-03-02 12:00"):
        hold_until_open(context_of(schedule, resumes=True))


def test_options_of_the_held_form_by_partial(schedule: CalendarTimetable) -> None:
    hook = partial(hold_until_open, duration=timedelta(minutes=5))
    with at("2026-03-02 05:30"):
        hook(context_of(schedule))
        with pytest.raises(AirflowRescheduleException):
            hold_until_open(context_of(schedule))


@pytest.mark.parametrize(
    "options",
    [{"duration": 3600}, {"max_delay": -HOUR}, {"when_late": "run"}],
)
def test_mistakes_are_named_in_the_dag_file(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument, match=next(iter(options))):
        CalendarGate(task_id="gate", **options)


def test_what_is_counted(schedule: CalendarTimetable, counted: Counter[str]) -> None:
    with at("2026-03-02 12:00"):
        outcome(context_of(schedule))
    with at("2026-03-02 22:00:05"):
        hold_until_open(context_of(schedule, held_since="2026-03-02 12:00"))
    assert counted == {"calendar_timetable.gate.held": 2, "calendar_timetable.gate.wait": 36005}


def test_utc_is_what_airflow_gets(schedule: CalendarTimetable) -> None:
    with at("2026-03-02 12:00"), pytest.raises(AirflowRescheduleException) as held:
        hold_until_open(context_of(schedule))
    assert held.value.reschedule_date.tzinfo is UTC
