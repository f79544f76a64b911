"""``make demo``: a team calendar and a real Airflow on this machine, and a run that a meeting holds.

Everything lives in ``.demo`` and ends with Ctrl-C. ``--exit-after-first-run`` ends by itself once the held run is done.
"""

from __future__ import annotations

import argparse
import fcntl
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.local_airflow import COMPONENTS, LocalAirflow
from demo.services import ENDING, stop_all, uninterrupted, wait_until
from demo.team_calendar import MEETING, TeamCalendar

DAG_ID = "calendar_demo"
EVERY = timedelta(minutes=2)  # how often that DAG is due
EXAMPLES = Path(__file__).resolve().parent.parent / "example_dags"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description="A run that a meeting holds, in a real Airflow.")
    parser.add_argument("--exit-after-first-run", action="store_true", help="end when the held run has succeeded")
    parser.add_argument("--folder", type=Path, default=Path(".demo"), help="where all state goes; emptied first")
    options = parser.parse_args()
    for number in ENDING:
        signal.signal(number, _interrupt)
    try:
        with _folder_of_our_own(options.folder.absolute()) as folder, ExitStack() as at_end:
            _demo(folder, at_end)
            if not options.exit_after_first_run:
                print("\nLook around; Ctrl-C ends everything.", flush=True)
                while True:
                    time.sleep(3600)
    except KeyboardInterrupt:
        print("\nEnded; nothing is left running.")
    except (RuntimeError, TimeoutError) as error:
        print(f"\nThe demo cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


def _demo(folder: Path, at_end: ExitStack) -> None:
    due = _next_due(datetime.now(UTC) + timedelta(seconds=60))
    ends = due + timedelta(seconds=30)
    with _step("Starting a calendar server and writing the team's calendar"):
        with uninterrupted():
            calendar = TeamCalendar(folder / "calendar")
            at_end.callback(stop_all, [calendar.service])
        calendar.wait_until_ready()
        calendar.write(due, ends)
    airflow = LocalAirflow(folder / "airflow", dags=EXAMPLES, settings={"AIRFLOW_CONN_TEAM_CALENDAR": calendar.address})
    at_end.callback(airflow.stop)
    at_end.callback(print, "\nStopping ...", flush=True)
    with _step("Making Airflow's database"):
        airflow.migrate()
    with _step("Starting Airflow: " + ", ".join(COMPONENTS)):
        for component in COMPONENTS:
            airflow.start(component)
        airflow.wait_until_ready()
    with _step("Reading the DAGs and their calendar"):
        wait_until("the DAG to be read", lambda: _dag(airflow).get("next_dagrun_run_after"), seconds=60)
    _say_what_to_see(airflow, calendar, ends)
    _follow(airflow)


def _say_what_to_see(airflow: LocalAirflow, calendar: TeamCalendar, ends: datetime) -> None:
    print(
        f"""
Airflow         {airflow.address}   login: {airflow.user}   password: {airflow.password}
Upcoming runs   {airflow.address}/calendar-timetable/   (in Airflow: Browse > Upcoming runs)
Team calendar   {calendar.address}   (ICS; edit it with any CalDAV client)

The DAG {DAG_ID} is due every other minute, but "{MEETING}" keeps it from starting until {_clock(ends)}.
The page says so. Weekly_retraining waits for off-peak hours, and would wait for next week's freeze.
""",
        flush=True,
    )


def _follow(airflow: LocalAirflow) -> None:
    """Say what becomes of the run that the meeting holds, as it happens."""
    dag = _dag(airflow)
    due, starts = (_moment(dag[f"next_dagrun_{name}"]) for name in ("logical_date", "run_after"))
    held = starts > due
    print(f"{_now()}  next run: due {_clock(due)}" + (f", held until {_clock(starts)}" if held else ""), flush=True)
    said = dag["timetable_description"]
    print(f"          Airflow says: {said}", flush=True)
    if held and datetime.now(UTC) < due:
        wait_until("the due time", lambda: datetime.now(UTC) >= due, seconds=600)
        print(f"{_now()}  due now, and held: the meeting is still on", flush=True)

    def run() -> dict[str, Any] | None:
        return next((run for run in _runs(airflow) if _moment(run["run_after"]) >= starts), None)

    created = wait_until("the run to start", run, seconds=600, every=0.5)
    print(f"{_now()}  started: {created['dag_run_id']}", flush=True)

    def finished() -> dict[str, Any] | None:
        return next((one for one in _runs(airflow) if one["state"] in ("success", "failed")), None)

    state = wait_until("the run to finish", finished, seconds=120, every=0.5)["state"]
    print(f"{_now()}  finished: {state}", flush=True)
    if state == "failed":
        raise RuntimeError(f"the run failed; its logs are in {airflow.home}/logs")


def _dag(airflow: LocalAirflow) -> dict[str, Any]:
    answer = airflow.session().get(f"{airflow.address}/api/v2/dags/{DAG_ID}/details", timeout=20)
    return answer.json() if answer.ok else {}


def _runs(airflow: LocalAirflow) -> list[dict[str, Any]]:
    answer = airflow.session().get(
        f"{airflow.address}/api/v2/dags/{DAG_ID}/dagRuns", params={"order_by": "run_after"}, timeout=20
    )
    answer.raise_for_status()
    runs: list[dict[str, Any]] = answer.json()["dag_runs"]
    return runs


def _next_due(moment: datetime) -> datetime:
    step = int(EVERY.total_seconds())
    return datetime.fromtimestamp(-(-int(moment.timestamp()) // step) * step, UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"


def _now() -> str:
    return _clock(datetime.now(UTC))


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
        for name in ("airflow", "calendar"):
            shutil.rmtree(folder / name, ignore_errors=True)
        yield folder


def _interrupt(number: int, frame: object) -> None:
    """End in good order, once: a second Ctrl-C does not interrupt the ending."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
