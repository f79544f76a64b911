"""End what a process started, once it is gone: also where it was killed, and ended nothing.

Whatever it starts, and what that starts, has its mark in the environment. A program that gets an
environment of its own needs :func:`inherited` in it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

MARK = "STARTED_BY"
# Airflow's components write what they do over their command; with this, not over the mark too.
_KEPT = {"SPT_NOENV": "1"}
POSSIBLE = sys.platform == "linux"  # elsewhere the environment of others is not shown


def begin(folder: str = "") -> Callable[[], None]:
    """Mark this process, and start its guard, which also removes *folder* when the process ends.

    Return what has the guard do its work before that.
    """
    if not POSSIBLE:
        return partial(shutil.rmtree, folder, ignore_errors=True) if folder else lambda: None
    os.environ |= {MARK: secrets.token_hex(8), **_KEPT}
    # Its input ends with this process, however that ends: programs do not get the other end.
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, os.environ[MARK], folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # which Ctrl-C does not reach
    )
    its_input = guard.stdin
    assert its_input is not None
    os.register_at_fork(after_in_child=its_input.close)

    def end() -> None:
        its_input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            guard.wait(60)

    return end


def inherited() -> dict[str, str]:
    """Return what the environment of a program needs, so that the guard finds it."""
    return {MARK: os.environ[MARK], **_KEPT} if MARK in os.environ else {}


def marked(mark: str) -> list[int]:
    """Return the processes with this mark, but for this one."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal() and int(process.name) != os.getpid():
            with contextlib.suppress(OSError):  # it has ended, or is somebody else's
                if f"{MARK}={mark}".encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
    return found


def end_all(mark: str, seconds: float = 30) -> None:
    """Kill them, and those that they start meanwhile."""
    until = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    _, mark, folder = sys.argv
    sys.stdin.buffer.read()
    end_all(mark)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
