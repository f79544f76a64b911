"""The present: the one place that asks this machine for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


def now() -> float:
    """Return the present in epoch seconds."""
    return time.time()


def utc() -> datetime:
    """Return the present as a datetime in UTC."""
    return datetime.fromtimestamp(now(), UTC)
