"""The pinned environments: known by hashes, from no address, and each with what it is for.

The demo's is a part of the tests', and has what the demo and the examples import.
"""

from __future__ import annotations

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = {"calendar_timetable", "calendar_examples", "demo"}


def pins(lock: str) -> dict[str, str]:
    """Version by distribution."""
    pinned = re.findall(
        r"^(\S+)==(\S+)", (ROOT / "locks" / f"{lock}.txt").read_text(), re.MULTILINE
    )
    return {_normal(name): version for name, version in pinned}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("lock", sorted(path.stem for path in (ROOT / "locks").glob("*.txt")))
def test_what_is_installed_is_known_by_its_hash(lock: str) -> None:
    """And by no address: which registry is asked is for those to say who install."""
    text = (ROOT / "locks" / f"{lock}.txt").read_text()
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())

    assert len(entries) > 20
    assert [each for each in entries if not re.search(r"--hash=sha256:[0-9a-f]{64}", each)] == []
    assert re.findall(r"\w+://\S+|--(?!hash=)\S+| @ ", text) == []
    assert {"uv"} <= pins(lock).keys(), "tools/setup installs it first, by its hash"


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
