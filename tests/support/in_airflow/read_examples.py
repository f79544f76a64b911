"""Read all example DAGs as Airflow's DAG processor does, and print what it finds.

Run with FOLDER [ABSENT MODULE ...].
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import importlib_metadata

FROM = datetime(2026, 12, 23, 8, tzinfo=UTC)


class Absent(MetaPathFinder):
    """Modules that are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if any(name == each or name.startswith(f"{each}.") for each in self._names):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide(*modules: str) -> None:
    """As if these were not installed, and Airflow knew of no provider of theirs."""
    sys.meta_path.insert(0, Absent(modules))
    known = importlib_metadata.distributions
    hidden = {f"apache-{module.replace('.', '-')}" for module in modules}
    importlib_metadata.distributions = lambda **options: (
        each for each in known(**options) if each.name not in hidden
    )


def main(folder: str, *absent: str) -> None:
    """Print what is found in *folder* where the modules *absent* cannot be imported."""
    hide(*absent)
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = BundleDagBag(folder, bundle_path=Path(folder), bundle_name="examples")
    told: dict[str, Any] = {"errors": bag.import_errors, "dags": {}}
    for dag_id, dag in bag.dags.items():
        told["dags"][dag_id] = {
            "tasks": sorted(task.task_id for task in dag.tasks),
            "doc": dag.doc_md,
            "description": dag.description,
            "plan": plan(dag.timetable, FROM),
            "plan_as_stored": plan(
                DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable,
                datetime.now(UTC),
            ),
        }
    print(json.dumps(told))


def plan(timetable: Any, start: datetime) -> list[str]:
    """Return the first due times from *start* on, and what becomes of each."""
    timetable = getattr(timetable, "timetable", timetable)  # of AssetOrTimeSchedule
    if not hasattr(timetable, "plan"):
        return []
    return [
        f"{run.due:%a %d %H:%M} {run.outcome}"
        + (f" {run.start:%a %d %H:%M}" if run.start not in (None, run.due) else "")
        for run in timetable.plan(start, limit=4)
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
