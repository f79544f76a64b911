"""``make sbom`` tells what an installation consists of, in the versions that are locked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable._version import __version__
from tests.project.test_locks import ROOT, _normal, pins

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sbom")
    venv = Path(sys.prefix)
    done = subprocess.run(
        [ROOT / "tools" / "sbom", venv, out],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def read(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what it is of, and version by name of what that consists of."""
    told = json.loads(file.read_text())
    assert told["bomFormat"] == "CycloneDX"
    parts = {_normal(each["name"]): each["version"] for each in told["components"]}
    return told["metadata"]["component"], parts


def test_of_python(written: Path) -> None:
    what, parts = read(written / "python.cdx.json")

    assert (what["name"], what["version"]) == ("airflow-calendar-timetable", __version__)
    assert {"apache-airflow", "icalendar", "urllib3", "fastapi"} <= parts.keys()
    locked = pins("airflow-3.3")
    # Of those with several versions, one for each Python, the last is read
    other = {name for name, version in parts.items() if locked.get(name) != version}
    assert len(other) < 5, other


def test_of_the_page(written: Path) -> None:
    what, parts = read(written / "page.cdx.json")
    packages = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]

    assert (what["name"], what["version"]) == ("calendar-timetable-page", __version__)
    assert parts == {
        name.removeprefix("node_modules/"): each["version"]
        for name, each in packages.items()
        if name and not each.get("dev")
    }


def test_no_address_of_a_registry_is_in_it(written: Path) -> None:
    for file in written.iterdir():
        assert "/simple/" not in file.read_text() and ".tgz" not in file.read_text()
