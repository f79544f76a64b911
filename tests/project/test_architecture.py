"""Imports point one way and never in a circle, and importing the package is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import calendar_timetable

PACKAGE = Path(calendar_timetable.__file__).parent
ROOT = "calendar_timetable"
LAYERS = (  # each imports what stands below it, and its own; of one line, none imports another
    # "" is the package: its names are those of every part
    ("", "plugin", "cli", "policy", "provider", "hooks"),
    ("web",),
    ("publishing", "runtime"),
    ("runs", "timetable"),
    ("schedule",),
    ("calendars", "load"),
    ("planning",),
    ("metrics", "config"),
    ("exceptions", "clock", "_version"),
)


def modules_of(package: Path) -> dict[str, Path]:
    """Return the file of each module of a package, by its full name."""
    found = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


MODULES = modules_of(PACKAGE)
DEMO = modules_of(Path(__file__).parents[2] / "demo")


def imports_of(module: str) -> set[str]:
    """Everything *module* imports, also inside functions and for types alone, by full name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((MODULES | DEMO)[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not used here"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = MODULES.keys() | DEMO.keys()
            found |= {name if name in known else str(node.module) for name in names}
    return found


GRAPH = {module: (imports_of(module) & MODULES.keys()) - {module} for module in MODULES}


def layer_of(module: str) -> int:
    part = f"{module}.".split(".")[1]
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


@pytest.mark.parametrize("module", [m for m in MODULES if m != ROOT])
def test_imports_point_one_way(module: str) -> None:
    part = module.split(".")[1]
    for other in GRAPH[module]:
        inside = other.split(".")[1:2] == [part]
        assert inside or layer_of(other) > layer_of(module), f"{module} imports {other}"


def test_there_are_no_circles() -> None:
    """Imports inside functions count: what needs them that way is in the wrong place."""
    graph = {module: others - {ROOT} for module, others in GRAPH.items() if module != ROOT}

    assert len(list(TopologicalSorter(graph).static_order())) == len(graph)


def test_the_demo_has_no_circles() -> None:
    """Also between its folders: the cluster knows nothing of the examples that it stands for."""
    graph = {module: (imports_of(module) & DEMO.keys()) - {module} for module in DEMO}

    assert set(TopologicalSorter(graph).static_order()) >= DEMO.keys()
    inside = {m for m in DEMO if m.startswith("demo.kubernetes")}
    assert {other for module in inside for other in graph[module]} <= inside | {"demo.guard"}


NO_IO = {
    "http",
    "io",
    "os",
    "pathlib",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "urllib",
}


@pytest.mark.parametrize(
    "module", [m for m in MODULES if m.startswith((f"{ROOT}.planning", f"{ROOT}.load"))]
)
def test_planning_is_pure(module: str) -> None:
    """And so is what tells how full pools get."""
    top = {name.partition(".")[0] for name in imports_of(module)}

    assert top <= {ROOT, *sys.stdlib_module_names} - NO_IO


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(f"{ROOT}.load")])
def test_load_takes_plain_numbers(module: str) -> None:
    parts = {name.split(".")[1] for name in imports_of(module) if name.startswith(f"{ROOT}.")}

    assert parts <= {"load", "planning", "exceptions"}


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith(f"{ROOT}.calendars")])
def test_calendars_know_no_timetable(module: str) -> None:
    assert not {name for name in imports_of(module) if name.startswith("airflow.timetables")}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {f"{ROOT}.clock"}))
def test_there_is_one_clock(module: str) -> None:
    """The present is asked in one place, where a test can set it."""
    text = MODULES[module].read_text(encoding="utf-8")

    assert "time.time(" not in text
    assert "datetime.now(" not in text and "datetime.today(" not in text


def test_the_graph_is_found() -> None:
    """That the tests above look at something."""
    assert f"{ROOT}.planning.plan" in GRAPH[f"{ROOT}.schedule.compiled"]
    assert f"{ROOT}.calendars.calendar" in GRAPH[f"{ROOT}.schedule.arguments"], (
        "also imports inside functions"
    )


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
    code = f"import sys; sys.path.insert(0, {str(PACKAGE.parent)!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", [ROOT, f"{ROOT}.provider"])
def test_importing_the_package_imports_nothing_heavy(module: str) -> None:
    assert fresh(f"import {module}; print([m for m in {HEAVY!r} if m in sys.modules])") == "[]"


CHILDREN = sorted(
    ".".join((ROOT, *file.relative_to(PACKAGE).with_suffix("").parts))
    for file in PACKAGE.rglob("*.py")
    if '__name__ == "__main__"' in file.read_text()
)


@pytest.mark.parametrize("module", CHILDREN)
def test_processes_that_ask_servers_start_without_airflow(module: str) -> None:
    """One is started for each question; to import Airflow takes it seconds of the processor."""
    heavy = "[m for m in ('airflow', 'sqlalchemy', 'pydantic', 'icalendar') if m in sys.modules]"
    assert fresh(f"import {module}; print({heavy})") == "[]"


def test_those_processes_are_found() -> None:
    assert len(CHILDREN) >= 7


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
    assert fresh(code).splitlines()[-1] == "[]"


def test_every_public_name_is_there() -> None:
    for name in calendar_timetable.__all__:
        assert getattr(calendar_timetable, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Calender'"):
        _ = calendar_timetable.Calender
