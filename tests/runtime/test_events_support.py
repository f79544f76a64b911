"""Calendar events as triggers, where Airflow is too old for them."""

from __future__ import annotations

import pytest

from calendar_timetable import CalendarTimetableError
from calendar_timetable.runtime import events


def test_a_clear_error_on_an_older_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "_Supported", None)
    with pytest.raises(CalendarTimetableError, match=r"needs Airflow 3\.3 or later"):
        events.CalendarEventTrigger("team")
