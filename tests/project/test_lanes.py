"""docs/lanes.md: every lane that the Makefile has is told, and what ran is written down."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import lane

ROOT = Path(__file__).parents[2]
ROW = "| {} | what | `{}` | not recorded | | | |\n"


def test_every_lane_of_the_makefile_is_told() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = {
        t
        for t in targets
        if t.startswith("test") or t in ("bench", "check", "docs", "fuzz", "soak")
    }
    told = lane.commands(lane.PAGE.read_text())
    assert {command.split()[1] for command in told.values()} == wanted
    assert len(set(told.values())) == len(told) > 10


@pytest.mark.parametrize(
    ("code", "printed", "told"),
    [
        (0, "==== 3 passed, 1 skipped in 4.21s ====\n", "3 passed, 1 skipped"),
        (0, "===== 700 passed in 3912.20s (1:05:12) =====\n", "700 passed"),
        (2, "=== 1 failed, 2 passed in 1.00s ===\nmake: *** [x] Error 1\n", "1 failed, 2 passed"),
        (2, "==== 3 passed in 4.21s ====\nmake: *** [x] Error 1\n", "3 passed; exit code 2"),
        (0, "All checks passed!\n", "ok"),
        (1, "nothing to be found in 3 places\n", "failed"),
    ],
)
def test_a_result_is_told_as_pytest_puts_it(code: int, printed: str, told: str) -> None:
    assert lane.result(code, printed) == told


def test_what_ran_is_written_into_its_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "lanes.md"
    page.write_text(
        ROW.format("one", "echo '=== 2 passed in 1.00s ==='") + ROW.format("two", "false")
    )
    monkeypatch.setattr(lane, "PAGE", page)

    assert (lane.main("one"), lane.main("two"), lane.main("three")) == (0, 1, 2)

    one, two = page.read_text().splitlines()
    cell = r"\| 20\d\d-\d\d-\d\d \| [0-9a-f]{8,}\+? \|"
    assert re.search(rf"{cell} 2 passed \| 0 \|$", one)
    assert re.search(rf"{cell} failed \| 0 \|$", two)
    assert "LANE is one of one, two" in capsys.readouterr().err
