"""Airflow's tables in memory, a team's calendar in a file, and what was counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calendar_timetable import metrics
from calendar_timetable.schedule import time_rules
from tests.support.airflow_database import session  # noqa: F401
from tests.support.team_calendar import TeamCalendar


@pytest.fixture
def team(tmp_path: Path) -> TeamCalendar:
    calendar = TeamCalendar(tmp_path / "team.ics")
    calendar._write()
    return calendar


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Each test reads anew."""
    time_rules._kept.clear()


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every counter and timing sent to Airflow's Stats, by name."""
    seen: Counter[str] = Counter()

    def incr(name: str, count: int = 1, tags: object = None) -> None:
        if tags:
            seen[name] += count

    def timing(name: str, length: Any, tags: object = None) -> None:
        if tags:
            seen[name] += int(length.total_seconds())

    monkeypatch.setattr(metrics, "_stats", lambda module: SimpleNamespace(incr=incr, timing=timing))
    return seen
