"""Where runs may start, at the edges of what is asked."""

from __future__ import annotations

import pytest

from calendar_timetable.planning.open_time import OpenTime
from tests.support.processor import processor_seconds
from tests.support.strategies import EPOCH
from tests.support.time_sets import Explicit


def test_no_earlier_start_is_told_than_is_asked_for() -> None:
    always = OpenTime(None, None, None)
    closed_once = OpenTime(None, Explicit([(EPOCH, EPOCH + 60)]), None)
    for open_time in (always, closed_once):
        assert open_time.previous_fit(EPOCH, 0, EPOCH - 1) == EPOCH - 1
        assert open_time.previous_fit(EPOCH - 0.5, 0, EPOCH - 1) == EPOCH - 1
        assert open_time.previous_fit(EPOCH, 0, EPOCH) is None


@pytest.mark.parametrize("duration", [0, 10, 60])
def test_many_spans_that_are_too_short_are_not_looked_at_for_each_due_time(duration: int) -> None:
    """40,000 events, with 25 seconds between one and the next."""
    busy = Explicit([(EPOCH + 30 * n, EPOCH + 30 * n + 5) for n in range(40_000)])
    open_time = OpenTime(None, busy, None)
    end = EPOCH + 30 * 40_000
    open_time.over(EPOCH - 60, end + 120)
    found: list[tuple[float | None, float | None]] = []

    def asked() -> None:
        for at in range(EPOCH, end, 300):
            following = open_time.next_fit(at, duration, end - 60)
            found.append((following, open_time.previous_fit(at, duration, EPOCH - 60)))

    taken = processor_seconds(asked)

    fits = duration <= 25
    assert found == [
        (at + 5 if fits else None, (at - max(duration, 1)) if fits or at == EPOCH else EPOCH - 60)
        for at in range(EPOCH, end, 300)
    ]
    # One after the other took half a minute.
    assert taken < 0.5
