"""What docs/upgrade.md says of an Airflow whose package is gone, or too old: tried."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.models import import_all_models
from airflow.models.base import Base
from airflow.models.dag import DagModel
from airflow.sdk import DAG
from airflow.timetables.base import Timetable
from airflow.timetables.trigger import CronTriggerTimetable
from sqlalchemy import create_engine, text, update
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly
from tests.support.airflow_database import add_dag, add_run
from tests.support.versions import at_least

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/upgrade.md").read_text()
SCRIPT = ROOT / "tests/support/in_airflow/scheduler_round.py"
SEEN = datetime.now(UTC) - timedelta(days=2)  # so that a run of every day is due
OURS = ("calendar_timetable", "airflow_calendar_timetable", "_airflow_calendar_timetable")


pytestmark = pytest.mark.skipif(
    not at_least("apache-airflow-core", "3.3"), reason="what is told was tried with Airflow 3.3"
)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that is installed but this package."""
    folder = tmp_path_factory.mktemp("packages")
    for file in Path(sysconfig.get_path("purelib")).iterdir():
        if not file.name.startswith(OURS) and file.suffix != ".pth":
            (folder / file.name).symlink_to(file)
    return folder


# Since Airflow 3.4 a scheduler lives with a queued run of a DAG that it cannot read.
GOES_ON = hasattr(Timetable, "asset_gated")


@pytest.fixture
def tried(packages: Path, tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a scheduler did that has no package, with a run in the state of *request*.

    Or one that has the package, with a DAG that a newer one has stored.
    """
    state, paused, *newer = request.param
    import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path / 'airflow.db'}")
    Base.metadata.create_all(engine)
    schedules: dict[str, Timetable] = {
        "ours": CalendarTimetable("0 2 * * *", windows=Weekly("daily")),
        "plain": CronTriggerTimetable("0 2 * * *", timezone="UTC"),
    }
    with Session(engine) as session:
        for dag_id, schedule in schedules.items():
            dag = DAG(dag_id, schedule=schedule, start_date=SEEN - timedelta(days=5))
            add_dag(session, dag, SEEN)
        if state:
            add_run(session, "ours", state, SEEN - timedelta(days=1))
        session.execute(update(DagModel).where(DagModel.dag_id == "ours").values(is_paused=paused))
        if newer:
            form = text("UPDATE serialized_dag SET data = replace(data, :old, :new)")
            session.execute(form, {"old": '"v": 1,', "new": '"v": 99,'})
        session.commit()
        query = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)[0]
        assert session.scalars(text(query)).all() == ["ours"]
    engine.dispose()
    path = {} if newer else {"PYTHONPATH": str(packages)}
    done = subprocess.run(
        [sys.executable, *(() if newer else ("-S",)), str(SCRIPT), str(tmp_path / "airflow.db")],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "AIRFLOW_HOME": str(tmp_path),
            **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
            **path,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["has the package"] == bool(newer)
    return {**said, "log": done.stdout + done.stderr}


def told(words: str) -> bool:
    return words in PAGE


@pytest.mark.slow
@pytest.mark.parametrize("tried", [(None, False)], indirect=True)
def test_a_due_run_is_not_made_and_other_dags_go_on(tried: dict[str, Any]) -> None:
    said = "is not registered"
    assert tried["reading"].startswith("TimetableNotRegistered: Timetable class ")
    assert said in tried["reading"] and told(said)
    assert "Failed to deserialize DAG" in tried["log"] and told("`Failed to deserialize DAG`")
    assert (tried["ended"], tried["runs"]) == (None, {"plain": "success"})


@pytest.mark.slow
@pytest.mark.parametrize("tried", [("running", False)], indirect=True)
def test_a_running_run_stands_still_and_other_dags_go_on(tried: dict[str, Any]) -> None:
    assert "Error scheduling DAG run" in tried["log"] and told("`Error scheduling DAG run`")
    assert (tried["ended"], tried["runs"]) == (None, {"ours": "running", "plain": "success"})


@pytest.mark.slow
@pytest.mark.parametrize("tried", [("queued", False)], indirect=True)
def test_a_queued_run_ends_the_scheduler(tried: dict[str, Any]) -> None:
    assert told("before Airflow 3.4 **the scheduler ends with this error, at each start.**")
    assert told("Since then it goes on with other DAGs, and the run stays queued")
    if GOES_ON:
        assert (tried["ended"], tried["runs"]) == (None, {"ours": "queued", "plain": "success"})
    else:
        assert tried["ended"].startswith("TimetableNotRegistered: ")


@pytest.mark.slow
@pytest.mark.parametrize("tried", [("queued", True)], indirect=True)
def test_a_queued_run_of_a_paused_dag_is_not_looked_at(tried: dict[str, Any]) -> None:
    assert (tried["ended"], tried["runs"]) == (None, {"ours": "queued", "plain": "success"})


@pytest.mark.slow
@pytest.mark.parametrize("tried", [("queued", False, "newer")], indirect=True)
def test_a_queued_run_of_a_dag_that_a_newer_package_stored_ends_the_scheduler(
    tried: dict[str, Any],
) -> None:
    assert "upgrade airflow-calendar-timetable here" in tried["log"]
    if GOES_ON:
        assert (tried["ended"], tried["runs"]) == (None, {"ours": "queued", "plain": "success"})
    else:
        assert tried["ended"].startswith("DeserializationError: ")
    assert told("`upgrade airflow-calendar-timetable here`")
    assert told("**a scheduler that is too old ends**")


def test_the_tables_that_may_be_dropped_are_all_of_them() -> None:
    from calendar_timetable.web.store import SubscriptionsDB

    names = {*SubscriptionsDB.metadata.tables, SubscriptionsDB.version_table_name}
    assert len(names) == 3
    assert [name for name in names if f"`{name}`" not in PAGE] == []
