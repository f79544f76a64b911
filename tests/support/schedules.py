"""A dozen schedules of every kind, by name.

For golden files, for fresh processes and for blocked I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import time_machine
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable, MultipleCronTriggerTimetable

from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import Feed, LocalDays, TimeRange, TimeSet
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.on import On
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import instant, iso, utc
from tests.support.time_sets import FakeCalendar, spans
from tests.support.timetables import pen, placed, said, stepped, without_catchup

NOW = utc("2026-11-10 12:00")  # a Tuesday
SPAN = (utc("2026-11-11 00:00"), utc("2026-12-06 00:00"))  # what is stepped through

MEETINGS = FakeCalendar(
    spans(
        ("2026-11-02 09:00", "2026-11-02 10:00"),
        ("2026-11-12 08:00", "2026-11-12 12:30"),
        ("2026-11-18 00:00", "2026-11-20 00:00"),
        ("2026-11-21 01:00", "2026-11-21 03:00"),
        ("2026-12-01 00:00", "2026-12-01 06:00"),
    )
)
OFF_PEAK = FakeCalendar(
    spans(*((f"2026-11-{day:02} 18:00", f"2026-11-{day + 1:02} 06:00") for day in range(1, 30))),
    "off_peak",
)
# So many that they are packed: 50 minutes of each hour, all of November.
BUSY = FakeCalendar(
    Spans(
        (start, start + 3000) for start in range(instant("2026-11-01"), instant("2026-12-01"), 3600)
    ),
    "busy",
)
# As a calendar of today is stored: with the feed it comes from, and what holds when that fails.
RELEASES = FakeCalendar(
    MEETINGS.known, "releases", Feed("0123456789abcdef" * 2 + "01234567", "ignore", 3600)
)
HELD = FakeCalendar(OFF_PEAK.known, "off_peak", Feed("f" * 40))


class Gone(FakeCalendar):
    """A calendar that cannot be read any more, nor from a copy."""

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        raise CalendarUnavailable(self.label, "HTTP 404", instant("2026-11-09 11:58"))


@dataclass(frozen=True)
class Named:
    """How to make a schedule, and when it is (frozen) now."""

    make: Callable[[], CalendarTimetable]
    now: datetime = NOW


def _of(schedule: Any, **arguments: Any) -> Named:
    arguments.setdefault("timezone", "Europe/Berlin")
    return Named(lambda: CalendarTimetable(schedule, **arguments))


SCHEDULES: dict[str, Named] = {
    "plain_cron": _of("30 4 * * *"),
    "preset": _of("@daily", timezone="America/New_York"),
    "timedelta": _of(timedelta(hours=7), timezone="UTC"),
    "weekly_windows": _of("0 */5 * * *", windows=Weekly("mon-fri 19:00-07:00", "sat-sun")),
    "calendar_blackout": _of("0 9 * * *", blackouts=MEETINGS),
    "calendar_window": _of("15 */4 * * *", windows=OFF_PEAK, duration=timedelta(hours=4)),
    "calendars_of_feeds": _of("15 */4 * * *", windows=HELD, blackouts=RELEASES),
    "many_meetings": _of(
        "20 */2 * * *", blackouts=[BUSY, Weekly("sun 00:00-08:00")], duration=timedelta(minutes=5)
    ),
    "advance": _of(
        "0 10 * * *", blackouts=MEETINGS, when_blocked="advance", duration=timedelta(minutes=45)
    ),
    "skip": _of("0 */3 * * *", blackouts=MEETINGS | Weekly("sun"), when_blocked="skip"),
    "forced": _of("0 */8 * * *", windows=Weekly("mon-wed 08:00-18:00"), when_blocked="run"),
    "every_tick_runs": _of(
        "*/90 */2 * * *", blackouts=[MEETINGS], coalesce=False, max_delay=timedelta(days=2)
    ),
    "staggered": _of(
        "@hourly", windows=OFF_PEAK - MEETINGS, stagger=timedelta(minutes=30), stagger_key="reports"
    ),
    "staggered_on_time": _of(
        "@hourly",
        windows=Weekly("daily 18:00-08:00"),
        stagger=timedelta(hours=1),
        stagger_key="etl",
    ),
    "held": _of("0 9 * * *", windows=OFF_PEAK | Gone(Spans(), "gone"), blackouts=MEETINGS),
    "data_intervals": _of(
        CronDataIntervalTimetable("0 * * * *", "UTC"), blackouts=MEETINGS & Weekly("mon-fri")
    ),
    "interval_of_trigger": _of(
        CronTriggerTimetable("0 3 * * *", timezone="Asia/Kolkata", interval=timedelta(days=1)),
        windows=~MEETINGS,
    ),
    "two_crons": _of(
        MultipleCronTriggerTimetable("0 1 * * *", "0 13 * * MON", timezone="UTC"),
        blackouts=MEETINGS,
    ),
    "events": _of(
        EventsTimetable(event_dates=[pen(utc(f"2026-11-{day} 08:30")) for day in (12, 17, 24, 28)]),
        blackouts=MEETINGS,
    ),
    "kept_hour": _of(
        "0 2 * * SAT", blackouts=MEETINGS, keep_hour=True, max_lateness=timedelta(hours=1)
    ),
    "placed": Named(
        lambda: placed(
            CalendarTimetable(
                "0 1 * * *",
                timezone="Europe/Berlin",
                windows=Weekly("daily 22:00-06:00"),
                blackouts=MEETINGS,
                duration=timedelta(hours=1),
                place=True,
            ),
            200,
            "pool gpu is busier until 03:00",
        )
    ),
    "without_catchup": Named(
        lambda: without_catchup(
            CalendarTimetable(
                "0 5 * * MON",
                timezone="Europe/Berlin",
                windows=OFF_PEAK,
                max_delay=timedelta(days=1),
            )
        )
    ),
    "by_days": _of(On([2, -1], Weekly("mon-fri"), of="week", at="25:00"), blackouts=MEETINGS),
    "holidays": _of(
        "0 12 * * *",
        blackouts=LocalDays(
            "holidays XX", "Europe/Berlin", (utc("2026-11-18").date(), utc("2026-12-01").date())
        ),
    ),
}


def runs_of(
    name: str, timetable: CalendarTimetable | None, limit: int = 12
) -> list[list[str | None]]:
    """Return the next runs of the schedule called *name*, as text: start, and data interval."""
    named = SCHEDULES[name]
    with time_machine.travel(named.now, tick=False):
        found = stepped(timetable or named.make(), *SPAN, limit=limit)
        return [[iso(moment) for moment in said(info)] for info in found]
