"""Cosmos: the DAG of docs/neighbours.md goes by this schedule."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

if find_spec("cosmos") is None:
    pytest.skip("make test-neighbours", allow_module_level=True)
PAGE = Path(__file__).parents[2] / "docs" / "neighbours.md"
MODEL = {
    "resource_type": "model",
    "name": "orders",
    "package_name": "shop",
    "original_file_path": "models/orders.sql",
    "depends_on": {"nodes": []},
    "tags": [],
    "config": {"materialized": "table", "tags": []},
    "unique_id": "model.shop.orders",
    "fqn": ["shop", "orders"],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # its own
def test_the_dag_of_the_page(tmp_path: Path) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    (snippet,) = re.findall(
        r"^```python\n(.*?DbtDag.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    project = tmp_path / "shop"
    (project / "models").mkdir(parents=True)
    (project / "models" / "orders.sql").write_text("select 1 as id")
    (project / "profiles.yml").write_text("shop: {outputs: {prod: {type: duckdb}}, target: prod}")
    (project / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    manifest = {"nodes": {MODEL["unique_id"]: MODEL}, "sources": {}, "exposures": {}}
    (project / "manifest.json").write_text(json.dumps(manifest))
    made: dict[str, Any] = {"__name__": "snippet", "__file__": str(tmp_path / "dag.py")}
    exec(compile(snippet, "snippet", "exec"), made)
    dag = made["dag"]

    saturday = datetime(2026, 12, 5, 1, tzinfo=UTC)  # 02:00 in Berlin
    stored: Any = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    for timetable in (dag.timetable, stored):
        (run,) = timetable.plan(saturday, limit=1)
        assert run.outcome == "coalesced" or run.start == datetime(2026, 12, 6, 23, tzinfo=UTC)
    assert any("orders" in task.task_id for task in dag.tasks)
