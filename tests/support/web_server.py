"""A web server of a real Airflow, with a few DAGs read once."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from demo.examples import EXAMPLES
from demo.local_airflow import LocalAirflow
from tests.support.ics import feed
from tests.support.in_airflow import SCRIPTS
from tests.support.versions import at_least


def event(name: str, days: int) -> tuple[str, ...]:
    """Return an event of so many days, from the next midnight on."""
    first = datetime.now(UTC) + timedelta(days=1)
    return (
        *("BEGIN:VEVENT", f"UID:{days}@tests", "DTSTAMP:20260101T000000Z", f"SUMMARY:{name}"),
        *(
            f"DTSTART;VALUE=DATE:{first:%Y%m%d}",
            f"DTEND;VALUE=DATE:{first + timedelta(days=days):%Y%m%d}",
        ),
        "END:VEVENT",
    )


BROKEN = (
    "BEGIN:VEVENT",
    "UID:broken@tests",
    "DTSTAMP:20260101T000000Z",
    "DTSTART:someday",
    "END:VEVENT",
)
HOSTILE = "<img src=x onerror=document.title='owned'>\u202e \\nX-Injected: 1"


@contextmanager
def served(
    home: Path,
    settings: dict[str, str],
    prepare: Callable[[LocalAirflow], None],
    path: str = "",
    *,
    examples: bool = False,
) -> Iterator[LocalAirflow]:
    """Start a web server with the DAGs of ``web_dags.py``, under *path*.

    *prepare* makes its users once there is a database.

    With *examples*, also with all that Airflow brings, and with ours.
    """
    dags, modules = home / "dags", home / "modules"
    dags.mkdir()
    modules.mkdir()
    shutil.copy(SCRIPTS / "web_dags.py", dags / "dags.py")
    shutil.copy(SCRIPTS / "one_dag.py", modules / "one_dag.py")
    team = home / "team.ics"
    told = {"PYTHONPATH": str(modules), "TEAM_CALENDAR": str(team)}
    team.write_bytes(feed(*event("Release freeze", 3), *BROKEN))
    if examples:
        if not airflow_finds_ours():
            shutil.copytree(
                EXAMPLES, dags, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copy(EXAMPLES / "calendar_examples" / "team_calendar.ics", team)
        told["AIRFLOW__CORE__LOAD_EXAMPLES"] = "True"
    team.with_name("hostile.ics").write_bytes(feed(*event(HOSTILE, 1)))
    airflow = LocalAirflow(home, dags=dags, settings={**told, **settings}, path=path)
    airflow.migrate()
    read = airflow.airflow("dags", "reserialize", seconds=300)
    assert read.returncode == 0, read.stderr[-4000:]
    prepare(airflow)
    try:
        airflow.start("api-server")
        airflow.wait_until_ready(seconds=240)
        yield airflow
    finally:
        airflow.stop()


def airflow_finds_ours() -> bool:
    """Whether Airflow loads our examples with its own: since 3.3, of an installed wheel."""
    spec = find_spec("airflow_calendar_timetable")
    places = spec.submodule_search_locations if spec else None
    shipped = any(Path(place, "example_dags").is_dir() for place in places or [])
    return shipped and at_least("apache-airflow-core", "3.3")


def change(airflow: LocalAirflow, statement: str) -> None:
    """Write to Airflow's database; for what takes a year, or has no API."""
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=60)) as database, database:
        database.execute(statement)


def within(airflow: LocalAirflow, script: str, *arguments: str) -> None:
    """Run one of the scripts of ``in_airflow/`` in an Airflow's environment."""
    done = airflow.run_program(str(SCRIPTS / script), *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
