"""dag-factory: the YAML of docs/neighbours.md makes a DAG with this schedule."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from calendar_timetable import CalendarTimetable, InvalidArgument
from tests.support.ics import event, feed

dagfactory: Any = pytest.importorskip("dagfactory", reason="make test-neighbours")
PAGE = Path(__file__).parents[2] / "docs" / "neighbours.md"


def printed() -> str:
    (text,) = re.findall(
        r"^```yaml\n(nightly_load:.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return str(text)


def made(text: str, folder: Path) -> Any:
    file = folder / "dags.yaml"
    file.write_text(text)
    found: dict[str, Any] = {}
    dagfactory.load_yaml_dags(globals_dict=found, config_filepath=str(file))
    return found["nightly_load"]


def test_the_yaml_of_the_page_is_a_dag(tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    freeze = ("SUMMARY:The freeze", "DTSTART:20261204T200000Z", "DTEND:20261205T050000Z")
    (tmp_path / "team.ics").write_bytes(feed(event(*freeze)))
    dag = made(
        printed().replace("/opt/airflow/dags/team.ics", str(tmp_path / "team.ics")), tmp_path
    )

    timetable = dag.timetable
    assert isinstance(timetable, CalendarTimetable)
    berlin = ZoneInfo("Europe/Berlin")
    (run,) = timetable.plan(datetime(2026, 12, 5, 2, tzinfo=berlin), limit=1)
    assert (run.outcome, run.start) == ("postponed", datetime(2026, 12, 5, 6, tzinfo=berlin))
    stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    assert stored.plan(datetime(2026, 12, 5, 2, tzinfo=berlin), limit=1) == [run]
    assert stored.compiled.policy.duration == timedelta(hours=4).total_seconds()


def test_what_is_wrong_in_the_yaml_is_told(tmp_path: Path) -> None:
    wrong = printed().replace("when_blocked: postpone", "when_blocked: wait")
    assert "wait" in wrong

    with pytest.raises(Exception, match="when_blocked") as told:
        made(wrong, tmp_path).timetable.validate()
    assert isinstance(told.value, InvalidArgument) or "wait" in str(told.value)
