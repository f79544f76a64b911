"""One poll of one calendar in a triggerer, shared by every trigger that watches it.

It uses the acknowledging form of Airflow's shared streams (``airflow.triggers.shared_stream``,
3.3): what a watcher knows is noted only once Airflow has stored the events that it fired.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from airflow.triggers.shared_stream import AdvanceItem, SharedStreamProducer

from calendar_timetable import clock
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.time_sets import TimeRange
from calendar_timetable.runtime.event_diff import CalendarSnapshot
from calendar_timetable.runtime.shared_readings import in_thread

_BACK, _AHEAD, _WEEK = 31 * DAY, 366 * DAY, 7 * DAY
# Seconds that are read before what is remembered: a memory made so long ago is still covered.
_OVERLAP = 4 * _WEEK
_RETRY_SECONDS = 5.0  # seconds after which a calendar that could not be read is asked again
_MIN_POLL = 0.2  # seconds between two looks
_log = logging.getLogger(__name__)


@dataclass
class StreamSnapshot:
    """One look at the calendar, for every watcher: the latest reading, at *at* (epoch seconds)."""

    reading: CalendarSnapshot
    at: float
    stream: Stream
    # Called once all fired events are stored.
    notes: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class Stream(SharedStreamProducer):
    """The poll of one calendar.

    It looks after each reading, when a watcher asked to be woken, and when one joins.
    """

    def __init__(self, key: str, calendar: Calendar) -> None:
        self.key, self.calendar = key, calendar
        self._next_read = 0.0
        self._wakes: set[float] = set()
        self._called = asyncio.Event()

    async def open_stream(self) -> AsyncIterator[tuple[StreamSnapshot, StreamSnapshot]]:
        """Yield a look after each reading, and whenever a watcher asked for one."""
        streams[self.key] = self
        reading = await self._read(None)
        while True:
            look = StreamSnapshot(reading, clock.now(), self)
            self._wakes = {at for at in self._wakes if at > look.at}
            yield look, look
            await self._sleep()
            if clock.now() >= self._next_read:
                reading = await self._read(reading)

    async def aclose(self) -> None:
        """Forget the stream, so that no watcher wakes it any more."""
        if streams.get(self.key) is self:
            del streams[self.key]

    async def advance(self, batch: Sequence[AdvanceItem]) -> None:
        """Note what watchers were told, for each look whose events have been stored."""
        for item in batch:
            if item.outcome.failed:
                # The watcher that failed is told again; others note it with their next news.
                continue
            for note in item.broker_payload.notes:
                try:
                    await note()
                except Exception as error:  # noqa: BLE001
                    # One watcher's trouble must not become that of all others.
                    _log.warning(
                        "What was told of %s is not noted: %s", self.calendar, type(error).__name__
                    )

    def wake(self, at: float) -> None:
        """Look again at *at*, in epoch seconds, at the latest."""
        if at not in self._wakes:
            self._wakes.add(at)
            self._called.set()

    async def _sleep(self) -> None:
        while True:
            self._called.clear()
            until = min(self._next_read, *self._wakes) if self._wakes else self._next_read
            try:
                await asyncio.wait_for(self._called.wait(), max(until - clock.now(), _MIN_POLL))
            except TimeoutError:
                return

    async def _read(self, last: CalendarSnapshot | None) -> CalendarSnapshot:
        """Return a new reading, or *last* again where the calendar cannot be read.

        So no event counts as deleted only because of that. Without *last*, it is tried until it can
        be read.
        """
        refresh = self.calendar.refresh.total_seconds()
        while True:
            try:
                reading = await in_thread(read, self.calendar)
            except CalendarUnavailable as error:
                _log.warning("%s", error)
                self._next_read = clock.now() + max(refresh, _RETRY_SECONDS)
                if last is not None:
                    return last
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                self._next_read = clock.now() + max(refresh, _MIN_POLL)
                return reading


streams: dict[str, Stream] = {}


def read(calendar: Calendar) -> CalendarSnapshot:
    """Return the events of *calendar*, also cancelled ones.

    The stretch to remember is one of whole weeks, from a month ago to a year ahead. The events are
    also those of the four weeks before it.
    """
    at = clock.now()
    stretch = TimeRange(int((at - _BACK) // _WEEK * _WEEK), int(-(-(at + _AHEAD) // _WEEK) * _WEEK))
    edges = stretch.start - _OVERLAP, stretch.end
    low, high = (datetime.fromtimestamp(edge, UTC) for edge in edges)
    events, problems = calendar.events_and_problems(low, high)
    missing = [problem for problem in problems if not problem.counted]
    return CalendarSnapshot(
        at,
        stretch,
        tuple(events),
        puzzling=frozenset(problem.uid for problem in missing if not problem.partly),
        partial=frozenset(problem.uid for problem in missing),
        complete=not any(problem.may_be_any for problem in missing),
    )


def unfiltered(calendar: Calendar) -> Calendar:
    """Return all of what *calendar* holds, which is what its watchers share.

    It never counts as empty when it cannot be read, whatever ``on_unavailable`` says.
    """
    return Calendar(
        calendar.address,
        timezone=calendar.timezone,
        refresh=calendar.refresh,
        max_stale=calendar.max_stale,
    )
