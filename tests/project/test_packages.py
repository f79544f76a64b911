"""What is shipped: the wheel and the sdist hold the built page.

Who installs the sdist needs no npm.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "src" / "calendar_timetable" / "web" / "static"
BUILT = ["THIRD-PARTY.md", "icon-dark.svg", "icon.svg", "index.html", "main.js", "shell.js"]


def build(what: Path, kind: str, into: Path, **environment: str) -> Path:
    command = [
        Path(sys.executable).with_name("uv"),
        "build",
        "--quiet",
        f"--{kind}",
        "--out-dir",
        into,
    ]
    done = subprocess.run(
        [*command, "--python", sys.executable, what],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (found,) = (path for path in into.iterdir() if path.suffix in (".gz", ".whl"))
    return found


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def test_the_sdist_brings_the_page_built_and_not_its_source(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {f"src/calendar_timetable/web/static/{name}" for name in BUILT} <= set(names)
    assert [name for name in names if name.startswith(("ui/", "tests/"))] == []


def test_a_wheel_is_built_of_the_sdist_without_npm(sdist: Path, tmp_path: Path) -> None:
    for name in ("npm", "npx", "node"):
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text('#!/bin/sh\necho "nobody should call $0" >&2\nexit 1\n')
        tool.chmod(0o755)
    wheel = build(sdist, "wheel", tmp_path / "wheel", PATH=f"{tmp_path / 'bin'}:{os.defpath}")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name: archive.read(f"calendar_timetable/web/static/{name}") for name in BUILT}
    assert {
        name: len(body) for name, body in shipped.items() if body != (STATIC / name).read_bytes()
    } == {}


def test_what_npm_installs_is_known_by_its_hash() -> None:
    """And by no address: which registry is asked is for those to say who build."""
    packages = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
    unlocked = [
        name
        for name, each in packages.items()
        if name and not each.get("integrity", "").startswith("sha512-")
    ]
    assert len(packages) > 50 and unlocked == []
    assert [name for name, each in packages.items() if "resolved" in each] == []
