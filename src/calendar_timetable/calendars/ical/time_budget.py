"""Processor time for one component at a time, so that a hostile one cannot use up what the rest needs."""

from __future__ import annotations

import signal
import time
from types import FrameType

_SHARES = 8  # a component may use this part of what is left: many hostile ones never use it all
_LEAST = 0.05  # seconds


class OutOfTime(Exception):
    """A component used more than its share."""


class Budget:
    """*seconds* of processor time to be shared out. Needs the main thread."""

    def __init__(self, seconds: float) -> None:
        self._end = time.process_time() + seconds
        signal.signal(signal.SIGPROF, _ring)  # for good: nothing rings but what :meth:`share` sets

    def share(self) -> Budget:
        """For ``with``: a block of code that is interrupted by :class:`OutOfTime` when its share is used up."""
        return self

    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, max(_LEAST, (self._end - time.process_time()) / _SHARES))

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime
