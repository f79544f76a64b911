"""An Airflow on two hosts, which a third one gives its database and its queue."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from cryptography.fernet import Fernet

from demo.hosts import Network
from demo.local_airflow import COMPONENTS, LocalAirflow
from demo.postgres import PostgresServer
from demo.redis_server import RedisServer
from demo.services import stop_all

DATA, HOSTS = "data", ("one", "two")
ON_EACH = (*COMPONENTS, "celery worker")


def celery_settings(database: str, broker: str, *, tasks: int) -> dict[str, str]:
    """Return what lets tasks run on Celery workers, so many at a time on each."""
    return {
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(tasks),
        # A worker that waits for tasks of a queue that it lost would wait for ever.
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__SOCKET_KEEPALIVE": "True",
    }


class Cluster:
    """Databases from enter to exit; :meth:`start` starts all components on both hosts.

    Each host has a home in *folder*, with a cache folder of its own unless they are to have *one*.
    """

    def __init__(
        self,
        network: Network,
        folder: Path,
        *,
        dags: Path,
        settings: Mapping[str, str] | None = None,
        one_cache: bool = False,
    ) -> None:
        self.network, self.folder, self.dags = network, folder, dags
        self.postgres = PostgresServer(network.hosts[DATA])
        self.redis = RedisServer(network.hosts[DATA])
        self.airflows: dict[str, LocalAirflow] = {}
        self._password = secrets.token_urlsafe(9)
        self._settings = {
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(),
            "AIRFLOW__CORE__FERNET_KEY": Fernet.generate_key().decode(),
            # The machine is one, after all: each page shows what tasks of the other host wrote.
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
            # Two whole Airflows share this machine's cores: an API server has taken half a minute
            # for the first task, where it is usually given five seconds.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            **(settings or {}),
        }
        if one_cache:
            self._settings["CALENDAR_TIMETABLE_CACHE"] = str(folder / "calendar-cache")
        self._open = ExitStack()

    def __enter__(self) -> Cluster:
        with ExitStack() as opened:
            opened.enter_context(self.postgres)
            opened.enter_context(self.redis)
            opened.callback(self._stop)
            self.database = self.postgres.create_database("airflow")
            for name in HOSTS:
                self.equip(name)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def equip(self, name: str, **settings: str) -> None:
        """Let a host have these settings besides, once it is started."""
        celery = celery_settings(self.database, self.redis.address, tasks=2)
        self.airflows[name] = LocalAirflow(
            self.folder / name,
            dags=self.dags,
            database=self.database,
            settings={**celery, **self._settings, **settings},
            host=self.network.hosts[name],
            password=self._password,
        )

    def start(self) -> None:
        """Start everything on both hosts, and wait until it is ready."""
        for name in HOSTS:
            self.start_host(name)
        for airflow in self.airflows.values():
            airflow.wait_until_ready(seconds=300)

    def start_host(self, name: str) -> None:
        for component in ON_EACH:
            self.airflows[name].start(component)

    def supervise(self) -> list[str]:
        """Start again what has ended by itself, as systemd would; what that was."""
        ended = []
        for host, airflow in self.airflows.items():
            for name, service in list(airflow.services.items()):
                if not service.running:
                    service.kill()  # what it left behind
                    airflow.start(name)
                    ended.append(f"{name} on {host}")
        return ended

    def _stop(self) -> None:
        stop_all(
            service for airflow in self.airflows.values() for service in airflow.services.values()
        )
        for airflow in self.airflows.values():
            airflow.stop()
