"""The wheel and the sdist: what they hold, and what is seen of them once they are installed.

That is in an environment that has seen nothing else of ours. What Airflow itself brings is lent by
the tests' environment, so that no registry is asked.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from contextlib import closing
from datetime import UTC, datetime, timedelta
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

import pytest

from tests.support.versions import at_least

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = "airflow-calendar-timetable"
STATIC = ROOT / "src" / "calendar_timetable" / "web" / "static"
BUILT = ["THIRD-PARTY.md", "icon-dark.svg", "icon.svg", "index.html", "main.js", "shell.js"]

# What is seen from inside; Airflow's log goes elsewhere.
LOOK = f"""
import importlib, json, logging, sys
from importlib.metadata import distribution
from pathlib import Path

said = []
class Keep(logging.Handler):
    def emit(self, record): said.append(record.getMessage())
logging.getLogger().addHandler(Keep(level=logging.WARNING))

import calendar_timetable
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.plugins_manager import _get_plugins
from airflow.providers_manager import ProvidersManager

found = distribution({NAME!r})
package = Path(calendar_timetable.__file__).parent
provider = ProvidersManager().providers[{NAME!r}]
plugins, failed = _get_plugins()
seen = {{
    "folder": str(package),
    "names": [getattr(calendar_timetable, name).__name__ for name in calendar_timetable.__all__],
    "entry points": {{f"{{e.group}}: {{e.name}}": getattr(e.load(), "__name__", "") for e in found.entry_points}},
    "provider": {{**provider.data, "version": provider.version}},
    "plugins": [plugin.name for plugin in plugins],
    "failed": {{str(name): str(why) for name, why in failed.items()}},
    "page": sorted(path.name for path in (package / "web" / "static").iterdir()),
    "bundles": [b.name for b in DagBundlesManager().get_all_dag_bundles()],
    "said": [each for each in said if "calendar" in each],
}}
Path(sys.argv[1]).write_text(json.dumps(seen, default=str))
"""


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


@pytest.fixture(scope="module")
def wheels(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the wheel that is built from the sources, and the one that is built of the sdist.

    Who builds that one needs no npm: there is none, nor is it called.
    """
    none = tmp_path_factory.mktemp("none")
    for name in ("npm", "npx", "node"):
        tool = none / name
        tool.write_text('#!/bin/sh\necho "nobody should call $0" >&2\nexit 1\n')
        tool.chmod(0o755)
    path = f"{none}:{os.defpath}"
    direct = build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))
    return direct, build(sdist, "wheel", tmp_path_factory.mktemp("of-sdist"), PATH=path)


