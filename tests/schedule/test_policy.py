"""Each DAG has a share of the stagger by itself, also of many that one file makes in a loop."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
import time_machine
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, AssetOrTimeSchedule
from airflow.sdk.definitions.asset import Asset
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.exceptions import NoOpening
from calendar_timetable.policy import dag_policy
from tests.support.scheduler import dag_model

HALF_AN_HOUR = timedelta(minutes=30)
NIGHTS = Weekly("daily 22:00-06:00")
HEAD = """
from datetime import datetime, timedelta
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule
from calendar_timetable import CalendarTimetable, Weekly

def nightly(**given):
    given = {"timezone": "UTC", "windows": Weekly("daily 22:00-06:00"), "stagger": timedelta(minutes=30)} | given
    return CalendarTimetable("0 * * * *", **given)

shared = nightly()
"""


def starts_of(tmp_path: Path, schedule: str) -> dict[str, datetime]:
    """When the scheduler starts each of ten DAGs of one file next.

    Asked on Monday noon after a run at six.
    """
    file = tmp_path / "factory.py"
    loop = (
        f"for i in range(10):\n    globals()[f'dag_{{i}}'] = DAG(f'dag_{{i}}', "
        f"schedule={schedule})\n"
    )
    file.write_text(HEAD + loop)
    with time_machine.travel(datetime(2026, 3, 2, 12, tzinfo=UTC), tick=False):
        bag = DagBag(str(file))
        assert not bag.import_errors
        found: dict[str, datetime] = {}
        for dag_id, dag in bag.dags.items():
            stored = DagSerialization.from_dict(DagSerialization.to_dict(dag))
            info = stored.timetable.next_dagrun_info(
                last_automated_data_interval=DataInterval.exact(pendulum.datetime(2026, 3, 2, 6)),
                restriction=TimeRestriction(None, None, catchup=False),
            )
            assert info is not None
            found[dag_id] = info.run_after
    return found


@pytest.mark.parametrize(
    "schedule",
    [
        "nightly()",
        "shared",
        "AssetOrTimeSchedule(timetable=shared, assets=[Asset('data')])",
        "CalendarTimetable(shared)",
    ],
)
def test_dags_of_one_file_spread(tmp_path: Path, schedule: str) -> None:
    starts = starts_of(tmp_path, schedule)

    opening = datetime(2026, 3, 2, 22, tzinfo=UTC)  # on the hour, when all are due anyway
    assert len(starts) == len(set(starts.values())) == 10
    assert all(opening <= start < opening + HALF_AN_HOUR for start in starts.values())
    assert starts == starts_of(tmp_path, schedule), "stable"


@pytest.mark.parametrize("schedule", ["nightly(stagger_key='one')", "nightly(stagger=None)"])
def test_a_key_and_no_stagger_are_respected(tmp_path: Path, schedule: str) -> None:
    assert len(set(starts_of(tmp_path, schedule).values())) == 1


def staggered(**given: Any) -> CalendarTimetable:
    return CalendarTimetable("@hourly", **{"windows": NIGHTS, "stagger": HALF_AN_HOUR} | given)


def share_of(schedule: Any) -> int:
    assert schedule.arguments is not None
    share: int = schedule.arguments.policy.stagger
    return share


def test_the_id_is_what_counts_wherever_the_dag_is() -> None:
    schedule = staggered()
    one, two, again = (DAG(name, schedule=schedule) for name in ("one", "two", "one"))
    for dag in (one, two, again):
        dag_policy(dag)

    assert share_of(one.timetable) == share_of(again.timetable) != share_of(two.timetable)
    assert share_of(one.timetable) == share_of(staggered(stagger_key="one"))
    assert one.schedule is schedule and share_of(schedule) == share_of(staggered())


def test_what_was_read_before_is_not_kept() -> None:
    schedule = staggered()
    assert schedule.compiled.policy.stagger == share_of(schedule)
    dag = DAG("one", schedule=schedule)
    dag_policy(dag)

    own: Any = dag.timetable
    assert own.compiled.policy.stagger == share_of(own) != share_of(schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        None,
        "@daily",
        [Asset("data")],
        AssetOrTimeSchedule(timetable=CalendarTimetable("@daily"), assets=[Asset("data")]),
        CalendarTimetable("@daily"),
        staggered(stagger_key="mine"),
        CalendarTimetable.deserialize(staggered().serialize()),
    ],
)
def test_other_dags_are_left_alone(schedule: Any) -> None:
    dag = DAG("other", schedule=schedule, start_date=datetime(2026, 3, 2), catchup=True)
    before = dag.timetable
    dag_policy(dag)

    assert dag.timetable is before


@pytest.mark.parametrize("catchup", [True, False])
def test_a_run_that_airflow_makes_after_weeks_is_late_by_the_dags_own_rule(catchup: bool) -> None:
    """Airflow is down for 18 days, and makes the stored run before it reads the file again."""
    schedule = CalendarTimetable(
        "0 5 * * MON", timezone="UTC", windows=NIGHTS, max_delay=timedelta(days=1)
    )
    dag = DAG("weekly", schedule=schedule, start_date=datetime(2026, 10, 1), catchup=catchup)
    dag_policy(dag)
    stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    last = DagRunInfo.exact(pendulum.datetime(2026, 10, 26, 5))
    with time_machine.travel(datetime(2026, 11, 1, 12, tzinfo=UTC), tick=False):
        planned = stored.next_dagrun_info(last_automated_run_info=last)
        row: Any = dag_model(planned)

    with time_machine.travel(datetime(2026, 11, 20, 23, tzinfo=UTC), tick=False):
        asked = stored.next_dagrun_info(last_automated_run_info=last)
        if catchup:
            assert stored.timetable.next_run_info_from_dag_model(dag_model=row) == planned == asked
        else:
            with pytest.raises(NoOpening):
                stored.timetable.next_run_info_from_dag_model(dag_model=row)
            assert row.next_dagrun is None
            assert asked.run_after == datetime(2026, 11, 23, 5, tzinfo=UTC)


def test_place_without_a_file_changes_no_start() -> None:
    """Neither shortly before time closes, nor with a stagger, nor where a run is postponed."""
    start = datetime(2027, 3, 15, tzinfo=UTC)
    for cron in ("57 16 * * *", "30 10 * * *", "0 20 * * *", "0 */3 * * *"):
        for stagger in (None, timedelta(hours=3)):
            given: dict[str, Any] = {
                "timezone": "UTC",
                "windows": Weekly("daily 09:00-17:00"),
                "blackouts": Weekly("daily 12:00-13:00"),
                "stagger": stagger,
                "stagger_key": "dag",
            }
            plain = CalendarTimetable(cron, **given).plan(start, limit=20)
            assert CalendarTimetable(cron, place=True, **given).plan(start, limit=20) == plain


def test_it_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        dag_id = "broken"

        @property
        def timetable(self) -> object:
            raise OSError("no")

    with caplog.at_level(logging.WARNING):
        dag_policy(Broken())
        dag_policy(SimpleNamespace())
    assert [record.getMessage().split(" DAG ")[1] for record in caplog.records] == [
        "broken goes by its file",
        "? goes by its file",
    ]


@pytest.mark.slow
def test_importing_it_costs_an_airflow_process_nothing() -> None:
    code = """
import sys
import airflow.policies
before = set(sys.modules)
import calendar_timetable.policy
print(sorted(name for name in set(sys.modules) - before if not name.startswith("calendar_timetable")))
calendar_timetable.policy.dag_policy(None)
print("calendar_timetable.timetable" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-2:] == ["[]", "False"], done.stdout
    assert "calendar_timetable" not in done.stderr
