"""What is counted: by the scheduler, of runs that start and end.

And that the docs and the dashboard name all of it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calendar_timetable import CalendarTimetable, Weekly, metrics
from calendar_timetable.runtime import listener
from calendar_timetable.schedule.cron import CronTicks
from tests.support.moments import utc

ROOT = Path(__file__).parents[2]


def run(
    timetable: object,
    due: str,
    planned: str,
    ended: str = "2026-03-06 05:00",
    run_type: str = "scheduled",
    conf: dict[str, Any] | None = None,
) -> Any:
    if isinstance(timetable, CalendarTimetable):
        timetable = CalendarTimetable.deserialize(timetable.serialize())
    return SimpleNamespace(
        dag_id="training",
        run_type=run_type,
        conf=conf,
        dag=SimpleNamespace(timetable=timetable),
        data_interval_end=utc(due),
        run_after=utc(planned),
        start_date=utc(planned) + timedelta(seconds=5),
        end_date=utc(ended),
    )


# Due each hour, and allowed on Saturdays and on Friday nights.
WEEKENDS = CalendarTimetable("0 * * * *", timezone="UTC", windows=Weekly("sat", "fri 00:00-06:00"))
SKIPPING = CalendarTimetable(
    "0 * * * *", timezone="UTC", windows=Weekly("sat", "fri 00:00-06:00"), when_blocked="skip"
)


def test_a_run_that_calendars_held(counted: Counter[str]) -> None:
    listener.on_dag_run_running(run(WEEKENDS, "2026-03-06 00:00", "2026-03-06 00:00"), "")
    assert counted == {"calendar_timetable.run.delay": 0, "calendar_timetable.ticks.coalesced": 120}

    counted.clear()
    listener.on_dag_run_running(run(WEEKENDS, "2026-03-06 05:00", "2026-03-06 05:00"), "")
    assert counted == {"calendar_timetable.run.delay": 0}

    counted.clear()
    later = CalendarTimetable("0 20 * * *", timezone="UTC", windows=Weekly("daily 22:00-06:00"))
    listener.on_dag_run_running(run(later, "2026-03-05 20:00", "2026-03-05 22:00"), "")
    assert counted == {"calendar_timetable.run.delay": 7200}


def test_skipped_ticks_are_counted_once(counted: Counter[str]) -> None:
    listener.on_dag_run_running(run(SKIPPING, "2026-03-06 00:00", "2026-03-06 00:00"), "")
    listener.on_dag_run_running(run(SKIPPING, "2026-03-06 01:00", "2026-03-06 01:00"), "")
    assert counted["calendar_timetable.ticks.skipped"] == 120  # from Sunday on


@pytest.mark.parametrize(
    ("closed", "asked_most", "combined"),
    [("sun 00:00-00:01", 200, 0), ("thu 23:00-24:00", 1_000, 360), ("tue-thu", 7_000, 0)],
)
def test_a_dense_schedule_does_not_keep_the_scheduler(
    counted: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    closed: str,
    asked_most: int,
    combined: int,
) -> None:
    """The scheduler tells the listener of each run while all others wait.

    It is not to look through ``max_delay``.
    """
    dense = CalendarTimetable("* * * * * */10", timezone="UTC", blackouts=Weekly(closed))
    asked: Counter[str] = Counter()
    ask = CronTicks._ask

    def counting(ticks: CronTicks, tick: float) -> float:
        asked["ticks"] += 1
        return ask(ticks, tick)

    monkeypatch.setattr(CronTicks, "_ask", counting)
    listener.on_dag_run_running(run(dense, "2026-03-06 00:00", "2026-03-06 00:00"), "")
    assert counted["calendar_timetable.ticks.coalesced"] == combined
    assert asked["ticks"] < asked_most


@pytest.mark.parametrize("end", [listener.on_dag_run_success, listener.on_dag_run_failed])
def test_a_run_that_outlasts_its_window(counted: Counter[str], end: Any) -> None:
    end(run(WEEKENDS, "2026-03-06 05:00", "2026-03-06 05:00", ended="2026-03-06 05:59"), "")
    assert not counted
    end(run(WEEKENDS, "2026-03-06 05:00", "2026-03-06 05:00", ended="2026-03-06 06:01"), "")
    assert counted == {"calendar_timetable.run.overrun": 60}


@pytest.mark.parametrize(
    "other",
    [
        run(None, "2026-03-06 00:00", "2026-03-06 00:00"),
        run(WEEKENDS, "2026-03-06 00:00", "2026-03-06 00:00", run_type="manual"),
        run(WEEKENDS, "2026-03-06 00:00", "2026-03-06 00:00", conf={"ignore_calendar": True}),
        SimpleNamespace(run_type="scheduled"),
    ],
)
def test_other_runs_are_left_alone(counted: Counter[str], other: Any) -> None:
    listener.on_dag_run_running(other, "")
    listener.on_dag_run_success(other, "")
    assert not counted


def test_stats_that_fail_do_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: object, **named: object) -> None:
        raise OSError("no route to the StatsD server")

    monkeypatch.setattr(
        metrics, "_stats", lambda module: SimpleNamespace(incr=broken, timing=broken)
    )
    metrics.TASK.count("gate.held", dag_id="d")
    metrics.SCHEDULER.timing("run.delay", 3, dag_id="d")


@pytest.mark.parametrize("sender", [metrics.TASK, metrics.SCHEDULER])
def test_they_reach_airflows_stats(monkeypatch: pytest.MonkeyPatch, sender: metrics.Sender) -> None:
    sent: list[tuple[str, Any, Any]] = []
    stats = import_module(sender.module).Stats
    monkeypatch.setattr(
        stats, "incr", lambda stat, count=1, tags=None: sent.append((stat, count, tags))
    )
    monkeypatch.setattr(stats, "timing", lambda stat, dt, tags=None: sent.append((stat, dt, tags)))
    sender.count("gate.held", 2, dag_id="my.dag")
    sender.timing("gate.wait", 3, dag_id="my.dag")

    length = timedelta(seconds=3)
    assert sent == [
        ("calendar_timetable.gate.held", 2, {"dag_id": "my.dag"}),
        ("calendar_timetable.gate.held.my_dag", 2, None),
        ("calendar_timetable.gate.wait", length, {"dag_id": "my.dag"}),
        ("calendar_timetable.gate.wait.my_dag", length, None),
    ]


def names_in_code() -> set[str]:
    source = "".join(
        path.read_text() for path in (ROOT / "src/calendar_timetable/runtime").glob("*.py")
    )
    found = set(re.findall(r'(?:TASK|SCHEDULER)\.(?:count|timing)\(\s*f?"([\w.{}]+)"', source))
    return (found - {"ticks.{outcome}"}) | {"ticks.skipped", "ticks.coalesced"}


def test_docs_name_every_metric() -> None:
    documented = set(
        re.findall(
            r"^\| `calendar_timetable\.([\w.]+)`",
            (ROOT / "docs/metrics.md").read_text(),
            re.MULTILINE,
        )
    )

    assert names_in_code() <= documented
    assert {
        name for name in documented if name.startswith(("gate.", "run.", "ticks."))
    } == names_in_code()


def test_the_dashboard_shows_every_metric() -> None:
    dashboard = json.loads((ROOT / "docs/grafana.json").read_text())
    queries = " ".join(
        target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())
    )

    for name in names_in_code():
        assert f"calendar_timetable_{name.replace('.', '_')}" in queries
