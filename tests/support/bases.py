"""Schedules with their ticks told apart from Airflow's code.

Also what a brute force describes, as a timetable.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.timetables.base import Timetable
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)

from calendar_timetable.planning.spans import Spans
from calendar_timetable.timetable import CalendarTimetable
from tests.support.brute import Brute, Minutes
from tests.support.strategies import EPOCH, LENGTH, moment
from tests.support.time_sets import FakeCalendar
from tests.support.timetables import pen


def calendar(stretch: list[Minutes] | None, label: str) -> FakeCalendar | None:
    """Return a calendar of *stretch*, in minutes from ``EPOCH``; None of None."""
    if stretch is None:
        return None
    return FakeCalendar(Spans((EPOCH + a * 60, EPOCH + b * 60) for a, b in stretch), label)


@dataclass(frozen=True)
class Base:
    """A schedule and its ticks, told apart from Airflow's code.

    A tick is (start of interval, due), in minutes.
    """

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
    """Return the public face of what *brute* describes."""
    return CalendarTimetable(
        base.schedule,
        timezone="UTC",
        windows=calendar(None if brute.windows is None else list(brute.windows), "off_peak"),
        blackouts=calendar(list(brute.blackouts), "team_calendar"),
        duration=timedelta(minutes=brute.duration),
        when_blocked=brute.when_blocked,  # type: ignore[arg-type]
        max_delay=timedelta(minutes=brute.max_delay),
        coalesce=brute.coalesce,
        keep_hour=brute.keep_hour and base.name != "every minute",
        **more,
    )
