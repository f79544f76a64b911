"""The calendar is the schedule: an event "Retrain: wine" trains the model "wine" when it begins.

Who may edit the calendar plans trainings, moves them and takes them off, and needs no access to
Airflow. The run asks the calendar what is to be trained, so it needs to know no names. Two events
that begin together are one run, which trains both.
"""

from datetime import timedelta

from airflow.sdk import DAG, Param, task
from airflow.sdk.exceptions import AirflowFailException
from calendar_examples import RETRY, TEAM_CALENDAR, ZONE
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarTimetable

TRAININGS = Calendar(TEAM_CALENDAR, match="Retrain: *")

with DAG(
    "calendar_is_the_schedule",
    description='Events titled "Retrain: NAME" are the schedule',
    doc_md=__doc__,
    schedule=CalendarTimetable(TRAININGS, timezone=ZONE),
    params={"names": Param([], type="array", description="what to train when started by hand")},
    default_args=RETRY,
    on_failure_callback=TellTheTeam("A planned training failed: {{ dag_run.run_id }}"),
    tags=["calendar", "mlops"],
):
    if absent := missing("sklearn"):
        say_what_is_missing(absent)
    else:
        from calendar_examples import models

        @task
        def what_is_planned(dag_run=None, params=None) -> list[str]:
            """The names in the titles of the events that begin now."""
            begins = dag_run.data_interval_end  # when the run was due
            if dag_run.run_type != "manual" and begins is not None:
                planned = TRAININGS.events(begins, begins + timedelta(seconds=1))
                names = {
                    event.summary.partition(":")[2].strip()
                    for event in planned
                    if event.start == begins
                }
            else:
                names = set(params["names"])
            if unknown := names - models.NAMES:
                raise AirflowFailException(
                    f"no such model: {sorted(unknown)}; there are {sorted(models.NAMES)}"
                )
            return sorted(names)

        @task(map_index_template="{{ name }}")
        def train(name: str) -> dict:
            return models.train(name)

        train.expand(name=what_is_planned())
