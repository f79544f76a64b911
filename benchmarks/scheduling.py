"""What Airflow asks of a schedule with 10,000 blackouts.

It is measured against plain cron with the same expression and zone.
"""

from __future__ import annotations

import json
import random
import statistics
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime

from benchmarks.figures import Figure, clocked, compare, of_pairs
from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans

PEER = "CronTriggerTimetable"
ZONE = "Europe/Berlin"
WINDOWS = Weekly("mon-fri 19:00-07:00", "sat-sun")
# Of a quarter of an hour at most, one every 20 minutes: every other full hour lies in one
BLACKOUTS = 10_000
STEPS = 2_000  # the most that Airflow's Calendar view takes
CALLS = 2_000  # of which the slowest 1 % is looked at


def figures() -> Iterator[Figure]:
    """Weekly and hourly, catchup off and on."""
    for name, expression in {"weekly": "0 2 * * SAT", "hourly": "0 * * * *"}.items():
        yield from scheduling(name, expression)
    for name, expression in {"minutely": "* * * * *", "hourly": "0 * * * *"}.items():
        for days in (46, 365):
            yield from in_a_closure(name, expression, days)
    yield from half_closed()
    yield size("weekly, 10,000 blackouts", "0 2 * * SAT", BLACKOUTS, 4)
    yield size("*/15, 5,000 blackouts", "*/15 * * * *", BLACKOUTS // 2, 64)


def scheduling(name: str, expression: str) -> Iterator[Figure]:
    """One schedule against plain cron."""
    data = stored(expression, BLACKOUTS)
    cron = CronTriggerTimetable(expression, timezone=ZONE)
    cron_data = cron.serialize()
    last_week = DateTime.instance(datetime.now(UTC) - timedelta(days=7))
    # As the Calendar view steps
    last = DataInterval.exact(cron._get_next(last_week))  # noqa: SLF001

    def fresh() -> Timetable:
        # As each read of the database: not what was decoded last
        return CalendarTimetable.deserialize(data.copy())

    def fresh_cron() -> Timetable:
        return CronTriggerTimetable.deserialize(cron_data)

    for catchup in (False, True):
        what = f"{name}, catchup {'on' if catchup else 'off'}"
        restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup)
        ask = partial(answer, last, restriction)
        again, cron_again = partial(ask, fresh()), partial(ask, cron)
        yield compare(f"{what}: next run, of an object asked before", PEER, again, cron_again)
        yield tail(f"{what}: the same, 99th percentile", again)
        told = f"{what}: deserialize and next run, as a scheduler does"
        yield compare(
            told, PEER, partial(fresh_answer, fresh, ask), partial(fresh_answer, fresh_cron, ask)
        )
    yield compare(f"{name}: deserialize", PEER, fresh, fresh_cron)
    what, same = f"{name}: {STEPS:,} steps of the Calendar view", fresh()
    peer_steps = partial(cron_steps, cron, last)
    yield compare(f"{what}, first time", PEER, lambda: steps(fresh(), last), peer_steps, rounds=7)
    yield compare(
        f"{what}, of an object asked before", PEER, lambda: steps(same, last), peer_steps, rounds=7
    )


def in_a_closure(name: str, expression: str, days: int) -> Iterator[Figure]:
    """Three days into a closure of so many *days* that began when the last run was made."""
    now = datetime.now(UTC)
    begin = int(now.timestamp()) - 3 * 86400
    cron = CronTriggerTimetable(expression, timezone=ZONE)
    last = DataInterval.exact(cron._get_prev(DateTime.instance(now - timedelta(days=3))))  # noqa: SLF001
    known = CalendarSpans("bench", Spans([(begin, begin + days * 86400)]))
    timetable = CalendarTimetable(
        expression, timezone=ZONE, blackouts=known, max_delay=timedelta(days=400)
    )
    data, cron_data = json.loads(json.dumps(timetable.serialize())), cron.serialize()
    for catchup in (False, True):
        restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup)

        def ask(timetable: Timetable, restriction: TimeRestriction = restriction) -> None:
            timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)

        what = (
            f"{name}, closed for {days} days, "
            f"catchup {'on' if catchup else 'off'}: deserialize and next run"
        )
        ours = partial(fresh_answer, lambda: CalendarTimetable.deserialize(data.copy()), ask)
        yield compare(
            what,
            PEER,
            ours,
            partial(fresh_answer, lambda: CronTriggerTimetable.deserialize(cron_data), ask),
        )


