"""The list against the scheduler, for all example DAGs.

Airflow's own and ours, as stored, served under a path.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from demo.local_airflow import LocalAirflow
from tests.support.in_airflow import SCRIPTS
from tests.support.web_server import served

pytestmark = pytest.mark.airflow
EXPECTED = SCRIPTS / "expected_runs.py"


class Told:
    """What Airflow expects of a week from an hour from now on, and what the list tells of it."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self.since = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        self.until = self.since + timedelta(days=7)
        done = airflow.run_program(str(EXPECTED), self.since.isoformat(), self.until.isoformat())
        assert done.returncode == 0, done.stderr[-4000:]
        self.expected: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        self.runs: dict[str, list[dict[str, Any]]] = defaultdict(list)
        session = airflow.session()
        asked: dict[str, Any] = {
            "start": self.since.isoformat(),
            "end": self.until.isoformat(),
            "limit": 1000,
            "paused": "true",
        }
        address = f"{airflow.address}/calendar-timetable/api/runs"
        # AfterWorkdayTimetable imports pandas in its first step, which takes more than the second
        # that one DAG may cost.
        session.get(address, params={**asked, "dag_id": "example_workday_timetable"}, timeout=60)
        for _ in range(2):  # a busy machine may have no time for all of it until some is known
            self.runs.clear()
            offset, more = 0, True
            while more:
                page = session.get(address, params={**asked, "offset": offset}, timeout=60).json()
                for run in page["runs"]:
                    self.runs[run["dag_id"]].append(run)
                offset, more = offset + len(page["runs"]), page["truncated"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    home = tmp_path_factory.mktemp("examples")
    with served(home, {}, lambda airflow: None, "/behind/a/proxy", examples=True) as airflow:
        yield Told(airflow)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def to_the_second(text: str) -> datetime:
    return moment(text).replace(microsecond=0)


def test_the_example_dags_are_all_there(told: Told) -> None:
    """Of every kind of timetable in them, some with a next run."""
    kinds = {dag["timetable"] for dag in told.expected.values() if dag["stored"]}
    assert kinds >= {
        *(
            "CronTriggerTimetable",
            "DeltaTriggerTimetable",
            "OnceTimetable",
            "CronPartitionTimetable",
        ),
        *("AssetOrTimeSchedule", "AfterWorkdayTimetable", "CalendarTimetable"),
    }
    assert len(told.expected) > 90
    assert {
        "calendar_demo",
        "weekly_retraining",
        "inference_offpeak",
        "example_workday_timetable",
    } <= set(told.expected)


def test_every_run_is_the_schedulers_to_the_second(told: Told) -> None:
    """Also the sums of those that run often; and nothing is told of DAGs that have no next run.

    Airflow's own starts of runs that start together are a microsecond apart.
    """
    for dag_id, dag in told.expected.items():
        starts = [to_the_second(start) for start in dag["starts"]]
        runs = [
            run
            for run in told.runs[dag_id]
            if run["start"] and told.since <= moment(run["start"]) < told.until
        ]
        assert sum(run["collapsed"]["count"] if run["collapsed"] else 1 for run in runs) == len(
            starts
        ), dag_id
        single = [to_the_second(run["start"]) for run in runs if not run["collapsed"]]
        assert {to_the_second(run["start"]) for run in runs} <= set(starts), dag_id
        assert single == starts or len(single) < len(starts), dag_id


def test_every_run_of_ours_is_its_plan(told: Told) -> None:
    compared = 0
    for dag_id, dag in told.expected.items():
        if dag["plan"] is None:
            continue
        plan = {
            moment(tick): (start and moment(start), outcome)
            for tick, (start, outcome) in dag["plan"].items()
        }
        for run in told.runs[dag_id]:
            due = moment(run["due"])
            if due in plan and not run["collapsed"]:
                compared += 1
                assert (run["start"] and moment(run["start"]), run["outcome"]) == plan[due], (
                    dag_id,
                    due,
                )
        told_of = {moment(run["due"]) for run in told.runs[dag_id]}
        # A timedelta counts from the last run; its plan, from anywhere
        goes_on = dag_id == "hostile"
        if dag["stored"] and not goes_on and not any(run["collapsed"] for run in told.runs[dag_id]):
            assert set(plan) <= told_of, dag_id
    assert compared > 20
