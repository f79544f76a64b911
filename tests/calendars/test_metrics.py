"""Metrics: what a real StatsD server gets from Airflow's Stats, and that nothing depends on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from statsd import StatsClient

from calendar_timetable import metrics
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.planning.time_sets import TimeRange
from demo.services import wait_until
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.origin import SECRET, Origin, Reply
from tests.support.statsd import StatsdServer

Metrics = dict[str, list[tuple[str, str]]]
HORIZON = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
BODY = feed(
    event("UID:good", f"SUMMARY:{SECRET}", "DTSTART:20240310T120000Z"),
    event("UID:bad", "SUMMARY:no start"),
)


@pytest.fixture
def statsd() -> Iterator[StatsdServer]:
    server = StatsdServer()
    yield server
    server.close()


@pytest.fixture
def stats(statsd: StatsdServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    """Airflow's Stats of this process, sending there; as it is for others afterwards."""
    made: list[StatsClient] = []

    class Client(StatsClient):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            made.append(self)

    with monkeypatch.context() as patch:
        patch.setattr("statsd.StatsClient", Client)
        patch.setenv("AIRFLOW__METRICS__STATSD_ON", "True")
        patch.setenv("AIRFLOW__METRICS__STATSD_HOST", "127.0.0.1")
        patch.setenv("AIRFLOW__METRICS__STATSD_PORT", str(statsd.port))
        metrics.set_up()
        yield statsd
    metrics.set_up()
    for client in made:
        client.close()


def read(origin: Origin, stats: StatsdServer) -> Metrics:
    """What is sent while the calendar at *origin* is read."""
    stats.clear()
    Calendar(origin.url(), on_unavailable="ignore").resolve(HORIZON, "UTC")
    return all_of(stats)


def all_of(stats: StatsdServer) -> Metrics:
    """What came until a last word.

    Datagrams from one socket to another of this host stay in order, so a last word ends them.
    """
    metrics.count("last_word", "x")
    wait_until("the last word", lambda: "calendar_timetable.last_word.x" in stats.got(), seconds=90)
    return {name: values for name, values in stats.got().items() if "last_word" not in name}


def test_a_good_reading_then_a_confirmation_then_a_failure(
    stats: StatsdServer, origin: Origin, clock: Clock
) -> None:
    origin.serve(BODY, ETag='"1"')
    first = read(origin, stats)
    assert SECRET not in stats.text
    for suffix in ("", ".127_0_0_1"):
        assert first.pop(f"calendar_timetable.age{suffix}") == [("0.0", "g")]
        assert first.pop(f"calendar_timetable.quarantined{suffix}") == [("1", "g")]
        for name in ("fetch_time", "read_time"):
            ((took, kind),) = first.pop(f"calendar_timetable.{name}{suffix}")
            assert kind == "ms"
            assert float(took) > 0
    assert first == {}

    clock.now += 60  # not due: nothing is fetched or read
    second = read(origin, stats)
    assert {name for name in second if name.count(".") == 1} == {
        "calendar_timetable.age",
        "calendar_timetable.quarantined",
    }
    assert second["calendar_timetable.age"] == [("60.0", "g")]

    clock.now += 540
    origin.fail(Reply(500))
    third = read(origin, stats)
    assert third["calendar_timetable.failures"] == [("1", "c")]
    assert third["calendar_timetable.age"] == [("600.0", "g")]
    assert len(third["calendar_timetable.fetch_time"]) == 1
    assert "calendar_timetable.read_time" not in third
    assert SECRET not in stats.text


def test_a_calendar_never_read_has_no_age(stats: StatsdServer, origin: Origin) -> None:
    origin.fail(Reply(404))
    assert {name for name in read(origin, stats) if name.count(".") == 1} == {
        "calendar_timetable.failures",
        "calendar_timetable.fetch_time",
    }


def test_tags(stats: StatsdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    metrics.set_up()
    metrics.gauge("age", "calendar.example.com", 5)
    got = all_of(stats)
    assert got["calendar_timetable.age,calendar=calendar.example.com"] == [("5", "g")]
    assert got["calendar_timetable.age.calendar_example_com"] == [("5", "g")]


@pytest.mark.parametrize("trouble", ["no server", "no statsd", "broken"])
def test_a_metric_that_cannot_be_sent_is_no_trouble(
    trouble: str, stats: StatsdServer, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(BODY)
    with monkeypatch.context() as patch:
        if trouble == "no server":
            stats.close()
        elif trouble == "no statsd":
            patch.setitem(sys.modules, "statsd", None)
            metrics.set_up()
        else:
            patch.setitem(sys.modules, "airflow.observability.stats", None)
        found = Calendar(origin.url()).describe()
    assert (found.status, len(found.problems)) == ("incomplete", 1)


def test_without_airflow_nothing_is_sent_or_imported() -> None:
    code = (
        "import sys\nfrom calendar_timetable import metrics\n"
        "metrics.gauge('age', 'x', 1)\nwith metrics.timed('read_time', 'x'): pass\n"
        "print([name for name in sys.modules if name.startswith('airflow')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_sync_sends_them(statsd: StatsdServer, origin: Origin, cache: Path) -> None:
    origin.serve(BODY)
    environment = {
        **os.environ,
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
    }
    command = [sys.executable, "-m", "calendar_timetable.cli", "sync", origin.url(), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert json.loads(done.stdout)[0]["status"] == "incomplete", done.stderr
    names = {"age", "quarantined", "fetch_time", "read_time"}
    wait_until(
        "the metrics",
        lambda: {f"calendar_timetable.{name}" for name in names} <= statsd.got().keys(),
        seconds=20,
    )
