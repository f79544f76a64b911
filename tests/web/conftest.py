"""A web server of a real Airflow, with a few DAGs read once and an auth manager of two minds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from demo.local_airflow import LocalAirflow

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """Users ``admin`` and ``reader``; the latter may read the DAG ``visible`` only."""
    home = tmp_path_factory.mktemp("web")
    dags, modules = home / "dags", home / "modules"
    dags.mkdir()
    modules.mkdir()
    shutil.copy(HERE / "web_dags.py", dags / "dags.py")
    shutil.copy(HERE / "one_dag.py", modules / "one_dag.py")
    airflow = LocalAirflow(
        home,
        dags=dags,
        settings={
            "PYTHONPATH": str(modules),
            "AIRFLOW__CORE__AUTH_MANAGER": "one_dag.OneDagAuthManager",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reader:admin",
        },
    )
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({"admin": airflow.password, "reader": airflow.password}))
    airflow.migrate()
    read = airflow.airflow("dags", "reserialize")
    assert read.returncode == 0, read.stderr[-4000:]
    try:
        airflow.start("api-server")
        airflow.wait_until_ready()
        yield airflow
    finally:
        airflow.stop()


@pytest.fixture
def login(airflow: LocalAirflow) -> Callable[[str], requests.Session]:
    """Log a user in by name."""

    def log_in(user: str) -> requests.Session:
        airflow.user = user
        return airflow.session()

    return log_in
