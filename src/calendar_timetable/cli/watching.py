"""Passes of a command, each in a process of its own, until stopped; and what moved between them."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from rich.console import Console

from calendar_timetable import clock
from calendar_timetable.cli import values
from calendar_timetable.cli.output import say

if TYPE_CHECKING:
    from calendar_timetable.runtime.calendar_edits import Watch, WatchedDag

# In the environment of each pass: that a watch runs it.
_WATCHED = "CALENDAR_TIMETABLE_WATCHED"


def add_every(command: argparse.ArgumentParser, what: str) -> None:
    """Add the option that says how often *what* is done."""
    command.add_argument(
        "--every",
        type=values.length,
        default=timedelta(minutes=1),
        metavar="LENGTH",
        help=f"with --watch, how often to {what} (default: 1m)",
    )


def watch(arguments: Sequence[str], every: timedelta) -> int:
    """Run our command line with *arguments*, one pass after the other, until stopped.

    So each sees DAG files, calendars and the configuration as they are, and keeps nothing. Returns
    the exit code.
    """
    command = [sys.executable, "-m", "calendar_timetable.cli", *arguments]
    environment = {**os.environ, _WATCHED: "1"}
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    child = None
    try:
        while True:
            start = time.monotonic()
            child = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603  (ourselves)
            if child.wait() == 2:  # wrong usage stays wrong
                return 2
            time.sleep(max(1.0, every.total_seconds() - (time.monotonic() - start)))
    except _Stopped:
        if child is not None and child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGTERM)  # with its own children
            child.wait()
        return 0


def is_watched() -> bool:
    """Tell whether this process is a pass of :func:`watch`."""
    return _WATCHED in os.environ


def tell_what_moved(
    watch: Watch,
    watched: Callable[[], Iterable[WatchedDag]],
    options: argparse.Namespace,
    out: Console,
) -> None:
    """Tell which runs of the *watched* DAGs calendars moved since the last pass of this *watch*.

    What goes wrong is told as well, and ends nothing.
    """
    from calendar_timetable.runtime import calendar_edits

    now = clock.now()
    try:
        moved = calendar_edits.moved_since_last_look(watch, list(watched()), now)
        if moved is not None:
            calendar_edits.tell(moved, partial(say, options, out))
    except Exception as error:  # noqa: BLE001
        print(f"calendar-timetable: cannot tell what moved: {error}", file=sys.stderr)


class _Stopped(BaseException):
    """A signal says to stop."""


def _stop(signum: int, frame: object) -> NoReturn:
    """Raise :class:`_Stopped`, and ignore signals to stop from here on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped
