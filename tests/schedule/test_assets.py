"""``CalendarTimetable(assets=...)``: due by the calendar, and not made before its assets are there.

What Airflow 3.4 asks of such a schedule; an older one refuses it.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import DAG, Asset, AssetAlias, AssetOrTimeSchedule
from airflow.timetables import assets as airflow_assets
from airflow.timetables.base import DagRunInfo, Timetable
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.exceptions import NoOpening
from calendar_timetable.schedule.compiled import VERSION, CompiledSchedule
from tests.support.moments import utc
from tests.support.scheduler import dag_model
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import next_run, pen, restriction, travelled

IS_THERE = hasattr(Timetable, "asset_gated")
since_34 = pytest.mark.skipif(not IS_THERE, reason="Airflow lets time wait for assets since 3.4")
before_34 = pytest.mark.skipif(IS_THERE, reason="this Airflow lets time wait for assets")

core: Any = airflow_assets  # of which an older one has not all names that are used here
SALES, STOCK = Asset("sales"), Asset("stock")
BUSY = Weekly("daily 06:00-19:00")
START = utc("2026-01-01")


def waiting(assets: Any = SALES, schedule: str = "0 5 * * *", **arguments: Any) -> Any:
    arguments.setdefault("blackouts", BUSY)
    return CalendarTimetable(schedule, timezone="UTC", assets=assets, **arguments)


def made(timetable: CalendarTimetable, due: str, now: str) -> DagRunInfo:
    """The run that was *due*, as the scheduler makes it when its assets are there by *now*."""
    stored = dag_model(DagRunInfo.exact(pen(utc(due))))
    with time_machine.travel(utc(now), tick=False):
        info = timetable.next_run_info_from_dag_model(dag_model=stored)
    assert info is not None
    return info


# Before Airflow 3.4.


@before_34
def test_an_older_airflow_refuses_it_and_says_what_to_do() -> None:
    timetable = waiting()

    with pytest.raises(AirflowTimetableInvalid) as refused:
        timetable.validate()

    text = str(refused.value)
    for part in ("assets=", "sales", "needs Airflow 3.4", "AssetOrTimeSchedule", "CalendarGate"):
        assert part in text


@before_34
def test_nothing_of_it_is_stored_by_an_older_airflow() -> None:
    with pytest.raises(ValueError, match="needs Airflow 3.4"):
        waiting().serialize()


# What holds for all: without assets nothing changes.


def test_without_assets_there_is_no_gate() -> None:
    for timetable in (waiting(None), travelled(waiting(None))):
        assert timetable.asset_gated is False
        assert not timetable.asset_condition
        assert timetable.summary.startswith("0 5 * * *")
    assert "assets" not in waiting(None).serialize()
    assert waiting(None).serialize()["v"] == 1


def test_inside_asset_or_time_schedule_it_is_as_it_was() -> None:
    dag = DAG(
        "both",
        schedule=AssetOrTimeSchedule(timetable=waiting(None), assets=[SALES]),
        start_date=START,
    )
    dag.validate()

    from airflow.serialization.serialized_objects import DagSerialization

    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))

    with time_machine.travel(utc("2026-11-12 04:00"), tick=False):
        info = next_run(stored.timetable, utc("2026-11-11 05:00"), START, catchup=False)
    assert info is not None
    assert info.run_after == utc("2026-11-12 05:00")
    assert getattr(stored.timetable, "asset_gated", False) is False
    assert stored.timetable.asset_condition


def test_an_older_reader_is_told_to_upgrade() -> None:
    """Without its assets a run would start too early: better that the DAG is not read."""
    later = waiting(None).serialize() | {"v": VERSION + 1, "assets": {}}

    with pytest.raises(ValueError, match="upgrade"):
        CompiledSchedule.from_json(later)


# Since Airflow 3.4.


@since_34
@pytest.mark.parametrize("wrong", ["sales", 7, [], ["sales"], [SALES, "stock"], timedelta(1)])
def test_what_is_no_asset_is_refused(wrong: Any) -> None:
    with pytest.raises(AirflowTimetableInvalid) as refused:
        waiting(wrong).validate()

    assert str(refused.value).startswith("assets=")
    assert "give an Asset" in str(refused.value)


@since_34
@pytest.mark.parametrize(
    ("assets", "names", "kind"),
    [
        (SALES, {"sales"}, "SerializedAsset"),
        ([SALES], {"sales"}, "SerializedAssetAll"),
        ((SALES, STOCK), {"sales", "stock"}, "SerializedAssetAll"),
        (SALES & STOCK, {"sales", "stock"}, "SerializedAssetAll"),
        (SALES | STOCK, {"sales", "stock"}, "SerializedAssetAny"),
        (Asset.ref(name="sales"), set(), "SerializedAssetNameRef"),
        (AssetAlias("of_today"), set(), "SerializedAssetAlias"),
    ],
)
def test_the_condition_travels(assets: Any, names: set[str], kind: str) -> None:
    timetable = waiting(assets)
    timetable.validate()

    for each in (timetable, travelled(timetable), travelled(travelled(timetable))):
        assert each.asset_gated is True
        assert type(each.asset_condition).__name__ == kind
        assert {key.name for key, _ in each.asset_condition.iter_assets()} == names
        assert each.summary.startswith("Asset and 0 5 * * *")
        assert "once its assets are there" in each.description


@since_34
def test_the_stored_form_only_gains_the_assets() -> None:
    with time_machine.travel(utc("2026-11-12"), tick=False):
        with_assets, without = waiting().serialize(), waiting(None).serialize()

    assert with_assets.pop("assets") == {
        "__type": "asset", "name": "sales", "uri": "sales", "group": "asset", "extra": {}
    }  # fmt: skip
    assert with_assets | {"v": 1} == without
    assert with_assets["v"] == 3, "no reader that knows of no assets may take it for its own"


@since_34
def test_other_assets_are_another_schedule() -> None:
    said = {waiting(a).arguments.fingerprint for a in (None, SALES, STOCK, [SALES], SALES & STOCK)}

    assert len(said) == 5


@since_34
def test_airflow_takes_it_for_gated() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    with DAG("gated", schedule=waiting([SALES, STOCK]), start_date=START) as dag:
        pass
    dag.validate()
    stored = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
    timetable: Any = stored.timetable

    assert timetable.asset_gated is True
    assert not timetable.asset_triggered, "no asset starts a run by itself"
    assert {key.name for key, _ in timetable.asset_condition.iter_assets()} == {"sales", "stock"}


@since_34
@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("05:00:03", "05:00"),  # the data was there
        ("05:59", "05:00"),
        ("06:00", "19:00"),
        ("12:00", "19:00"),  # seven hours late
        ("18:59:59", "19:00"),
        ("19:00", "05:00"),  # open: it may start
        ("23:00", "05:00"),
    ],
)
def test_late_data_start_a_run_in_open_time_only(now: str, start: str) -> None:
    for timetable in (waiting(), travelled(waiting())):
        info = made(timetable, "2026-11-12 05:00", f"2026-11-12 {now}")

        assert info.run_after == utc(f"2026-11-12 {start}")
        assert info.logical_date == utc("2026-11-12 05:00"), "it keeps its identity"
        run_id = timetable.generate_run_id(
            run_type=DagRunType.SCHEDULED,
            run_after=info.run_after,
            data_interval=info.data_interval,
        )
        assert run_id == "scheduled__2026-11-12T05:00:00+00:00"


@since_34
def test_data_may_be_days_late() -> None:
    assert made(waiting(), "2026-11-06 05:00", "2026-11-12 05:30").run_after == utc(
        "2026-11-06 05:00"
    )


@since_34
def test_data_that_come_past_max_delay_start_nothing_in_closed_time() -> None:
    """They are left for the next run that is due: the scheduler takes them only with a run."""
    stored = dag_model(DagRunInfo.exact(pen(utc("2026-11-12 05:00"))))
    timetable = waiting(max_delay=timedelta(hours=3))

    with time_machine.travel(utc("2026-11-12 12:00"), tick=False), pytest.raises(NoOpening):
        timetable.next_run_info_from_dag_model(dag_model=stored)
    assert stored.next_dagrun is None


@since_34
def test_an_event_that_was_entered_while_data_were_waited_for_counts() -> None:
    maintenance = FakeCalendar(spans(("2026-11-12 11:00", "2026-11-12 14:00")))

    info = made(travelled(waiting(blackouts=maintenance)), "2026-11-12 05:00", "2026-11-12 12:00")

    assert info.run_after == utc("2026-11-12 14:00")


@since_34
def test_the_run_after_one_that_waited_starts_later() -> None:
    """The next due time passes while the run waits for its data, and then for its opening."""
    timetable = travelled(waiting(schedule="0 * * * *", coalesce=False))
    with time_machine.travel(utc("2026-11-12 08:30"), tick=False):
        first = made(timetable, "2026-11-12 05:00", "2026-11-12 08:30")
        following = timetable.next_dagrun_info_v2(
            last_dagrun_info=first,
            restriction=restriction(START),
        )

    assert first.run_after == utc("2026-11-12 19:00")
    assert following is not None
    assert following.run_after > first.run_after


@since_34
def test_by_hand_it_waits_for_nothing() -> None:
    at = pen(utc("2026-11-12 12:00"))

    assert waiting().infer_manual_data_interval(run_after=at).end == at


@since_34
def test_it_is_no_part_of_another_schedule_with_assets() -> None:
    for kind in (core.AssetAndTimeSchedule, core.AssetOrTimeSchedule):
        with pytest.raises(AirflowTimetableInvalid, match="Cannot nest"):
            kind(timetable=waiting(), assets=SALES).validate()


@since_34
def test_airflows_own_is_no_base() -> None:
    cron = CronTriggerTimetable("0 5 * * *", timezone="UTC")
    base = core.AssetAndTimeSchedule(timetable=cron, assets=SALES)

    with pytest.raises(AirflowTimetableInvalid, match=r"assets=\[\.\.\.\]"):
        CalendarTimetable(base).validate()
