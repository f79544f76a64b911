"""A library of holidays is upgraded: due times move without an edit of a DAG file, and are told."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, On, Weekly, WorkingDays
from calendar_timetable.calendars import working_days
from calendar_timetable.runs.database import read_dags
from calendar_timetable.runs.stored_schedules import read_schedules
from calendar_timetable.runtime.calendar_edits import (
    MovedRuns,
    moved_since_last_look,
    watched_file,
    watched_stored,
)
from tests.support.airflow_database import add_dag
from tests.support.moments import utc

NOW = utc("2026-11-27T12:00")
BEFORE_CHRISTMAS = On(24, WorkingDays("DE"), roll="preceding", at="18:00")
Install = Callable[..., None]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a version of ``holidays`` in which people do not work on some days."""

    def install(version: str, *off: date) -> None:
        def country_holidays(*_: Any, **__: Any) -> Any:
            return SimpleNamespace(is_working_day=lambda at: at.weekday() < 5 and at not in off)

        fake = SimpleNamespace(country_holidays=country_holidays)
        monkeypatch.setitem(sys.modules, "holidays", fake)
        monkeypatch.setattr(working_days, "with_version", lambda name: f"{name} {version}")

    return install


def made(schedule: Any = BEFORE_CHRISTMAS, **given: Any) -> CalendarTimetable:
    return CalendarTimetable(schedule, timezone="Europe/Berlin", **given)


def look(timetable: CalendarTimetable) -> MovedRuns | None:
    """Return what a look at the DAG file tells, now."""
    with time_machine.travel(NOW, tick=False):
        watched = watched_file("month_end", timetable, None, None)
        assert watched is not None
        return moved_since_last_look("sync", [watched], NOW.timestamp())


def test_a_holiday_that_a_new_version_knows_is_told_once(install: Install) -> None:
    install("0.84")
    assert look(made()) is None, "a first look tells nothing"
    install("0.85", date(2026, 12, 24))
    moved = look(made())
    assert moved is not None
    assert moved.sentence == (
        "Calendars changed (holidays 0.84 became 0.85), 1 run appears, 1 vanishes: "
        "month_end due Wed 23 Dec 2026 17:00 UTC: not due becomes 17:00 (was not due); "
        "month_end due Thu 24 Dec 2026 17:00 UTC: 17:00 becomes not due (not due any more)"
    )
    assert look(made()) is None
    install("0.86", date(2026, 12, 24), date(2027, 5, 6))
    assert look(made()) is None, "what is far ahead moves nothing yet"


def test_working_days_as_windows_are_told_too(install: Install) -> None:
    nightly = {"schedule": "0 3 * * *", "windows": WorkingDays("DE")}
    install("0.84", date(2026, 12, 25))
    assert look(made(**nightly)) is None
    install("0.85", date(2026, 12, 24), date(2026, 12, 25))
    moved = look(made(**nightly))
    assert moved is not None and moved.count == 1
    assert moved.sentence.startswith("Calendars changed (holidays 0.84 became 0.85), 1 run ")
    assert "due Thu 24 Dec 2026 02:00 UTC" in moved.sentence


def test_an_edited_file_is_not_an_upgrade(install: Install) -> None:
    install("0.84")
    assert look(made()) is None
    install("0.85", date(2026, 12, 24))
    edited = On(24, WorkingDays("DE", remove=[date(2026, 12, 23)]), roll="preceding", at="18:00")
    assert look(made(edited)) is None


def test_the_dag_changes_only_where_its_due_times_do(install: Install) -> None:
    """No version is in it: a new one that moves nothing makes no new version of the DAG.

    What was counted with another version is not taken from the cache.
    """

    def stored() -> str:
        with time_machine.travel(NOW, tick=False):
            return json.dumps(made(windows=Weekly("daily")).serialize())

    install("0.84")
    first = stored()
    install("0.85")
    assert stored() == first and "0.8" not in first
    install("0.86", date(2026, 12, 24))
    assert stored() != first


def test_what_the_database_holds_is_told_without_a_version(
    install: Install, session: Session
) -> None:
    install("0.84")
    with time_machine.travel(NOW, tick=False):
        dag = DAG("month_end", schedule=made(), start_date=datetime(2026, 1, 1, tzinfo=UTC))
        add_dag(session, dag, datetime.now(UTC))
        dags = read_dags(session, ["month_end"])
        [watched] = watched_stored(dags, read_schedules(session, ["month_end"]))
        assert moved_since_last_look("publish", [watched], NOW.timestamp()) is None
        install("0.85", date(2026, 12, 24))
        again = watched._replace(data=made().serialize())
        moved = moved_since_last_look("publish", [again], NOW.timestamp())
    assert moved is not None
    assert moved.sentence.startswith("Calendars changed, 1 run appears, 1 vanishes: month_end")
