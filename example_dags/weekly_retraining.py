"""Retrain a model every week, and promote it only if it is better.

It runs off-peak and never in a release freeze.

Due on Saturdays at 02:00, and asked for by an event "Retrain digits ..." that somebody writes into
the calendar. The whole run, an hour, must fit into off-peak time; in a week with an event "...
freeze" it waits, at most three days. Right before the work starts the gate looks at the calendar
again.

    champion > gate > ingest > validate > features > train (one task per setting)
        > evaluate > decide
        better: register_and_promote, else: report_and_stop

Tasks hand each other references: data goes through object storage, models through MLflow. Running a
day again trains, registers and promotes nothing twice.
"""

from datetime import timedelta

from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    DeadlineAlert,
    Metadata,
    Param,
    SyncCallback,
    task,
)
from airflow.sdk.exceptions import AirflowFailException
from calendar_examples import OFF_PEAK, RETRY, TEAM_CALENDAR, ZONE, calendar_watchers, day_of
from calendar_examples.extras import missing, say_what_is_missing
from calendar_examples.notify import TellTheTeam

from calendar_timetable import Calendar, CalendarGate, CalendarTimetable
from calendar_timetable.runtime import WindowEndDeadline

# Who writes "Retrain digits, new labels" into the team's calendar gets a run as soon as time is
# open.
asked_for = Asset(
    "digits_retraining_asked_for",
    watchers=calendar_watchers("retrain_digits", match="Retrain digits*"),
)
champion_changed = Asset("digits_champion", uri="mlflow://models/digits/champion")

SETTINGS = [{"C": 0.1, "gamma": 0.001}, {"C": 1.0, "gamma": 0.01}, {"C": 10.0, "gamma": 0.01}]

with DAG(
    "weekly_retraining",
    description="Off-peak, not in a freeze, and promoted only if better",
    doc_md=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CalendarTimetable(
            "0 2 * * SAT",
            timezone=ZONE,
            windows=OFF_PEAK,
            blackouts=Calendar(TEAM_CALENDAR, match="*freeze*", show_titles=True),
            duration=timedelta(hours=1),
            max_delay=timedelta(days=3),
        ),
        assets=[asked_for],
    ),
    params={
        "margin": Param(
            0.002, type="number", minimum=0, description="how much better a new champion must be"
        )
    },
    max_active_runs=1,
    is_paused_upon_creation=True,
    default_args=RETRY,
    on_failure_callback=TellTheTeam("Retraining failed: {{ dag_run.run_id }}"),
    deadline=DeadlineAlert(
        reference=WindowEndDeadline(),
        interval=-timedelta(minutes=30),
        callback=SyncCallback(
            TellTheTeam,
            kwargs={"message": "Off-peak time ends in half an hour, and retraining has not"},
        ),
    ),
    tags=["calendar", "mlops"],
):
    if absent := missing("mlflow", "sklearn"):
        say_what_is_missing(absent)
    else:
        from calendar_examples import digits, registry

        @task
        def champion() -> str | None:
            """What there is to beat."""
            known = registry.champion()
            return known and f"version {known.version}"

        gate = CalendarGate(task_id="gate", duration=timedelta(minutes=30))

        @task
        def ingest(dag_run=None) -> str:
            return digits.ingest(day_of(dag_run))

        @task
        def validate(raw: str) -> dict[str, int]:
            try:
                return digits.validate(raw)
            except ValueError as error:
                raise AirflowFailException(str(error)) from None  # trying again changes nothing

        @task
        def features(raw: str) -> str:
            return digits.features(raw)

        @task(
            pool="training", max_active_tis_per_dagrun=2, map_index_template="C={{ setting['C'] }}"
        )
        def train(prepared: str, setting: dict[str, float], dag_run=None) -> dict:
            return digits.train(prepared, setting, day_of(dag_run))

        @task
        def evaluate(candidates: list[dict], prepared: str) -> dict:
            from airflow.sdk.observability.stats import Stats

            result = digits.evaluate(list(candidates), prepared)
            Stats.gauge("weekly_retraining.accuracy", result["accuracy"])
            return result

        @task.branch
        def decide(result: dict, params=None) -> str:
            """The quality gate for a new champion.

            The first champion is any model, the next must be better by a margin.
            """
            known = result["champion_accuracy"]
            better = known is None or result["accuracy"] >= known + params["margin"]
            return "register_and_promote" if better else "report_and_stop"

        @task(outlets=[champion_changed])
        def register_and_promote(result: dict, dag_run=None):
            facts = {"day": day_of(dag_run), "accuracy": result["accuracy"]}
            version = registry.promote(result["run_id"], facts)
            yield Metadata(champion_changed, {"version": version, **facts})

        @task
        def report_and_stop(result: dict) -> str:
            return (
                f"The champion stays: version {result['champion']} is right"
                f" in {result['champion_accuracy']:.1%}, "
                f"the best new model in {result['accuracy']:.1%} of the held-out digits"
            )

        raw = ingest()
        champion() >> gate >> raw
        prepared = features(raw)
        validate(raw) >> prepared
        result = evaluate(train.partial(prepared=prepared).expand(setting=SETTINGS), prepared)
        decide(result) >> [register_and_promote(result), report_and_stop(result)]
