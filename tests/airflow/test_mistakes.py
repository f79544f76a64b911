"""A DAG file that is wrong, or whose calendar cannot be had, says so where Airflow shows import errors."""

from __future__ import annotations

import pytest

from tests.airflow.conftest import WriteDag
from tests.airflow.stack import Stack


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("'0 2 * *'", "schedule"),
        ("'@daily', timezone='Europe/Nowhere'", "Europe/Nowhere"),
        ("'@daily', windows=Weekly('mon 25:00-26:00')", "mon 25:00-26:00"),
        ("'@daily', duration='1h'", "duration"),
        ("'@daily', when_blocked='later'", "'postpone', 'advance', 'skip', 'run'"),
        ("'@daily', blackouts=Calendar('http://127.0.0.1:9/team.ics')", "cannot be read"),
    ],
)
def test_import_error(stack: Stack, write_dag: WriteDag, arguments: str, says: str) -> None:
    dag_id = write_dag(f"CalendarTimetable({arguments})")
    shown = stack.wait("an import error", lambda: stack.import_error(dag_id))
    assert says in shown
    assert stack.runs(dag_id) == []
