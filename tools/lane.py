"""Run a lane of docs/lanes.md, and write down there when it ran and what came of it.

``python3 -m tools.lane fast``, or ``make lane LANE=fast``. It needs nothing but Python.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "lanes.md"
_ROW = re.compile(r"^\| (\S+) \| (.*?) \| `([^|]*)` \|", re.MULTILINE)
_SUMMARY = re.compile(r"^=* ?(\d+ (?:passed|failed|error).*?) in [\d.]+s", re.MULTILINE)


def commands(page: str) -> dict[str, str]:
    """Return the command of each lane of the page that has one."""
    return {name: command for name, _, command in _ROW.findall(page)}


def ran(page: str, lane: str, *cells: str) -> str:
    """Return the page with what a lane's last run came to."""
    row = re.compile(rf"^(\| {re.escape(lane)} \| .*? \| `[^|]*` \|).*$", re.MULTILINE)
    return row.sub(lambda found: f"{found[1]} {' | '.join(cells)} |", page)


def result(code: int, printed: str) -> str:
    """Return in a few words what a command came to: as pytest puts it, where it ran that."""
    told = _SUMMARY.findall(printed)
    said = "; ".join(told) or ("ok" if code == 0 else "failed")
    return said if code == 0 or "failed" in said or "error" in said else f"{said}; exit code {code}"


def commit() -> str:
    """Return the commit that is checked out, with a + where other files than the page changed."""
    asked = ["git", "rev-parse", "--short=8", "HEAD"]
    name = subprocess.check_output(asked, cwd=ROOT, text=True).strip()  # noqa: S603
    asked = ["git", "diff", "--quiet", "HEAD", "--", ".", ":!docs/lanes.md"]
    changed = subprocess.run(asked, cwd=ROOT, check=False).returncode  # noqa: S603
    return name + "+" * changed


def main(lane: str) -> int:
    """Run the lane, show what it prints, and keep the result."""
    known = commands(PAGE.read_text(encoding="utf-8"))
    if lane not in known:
        print(f"LANE is one of {', '.join(known)}", file=sys.stderr)  # noqa: T201
        return 2
    day, tried, begun = f"{datetime.now(UTC):%Y-%m-%d}", commit(), time.monotonic()
    printed = []
    with subprocess.Popen(  # noqa: S602 - the page's own commands, with their quotes
        known[lane],
        cwd=ROOT,
        shell=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)  # noqa: T201
            printed.append(line)
    minutes = f"{(time.monotonic() - begun) / 60:.0f}"
    came_to = result(process.returncode, "".join(printed))
    # Read again: another lane may have ended meanwhile.
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(ran(page, lane, day, tried, came_to, minutes), encoding="utf-8")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
