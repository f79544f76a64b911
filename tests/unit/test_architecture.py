"""Imports point one way, importing the package is cheap, and files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import calendar_timetable

PACKAGE = Path(calendar_timetable.__file__).parent
ROOT = "calendar_timetable"
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(file: Path) -> set[str]:
    """Everything *file* imports, also inside functions, by full module name."""
    found: set[str] = set()
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == ROOT else {base}
    return found


def layer_of(module: str) -> str:
    """The first name under our package; "" for the package itself and what it re-exports."""
    parts = module.split(".")
    names = {file.stem if file.stem != "__init__" else file.parent.name for file in FILES}
    return parts[1] if len(parts) > 1 and parts[1] in names else ""


def ours(file: Path) -> set[str]:
    """The parts of ours that *file* imports; anyone may ask the bare package for its version and its place."""
    found = {m for m in imports_of(file) if m.startswith(f"{ROOT}.")}
    return {layer_of(m) for m in found - {f"{ROOT}.__version__"}}


# What each part may import of ours, besides itself; "" is the package, whose names are those of every part.
ALLOWED: dict[str, set[str]] = {
    "planning": set(),
    "calendars": {"planning", ""},
    "cron": {"planning"},
    "schedules": {"planning", "cron"},
    "carried": {"planning", "cron", "schedules"},
    "arguments": {"planning", "calendars", "cron", "schedules", "carried"},
    "stepping": {"planning", "cron", "schedules", "carried"},
    "timetable": {"planning", "calendars", "cron", "schedules", "carried", "stepping", "arguments"},
}
FACES = {"plugin", "policy", "web", "runtime", "cli", "connections"}


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_imports_point_one_way(file: Path) -> None:
    layer = layer_of(module_of(file))
    if layer == "":
        return
    assert layer in ALLOWED.keys() | FACES, "a new part: say here what it may import"
    if layer in ALLOWED:
        assert ours(file) - {layer} <= ALLOWED[layer]


@pytest.mark.parametrize("file", [f for f in FILES if "planning" in f.parts], ids=module_of)
def test_planning_is_pure(file: Path) -> None:
    third_party = {m.partition(".")[0] for m in imports_of(file)} - set(sys.stdlib_module_names)

    assert third_party <= {ROOT}
    assert {m for m in imports_of(file) if m.startswith(ROOT)} <= {
        f"{ROOT}.planning" if m == f"{ROOT}.planning" else m
        for m in imports_of(file)
        if m.startswith(f"{ROOT}.planning")
    }
    no_io = {
        "os",
        "io",
        "pathlib",
        "socket",
        "subprocess",
        "urllib",
        "http",
        "sqlite3",
        "tempfile",
        "threading",
    }
    assert not {m.partition(".")[0] for m in imports_of(file)} & no_io


@pytest.mark.parametrize("file", [f for f in FILES if "calendars" in f.parts], ids=module_of)
def test_calendars_know_no_timetable(file: Path) -> None:
    assert not {m for m in imports_of(file) if m.startswith("airflow.timetables")}


def test_the_layers_are_found() -> None:
    """That the tests above look at something."""
    found = {layer_of(module_of(file)) for file in FILES}

    assert {"planning", "calendars", "timetable", "carried", "schedules", "plugin"} <= found
    assert "planning" in ours(PACKAGE / "carried.py")
    assert "calendars" in ours(PACKAGE / "arguments.py"), "also imports inside functions"


HEAVY = [
    "icalendar",
    "requests",
    "recurring_ical_events",
    "airflow",
    "pendulum",
    "holidays",
    "dateutil",
    "croniter",
]


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def with_path(code: str) -> str:
    return f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    loaded = fresh(with_path(f"import {ROOT}; print([m for m in {HEAVY!r} if m in sys.modules])"))

    assert loaded == "[]"


def test_the_timetable_does_without_the_calendar_libraries() -> None:
    """Scheduler and API server decode schedules; they must not pay for reading calendars."""
    code = f"""
from {ROOT}.timetable import CalendarTimetable
from {ROOT} import Weekly
made = CalendarTimetable("0 2 * * *", windows=Weekly("mon"))
made.validate()
CalendarTimetable.deserialize(made.serialize())
print([m for m in ("icalendar", "requests", "recurring_ical_events", "holidays") if m in sys.modules])
"""
    assert fresh(with_path(code)).splitlines()[-1] == "[]"


def test_every_public_name_is_there() -> None:
    for name in calendar_timetable.__all__:
        assert getattr(calendar_timetable, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Calender'"):
        _ = calendar_timetable.Calender


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_files_stay_small(file: Path) -> None:
    assert len(file.read_text().splitlines()) < 600
