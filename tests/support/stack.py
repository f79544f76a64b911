"""A running Airflow for tests: DAG files in, and what Airflow made of them out of its database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import requests
import sqlalchemy

from demo.cluster import celery_settings
from demo.local_airflow import LocalAirflow
from demo.services import wait_until

T = TypeVar("T")

# Seconds that Airflow takes by default to notice a lost scheduler or task, made fit for tests.
IMPATIENT = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "8",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    # A changed file is read at once; this is how soon an edited calendar is seen. Sooner, reading
    # takes what the rest of Airflow needs.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "4",
}


@dataclass(frozen=True)
class Run:
    """One row of ``dag_run``."""

    run_id: str
    run_type: str
    state: str
    logical_date: datetime | None
    run_after: datetime
    created: datetime
    data_interval: tuple[datetime | None, datetime | None]


class Stack(LocalAirflow):
    """An Airflow of the tests' own, with its DAG folder in ``home``."""

    def __init__(
        self,
        home: Path,
        *,
        database: str | None = None,
        schedulers: int = 1,
        broker: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """With a *broker*, tasks run on a Celery worker; *settings* are of the environment."""
        (home / "dags").mkdir(parents=True)
        (home / "plugins").mkdir()  # before Python looks for it: modules put there later are found
        self.placement = home / "placement.toml"
        placed = {"AIRFLOW__CALENDAR_TIMETABLE__PLACEMENT": str(self.placement)}
        chosen = {**IMPATIENT, **placed, **(settings or {})}
        if broker is not None:
            assert database is not None
            chosen |= celery_settings(database, broker, tasks=4)
        super().__init__(home, dags=home / "dags", database=database, settings=chosen)
        self._has_worker = broker is not None
        # Connections that a restart of the database has ended are made anew.
        address = self.env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
        self.engine = sqlalchemy.create_engine(address, pool_pre_ping=True)
        self._schedulers = schedulers

    def start_all(self) -> None:
        """Every component, and as many schedulers as were asked for."""
        self.start("api-server")
        self.start("dag-processor")
        self.start("triggerer")
        for number in range(self._schedulers):
            self.start("scheduler", name="scheduler" if number == 0 else f"scheduler-{number + 1}")
        if self._has_worker:
            self.start("celery worker")
        self.wait_until_ready(seconds=300)  # with other work beside it, it has not two cores

    def stop(self) -> None:
        """End everything at once: nothing here outlives a test."""
        for service in self.services.values():
            service.kill()
        super().stop()
        self.engine.dispose()

    # DAG files.

    def write_dag(self, dag_id: str, source: str) -> None:
        """Put a DAG file in place in one step, so that it is never read half written."""
        draft = self.home / f"{dag_id}.draft"
        draft.write_text(source)
        draft.rename(self._dag_file(dag_id))

    def remove_dag(self, dag_id: str) -> None:
        """Take a DAG's file away and let it schedule nothing more."""
        self._dag_file(dag_id).unlink(missing_ok=True)
        with self.engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("UPDATE dag SET is_paused = true WHERE dag_id = :dag_id"),
                {"dag_id": dag_id},
            )

    def _dag_file(self, dag_id: str) -> Path:
        return self.dags / f"{dag_id}.py"

    # What Airflow's database says.

    def rows(self, query: str, **values: Any) -> list[Mapping[str, Any]]:
        with self.engine.connect() as connection:
            return [
                dict(row) for row in connection.execute(sqlalchemy.text(query), values).mappings()
            ]

    def next_run(self, dag_id: str) -> tuple[datetime | None, datetime | None] | None:
        """Return the stored next run: its logical date, and when it may be created.

        None before the first parse.
        """
        found = self.rows(
            "SELECT next_dagrun, next_dagrun_create_after FROM dag WHERE dag_id = :dag_id",
            dag_id=dag_id,
        )
        return (
            (_moment(found[0]["next_dagrun"]), _moment(found[0]["next_dagrun_create_after"]))
            if found
            else None
        )

    def runs(self, dag_id: str) -> list[Run]:
        found = self.rows(
            "SELECT run_id, run_type, state, logical_date, run_after, created_at,"
            " data_interval_start, data_interval_end FROM dag_run"
            " WHERE dag_id = :dag_id ORDER BY run_after, logical_date",
            dag_id=dag_id,
        )
        return [
            Run(
                row["run_id"],
                row["run_type"],
                row["state"],
                _moment(row["logical_date"]),
                known(row["run_after"]),
                known(row["created_at"]),
                (_moment(row["data_interval_start"]), _moment(row["data_interval_end"])),
            )
            for row in found
        ]

    def summary(self, dag_id: str) -> str:
        """Return what Airflow shows of the DAG's schedule; empty before the first parse."""
        found = self.rows("SELECT timetable_summary FROM dag WHERE dag_id = :dag_id", dag_id=dag_id)
        return found[0]["timetable_summary"] or "" if found else ""

    def timetable(self, dag_id: str) -> str:
        """Return the name of the stored timetable's class; empty before the first parse."""
        found = self.rows("SELECT timetable_type FROM dag WHERE dag_id = :dag_id", dag_id=dag_id)
        return found[0]["timetable_type"].rpartition(".")[2] if found else ""

    def task_instances(self, dag_id: str, run_id: str) -> dict[str, Mapping[str, Any]]:
        """State, start and end of each task of a run."""
        found = self.rows(
            "SELECT task_id, state, start_date, end_date FROM task_instance"
            " WHERE dag_id = :dag_id AND run_id = :run_id",
            dag_id=dag_id,
            run_id=run_id,
        )
        return {
            row["task_id"]: {
                "state": row["state"],
                "start": _moment(row["start_date"]),
                "end": _moment(row["end_date"]),
            }
            for row in found
        }

    def versions(self, dag_id: str) -> int:
        return int(
            self.rows(
                "SELECT count(*) AS n FROM dag_version WHERE dag_id = :dag_id", dag_id=dag_id
            )[0]["n"]
        )

    def import_error(self, dag_id: str) -> str | None:
        """Return what Airflow shows of a DAG file that it cannot take."""
        found = self.rows("SELECT filename, stacktrace FROM import_error")
        return next(
            (row["stacktrace"] for row in found if row["filename"].endswith(f"{dag_id}.py")), None
        )

    # Waiting.

    def wait(self, what: str, check: Callable[[], T | None], *, seconds: float = 300) -> T:
        """Poll until ``check`` gives something true.

        Shows the components' last words when it does not.
        """
        try:
            return wait_until(what, check, seconds=seconds)
        except TimeoutError as late:
            logs = "\n".join(
                f"----- {name}\n{service.tail(15)}" for name, service in self.services.items()
            )
            raise AssertionError(f"{late}\n{logs}") from None

    def wait_for_dag(self, dag_id: str) -> tuple[datetime | None, datetime | None]:
        def parsed() -> tuple[datetime | None, datetime | None] | None:
            if error := self.import_error(dag_id):
                raise AssertionError(error)
            return self.next_run(dag_id)

        return self.wait(f"{dag_id} to be parsed", parsed)

    def wait_for_next_run(self, dag_id: str, tick: datetime, start: datetime) -> None:
        self.wait(
            f"{dag_id} to be due {tick} and start {start}",
            lambda: self.next_run(dag_id) == (tick, start),
        )

    def wait_for_runs(self, dag_id: str, count: int, *, seconds: float = 300) -> list[Run]:
        """Until ``count`` runs of the DAG have succeeded; all of its runs."""

        def enough() -> list[Run]:
            runs = self.runs(dag_id)
            failed = [run.run_id for run in runs if run.state == "failed"]
            assert not failed, f"runs of {dag_id} failed: {failed}"
            return runs if sum(run.state == "success" for run in runs) >= count else []

        return self.wait(f"{count} runs of {dag_id} to succeed", enough, seconds=seconds)

    # What people use.

    def get(self, path: str, **parameters: Any) -> Any:
        return self._json("GET", path, params=parameters)

    def post(self, path: str, **body: Any) -> Any:
        return self._json("POST", path, json=body)

    def patch(self, path: str, **body: Any) -> Any:
        return self._json("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self._json("DELETE", path)

    def _json(self, method: str, path: str, **arguments: Any) -> Any:
        """Make a request; make it again, as Airflow's own clients do, if the database was locked.

        What it makes may be there then, from the time before.
        """
        there = 0
        for _ in range(4):
            with self.session() as session:
                # More patient than a server is with its database (SQLite: 20 s), which then says
                # what it waited for.
                answer: requests.Response = session.request(
                    method, self.address + path, timeout=90, **arguments
                )
            if answer.status_code != 500:
                break
            # Before Airflow 3.3 it says so in its log only.
            said = answer.text + self.services["api-server"].tail(200)
            if "Database error" not in said and "database is locked" not in said:
                break
            there = 409
        assert answer.ok or answer.status_code == there, (
            f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        )
        return answer.json() if answer.content else None


def _moment(value: datetime | str | None) -> datetime | None:
    """Read a database's timestamp.

    SQLite gives text without a zone, PostgreSQL a datetime with one.
    """
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def in_some_hours() -> datetime:
    """Return a full hour, two to three hours ahead.

    A daily cron is due next at it, however long a test takes.
    """
    return (datetime.now(UTC) + timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)


def closed_some_day() -> str:
    """Return the source of a rule that closes time on no day near.

    Without a rule there would be nothing to decide.
    """
    return f"Weekly('{datetime.now(UTC) + timedelta(days=3):%a} 00:00-00:01')"


def known(value: datetime | str) -> datetime:
    """Read a database's timestamp that is there."""
    moment = _moment(value)
    assert moment is not None
    return moment
