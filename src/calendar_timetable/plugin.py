"""What Airflow registers of this package."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from calendar_timetable.runtime.macros import MACROS
from calendar_timetable.timetable import CalendarTimetable

URL_PREFIX = "/calendar-timetable"


class CalendarSchedulePlugin(AirflowPlugin):
    """The timetable, for every component; macros, deadlines and metrics for runs; the page, for the API server."""

    name = "calendar_schedule"
    timetables = [CalendarTimetable]  # noqa: RUF012
    macros = MACROS

    @cached_property
    def deadline_references(self) -> list[Any]:  # type: ignore[override]
        """Deadlines out of calendars."""
        from calendar_timetable.runtime.deadlines import REFERENCES

        return REFERENCES

    @cached_property
    def listeners(self) -> list[Any]:  # type: ignore[override]
        """What counts runs, and lets deadlines follow their milestones."""
        from calendar_timetable.runtime import listener

        return [listener]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's app, imported only where it is served: a scheduler needs no FastAPI."""
        from calendar_timetable.web.app import app

        return [{"app": app, "url_prefix": URL_PREFIX, "name": "Upcoming runs"}]

    @cached_property
    def react_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page's places in Airflow: Browse > Upcoming runs, and a tab of every DAG.

        One name for both: Airflow keeps a loaded bundle under its name, and loads it once.
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
            {**page, "destination": "dag", "url_route": "upcoming-runs-of-dag"},
        ]
