"""The deadline that a calendar's events set for a run, from what a DAG carries of them."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from itertools import accumulate
from typing import Any

from calendar_timetable.planning import zones


def milestone_deadline(data: dict[str, Any], planned: datetime) -> datetime | None:
    """Return the deadline of a run that is planned to start at *planned*, or ``None``.

    *data* is a serialized ``MilestoneDeadline``: see ``runtime/deadlines.py``.
    """
    starts = tuple(accumulate(data["milestones"]))
    index = bisect_right(starts, planned.timestamp())
    return zones.to_datetime(starts[index] - data["before"]) if index < len(starts) else None
