"""What is counted while runs run, through Airflow's Stats; names and meanings are in docs/runtime/metrics.md."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

PREFIX = "calendar_timetable"


def count(name: str, number: int = 1, **tags: str) -> None:
    """Add *number* to a counter."""
    _stats().incr(f"{PREFIX}.{name}", number, tags=tags)


def timing(name: str, seconds: float, **tags: str) -> None:
    """Note a length of time; Airflow sends it in milliseconds."""
    _stats().timing(f"{PREFIX}.{name}", timedelta(seconds=seconds), tags=tags)


def _stats() -> Any:
    from airflow.sdk.observability.stats import Stats

    return Stats
