"""Tell whether a release can be made, and what is missing to 1.0.

``python -m tools.release`` for the next one, ``python -m tools.release 1.0`` for that; ends with 1
where something is missing. ``docs/release.md`` lists the same checks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Check(NamedTuple):
    """What is to hold, and the command that ends with 0 where it does."""

    what: str
    command: str


VERSION = """sed -n 's/^__version__ = "\\(.*\\)"/\\1/p' src/calendar_timetable/_version.py"""
RELEASE = (
    Check("all is committed", 'test -z "$(git status --porcelain)"'),
    Check(
        "the changelog begins with this version and its date",
        f'grep -m1 "^## " CHANGELOG.md | grep -qE "^## \\[$({VERSION})\\] - 20[0-9-]{{8}}$"',
    ),
    Check("no tag has this version", f'test -z "$(git tag --list v$({VERSION}))"'),
    Check(
        "the stored form of schedules is that of golden files",
        "python -m pytest -q tests/schedule/test_golden.py",
    ),
    Check(
        "the packages are what they say, as they are installed",
        "python -m pytest -q tests/project/test_installed.py",
    ),
    Check(
        "locks and lower bounds hold",
        "python -m pytest -q tests/project/test_locks.py tests/project/test_dependencies.py",
    ),
)
TO_1_0 = (
    Check(
        "the project has a public address, and metadata names it",
        "grep -qF '[project.urls]' pyproject.toml",
    ),
    Check("the registry's file names it", "grep -q '^source-url:' .airflow-registry.yaml"),
    Check(
        "README's links and pictures work where only README is shown",
        "! grep -qE '\\]\\((docs/|[A-Z]+\\.md)' README.md",
    ),
    Check(
        "Airflow 3.4 is tested as released",
        "! grep -qE '^apache-airflow==3.4.*(a|b|rc)' locks/airflow-3.4.txt",
    ),
    Check("Python 3.14 is tried", "grep -qF 'Python :: 3.14' pyproject.toml"),
    Check(
        "the oldest providers of google and microsoft are tested",
        "grep -q '^apache-airflow-providers-google==' locks/lowest.txt",
    ),
)


def holds(check: Check) -> bool:
    """Run a check in the project's folder, with the Python that runs this first on PATH."""
    with_python = f'PATH="{Path(sys.executable).parent}:$PATH"; {check.command}'
    command = ["/bin/bash", "-c", with_python]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


def main(checks: tuple[Check, ...]) -> int:
    """Print each check with its answer."""
    missing = 0
    for check in checks:
        fine = holds(check)
        missing += not fine
        print(f"{'ok     ' if fine else 'MISSING'}  {check.what}")  # noqa: T201
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(TO_1_0 if sys.argv[1:] == ["1.0"] else RELEASE))
