"""What is asked of records, in the SQL of each database; `make test-databases` asks real ones."""

from __future__ import annotations

import pytest
from airflow.models.dagrun import DagRun
from sqlalchemy import Dialect, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from calendar_timetable.runs import usage


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (mysql.dialect(), "TIMESTAMPDIFF(SECOND, '1970-01-01', dag_run.end_date)"),
        (postgresql.dialect(), "CAST(EXTRACT(epoch FROM dag_run.end_date) AS BIGINT)"),
        (sqlite.dialect(), "CAST(CAST(STRFTIME('%s', dag_run.end_date) AS INTEGER) AS BIGINT)"),
    ],
    ids=["MySQL", "PostgreSQL", "SQLite"],
)
def test_seconds_since_the_epoch(dialect: Dialect, expected: str) -> None:
    query = select(usage._seconds(DagRun.end_date))

    assert str(query.compile(dialect=dialect)).startswith(f"SELECT {expected} ")
