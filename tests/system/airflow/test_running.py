"""What is stored, created and run equals what the calendar and the plan say."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from demo.local_airflow import COMPONENTS
from tests.support.dags import WriteDag
from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import Run, Stack, closed_some_day, in_some_hours

SECOND = timedelta(seconds=1)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize(
    "arguments",
    [
        "'0 2 * * *', blackouts=team",
        (
            "'0 2 * * *', timezone='America/New_York', windows=Weekly('sat-sun'), "
            "duration=timedelta(hours=3)"
        ),
        "'@hourly', blackouts=team, duration=timedelta(minutes=30), max_delay=timedelta(hours=30)",
        "'30 3 * * *', blackouts=team, when_blocked='advance'",
        "'0 */6 * * *', blackouts=team, when_blocked='skip'",
        "'0 4 * * *', blackouts=team, when_blocked='run'",
        (
            "'@daily', windows=~team, blackouts=Weekly('daily 00:00-05:00'), "
            "stagger=timedelta(hours=1), stagger_key='k'"
        ),
        "team, offset=timedelta(minutes=-10), blackouts=Weekly('daily 00:00-23:00')",
    ],
)
def test_stored_next_run_is_the_plan(
    stack: Stack, write_dag: WriteDag, origin: IcsOrigin, arguments: str
) -> None:
    tomorrow = now().replace(hour=0, minute=0, second=0) + timedelta(days=1)
    origin.serve(
        event(
            f"night-{day}",
            tomorrow + timedelta(days=day, hours=1),
            tomorrow + timedelta(days=day, hours=6),
        )
        for day in range(5)
    )
    team = f"Calendar({origin.address!r})"
    starts = f"start_date=datetime.fromisoformat({tomorrow.isoformat()!r})"
    dag_id = write_dag(f"CalendarTimetable({arguments.replace('team', team)})", options=starts)
    stored = stack.wait_for_dag(dag_id)

    names = {"team": Calendar(origin.address), "timedelta": timedelta, "Weekly": Weekly}
    timetable = eval(
        f"CalendarTimetable({arguments})", {"CalendarTimetable": CalendarTimetable} | names
    )
    planned = next(run for run in timetable.plan(tomorrow, limit=50) if run.start is not None)
    assert stored == (planned.data_interval[0], planned.start)


def test_run_is_held_by_a_meeting_and_starts_when_it_ends(
    stack: Stack, write_dag: WriteDag, origin: IcsOrigin
) -> None:
    due, ends = now() + 30 * SECOND, now() + 45 * SECOND
    origin.serve(
        [event("due", due, due + SECOND, "Nightly work"), event("meeting", now(), ends, "Meeting")]
    )
    dag_id = write_dag(
        f"CalendarTimetable(Calendar({origin.address!r}, match='Nightly*'),"
        f" blackouts=Calendar({origin.address!r}, match='Meeting'))"
    )
    assert stack.wait_for_dag(dag_id) == (due, ends)
    (run,) = stack.wait_for_runs(dag_id, 1)
    assert (run.logical_date, run.run_after) == (due, ends)
    assert ends <= run.created < ends + timedelta(minutes=1)
    assert started(stack, run) >= ends


def started(stack: Stack, run: Run) -> datetime:
    (task,) = stack.rows(
        "SELECT start_date FROM task_instance WHERE run_id = :run_id", run_id=run.run_id
    )
    value = task["start_date"]
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def test_stored_next_run_follows_the_calendar(
    stack: Stack, write_dag: WriteDag, origin: IcsOrigin
) -> None:
    due = in_some_hours()
    team = f"Calendar({origin.address!r}, refresh=timedelta(seconds=1))"
    dag_id = write_dag(f"CalendarTimetable('0 {due.hour} * * *', blackouts={team})")
    assert stack.wait_for_dag(dag_id) == (due, due)
    for hours in (1, 3, 2):
        ends = due + timedelta(hours=hours)
        origin.serve([event("meeting", due, ends)])
        stack.wait_for_next_run(dag_id, due, ends)
    origin.serve([])
    stack.wait_for_next_run(dag_id, due, due)
    stack.wait("the unchanged calendar to be asked for again", lambda: origin.not_modified)


def test_each_run_is_created_once(stack: Stack, write_dag: WriteDag) -> None:
    start = now() - 20 * SECOND
    dags = [
        write_dag(
            f"CalendarTimetable(timedelta(seconds=5), blackouts={closed_some_day()})",
            options=f"catchup=True, start_date=datetime.fromisoformat({start.isoformat()!r})",
        )
        for _ in range(4)
    ]
    for dag_id in dags:
        assert_no_gap_and_no_repeat(stack.wait_for_runs(dag_id, 8), start, 5 * SECOND)
    for service in stack.services.values():
        assert service.running
        assert "IntegrityError" not in service.log.read_text(errors="replace")


def test_killed_components_lose_and_repeat_nothing(stack: Stack, write_dag: WriteDag) -> None:
    start = now()
    dag_id = write_dag(
        f"CalendarTimetable(timedelta(seconds=5), blackouts={closed_some_day()})",
        options=f"catchup=True, start_date=datetime.fromisoformat({start.isoformat()!r})",
    )
    stack.wait_for_dag(dag_id)
    for component in COMPONENTS:
        done = sum(run.state == "success" for run in stack.runs(dag_id))
        alike = [name for name in stack.services if name.startswith(component)]
        for name in alike:
            stack.services[name].kill()
        for name in alike:
            stack.start(component, name=name)
        stack.wait_until_ready()
        stack.wait_for_runs(dag_id, done + 2)
    runs = stack.runs(dag_id)
    assert_no_gap_and_no_repeat(runs, start, 5 * SECOND)
    assert all(run.created >= run.run_after for run in runs)


def assert_no_gap_and_no_repeat(runs: list[Run], start: datetime, step: timedelta) -> None:
    ticks = [run.logical_date for run in runs]
    assert ticks == list(
        itertools.islice(itertools.accumulate(itertools.repeat(step), initial=start), len(runs))
    )
