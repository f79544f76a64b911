"""Processor time for one component at a time, so that a hostile one cannot use up what the rest needs."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SHARES = 8  # a component may use this part of what is left: many hostile ones never use it all
_LEAST = 0.05  # seconds


class OutOfTime(Exception):
    """A component used more than its share."""


class Budget:
    """*seconds* of processor time to be shared out. Needs the main thread."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds

    @contextmanager
    def share(self) -> Iterator[None]:
        """A block of code that is interrupted by :class:`OutOfTime` when its share is used up."""
        previous = signal.signal(signal.SIGPROF, _ring)
        signal.setitimer(signal.ITIMER_PROF, max(_LEAST, (self._end - time.process_time()) / _SHARES))
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, previous)


def _ring(signum: int, frame: object) -> None:
    raise OutOfTime
