"""What a scheduler asks of a schedule, against plain cron."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.timetables.base import TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime

from benchmarks.figures import Figure, compare
from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.timesets import Known

ZONE = "Europe/Berlin"
WINDOWS = Weekly("mon-fri 19:00-07:00", "sat-sun")


def figures() -> Iterator[Figure]:
    """Weekly and hourly."""
    for expression in ("0 2 * * SAT", "0 * * * *"):
        yield from scheduling(expression)


def scheduling(expression: str) -> list[Figure]:
    """One schedule with 10,000 blackouts against plain cron."""
    now = datetime.now(UTC)
    dice = random.Random(1)
    first = int(now.timestamp()) - 40 * 86400
    blackouts = Spans((first + i * 1200, first + i * 1200 + dice.randint(60, 900)) for i in range(10_000))
    timetable = CalendarTimetable(expression, timezone=ZONE, windows=WINDOWS, blackouts=Known("bench", blackouts))
    data: dict[str, Any] = json.loads(json.dumps(timetable.serialize()))
    ours = CalendarTimetable.deserialize(data)
    cron = CronTriggerTimetable(expression, timezone=ZONE)
    cron_data = cron.serialize()
    week_ago = DateTime.instance(now - timedelta(days=7))
    first_run = cron.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(week_ago, None, catchup=True)
    )
    assert first_run is not None
    last = first_run.data_interval

    def step(timetable: Any, *, catchup: bool) -> Callable[[], object]:
        restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup)
        return lambda: timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)

    def steps(timetable: Any) -> object:
        interval = last
        for _ in range(500):
            info = timetable.next_dagrun_info(
                last_automated_data_interval=interval, restriction=TimeRestriction(None, None, catchup=True)
            )
            interval = info.data_interval
        return interval

    peer = "CronTriggerTimetable"
    return [
        compare(f"{expression}: next run, catchup off", peer, step(ours, catchup=False), step(cron, catchup=False)),
        compare(f"{expression}: next run, catchup on", peer, step(ours, catchup=True), step(cron, catchup=True)),
        compare(f"{expression}: 500 steps", peer, lambda: steps(ours), lambda: steps(cron), rounds=10),
        compare(
            f"{expression}: deserialize",
            peer,
            lambda: CalendarTimetable.deserialize(data),
            lambda: CronTriggerTimetable.deserialize(cron_data),
        ),
    ]