def half_closed() -> Iterator[Figure]:
    """Measure an hourly schedule of which events close half of all time.

    There are a thousand busy and all-day events; now it is open, or closed.
    """
    now = DateTime.instance(datetime.now(UTC))
    cron = CronTriggerTimetable("0 * * * *", timezone=ZONE)
    moments = [
        DataInterval.exact(cron._get_prev(now - timedelta(hours=hours)))  # noqa: SLF001
        for hours in range(0, 96, 5)
    ]
    for state in ("open", "closed"):
        shifted = (thousand_events(now.int_timestamp - hours * 3600) for hours in range(240))
        events = next(
            spans for spans in shifted if (now.timestamp() in spans) == (state == "closed")
        )
        timetable = CalendarTimetable(
            "0 * * * *", timezone=ZONE, blackouts=CalendarSpans("bench", events)
        )
        data = json.loads(json.dumps(timetable.serialize()))
        for catchup in (False, True):
            restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup)

            def ask(timetable: Timetable, restriction: TimeRestriction = restriction) -> None:
                for last in moments:
                    timetable.next_dagrun_info(
                        last_automated_data_interval=last, restriction=restriction
                    )

            what = (
                f"hourly, half of all time closed by 1,000 events, now {state}, "
                f"catchup {'on' if catchup else 'off'}"
            )
            ours = CalendarTimetable.deserialize(data)
            yield compare(f"{what}: next run", PEER, partial(ask, ours), partial(ask, cron))


def thousand_events(around: int) -> Spans:
    """Return sixty whole days and 940 short events.

    They lie from sixty days before *around*, in epoch seconds, to four months after.
    """
    dice = random.Random(2)
    days = [around + day * 86400 for day in range(-60, 120)]
    events = [(day, day + 86400) for day in dice.sample(days, 60)]
    for day in dice.choices(days, k=940):
        start = day + dice.randrange(0, 86400, 900)
        events.append((start, start + dice.choice((1800, 3600, 5400))))
    return Spans(events)


def answer(last: DataInterval, restriction: TimeRestriction, timetable: Timetable) -> None:
    """As a scheduler asks after each run that it has created."""
    info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    assert info is not None


def fresh_answer(make: Callable[[], Timetable], ask: Callable[[Timetable], None]) -> None:
    """Ask a schedule that *make* makes anew: Airflow decodes the DAG each time."""
    ask(make())


def stored(expression: str, blackouts: int) -> dict[str, Any]:
    """Return a schedule as it comes out of Airflow's database."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    dice = random.Random(1)
    first = int((hour - timedelta(days=40, seconds=480)).timestamp())
    spans = Spans(
        (first + i * 1200, first + i * 1200 + dice.randint(60, 900)) for i in range(blackouts)
    )
    timetable = CalendarTimetable(
        expression, timezone=ZONE, windows=WINDOWS, blackouts=CalendarSpans("bench", spans)
    )
    data: dict[str, Any] = json.loads(json.dumps(timetable.serialize()))
    return data


def steps(timetable: Timetable, last: DataInterval) -> None:
    """As ``CalendarService`` lists planned runs of a timetable that is not Airflow's cron."""
    info: DagRunInfo | None = DagRunInfo(last.end, last, None, None)
    restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup=False)
    for _ in range(STEPS):
        info = timetable.next_dagrun_info_v2(last_dagrun_info=info, restriction=restriction)


def cron_steps(cron: CronTriggerTimetable, last: DataInterval) -> None:
    """As it lists those of Airflow's cron: the shorter way, beside ``next_dagrun_info``."""
    due = last.end
    for _ in range(STEPS):
        due = cron._get_next(due)  # noqa: SLF001


def tail(what: str, call: Callable[[], object]) -> Figure:
    """Measure the 99th percentile of *call*, against its median."""

    def pair() -> tuple[float, float]:
        times = [clocked(call) * 1e6 for _ in range(CALLS)]
        return statistics.quantiles(times, n=100)[-1], statistics.median(times)

    return of_pairs(what, "its median", [pair() for _ in range(5)], "µs")


def size(what: str, expression: str, blackouts: int, most: int) -> Figure:
    """Measure what the schedule adds to its serialized DAG, against *most* KB."""
    bytes_ = len(json.dumps(stored(expression, blackouts)))
    return of_pairs(f"serialized size, {what}", f"{most} KB", [(bytes_, most * 1024)], "bytes")
