"""The demo's environment is a part of the tests', and has what the demo and the examples import."""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = {"calendar_timetable", "calendar_examples", "demo"}


def pins(lock: str) -> dict[str, str]:
    """Version by distribution."""
    lines = (ROOT / "locks" / f"{lock}.txt").read_text().splitlines()
    pinned = (line.partition(" ")[0].split("==") for line in lines if not line.startswith("#"))
    return {_normal(name): version for name, version in pinned}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_demo_has_the_same_versions_as_the_tests() -> None:
    assert pins("demo").items() <= pins("airflow-3.3").items()


def test_the_demo_has_what_it_imports() -> None:
    demo, distributions = pins("demo"), packages_distributions()
    imported: set[str] = set()
    for folder in ("demo", "example_dags"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module)
    here = {file.stem for file in (ROOT / "example_dags" / "trainer").glob("*.py")}
    tops = (
        {name.partition(".")[0] for name in imported} - set(sys.stdlib_module_names) - OURS - here
    )

    assert {"airflow", "jax", "kubernetes", "mlflow", "psutil", "requests", "sklearn"} <= tops
    lacking = [
        top for top in tops if not {_normal(name) for name in distributions[top]} & demo.keys()
    ]
    assert lacking == []
    assert {"radicale", "holidays", "apache-airflow-providers-cncf-kubernetes"} <= demo.keys(), (
        "started or asked for by name"
    )
