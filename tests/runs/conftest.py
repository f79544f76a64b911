"""Airflow's tables in memory; no Airflow runs. It is the ``NOW`` of a test's module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import time_machine

from tests.support.airflow_database import for_commands, session  # noqa: F401


@pytest.fixture(autouse=True)
def at_now(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let time stand still at the module's ``NOW``, where it has one."""
    now = getattr(request.module, "NOW", None)
    if now is None:
        yield
    else:
        with time_machine.travel(now, tick=False):
            yield
