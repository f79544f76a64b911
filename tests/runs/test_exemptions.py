"""Exemptions as a process that reads DAG files knows them: from Airflow's Variable."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.sdk import Variable

from calendar_timetable.runs import exemptions
from calendar_timetable.runs.exemptions import VARIABLE, Exemption, decode, encode, of_dag

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
SINCE = int(NOW.timestamp())
ONE = Exemption("nightly", SINCE, SINCE + 3600, "carol", "an audit")


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exemptions, "_kept", None)


def test_it_is_known_from_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        monkeypatch.setenv(f"AIRFLOW_VAR_{VARIABLE.upper()}", encode([ONE]))
        assert (of_dag("nightly"), of_dag("hourly")) == (ONE, None)
        monkeypatch.setenv(f"AIRFLOW_VAR_{VARIABLE.upper()}", "{}")
        assert of_dag("nightly") == ONE, "it is not read for every DAG of a file"
        clock.shift(timedelta(seconds=3))
        assert of_dag("nightly") is None


def test_without_a_variable_no_dag_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the API server is away")

    monkeypatch.setattr(Variable, "get", fail)
    assert of_dag("nightly") is None


def test_it_is_in_force_for_its_time() -> None:
    told = [ONE.in_force(SINCE + seconds) for seconds in (-1, 0, 3599, 3600)]
    assert told == [False, True, True, False]


@pytest.mark.parametrize(
    "wrong", [{"since": "soon"}, {}, None, 7, {"since": 1, "until": []}], ids=repr
)
def test_one_entry_that_is_none_takes_no_other_away(wrong: Any) -> None:
    both = json.loads(encode([ONE])) | {"wrong": wrong}
    assert decode(json.dumps(both)) == {"nightly": ONE}


@pytest.mark.parametrize("value", ["", "{", "[]", "7", "null", None])
def test_what_is_no_list_of_exemptions_exempts_none(value: str | None) -> None:
    assert decode(value) == {}
