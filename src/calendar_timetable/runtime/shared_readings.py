"""Calendars read in a triggerer, once for all that need the same.

They are read in a few threads, so that the triggerer's event loop never waits. The reading itself
happens in child processes (``calendars/child_process.py``); the threads only wait for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from calendar_timetable import clock
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.schedule.time_rules import TimeRules

T = TypeVar("T")
_READINGS_AT_ONCE = 2  # readings at a time: more would only cost memory
_RETRY_SECONDS = 5.0  # seconds after which a calendar that could not be read is asked again


async def in_thread(function: Callable[..., T], *arguments: Any) -> T:
    """Return what *function* returns, called in one of a few threads.

    Airflow's Connections may be looked up there, in 3.2 too.
    """
    from asgiref.sync import sync_to_async

    call: Callable[..., Awaitable[T]] = sync_to_async(
        function, thread_sensitive=False, executor=_threads()
    )
    return await call(*arguments)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_READINGS_AT_ONCE, thread_name_prefix="calendar-timetable")


class Shared:
    """One reading of rules, for all in this process who need the same."""

    def __init__(self, rules: TimeRules) -> None:
        self.rules, self.users = rules, 0
        self.next_read: float | None = 0.0  # epoch seconds; ``None``: never again
        self._last: asyncio.Future[OpenTime] | None = None

    async def latest(self) -> OpenTime:
        """Return what is open by calendars read at most ``refresh`` seconds ago.

        It is laid out once for all gates that share it, whatever their policies.

        Raises :class:`CalendarUnavailable`.
        """
        if self._last is None or (
            self._last.done() and self.next_read is not None and clock.now() >= self.next_read
        ):
            self._last = asyncio.ensure_future(self._read())
        return await asyncio.shield(self._last)

    async def _read(self) -> OpenTime:
        refresh = self.rules.refresh
        try:
            open_time = await in_thread(self.rules.read, clock.now())
        except CalendarUnavailable:
            self.next_read = clock.now() + max(refresh or 0, _RETRY_SECONDS)
            raise
        self.next_read = None if refresh is None else clock.now() + refresh
        return open_time


_shared: dict[str, Shared] = {}


@contextmanager
def reading(rules: TimeRules) -> Iterator[Shared]:
    """Yield the shared reading of *rules*, which is kept while somebody uses it."""
    shared = _shared.setdefault(rules.key, Shared(rules))
    shared.users += 1
    try:
        yield shared
    finally:
        shared.users -= 1
        if not shared.users and _shared.get(rules.key) is shared:
            del _shared[rules.key]
