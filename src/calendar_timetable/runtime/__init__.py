"""What is at work while runs run: gate, window's end, calendar events as triggers, deadlines.

Names are imported when first used: a triggerer or a template needs little of this.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOMES = {
    "CalendarEventTrigger": "events",
    "CalendarGate": "gate",
    "MilestoneDeadline": "deadlines",
    "WindowEndDeadline": "deadlines",
    "hold_until_open": "gate",
    "late_alert": "late_alerts",
    "seconds_left": "window",
    "window_end": "window",
}

__all__ = list(_HOMES)

if TYPE_CHECKING:
    from calendar_timetable.runtime.deadlines import MilestoneDeadline as MilestoneDeadline
    from calendar_timetable.runtime.deadlines import WindowEndDeadline as WindowEndDeadline
    from calendar_timetable.runtime.events import CalendarEventTrigger as CalendarEventTrigger
    from calendar_timetable.runtime.gate import CalendarGate as CalendarGate
    from calendar_timetable.runtime.gate import hold_until_open as hold_until_open
    from calendar_timetable.runtime.late_alerts import late_alert as late_alert
    from calendar_timetable.runtime.window import seconds_left as seconds_left
    from calendar_timetable.runtime.window import window_end as window_end


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
