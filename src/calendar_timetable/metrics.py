"""Metrics of calendars and of runs, sent through Airflow's Stats: docs/metrics.md lists them.

Metrics of calendars are sent where Airflow has set its Stats up, which is in the processes that
parse DAG files, and by ``calendar-timetable sync``; elsewhere they are not. A metric that cannot be
sent is no reason for a calendar not to be read, or for a task not to run.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

_PREFIX = "calendar_timetable"
_NOT_NAMED = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True)
class Sender:
    """Sends metrics of runs, through the Stats of one kind of process: tasks have their own."""

    module: str

    def count(self, name: str, number: int = 1, *, dag_id: str) -> None:
        """Add *number* to a counter of the DAG."""
        _send(self.module, "incr", name, number, dag_id=dag_id)

    def timing(self, name: str, seconds: float, *, dag_id: str) -> None:
        """Send a duration of the DAG, given in *seconds*; Airflow sends it in milliseconds."""
        _send(self.module, "timing", name, timedelta(seconds=seconds), dag_id=dag_id)


TASK = Sender("airflow.sdk.observability.stats")
SCHEDULER = Sender("airflow.observability.stats")


def set_up() -> None:
    """Have Airflow's Stats send metrics from this process as ``[metrics]`` says.

    Airflow's own components do the same for themselves.
    """
    with suppress(Exception):
        from airflow.observability.metrics import stats_utils
        from airflow.observability.stats import Stats

        make: Any = stats_utils.get_stats_factory
        stats: Any = Stats
        try:
            stats.initialize(factory=make(), export_legacy_names=False)
        except TypeError:
            # Airflow 3.2 wants the statistics too.
            stats.initialize(factory=make(stats))


def gauge(name: str, label: str, value: float) -> None:
    """Report that *name* of the calendar called *label* is *value* now."""
    _send_of_calendar("gauge", name, label, value)


def count(name: str, label: str) -> None:
    """Report that *name* of the calendar called *label* happened once more."""
    _send_of_calendar("incr", name, label)


@contextmanager
def timed(name: str, label: str) -> Iterator[None]:
    """Time the block, and send how long it took as *name* of the calendar called *label*.

    In milliseconds, and also where the block raises.
    """
    start = time.monotonic()
    try:
        yield
    finally:
        _send_of_calendar("timing", name, label, 1000 * (time.monotonic() - start))


def _send_of_calendar(kind: str, name: str, label: str, *values: float) -> None:
    if "airflow.configuration" in sys.modules:
        _send(SCHEDULER.module, kind, name, *values, calendar=label)


def _send(module: str, kind: str, name: str, *values: Any, **tag: str) -> None:
    """Send a metric twice, as Airflow does.

    Once with the one *tag*, and once with its value in the name, for servers without tags.
    """
    with suppress(Exception):
        send = getattr(_stats(module), kind)
        send(f"{_PREFIX}.{name}", *values, tags=tag)
        (value,) = tag.values()
        send(f"{_PREFIX}.{name}.{_NOT_NAMED.sub('_', value)}", *values)


def _stats(module: str) -> Any:
    return import_module(module).Stats
