"""The bounds on a child process, and what it inherits."""

from __future__ import annotations

from pathlib import Path

import pytest

from calendar_timetable.calendars.children import ChildFailed, ask

HOG = "tests.calendars.hog"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def test_it_answers() -> None:
    assert ask(HOG, {"bytes": 5, "spin": False}, b"a\nb", 20) == ({"held": 5}, b"a\nb")


def test_its_memory_is_bounded() -> None:
    with pytest.raises(ChildFailed, match="it broke down"):
        ask(HOG, {"bytes": 512 * 1024**2, "spin": False}, b"", 20)


def test_its_processor_time_is_bounded() -> None:
    with pytest.raises(ChildFailed, match="stopped for its use of time or memory"):
        ask(HOG, {"bytes": 0, "spin": True}, b"", 20)


def test_its_time_is_bounded() -> None:
    with pytest.raises(ChildFailed, match=r"not done within 0\.3 s"):
        ask(HOG, {"bytes": 0, "spin": True}, b"", 0.3)
