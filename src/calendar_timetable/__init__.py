"""Let your calendar decide when heavy Airflow work may run.

Names are imported when first used, so that importing this package costs a scheduler nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from calendar_timetable._version import __version__ as __version__
from calendar_timetable.planning import zones

_HOMES = {
    "Calendar": "calendars.calendar",
    "CalendarEventTrigger": "runtime.events",
    "CalendarGate": "runtime.gate",
    "CalendarTimetable": "timetable",
    "CalendarTimetableError": "exceptions",
    "CalendarUnavailable": "exceptions",
    "DeploymentRule": "schedule.deployment_rules",
    "Holidays": "calendars.holidays",
    "InvalidArgument": "exceptions",
    "Occurrence": "calendars.occurrences",
    "On": "schedule.on",
    "PlannedRun": "planning.plan",
    "Problem": "calendars.occurrences",
    "Recurrence": "schedule.recurrence",
    "Span": "planning.spans",
    "TimeSet": "planning.time_sets",
    "TradingHours": "calendars.working_days",
    "Weekly": "planning.weekly",
    "WorkingDays": "calendars.working_days",
    "hold_until_open": "runtime.gate",
    "seconds_left": "runtime.window",
    "window_end": "runtime.window",
}

__all__ = list(_HOMES)

if TYPE_CHECKING:
    from calendar_timetable.calendars.calendar import Calendar as Calendar
    from calendar_timetable.calendars.holidays import Holidays as Holidays
    from calendar_timetable.calendars.occurrences import Occurrence as Occurrence
    from calendar_timetable.calendars.occurrences import Problem as Problem
    from calendar_timetable.calendars.working_days import TradingHours as TradingHours
    from calendar_timetable.calendars.working_days import WorkingDays as WorkingDays
    from calendar_timetable.exceptions import CalendarTimetableError as CalendarTimetableError
    from calendar_timetable.exceptions import CalendarUnavailable as CalendarUnavailable
    from calendar_timetable.exceptions import InvalidArgument as InvalidArgument
    from calendar_timetable.planning.plan import PlannedRun as PlannedRun
    from calendar_timetable.planning.spans import Span as Span
    from calendar_timetable.planning.time_sets import TimeSet as TimeSet
    from calendar_timetable.planning.weekly import Weekly as Weekly
    from calendar_timetable.runtime.events import CalendarEventTrigger as CalendarEventTrigger
    from calendar_timetable.runtime.gate import CalendarGate as CalendarGate
    from calendar_timetable.runtime.gate import hold_until_open as hold_until_open
    from calendar_timetable.runtime.window import seconds_left as seconds_left
    from calendar_timetable.runtime.window import window_end as window_end
    from calendar_timetable.schedule.deployment_rules import DeploymentRule as DeploymentRule
    from calendar_timetable.schedule.on import On as On
    from calendar_timetable.schedule.recurrence import Recurrence as Recurrence
    from calendar_timetable.timetable import CalendarTimetable as CalendarTimetable


def _airflow_zone() -> str:
    # Importing Airflow takes seconds, and its configuration tells the zone's name as well.
    if "airflow" not in sys.modules:
        from calendar_timetable.config import setting

        name = setting("core", "default_timezone") or "UTC"
        if name.lower() != "system":
            return "UTC" if name.lower() == "utc" else name
    from airflow.settings import TIMEZONE

    return zones.zone_name(TIMEZONE)


zones.default_zone = _airflow_zone


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
