"""``calendar-timetable place``: what becomes of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from calendar_timetable.cli.place import _write
from calendar_timetable.exceptions import InvalidArgument


def test_a_file_that_cannot_be_written_leaves_no_draft(tmp_path: Path) -> None:
    """It lies in the DAGs folder."""
    (tmp_path / "placement.toml").mkdir()
    with pytest.raises(InvalidArgument, match="give a file"):
        _write(tmp_path / "placement.toml", "version = 1")
    assert [path.name for path in tmp_path.iterdir()] == ["placement.toml"]
