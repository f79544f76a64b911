"""weekly_retraining and inference_offpeak in a real Airflow, with a real MLflow store."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.examples.conftest import Examples, Finished, in_a_moment

FIRST = datetime(2026, 1, 17, 2, tzinfo=UTC)  # few digits are labelled by then
LATER = datetime(2026, 8, 15, 2, tzinfo=UTC)  # and nearly all of them


@pytest.fixture(scope="session")
def first(airflow: Examples) -> Finished:
    """The first run of all."""
    return airflow.run("weekly_retraining", logical_date=FIRST)


def test_the_gate_decides_truthfully_and_the_registry_holds_it(airflow: Examples, first: Finished) -> None:
    assert first.state == "success", first.explain()
    result = first.xcom("evaluate")
    assert result["champion"] is None
    assert first.tasks["register_and_promote"] == "success"
    assert first.tasks["report_and_stop"] == "skipped"
    known = registry(airflow)
    assert known["version"] == "1"
    assert known["run_id"] == result["run_id"]
    assert known["accuracy"] == pytest.approx(result["accuracy"])
    assert known["tags"] == {"day": "2026-01-17", "accuracy": str(result["accuracy"])}

    later = airflow.run("weekly_retraining", logical_date=LATER)

    assert later.state == "success", later.explain()
    result = later.xcom("evaluate")
    assert result["champion_accuracy"] == pytest.approx(known["accuracy"]), "judged by the same digits"
    assert result["accuracy"] > result["champion_accuracy"] + 0.002, "1,380 digits teach more than 180"
    assert later.tasks["register_and_promote"] == "success"
    known = registry(airflow)
    assert (known["version"], known["run_id"]) == ("2", result["run_id"])
    assert known["accuracy"] == pytest.approx(result["accuracy"])
    events = airflow.get("/api/v2/assets/events", source_dag_id="weekly_retraining")["asset_events"]
    assert sorted(event["extra"]["version"] for event in events) == ["1", "2"]

    worse = airflow.run("weekly_retraining", logical_date=FIRST.replace(day=24))

    assert worse.state == "success", worse.explain()
    assert worse.tasks["register_and_promote"] == "skipped"
    assert worse.tasks["report_and_stop"] == "success"
    assert "The champion stays: version 2" in worse.xcom("report_and_stop")
    assert registry(airflow) == known, "nothing registered, nothing promoted"

    clear = {"dag_run_id": later.run_id, "dry_run": False, "only_failed": False}
    cleared = airflow.post("/api/v2/dags/weekly_retraining/clearTaskInstances", **clear)
    assert cleared["total_entries"] >= 10
    again = airflow.end_of(("weekly_retraining", later.run_id))

    assert again.state == "success", again.explain()
    assert all(candidate["reused"] for candidate in again.xcoms("train")), "trained once"
    assert registry(airflow) == known, "a day that is run again leaves the same behind"


def test_data_passes_by_reference(airflow: Examples, first: Finished) -> None:
    sizes = airflow.rows("SELECT task_id, length(value) AS size FROM xcom WHERE dag_id = 'weekly_retraining'")

    assert {row["task_id"] for row in sizes} >= {"ingest", "features", "train", "evaluate"}
    assert all(row["size"] < 600 for row in sizes), sizes


def test_inference(airflow: Examples, first: Finished) -> None:
    nothing = airflow.run("inference_offpeak")
    assert nothing.state == "success", nothing.explain()
    assert nothing.tasks == {"look": "skipped", "classify": "skipped"}

    before = len(airflow.runs("inference_offpeak"))
    assert airflow.run("digits_arrive").state == "success"

    def triggered() -> list[Any]:
        return [
            r
            for r in airflow.runs("inference_offpeak")[before:]
            if r.run_type == "asset_triggered" and r.state == "success"
        ]

    [run] = airflow.wait("the run that the arrival triggers", triggered, seconds=120)
    ended = Finished(airflow, "inference_offpeak", run.run_id, run.state)
    assert ended.tasks == {"look": "success", "classify[0]": "success"}
    [made] = airflow.get("/api/v2/assets/events", source_dag_id="inference_offpeak")["asset_events"]
    assert made["extra"]["count"] == 50
    right = json.loads(python(airflow, READ_PREDICTIONS, made["extra"]["batch"], made["extra"]["predictions"]))
    assert right >= 0.85, "of the digits that it was asked about"

    again = airflow.run("inference_offpeak")
    assert again.tasks["look"] == "skipped", "a batch is done once"


def test_an_event_in_the_calendar_asks_for_a_run(airflow: Examples) -> None:
    """Asked for in a freeze, it waits at its gate, and holds no worker."""
    pytest.importorskip("airflow.triggers.shared_stream", reason="calendar events trigger DAGs from Airflow 3.3 on")
    airflow.unpause("weekly_retraining")
    airflow.plan([("Retrain digits, new labels", in_a_moment(24 * 3600))])

    def at_its_gate() -> list[str]:
        rows = airflow.rows(
            "SELECT t.run_id FROM task_instance t JOIN dag_run r ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
            " WHERE t.dag_id = 'weekly_retraining' AND r.run_type = 'asset_triggered'"
            " AND t.task_id = 'gate' AND t.state = 'deferred'"
        )
        return [row["run_id"] for row in rows]

    [run_id] = airflow.wait("the run that the event asks for to be held", at_its_gate, seconds=600)
    with airflow.session() as session:
        path = f"{airflow.address}/api/v2/dags/weekly_retraining/dagRuns/{run_id}"
        assert session.patch(path, json={"state": "failed"}, timeout=20).ok


READ_CHAMPION = """
import json
from calendar_examples import arrays, registry
client = registry.open_store()
version = registry.champion()
data = arrays.load(f"file://{sys.argv[1]}/examples/retraining/2026-01-17/features.npz")
right = registry.load_champion().predict(data["held_out_images"]) == data["held_out_labels"]
print(json.dumps({"version": str(version.version), "run_id": version.run_id, "tags": version.tags,
    "accuracy": float(right.mean()), "versions": len(client.search_model_versions("name = 'digits'"))}))
"""
READ_PREDICTIONS = """
from calendar_examples import arrays
print((arrays.load(sys.argv[2])["predictions"] == arrays.load(sys.argv[1])["labels"]).mean())
"""


def registry(airflow: Examples) -> dict[str, Any]:
    """What the registry says of the champion, and how that model does when it is loaded and scored here."""
    known: dict[str, Any] = json.loads(python(airflow, READ_CHAMPION, str(airflow.home)))
    return known


def python(airflow: Examples, program: str, *arguments: str) -> str:
    """What a program prints that knows of this Airflow no more than where it is."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(airflow.dags)!r})\n{program}", *arguments],
        env=airflow.env | {"PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]
