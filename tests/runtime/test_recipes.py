"""The recipes of docs/runtime.md, run as they stand there.

By schedule, by hand, and in a run that ignores calendars.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException, TaskDeferred

from calendar_timetable import CalendarGate, CalendarTimetable, Weekly
from calendar_timetable.plugin import CalendarSchedulePlugin
from calendar_timetable.runtime.window import WINDOW_AHEAD
from tests.support.team_calendar import TeamCalendar, context_of

DOCS = Path(__file__).parents[2] / "docs" / "runtime.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
GUARD, POD, COMMAND, LOOP = range(4)
NIGHTS = CalendarTimetable("0 2 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
OPEN, CLOSED = datetime(2026, 3, 2, 5, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)
OVERRIDES: dict[str, dict[str, Any]] = {
    "by hand": {"run_type": "manual"},
    "told to": {"run_type": "operator_triggered", "conf": {"ignore_calendar": "hotfix"}},
}

overrides = pytest.mark.parametrize("run", OVERRIDES.values(), ids=OVERRIDES)


class Recipe:
    """A DAG whose time is open at night, with one of the recipes in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context: dict[str, Any] = {}
        monkeypatch.setattr("airflow.sdk.get_current_context", lambda: self.context)

    def read(self, number: int, **given: Any) -> dict[str, Any]:
        """What the snippet defines; its operators are tasks of a DAG of this schedule."""
        found = dict(given)
        with DAG("nightly", schedule=NIGHTS) as dag:
            exec(SNIPPETS[number], found)
        return {"the_dag": dag, **found}

    def starts(self, task: Any = None, **run: Any) -> dict[str, Any]:
        """The context of a task of such a run, with its templates rendered."""
        macros = {macro.__name__: macro for macro in CalendarSchedulePlugin.macros}
        self.context = context_of(NIGHTS, **run)
        self.context["macros"] = SimpleNamespace(calendar_schedule=SimpleNamespace(**macros))
        if task is not None:
            task.render_template_fields(self.context)
        return self.context


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    return Recipe(monkeypatch)


def at(moment: datetime) -> Any:
    return time_machine.travel(moment, tick=False)


def test_every_snippet_is_run_here() -> None:
    for number, name in enumerate(
        ("pre_execute", "activeDeadlineSeconds", "BashOperator", "seconds_left() < 120")
    ):
        assert name in SNIPPETS[number]
    assert len(SNIPPETS) == 4, "a new one: run it here"


def test_the_guard(team: TeamCalendar) -> None:
    snippet = (
        SNIPPETS[GUARD]
        .replace('"team_calendar"', repr(team.address))
        .replace("):\n    ...", ") as training:\n    ...")
    )
    found: dict[str, Any] = {}
    exec(snippet, found)
    training = found["training"]
    hook = training.default_args["pre_execute"]
    with at(CLOSED):
        with pytest.raises(AirflowRescheduleException):
            hook(context_of(training.timetable))
        for run in OVERRIDES.values():
            hook(context_of(training.timetable, **run))


@overrides
def test_the_gate_before_work_that_ends_with_the_window(
    recipe: Recipe, run: dict[str, Any]
) -> None:
    train = recipe.read(COMMAND)["the_dag"].get_task("train")
    with at(CLOSED):
        CalendarGate(task_id="gate").execute(recipe.starts(train, **run))
        assert f"--preserve-status {WINDOW_AHEAD} " in train.bash_command
        with pytest.raises(TaskDeferred):
            CalendarGate(task_id="gate").execute(recipe.starts())


@overrides
def test_a_pod(recipe: Recipe, run: dict[str, Any]) -> None:
    assert deadline_of_pod(recipe, CLOSED, **run) == str(WINDOW_AHEAD)
    assert deadline_of_pod(recipe, OPEN, **run) == str(WINDOW_AHEAD)


def test_a_pod_by_schedule(recipe: Recipe) -> None:
    assert deadline_of_pod(recipe, OPEN) == "3600"
    with pytest.raises(AirflowSkipException, match="nothing is left of the window"):
        deadline_of_pod(recipe, CLOSED)


def deadline_of_pod(recipe: Recipe, moment: datetime, **run: Any) -> Any:
    train = recipe.read(POD)["the_dag"].get_task("train")
    with at(moment):
        recipe.starts(train, **run)
    return train.pod_template_dict["spec"]["activeDeadlineSeconds"]


@pytest.fixture
def bin_with_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``python`` that works for two seconds, whatever it is asked to run."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\ntrap 'exit 75' TERM\nsleep 2 & wait\necho done\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@overrides
@pytest.mark.usefixtures("bin_with_python")
def test_a_command(recipe: Recipe, run: dict[str, Any]) -> None:
    train = recipe.read(COMMAND)["the_dag"].get_task("train")
    with at(CLOSED):
        context = recipe.starts(train, **run)
    assert train.execute(context) == "done", "not ended after a second"


@pytest.mark.usefixtures("bin_with_python")
def test_a_command_by_schedule(recipe: Recipe) -> None:
    train = recipe.read(COMMAND)["the_dag"].get_task("train")
    with at(datetime(2026, 3, 2, 5, 59, 59, tzinfo=UTC)):
        context = recipe.starts(train)
    with pytest.raises(AirflowSkipException):
        train.execute(context)


class Model:
    """Trains for a few steps."""

    def __init__(self) -> None:
        self.steps, self.saved = 0, False

    @property
    def done(self) -> bool:
        return self.steps >= 3

    def step(self) -> None:
        self.steps += 1


def train_in(recipe: Recipe, model: Model, moment: datetime, **run: Any) -> None:
    given = {
        "load_checkpoint": lambda: model,
        "save_checkpoint": lambda model: setattr(model, "saved", True),
    }
    found = recipe.read(LOOP, **given)
    with at(moment):
        recipe.starts(**run)
        found["train"].function()


@overrides
@pytest.mark.parametrize("moment", [OPEN, CLOSED])
def test_a_loop(recipe: Recipe, run: dict[str, Any], moment: datetime) -> None:
    model = Model()
    train_in(recipe, model, moment, **run)
    assert model.done and not model.saved


def test_a_loop_by_schedule(recipe: Recipe) -> None:
    train_in(recipe, model := Model(), OPEN)
    assert model.done
    with pytest.raises(AirflowSkipException, match="next window"):
        train_in(recipe, model := Model(), CLOSED)
    assert model.saved and not model.steps
