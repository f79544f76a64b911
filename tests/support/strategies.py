"""Random time and policies, in whole minutes from :data:`ORIGIN`; needs no Airflow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import strategies as st

from tests.support.brute import Brute, Minutes

ORIGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
EPOCH = int(ORIGIN.timestamp())
LENGTH = 2 * 1440  # minutes that ticks are drawn from
POLICIES: list[Literal["postpone", "advance", "skip", "run"]] = [
    "postpone",
    "advance",
    "skip",
    "run",
]


def minute(moment: datetime) -> int:
    """Return the minutes from ``ORIGIN`` to *moment*, which is on a full minute."""
    whole, rest = divmod(moment - ORIGIN, timedelta(minutes=1))
    assert not rest, f"{moment} is off the minute"
    return whole


def moment(at: int) -> datetime:
    """Return the moment *at* minutes after ``ORIGIN``."""
    return ORIGIN + timedelta(minutes=at)


@st.composite
def stretches(draw: st.DrawFn, most: int = 5) -> list[Minutes]:
    """Draw spans that may touch, overlap and lie in one another.

    Their edges are where ticks are, more often than not.
    """
    edge = st.one_of(st.integers(-8, 56).map(lambda n: n * 60), st.integers(-600, LENGTH + 600))
    starts = draw(st.lists(edge, max_size=most))
    length = st.one_of(st.sampled_from([1, 60, 240, 1440]), st.integers(1, 900))
    return [(start, start + draw(length)) for start in starts]


@st.composite
def brutes(draw: st.DrawFn) -> Brute:
    """Draw a schedule for the brute force."""
    keep_hour = draw(st.sampled_from([False, False, True]))
    return Brute(
        windows=draw(st.one_of(st.none(), stretches())),
        blackouts=draw(stretches()),
        when_blocked="postpone" if keep_hour else draw(st.sampled_from(POLICIES)),
        duration=draw(st.sampled_from([0, 0, 1, 30, 60, 240])),
        max_delay=draw(st.sampled_from([0, 1440, 4000] if keep_hour else [0, 1, 45, 240, 900])),
        coalesce=keep_hour or draw(st.booleans()),
        keep_hour=keep_hour,
    )


@st.composite
def irregular_ticks(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Draw strictly increasing due times.

    All have data intervals that follow one another, or all have none.
    """
    due = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=1, max_size=40)))
    if draw(st.booleans()):
        return [(t, t) for t in due]
    return list(zip([due[0] - 60, *due[:-1]], due, strict=True))
