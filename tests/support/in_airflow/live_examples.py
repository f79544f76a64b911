"""Live through ten days of every example DAG, none of which has a start date.

Run with FOLDER; it prints what was told and what was made.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import time_machine

from tests.support.scheduler import Scheduler

BEGIN = datetime(2026, 12, 20, 9, 10, tzinfo=UTC)
END = BEGIN + timedelta(days=10)  # a freeze, maintenance, holidays, a planned training


def main(folder: str) -> None:
    """Live through ten days of the DAGs in *folder*."""
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="examples")
    lives: dict[str, Any] = {}
    for dag_id, dag in bag.dags.items():
        with time_machine.travel(BEGIN, tick=False):
            stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
            schedule = getattr(stored, "timetable", stored)  # of AssetOrTimeSchedule
            if not hasattr(schedule, "plan"):
                continue
            told = schedule.plan(BEGIN - timedelta(days=8), END + timedelta(days=1))
        alive = Scheduler(schedule, start_date=dag.start_date, step=timedelta(minutes=30))
        alive.run((BEGIN, END))
        lives[dag_id] = {
            "start_date": dag.start_date and str(dag.start_date),
            "told": [
                line(run.due, run.start) for run in told if run.start and BEGIN < run.start < END
            ],
            "made": [line(due, start) for due, start, _ in alive.made if BEGIN < start < END],
        }
    print(json.dumps(lives))


def line(due: datetime, start: datetime) -> str:
    """Return what is told of a run, as text."""
    return f"due {due:%a %d %H:%M} starts {start.replace(microsecond=0):%a %d %H:%M:%S}"


if __name__ == "__main__":
    main(*sys.argv[1:])
