"""What is running on this machine."""

from __future__ import annotations

import contextlib
from pathlib import Path

import psutil


def left_running(folder: Path) -> list[str]:
    """Return the processes that were started with *folder* in their command or environment."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(f"{process.pid} {process.name()}")
    return found
