"""``make demo``: shows a held run, ends all that it started, and works again.

On three hosts too.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import psutil
import pytest
import requests

from demo import guard
from demo.hosts import Network
from demo.services import wait_until
from tests.support.processes import left_running

ROOT = Path(__file__).parents[3]
NO_PROXIES = {"http": "", "https": ""}


def test_demo(tmp_path: Path) -> None:
    if guard.POSSIBLE:
        with demo(tmp_path) as killed:
            wait_for(killed, "Starting Airflow")
            children = psutil.Process(killed.pid).children(recursive=True)
            killed.kill()
        assert len(children) > 3
        wait_until(
            "nothing to be left",
            lambda: not any(each.is_running() for each in children) and not left_running(tmp_path),
        )

    with demo(tmp_path) as interrupted:
        # The calendar server runs, and Airflow is being started
        wait_for(interrupted, "Making Airflow's database")
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(30) == 0
    assert left_running(tmp_path) == []

    with demo(tmp_path, "--exit-after-first-run") as shown:
        said, _ = shown.communicate(timeout=400)
    assert shown.returncode == 0, said
    assert "due now, and held" in said
    assert "finished: success" in said
    assert left_running(tmp_path) == []


@pytest.mark.postgres
@pytest.mark.long
def test_demo_on_three_hosts(tmp_path: Path, network: Network) -> None:
    with demo(tmp_path, "--cluster") as shown:
        assert shown.stdout is not None
        said = [*takewhile(lambda line: "Look around" not in line, shown.stdout)]
        assert any(line.endswith("finished: success\n") for line in said), "".join(said)
        hosts = [line.split()[2] for line in said if line.startswith("Host ")]
        answers = [requests.get(address, timeout=30, proxies=NO_PROXIES) for address in hosts]
        assert [answer.status_code for answer in answers] == [200, 200]
        shown.send_signal(signal.SIGINT)
        assert shown.wait(90) == 0
    assert left_running(tmp_path) == []


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    """Wait until the demo prints a line that begins so."""
    assert process.stdout is not None
    assert any(each.startswith(line) for each in process.stdout), f"it never printed {line!r}"


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "demo.run", "--folder", str(folder), *options]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
