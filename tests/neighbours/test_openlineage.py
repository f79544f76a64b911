"""OpenLineage: Airflow's provider asks for the facet, and writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.sdk import DAG, BaseOperator

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.runtime.lineage import FACET, run_facets

DUE = datetime(2026, 12, 5, 2, tzinfo=UTC)  # a Saturday
MONDAY = datetime(2026, 12, 7, tzinfo=UTC)


def task_of(schedule: Any, *, due: datetime, start: datetime, kind: str = "scheduled") -> Any:
    """Return what the provider gives: a task instance, whose context has the run."""
    with DAG("nightly", schedule=schedule, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        task = BaseOperator(task_id="work")
    run = SimpleNamespace(run_type=kind, data_interval_end=due, run_after=start)
    return SimpleNamespace(task=task, get_template_context=lambda: {"dag_run": run})


def nightly(**options: Any) -> CalendarTimetable:
    return CalendarTimetable(
        "0 2 * * *", timezone="UTC", blackouts=Weekly("sat-sun"), coalesce=False, **options
    )


def asked(task: Any) -> dict[str, Any]:
    """Ask as the provider does."""
    conf = pytest.importorskip("airflow.providers.openlineage.conf", reason="make test-neighbours")
    from airflow.providers.openlineage.utils.utils import get_user_provided_run_facets
    from airflow.utils.state import TaskInstanceState
    from openlineage.client.event_v2 import Run
    from openlineage.client.serde import Serde

    assert conf.custom_run_facets() == {"calendar_timetable.runtime.lineage.run_facets"}
    facets = get_user_provided_run_facets(task, TaskInstanceState.SUCCESS)
    told = json.loads(Serde.to_json(Run(runId=str(uuid4()), facets=facets)))
    written: dict[str, Any] = told["facets"]
    return written


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW__OPENLINEAGE__CUSTOM_RUN_FACETS", "calendar_timetable.runtime.lineage.run_facets"
    )


def test_a_moved_run_says_why() -> None:
    facet = asked(task_of(nightly(), due=DUE, start=MONDAY))[FACET]

    assert facet["due"] == "2026-12-05T02:00:00+00:00"
    assert facet["start"] == "2026-12-07T00:00:00+00:00"
    assert (facet["timezone"], facet["calendars"]) == ("UTC", [])
    assert len(facet["reasons"]) == 1 and "sat-sun" in facet["reasons"][0]
    assert facet["_producer"] and facet["_schemaURL"]


def test_a_run_on_time_has_no_reason_and_no_calendar_is_read(tmp_path: Path) -> None:
    absent = Calendar(tmp_path / "absent.ics", name="the team's")
    task = task_of(CalendarTimetable("0 2 * * *", blackouts=absent), due=DUE, start=DUE)

    facet = asked(task)[FACET]
    assert (facet["reasons"], facet["calendars"]) == ([], ["the team's"])


def test_a_calendar_that_cannot_be_read_costs_only_the_reasons(tmp_path: Path) -> None:
    absent = Calendar(tmp_path / "absent.ics", name="the team's")
    task = task_of(
        CalendarTimetable("0 2 * * *", blackouts=absent), due=DUE, start=DUE + timedelta(hours=1)
    )

    assert asked(task)[FACET]["start"] == "2026-12-05T03:00:00+00:00"


@pytest.mark.parametrize("kind", ["manual", "backfill", "asset_triggered"])
def test_runs_that_no_calendar_placed_have_none(kind: str) -> None:
    assert run_facets(task_of(nightly(), due=DUE, start=MONDAY, kind=kind), None) == {}


def test_other_schedules_have_none() -> None:
    assert run_facets(task_of("0 2 * * *", due=DUE, start=DUE), None) == {}


def test_nothing_of_openlineage_is_imported_before_it_asks() -> None:
    code = (
        "import sys, calendar_timetable.runtime.lineage; print([m for m in sys.modules"
        " if m.partition('.')[0] in ('openlineage', 'icalendar', 'requests')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"
