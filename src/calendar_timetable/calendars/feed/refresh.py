"""When a source is asked again: after its refresh, or the interval that it asks for.

After failures it is asked later and later. What failed is kept in the cache folder, so that a dead
calendar costs all DAG files together one attempt in a while, and a dead server costs one for all of
its calendars.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calendar_timetable import clock
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.feed.cache import CacheEntry, FeedState
from calendar_timetable.calendars.sources.base import FetchFailed

_random = random.SystemRandom()


class BackedOff(FetchFailed):
    """A server gave no answer of late; it is left alone until ``retry_at``, in epoch seconds."""

    def __init__(self, reason: str, retry_at: float) -> None:
        self.retry_at = retry_at
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class RefreshPolicy:
    """How often a feed is asked: every *refresh* seconds; *max_stale* is in seconds too.

    If *refresh* is ``None``, it is five minutes or, up to an hour, what the feed itself asks for.
    """

    refresh: float | None
    max_stale: float

    def is_due(self, state: FeedState) -> bool:
        """Tell whether it is time to ask again."""
        moment = clock.now()
        # The clock was set back, so how long ago that was is not known.
        if state.checked_at > moment + limits.CLOCK_SKEW:
            return True
        asked_for = (
            min(state.interval, limits.MAX_INTERVAL)
            if self.refresh is None and not state.error
            else 0
        )
        waits = (
            max(self._refresh, asked_for),
            min(state.retry_at - state.checked_at, limits.MAX_RETRY_AFTER),
        )
        return moment >= state.checked_at + max(waits)

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row.

        They double, with jitter, up to half an hour or, so that a copy gets several chances before
        it lapses, a quarter of what it may be stale; they are never less than the refresh.
        """
        longest = max(self._refresh, min(limits.MAX_BACKOFF, self.max_stale / 4))
        wait = min(max(self._refresh, limits.MIN_BACKOFF) * 2.0 ** min(failures - 1, 20), longest)
        return max(self._refresh, wait * _random.uniform(0.75, 1))

    @property
    def _refresh(self) -> float:
        return limits.REFRESH if self.refresh is None else self.refresh


class ServerBackoff:
    """What is known of a server (its name and port, or ``""``), for all calendars on it."""

    def __init__(self, name: str, policy: RefreshPolicy) -> None:
        self._entry = CacheEntry(f"server\n{name}", "server") if name else None
        self._policy = policy

    @contextmanager
    def attempt(self, *, force: bool) -> Iterator[None]:
        """Enclose a request to the server.

        Raises :class:`BackedOff` while the server is left alone, unless *force*.
        """
        state = FeedState() if self._entry is None else self._entry.state()
        if self._entry is None or not state.failures:
            with self._noting_failures(state):
                yield
            return
        if not force and not self._policy.is_due(state):
            raise BackedOff(state.error, state.retry_at)
        # One process tries, on behalf of all.
        with self._entry.lock(wait=force) as alone:
            if not alone:
                raise BackedOff(state.error, clock.now())
            with self._noting_failures(state):
                yield

    @contextmanager
    def _noting_failures(self, state: FeedState) -> Iterator[None]:
        try:
            yield
        except FetchFailed as error:
            if error.unreachable and self._entry is not None:
                failures, moment = state.failures + 1, clock.now()
                wait = self._policy.backoff(failures)
                self._entry.save(
                    FeedState(
                        checked_at=moment,
                        retry_at=moment + wait,
                        error=str(error),
                        failures=failures,
                    )
                )
                raise
            self._answered(state)
            raise
        else:
            self._answered(state)

    def _answered(self, state: FeedState) -> None:
        if state.failures and self._entry is not None:
            self._entry.save(FeedState())
