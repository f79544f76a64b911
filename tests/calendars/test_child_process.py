"""The bounds on a child process, and what it inherits."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from calendar_timetable.calendars.child_process import ChildFailed, run_child

HOG = "tests.support.child_hog"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def test_it_answers() -> None:
    assert run_child(HOG, {"bytes": 5, "spin": False}, b"a\nb", 20) == ({"held": 5}, b"a\nb")


def test_its_memory_is_bounded() -> None:
    with pytest.raises(ChildFailed, match="it broke down"):
        run_child(HOG, {"bytes": 512 * 1024**2, "spin": False}, b"", 20)


def test_its_processor_time_is_bounded() -> None:
    with pytest.raises(ChildFailed, match="stopped for its use of time or memory"):
        run_child(HOG, {"bytes": 0, "spin": True}, b"", 20)


def test_its_time_is_bounded() -> None:
    with pytest.raises(ChildFailed, match=r"not done within 0\.3 s"):
        run_child(HOG, {"bytes": 0, "spin": True}, b"", 0.3)


STUCK = "tests.support.child_stuck"
PARENT = (
    f"from calendar_timetable.calendars.child_process import run_child; "
    f"run_child({STUCK!r}, {{'seconds': 600}}, b'', 600)"
)


def child_of(parent: int) -> int:
    """The process id of the one child of *parent*, once what bounds it is in place."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for process in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if Path(f"/proc/{process}/comm").read_text() == "ready\n":
                return int(process)
        time.sleep(0.02)
    raise AssertionError("there is no child")


def is_there(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_it_ends_with_a_parent_that_is_killed() -> None:
    """As Airflow kills a DAG file's process: nobody is left to keep the clock."""
    with subprocess.Popen([sys.executable, "-c", PARENT]) as parent:
        try:
            child = child_of(parent.pid)
        finally:
            parent.kill()
    until = time.monotonic() + 30
    while is_there(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not is_there(child)


def test_it_does_not_begin_where_its_parent_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 1)
    with pytest.raises(ChildFailed, match="it broke down"):
        run_child(HOG, {"bytes": 5, "spin": False}, b"", 20)


def test_it_ends_by_itself_past_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting costs no processor time, and its parent may be stopped, and end nobody."""
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *given, **how: run(*given, **how | {"timeout": 60})
    )
    with pytest.raises(ChildFailed, match="stopped for its use of time or memory"):
        run_child(STUCK, {"seconds": 600}, b"", 0.5)


def test_a_kernel_that_bounds_no_memory() -> None:
    """As that of macOS, which says that the limit exceeds the maximum."""
    program = """
import resource, sys
from calendar_timetable.calendars.child_process import serve_child

def refusing(limit, values, bound=resource.setrlimit):
    if limit == resource.RLIMIT_AS:
        raise ValueError("current limit exceeds maximum limit")
    bound(limit, values)

sys.platform, resource.setrlimit = "darwin", refusing
serve_child(lambda message, body: (message, body[::-1]), 1024**3, 10)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=b'{"of": 1}\nabc',
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == b'{"of":1}\ncba', done.stderr.decode()
