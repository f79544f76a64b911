"""The window's end, as a helper and in templates."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
import time_machine
from airflow.sdk import DAG, AssetOrTimeSchedule
from airflow.sdk.definitions.asset import Asset
from airflow.sdk.exceptions import AirflowSkipException

from calendar_timetable import (
    Calendar,
    CalendarTimetable,
    CalendarUnavailable,
    InvalidArgument,
    Weekly,
    plugin,
)
from calendar_timetable.plugin import CalendarSchedulePlugin
from calendar_timetable.runtime import overrides, seconds_left, window_end
from calendar_timetable.runtime.gate import hold_until_open
from calendar_timetable.runtime.window import WINDOW_AHEAD
from tests.support.moments import utc
from tests.support.team_calendar import TeamCalendar, context_of

NIGHTS = CalendarTimetable("0 2 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
MONDAY = "2026-03-02"


@pytest.mark.parametrize(
    ("at", "end", "left"),
    [
        ("2026-03-02 02:00", "2026-03-02 06:00", 4 * 3600),
        ("2026-03-02 22:00", "2026-03-03 06:00", 8 * 3600),
        ("2026-03-02 05:59:59.400000", "2026-03-02 06:00", 1),
        ("2026-03-02 05:59:58.400000", "2026-03-02 06:00", 1),
        ("2026-03-02 06:00", "2026-03-02 06:00", 0),
        ("2026-03-02 12:00", "2026-03-02 12:00", 0),
    ],
)
def test_end_and_what_is_left(at: str, end: str, left: int) -> None:
    assert window_end(NIGHTS, at=utc(at)) == utc(end)
    assert seconds_left(NIGHTS, at=utc(at)) == left


def test_a_window_is_as_long_as_the_clock_makes_it() -> None:
    nights = CalendarTimetable(
        "0 2 * * *", timezone="Europe/Berlin", windows=Weekly("daily 22:00-06:00")
    )

    # The night in which clocks go forward
    assert seconds_left(nights, at=utc("2026-03-28 21:00")) == 7 * 3600
    assert seconds_left(nights, at=utc("2026-10-24 20:00")) == 9 * 3600  # and back


@pytest.mark.parametrize(
    "schedule", [CalendarTimetable("@daily"), CalendarTimetable("@daily", windows=Weekly("daily"))]
)
def test_no_end_known(schedule: CalendarTimetable) -> None:
    assert window_end(schedule, at=utc("2026-03-02 02:00")) is None
    assert seconds_left(schedule, at=utc("2026-03-02 02:00")) == WINDOW_AHEAD


def test_a_blackout_ends_the_window_and_is_followed(team: TeamCalendar) -> None:
    schedule = CalendarTimetable("0 2 * * *", timezone="UTC", blackouts=Calendar(team.address))
    team.put("freeze", f"{MONDAY} 04:00", f"{MONDAY} 05:00")
    assert window_end(schedule, at=utc(f"{MONDAY} 02:00")) == utc(f"{MONDAY} 04:00")

    team.put("freeze", f"{MONDAY} 03:00", f"{MONDAY} 05:00")
    assert window_end(schedule, at=utc(f"{MONDAY} 02:00:01")) == utc(f"{MONDAY} 04:00"), (
        "kept for a moment"
    )
    assert window_end(schedule, at=utc(f"{MONDAY} 02:00:10")) == utc(f"{MONDAY} 03:00")


def test_an_unreadable_calendar_is_said() -> None:
    schedule = CalendarTimetable("0 2 * * *", blackouts=Calendar("/nowhere/team.ics"))
    with pytest.raises(CalendarUnavailable, match=r"team\.ics cannot be read"):
        window_end(schedule)


def test_the_schedule_is_found() -> None:
    at = utc("2026-03-02 02:00")
    dag = DAG("nights", schedule=NIGHTS)
    mixed = DAG("mixed", schedule=AssetOrTimeSchedule(timetable=NIGHTS, assets=[Asset("data")]))
    context = context_of(NIGHTS)
    sources: list[Any] = [
        NIGHTS,
        dag,
        mixed,
        context,
        context["ti"],
        context["task"],
        SimpleNamespace(dag=mixed),
    ]

    assert {window_end(source, at=at) for source in sources} == {utc("2026-03-02 06:00")}


@pytest.mark.parametrize("source", [DAG("plain", schedule="@daily"), context_of(None)])
def test_a_dag_without_calendars_is_said(source: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"give the DAG schedule=CalendarTimetable"):
        window_end(source)


class Running:
    """The task that runs, as Airflow's templates and helpers find it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context = context_of(NIGHTS)
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda: self.context)

    def render(self, template: str) -> str:
        namespace = SimpleNamespace(
            **{macro.__name__: macro for macro in CalendarSchedulePlugin.macros}
        )
        environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
        given = {"macros": SimpleNamespace(calendar_schedule=namespace), **self.context}
        return environment.from_string(template).render(**given)


