"""Every example is read, serialized and planned with nothing set up.

And where its packages are missing it says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from demo.examples import EXAMPLES

PAGES = EXAMPLES.parent / "docs" / "examples"
HEAVY = ("airflow.providers.cncf.kubernetes", "kubernetes", "mlflow", "numpy", "sklearn")


def read(home: Path, *absent: str) -> dict[str, Any]:
    """What a fresh Airflow without any Connection or Variable makes of the folder."""
    return asked(home, "read_examples", *absent)


def asked(home: Path, script: str, *arguments: str) -> dict[str, Any]:
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "TEAM_CALENDAR"))
    }
    env = own | {
        "AIRFLOW_HOME": str(home),
        "CALENDAR_TIMETABLE_CACHE": str(home / "cache"),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", f"tests.support.in_airflow.{script}", EXAMPLES, *arguments]
    done = subprocess.run(
        command,
        env=env,
        cwd=EXAMPLES.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return read(tmp_path_factory.mktemp("home"))


# What becomes of each one's first due times from Wednesday, 23 December 2026, 08:00 on, in UTC, by
# the calendar that comes with the examples: a freeze from the 25th to the 27th, maintenance on
# Wednesdays, holidays on the 25th and 26th.
PLANS = {
    "calendar_demo": [
        "Wed 23 08:00 on_time",
        "Wed 23 08:02 on_time",
        "Wed 23 08:04 on_time",
        "Wed 23 08:06 on_time",
    ],
    "calendar_is_the_schedule": [
        "Fri 25 19:15 on_time",
        "Tue 29 19:15 on_time",
        "Tue 05 19:15 on_time",
        "Fri 08 19:15 on_time",
    ],
    "genai_finetune": [
        "Wed 23 20:00 postponed Wed 23 22:00",
        "Thu 24 20:00 on_time",
        "Fri 25 20:00 skipped",
        "Sat 26 20:00 skipped",
    ],
    "gpu_training": [
        "Wed 23 18:00 on_time",
        "Thu 24 18:00 on_time",
        "Fri 25 18:00 on_time",
        "Sat 26 18:00 on_time",
    ],
    "gpu_training_kueue": [
        "Wed 23 19:00 on_time",
        "Thu 24 19:00 on_time",
        "Fri 25 19:00 on_time",
        "Sat 26 19:00 on_time",
    ],
    "inference_offpeak": [
        "Wed 23 08:00 skipped",
        "Wed 23 09:00 skipped",
        "Wed 23 10:00 skipped",
        "Wed 23 11:00 skipped",
    ],
    "recipe_advance": [
        "Mon 28 11:00 advanced Mon 28 04:00",
        "Mon 04 11:00 advanced Mon 04 04:00",
        "Mon 11 11:00 advanced Mon 11 04:00",
        "Mon 18 11:00 advanced Mon 18 04:00",
    ],
    "recipe_blackouts": [
        "Wed 23 08:00 on_time",
        "Wed 23 08:30 postponed Wed 23 08:45",
        "Wed 23 09:00 on_time",
        "Wed 23 09:30 on_time",
    ],
    "recipe_coalesce": [
        "Wed 23 08:00 postponed Wed 23 21:00",
        "Wed 23 09:00 postponed Wed 23 21:00",
        "Wed 23 10:00 postponed Wed 23 21:00",
        "Wed 23 11:00 postponed Wed 23 21:00",
    ],
    "recipe_duration": [
        "Thu 24 04:00 postponed Thu 24 18:00",
        "Fri 25 04:00 postponed Fri 25 18:00",
        "Sat 26 04:00 on_time",
        "Sun 27 04:00 on_time",
    ],
    "recipe_max_delay": [
        "Wed 23 08:30 skipped",
        "Thu 24 08:30 skipped",
        "Fri 25 08:30 skipped",
        "Sat 26 08:30 skipped",
    ],
    "recipe_offset": [
        "Thu 24 12:30 on_time",
        "Thu 07 12:30 on_time",
        "Thu 21 12:30 on_time",
        "Thu 04 12:30 on_time",
    ],
    "recipe_skip": [
        "Wed 23 08:00 on_time",
        "Thu 24 08:00 on_time",
        "Fri 25 08:00 skipped",
        "Sat 26 08:00 skipped",
    ],
    "recipe_stagger": [
        "Wed 23 17:00 postponed Wed 23 18:29",
        "Thu 24 17:00 postponed Thu 24 18:29",
        "Fri 25 17:00 postponed Fri 25 18:29",
        "Sat 26 17:00 on_time Sat 26 17:29",
    ],
    "recipe_time_sets": [
        "Wed 23 19:00 postponed Wed 23 23:00",
        "Thu 24 19:00 on_time",
        "Fri 25 19:00 on_time",
        "Sat 26 19:00 on_time",
    ],
    "recipe_windows": [
        "Wed 23 16:00 postponed Wed 23 18:00",
        "Thu 24 16:00 postponed Thu 24 18:00",
        "Fri 25 16:00 postponed Fri 25 18:00",
        "Sat 26 16:00 on_time",
    ],
    "weekly_retraining": [
        "Sat 26 01:00 postponed Sun 27 23:00",
        "Sat 02 01:00 on_time",
        "Sat 09 01:00 on_time",
        "Sat 16 01:00 on_time",
    ],
}


def test_all_are_read(examples: dict[str, Any]) -> None:
    assert examples["errors"] == {}
    assert set(examples["dags"]) == {*PLANS, "digits_arrive"}


@pytest.fixture(scope="module")
def lives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asked(tmp_path_factory.mktemp("home"), "live_examples")


@pytest.mark.parametrize("dag_id", PLANS)
def test_it_runs_as_it_says_without_a_start_date(lives: dict[str, Any], dag_id: str) -> None:
    life = lives[dag_id]

    assert life["start_date"] is None
    assert life["made"] == life["told"]
    assert life["made"] or dag_id == "recipe_max_delay", (
        "ten days hold some run of each, unless all are skipped"
    )


@pytest.mark.parametrize("dag_id", PLANS)
def test_plan(examples: dict[str, Any], dag_id: str) -> None:
    assert examples["dags"][dag_id]["plan"] == PLANS[dag_id]
    assert len(examples["dags"][dag_id]["plan_as_stored"]) == 4, (
        "also out of the serialized DAG, from now on"
    )


def test_each_says_what_it_is(examples: dict[str, Any]) -> None:
    for dag_id, dag in examples["dags"].items():
        assert dag["description"], dag_id


@pytest.mark.parametrize("name", sorted(file.stem for file in EXAMPLES.glob("*.py")))
def test_each_has_a_page_with_its_picture_and_what_to_change(name: str) -> None:
    if name == "calendar_demo":
        assert f"`{name}`" in (PAGES / "README.md").read_text()
        return
    [page] = (
        file for file in PAGES.glob("*.md") if f"../../example_dags/{name}.py)" in file.read_text()
    )
    text = page.read_text()
    assert f"](images/{name}.png)" in text and (PAGES / "images" / f"{name}.png").exists()
    assert "## What to change" in text
    assert "](README.md#for-production)" in text


def test_without_the_extra_each_is_read_and_says_what_is_missing(tmp_path: Path) -> None:
    told = read(tmp_path, *HEAVY)

    assert told["errors"] == {}
    assert set(told["dags"]) == {*PLANS, "digits_arrive"}
    explain = ["install_the_extra"]
    assert {dag_id for dag_id, dag in told["dags"].items() if dag["tasks"] == explain} == {
        "calendar_is_the_schedule",
        "digits_arrive",
        "genai_finetune",
        "gpu_training",
        "gpu_training_kueue",
        "inference_offpeak",
        "weekly_retraining",
    }
    assert {dag_id: dag["plan"] for dag_id, dag in told["dags"].items() if dag["plan"]} == PLANS


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from calendar_examples import extras  # type: ignore[import-not-found]

    assert extras.missing("json", "no_such_module", "no_such.module") == [
        "no_such_module",
        "no_such.module",
    ]
