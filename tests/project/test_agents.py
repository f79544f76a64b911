"""AGENTS.md tells commands to ask before guessing a time: they answer as printed, as JSON."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.cli import _parser
from tests.support.ics import event, feed

PAGE = (Path(__file__).parents[2] / "AGENTS.md").read_text()
COMMANDS = re.findall(r"^\$ calendar-timetable (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS, ids=[each.split()[0] for each in COMMANDS])
def test_a_command_answers_as_printed(command: str, tmp_path: Path) -> None:
    freeze = event("SUMMARY:Freeze", "DTSTART;VALUE=DATE:20261128", "DTEND;VALUE=DATE:20261130")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "team.ics").write_bytes(feed(freeze))
    done = subprocess.run(
        [sys.executable, "-m", "calendar_timetable.cli", *shlex.split(command)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode in (0, 1), done.stderr
    answer = json.loads(done.stdout)
    if command.startswith("preview"):
        assert [row.keys() >= {"due", "start", "outcome", "reasons"} for row in runs(answer)] == [
            True
        ] * 3
    if command.startswith("explain"):
        assert "2026-11-29T23:00:00Z" in done.stdout, "when the freeze is over in Berlin"


def runs(answer: Any) -> list[dict[str, Any]]:
    return answer if isinstance(answer, list) else answer["runs"]


def test_what_it_names_besides_is_there() -> None:
    assert [command.split()[0] for command in COMMANDS] == ["preview", "explain", "check"]
    for words in re.findall(r"`calendar-timetable ([^`]*)`", PAGE):
        _parser().parse_args(shlex.split(words))
    _parser().parse_args(["preview", "--dag-id", "NAME"])
