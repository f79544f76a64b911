"""How much is tried of what has no end: a sample, or far more with ``HYPOTHESIS_PROFILE=deep``."""

from __future__ import annotations

import os

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


def tries(sample: int) -> int:
    """Return how many examples are made up of a property, where by default *sample* are."""
    return sample * 20 if DEEP else sample
