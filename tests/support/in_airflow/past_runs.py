"""Runs of the DAG ``worked`` in each state, as a scheduler leaves them.

Run as ``python past_runs.py``, in an Airflow's environment.
"""

from datetime import UTC, datetime, timedelta

from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session

HOUR = timedelta(hours=1)
STATES = ["success", "failed", "running", "queued"]  # an hour apart, the last at this hour

this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
with create_session() as session:
    for back, state in enumerate(reversed(STATES)):
        due = this_hour - back * HOUR
        run = DagRun(
            dag_id="worked",
            run_id=f"scheduled__{due.isoformat()}",
            run_type="scheduled",
            logical_date=due,
            data_interval=(due, due),
            run_after=due,
            state=state,
            start_date=None if state == "queued" else due + timedelta(minutes=1),
        )
        run.end_date = due + HOUR / 2 if state in ("success", "failed") else None
        session.add(run)
