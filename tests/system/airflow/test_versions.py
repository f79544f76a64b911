"""A calendar that people edit all day does not bury a DAG's history under new versions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.dags import dag_source
from tests.support.ics_origin import IcsOrigin, event
from tests.support.in_airflow import SCRIPTS
from tests.support.stack import Stack, in_some_hours

DAG = "nightly"
HOUR = timedelta(hours=1)

Reparse = Callable[[str], None]


@pytest.fixture
def due() -> datetime:
    return in_some_hours()


@pytest.fixture
def still(tmp_path: Path, origin: IcsOrigin, due: datetime) -> Iterator[Stack]:
    """An Airflow without running components, and a DAG that runs every day.

    The DAG does not run while somebody is busy.
    """
    stack = Stack(tmp_path / "airflow")
    stack.migrate()
    busy = f"Calendar({origin.address!r}, refresh=timedelta(0))"
    stack.write_dag(
        DAG, dag_source(DAG, f"CalendarTimetable('0 {due.hour} * * *', blackouts={busy})")
    )
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def reparse(still: Stack) -> Iterator[Reparse]:
    """Reads the DAG folder as the DAG processor does, or makes a run of the DAG that is named."""
    environment = still.env | {"AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0"}
    script = SCRIPTS / "reparse.py"
    log = (still.home / "reparse.log").open("w+")
    worker = subprocess.Popen(
        [sys.executable, script],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    lines, answers = worker.stdin, worker.stdout
    assert lines is not None
    assert answers is not None

    def ask(dag_id: str = "") -> None:
        lines.write(f"{dag_id}\n")
        lines.flush()
        for line in answers:
            if line == "done\n":
                return
        log.seek(0)
        raise AssertionError(f"the parser ended:\n{log.read()[-4000:]}")

    yield ask
    lines.close()
    worker.wait(20)
    answers.close()
    log.close()


def test_only_edits_that_move_a_run_make_versions(
    still: Stack, reparse: Reparse, origin: IcsOrigin, due: datetime
) -> None:
    reparse("")
    # A version that has run is never changed again: an edit that counts must make a new one
    reparse(DAG)
    stored = still.rows("SELECT dag_hash FROM serialized_dag")

    meetings: list[str] = []
    for edit in range(50):
        start = due + timedelta(days=edit % 20) + (7 + edit % 7) * HOUR
        meetings = [
            *meetings[-5:],
            event(f"meeting-{edit % 30}", start, start + HOUR, f"Edited {edit} times"),
        ]
        origin.serve(meetings)
        reparse("")
    assert origin.requests > 50
    assert still.rows("SELECT dag_hash FROM serialized_dag") == stored
    assert still.versions(DAG) == 1

    for night in range(4):
        for hours in (1, 2, 3):
            ends = due + (hours + night / 4) * HOUR
            origin.serve([*meetings, event("release", due, ends)])
            reparse("")
            assert still.next_run(DAG) == (due, ends)
        assert still.versions(DAG) == 2 + night
        reparse(DAG)
