"""One real Airflow with all example DAGs, a cluster for their pods and a server for their model."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from demo.examples import ExampleServices, make_pools
from tests.support.examples import GPUS, Examples
from tests.support.pods import genai_folder

POOLS = {"gpu": (9, True), "training": (2, False)}  # slots, and whether deferred tasks count


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What uses the Airflow of this folder is marked."""
    for item in items:
        if "airflow" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.airflow)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Examples]:
    """All of it, running."""
    folder = tmp_path_factory.mktemp("examples")
    with ExampleServices(folder / "cluster", gpus=GPUS, data=genai_folder()) as services:
        airflow = Examples(folder / "airflow", services, folder / "team_calendar.ics")
        airflow.plan([])
        try:
            airflow.migrate()
            airflow.start_all()
            make_pools(airflow, gpu=9)
            yield airflow
        finally:
            airflow.stop()
