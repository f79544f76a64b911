"""For templates: ``{{ macros.calendar_schedule.seconds_left() }}`` and ``{{ macros.calendar_schedule.window_end() }}``.

See https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html#macros.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any


def seconds_left(source: Any = None) -> int:
    """Seconds until the window's end, at least 1: fit for a pod's ``activeDeadlineSeconds``.

    Skips the task where time is closed, unless ``hold_until_open`` is about to hold it, or it resumes from a
    trigger and has its work to finish. A year's in a run that ignores calendars: by hand, or told to by its conf.
    """
    from calendar_timetable.runtime import window
    from calendar_timetable.runtime.gate import is_guarded

    left = window.seconds_left(source)
    if left < 1 and not is_guarded():
        from airflow.sdk.exceptions import AirflowSkipException

        raise AirflowSkipException("time is closed: nothing is left of the window")
    return max(left, 1)


def window_end(source: Any = None) -> datetime | None:
    """When the window ends, UTC; ``None`` where no end is known, a year ahead in a run that ignores calendars."""
    from calendar_timetable.runtime import window

    return window.window_end(source)


MACROS = [seconds_left, window_end]
