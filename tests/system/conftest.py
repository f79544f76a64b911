"""A web server of a real Airflow, with a few DAGs read once and an auth manager of two minds.

And hosts to run one on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import requests

from demo.cluster import DATA, HOSTS
from demo.hosts import Network, NotPossible
from demo.local_airflow import LocalAirflow
from tests.support.web_server import served, within


@pytest.fixture
def network() -> Iterator[Network]:
    """Hosts for a cluster of Airflow."""
    try:
        network = Network((DATA, *HOSTS)).__enter__()
    except NotPossible as lacking:
        pytest.skip(str(lacking))
    with closing(network):
        yield network


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """SimpleAuthManager with users ``admin`` and ``reader``.

    The latter may read the DAG ``visible`` only.

    It is served under a path, as behind a proxy that many tools share; FAB's is not.
    """

    def make_users(airflow: LocalAirflow) -> None:
        passwords = airflow.home / "passwords.json"
        passwords.write_text(json.dumps({"admin": airflow.password, "reader": airflow.password}))
        within(airflow, "past_runs.py")

    users = {
        "AIRFLOW__CORE__AUTH_MANAGER": "one_dag.OneDagAuthManager",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,reader:admin",
    }
    with served(tmp_path_factory.mktemp("web"), users, make_users, "/shared/airflow") as airflow:
        yield airflow


@pytest.fixture(scope="session")
def fab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAirflow]:
    """FAB's auth manager with the same users and two more.

    They are ``nobody``, who may read no DAG, and ``leaver``, to be taken away.
    """

    def make_users(airflow: LocalAirflow) -> None:
        within(airflow, "fab_users.py", airflow.password)

    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
        ),
        "AIRFLOW__FAB__CACHE_TTL": "0",  # else it goes by the users of half a minute ago
    }
    with served(tmp_path_factory.mktemp("fab"), settings, make_users) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def login(airflow: LocalAirflow) -> Callable[[str], requests.Session]:
    """Log a user in by name."""

    def log_in(user: str) -> requests.Session:
        airflow.user = user
        return airflow.session()

    return log_in
