"""Classify what has arrived, when it arrives or else off-peak, and do nothing when nothing has.

``inference_offpeak`` runs when the asset ``digits_inbox`` is updated, and every hour of off-peak
time: that catches what arrived without saying so. Its first task skips the rest where there is
nothing new. ``digits_arrive`` stands for whoever delivers.

A batch is one file in the inbox; its predictions go to one file of the same name beside it. So a
batch is done exactly when that file is there, and a run that was interrupted or is repeated does
the rest, and nothing twice.
"""

from datetime import timedelta

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, Metadata, task
from airflow.sdk.exceptions import AirflowSkipException
from calendar_examples import OFF_PEAK, RETRY, TEAM_CALENDAR, ZONE
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarTimetable

inbox_filled = Asset("digits_inbox")
predictions_made = Asset("digits_predictions")

with DAG(
    "inference_offpeak",
    description="When data arrives, or off-peak",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CalendarTimetable(
            "@hourly",
            timezone=ZONE,
            windows=OFF_PEAK,
            blackouts=Calendar(TEAM_CALENDAR, match="*maintenance*"),
            when_blocked="skip",
            stagger=timedelta(minutes=5),
        ),
        assets=[inbox_filled],
    ),
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=RETRY,
    on_failure_callback=TellTheTeam("Inference failed: {{ dag_run.run_id }}"),
    tags=["calendar", "mlops"],
):
    if absent := missing("mlflow", "sklearn"):
        say_what_is_missing(absent)
    else:
        from calendar_examples import inbox, registry

        @task
        def look() -> list[str]:
            """The batches that wait, by reference."""
            if registry.champion() is None:
                raise AirflowSkipException("No model yet: run weekly_retraining first")
            if not (waiting := inbox.waiting()):
                raise AirflowSkipException("Nothing new")
            return waiting

        @task(pool="training", max_active_tis_per_dagrun=2, outlets=[predictions_made])
        def classify(batch: str):
            count, result = inbox.classify(batch)
            yield Metadata(
                predictions_made, {"batch": batch, "predictions": result, "count": count}
            )

        classify.expand(batch=look())

with DAG(
    "digits_arrive", description="Delivers a batch", schedule=None, tags=["calendar", "mlops"]
):
    if absent := missing("sklearn"):
        say_what_is_missing(absent)
    else:

        @task(outlets=[inbox_filled])
        def deliver(dag_run=None) -> str:
            from calendar_examples import inbox

            return inbox.deliver(f"{dag_run.run_after:%Y%m%dT%H%M%S}")

        deliver()
