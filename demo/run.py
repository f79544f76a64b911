"""``make demo``: a team calendar and a real Airflow, and a run that a meeting holds.

All of it is on this machine.

Everything lives in ``.demo`` and ends with Ctrl-C. ``--exit-after-first-run`` ends by itself once
the held run is done. With ``--cluster`` Airflow runs on two hosts, and a third has its database.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from demo import guard
from demo.cluster import DATA, HOSTS, ON_EACH, Cluster
from demo.examples import EXAMPLES, IMPORTS, ExampleServices, make_pools
from demo.hosts import Network
from demo.local_airflow import COMPONENTS, LocalAirflow
from demo.services import ENDING, stop_all, uninterrupted, wait_until
from demo.team_calendar import MEETING, TeamCalendar

DAG_ID = "calendar_demo"
EVERY = timedelta(minutes=2)  # how often that DAG is due


def main() -> int:
    """Run the demo, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="make demo", description="A run that a meeting holds, in a real Airflow."
    )
    parser.add_argument(
        "--exit-after-first-run", action="store_true", help="end when the held run has succeeded"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(".demo"), help="where all state goes; emptied first"
    )
    parser.add_argument(
        "--cluster", action="store_true", help="on three hosts, with Celery (Linux, as root)"
    )
    options = parser.parse_args()
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        with _folder_of_our_own(options.folder.absolute()) as folder, ExitStack() as at_end:
            at_end.callback(guard.begin())
            cluster = _demo(folder, at_end, cluster=options.cluster)
            if not options.exit_after_first_run:
                print("\nLook around; Ctrl-C ends everything.", flush=True)
                while True:
                    for name in cluster.supervise() if cluster else ():
                        _say(f"ended, and was started again: {name}")
                    time.sleep(1)
    except KeyboardInterrupt:
        print("\nEnded; nothing is left running.")
    except (RuntimeError, TimeoutError) as error:
        print(f"\nThe demo cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


def _demo(folder: Path, at_end: ExitStack, *, cluster: bool) -> Cluster | None:
    started = None
    if cluster:
        started, calendar = _start_cluster(folder, at_end)
        airflow = started.airflows[HOSTS[0]]
    else:
        airflow, calendar = start(folder, at_end)
    ends = _next_due(datetime.now(UTC) + timedelta(seconds=30)) + timedelta(seconds=30)
    run = _HeldRun(airflow)
    with _step("Ending the meeting soon, and waiting for Airflow to read that"):
        calendar.write(meeting_ends=ends)
        wait_until("the DAG to be read", lambda: run.planned()[1] == ends, seconds=120)
    _say_what_to_see(airflow, calendar, ends)
    if started is not None:
        _say_what_to_try(started)
    run.follow()
    return started


def start(folder: Path, at_end: ExitStack) -> tuple[LocalAirflow, TeamCalendar]:
    """Start all that belongs to the demo in *folder*, with a meeting that lasts an hour.

    *at_end* ends it.
    """
    calendar, settings = _start_surroundings(folder, at_end)
    airflow = LocalAirflow(folder / "airflow", dags=EXAMPLES, settings=settings)
    airflow.imports = IMPORTS
    at_end.callback(airflow.stop)
    at_end.callback(print, "\nStopping ...", flush=True)
    _migrate(airflow)
    with _starting(COMPONENTS):
        for component in COMPONENTS:
            airflow.start(component)
        airflow.wait_until_ready(seconds=300)  # on a slow machine, or a busy one
    make_pools(airflow)
    return airflow, calendar


def _start_cluster(folder: Path, at_end: ExitStack) -> tuple[Cluster, TeamCalendar]:
    """Start the same on three hosts."""
    with _step(f"Making three hosts: {', '.join((DATA, *HOSTS))}"):
        network = at_end.enter_context(Network((DATA, *HOSTS)))
    calendar, settings = _start_surroundings(folder, at_end, network.address)
    with _step(f"Starting PostgreSQL and Redis on {DATA}"):
        cluster = Cluster(network, folder / "airflow", dags=EXAMPLES, settings=settings)
        at_end.enter_context(cluster)
        at_end.callback(print, "\nStopping ...", flush=True)
    for airflow in cluster.airflows.values():
        airflow.imports = IMPORTS
    airflow = cluster.airflows[HOSTS[0]]
    _migrate(airflow)
    with _starting(ON_EACH, f" on each of {' and '.join(HOSTS)}"):
        cluster.start()
    make_pools(airflow)
    return cluster, calendar


def _start_surroundings(
    folder: Path, at_end: ExitStack, host: str = "127.0.0.1"
) -> tuple[TeamCalendar, dict[str, str]]:
    """Start what Airflow and its examples use, at an address of this machine.

    Also returns what Airflow's environment needs to know of it.
    """
    with _step("Starting a calendar server"):
        with uninterrupted():
            calendar = TeamCalendar(folder / "calendar", host)
            at_end.callback(stop_all, [calendar.service])
        calendar.wait_until_ready()
        calendar.write(meeting_ends=datetime.now(UTC) + timedelta(hours=1))
        calendar.write_freeze()
    with _step("Starting what stands for a Kubernetes cluster"):
        services = at_end.enter_context(ExampleServices(folder / "cluster", host=host))
    settings = {
        **services.settings,
        "AIRFLOW_CONN_TEAM_CALENDAR": calendar.address,
        "TEAM_CALENDAR": "team_calendar",
        "AIRFLOW_CONN_CHANGE_FREEZE": json.dumps(
            {"conn_type": "caldav", "host": calendar.freezes, "login": "team", "password": "any"}
        ),
        "AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS": "change_freeze",
        "AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS": "no-freeze",
        # Reading all examples takes half a second of a core, and noting them down as much again.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }
    return calendar, settings


def _migrate(airflow: LocalAirflow) -> None:
    with _step("Making Airflow's database"):
        airflow.migrate()


def _starting(components: Sequence[str], where: str = "") -> AbstractContextManager[None]:
    return _step(f"Starting Airflow{where}: {', '.join(components)}")


def _say_what_to_try(cluster: Cluster) -> None:
    for name, airflow in cluster.airflows.items():
        processes = ", ".join(f"{one} {service.pid}" for one, service in airflow.services.items())
        print(f"Host {name:10} {airflow.address}   {processes}")
    host = cluster.network.hosts[HOSTS[1]]
    kill = cluster.airflows[HOSTS[0]].services["scheduler"].pid
    print(
        f"""
Cut {host.name} off     {" ".join(host.cutting())}
and join it     {" ".join(host.cutting(off=False))}
Work there      {" ".join(host.prefix)} bash
Kill a process  kill -9 {kill}   (the scheduler of {HOSTS[0]}; it is started again)

Runs go on, none is lost or made twice, and none starts in the meeting.
""",
        flush=True,
    )


def _say_what_to_see(airflow: LocalAirflow, calendar: TeamCalendar, ends: datetime) -> None:
    print(
        f"""
Airflow         {airflow.address}   login: {airflow.user}   password: {airflow.password}
Upcoming runs   {airflow.address}/calendar-timetable/   (in Airflow: Browse > Upcoming runs)
Team calendar   {calendar.address}   (ICS; edit it with any CalDAV client)
Freezes         {calendar.freezes}    (likewise; no DAG names it, and it holds them all)

"""
        f'The DAG {DAG_ID} is due every other minute, but "{MEETING}" keeps it from starting until'
        f" {_clock(ends)}.\n"
        "The page says so. The other examples are paused: unpause one, or trigger it to see it run"
        " at once. gpu_training and\n"
        "genai_finetune train on a cluster that is none: their pods are processes of this"
        " machine.\n",
        flush=True,
    )


class _HeldRun:
    """The run that the meeting holds, followed through Airflow's REST API."""

    def __init__(self, airflow: LocalAirflow) -> None:
        self._session = airflow.session()
        self._address = f"{airflow.address}/api/v2/dags/{DAG_ID}"

    def planned(self) -> tuple[datetime | None, datetime | None]:
        """Return when the next run is due, and when it may start.

        Both are None before Airflow has read the DAG.
        """
        dag = self._get("/details")
        due, start = dag.get("next_dagrun_logical_date"), dag.get("next_dagrun_run_after")
        return due and datetime.fromisoformat(due), start and datetime.fromisoformat(start)

    def follow(self) -> None:
        """Say what becomes of the run, as it happens.

        Who edits the calendar meanwhile sees the run move.
        """
        said: set[tuple[datetime, datetime]] = set()
        held = False
        while not (run := self._first()):
            due, start = self.planned()
            if due and start and (due, start) not in said:
                said.add((due, start))
                _say(f"next run: due {_clock(due)}, may start {_clock(start)}")
                _say(f"Airflow says: {self._get('/details').get('timetable_description')}")
            if due and start and not held and due <= datetime.now(UTC) < start:
                held = True
                _say("due now, and held: the meeting is still on")
            time.sleep(0.5)
        _say(f"started: {run['dag_run_id']}")
        run = wait_until("the run to finish", lambda: self._first("success", "failed"), seconds=120)
        _say(f"finished: {run['state']}")
        if run["state"] == "failed":
            raise RuntimeError(
                "the run failed; see its log in Airflow, or in the folder airflow/logs"
            )

    def _first(self, *states: str) -> dict[str, Any] | None:
        """Return the DAG's first scheduled run, once there is one (in one of *states*)."""
        runs = self._get("/dagRuns?run_type=scheduled&order_by=run_after&limit=1").get(
            "dag_runs", ()
        )
        return next((run for run in runs if not states or run["state"] in states), None)

    def _get(self, path: str) -> dict[str, Any]:
        """Return what Airflow answers; nothing where it does not: who asks will ask again."""
        try:
            answer = self._session.get(self._address + path, timeout=10)
        except requests.RequestException:
            return {}
        return dict(answer.json()) if answer.ok else {}


def _next_due(moment: datetime) -> datetime:
    step = int(EVERY.total_seconds())
    return datetime.fromtimestamp(-(-int(moment.timestamp()) // step) * step, UTC)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _say(what: str) -> None:
    print(f"{_clock(datetime.now(UTC))}  {what}", flush=True)


@contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"{what} ...", end=" ", flush=True)
    begun = time.monotonic()
    yield
    print(f"{time.monotonic() - begun:.0f} s", flush=True)


@contextmanager
def _folder_of_our_own(folder: Path) -> Iterator[Path]:
    """*folder*, emptied of what an earlier demo left; refused while another demo uses it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError(f"another demo is running in {folder}") from None
        for name in ("airflow", "calendar", "cluster"):
            shutil.rmtree(folder / name, ignore_errors=True)
        yield folder


def _interrupt(number: int, frame: object) -> None:
    """End in good order, once: a second Ctrl-C does not interrupt the ending."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
