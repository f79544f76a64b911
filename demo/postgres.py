"""A PostgreSQL server of our own, in a temporary folder."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import psycopg2

from demo.hosts import ENDS_WITH_PARENT, Host
from demo.services import Service, free_port, uninterrupted, wait_until


class PostgresServer:
    """Started on enter; stopped and its folder removed on exit.

    It is on a free port, or on *host*.
    """

    def __init__(self, host: Host | None = None) -> None:
        self._host = host
        self._at = "127.0.0.1" if host is None else host.address
        self._port = free_port() if host is None else 5432
        self._password = secrets.token_hex()

    def __enter__(self) -> PostgresServer:
        # Not pytest's own folder: the server runs as another user when the tests run as root, and
        # must reach it.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._service: Service | None = None
        secret = self._folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o600)
        if self._user:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
        try:
            self._initialize(secret)
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._service is not None:
            self._service.ask_to_end(signal.SIGQUIT)  # without the courtesies: its folder goes next
            self._service.kill()
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """End it, and whatever is connected to it, and start it again with the same data."""
        assert self._service is not None
        self._service.ask_to_end(signal.SIGINT)
        wait_until("PostgreSQL to end", lambda: not self._running(), seconds=60)
        self._start()

    def create_database(self, name: str) -> str:
        """Make an empty database; its SQLAlchemy address."""
        connection = psycopg2.connect(self._address("postgres"))
        connection.autocommit = True  # CREATE DATABASE runs in no transaction
        try:
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        finally:
            connection.close()
        return self._address(name).replace("postgresql:", "postgresql+psycopg2:")

    def _address(self, database: str) -> str:
        return f"postgresql://airflow:{self._password}@{self._at}:{self._port}/{database}"

    def _initialize(self, secret: Path) -> None:
        login = ("--username=airflow", "--auth=scram-sha-256", f"--pwfile={secret}")
        options = ("--pgdata=data", *login, "--encoding=UTF8", "--locale=C", "--no-sync")
        done = subprocess.run(
            [_binaries() / "initdb", *options],
            cwd=self._folder,
            user=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed: {done.stderr}")
        with (self._folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet scram-sha-256\n")

    def _start(self) -> None:
        options = {
            "listen_addresses": self._at,
            "port": self._port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 200,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        data, user = self._folder / "data", self._user
        command = [str(_binaries() / "postgres"), "-D", str(data), *map(str, settings)]
        if self._host is not None:
            # Only root enters a host, and PostgreSQL is not to be root.
            drop = (f"--reuid={user}", f"--regid={user}", "--clear-groups")
            command = [*self._host.prefix, *ENDS_WITH_PARENT, *drop, *command]
            user = None
        with uninterrupted():
            self._service = Service(
                "postgres", command, env=os.environ, log=self._folder / "log", user=user
            )
        wait_until("PostgreSQL to answer", self._answers)

    def _running(self) -> bool:
        return self._service is not None and self._service.running

    def _answers(self) -> bool:
        assert self._service is not None
        if not self._service.running:
            raise RuntimeError(f"PostgreSQL ended on its own:\n{self._service.tail()}")
        try:
            psycopg2.connect(self._address("postgres")).close()
        except psycopg2.OperationalError:
            return False
        return True


def _binaries() -> Path:
    """Where initdb and postgres are: Debian keeps them out of PATH."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3])
    )
    if not versions:
        raise FileNotFoundError(
            "PostgreSQL's initdb is not here: install postgresql, or test with -m 'not postgres'"
        )
    return versions[-1].parent
