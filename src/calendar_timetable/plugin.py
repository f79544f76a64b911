"""What this package registers with Airflow.

For templates: ``{{ macros.calendar_schedule.seconds_left() }}`` and
``{{ macros.calendar_schedule.window_end() }}``. See
https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html#macros.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from airflow import plugins_manager
from airflow.plugins_manager import AirflowPlugin

from calendar_timetable.config import URL_PREFIX
from calendar_timetable.timetable import CalendarTimetable


def seconds_left(source: Any = None) -> int:
    """Return the seconds until the window's end, at least 1.

    Fit for a pod's ``activeDeadlineSeconds``. Skips the task (``AirflowSkipException``) where time
    is closed, unless ``hold_until_open`` is about to hold it, or it resumes from a trigger and has
    its work to finish. A run that ignores calendars, as it was triggered by hand or its conf says
    so, has the seconds of a year.
    """
    from calendar_timetable.runtime import window
    from calendar_timetable.runtime.gate import is_guarded

    seconds = window.seconds_left(source)
    if seconds < 1 and not is_guarded():
        from airflow.sdk.exceptions import AirflowSkipException

        raise AirflowSkipException("time is closed: nothing is left of the window")
    return max(seconds, 1)


def window_end(source: Any = None) -> datetime | None:
    """Return when the window ends, in UTC; ``None`` where no end is known.

    In a run that ignores calendars that is a year ahead.
    """
    from calendar_timetable.runtime import window

    return window.window_end(source)


MACROS = [seconds_left, window_end]
# The route of each tab, and the DAGs that have it, by fields of Airflow's REST API: those due by
# time, and those started by data or at once. A DAG that only starts by hand has neither.
TABS = {
    "upcoming-runs-of-dag": {"timetable_periodic": ["true"]},
    "upcoming-runs-of-started-dag": {
        "timetable_summary": ["Asset", "Partitioned Asset", "@once", "@continuous"]
    },
}


def dag_tabs() -> list[dict[str, Any]]:
    """Return the tabs of a DAG: one of these is shown. Before Airflow 3.4, all DAGs have one."""
    # Airflow 3.4 has this type, and `applies_to` with it. Older ones would show both tabs.
    if not hasattr(plugins_manager, "ReactAppDict"):
        return [{"url_route": next(iter(TABS))}]
    return [{"url_route": route, "applies_to": fields} for route, fields in TABS.items()]


class CalendarSchedulePlugin(AirflowPlugin):
    """The timetable, macros, deadlines and metrics for runs, and the page.

    The timetable is for every component, the page for the API server.
    """

    name = "calendar_schedule"
    timetables = [CalendarTimetable]  # noqa: RUF012
    macros = MACROS

    @cached_property
    def deadline_references(self) -> list[Any]:  # type: ignore[override]
        """The references of deadlines that calendars set."""
        from calendar_timetable.runtime.deadlines import REFERENCES

        return REFERENCES

    @cached_property
    def listeners(self) -> list[Any]:  # type: ignore[override]
        """The listener that counts runs, and lets deadlines follow their milestones."""
        from calendar_timetable.runtime import listener

        return [listener]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's app, imported only where it is served: a scheduler needs no FastAPI."""
        from calendar_timetable.web.app import app

        return [{"app": app, "url_prefix": URL_PREFIX, "name": "Upcoming runs"}]

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's places in Airflow: Browse > Upcoming runs, every DAG's tab, a banner at home.

        One name for all: Airflow keeps a loaded bundle under its name, and loads it once.
        """
        from calendar_timetable.web.static_page import base_path, version_of

        base = base_path() + URL_PREFIX
        page = {
            "name": "Upcoming runs",
            "bundle_url": f"{base}/static/main.js?v={version_of('main.js')}",
            "icon": f"{base}/static/icon.svg",
            "icon_dark_mode": f"{base}/static/icon-dark.svg",
        }
        return [
            {**page, "destination": "nav", "category": "browse", "url_route": "upcoming-runs"},
            *({**page, "destination": "dag", **tab} for tab in dag_tabs()),
            {**page, "destination": "dashboard", "url_route": "upcoming-runs-at-home"},
        ]
