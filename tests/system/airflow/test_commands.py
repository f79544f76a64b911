"""What people do with a DAG.

Trigger it by hand, ask when it runs next, backfill it, look at its calendar.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.dags import WriteDag
from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import Stack

DAY = timedelta(days=1)


def today() -> datetime:
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture
def held_dag(stack: Stack, write_dag: WriteDag, origin: IcsOrigin) -> str:
    """A daily DAG that a closed day, today and tomorrow, holds until the day after."""
    origin.serve([event("closed", today() - DAY, today() + 2 * DAY)])
    options = f"start_date=datetime.fromisoformat({(today() - 9 * DAY).isoformat()!r})"
    dag_id = write_dag(
        f"CalendarTimetable('0 1 * * *', blackouts=Calendar({origin.address!r}))", options=options
    )
    stack.wait_for_dag(dag_id)
    return dag_id


@pytest.mark.parametrize("logical_date", [None, "2026-03-01T10:00:00Z"])
def test_manual_run_ignores_windows(stack: Stack, held_dag: str, logical_date: str | None) -> None:
    stack.post(f"/api/v2/dags/{held_dag}/dagRuns", logical_date=logical_date)
    (run,) = [run for run in stack.wait_for_runs(held_dag, 1) if run.run_type == "manual"]
    assert run.state == "success"


def test_next_execution(stack: Stack, held_dag: str) -> None:
    asked = stack.airflow("dags", "next-execution", held_dag, "--num-executions", "3")
    assert asked.returncode == 0, asked.stderr
    expected = [today() + timedelta(days=day, hours=1) for day in (1, 2, 3)]
    assert asked.stdout.split("\n")[-4:-1] == [tick.isoformat() for tick in expected]


def test_reserialize_keeps_the_next_run(stack: Stack, held_dag: str) -> None:
    before = stack.next_run(held_dag)
    done = stack.airflow("dags", "reserialize")
    assert done.returncode == 0, done.stderr
    assert stack.next_run(held_dag) == before


def test_calendar_view_shows_planned_runs(
    stack: Stack, write_dag: WriteDag, origin: IcsOrigin
) -> None:
    closed = today() + 3 * DAY
    origin.serve([event("closed", closed, closed + DAY)])
    dag_id = write_dag(
        f"CalendarTimetable('0 1 * * *', blackouts=Calendar({origin.address!r}), "
        "when_blocked='skip')"
    )
    stack.wait_for_dag(dag_id)
    last = datetime.now(UTC)
    # It shows nothing before a first run
    stack.post(f"/api/v2/dags/{dag_id}/dagRuns", logical_date=last.isoformat())
    view = stack.get(f"/ui/calendar/{dag_id}", logical_date_lte=(today() + 10 * DAY).isoformat())
    planned = [
        datetime.fromisoformat(run["date"]) for run in view["dag_runs"] if run["state"] == "planned"
    ]
    coming = (today() + day * DAY for day in range(11))
    expected = [
        day
        for day in coming
        if day != closed and day + timedelta(hours=1) > last and day.year == last.year
    ]
    assert planned == [day for day in expected if day + timedelta(hours=1) <= today() + 10 * DAY]


@pytest.mark.usefixtures("backfills")
def test_backfill_follows_ticks(stack: Stack, held_dag: str) -> None:
    start = today() - 7 * DAY
    until = start + 2 * DAY
    body = {
        "dag_id": held_dag,
        "from_date": start.isoformat(),
        "to_date": until.isoformat(),
        "max_active_runs": 4,
    }
    stack.post("/api/v2/backfills", **body)
    runs = [run for run in stack.wait_for_runs(held_dag, 2) if run.run_type == "backfill"]
    assert [run.logical_date for run in runs] == [
        start + timedelta(days=day, hours=1) for day in (0, 1)
    ]
    assert {run.state for run in runs} == {"success"}


def test_beside_assets(stack: Stack, write_dag: WriteDag, origin: IcsOrigin) -> None:
    origin.serve([event("closed", today() - DAY, today() + 2 * DAY)])
    calendar = f"CalendarTimetable('0 1 * * *', blackouts=Calendar({origin.address!r}))"
    dag_id = write_dag(
        f"AssetOrTimeSchedule(assets=[Asset('beside_assets')], timetable={calendar})",
        options=f"start_date=datetime.fromisoformat({today().isoformat()!r})",
    )
    assert stack.wait_for_dag(dag_id) == (today() + timedelta(days=1, hours=1), today() + 2 * DAY)


def test_dag_test(stack: Stack, held_dag: str) -> None:
    # Else the scheduler runs the same tasks, and the two collide
    stack.airflow("dags", "pause", held_dag)
    done = stack.airflow("dags", "test", held_dag)
    assert done.returncode == 0, done.stderr
    assert "worked" in done.stdout
