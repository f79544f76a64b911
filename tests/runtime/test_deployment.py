"""Rules of a whole deployment hold for DAG files that know nothing of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import time_machine
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowRescheduleException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, TimeRestriction, Timetable

from calendar_timetable import CalendarTimetable, Weekly, runtime
from calendar_timetable.config import RULES
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.runtime import deployment
from calendar_timetable.schedule.deployment_rules import DeploymentRule
from tests.support.ics import event, feed
from tests.support.origin import serving
from tests.support.scheduler import dag_model
from tests.support.timetables import pen

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)  # a Tuesday
FREEZE = "DTSTART:20260303T100000Z\r\nDTEND:20260306T100000Z"
END = datetime(2026, 3, 6, 10, tzinfo=UTC)
DAGS = """
from datetime import datetime, timedelta
import pendulum
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, task
from airflow.sdk import CronTriggerTimetable, MultipleCronTriggerTimetable
from airflow.timetables.events import EventsTimetable
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.triggers.base import StartTriggerArgs
from calendar_timetable import CalendarTimetable, Weekly

def dag(dag_id, schedule, **given):
    with DAG(dag_id, schedule=schedule, start_date=datetime(2026, 1, 1), catchup=False, **given) as made:
        EmptyOperator(task_id="work")
    globals()[dag_id] = made

dag("cron", "0 * * * *")
dag("daily", "@daily", tags=["ml"], default_args={"owner": "team-a"})
dag("delta", timedelta(hours=3))
dag("several", MultipleCronTriggerTimetable("0 1 * * *", "30 13 * * *", timezone="UTC"))
dag("events", EventsTimetable([pendulum.datetime(2026, 3, 4, 9)]))
dag("once", "@once")
dag("ours", CalendarTimetable("0 * * * *", timezone="UTC", blackouts=Weekly("fri 00:00-18:00", timezone="UTC")))
dag("marked", CalendarTimetable("0 * * * *", timezone="UTC", when_blocked="run",
    blackouts=Weekly("fri 00:00-18:00", timezone="UTC")))
