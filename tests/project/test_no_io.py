"""Scheduler and API server decide without files, sockets, databases or other programs.

A fresh process makes its timetables with everything blocked by an audit hook, the only guard that C
code cannot get around. First comes one of another kind, so that what is imported late and cached
(zone data, Airflow's own classes) is there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import time_machine

import calendar_timetable
from tests.support.schedules import SCHEDULES

GUARD = """
import json, sys
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pendulum
from airflow.models.dag import DagModel
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.utils.types import DagRunType

from calendar_timetable import Calendar, CalendarTimetable, Holidays, Weekly

BLOCKED = ("open", "socket.", "sqlite3.", "subprocess.", "os.", "shutil.", "tempfile.", "urllib.", "ftplib.", "glob.")
armed = False
seen = []

# Airflow's own cron timetables read these for each instance; no timetable of Airflow's does without.
ALLOWED = ("/zoneinfo/", "/tzdata/", "/cron_descriptor/locale/")

def harmless(event, args):
    return event == "open" and args[1] in ("r", "rb") and any(part in str(args[0]) for part in ALLOWED)

def guard(event, args):
    if armed and event.startswith(BLOCKED) and not harmless(event, args):
        seen.append(event)
        raise RuntimeError(f"I/O: {event} {args!r:.200}")

def arm(on):
    global armed
    armed = on

sys.addaudithook(guard)
MARCH = pendulum.datetime(2026, 11, 11)

def exercise(make):
    timetable = make()
    timetable.validate()
    steps = []
    for catchup in (True, False):
        last = None
        for _ in range(5):
            info = timetable.next_dagrun_info(
                last_automated_data_interval=last, restriction=TimeRestriction(MARCH, None, catchup)
            )
            if info is None:
                break
            last = info.data_interval
            model = SimpleNamespace(
                next_dagrun=info.logical_date, next_dagrun_create_after=info.run_after,
                next_dagrun_data_interval=last, next_dagrun_data_interval_start=last.start,
                next_dagrun_data_interval_end=last.end, next_dagrun_partition_date=None, next_dagrun_partition_key=None,
            )
            assert timetable.next_run_info_from_dag_model(dag_model=model) is not None
            for run_type in (DagRunType.SCHEDULED, DagRunType.MANUAL):
                steps.append(timetable.generate_run_id(run_type=run_type, run_after=info.run_after, data_interval=last))
    timetable.infer_manual_data_interval(run_after=MARCH)
    return steps
"""

CARRIED = (
    GUARD
    + """
payloads = json.load(sys.stdin)
names = list(payloads)
# Warm: zones and Airflow's modules; by other objects than those under test.
for name in names:
    exercise(lambda: CalendarTimetable.deserialize(json.loads(json.dumps(payloads[name]))))
arm(True)
answer = {}
for name in names:
    def make():
        made = CalendarTimetable.deserialize(payloads[name])
        made.validate(); made.serialize(); made.summary; made.description
        return made
    answer[name] = exercise(make)
arm(False)
print(json.dumps({"seen": seen, "steps": answer}))
"""
)

ARGUMENTS = (
    GUARD
    + """
made = lambda: [
    CalendarTimetable(
        "0 2 * * SAT", timezone="Europe/Berlin", windows=Weekly("mon-fri 19:00-07:00"),
        blackouts=[Calendar("team_calendar"), "https://example.invalid/a.ics", "/nowhere/b.ics", Holidays("DE")],
        duration=timedelta(hours=4), stagger=timedelta(minutes=30),
    ),
    CalendarTimetable(Calendar("https://example.invalid/c.ics"), offset=timedelta(minutes=5)),
    CalendarTimetable(timedelta(hours=1), windows="file:///nowhere/d.ics"),
]
for timetable in made():
    timetable.validate()
arm(True)
for timetable in made():
    timetable.validate()
    timetable.infer_manual_data_interval(run_after=MARCH)
    assert "None" not in repr(timetable.periodic)
arm(False)
print(json.dumps({"seen": seen}))
"""
)

PROBES = (
    GUARD
    + """
import socket, sqlalchemy, sqlite3, subprocess
from airflow import settings

settings.configure_orm()
probes = {
    "open": lambda: open("/dev/null"),
    "a zone's file, to write": lambda: open("/nowhere/zoneinfo/UTC", "w"),
    "listing": lambda: __import__("os").listdir("/"),
    "socket": lambda: socket.create_connection(("127.0.0.1", 9)),
    "name": lambda: socket.getaddrinfo("example.invalid", 80),
    "sqlite": lambda: sqlite3.connect(":memory:"),
    "program": lambda: subprocess.run(["true"]),
    "Airflow's database": lambda: settings.engine.connect(),
}
passed = []
arm(True)
for name, probe in probes.items():
    try:
        probe()
        passed.append(name)
    except RuntimeError:
        pass
arm(False)
print(json.dumps({"passed": passed, "seen": len(seen)}))
"""
)


def run(code: str, given: str = "") -> subprocess.CompletedProcess[str]:
    paths = [str(Path(calendar_timetable.__file__).parents[1]), str(Path(__file__).parents[2])]
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_came_out_of_the_database_decides_without_io() -> None:
    payloads = {}
    for name, schedule in SCHEDULES.items():
        with time_machine.travel(schedule.now, tick=False):
            payloads[name] = schedule.make().serialize()
    done = run(CARRIED, json.dumps(payloads))

    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["seen"] == []
    assert answer["steps"].keys() == SCHEDULES.keys()
    assert [name for name, steps in answer["steps"].items() if not steps] == ["held"]


def test_arguments_are_taken_and_checked_without_io() -> None:
    """Workers parse the file too, and validate() runs in places where no calendar may be read."""
    done = run(ARGUMENTS)

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"seen": []}


def test_the_guard_guards() -> None:
    done = run(PROBES)

    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["passed"] == []
    assert answer["seen"] >= 8