@pytest.fixture(autouse=True)
def nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overrides, "_told", ())


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    return Running(monkeypatch)


@time_machine.travel(datetime(2026, 3, 2, 5, 0, tzinfo=UTC), tick=False)
def test_in_a_template(running: Running) -> None:
    assert running.render("{{ macros.calendar_schedule.seconds_left() }}") == "3600"
    assert running.render("{{ macros.calendar_schedule.seconds_left(dag) }}") == "3600"
    assert (
        running.render("{{ macros.calendar_schedule.window_end().isoformat() }}")
        == "2026-03-02T06:00:00+00:00"
    )


@time_machine.travel(datetime(2026, 3, 2, 7, 0, tzinfo=UTC), tick=False)
def test_in_a_template_where_time_is_closed(running: Running) -> None:
    template = "{{ macros.calendar_schedule.seconds_left() }}"
    with pytest.raises(AirflowSkipException, match="nothing is left of the window"):
        running.render(template)

    running.context["task"]._pre_execute_hook = hold_until_open
    assert running.render(template) == "1", "the task is about to be held"

    running.context = context_of(NIGHTS, resumes=True)
    assert running.render(template) == "1", "it has its pod's end to see to"


OVERRIDES: list[dict[str, Any]] = [
    {"run_type": "manual", "triggering_user_name": "alice"},
    {"run_type": "operator_triggered", "conf": {"ignore_calendar": "hotfix"}},
]


@pytest.mark.parametrize("run", OVERRIDES)
@pytest.mark.parametrize("hour", [5, 7])  # the window ends at six
def test_a_run_that_ignores_calendars_has_a_year(
    running: Running, run: dict[str, Any], hour: int, caplog: pytest.LogCaptureFixture
) -> None:
    running.context = context_of(NIGHTS, **run)
    now = datetime(2026, 3, 2, hour, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        for source in (
            None,
            NIGHTS,
            running.context,
            running.context["ti"],
            running.context["task"],
        ):
            assert seconds_left(source) == WINDOW_AHEAD
            assert window_end(source) == now + timedelta(days=366)
        assert running.render("{{ macros.calendar_schedule.seconds_left() }}") == str(WINDOW_AHEAD)
        assert (
            running.render("{{ macros.calendar_schedule.window_end().isoformat() }}")
            == f"2027-03-03T0{hour}:00:00+00:00"
        )
    assert (
        len([record for record in caplog.records if "Calendars are ignored" in record.getMessage()])
        == 1
    )


@pytest.mark.parametrize("run", OVERRIDES)
def test_the_run_of_the_source_counts_where_no_task_is_running(run: dict[str, Any]) -> None:
    by_hand, scheduled = context_of(NIGHTS, **run), context_of(NIGHTS)
    closed = utc(f"{MONDAY} 12:00")
    task_instance = SimpleNamespace(task=by_hand["task"], dag_run=by_hand["dag_run"])
    on_a_worker = SimpleNamespace(
        task=by_hand["task"], _ti_context_from_server=SimpleNamespace(dag_run=by_hand["dag_run"])
    )

    assert {
        seconds_left(source, at=closed) for source in (by_hand, task_instance, on_a_worker)
    } == {WINDOW_AHEAD}
    assert {
        seconds_left(source, at=closed)
        for source in (scheduled, scheduled["ti"], by_hand["task"], NIGHTS)
    } == {0}


@pytest.mark.parametrize("run", OVERRIDES)
def test_a_run_that_ignores_calendars_reads_none(running: Running, run: dict[str, Any]) -> None:
    running.context = context_of(
        CalendarTimetable("0 2 * * *", blackouts=Calendar("/nowhere/team.ics")), **run
    )
    assert seconds_left() == WINDOW_AHEAD

    running.context = context_of(None, **run)
    with pytest.raises(InvalidArgument, match="give the DAG schedule=CalendarTimetable"):
        seconds_left()


def test_macros_are_named_as_the_helpers() -> None:
    assert [macro.__name__ for macro in plugin.MACROS] == ["seconds_left", "window_end"]
    assert timedelta(seconds=WINDOW_AHEAD) == timedelta(days=366)
