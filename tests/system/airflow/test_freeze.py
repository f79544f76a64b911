"""A freeze for sixty DAG files that know nothing of it, in a running Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import pytest

from demo.postgres import PostgresServer
from demo.redis_server import RedisServer
from tests.support.dav_servers import LOGIN, Server, radicale
from tests.support.ics import event, feed
from tests.support.origin import SECRET
from tests.support.stack import Stack

T = TypeVar("T")
PATIENCE = 1200  # seconds that sixty files and as many tasks may take on a busy machine
CONNECTION = "change_freeze"

HEAD = """\
import os
import time
from datetime import UTC, datetime, timedelta

import pendulum
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import (
    DAG,
    Asset,
    AssetOrTimeSchedule,
    CronDataIntervalTimetable,
    CronPartitionTimetable,
    CronTriggerTimetable,
    DeltaDataIntervalTimetable,
    MultipleCronTriggerTimetable,
    PartitionedAssetTimetable,
    dag,
    get_current_context,
    task,
    task_group,
)
from airflow.timetables.events import EventsTimetable
from calendar_timetable import CalendarTimetable, Weekly

start_date = datetime(2026, 1, 1, tzinfo=UTC)

def note(dag_id):
    run_id = get_current_context()["run_id"]
    with open(os.environ["STARTS"], "a") as starts:
        starts.write(f"{dag_id} {run_id} {time.time()}\\n")

"""
# What a DAG does, in ways in which people write it.
WORK = [
    """\
with DAG({dag_id!r}, schedule={schedule}, start_date=start_date, catchup=False, tags={tags}):
    PythonOperator(task_id="work", python_callable=note, op_args=[{dag_id!r}])
""",
    """\
@dag(dag_id={dag_id!r}, schedule={schedule}, start_date=start_date, catchup=False, tags={tags})
def flow():
    @task
    def work():
        note({dag_id!r})
    work()

flow()
""",
    """\
with DAG({dag_id!r}, schedule={schedule}, start_date=start_date, catchup=False, tags={tags}):
    @task
    def work(number):
        note({dag_id!r})
    work.expand(number=[1, 2])
""",
    """\
def before(context):
    assert context["ti"].task_id == "work"
    os.environ["PREPARED"] = "yes"

with DAG({dag_id!r}, schedule={schedule}, start_date=start_date, catchup=False, tags={tags},
         default_args={{"pre_execute": before}}):
    @task
    def work():
        assert os.environ["PREPARED"] == "yes"
        note({dag_id!r})
    work()
""",
    """\
with DAG({dag_id!r}, schedule={schedule}, start_date=start_date, catchup=False, tags={tags}):
    @task_group
    def group(number):
        @task
        def work():
            note({dag_id!r})
        work()
    group.expand(number=[1])
""",
]
# All have a due time behind them when they are unpaused, so that they wait for the end of a freeze
# that began before.
TIMED = [
    *("'@hourly'", "'@daily'", "'@weekly'", "'0 2 * * *'", "'*/30 * * * *'", "'5 4 1 * *'"),
    *("timedelta(minutes=20)", "timedelta(hours=3)", "timedelta(days=1)", "timedelta(weeks=1)"),
    "CronTriggerTimetable('0 * * * *', timezone='UTC')",
    "CronTriggerTimetable('30 1 * * *', timezone='Europe/Berlin')",
    "CronTriggerTimetable('0 3 * * *', timezone='UTC', interval=timedelta(days=1))",
    "CronTriggerTimetable('0 8 * * mon-fri', timezone='America/New_York')",
    "MultipleCronTriggerTimetable('0 1 * * *', '30 13 * * *', timezone='UTC')",
    "MultipleCronTriggerTimetable('0 * * * *', '20 * * * *', timezone='UTC')",
    "CronDataIntervalTimetable('0 * * * *', 'UTC')",
    "CronDataIntervalTimetable('@daily', 'Asia/Tokyo')",
    "DeltaDataIntervalTimetable(timedelta(hours=1))",
    "DeltaDataIntervalTimetable(timedelta(days=1))",
    "EventsTimetable([pendulum.datetime(2026, 1, 2), pendulum.datetime(2126, 1, 2)])",
    "EventsTimetable([pendulum.datetime(2026, 1, 2)])",
    "'@once'",
    "CalendarTimetable('0 * * * *', timezone='UTC')",
    "CalendarTimetable('0 * * * *', timezone='UTC', when_blocked='run')",
    "CalendarTimetable('0 2 * * *', windows=Weekly('daily 00:00-24:00'))",
    "CalendarTimetable('@daily', blackouts=Weekly('sun 02:00-02:01'), coalesce=False)",
    "CalendarTimetable('0 * * * *', stagger=timedelta(seconds=5))",
    "CalendarTimetable(CronDataIntervalTimetable('0 * * * *', 'UTC'))",
    (
        "AssetOrTimeSchedule(timetable=CronTriggerTimetable('0 * * * *', timezone='UTC'),"
        " assets=[Asset('never')])"
    ),
    (
        "AssetOrTimeSchedule(timetable=CronDataIntervalTimetable('0 0 * * *', 'UTC'),"
        " assets=[Asset('never')])"
    ),
]
BY_ASSETS = [
    "[Asset('data')]",
    "Asset('data')",
    "[Asset('data'), Asset('more')]",
    "Asset('data') | Asset('never')",
    (
        "AssetOrTimeSchedule(timetable=EventsTimetable([pendulum.datetime(2126, 1, 2)]),"
        " assets=[Asset('data')])"
    ),
    "PartitionedAssetTimetable(assets=Asset('parts'))",
]
YAML = """\
from_yaml:
  default_args:
    owner: ops
    start_date: 2026-01-01
  schedule: "0 * * * *"
  catchup: false
  tasks:
    work:
      operator: airflow.providers.standard.operators.python.PythonOperator
      python_callable: plain.note
      op_args: ["from_yaml"]