dag("both", AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 * * * *", timezone="UTC"), assets=[Asset("a")]))
dag("asset", [Asset("a")])
dag("by_hand", None)
dag("exempt", "0 * * * *", tags=["no-freeze"])

calls = []
with DAG("hooked", schedule=[Asset("a")]) as hooked:
    @task(pre_execute=calls.append)
    def each(number):
        return number
    each.expand(number=[1, 2])
    @task(pre_execute=calls.append)
    def work():
        return 1
    work()

class InTriggerer(EmptyOperator):
    start_from_trigger = True
    start_trigger_args = StartTriggerArgs("a.Trigger", next_method="execute")

with DAG("deferred", schedule=None) as deferred:
    InTriggerer(task_id="work")
    InTriggerer.partial(task_id="each").expand(doc=["1", "2"])
"""
TIMED = ("cron", "daily", "delta", "several", "events", "ours", "marked", "both")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "airflow_local_settings", raising=False)


@pytest.fixture
def freeze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what writes the calendar that the configuration names, with or without an event."""
    calendar = tmp_path / "freeze.ics"

    def write(when: str) -> None:
        calendar.write_bytes(feed(*[event("SUMMARY:Freeze", when)] * bool(when)))

    write("")
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", str(calendar))
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS", "no-freeze, urgent")
    return write


def given(monkeypatch: pytest.MonkeyPatch, *rules: object) -> None:
    settings = ModuleType("airflow_local_settings")
    setattr(settings, RULES, list(rules))
    monkeypatch.setitem(sys.modules, "airflow_local_settings", settings)


def bag(tmp_path: Path, at: datetime = NOW) -> dict[str, Any]:
    """Read the DAG file, as the DAG processor does."""
    file = tmp_path / "dags" / "plain.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text(DAGS)
    with time_machine.travel(at, tick=False):
        read = DagBag(str(file))
        assert not read.import_errors
        return dict(read.dags)


def stored(tmp_path: Path, at: datetime = NOW) -> dict[str, Any]:
    """Return the DAGs in serialized form, as JSON reads it."""
    with time_machine.travel(at, tick=False):
        read = {
            dag_id: json.loads(json.dumps(DagSerialization.to_dict(dag)))
            for dag_id, dag in bag(tmp_path, at).items()
        }
    for dag in read.values():
        dag["dag"].pop("last_loaded", None)
    return read


def context_of(dag_id: str, **run: Any) -> dict[str, Any]:
    """Return what a task is told of itself, in a run that data have begun just now."""
    told = {"run_type": "asset_triggered", "run_after": NOW, "start_date": NOW, "conf": {}}
    return {
        "dag_run": SimpleNamespace(run_id="r", **{**told, **run}),
        "ti": SimpleNamespace(dag_id=dag_id, get_first_reschedule_date=lambda context: None),
    }


def first_start(data: dict[str, Any], at: datetime = NOW) -> datetime | None:
    """When the scheduler starts the first run."""
    with time_machine.travel(at, tick=False):
        timetable = DagSerialization.from_dict(data).timetable
        info = timetable.next_dagrun_info(
            last_automated_data_interval=None,
            restriction=TimeRestriction(None, None, catchup=False),
        )
    return None if info is None else info.run_after


def test_without_rules_not_a_byte_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what a schedule of ours must know of its DAG: that it has no catchup."""
    with_policy = stored(tmp_path)
    monkeypatch.setattr("airflow.settings.dag_policy", lambda dag: None)

    for dag_id in ("ours", "marked"):
        assert with_policy[dag_id]["dag"]["timetable"]["__var"].pop("catchup") is False
    assert stored(tmp_path) == with_policy


def test_nothing_starts_in_a_freeze_and_all_is_made_up_for(
    tmp_path: Path, freeze: Callable[[str], None]
) -> None:
    before = stored(tmp_path)
    freeze(FREEZE)
    within = stored(tmp_path)
    starts = {dag_id: first_start(within[dag_id]) for dag_id in TIMED}

    assert {dag_id: start for dag_id, start in starts.items() if dag_id != "ours"} == {
        dag_id: END for dag_id in TIMED if dag_id != "ours"
    }
    assert starts["ours"] == END + timedelta(hours=8), "its own blackout counts as well"
    for dag_id in ("exempt", "asset", "by_hand", "once"):
        assert within[dag_id] == before[dag_id], "its schedule stays as it is"
    assert "freeze.ics" in DagSerialization.from_dict(within["cron"]).timetable.summary

    freeze("")
    assert stored(tmp_path) == before


@pytest.mark.skipif(
    not hasattr(Timetable, "asset_gated"), reason="Airflow lets time wait for assets since 3.4"
)
def test_data_that_come_in_a_freeze_start_nothing_before_its_end(
    tmp_path: Path, freeze: Callable[[str], None]
) -> None:
    freeze(FREEZE)
    file = tmp_path / "gated.py"
    file.write_text(
        "from airflow.sdk import DAG, Asset, AssetAndTimeSchedule, CronTriggerTimetable\n"
        "from calendar_timetable import CalendarTimetable\n"
        "data = [Asset('a'), Asset('b')]\n"
        "cron = CronTriggerTimetable('0 * * * *', timezone='UTC')\n"
        "for name, timetable in ('airflows', cron), ('ours', CalendarTimetable(cron)):\n"
        "    schedule = AssetAndTimeSchedule(timetable=timetable, assets=data)\n"
        "    with DAG(name, schedule=schedule) as globals()[name]:\n"
        "        pass\n"
    )
    before = NOW - timedelta(hours=3)  # due in time, and stored before the freeze
    with time_machine.travel(NOW, tick=False):
        dags = DagBag(str(file)).dags
        assert dags.keys() == {"airflows", "ours"}
        for dag in dags.values():
            read = DagSerialization.from_dict(json.loads(json.dumps(DagSerialization.to_dict(dag))))
            timetable: Any = read.timetable
            assert isinstance(timetable, CalendarTimetable)
            assert timetable.asset_gated
            assert [key.name for key, _ in timetable.asset_condition.iter_assets()] == ["a", "b"]
            late = dag_model(DagRunInfo.exact(pen(before)))
            made = timetable.next_run_info_from_dag_model(dag_model=late)
            assert made is not None
            assert made.run_after == END


def test_what_begins_in_a_freeze_waits_at_its_tasks(
    tmp_path: Path, freeze: Callable[[str], None]
) -> None:
    freeze(FREEZE)
    dags = bag(tmp_path)

    def begin(dag_id: str, began: datetime, at: datetime = NOW, **run: Any) -> None:
        task = dags[dag_id].get_task("work")
        context = context_of(dag_id, **{"run_after": began, "start_date": began, **run})
        with time_machine.travel(at, tick=False):
            if task._pre_execute_hook is not None:  # as the task runner does
                task._pre_execute_hook({**context, "dag": dags[dag_id]})

    # Runs of "cron" are planned in open time, and may have waited for others since.
    for dag_id in ("asset", "by_hand", "both", "cron", "marked", "once"):
        with pytest.raises(AirflowRescheduleException) as held:
            begin(dag_id, NOW)
        assert held.value.reschedule_date <= END
        begin(dag_id, NOW - timedelta(hours=3))  # it began before the freeze, and may finish
        begin(dag_id, NOW, at=END)
        begin(dag_id, NOW, conf={"ignore_calendar": "the auditors wait"})
        begin(dag_id, NOW, run_type="manual")
    assert dags["exempt"].get_task("work")._pre_execute_hook is None


def _fail(*_: object) -> None:
    raise RuntimeError("no such luck")


@pytest.mark.parametrize("broken", ["a method", "the limits", "the package"])
def test_an_error_that_nobody_foresaw_holds_the_tasks(
    broken: str, tmp_path: Path, freeze: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while this package is upgraded under a worker, and one module fits the other no more."""
    freeze("")
    if broken == "a method":
        monkeypatch.setattr(deployment._Limits, "schedule", _fail)
    elif broken == "the limits":
        monkeypatch.setattr(deployment, "_zone_of", lambda dag: "no zone")
    else:
        monkeypatch.setitem(sys.modules, deployment.__name__, None)
        monkeypatch.delattr(runtime, "deployment")
    dags = bag(tmp_path)

    def begin(dag_id: str, task_id: str = "work", **conf: str) -> None:
        task = dags[dag_id].get_task(task_id)
        hook = getattr(task, "partial_kwargs", {}).get("pre_execute") or task._pre_execute_hook
        hook({"dag_run": SimpleNamespace(run_id="r", run_type="manual", conf=conf)})

    for dag_id in ("cron", "asset"):
        with pytest.raises(AirflowRescheduleException):
            begin(dag_id)
        begin(dag_id, ignore_calendar="the auditors wait")
    each = dags["deferred"].get_task("each")
    assert "start_from_trigger" not in each.partial_kwargs
    with pytest.raises(AirflowRescheduleException):
        begin("hooked", "each")


def test_a_run_of_another_day_is_held_today(
    tmp_path: Path, freeze: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`airflow dags test cron 2026-01-05` says that its run began on that day."""
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__APPLY_TO", "all")
    freeze(FREEZE)
    task = bag(tmp_path)["cron"].get_task("work")
    context = context_of("cron", run_type="manual", start_date=NOW - timedelta(days=60))
    with time_machine.travel(NOW, tick=False), pytest.raises(AirflowRescheduleException):
        task._pre_execute_hook(context)


def test_an_event_holds_that_was_entered_a_moment_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the calendar is young enough for its refresh, and does not know of it yet."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    with serving() as origin:
        monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS", origin.url())
        with time_machine.travel(NOW - timedelta(minutes=3), tick=False):
            origin.serve(feed())
            stored(tmp_path, NOW - timedelta(minutes=3))
        origin.serve(feed(event(*FREEZE.split("\r\n"))))
        task = bag(tmp_path, NOW - timedelta(seconds=90))["asset"].get_task("work")
        with time_machine.travel(NOW, tick=False), pytest.raises(AirflowRescheduleException):
            task._pre_execute_hook(context_of("asset"))


def test_the_triggerer_begins_nothing(tmp_path: Path, freeze: Callable[[str], None]) -> None:
    """Airflow's scheduler hands such tasks to it, past all that a worker does first."""
    freeze(FREEZE)
    within = DagSerialization.from_dict(stored(tmp_path)["deferred"])

    for task in within.tasks:
        assert not task.start_from_trigger
        assert not task.expand_start_from_trigger(context={})


def test_what_the_dag_does_first_is_done_behind_the_gate(
    tmp_path: Path, freeze: Callable[[str], None]
) -> None:
    dag = bag(tmp_path)["hooked"]
    hooks = (
        dag.get_task("work")._pre_execute_hook,
        dag.get_task("each").partial_kwargs["pre_execute"],
    )
    context = {**context_of("hooked", run_type="scheduled"), "dag": dag}
    for number, hook in enumerate(hooks, 1):
        with time_machine.travel(NOW, tick=False):
            hook(context)
        assert len(hook.keywords["then"].__self__) == number
    freeze(FREEZE)
    # By then this process looks at calendars again.
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        for hook in hooks:
            with pytest.raises(AirflowRescheduleException):
                hook(context)
    assert len(hooks[0].keywords["then"].__self__) == 2


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ({}, {*TIMED, "exempt"}),
        ({"tags": ["m*"]}, {"daily"}),
        ({"owners": ["team-a"]}, {"daily"}),
        ({"dag_ids": ["e*"]}, {"events", "exempt"}),
        ({"tags": ["ml"], "dag_ids": ["ours"]}, {"daily", "ours"}),
        ({"exempt_tags": ["ml", "no-freeze"]}, {*TIMED} - {"daily"}),
    ],
)
def test_a_rule_holds_for_the_dags_that_it_names(
    rule: dict[str, Any], held: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given(monkeypatch, DeploymentRule(Weekly("mon-sun 00:00-23:59", timezone="UTC"), **rule))
    schedules = {
        dag_id: getattr(dag.timetable, "timetable", dag.timetable)
        for dag_id, dag in bag(tmp_path).items()
    }

    assert {
        dag_id
        for dag_id, schedule in schedules.items()
        if "mon-sun" in repr(schedule) or "00:00-23:59" in repr(schedule)
    } == held


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("APPLY_TO", "everything", "[calendar_timetable] apply_to='everything'"),
        ("BLACKOUTS", "no_such_connection", "no_such_connection"),
    ],
)
def test_a_rule_that_cannot_be_used_holds(
    variable: str,
    value: str,
    said: str,
    tmp_path: Path,
    freeze: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freeze("")
    monkeypatch.setenv(f"AIRFLOW__CALENDAR_TIMETABLE__{variable}", value)
    data = stored(tmp_path)

    assert first_start(data["cron"]) is None
    task = bag(tmp_path)["asset"].get_task("work")
    with time_machine.travel(NOW, tick=False), pytest.raises(AirflowRescheduleException):
        task._pre_execute_hook(context_of("asset"))
    assert said in DagSerialization.from_dict(data["cron"]).timetable.description


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tags", "ml"),
        ("owners", [1]),
        ("dag_ids", None),
        ("exempt_tags", iter(["a"])),
        ("apply_to", "none"),
        ("blackouts", 7),
        ("windows", [None]),
        ("max_delay", timedelta(days=-1)),
        ("max_delay", timedelta(seconds=0.5)),
        ("max_delay", timedelta(days=4000)),
        ("max_delay", 86400),
    ],
)
def test_a_wrong_rule_is_refused_where_it_is_written(field: str, value: object) -> None:
    with pytest.raises(InvalidArgument, match=field):
        DeploymentRule(**{field: value})  # type: ignore[arg-type]
