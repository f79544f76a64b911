"""Airflow on two hosts: cut off, bereft of its queue and its database, and upgraded by turns."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from demo.cluster import HOSTS, Cluster
from demo.hosts import Host, Network
from tests.support.dags import dag_source
from tests.support.ics_origin import IcsOrigin, event
from tests.support.stack import IMPATIENT, Stack

T = TypeVar("T")
ROOT = Path(__file__).parents[3]
OLDER = "dbd4848"  # the last that wrote version 3 of the stored form, and refuses version 4
STEP = timedelta(seconds=15)
PATIENCE = 900  # seconds for what ten components do on a busy machine
SETTINGS = {
    **IMPATIENT,
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    # A task that was lost on its way to a worker is sent again so soon.
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__NUM_STUCK_IN_QUEUED_RETRIES": "20",
}

pytestmark = [pytest.mark.postgres, pytest.mark.long]


class Deployment:
    """The cluster, DAGs in it that are due every few seconds, and the calendar of one of them."""

    def __init__(self, cluster: Cluster, database: Stack, calendar: IcsOrigin) -> None:
        self.cluster, self.database, self.calendar = cluster, database, calendar
        self.start = now()
        self.closed: list[tuple[datetime, datetime]] = []
        self.ended: list[str] = []
        self.held = self._write("held", f"Calendar({calendar.address!r}, refresh=timedelta(0, 1))")
        self.dag_ids = [self.held, *(self._write(f"free_{n}", "None") for n in range(2))]

    def _write(self, dag_id: str, blackouts: str) -> str:
        schedule = f"CalendarTimetable({STEP!r}, blackouts={blackouts}, coalesce=False)"
        start = f"catchup=True, start_date=datetime.fromisoformat({self.start.isoformat()!r})"
        source = dag_source(dag_id, schedule.replace("datetime.timedelta", "timedelta"), start)
        self.database.write_dag(dag_id, source)
        return dag_id

    def close(self, seconds: int) -> datetime:
        """Enter a meeting that has begun, and wait until the schedule knows of it; its end."""
        end = now() + timedelta(seconds=seconds)
        self.calendar.serve([event("meeting", now() - STEP, end)])

        def planned() -> bool:
            found = self.database.next_run(self.held)
            return found is not None and found[1] == end

        self.wait("the next run to be held", planned)
        self.closed.append((datetime.now(UTC), end))
        return end

    def connections(self, host: Host) -> int:
        """Return how many the database believes to have with a host."""
        found = self.database.rows(
            "SELECT count(*) AS n FROM pg_stat_activity WHERE host(client_addr) = :address",
            address=host.address,
        )
        return int(found[0]["n"])

    def runs_go_on(self) -> None:
        """Wait until runs of each DAG that are due from now on have succeeded."""
        since = now()

        def done() -> bool:
            return all(
                any(run.state == "success" and run.run_after >= since for run in runs)
                for runs in map(self.database.runs, self.dag_ids)
            )

        self.wait("runs to go on", done)

    def runs_go_on_after(self, end: datetime) -> None:
        self.wait("the meeting to end", lambda: now() > end)
        self.runs_go_on()

    def assert_all_is_well(self) -> None:
        """No due time up to now has no run, or two, or a run that failed or began too early."""
        until = now()
        expected = [self.start + n * STEP for n in range((until - self.start) // STEP + 1)]

        def ended() -> bool:
            runs = [run for dag_id in self.dag_ids for run in self.database.runs(dag_id)]
            due = [run for run in runs if run.logical_date and run.logical_date <= until]
            done = [run for run in due if run.state in ("success", "failed")]
            return len(done) >= len(expected) * len(self.dag_ids)

        self.wait("all runs to end", ended)
        for dag_id in self.dag_ids:
            runs = self.database.runs(dag_id)
            due = sorted(run.logical_date for run in runs if run.logical_date)
            assert [moment for moment in due if moment <= until] == expected
            assert [run.run_id for run in runs if run.state == "failed"] == []
            assert [run.run_id for run in runs if run.created < run.run_after] == []
            early = [
                (run.run_id, run.created)
                for run in runs
                if any(begin <= run.created < end for begin, end in self.closed)
            ]
            assert dag_id != self.held or early == []

    def wait(self, what: str, check: Callable[[], T | None]) -> T:
        def look() -> T | None:
            self.ended += self.cluster.supervise()
            return check()

        try:
            return self.database.wait(what, look, seconds=PATIENCE)
        except AssertionError as late:
            logs = "\n".join(
                f"----- {host}: {name}\n{service.tail(15)}"
                for host, airflow in self.cluster.airflows.items()
                for name, service in airflow.services.items()
            )
            raise AssertionError(f"{late}\nended by itself: {self.ended}\n{logs}") from None


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(params=["own cache folders", "one cache folder"])
def deployment(
    request: pytest.FixtureRequest, network: Network, tmp_path: Path
) -> Iterator[Deployment]:
    with ExitStack() as kept:
        dags = tmp_path / "database" / "dags"
        one = request.param == "one cache folder"
        cluster = Cluster(network, tmp_path, dags=dags, settings=SETTINGS, one_cache=one)
        kept.enter_context(cluster)
        database = Stack(tmp_path / "database", database=cluster.database)
        kept.callback(database.stop)
        calendar = kept.enter_context(IcsOrigin(network.address))
        cluster.airflows["one"].migrate()
        cluster.start()
        deployment = Deployment(cluster, database, calendar)
        deployment.runs_go_on()
        yield deployment


def test_no_run_is_lost_or_made_twice_or_made_in_closed_time(deployment: Deployment) -> None:
    cluster = deployment.cluster
    two = cluster.network.hosts["two"]
    two.cut_off()
    deployment.wait("the database to give it up", lambda: not deployment.connections(two))
    deployment.runs_go_on()
    end = deployment.close(seconds=90)
    # Host two comes back in closed time, with what it knew of the calendar before
    two.reconnect()
    deployment.runs_go_on_after(end)
    deployment.wait("host two to be back", lambda: deployment.connections(two))

    cluster.redis.kill()
    cluster.redis.start()
    deployment.runs_go_on()

    end = deployment.close(seconds=90)
    cluster.postgres.restart()
    cluster.airflows["one"].services["scheduler"].kill()
    deployment.runs_go_on_after(end)
    deployment.assert_all_is_well()
    for airflow in cluster.airflows.values():
        cache = Path(airflow.env["CALENDAR_TIMETABLE_CACHE"])
        assert list(cache.glob("*.ics")), "each host keeps what the calendar said"


def older_package(folder: Path) -> Path:
    """Take the package as it was out of the history; the folder to import it from."""
    command = ["git", "archive", OLDER, "src"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the clone has no commit {OLDER}: {done.stderr.decode()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


@pytest.mark.parametrize("deployment", ["one cache folder"], indirect=True)
def test_a_host_may_be_older_than_the_other(deployment: Deployment, tmp_path: Path) -> None:
    older = older_package(tmp_path / "older")
    tells = tmp_path / "tells.py"
    tells.write_text("import calendar_timetable; print(calendar_timetable.__file__)")
    cluster = deployment.cluster

    def restart(host: str, **settings: str) -> None:
        cluster.airflows[host].stop()
        cluster.equip(host, **settings)
        cluster.start_host(host)

    for host in HOSTS:
        restart(host, PYTHONPATH=str(older))
        used = cluster.airflows[host].run_program(str(tells)).stdout
        assert used.startswith(str(older)), "its components import the older one"
        deployment.runs_go_on()
        end = deployment.close(seconds=90)
        deployment.runs_go_on_after(end)
        restart(host)
    deployment.runs_go_on()
    deployment.assert_all_is_well()
