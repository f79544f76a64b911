"""Airflow's programs, begun with its imports made: forked from one process that has made them.

Importing Airflow costs a core some seconds, and each component and each command would do it anew.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

POSSIBLE = hasattr(os, "pidfd_open")  # Linux; elsewhere each program imports for itself

# What the components import, with all that this imports.
MODULES = (
    "airflow.cli.cli_parser",
    "airflow.cli.commands.api_server_command",
    "airflow.cli.commands.dag_command",
    "airflow.cli.commands.dag_processor_command",
    "airflow.cli.commands.db_command",
    "airflow.cli.commands.scheduler_command",
    "airflow.cli.commands.triggerer_command",
    "airflow.api_fastapi.core_api.app",
    "airflow.api_fastapi.core_api.routes.public",
    "airflow.api_fastapi.core_api.routes.ui",
    "airflow.api_fastapi.execution_api.app",
    "airflow.dag_processing.manager",
    "airflow.dag_processing.processor",
    "airflow.executors.local_executor",
    "airflow.jobs.dag_processor_job_runner",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.operators.trigger_dagrun",
    "airflow.providers.standard.sensors.external_task",
    "airflow.sdk",
    "airflow.sdk.execution_time.task_runner",
    "calendar_timetable.timetable",
    "calendar_timetable.calendars.calendar",
)


class Preloaded:
    """A process that has imported Airflow in *env*, and *imports*, and forks programs.

    It ends with this object's :meth:`close`, and with the process that made it; so do they. They
    run where its command, after *prefix*, does.
    """

    def __init__(
        self,
        env: Mapping[str, str],
        log: Path,
        prefix: Sequence[str] = (),
        imports: Sequence[str] = (),
    ) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, log.open("ab") as output:
            # Without this folder, whose modules are no programs' business, in front of the path
            self._server = subprocess.Popen(
                [*prefix, sys.executable, "-P", __file__, str(theirs.fileno()), *imports],
                env=dict(env),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        stdout: IO[Any],
        stderr: IO[Any],
    ) -> Forked:
        """Run a module as ``python -m`` does, or a .py file, in a session of its own."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"program": program, "arguments": arguments, "env": dict(env), "cwd": str(cwd)}
        fds = [stdout.fileno(), stderr.fileno(), theirs.fileno()]
        with theirs:
            socket.send_fds(self._control, [json.dumps(request).encode()], fds)
        return Forked(ours)

    def close(self) -> None:
        """End it, and what is left of all that it has forked."""
        self._control.close()
        self._server.wait()


class Forked:
    """One of its programs, asked as a :class:`subprocess.Popen` is."""

    def __init__(self, status: socket.socket) -> None:
        self._status = status
        self.returncode: int | None = None
        if not (said := status.recv(64)):
            raise RuntimeError("the process that has imported Airflow has ended")
        self.pid = int(said)

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, and return its exit code; raises ``TimeoutExpired``."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                said = self._status.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
            self._status.close()
            self.returncode = int(said) if said else -signal.SIGKILL
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to it, if it still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


# --- in the process that forks --------------------------------------------------------------------


def serve(control: socket.socket) -> dict[str, Any] | None:
    """Fork until *control* is closed: None then, and in each child what it is to run."""
    waiting = selectors.DefaultSelector()
    waiting.register(control, selectors.EVENT_READ)
    running: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that tells of its end
    while True:
        for key, _ in waiting.select():
            if key.fd in running:
                waiting.unregister(key.fd)
                pid, status = running.pop(key.fd)
                os.close(key.fd)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with status, contextlib.suppress(OSError):  # nobody may be waiting for it
                    status.send(str(code).encode())
                continue
            said, fds, _, _ = socket.recv_fds(control, 2**20, 3)
            if not said:
                _kill_sessions({pid for pid, _ in running.values()})
                return None
            stdout, stderr, status = fds[0], fds[1], socket.socket(fileno=fds[2])
            if (pid := os.fork()) == 0:
                os.setsid()
                os.dup2(stdout, 1)
                os.dup2(stderr, 2)
                for descriptor in (stdout, stderr, *running):
                    os.close(descriptor)
                for one in (control, status, *(each for _, each in running.values())):
                    one.close()
                waiting.close()
                return dict(json.loads(said))
            os.close(stdout)
            os.close(stderr)
            ended = os.pidfd_open(pid)
            running[ended] = pid, status
            waiting.register(ended, selectors.EVENT_READ)
            status.send(str(pid).encode())


def _kill_sessions(leaders: set[int]) -> None:
    """Kill all processes of these sessions."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(process.name)) in leaders:
                os.kill(int(process.name), signal.SIGKILL)


def run(program: str, arguments: Sequence[str], env: Mapping[str, str], cwd: str) -> None:
    """Be that program."""
    from airflow import settings

    configured: Any = settings
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    # The database may be another than where the imports were made, or be reached in another way.
    configured.configure_vars()
    configured.reconfigure_orm()
    sys.argv[:] = [program, *arguments]
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)


def prepare(imports: Sequence[str]) -> None:
    """Make the imports, *imports* too, and the configuration as the first program would make it."""
    from airflow import configuration

    # With keys that all share: a program of later knows them from here, and asks no file again.
    configuration.write_default_airflow_configuration_if_needed()
    for name in (*MODULES, *imports):
        with contextlib.suppress(ImportError):  # of another Airflow
            import_module(name)
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _, descriptor, *imports = sys.argv
    prepare(imports)
    if (request := serve(socket.socket(fileno=int(descriptor)))) is not None:
        gc.unfreeze()
        run(**request)
