"""Does what a scheduler does in a round, and prints what came of it.

``python scheduler_round.py DATABASE``, for tests/project/test_docs_upgrade.py.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from inspect import signature

from airflow.jobs.job import Job
from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.utils.sqlalchemy import prohibit_commit
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

session = Session(create_engine(f"sqlite:///{sys.argv[1]}"))
found = importlib.util.find_spec("calendar_timetable")
answer: dict[str, object] = {"ended": None, "has the package": found is not None}

try:
    stored = SerializedDagModel.get("ours", session=session)
    assert stored is not None
    stored.dag  # noqa: B018
except Exception as error:  # noqa: BLE001
    answer["reading"] = f"{type(error).__name__}: {error}"

scheduler = SchedulerJobRunner(job=Job(), num_runs=1)
try:
    with prohibit_commit(session) as guard:  # as SchedulerJobRunner._do_scheduling does
        scheduler._create_dagruns_for_dags(guard, session)
        scheduler._start_queued_dagruns(session)
        guard.commit()
        examined = DagRun.get_running_dag_runs_to_examine
        # Airflow 3.4 asks whether the tags of DAGs are wanted as well.
        given = {"eagerly_load_dag_tags": False}.items()
        known = {name: value for name, value in given if name in signature(examined).parameters}
        runs = list(examined(session=session, **known))
        scheduler._schedule_all_dag_runs(guard, runs, session)
except Exception as error:  # noqa: BLE001
    answer["ended"] = f"{type(error).__name__}: {error}"
    session.rollback()
answer["runs"] = {run.dag_id: str(run.state) for run in session.scalars(select(DagRun))}
print(json.dumps(answer))
