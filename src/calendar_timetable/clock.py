"""The present: the one place that asks this machine for it."""

from __future__ import annotations

import time


def now() -> float:
    """Return the present in epoch seconds."""
    return time.time()
