"""The calendar as the schedule, the cookbook and the demo's DAG, in a real Airflow."""

from __future__ import annotations

from tests.support.examples import Examples, Finished, in_a_moment


def test_events_say_what_is_trained_and_when(airflow: Examples) -> None:
    begins = in_a_moment(60)
    airflow.plan([("Retrain: wine", begins), ("Retrain: iris", begins), ("Lunch", begins)])

    def ended() -> list[Finished]:
        runs = airflow.runs("calendar_is_the_schedule")
        due = [
            run for run in runs if run.logical_date == begins and run.state in ("success", "failed")
        ]
        return [Finished(airflow, "calendar_is_the_schedule", run.run_id, run.state) for run in due]

    [run] = airflow.wait("the run that the events ask for", ended, seconds=600)
    assert run.state == "success", run.explain()
    assert run.xcom("what_is_planned") == ["iris", "wine"]
    assert run.tasks == {"what_is_planned": "success", "train[0]": "success", "train[1]": "success"}
    for name in ("wine", "iris"):
        assert (airflow.home / "examples" / "models" / f"{name}.pickle").exists()


def test_a_name_that_nobody_knows_fails_and_says_so(airflow: Examples) -> None:
    run = airflow.run("calendar_is_the_schedule", names=["wien"])

    assert run.state == "failed"
    assert (
        "no such model: ['wien']; there are ['breast_cancer', 'digits', 'iris', 'wine']"
        in run.logs("what_is_planned")
    )


def test_every_recipe_runs(airflow: Examples) -> None:
    known = [
        row["dag_id"] for row in airflow.rows("SELECT dag_id FROM dag WHERE dag_id LIKE 'recipe_%'")
    ]
    assert len(known) == 10
    begun = [airflow.begin(dag_id) for dag_id in [*known, "calendar_demo"]]

    for run in [airflow.end_of(each) for each in begun]:
        assert run.state == "success", run.explain()
