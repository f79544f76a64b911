"""``dag.test()``, by which people debug a DAG file, runs in open time and in closed time."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.airflow

DAG_FILE = """
import sys
from datetime import datetime, UTC

from airflow.sdk import DAG, task
from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.runtime import hold_until_open

def made(name, **options):
    with DAG(
        name,
        schedule=CalendarTimetable("0 2 * * *", timezone="UTC", **options),
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        default_args={"pre_execute": hold_until_open},
    ) as dag:
        @task
        def work():
            print(f"{name} worked")
        work()
    return dag

now = datetime.now(UTC)
tomorrow = "mon tue wed thu fri sat sun".split()[(now.weekday() + 2) % 7]
open_now = made("open_now")
closed_now = made("closed_now", windows=Weekly(f"{tomorrow} 02:00-03:00"))

if __name__ == "__main__":
    for dag in (open_now, closed_now):
        run = dag.test()
        print(f"{dag.dag_id}: {run.run_type} {run.state}")
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    home = tmp_path_factory.mktemp("dag-test")
    file = home / "dags" / "one.py"
    file.parent.mkdir()
    file.write_text(DAG_FILE)
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
    }
    for command in (["-m", "airflow", "db", "migrate"], [str(file)]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=home,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("dag", ["open_now", "closed_now"])
def test_it_works(said: str, dag: str) -> None:
    assert f"{dag} worked" in said
    assert f"{dag}: manual success" in said
