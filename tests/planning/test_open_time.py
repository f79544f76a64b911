"""Where runs may start, at the edges of what is asked."""

from __future__ import annotations

from calendar_timetable.planning.open_time import OpenTime
from tests.support.strategies import EPOCH
from tests.support.time_sets import Explicit


def test_no_earlier_start_is_told_than_is_asked_for() -> None:
    always = OpenTime(None, None, None)
    closed_once = OpenTime(None, Explicit([(EPOCH, EPOCH + 60)]), None)
    for open_time in (always, closed_once):
        assert open_time.previous_fit(EPOCH, 0, EPOCH - 1) == EPOCH - 1
        assert open_time.previous_fit(EPOCH - 0.5, 0, EPOCH - 1) == EPOCH - 1
        assert open_time.previous_fit(EPOCH, 0, EPOCH) is None
