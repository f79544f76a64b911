"""What is remembered on the way to a next run: the same work with each of these, and without.

What makes less than a tenth of a difference is to go: see docs/performance.md.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from airflow.timetables.base import DataInterval, TimeRestriction
from pendulum import DateTime

from benchmarks.feed import google_like
from benchmarks.figures import Figure, clocked, figure
from benchmarks.reading import EVENTS, NOW, anew
from benchmarks.scheduling import BLACKOUTS, STEPS, WINDOWS, ZONE, answer, steps, stored
from calendar_timetable import Calendar, CalendarTimetable
from calendar_timetable.calendars.ical import properties
from calendar_timetable.planning import weekly, zones
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.spans import Spans
from calendar_timetable.schedule import base, compile_cache, cron, next_run

ROUNDS = 40
FEW = 7  # rounds of what takes long
EXPRESSIONS = {"weekly": "0 2 * * SAT", "hourly": "0 * * * *"}

# What a process remembers that has asked nothing: none of these.
_WEEKLY, _ANY_WEEK, _OFFSETS = (
    weekly._remembered,  # noqa: SLF001
    weekly._plain_stretch,  # noqa: SLF001
    zones._day_offsets,  # noqa: SLF001
)

Work = Callable[[], object]
Without = Callable[[], AbstractContextManager[object]]


def figures() -> Iterator[Figure]:
    """Measure next runs and their steps, then parsing and reading."""
    for name, expression in EXPRESSIONS.items():
        yield from scheduling(name, expression)
    yield from parsing()
    yield from reading()


def scheduling(name: str, expression: str) -> Iterator[Figure]:
    """Measure one schedule with windows and 10,000 blackouts."""
    data = stored(expression, BLACKOUTS)
    last_week = (datetime.now(UTC) - timedelta(days=7)).timestamp()
    last = DataInterval.exact(
        base.to_pendulum(cron.CronTicks(expression, ZONE).last_until(last_week))
    )
    restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup=True)
    ask = partial(answer, last, restriction)
    same = CalendarTimetable.deserialize(data.copy())

    def decoded_and_asked() -> None:
        ask(CalendarTimetable.deserialize(data.copy()))

    def first_steps() -> None:
        for remembered in (_WEEKLY, _ANY_WEEK, _OFFSETS):
            remembered.cache_clear()
        steps(CalendarTimetable.deserialize(data.copy()), last)

    cron_alone = partial(instead, cron.cron_ticks, lambda cron_: cron.CronTicks(*cron_))
    open_time = partial(patch.object, OpenTime, "over", _laid_out_anew)
    ahead = partial(patch.object, next_run, "_thread", _Forgetful())

    what = f"{name}: next run"
    yield without("cron's due times", what, partial(ask, same), cron_alone)
    yield without("open time as laid out", what, partial(ask, same), open_time)
    what = f"{name}: next run as a scheduler does"
    yield without(
        "what short weekly rules cover",
        what,
        decoded_and_asked,
        forgetting(_WEEKLY),
    )
    what, again = f"{name}: {STEPS:,} steps", partial(steps, same, last)
    yield without("where the last answer left off", what, again, ahead, FEW)
    yield without("cron's due times", what, again, cron_alone, FEW)
    yield without("open time as laid out", what, again, open_time, FEW)
    yield without("due times as DateTime", what, again, forgetting(base.to_pendulum), FEW)
    what = f"{name}: {STEPS:,} steps, the first of a process"
    yield without(
        "what weekly rules cover where clocks stay",
        what,
        first_steps,
        forgetting(_ANY_WEEK),
        FEW,
    )
    yield without(
        "a zone's offsets",
        what,
        first_steps,
        forgetting(_OFFSETS),
        FEW,
    )


def parsing() -> Iterator[Figure]:
    """Measure what a DAG with a calendar of 1,000 events takes to serialize, and to decode."""
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, CALENDAR_TIMETABLE_CACHE=f"{folder}/cache"),
    ):
        team = Path(folder, "team.ics")
        team.write_bytes(google_like(1_000, NOW))

        def serialized() -> dict[str, Any]:
            return CalendarTimetable(
                "0 2 * * SAT", timezone=ZONE, windows=WINDOWS, blackouts=Calendar(team)
            ).serialize()

        data = serialized()
        what = "weekly, 1,000 events: serializing"
        made = partial(
            instead, compile_cache.cached_or_made, lambda arguments, copies, make: make()
        )
        yield without("what a schedule came to", what, serialized, made)
        words = forgetting(base.cron_base)
        yield without("a cron expression in words", what, serialized, words)

        def decoded(data: dict[str, Any] = data) -> None:
            CalendarTimetable.deserialize(data)

        def decoded_anew() -> None:
            decoded(data.copy())

        decoded()
        yield pairs("what was decoded last", "decoding it again", decoded, decoded_anew, ROUNDS)


def reading() -> Iterator[Figure]:
    """Measure a cold read of a big calendar."""
    read, what = partial(anew, google_like(EVENTS, NOW)), f"reading {EVENTS:,} events"
    yield without("a zone's clock", what, read, forgetting(properties.wall_clock), FEW)


def without(remembered: str, what: str, work: Work, gone: Without, rounds: int = ROUNDS) -> Figure:
    """Time *work* with, and without, what is *remembered*, in turns."""
    times = []
    for _ in range(rounds + 1):
        with_it = clocked(work)
        with gone():
            work()  # what else is remembered is as it will be
            times.append((with_it, clocked(work)))
        gc.collect()
        work()
    return figure(f"{what}: {remembered}", "without", times[1:])


def pairs(remembered: str, what: str, work: Work, other: Work, rounds: int) -> Figure:
    """Time *work*, which uses what is *remembered*, and *other*, which does not, in turns."""
    times = []
    for _ in range(rounds):
        other()
        anew = clocked(other)
        work()
        times.append((clocked(work), anew))
    return figure(f"{what}: {remembered}", "without", times)


def forgetting(function: Any) -> Without:
    """Return what puts a cached function's own work in its place."""
    return partial(instead, function, function.__wrapped__)


def instead(function: Callable[..., Any], other: Callable[..., Any]) -> ExitStack:
    """Put *other* in the place of *function*, wherever it is imported."""
    stack = ExitStack()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "calendar_timetable":
            for attribute, value in list(vars(module).items()):
                if value is function:
                    stack.enter_context(patch.object(module, attribute, other))
    return stack


def _laid_out_anew(self: OpenTime, start: float, end: float) -> Spans:
    return self._lay_out(int(start), -int(-end // 1))


class _Forgetful:
    """A thread's last answer that is never there."""

    ahead = property(lambda self: None, lambda self, value: None)
