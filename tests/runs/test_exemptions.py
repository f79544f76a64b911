"""Exemptions as a process that reads DAG files knows them: from Airflow's Variable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.sdk import Variable

from calendar_timetable.planning.time_sets import Period
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
    "wrong",
    [
        "{}",
        "null",
        "7",
        '{"since": "soon"}',
        '{"since": 1, "until": []}',
        '{"since": 1, "until": NOW, "until": []}',
        '{"since": -1000000000000000, "until": NOW}',
        '{"since": -1, "until": NOW}',
        '{"since": true, "until": NOW}',
        '{"since": NaN, "until": NOW}',
        '{"since": -Infinity, "until": NOW}',
        '{"since": 1, "until": 1e400}',
        f'{{"since": 1, "until": {"9" * 400}}}',
        f'{{"since": -{"9" * 5000}, "until": NOW}}',
        f'{{"since": 1, "until": {"[" * 900 + "]" * 900}}}',
    ],
    ids=lambda wrong: wrong[:40],
)
@pytest.mark.parametrize("name", ["wrong", r"\ud800"])
def test_one_entry_that_is_none_takes_no_other_away(wrong: str, name: str) -> None:
    with time_machine.travel(NOW, tick=False):
        entry = wrong.replace("NOW", str(ONE.until))
        assert decode(f'{{"{name}": {entry}, {encode([ONE])[1:]}') == {"nightly": ONE}


def test_whatever_is_taken_for_one_can_be_told() -> None:
    told = r'{"nightly": {"since": 0, "until": NOW, "by": "a\ud800b\n", "why": [["\u202e"]]}}'
    with time_machine.travel(NOW, tick=False):
        (one,) = decode(told.replace("NOW", str(ONE.until))).values()
    assert "1970-01-01 00:00 to 2026-03-03 13:00" in str(Period(one.since, one.until))
    assert f"{one.by} {one.why}".encode().decode().isprintable()


@pytest.mark.parametrize(
    "value", ["", "{", "[]", "7", "null", None, "[" * 100_000, '{"a":' * 50_000]
)
def test_what_is_no_list_of_exemptions_exempts_none(value: str | None) -> None:
    assert decode(value) == {}
