"""How a release is made: docs/release.md lists the checks that tools.release runs, and they run.

``python -m tests.project.test_release`` writes them.
"""

from __future__ import annotations

import re
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from calendar_timetable._version import __version__
from calendar_timetable.provider import get_provider_info
from tools.release import RELEASE, ROOT, TO_1_0, Check, holds

PAGE = ROOT / "docs" / "release.md"
REGISTRY = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())


def table(checks: tuple[Check, ...]) -> str:
    return "".join(
        f"| {each.what} | `{each.command.replace('|', chr(92) + '|')}` |\n" for each in checks
    )


def with_tables(page: str) -> str:
    for checks in (RELEASE, TO_1_0):
        rows = table(checks)
        head = re.escape("| what | command |\n|---|---|\n")
        first = re.escape(checks[0].what)
        old = re.search(rf"{head}((?:\| {first} .*\n)(?:\|.*\n)*)", page)
        assert old
        page = page.replace(old[1], rows)
    return page


def test_the_page_lists_the_checks() -> None:
    page = PAGE.read_text()

    assert table(RELEASE) in page and table(TO_1_0) in page, "python -m tests.project.test_release"


def test_the_changelog_begins_with_this_version() -> None:
    heads = re.findall(r"^## \[(.*?)\] - (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert heads[0][0] == __version__
    assert re.fullmatch(r"Unreleased|20\d\d-\d\d-\d\d", heads[0][1])
    assert f"version is {__version__}" in PAGE.read_text() or f"v{__version__}" in PAGE.read_text()


@pytest.mark.parametrize("check", TO_1_0, ids=[each.what for each in TO_1_0])
def test_a_check_of_1_0_runs(check: Check) -> None:
    """Whatever it answers: grep ends with 2, the shell with 126 or 127, where it is broken."""
    done = subprocess.run(
        ["/bin/bash", "-c", check.command.removeprefix("! ")], cwd=ROOT, check=False
    )

    assert done.returncode in (0, 1)


def test_a_check_can_fail() -> None:
    assert holds(Check("yes", "true")) and not holds(Check("no", "false"))
    assert not holds(Check("another version", RELEASE[1].command.replace("^## ", "^# ", 1)))


def test_the_registry_names_what_there_is() -> None:
    info = get_provider_info()
    assert (REGISTRY["package-name"], REGISTRY["display-name"]) == (
        info["package-name"],
        info["name"],
    )
    assert REGISTRY["description"].startswith(info["description"])
    hooks = {each["hook-class-name"] for each in info["connection-types"]}
    assert {each["module"] for each in REGISTRY["hooks"]} == hooks
    for kind in ("hooks", "sensors", "triggers", "other"):
        for each in REGISTRY[kind]:
            module, _, name = each["module"].rpartition(".")
            if name == "CalendarEventTrigger":
                pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow 3.3")
            assert getattr(import_module(module), name).__module__ == module, "where it is at home"
            assert each["description"]


if __name__ == "__main__":
    Path(PAGE).write_text(with_tables(PAGE.read_text()))
