"""Children that speak to Google and Microsoft, forked from a process that has made their imports.

Loading a provider takes a core two seconds, and each child would do it anew.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

MODULES = (
    "calendar_timetable.calendars.sources.google",
    "calendar_timetable.calendars.sources.microsoft",
)

_forked = multiprocessing.get_context("forkserver")
_forked.set_forkserver_preload(["tests.support.loaded_providers"])


def fork_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these children be forked; all others are begun as ever."""
    begin = subprocess.run

    def run(command: Sequence[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
        if command[-1] not in MODULES:
            return begin(command, **how)
        with tempfile.TemporaryDirectory() as folder:
            asked, answered = Path(folder, "asked"), Path(folder, "answered")
            asked.write_bytes(how["input"])
            process = _forked.Process(
                target=_be, args=(command[-1], str(asked), str(answered), dict(how["env"]))
            )
            process.start()
            process.join(how["timeout"])
            if process.exitcode is None:
                process.kill()
                process.join()
                raise subprocess.TimeoutExpired(command, how["timeout"])
            return subprocess.CompletedProcess(command, process.exitcode, answered.read_bytes())

    monkeypatch.setattr(subprocess, "run", run)


def _be(module: str, asked: str, answered: str, environment: Mapping[str, str]) -> None:
    """Be that child, which finds its request on its stdin."""
    import httplib2

    os.environ.clear()
    # It ends with its parent, which is the process that forks.
    os.environ.update(environment, CALENDAR_TIMETABLE_PARENT=str(os.getppid()))
    if "HTTPLIB2_CA_CERTS" in environment:  # which httplib2 reads at its import
        httplib2.CA_CERTS = environment["HTTPLIB2_CA_CERTS"]
    os.dup2(os.open(asked, os.O_RDONLY), 0)
    os.dup2(os.open(answered, os.O_WRONLY | os.O_CREAT, 0o600), 1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  (for as long as the process lives)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
