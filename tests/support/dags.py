"""DAG files of one quick task."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

WriteDag = Callable[..., str]


def dag_source(dag_id: str, schedule: str, options: str = "") -> str:
    """Return a DAG file with one quick task."""
    return textwrap.dedent(
        f"""\
        from datetime import UTC, datetime, timedelta

        from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, task
        from calendar_timetable import Calendar, CalendarTimetable, Weekly

        with DAG({dag_id!r}, schedule={schedule}, {options}):

            @task(retries=5, retry_delay=timedelta(seconds=1))
            def work():
                print("worked")

            work()
        """
    )
