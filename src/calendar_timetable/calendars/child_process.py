"""Run one of our modules in a child process, which can be killed when a feed keeps it busy."""

from __future__ import annotations

import json
import math
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from calendar_timetable.calendars import limits

Message = dict[str, Any]
# In a child's environment: the id of the process that waits for its answer.
_PARENT = "CALENDAR_TIMETABLE_PARENT"
# The same: for how many seconds that process waits.
_PATIENCE = "CALENDAR_TIMETABLE_PATIENCE"
_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)


class ChildFailed(Exception):
    """The child gave no answer; the text says why and holds nothing of what the child was given."""


def run_child(module: str, request: Message, body: bytes, seconds: float) -> tuple[Message, bytes]:
    """Run *module* with *request* and *body* on its stdin, and return its answer.

    The child is killed after *seconds*. It inherits nothing of Airflow's configuration, and nothing
    is put on its command line, which others may read. Raises :class:`ChildFailed`.
    """
    package = str(Path(__file__).parents[2])
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    environment |= {_PARENT: str(os.getpid()), _PATIENCE: str(seconds)}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, (package, os.environ.get("PYTHONPATH")))
    )
    command = [sys.executable, "-P", "-W", "ignore", "-m", module]
    try:
        process = subprocess.run(  # noqa: S603  (our own module)
            command,
            input=json.dumps(request).encode() + b"\n" + body,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ChildFailed(f"not done within {seconds:g} s") from None
    except OSError as error:
        raise ChildFailed(f"cannot start a process ({type(error).__name__})") from None
    head, newline, content = process.stdout.partition(b"\n")
    if process.returncode or not newline:
        reason = (
            "it was stopped for its use of time or memory"
            if process.returncode < 0
            else "it broke down"
        )
        raise ChildFailed(reason)
    answer: Message = json.loads(head)
    return answer, content


def serve_child(
    handle: Callable[[Message, bytes], tuple[Message, bytes]], memory: int, seconds: float
) -> None:
    """Answer the one request on stdin: the child's side of :func:`run_child`.

    The child may use *memory* bytes (not bounded on macOS) and *seconds* of processor time. It also
    ends by itself where nobody is left to end it: with its parent, which Airflow may kill, and when
    its time is over.
    """
    _end_with_parent()
    patience = float(os.environ.get(_PATIENCE, seconds + limits.START_SECONDS))
    # A second later than the parent gives up, which knows better what to say.
    signal.alarm(math.ceil(patience) + 1)
    bounds = {resource.RLIMIT_CPU: int(seconds)}
    if sys.platform != "darwin":  # whose kernel refuses to bound memory (CPython's issue 78783)
        bounds[resource.RLIMIT_AS] = memory
    for limit, value in bounds.items():
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(
            limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard)
        )
    head, body = sys.stdin.buffer.readline(), sys.stdin.buffer.read()
    with os.fdopen(os.dup(1), "wb") as out:
        # What a library prints must not become part of the answer.
        os.dup2(2, 1)
        message, content = handle(json.loads(head), body)
        out.write(json.dumps(message, separators=(",", ":")).encode() + b"\n" + content)


def _end_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have gone before prctl() was called.
    if os.environ.get(_PARENT, str(os.getppid())) != str(os.getppid()):
        os._exit(1)
