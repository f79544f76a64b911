"""A DAG file that is wrong says so where Airflow shows import errors.

One whose calendar cannot be had is held.
"""

from __future__ import annotations

import pytest

from tests.support.dags import WriteDag
from tests.support.stack import Stack


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("'0 2 * *'", "schedule"),
        ("'@daily', timezone='Europe/Nowhere'", "Europe/Nowhere"),
        ("'@daily', windows=Weekly('mon 25:00-26:00')", "mon 25:00-26:00"),
        ("'@daily', duration='1h'", "duration"),
        ("'@daily', when_blocked='later'", "'postpone', 'advance', 'skip', 'run'"),
    ],
)
def test_import_error(stack: Stack, write_dag: WriteDag, arguments: str, says: str) -> None:
    dag_id = write_dag(f"CalendarTimetable({arguments})")
    shown = stack.wait("an import error", lambda: stack.import_error(dag_id))
    assert says in shown
    assert stack.runs(dag_id) == []


def test_a_calendar_that_cannot_be_read_is_no_import_error(
    stack: Stack, write_dag: WriteDag
) -> None:
    dag_id = write_dag(
        "CalendarTimetable('* * * * *', blackouts=Calendar('http://127.0.0.1:9/team.ics'))"
    )
    assert stack.wait_for_dag(dag_id) == (None, None)
    assert "held: 127.0.0.1 cannot be read" in stack.summary(dag_id)
    assert stack.import_error(dag_id) is None
    assert stack.runs(dag_id) == []
