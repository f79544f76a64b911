"""A real Airflow in one folder.

The api-server, scheduler, DAG processor and triggerer are child processes.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import requests

from demo.hosts import Host
from demo.preloaded import POSSIBLE, Forked, Preloaded
from demo.services import Service, free_port, stop_all, uninterrupted, wait_until

COMPONENTS = ("api-server", "dag-processor", "scheduler", "triggerer")

# Seconds for which SQLite is waited for: the usual five are little where all of Airflow shares two
# cores. Requests that start tasks at once can block each other in the API server until the first
# gives up: all others outlast that.
_PATIENCE, _API_PATIENCE = 60, 10


class LocalAirflow:
    """An Airflow with its state in ``home``, under *path*.

    Only processes that this object starts ever use it; or, with a *host*, the part of one that
    runs there. The parts have the same *database*, *password* and keys, which *settings* name.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path,
        database: str | None = None,
        settings: Mapping[str, str] | None = None,
        path: str = "",
        host: Host | None = None,
        password: str | None = None,
    ) -> None:
        self.home = home
        self.dags = dags
        self._prefix = () if host is None else host.prefix
        self._at = "127.0.0.1" if host is None else host.address
        self.port = free_port() if host is None else 8080
        self.address = f"http://{self._at}:{self.port}{path}"
        self.user, self.password = "admin", password or secrets.token_urlsafe(9)
        self.services: dict[str, Service] = {}
        self.imports: tuple[str, ...] = ()  # modules of its DAG files that take long, made once
        self._preloaded: Preloaded | None = None
        home.mkdir(parents=True, exist_ok=True)
        (home / "logs").mkdir(exist_ok=True)
        passwords = home / "passwords.json"
        passwords.write_text(json.dumps({self.user: self.password}))
        passwords.chmod(0o600)
        self.env = _inherited_environment() | {
            "AIRFLOW_HOME": str(home),
            "CALENDAR_TIMETABLE_CACHE": str(home / "calendar-cache"),
            # Its calendars are on this host
            "AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS": "True",
            # A host reaches none
            "NO_PROXY": "127.0.0.1,localhost" if host is None else "*",
            "PYTHONUNBUFFERED": "1",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database
            or f"sqlite:///{home}/airflow.db?timeout={_PATIENCE}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "false",
            # An edited calendar is seen seconds later, where a production Airflow takes half a
            # minute.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "1",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
            "AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.address}/execution/",
            # A task fails where it has no answer in five seconds, a few times running.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{self.user}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API__BASE_URL": self.address,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(),
            **(settings or {}),
        }

    def airflow(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        """Run one ``airflow`` command to its end."""
        return self.run_program("airflow", *arguments, seconds=seconds)

    def run_program(
        self, program: str, *arguments: str, seconds: float = 300, **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a module, or a .py file, to its end in this Airflow's environment, and *env*."""
        environment = self.env | env
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            preloaded = self._preloaded_process()
            process: subprocess.Popen[bytes] | Forked
            if preloaded is None:
                how = [] if program.endswith(".py") else ["-m"]
                process = subprocess.Popen(
                    [*self._prefix, sys.executable, *how, program, *arguments],
                    env=environment,
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                )
            else:
                process = preloaded.start(
                    program, arguments, env=environment, cwd=self.home, stdout=out, stderr=err
                )
            try:
                code = process.wait(seconds)
            finally:
                process.send_signal(signal.SIGKILL)  # one that takes too long
                process.wait()
            out.seek(0)
            err.seek(0)
            said = [file.read().decode(errors="replace") for file in (out, err)]
            return subprocess.CompletedProcess([program, *arguments], code, *said)

    def _preloaded_process(self) -> Preloaded | None:
        """Return what starts this Airflow's programs, from the first of them on."""
        if self._preloaded is None and POSSIBLE:
            with uninterrupted():
                log = self.home / "logs" / "preloaded.log"
                self._preloaded = Preloaded(self.env, log, self._prefix, self.imports)
        return self._preloaded

    def migrate(self) -> None:
        """Make the tables, or bring them up to date."""
        done = self.airflow("db", "migrate", seconds=300)
        if done.returncode != 0:
            raise RuntimeError(
                f"airflow db migrate failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            )

    def start(self, component: str, name: str | None = None) -> Service:
        """Start one component; ``name`` tells two schedulers apart."""
        options = {
            "api-server": ("--host", self._at, "--port", str(self.port)),
            "scheduler": ("--skip-serve-logs",),
            "triggerer": ("--skip-serve-logs",),
            "celery worker": ("--skip-serve-logs", "--without-gossip", "--without-mingle"),
        }.get(component, ())
        name = name or component
        preloaded = self._preloaded_process()
        command = ("airflow", *component.split(), *options)
        if preloaded is None:
            command = (*self._prefix, sys.executable, "-m", *command)
        env = dict(self.env)
        if component == "api-server":
            database = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
            env[database] = env[database].replace(
                f"?timeout={_PATIENCE}", f"?timeout={_API_PATIENCE}"
            )
        with uninterrupted():
            log = self.home / "logs" / f"{name}.log"
            service = Service(name, command, env=env, log=log, forked_by=preloaded)
            self.services[name] = service
        return service

    def wait_until_ready(self, *, seconds: float = 120) -> None:
        """Wait until the web server answers and every component is healthy.

        Every component that was started has to report itself so.
        """
        parts = {"scheduler", "triggerer", "dag_processor"} & {
            name.replace("-", "_") for name in self.services
        }

        def healthy() -> bool:
            for service in self.services.values():
                if not service.running:
                    raise RuntimeError(f"{service.name} ended on its own:\n{service.tail()}")
            try:
                with requests.Session() as session:
                    session.trust_env = False
                    answer = session.get(f"{self.address}/api/v2/monitor/health", timeout=5)
                    health = answer.json()
            except (requests.RequestException, ValueError):
                return False
            return all(health[part]["status"] == "healthy" for part in parts)

        wait_until("Airflow to be ready", healthy, seconds=seconds)

    def session(self) -> requests.Session:
        """Return an HTTP session that is logged in."""
        session = requests.Session()
        session.trust_env = False
        answer = session.post(
            f"{self.address}/auth/token",
            json={"username": self.user, "password": self.password},
            timeout=60,
        )
        answer.raise_for_status()
        session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return session

    def stop(self) -> None:
        """End every component and all that it started."""
        stop_all(self.services.values())
        self.services.clear()
        if self._preloaded is not None:
            self._preloaded.close()
            self._preloaded = None


def _inherited_environment() -> dict[str, str]:
    """Return the environment of this process without another Airflow's settings.

    Python path tricks are left out too.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW_", "AIRFLOW__", "CALENDAR_TIMETABLE_"))
        and name != "PYTHONPATH"
    }
