"""Airflow's programs as they are started here: forked from a process that has imported Airflow."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from demo import preloaded
from demo.local_airflow import LocalAirflow
from demo.services import wait_until
from tests.support.processes import left_running

ROOT = Path(__file__).parents[3]
PRINTS = """
import os, sys
from airflow.configuration import conf
print(sys.argv[1:], os.environ["TOLD"], os.getcwd(), conf.get("core", "parallelism"))
print(conf.get("core", "fernet_key"))
print("wrong", file=sys.stderr)
sys.exit(3)
"""
# Starts what does not end by itself, which starts something in its turn
MAKER = """
import sys, time
from pathlib import Path
from demo.preloaded import Preloaded
from demo.local_airflow import LocalAirflow
from demo.services import Service
home = Path(sys.argv[1])
airflow = LocalAirflow(home, dags=home)
made = Preloaded(airflow.env, home / "preloaded.log")
program = (str(home / "sleeps.py"),)
Service("sleeper", program, env=airflow.env, log=home / "sleeper.log", forked_by=made)
time.sleep(600)
"""
SLEEPS = """
import subprocess, sys
print("begun", flush=True)
subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])
"""

pytestmark = pytest.mark.skipif(not preloaded.POSSIBLE, reason="Linux")


def test_a_program_is_as_if_it_had_been_started_by_itself(tmp_path: Path) -> None:
    airflow = LocalAirflow(tmp_path / "airflow", dags=tmp_path)
    program = tmp_path / "prints.py"
    program.write_text(PRINTS)
    keys = set()
    try:
        for number in ("5", "6"):  # also what Airflow was told when it was imported
            told = {"TOLD": number, "AIRFLOW__CORE__PARALLELISM": number}
            done = airflow.run_program(str(program), "a", "b c", **told)
            said, key = done.stdout.splitlines()
            assert said == f"['a', 'b c'] {number} {airflow.home} {number}"
            keys.add(key)
            assert (done.returncode, done.stderr.splitlines()[-1]) == (3, "wrong")
        (key,) = keys  # which they encrypt with, and others that start by themselves
        assert f"fernet_key = {key}\n" in (airflow.home / "airflow.cfg").read_text()
        version = airflow.airflow("version")
        assert version.returncode == 0
        assert version.stdout.startswith("3.")
        program.write_text("import time; time.sleep(600)")
        with pytest.raises(subprocess.TimeoutExpired):
            airflow.run_program(str(program), seconds=0.1)
    finally:
        airflow.stop()
    assert left_running(tmp_path) == []


def test_nothing_is_left_of_a_maker_that_is_killed(tmp_path: Path) -> None:
    """As pytest-xdist's workers are killed, or a test's own process."""
    (tmp_path / "sleeps.py").write_text(SLEEPS)
    with subprocess.Popen([sys.executable, "-c", MAKER, tmp_path], cwd=ROOT) as maker:
        try:
            log = tmp_path / "sleeper.log"
            wait_until("a program", lambda: log.exists() and "begun" in log.read_text())
            wait_until("what it starts", lambda: len(left_running(tmp_path)) == 4)
        finally:
            maker.send_signal(signal.SIGKILL)
    wait_until("nothing to be left", lambda: not left_running(tmp_path), seconds=60)
