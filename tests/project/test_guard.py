"""Nothing is left of a demo or a test run that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from demo import guard
from demo.services import wait_until

ROOT = Path(__file__).parents[2]
# A program that has left its session and its parent, as Chromium's and PostgreSQL's do.
MAKER = """
import signal, subprocess, sys
from pathlib import Path
from demo import guard
from demo.services import Service

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job has it ignored

guard.begin(sys.argv[1])
sleeps = "import os, time; os.fork() or (os.setsid(), os.fork() or time.sleep(600))"
subprocess.run([sys.executable, "-c", sleeps])
log = Path(sys.argv[1], "log")
# As Airflow's components do, it writes what it is over its command.
titled = "import time, setproctitle; setproctitle.setproctitle('a server'); time.sleep(600)"
server = Service("a server", (sys.executable, "-c", titled), env={}, log=log)
print(guard.os.environ[guard.MARK], server.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not guard.POSSIBLE, reason="asks /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None])
def test_nothing_is_left_of_a_process_however_it_ends(number: int | None) -> None:
    folder = tempfile.mkdtemp()
    with subprocess.Popen(
        [sys.executable, "-c", MAKER, folder],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as maker:
        assert maker.stdin is not None and maker.stdout is not None
        mark, pid = maker.stdout.readline().split()
        server = psutil.Process(int(pid))
        wait_until("the server to run", lambda: server.cmdline()[:1] == ["a server"])
        wait_until("the guard, and what it guards", lambda: len(guard.marked(mark)) == 3)
        if number is None:
            maker.stdin.close()
        else:
            maker.send_signal(number)
        maker.wait()
    wait_until("nothing to be left", lambda: not guard.marked(mark), seconds=60)
    wait_until("the server to be gone", lambda: not server.is_running(), seconds=60)
    wait_until("its folder to be gone", lambda: not Path(folder).exists(), seconds=60)
