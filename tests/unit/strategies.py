"""Random time, schedules and policies, in whole minutes from :data:`ORIGIN`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from airflow.timetables.base import Timetable
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from hypothesis import strategies as st

from calendar_timetable.planning.spans import Spans
from calendar_timetable.timetable import CalendarTimetable
from tests.unit.brute import Brute, Minutes
from tests.unit.support import FakeCalendar, pen

ORIGIN = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
EPOCH = int(ORIGIN.timestamp())
LENGTH = 2 * 1440  # minutes that ticks are drawn from
POLICIES: list[Literal["postpone", "advance", "skip", "run"]] = ["postpone", "advance", "skip", "run"]


def minute(moment: datetime) -> int:
    whole, rest = divmod(moment - ORIGIN, timedelta(minutes=1))
    assert not rest, f"{moment} is off the minute"
    return whole


def moment(at: int) -> datetime:
    return ORIGIN + timedelta(minutes=at)


@st.composite
def stretches(draw: st.DrawFn, most: int = 5) -> list[Minutes]:
    """Spans that may touch, overlap and lie in one another; with edges where ticks are, more often than not."""
    edge = st.one_of(st.integers(-8, 56).map(lambda n: n * 60), st.integers(-600, LENGTH + 600))
    starts = draw(st.lists(edge, max_size=most))
    length = st.one_of(st.sampled_from([1, 60, 240, 1440]), st.integers(1, 900))
    return [(start, start + draw(length)) for start in starts]


@st.composite
def brutes(draw: st.DrawFn) -> Brute:
    return Brute(
        windows=draw(st.one_of(st.none(), stretches())),
        blackouts=draw(stretches()),
        when_blocked=draw(st.sampled_from(POLICIES)),
        duration=draw(st.sampled_from([0, 0, 1, 30, 60, 240])),
        max_delay=draw(st.sampled_from([0, 1, 45, 240, 900])),
        coalesce=draw(st.booleans()),
    )


@st.composite
def irregular_ticks(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Strictly increasing due times, all with data intervals that follow one another or all without."""
    due = sorted(draw(st.sets(st.integers(0, LENGTH), min_size=1, max_size=40)))
    if draw(st.booleans()):
        return [(t, t) for t in due]
    return list(zip([due[0] - 60, *due[:-1]], due, strict=True))


def calendar(stretch: list[Minutes] | None, label: str) -> FakeCalendar | None:
    if stretch is None:
        return None
    return FakeCalendar(Spans((EPOCH + a * 60, EPOCH + b * 60) for a, b in stretch), label)


@dataclass(frozen=True)
class Base:
    """A schedule and, told apart from Airflow's code, its ticks: (start of interval, due), in minutes."""

    name: str
    schedule: Any
    ticks: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        return self.name


def _every(step: int, first: int = 0) -> tuple[tuple[int, int], ...]:
    return tuple((m, m) for m in range(first, LENGTH, step))


def _daily(*minutes: int, days: int = 2) -> tuple[tuple[int, int], ...]:
    return tuple((d * 1440 + m, d * 1440 + m) for d in range(days) for m in sorted(minutes))


def _spread(*minutes: int) -> Timetable:
    return EventsTimetable(event_dates=[pen(moment(m)) for m in minutes])


_EVENTS = (17, 18, 20, 300, 301, 720, 1439, 1440, 2500, 2879)

BASES = [
    Base("every 20 minutes", "*/20 * * * *", _every(20)),
    Base(
        "every 3 hours, Airflow's own timetable",
        CronTriggerTimetable("0 */3 * * *", timezone="UTC"),
        _every(180),
    ),
    Base("irregular cron", "15 2,5,19 * * *", _daily(135, 315, 1155)),
    Base(
        "two crons",
        MultipleCronTriggerTimetable("0 6 * * *", "30 5,22 * * *", timezone="UTC"),
        _daily(360, 330, 1350),
    ),
    Base("every 45 minutes", DeltaTriggerTimetable(timedelta(minutes=45)), _every(45)),
    Base("events", _spread(*_EVENTS), tuple((m, m) for m in _EVENTS)),
    Base(
        "hourly data intervals",
        CronDataIntervalTimetable("0 * * * *", "UTC"),
        tuple((m, m + 60) for m in range(0, LENGTH - 60, 60)),
    ),
]


def timetable(base: Base, brute: Brute, **more: Any) -> CalendarTimetable:
    """The public face of what *brute* describes."""
    return CalendarTimetable(
        base.schedule,
        timezone="UTC",
        windows=calendar(None if brute.windows is None else list(brute.windows), "off_peak"),
        blackouts=calendar(list(brute.blackouts), "team_calendar"),
        duration=timedelta(minutes=brute.duration),
        when_blocked=brute.when_blocked,  # type: ignore[arg-type]
        max_delay=timedelta(minutes=brute.max_delay),
        coalesce=brute.coalesce,
        **more,
    )
