"""Start programs as children, wait until they answer, and end each by the pid that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from demo.guard import inherited
from demo.preloaded import Forked, Preloaded

T = TypeVar("T")
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def free_port() -> int:
    """Return a port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(
    what: str, check: Callable[[], T | None], *, seconds: float = 300, every: float = 0.25
) -> T:
    """Poll ``check`` until it returns something true, and return that.

    Raises TimeoutError past the deadline.
    """
    deadline = time.monotonic() + seconds
    while True:
        if result := check():
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(every)


def stop_all(services: Iterable[Service], *, seconds: float = 10) -> None:
    """Ask all to end, then kill those that have not in time.

    Whatever any of them left behind is killed too.
    """
    services = list(services)
    families = [service.family() for service in services]
    for service in services:
        service.ask_to_end()
    with contextlib.suppress(TimeoutError):
        wait_until(
            "services to end",
            lambda: not any(service.running for service in services),
            seconds=seconds,
        )
    for service, family in zip(services, families, strict=True):
        service.kill(family)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl-C off while a child is started and noted down.

    No child may live that nobody knows of.
    """
    put_off: list[tuple[int, object]] = []
    before = {
        number: signal.signal(number, lambda *call: put_off.append(call)) for number in ENDING
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for call in put_off[:1]:
        signal.raise_signal(call[0])


class Service:
    """One program in a session of its own, its output in a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        user: str | None = None,
        forked_by: Preloaded | None = None,
    ) -> None:
        """Start *command*; where *forked_by* is given, it is as :meth:`Preloaded.start` has it."""
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | Forked
        with log.open("ab") as output:
            if forked_by is not None:
                program, *arguments = map(str, command)
                self._process = forked_by.start(
                    program, arguments, env=env, cwd=log.parent, stdout=output, stderr=output
                )
                return
            self._process = subprocess.Popen(
                [str(part) for part in command],
                env={**env, **inherited()},
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def kill(self, known: Iterable[psutil.Process] = ()) -> None:
        """End the program and all it started at once, as a lost machine or container would."""
        processes = self.family() | set(known)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        psutil.wait_procs(processes, timeout=5)

    def ask_to_end(self, with_signal: int = signal.SIGTERM) -> None:
        if self.running:
            self._process.send_signal(with_signal)

    def tail(self, lines: int = 40) -> str:
        text = self.log.read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])

    def family(self) -> set[psutil.Process]:
        """Return the program and all it started.

        That is its session, and descendants that have left the session.

        A killed Airflow component leaves its task processes behind without a parent; the session
        finds them.
        """
        if self.running:
            return self._session() | set(psutil.Process(self.pid).children(recursive=True))
        if psutil.pid_exists(self.pid):
            return set()  # all of the family is gone, and the number belongs to a stranger by now
        return self._session()

    def _session(self) -> set[psutil.Process]:
        members = set()
        for process in psutil.process_iter():
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(process.pid) == self.pid:
                    members.add(process)
        return members
