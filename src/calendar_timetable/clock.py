"""The present: the one place that asks this machine for it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> float:
    """Return the present in epoch seconds, to the microsecond, as a ``datetime`` has it."""
    return datetime.now(UTC).timestamp()
