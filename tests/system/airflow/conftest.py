"""Real Airflows for tests.

Shared while a test leaves them running, one kind of database after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.postgres import PostgresServer
from tests.support.dags import WriteDag, dag_source
from tests.support.ics_origin import IcsOrigin
from tests.support.stack import Stack

_numbers = itertools.count(1)


# Files whose tests run on both kinds of database each time; other stories run on SQLite only with
# all that takes long.
_ON_BOTH = ("test_caldav.py", "test_commands.py", "test_running.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder starts a real Airflow."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.airflow)
        if "[sqlite" in item.name and item.path.name not in _ON_BOTH:
            item.add_marker(pytest.mark.long)


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A whole Airflow, running: on SQLite with one scheduler, on PostgreSQL with two."""
    home = tmp_path_factory.mktemp(request.param) / "airflow"
    if request.param == "sqlite":
        yield from _running(Stack(home))
    else:
        with PostgresServer() as server:
            yield from _running(
                Stack(home, database=server.create_database("airflow"), schedulers=2)
            )


def _running(stack: Stack) -> Iterator[Stack]:
    try:
        stack.migrate()
        stack.start_all()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def backfills(stack: Stack) -> None:
    """Only where Airflow makes backfills while others write: of SQLite it says that it does not."""
    if stack.engine.dialect.name == "sqlite":
        pytest.skip(
            "Airflow: 'Backfill creation is not supported on SQLite under concurrent access'"
        )


@pytest.fixture
def origin() -> Iterator[IcsOrigin]:
    """A calendar over HTTP that the test edits."""
    with IcsOrigin() as origin:
        yield origin


@pytest.fixture
def write_dag(stack: Stack, request: pytest.FixtureRequest) -> Iterator[WriteDag]:
    """Write a DAG of one quick task, named after the test, and give its id.

    It is written from the source of its schedule.
    """
    written: list[str] = []

    def write(schedule: str, *, options: str = "") -> str:
        dag_id = f"{request.node.originalname.removeprefix('test_')}_{next(_numbers)}"
        stack.write_dag(dag_id, dag_source(dag_id, schedule, options))
        written.append(dag_id)
        return dag_id

    yield write
    for dag_id in written:
        stack.remove_dag(dag_id)
