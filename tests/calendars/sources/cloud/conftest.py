"""An internet of the test's own, and time to import what speaks to it."""

from __future__ import annotations

import pytest

from calendar_timetable.calendars import limits
from tests.support.forked_children import fork_children
from tests.support.google_service import net  # noqa: F401


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a fetch take long: on a busy machine the imports of a provider alone do."""
    monkeypatch.setattr(limits, "FETCH_SECONDS", 120.0)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what speaks to a service be loaded once."""
    fork_children(monkeypatch)
