"""A PostgreSQL server of the tests' own, in a temporary folder on a free port."""

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

from demo.services import Service, free_port, wait_until


class PostgresServer:
    """Started on enter; stopped and its folder removed on exit."""

    def __enter__(self) -> PostgresServer:
        binaries = _binaries()
        # Not pytest's own folder: the server runs as another user when the tests run as root, and
        # must reach it.
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._user = "postgres" if os.geteuid() == 0 else None
        self._port, self._password = free_port(), secrets.token_hex()
        secret = self._folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o600)
        if self._user:
            account = pwd.getpwnam(self._user)
            for path in (self._folder, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
        try:
            self._initialize(binaries / "initdb", secret)
            self._service = self._start(binaries / "postgres")
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        try:
            wait_until("PostgreSQL to answer", self._answers)
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
        self._service.ask_to_end(signal.SIGQUIT)  # without the courtesies: its folder goes next
        self._service.kill()
        shutil.rmtree(self._folder)

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
        return f"postgresql://airflow:{self._password}@127.0.0.1:{self._port}/{database}"

    def _initialize(self, initdb: Path, secret: Path) -> None:
        login = ("--username=airflow", "--auth=scram-sha-256", f"--pwfile={secret}")
        done = subprocess.run(
            [initdb, "--pgdata=data", *login, "--encoding=UTF8", "--locale=C", "--no-sync"],
            cwd=self._folder,
            user=self._user,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _start(self, postgres: Path) -> Service:
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self._port,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": 200,
        }
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [postgres, "-D", self._folder / "data", *map(str, settings)]
        return Service(
            "postgres", command, env=os.environ, log=self._folder / "log", user=self._user
        )

    def _answers(self) -> bool:
        assert self._service.running, self._service.tail()
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
            "PostgreSQL's initdb is not here: install postgresql, or run with -m 'not postgres'"
        )
    return versions[-1].parent
