"""What runs when, by Airflow's own word.

Run as ``python expected_runs.py START END``, in an Airflow's environment.

Prints, by DAG, the starts from its stored next run on, asked of its stored timetable step by step
as the scheduler does; and of our timetables their plan.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.serialized_dag import SerializedDagModel
from airflow.timetables.base import TimeRestriction
from airflow.utils.session import create_session
from pendulum import DateTime
from sqlalchemy import select


def starts(dag: Any, model: DagModel, since: datetime, until: datetime) -> list[str]:
    """Return the starts in the range."""
    earliest, latest = (
        moment and DateTime.instance(moment) for moment in (dag.start_date, dag.end_date)
    )
    info = dag.timetable.next_run_info_from_dag_model(dag_model=model)
    found = []
    while info is not None and info.run_after < until:
        if info.run_after >= since:
            found.append(info.run_after.isoformat())
        following = dag.timetable.next_dagrun_info_v2(
            last_dagrun_info=info, restriction=TimeRestriction(earliest, latest, catchup=True)
        )
        info = None if following == info else following
    return found


def plan(timetable: Any, since: datetime, until: datetime) -> dict[str, list[str | None]] | None:
    """Each tick of one of our schedules, with its start and its outcome."""
    timetable = getattr(timetable, "timetable", timetable)  # of AssetOrTimeSchedule
    if not hasattr(timetable, "plan"):
        return None
    planned = timetable.plan(since, until)
    return {p.due.isoformat(): [p.start and p.start.isoformat(), p.outcome] for p in planned}


def main(start: str, end: str) -> None:
    """Print the starts of every DAG between *start* and *end*, as JSON."""
    since, until = datetime.fromisoformat(start), datetime.fromisoformat(end)
    told: dict[str, Any] = {}
    with create_session() as session:
        for model in session.scalars(select(DagModel).where(DagModel.is_stale.is_(False))):
            dag: Any = SerializedDagModel.get_dag(model.dag_id, session=session)
            stored = model.next_dagrun_create_after
            told[model.dag_id] = {
                "timetable": type(dag.timetable).__name__,
                "stored": stored and stored.isoformat(),
                "starts": starts(dag, model, since, until) if stored else [],
                "plan": plan(dag.timetable, since, until),
            }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