"""
# dag-factory is no part of the environment: each Airflow would import it as a plugin.
DAG_FACTORY = "dag-factory==1.1.0"
LOADER = """\
import os
import sys
from pathlib import Path

sys.path.append(os.environ["DAG_FACTORY"])
from airflow.sdk import DAG
from dagfactory import load_yaml_dags

load_yaml_dags(globals_dict=globals(), config_filepath=str(Path(__file__).with_name("f.yml")))
"""


class Deployment:
    """A running Airflow with sixty DAG files, and the calendar of its freezes."""

    def __init__(self, stack: Stack, calendar: Server) -> None:
        self.stack, self.calendar = stack, calendar
        self.starts_file = Path(stack.env["STARTS"])
        self.timed = [self.write("timed", schedule, n) for n, schedule in enumerate(TIMED)]
        self.hourly = [
            self.write("hourly", f"'{minute} * * * *'", minute) for minute in range(0, 60, 4)
        ]
        self.timed += self.hourly
        self.by_assets = [self.write("asset", given, n) for n, given in enumerate(BY_ASSETS)]
        self.by_hand = [self.write("hand", "None", n) for n in range(4)]
        self.exempt = [self.write("exempt", "'@hourly'", n, ["no-freeze"]) for n in range(3)]
        self.timed.append("from_yaml")
        (stack.dags / "f.yml").write_text(YAML)
        (stack.dags / "plain.py").write_text(HEAD)
        stack.write_dag("from_yaml", LOADER)
        self.dag_ids = [*self.timed, *self.by_assets, *self.by_hand, *self.exempt]

    def write(self, kind: str, schedule: str, number: int, tags: Iterable[str] = ()) -> str:
        dag_id = f"{kind}_{number}"
        work = WORK[number % len(WORK)].format(dag_id=dag_id, schedule=schedule, tags=list(tags))
        self.stack.write_dag(dag_id, HEAD + work)
        return dag_id

    def freeze(self, end: datetime) -> None:
        """Enter the freeze, as a client does, or change when it ends."""
        begin = datetime.now(UTC) - timedelta(minutes=30)
        lines = (f"DTSTART:{begin:%Y%m%dT%H%M%SZ}", f"DTEND:{end:%Y%m%dT%H%M%SZ}")
        body = feed(event("UID:freeze", "SUMMARY:Freeze", *lines)).decode()
        self.calendar.send("PUT", "freezes/freeze.ics", body)

    def stored(self) -> dict[str, str]:
        """Return the serialized form of each DAG, as the database has it."""
        rows = self.stack.rows("SELECT dag_id, data FROM serialized_dag ORDER BY created_at")
        return {
            row["dag_id"]: data if isinstance(data := row["data"], str) else json.dumps(data)
            for row in rows
        }

    def begun(self, besides: int = 0) -> dict[str, float]:
        """Return when work first began, by DAG, in epoch seconds; *besides* the first so many."""
        first: dict[str, float] = {}
        for line in self.starts_file.read_text().splitlines()[besides:]:
            dag_id, _, moment = line.split()
            first.setdefault(dag_id, float(moment))
        return first

    def runs_begun(self) -> set[tuple[str, str]]:
        """Return the DAG and the id of each run whose work began."""
        lines = self.starts_file.read_text().splitlines()
        return {(dag_id, run_id) for dag_id, run_id, _ in map(str.split, lines)}

    def held_tasks(self) -> set[str]:
        rows = self.stack.rows(
            "SELECT DISTINCT dag_id FROM task_instance WHERE state = 'up_for_reschedule'"
        )
        return {row["dag_id"] for row in rows}

    def is_held(self, dag_id: str, end: datetime) -> bool:
        next_run = self.stack.next_run(dag_id)
        starts = None if next_run is None else next_run[1]
        return starts is not None and end <= starts <= end + timedelta(seconds=5)

    def wait(self, what: str, check: Callable[[], T | None]) -> T:
        def look() -> T | None:
            self.revive()
            return check()

        return self.stack.wait(what, look, seconds=PATIENCE)

    def revive(self) -> None:
        """Start schedulers that have ended again, as whoever supervises them does.

        Airflow's scheduler ends where `airflow dags test` takes a run away that it is looking at.
        """
        for name, service in list(self.stack.services.items()):
            if name.startswith("scheduler") and not service.running:
                self.stack.start("scheduler", name=name)


def settings(folder: Path, calendar: Server) -> dict[str, str]:
    connection = {
        "conn_type": "caldav",
        "host": f"{calendar.address.rstrip('/')}{calendar.home}freezes/",
        "login": LOGIN,
        "password": SECRET,
    }
    (folder / "starts").touch()
    factory = folder / "dag_factory"
    uv = Path(sys.executable).with_name("uv")
    command = (uv, "pip", "install", "--quiet", "--no-deps", "--target", factory, DAG_FACTORY)
    subprocess.run(command, check=True)
    return {
        "STARTS": str(folder / "starts"),
        "DAG_FACTORY": str(factory),
        f"AIRFLOW_CONN_{CONNECTION.upper()}": json.dumps(connection),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__SCHEDULER__PARSING_CLEANUP_INTERVAL": "3600",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "20",
    }


RULES = f"""\
from datetime import timedelta
from calendar_timetable import Calendar, DeploymentRule

