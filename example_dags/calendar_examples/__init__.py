"""What the example DAGs share.

The team's calendar, its off-peak hours, a place for data, and who is told.

``TEAM_CALENDAR`` is the calendar file beside this one unless the environment variable of that name
says otherwise, so that the examples plan and run with nothing set up. Of your own, write the id of
an Airflow Connection.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calendar_timetable import Calendar, CalendarEventTrigger, CalendarTimetableError, Weekly

if TYPE_CHECKING:
    from airflow.sdk import AssetWatcher, ObjectStoragePath

TEAM_CALENDAR = os.environ.get("TEAM_CALENDAR") or str(
    Path(__file__).with_name("team_calendar.ics")
)
ZONE = "Europe/Berlin"
OFF_PEAK = Weekly("daily 19:00-07:00", "sat-sun")

RETRY = {
    "retries": 3,
    "retry_delay": 30,  # seconds, then 60, 120, …
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": 600,
}


def workspace(*parts: str) -> ObjectStoragePath:
    """Where tasks leave data for each other.

    It is the Variable ``examples_workspace``, e.g. ``s3://aws_default@bucket/examples``.

    Without it a folder of this machine, which is enough for one machine only.
    """
    from airflow.sdk import ObjectStoragePath, Variable

    home = os.environ.get("AIRFLOW_HOME") or str(Path.home() / "airflow")
    return ObjectStoragePath(
        Variable.get("examples_workspace", default=f"file://{home}/examples")
    ).joinpath(*parts)


def calendar_watchers(name: str, *, match: str) -> list[AssetWatcher]:
    """Watch the team's calendar for events that are created or changed.

    Nothing is watched before Airflow 3.3, which cannot.
    """
    from airflow.sdk import AssetWatcher

    try:
        trigger = CalendarEventTrigger(
            Calendar(TEAM_CALENDAR, match=match), on=["created", "changed"]
        )
    except CalendarTimetableError:
        return []
    return [AssetWatcher(name=name, trigger=trigger)]


def day_of(dag_run: Any) -> str:
    """The day a run is for.

    A run that an event triggered has no logical date, and is for the day it was asked for.
    """
    return f"{dag_run.logical_date or dag_run.run_after:%Y-%m-%d}"