@pytest.fixture(scope="module")
def python(wheels: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of a fresh environment that holds the wheel of the sdist."""
    folder = tmp_path_factory.mktemp("fresh")
    uv = Path(sys.executable).with_name("uv")
    inside = folder / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder],
        [uv, "pip", "install", "--quiet", "--python", inside, "--no-deps", wheels[1]],
    ):
        subprocess.run(command, check=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")  # after its own
    return inside


def run(python: Path, home: Path, *command: str | Path) -> str:
    """Run a program there, outside of the checkout, with an Airflow of its own."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "True",
    }
    done = subprocess.run(
        [python, *command],
        cwd=home,
        env=env,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def seen(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("home")
    run(python, home, "-c", LOOK, home / "seen.json")
    found: dict[str, Any] = json.loads((home / "seen.json").read_text())
    return found


def test_the_sdist_brings_the_page_built_and_not_its_source(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert {f"src/calendar_timetable/web/static/{name}" for name in BUILT} <= set(names)
    assert [name for name in names if name.startswith(("ui/", "tests/"))] == []


def test_the_page_of_both_wheels_is_the_one_that_was_built(wheels: tuple[Path, Path]) -> None:
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            shipped = {
                name: archive.read(f"calendar_timetable/web/static/{name}") for name in BUILT
            }
        assert [n for n, body in shipped.items() if body != (STATIC / n).read_bytes()] == []


def test_the_wheel_of_the_sdist_holds_the_same_files(wheels: tuple[Path, Path]) -> None:
    direct, of_sdist = (
        {name: z.read(name) for name in z.namelist()} for z in map(zipfile.ZipFile, wheels)
    )

    assert direct.keys() == of_sdist.keys()
    assert {name for name, body in direct.items() if of_sdist[name] != body} == set()


def test_every_file_of_the_sources_is_in_the_wheel(wheels: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(wheels[0]) as archive:
        shipped = set(archive.namelist())
    src = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src").rglob("*.py*")}
    examples = subprocess.run(
        ["git", "ls-files", "example_dags"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()

    assert {name for name in src if not name.endswith(".pyc")} - shipped == set()
    assert len(examples) > 20
    assert {f"airflow_calendar_timetable/{name}" for name in examples} - shipped == set()
    unwanted = re.compile(r"\.(pyc|map)$|(^|[/_])tests?[/_.]")  # but not backtest.py
    assert set(filter(unwanted.search, shipped)) == set()


def test_it_is_imported_from_where_it_is_installed(python: Path, seen: dict[str, Any]) -> None:
    assert Path(seen["folder"]).is_relative_to(python.parents[1])
    assert len(seen["names"]) > 5


def test_its_entry_points_load(seen: dict[str, Any]) -> None:
    declared = {
        f"{group}: {name}" for group, points in PROJECT["entry-points"].items() for name in points
    }

    assert seen["entry points"].keys() == declared | {"console_scripts: calendar-timetable"}


def test_airflow_knows_provider_and_plugin(seen: dict[str, Any]) -> None:
    provider = seen["provider"]

    assert provider["package-name"] == NAME == PROJECT["name"]
    assert provider["version"] == provider["versions"][0]
    assert {each["connection-type"] for each in provider["connection-types"]} == {"ical", "caldav"}
    assert "calendar_schedule" in seen["plugins"]
    failed = {name: why for name, why in seen["failed"].items() if "calendar" in name}
    assert [why for why in failed.values() if "already" not in why] == [], "but for the lent copy"
    assert seen["said"] == []


def test_airflow_lists_it_among_the_providers(python: Path, tmp_path: Path) -> None:
    listed = json.loads(run(python, tmp_path, "-m", "airflow", "providers", "list", "-o", "json"))
    (ours,) = (each for each in listed if each["package_name"] == NAME)
    told = run(python, tmp_path, "-m", "airflow", "providers", "get", NAME, "-o", "json")

    assert ours["description"].startswith("Let your calendar decide")
    assert NAME in told


def test_airflow_finds_the_examples(seen: dict[str, Any]) -> None:
    """Provider info has no field for them: Airflow looks for a folder, since 3.3."""
    if not at_least("apache-airflow-core", "3.3"):
        pytest.skip("Airflow looks for providers' examples since 3.3")
    assert f"{NAME}-example-dags" in seen["bundles"]


def test_the_page_is_there(seen: dict[str, Any]) -> None:
    assert seen["page"] == BUILT


def test_the_command_line_runs(python: Path, tmp_path: Path) -> None:
    answer = run(
        python,
        tmp_path,
        "-m",
        "calendar_timetable.cli",
        "preview",
        "0 2 * * SAT",
        "--timezone",
        "UTC",
        "--json",
    )

    assert python.with_name("calendar-timetable").exists()
    assert json.loads(answer)


class Stranger:
    """Who has a home, the packages, and what README.md and docs/start.md say, but nothing else."""

    def __init__(self, python: Path, home: Path) -> None:
        self.python, self.dags = python, home / "airflow" / "dags"
        self.dags.mkdir(parents=True)
        self.env = {
            "HOME": str(home),
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        }

    def types(self, *command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=self.dags, env=self.env, capture_output=True, text=True, timeout=180
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def ours(self, *words: str) -> str:
        return self.types(self.python.with_name("calendar-timetable"), *words)

    def airflow(self, *words: str) -> str:
        """Airflow's own command, which the tests' environment lends as a module."""
        return self.types(self.python, "-W", "ignore", "-m", "airflow", *words)

    def saves(self, page: str) -> None:
        """Save the DAG of a page, and the calendar that it names."""
        (dag,) = re.findall(
            r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL
        )
        (self.dags / "retrain.py").write_text(dag)
        (self.dags / "team.ics").write_bytes((ROOT / "docs/team.ics").read_bytes())

    def edits(self, name: str, *changes: tuple[str, str]) -> None:
        """Write one thing in place of another, wherever it stands."""
        text = (self.dags / name).read_text()
        for new, old in changes:
            assert text.count(old) == 1, f"{old} in {name}"
            text = text.replace(old, new)
        (self.dags / name).write_text(text)

    def runs(self) -> list[str]:
        """The runs that there are once Airflow has looked at files and made what is to be made."""
        self.airflow("dags", "reserialize")
        self.airflow("scheduler", "--num-runs", "1", "--skip-serve-logs")
        with closing(sqlite3.connect(self.dags.parent / "airflow.db")) as database:
            return [run_id for (run_id,) in database.execute("SELECT run_id FROM dag_run")]


def test_a_strangers_five_minutes(python: Path, tmp_path: Path) -> None:
    """README's DAG is read, planned and explained; as docs/start.md goes on, a run is held."""
    me = Stranger(python, tmp_path)
    me.airflow("db", "migrate")
    me.saves("README.md")
    me.airflow("dags", "reserialize")
    assert "No data found" in me.airflow("dags", "list-import-errors")
    asked = ("--dag-id", "retrain", "--dags-folder", str(me.dags))
    assert "blocked by team.ics until Mon" in me.ours("preview", *asked)
    assert "Next: due Sat" in me.ours("explain", *asked)

    me.saves("docs/start.md")
    page = " ".join((ROOT / "docs/start.md").read_text().split())
    often, party = re.findall(r"write `([^`]+)` in place of `([^`]+)`", page)
    (dates,) = re.findall(
        r"write yesterday's .*? of `(\d+)`, .* day after tomorrow .*? of `(\d+)`", page
    )
    around = (f"{datetime.now(UTC) + timedelta(days=days):%Y%m%d}" for days in (-1, 2))
    me.edits("retrain.py", often)
    me.edits("team.ics", *zip(around, dates, strict=True))
    said = "closed, blocked by team.ics until"
    assert said in me.ours("explain", *asked) and f"`{said}`" in page
    assert me.runs() == []

    me.edits("team.ics", party)
    assert len(me.runs()) == 1


def test_it_says_what_it_is(wheels: tuple[Path, Path]) -> None:
    """Classifiers name the Pythons that were tried, all allowed; the licence is said once."""
    with zipfile.ZipFile(wheels[0]) as archive:
        (file,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        told = HeaderParser().parsestr(archive.read(file).decode())
    classifiers = told.get_all("Classifier", [])
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(classifiers))
    low, high = re.findall(r"3\.(\d+)", str(PROJECT["requires-python"]))
    page = (ROOT / "docs" / "install.md").read_text()

    assert pythons == [f"3.{minor}" for minor in range(int(low), int(high) - 1)]
    assert f"Python {pythons[0]} to {pythons[-1]}" in page
    assert f"3.{int(high) - 1} is allowed, and untried" in page
    assert told["License-Expression"] == "Apache-2.0 AND MIT"
    assert [each for each in classifiers if each.startswith("License ::")] == []


def test_the_notices_of_bundled_javascript_are_there(wheels: tuple[Path, Path]) -> None:
    """Of each package that the page is built of, in the version that is locked."""
    packages = json.loads((ROOT / "ui" / "package-lock.json").read_text())["packages"]
    with zipfile.ZipFile(wheels[0]) as archive:
        notices = archive.read("calendar_timetable/web/static/THIRD-PARTY.md").decode()
        shell = archive.read("calendar_timetable/web/static/shell.js").decode()
    entries = dict(re.findall(r"^## (\S+) - (.*?)$", notices, re.MULTILINE))
    locked = {
        name.removeprefix("node_modules/"): f"{each['version']} ({each['license']})"
        for name, each in packages.items()
        if name and not each.get("dev")
    }

    assert entries == locked
    assert {licence.split("(")[1] for licence in entries.values()} == {"MIT)"}, (
        "license = in pyproject.toml"
    )
    parts = re.split(r"^## ", notices, flags=re.MULTILINE)[1:]
    assert [each[:40] for each in parts if "Copyright" not in each or "WARRANT" not in each] == []
    assert "react" in shell and "does not bundle any" in notices.split("# shell.js")[0]


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
