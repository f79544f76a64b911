"""How far Hypothesis looks: the same examples on every machine, or ``HYPOTHESIS_PROFILE=deep`` for many new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_CALM = [HealthCheck.too_slow]

settings.register_profile(
    "unit", max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=_CALM
)
settings.register_profile("deep", max_examples=2_000, deadline=None, suppress_health_check=_CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "unit"))
