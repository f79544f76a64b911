"""genai_finetune in a real Airflow.

A model goes into service, a worse one does not, one that fails there is taken back.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests

from demo.services import wait_until
from tests.support.examples import Examples, Finished

PODS = ("tokenise", "pretrain", "fine_tune", "evaluate")


@pytest.fixture(scope="module")
def first(airflow: Examples) -> Finished:
    if not airflow.pods.has("GENAI_FOLDER"):
        pytest.skip(
            "a real cluster is asked: set GENAI_FOLDER to where this machine sees the claim "
            "genai, empty"
        )
    return airflow.run("genai_finetune", name="first", base_steps=60, steps=40)


def test_the_first_model_goes_into_service(airflow: Examples, first: Finished) -> None:
    assert first.state == "success", first.explain()
    states = first.tasks
    assert [states[pod] for pod in PODS] == ["success"] * 4
    assert (states["deploy"], states["check"]) == ("success", "success")
    assert (states["keep"], states["roll_back"]) == ("skipped", "skipped")
    assert served(airflow) == "runs/first/model"
    metrics = json.loads(
        (airflow.backing.data / "runs" / "first" / "model" / "metrics.json").read_text()
    )
    assert 1 < metrics["perplexity"] < 96


def test_what_is_judged_is_not_done_again(airflow: Examples, first: Finished) -> None:
    again = airflow.run("genai_finetune", name="first")

    assert again.state == "success", again.explain()
    assert again.tasks["unfinished"] == "success"
    assert {state for task, state in again.tasks.items() if task != "unfinished"} == {"skipped"}


def test_a_model_that_is_not_better_is_kept_out(airflow: Examples, first: Finished) -> None:
    worse = airflow.run("genai_finetune", name="worse", base_steps=60, steps=2)

    assert worse.state == "success", worse.explain()
    assert (worse.tasks["keep"], worse.tasks["deploy"], worse.tasks["check"]) == (
        "success",
        "skipped",
        "skipped",
    )
    assert "runs/first/model stays" in worse.xcom("keep")
    assert served(airflow) == "runs/first/model"


def test_a_model_that_fails_in_service_is_taken_back(airflow: Examples, first: Finished) -> None:
    """The machine that serves has become too small for a new model.

    It refuses what it is to load.
    """
    current = airflow.backing.data / "serving" / "current"
    before, hidden = current.read_text(), current.with_name("hidden")
    current.rename(hidden)  # it starts empty-handed
    airflow.backing.serve("--most-parameters", "1000")
    wait_until("the small service to answer", lambda: served(airflow) is None)
    hidden.rename(current)

    better = airflow.run("genai_finetune", name="better", base_steps=60, steps=120)

    assert better.state == "failed"
    assert better.tasks["deploy"] == "failed"
    assert "this server has room for 1,000" in better.logs("deploy")
    assert better.tasks["roll_back"] == "failed", "somebody has to look"
    assert current.read_text() == before == "runs/first/model"
    airflow.chat.hears(f"Fine-tuning failed: {better.run_id}")


def served(airflow: Examples) -> Any:
    try:
        return requests.get(
            f"http://127.0.0.1:{airflow.backing.serving_port}/health", timeout=20
        ).json()["model"]
    except requests.ConnectionError:
        return "nothing answers"
