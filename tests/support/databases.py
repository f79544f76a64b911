"""Run tests with a database server in place of SQLite: ``python -m tests.support.databases mariadb``.

Or ``postgresql``. All that follows is for pytest. Each worker of pytest-xdist has a database.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from demo.postgres import PostgresServer
from demo.services import Service, free_port, uninterrupted, wait_until

WORKERS = ("", "gw0", "gw1", "gw2", "gw3")


@contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    with PostgresServer() as server:
        addresses = [server.create_database(f"tests{worker}") for worker in WORKERS]
        yield {"CALENDAR_TIMETABLE_TEST_DATABASE": addresses[0]}


@contextmanager
def mariadb() -> Iterator[dict[str, str]]:
    """Start a MariaDB in a temporary folder: what Debian has of MySQL's dialect."""
    with tempfile.TemporaryDirectory(prefix="mariadb-") as folder:
        port, password = free_port(), secrets.token_hex()
        options = ["--no-defaults", f"--datadir={folder}/data"]
        if os.geteuid() == 0:
            options.append("--user=root")
        install = ["mariadb-install-db", *options, "--auth-root-authentication-method=normal"]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        command = [
            shutil.which("mariadbd") or "/usr/sbin/mariadbd",
            *options,
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder}/socket",
            "--explicit-defaults-for-timestamp=1",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        with uninterrupted():
            service = Service("mariadb", command, env=os.environ, log=Path(folder, "log"))
        try:
            wait_until("MariaDB to answer", lambda: _answers(f"{folder}/socket"))
            with pymysql.connect(unix_socket=f"{folder}/socket", user="root") as connection:
                ask = connection.cursor().execute
                ask(f"CREATE USER 'airflow'@'127.0.0.1' IDENTIFIED BY '{password}'")
                for worker in WORKERS:
                    ask(f"CREATE DATABASE tests{worker} CHARACTER SET utf8mb4")
                    ask(f"GRANT ALL ON tests{worker}.* TO 'airflow'@'127.0.0.1'")
            yield {
                "CALENDAR_TIMETABLE_TEST_DATABASE": (
                    f"mysql+pymysql://airflow:{password}@127.0.0.1:{port}/tests?charset=utf8mb4"
                ),
                # What Airflow takes by itself where its own database is MySQL.
                "AIRFLOW__DATABASE__SQL_ENGINE_COLLATION_FOR_IDS": "utf8mb3_bin",
            }
        finally:
            service.kill()


def _answers(socket: str) -> bool:
    try:
        pymysql.connect(unix_socket=socket, user="root").close()
    except pymysql.OperationalError:
        return False
    return True


def main(name: str, *arguments: str) -> int:
    servers = {"postgresql": postgresql, "mariadb": mariadb}
    with servers[name]() as settings:
        command = [sys.executable, "-m", "pytest", *arguments]
        return subprocess.run(command, env=os.environ | settings, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
