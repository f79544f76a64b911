"""What src imports is declared, and the oldest of it that may be installed is what is tested."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# Distributions whose modules have other names
DISTRIBUTIONS = {
    "airflow": "apache-airflow",
    "airflow.providers.google": "apache-airflow-providers-google",
    "airflow.providers.microsoft": "apache-airflow-providers-microsoft-azure",
    "attr": "attrs",
    "azure": "azure-core",
    "dateutil": "python-dateutil",
    "google": "google-auth",
    "googleapiclient": "google-api-python-client",
    "kiota_http": "microsoft-kiota-http",
    "openlineage": "openlineage-python",
    "pydantic_core": "pydantic",  # which asks for one version of it
}
# Modules that are imported by a name in a variable
BY_NAME = {"exchange_calendars"}


def name_of(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def distribution_of(module: str) -> str:
    """Name the distribution that brings a module."""
    known = [each for each in DISTRIBUTIONS if f"{module}.".startswith(f"{each}.")]
    if known:
        return DISTRIBUTIONS[max(known, key=len)]
    return module.partition(".")[0].replace("_", "-")


def imported() -> dict[str, set[str]]:
    """Return the distributions that src imports, each with the modules that do."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules = [node.module]
            elif isinstance(node, ast.Constant) and node.value in BY_NAME:
                modules = [node.value]
            for module in modules:
                top = module.partition(".")[0]
                if top not in {*sys.stdlib_module_names, "calendar_timetable"}:
                    found.setdefault(distribution_of(module), set()).add(file.name)
    return found


IMPORTED = imported()
NEEDED = {name_of(each) for each in PROJECT["dependencies"]}
OPTIONAL = {name_of(each) for extra in EXTRAS.values() for each in extra}


def test_what_is_imported_is_declared() -> None:
    undeclared = {name: by for name, by in IMPORTED.items() if name not in NEEDED | OPTIONAL}

    assert {"apache-airflow", "urllib3", "exchange-calendars"} <= IMPORTED.keys()
    assert undeclared == {}


def test_what_is_declared_is_imported() -> None:
    """But for the examples', which lie beside the package, and a provider that imports us."""
    others = {*map(name_of, EXTRAS["examples"]), "apache-airflow-providers-openlineage"}

    assert (NEEDED | OPTIONAL) - others - IMPORTED.keys() == set()


@pytest.mark.parametrize(
    "requirement", [*PROJECT["dependencies"], *EXTRAS["holidays"], *EXTRAS["exchanges"]]
)
def test_the_oldest_that_is_allowed_is_what_is_tested(requirement: str) -> None:
    """So that no bound says less than is known: locks/lowest.txt pins just what it names."""
    bound = re.search(r">=([\d.]+)", requirement)
    pinned = re.search(
        rf"^{re.escape(name_of(requirement))}==(\S+)",
        (ROOT / "locks" / "lowest.txt").read_text(),
        re.MULTILINE,
    )

    assert bound and pinned, requirement
    assert numbers(pinned.group(1)) == numbers(bound.group(1)), "make locks, or mend the bound"


def numbers(version: str) -> tuple[int, ...]:
    """Compare 3.2 as 3.2.0."""
    return (*map(int, version.split(".")), 0, 0)[:3]
