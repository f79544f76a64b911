"""Examples whose packages are not installed are read all the same, and say what they lack."""

from __future__ import annotations

from importlib.util import find_spec

from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException


def missing(*modules: str) -> list[str]:
    """Those of the modules that cannot be imported here; imports none of them."""
    return [module for module in modules if not _is_here(module)]


def _is_here(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # of a parent package
        return False


def say_what_is_missing(modules: list[str]) -> None:
    """The one task of a DAG that cannot be built here: it fails, and says what to install."""
    needed = ", ".join(modules)

    @task(task_id="install_the_extra", retries=0)
    def explain() -> None:
        raise AirflowFailException(
            f"This example needs {needed}, on every Airflow component:"
            " pip install 'airflow-calendar-timetable[examples]'"
        )

    explain()