CALENDAR_TIMETABLE_RULES = [
    DeploymentRule(
        blackouts=Calendar({CONNECTION!r}, refresh=timedelta(minutes=1)),
        exempt_tags=["no-freeze"],
    )
]
"""


@pytest.fixture(
    params=[
        "options, SQLite",
        pytest.param("rules, Celery", marks=pytest.mark.postgres),
    ]
)
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """Run an Airflow: on SQLite; or two schedulers and Celery on PostgreSQL and Redis."""
    with ExitStack() as kept:
        calendar = radicale(tmp_path / "radicale", SECRET)
        calendar.start()
        kept.callback(calendar.stop)
        calendar.make_calendar("freezes/", "Freezes")
        given = settings(tmp_path, calendar)
        home = tmp_path / "airflow"
        if request.param == "options, SQLite":
            given["AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS"] = CONNECTION
            given["AIRFLOW__CALENDAR_TIMETABLE__EXEMPT_TAGS"] = "no-freeze"
            stack = Stack(home, settings=given)
        else:
            database = kept.enter_context(PostgresServer()).create_database("airflow")
            broker = kept.enter_context(RedisServer()).address
            stack = Stack(home, database=database, schedulers=2, broker=broker, settings=given)
            (home / "config").mkdir()
            (home / "config" / "airflow_local_settings.py").write_text(RULES)
        kept.callback(stack.stop)
        stack.migrate()
        deployment = Deployment(stack, calendar)
        stack.start_all()
        yield deployment


@pytest.mark.long
def test_a_freeze_holds_sixty_files_and_leaves_no_trace(deployment: Deployment) -> None:
    """Entered, then ended early, then taken out of the calendar again."""
    stack, dag_ids = deployment.stack, deployment.dag_ids
    assert len(dag_ids) == 60
    deployment.wait("all files to be parsed", lambda: deployment.stored().keys() >= {*dag_ids})
    assert stack.rows("SELECT filename FROM import_error") == []
    before = deployment.stored()

    end = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    deployment.freeze(end)
    sync(stack)
    frozen = {*deployment.timed}

    def changed() -> set[str]:
        return {dag_id for dag_id, data in deployment.stored().items() if data != before[dag_id]}

    deployment.wait("schedules to know of it", lambda: changed() >= {*deployment.hourly})
    assert changed() <= frozen, "of the others nothing is planned"

    stack.patch("/api/v2/dags?dag_id_pattern=%25", is_paused=False)
    for name in ("data", "more"):
        [asset] = stack.get("/api/v2/assets", name_pattern=name)["assets"]
        stack.post("/api/v2/assets/events", asset_id=asset["id"])
    for dag_id in deployment.by_hand:
        stack.post(f"/api/v2/dags/{dag_id}/dagRuns", logical_date=None)
    free = {*deployment.by_hand, *deployment.exempt}
    by_assets = {*deployment.by_assets[:-1]}
    deployment.wait("what passes to have begun", lambda: deployment.begun().keys() >= free)
    deployment.wait("tasks to be held", lambda: deployment.held_tasks() >= by_assets)

    def waiting() -> set[str]:
        # Of what was due more than six hours ago a run is made, whose task waits.
        held = deployment.held_tasks()
        return {dag_id for dag_id in frozen if dag_id in held or deployment.is_held(dag_id, end)}

    deployment.wait("starts to be put off", lambda: waiting() == frozen)
    assert deployment.begun().keys() == free
    crawl(deployment)
    passed = len(deployment.starts_file.read_text().splitlines())

    end = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=20)
    deployment.freeze(end)
    sync(stack)
    # `airflow dags test` and `tasks test` take away a run that is there without a logical date.
    held = (frozen | by_assets) - {deployment.by_assets[1]}
    deployment.wait("all to be made up for", lambda: deployment.begun(passed).keys() >= held)
    begun = deployment.begun(passed)
    early = {dag_id: begun[dag_id] for dag_id in held if begun[dag_id] < end.timestamp()}
    assert early == {}

    deployment.calendar.send("DELETE", "freezes/freeze.ics")
    sync(stack)
    deployment.wait("the DAGs to be as before", lambda: not changed())


# What is asked of a route that makes runs or lets tasks run again, by the end of its path.
BODIES: dict[str, dict[str, object]] = {
    "POST dags/{dag_id}/dagRuns": {"logical_date": None},
    "PATCH dags/{dag_id}/dagRuns/{dag_run_id}": {"state": "queued"},
    "POST dags/{dag_id}/dagRuns/{dag_run_id}/clear": {"dry_run": False},
    "POST dags/{dag_id}/clearTaskInstances": {"dry_run": False, "only_failed": False},
    "PATCH dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}": {"new_state": "skipped"},
    "POST assets/events": {},  # the asset's number is put in where it is asked
    "PATCH dags/{dag_id}": {"is_paused": False},
}
# They take something away, which starts nothing, and would end the story.
LEFT_OUT = ("DELETE", "PATCH connections", "PATCH pools", "PATCH variables", "POST connections")


def crawl(deployment: Deployment) -> None:
    """Ask every route of Airflow's and ours that changes something, and commands that start work.

    Of two DAGs that are held, one by its schedule and one at its tasks. What begins has a record.
    """
    stack = deployment.stack
    timed, by_assets = deployment.timed[0], deployment.by_assets[1]
    run_id = stack.runs(by_assets)[0].run_id
    values = defaultdict(lambda: "1", dag_id=by_assets, dag_run_id=run_id, task_id="work")
    [asset] = stack.get("/api/v2/assets", name_pattern="data")["assets"]
    bodies = {**BODIES, "POST assets/events": {"asset_id": asset["id"]}}
    refused: dict[str, str] = {}
    asked: set[str] = set()
    with stack.session() as session:
        for prefix in ("/api/v2/", "/calendar-timetable/api/"):
            source = "/openapi.json" if prefix == "/api/v2/" else f"{prefix}openapi.json"
            paths = session.get(stack.address + source, timeout=90).json()["paths"]
            for path, methods in sorted(paths.items()):
                for method in sorted(methods.keys() & {"post", "put", "patch", "delete"}):
                    route = f"{method.upper()} {path.removeprefix(prefix)}"
                    if route.startswith(LEFT_OUT):
                        continue
                    address = stack.address + path.format_map(values)
                    body = bodies.get(route, {})
                    answer = session.request(method, address, json=body, timeout=90)
                    asked.add(route)
                    if route in bodies and not answer.ok:
                        refused[route] = f"{answer.status_code} {answer.text}"
    assert refused == {}
    assert bodies.keys() <= asked
    for command in (
        ("dags", "trigger", timed),
        ("dags", "test", by_assets),
        ("tasks", "test", by_assets, "work"),
        ("dags", "reserialize"),
    ):
        stack.airflow(*command, seconds=PATIENCE)

    free = {*deployment.by_hand, *deployment.exempt}
    told = stack.get("/calendar-timetable/api/overrides")["overrides"]
    recorded = {(one["dag_id"], one["run_id"]) for one in told}
    begun = {run for run in deployment.runs_begun() if run[0] not in free}
    assert begun, "somebody passed"
    unrecorded = begun - recorded
    # Of the commands one leaves no run, but a line in Airflow's audit log.
    assert {dag_id for dag_id, _ in unrecorded} <= {by_assets}
    assert len(unrecorded) == len([one for one in told if one["how"] == "command"])


def sync(stack: Stack) -> None:
    """Ask for the calendar at once, as people do who do not wait for its ``refresh``."""
    done = stack.run_program("calendar_timetable.cli", "sync", "--force", CONNECTION)
    assert done.returncode == 0, done.stdout + done.stderr
