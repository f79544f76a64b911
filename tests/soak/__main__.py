"""A soak: many DAGs, calendars edited and components killed at random, and a judge at the end.

Prints what holds; the exit code is 1 where something does not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from selenium.common.exceptions import WebDriverException

from demo.postgres import PostgresServer
from demo.services import Service
from tests.soak import drawn
from tests.soak.calendars import Calendars, Look, Version
from tests.soak.judge import Event, Parse, Record, Run, Sample, judge
from tests.soak.picture import picture
from tests.support.browser import Browser, chromium
from tests.support.stack import Stack

PAGE = "/plugin/upcoming-runs"
RADICALE = "radicale"
DAGS_PER_FILE = 30
# Seconds between edits of a calendar, notes of what each component takes, and kills, on average.
EDIT, NOTE, KILL = 6, 15, 75
# Airflow's own patience, rather than that of tests: two cores are busy with all of this.
SETTINGS = {
    "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "5",
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "30",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "10",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "5",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "300",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "300",
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60, metavar="N", help="default: 60")
    parser.add_argument("--dags", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="default: 7")
    parser.add_argument("--picture", type=Path, default=Path("soak.svg"), metavar="FILE")
    parser.add_argument(
        "--record",
        type=Path,
        default=Path("soak.json"),
        metavar="FILE",
        help="where all that was noted is kept",
    )
    parser.add_argument(
        "--judge", action="store_true", help="soak nothing: judge and draw that file again"
    )
    options = parser.parse_args(arguments)
    # As Ctrl-C does: all that was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.judge:
        record = read(json.loads(options.record.read_text()))
    else:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            record = soak(Path(folder), options.minutes, options.dags, options.seed)
        options.record.write_text(json.dumps(asdict(record)))
    verdicts = judge(record)
    options.picture.write_text(picture(record, verdicts))
    for verdict in verdicts:
        print(f"{'✓' if verdict.holds else '✗'} {verdict.what}")
        for fault in verdict.faults[:20]:
            print(f"    {fault}")
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def read(data: dict[str, Any]) -> Record:
    """Return the record that was kept as JSON."""
    kinds = {
        "dags": drawn.Dag,
        "runs": Run,
        "versions": Version,
        "looks": Look,
        "parses": Parse,
        "samples": Sample,
        "events": Event,
    }
    for name, kind in kinds.items():
        data[name] = [kind(**each) for each in data[name]]
    return Record(**data)


def soak(folder: Path, minutes: float, count: int, seed: int) -> Record:
    """Run it for so many minutes, and then until every DAG has caught up."""
    rng, dags = random.Random(seed), drawn.draw(count, seed)
    with ExitStack() as opened:
        server = opened.enter_context(PostgresServer())
        calendars = opened.enter_context(Calendars(folder, rng))
        stack = Stack(
            folder / "airflow",
            database=server.create_database("airflow"),
            schedulers=2,
            settings=SETTINGS | {"AIRFLOW__CORE__PARALLELISM": "2"},
        )
        opened.callback(stack.stop)
        say("Airflow is made")
        stack.migrate()
        stack.start_all()
        for fields in calendars.connections.values():
            stack.post("/api/v2/connections", **fields)
        now = time.time()
        for number in range(0, count, DAGS_PER_FILE):
            some = dags[number : number + DAGS_PER_FILE]
            stack.write_dag(f"soak_{number:03}", drawn.source(some, calendars.addresses, now))
        stack.wait("the DAGs", lambda: len(known(stack)) == count, seconds=1800)
        page = opened.enter_context(chromium(stack, folder / "page", logged_in=stack.session()))
        say(f"{count} DAGs are read")
        return Driver(stack, calendars, page, rng, dags).drive(60 * minutes)


def known(stack: Stack) -> set[str]:
    """Return the DAGs that Airflow has read."""
    if errors := stack.rows("SELECT stacktrace FROM import_error"):
        raise AssertionError(errors[0]["stacktrace"])
    return {row["dag_id"] for row in stack.rows("SELECT dag_id FROM serialized_dag")}


class Driver:
    """What edits, kills, starts again and notes; in one thread."""

    def __init__(
        self,
        stack: Stack,
        calendars: Calendars,
        page: Browser,
        rng: random.Random,
        dags: list[drawn.Dag],
    ) -> None:
        self._stack, self._calendars, self._page, self._rng = stack, calendars, page, rng
        self._down: dict[str, float] = {}  # when each component that was killed starts again
        self._victims: list[str] = []  # each has its turn before one has another
        self._parsed: dict[str, float] = {}
        self.record = Record(0, 0, 0, 0, dags, [], [], [], [])

    def drive(self, seconds: float) -> Record:
        """Kill in the first half, as memory is told in the second; then leave all open."""
        record = self.record
        with contextlib.suppress(WebDriverException, TimeoutError):  # it is opened anew in the end
            self._page.open(PAGE)
        record.began = begin = time.time()
        self._live(begin + seconds / 2, kills=True)
        record.quiet = time.time()
        self._live(begin + seconds)
        self._calendars.open_all()
        record.opened = time.time()
        say("all is open: DAGs catch up")
        self._live(record.opened + 1200, until_rested=True)
        self._page.open(PAGE)
        record.ended = time.time()
        record.versions, record.looks = self._calendars.versions, self._calendars.looks
        record.runs = list(self._runs())
        kills = sum(event.what == "killed" for event in record.events)
        record.about = {
            "Airflow": version("apache-airflow") + " on PostgreSQL with two schedulers",
            "Python": platform.python_version(),
            "cores:": str(os.cpu_count()),
            "edits:": str(len(record.versions) - 2 * len(drawn.CALENDARS)),
            "kills:": str(kills),
        }
        return record

    def _live(self, until: float, *, kills: bool = False, until_rested: bool = False) -> None:
        """Go on until then; with *until_rested* without edits, and only until none is left over."""
        now = time.time()
        edit, note, kill = now, now, now + KILL / 2
        while (now := time.time()) < until or self._down:
            self._supervise(now)
            self._note_parses(now)
            if now >= note:
                note += NOTE * (1 + (now - note) // NOTE)
                self._note()
                if until_rested and self._has_rested():
                    return
            if now >= edit and not until_rested:
                edit = now + self._rng.uniform(0, 2 * EDIT)
                self._calendars.edit()
            if kills and now >= kill and now < until:
                kill = now + self._rng.uniform(KILL / 2, 3 * KILL / 2)
                if not self._victims:
                    names = [*self._stack.services, RADICALE]
                    self._victims = self._rng.sample(names, len(names))
                self._kill(self._victims.pop())
            time.sleep(1)

    def _kill(self, component: str) -> None:
        if component in self._down:
            return
        if component == RADICALE:
            self._calendars.kill_radicale()
        else:
            self._stack.services[component].kill()
        self._tell(component, "killed")
        self._down[component] = time.time() + self._rng.uniform(0, 20)

    def _supervise(self, now: float) -> None:
        for name, service in self._stack.services.items():
            if not service.running and name not in self._down:
                self._tell(name, "ended")
                self._down[name] = now
        for component in [name for name, at in self._down.items() if at <= now]:
            del self._down[component]
            if component == RADICALE:
                self._calendars.start_radicale()
            else:
                kind = "scheduler" if component.startswith("scheduler") else component
                self._stack.start(kind, name=component)
            self._tell(component, "started")

    def _tell(self, component: str, what: str) -> None:
        self.record.events.append(Event(time.time(), component, what))
        say(f"{component} {what}")

    def _note_parses(self, now: float) -> None:
        found = self._stack.rows(
            "SELECT dag_id, relative_fileloc, extract(epoch FROM last_parsed_time) AS at FROM dag"
            " WHERE last_parsed_time IS NOT NULL"
        )
        for row in found:
            at = float(row["at"])
            if self._parsed.get(row["dag_id"]) != at:
                self._parsed[row["dag_id"]] = at
                self.record.parses.append(Parse(at, row["dag_id"], row["relative_fileloc"]))

    def _note(self) -> None:
        at, driver = time.time(), self._page.driver.service.process
        families = {name: service.family() for name, service in self._stack.services.items()}
        # What it forks to parse files comes and goes.
        families["dag-processor"] = _alone(self._stack.services["dag-processor"])
        families["page"] = set(psutil.Process(driver.pid).children(recursive=True))
        for component, family in families.items():
            taken = [found for process in family if (found := _taken(process, at)) is not None]
            if taken:
                sums = (sum(column) for column in zip(*taken, strict=True))
                self.record.samples.append(Sample(at, component, *sums))
        cache = Path(self._stack.env["CALENDAR_TIMETABLE_CACHE"])
        size = sum(_size(path) for path in cache.rglob("*"))
        files = sum(1 for _ in cache.rglob("*"))
        self.record.samples.append(Sample(at, "cache folder", size / 1e6, files))

    def _has_rested(self) -> bool:
        """Whether each DAG has had a run that was due after all was opened."""
        latest = self._stack.rows(
            "SELECT dag_id, extract(epoch FROM max(data_interval_end)) AS due FROM dag_run"
            " GROUP BY dag_id"
        )
        done = sum(float(row["due"]) > self.record.opened for row in latest)
        open_runs = self._stack.rows("SELECT count(*) AS n FROM dag_run WHERE state <> 'success'")
        return done == len(self.record.dags) and open_runs[0]["n"] == 0

    def _runs(self) -> Iterator[Run]:
        columns = (
            "data_interval_end",
            "run_after",
            "created_at",
            "data_interval_start",
            "start_date",
        )
        epochs = ", ".join(f"extract(epoch FROM {name}) AS {name}" for name in columns)
        for row in self._stack.rows(
            f"SELECT dag_id, state, {epochs} FROM dag_run WHERE run_type = 'scheduled'"
        ):
            due, start, created, begins = (float(row[name]) for name in columns[:4])
            begun = None if row["start_date"] is None else float(row["start_date"])
            yield Run(row["dag_id"], due, start, created, begins, row["state"], begun)


def _taken(process: psutil.Process, at: float) -> tuple[float, float, float] | None:
    """Return the memory (MB), open files and threads of a process that is no mere parse or task."""
    with contextlib.suppress(psutil.Error), process.oneshot():
        if at - process.create_time() > 2 * NOTE:
            return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()
    return None


def _alone(service: Service) -> set[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        return {psutil.Process(service.pid)}
    return set()


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
