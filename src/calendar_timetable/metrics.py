"""How calendars are doing, as metrics through Airflow's Stats: docs/metrics.md lists them.

Sent where Airflow has set its Stats up, which is in the processes that read DAG files, and by ``calendar-timetable
sync``; elsewhere nothing is. A metric that cannot be sent is no reason for a calendar not to be read.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_PREFIX = "calendar_timetable"
_NOT_NAMED = re.compile(r"[^A-Za-z0-9_-]")


def set_up() -> None:
    """Have Airflow's Stats send metrics from this process as ``[metrics]`` says, as its components do themselves."""
    with suppress(Exception):
        from airflow.observability.metrics import stats_utils
        from airflow.observability.stats import Stats

        make: Any = stats_utils.get_stats_factory
        stats: Any = Stats
        try:
            stats.initialize(factory=make(), export_legacy_names=False)
        except TypeError:  # Airflow 3.2
            stats.initialize(factory=make(stats))


def gauge(name: str, label: str, value: float) -> None:
    """Tell that *name* of the calendar called *label* is *value* now."""
    _send("gauge", name, label, value)


def count(name: str, label: str) -> None:
    """Tell that *name* happened once more."""
    _send("incr", name, label)


@contextmanager
def timed(name: str, label: str) -> Iterator[None]:
    """A block that takes *name*, whatever comes of it."""
    begun = time.monotonic()
    try:
        yield
    finally:
        _send("timing", name, label, 1000 * (time.monotonic() - begun))


def _send(kind: str, name: str, label: str, *values: float) -> None:
    """Twice, as Airflow does: tagged with the calendar, and with the calendar in the name for servers without tags."""
    if "airflow.configuration" not in sys.modules:
        return
    with suppress(Exception):
        from airflow.observability.stats import Stats

        send: Any = getattr(Stats, kind)
        named = _NOT_NAMED.sub("_", label)
        send(f"{_PREFIX}.{name}", *values, tags={"calendar": label})
        send(f"{_PREFIX}.{name}.{named}", *values)
