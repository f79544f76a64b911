"""weekly_retraining and inference_offpeak in a real Airflow, with a real MLflow store."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from select import select
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy

from tests.support import stack
from tests.support.examples import Examples, Finished, in_a_moment
from tests.support.in_airflow import SCRIPTS

FIRST = datetime(2026, 1, 17, 2, tzinfo=UTC)  # few digits are labelled by then
LATER = datetime(2026, 8, 15, 2, tzinfo=UTC)  # and nearly all of them


@pytest.fixture(scope="session")
def first(airflow: Examples) -> Finished:
    """The first run of all."""
    return airflow.run("weekly_retraining", logical_date=FIRST)


def test_the_gate_decides_truthfully_and_the_registry_holds_it(
    airflow: Examples, reader: Reader, first: Finished
) -> None:
    assert first.state == "success", first.explain()
    result = first.xcom("evaluate")
    assert result["champion"] is None
    assert first.tasks["register_and_promote"] == "success"
    assert first.tasks["report_and_stop"] == "skipped"
    known = reader.champion()
    assert known["version"] == "1"
    assert known["run_id"] == result["run_id"]
    assert known["accuracy"] == pytest.approx(result["accuracy"])
    assert known["tags"] == {"day": "2026-01-17", "accuracy": str(result["accuracy"])}
    assert (str(result["accuracy"]), "g") in airflow.statsd.got()["weekly_retraining.accuracy"]

    later = airflow.run("weekly_retraining", logical_date=LATER)

    assert later.state == "success", later.explain()
    result = later.xcom("evaluate")
    assert result["champion_accuracy"] == pytest.approx(known["accuracy"]), (
        "judged by the same digits"
    )
    assert result["accuracy"] > result["champion_accuracy"] + 0.002, (
        "1,380 digits teach more than 180"
    )
    assert later.tasks["register_and_promote"] == "success"
    known = reader.champion()
    assert (known["version"], known["run_id"]) == ("2", result["run_id"])
    assert known["accuracy"] == pytest.approx(result["accuracy"])
    events = airflow.get("/api/v2/assets/events", source_dag_id="weekly_retraining")["asset_events"]
    assert sorted(event["extra"]["version"] for event in events) == ["1", "2"]

    worse = airflow.run("weekly_retraining", logical_date=FIRST.replace(day=24))

    assert worse.state == "success", worse.explain()
    assert worse.tasks["register_and_promote"] == "skipped"
    assert worse.tasks["report_and_stop"] == "success"
    assert "The champion stays: version 2" in worse.xcom("report_and_stop")
    assert reader.champion() == known, "nothing registered, nothing promoted"

    clear = {"dag_run_id": later.run_id, "dry_run": False, "only_failed": False}
    cleared = airflow.post("/api/v2/dags/weekly_retraining/clearTaskInstances", **clear)
    assert cleared["total_entries"] >= 10
    again = airflow.end_of(("weekly_retraining", later.run_id))

    assert again.state == "success", again.explain()
    assert all(candidate["reused"] for candidate in again.xcoms("train")), "trained once"
    assert reader.champion() == known, "a day that is run again leaves the same behind"


def test_data_passes_by_reference(first: Finished) -> None:
    sizes = [(task_id, len(json.dumps(value))) for task_id, value in first.all_xcoms()]

    assert {task_id for task_id, _ in sizes} >= {"ingest", "features", "train", "evaluate"}
    assert all(size < 600 for _, size in sizes), sizes


def test_inference(airflow: Examples, reader: Reader, first: Finished) -> None:
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

    [run] = airflow.wait("the run that the arrival triggers", triggered)
    ended = Finished(airflow, "inference_offpeak", run.run_id, run.state)
    assert ended.tasks == {"look": "success", "classify[0]": "success"}
    [made] = airflow.get("/api/v2/assets/events", source_dag_id="inference_offpeak")["asset_events"]
    assert made["extra"]["count"] == 50
    assert reader.ask("right", made["extra"]["batch"], made["extra"]["predictions"]) >= 0.85, (
        "of the digits that it was asked about"
    )

    again = airflow.run("inference_offpeak")
    assert again.tasks["look"] == "skipped", "a batch is done once"


def test_an_event_in_the_calendar_asks_for_a_run(airflow: Examples) -> None:
    """Asked for in a freeze, it waits at its gate, and holds no worker.

    The team is told if it waits too long.
    """
    pytest.importorskip(
        "airflow.triggers.shared_stream", reason="calendar events trigger DAGs from Airflow 3.3 on"
    )
    airflow.unpause("weekly_retraining")
    airflow.read_again()  # Airflow watches for a DAG that was paused once its file is read again
    noted = (
        "SELECT s.value FROM asset_state_store s JOIN asset a ON a.id = s.asset_id"
        " WHERE a.name = 'digits_retraining_asked_for'"
    )
    airflow.wait("the calendar to be watched", lambda: airflow.rows(noted))
    airflow.plan([("Retrain digits, new labels", in_a_moment(24 * 3600))])

    def at_its_gate() -> list[str]:
        rows = airflow.rows(
            "SELECT t.run_id FROM task_instance t JOIN dag_run r"
            " ON r.dag_id = t.dag_id AND r.run_id = t.run_id"
            " WHERE t.dag_id = 'weekly_retraining' AND r.run_type = 'asset_triggered'"
            " AND t.task_id = 'gate' AND t.state = 'deferred'"
        )
        return [row["run_id"] for row in rows]

    [run_id] = airflow.wait("the run that the event asks for to be held", at_its_gate, seconds=600)
    run = "(SELECT id FROM dag_run WHERE dag_id = 'weekly_retraining' AND run_id = :run_id)"
    [deadline] = airflow.rows(
        f"SELECT deadline_time FROM deadline WHERE dagrun_id = {run}", run_id=run_id
    )
    morning = (stack.known(deadline["deadline_time"]) + timedelta(minutes=30)).astimezone(
        ZoneInfo("Europe/Berlin")
    )
    assert morning.time() == time(7), "off-peak time ends"
    assert morning > in_a_moment(0), "the next that it knows of"
    late = sqlalchemy.text(f"UPDATE deadline SET deadline_time = :now WHERE dagrun_id = {run}")
    with airflow.engine.begin() as connection:
        connection.execute(late, {"now": in_a_moment(-1), "run_id": run_id})
    airflow.chat.hears("Off-peak time ends in half an hour, and retraining has not")

    airflow.patch(f"/api/v2/dags/weekly_retraining/dagRuns/{run_id}", state="failed")


class Reader:
    """A process that knows of this Airflow no more than where it is.

    It is asked what it finds there.
    """

    def __init__(self, airflow: Examples, errors: Path) -> None:
        program = SCRIPTS / "read_registry.py"
        environment = airflow.env | {"PYTHONWARNINGS": "ignore"}
        self._errors = errors
        with errors.open("w") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, program, airflow.dags],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._features = f"file://{airflow.home}/examples/retraining/2026-01-17/features.npz"

    def champion(self) -> dict[str, Any]:
        """What the registry says of the champion, and how that model does.

        The model is loaded and scored there.
        """
        known: dict[str, Any] = self.ask("champion", self._features)
        return known

    def ask(self, *question: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(question), file=self._process.stdin, flush=True)
        ready, _, _ = select([self._process.stdout], [], [], 240)
        line = self._process.stdout.readline() if ready else ""
        assert line, self._errors.read_text()[-3000:]
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module")
def reader(airflow: Examples, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(airflow, tmp_path_factory.mktemp("reader") / "errors")
    yield reader
    reader.close()
