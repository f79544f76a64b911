"""What is to be used of a pool in each stretch of time, out of who gets slots when."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from calendar_timetable.load.history import spread
from calendar_timetable.load.queueing import Use


@dataclass(slots=True)
class Stretch:
    """What is used of a pool in a stretch of time.

    *work* is slots times seconds, also by who uses them; *peak* the most slots in use at once.
    *waiting* are slots times seconds that were waited for, *longest* the longest wait that begins
    here, in seconds: at least so long where it is *open*.
    """

    work: float = 0.0
    peak: float = 0.0
    waiting: float = 0.0
    longest: float = 0.0
    open: bool = False
    by_user: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class Hours:
    """What is used of one pool in *count* stretches of *length* seconds from *start* on."""

    def __init__(self, start: float, count: int, length: float = 3600) -> None:
        self.start, self.length = start, length
        self.stretches = [Stretch() for _ in range(count)]
        # What is taken when each stretch begins, as changes from the one before.
        self._steps = [0.0] * (count + 1)

    def add(self, use: Use, user: str) -> None:
        """Count one *use* of the pool, by *user*."""
        until = self.start + len(self.stretches) * self.length
        slots = use.need.slots
        waited_until = until if use.begun is None else use.begun
        if waited_until > use.asked:
            for number, work in self._inside(use.asked, waited_until, slots):
                self.stretches[number].waiting += work
            first = self._number(use.asked)
            if 0 <= first < len(self.stretches):
                at = self.stretches[first]
                if waited_until - use.asked >= at.longest:
                    at.longest, at.open = waited_until - use.asked, use.begun is None
        if use.begun is None:
            return
        ends = use.begun + use.need.seconds
        for number, work in self._inside(use.begun, ends, slots):
            stretch = self.stretches[number]
            stretch.work += work
            stretch.by_user[user] += work
        begins = self._number(use.begun)
        if 0 <= begins < len(self.stretches):
            at = self.stretches[begins]
            at.peak = max(at.peak, use.in_use)
        low = max(0, math.ceil((use.begun - self.start) / self.length))
        high = max(0, math.ceil((ends - self.start) / self.length))
        if low < high and low < len(self._steps):
            self._steps[low] += slots
            self._steps[min(high, len(self._steps) - 1)] -= slots

    def close(self) -> list[Stretch]:
        """Return the stretches, after the last use: what a stretch begins with is part of it."""
        taken = 0.0
        for stretch, step in zip(self.stretches, self._steps, strict=False):
            taken += step
            stretch.peak = max(stretch.peak, taken)
        return self.stretches

    def _number(self, at: float) -> int:
        return math.floor((at - self.start) / self.length)

    def _inside(self, begin: float, end: float, slots: float) -> list[tuple[int, float]]:
        begin = max(begin, self.start)
        end = min(end, self.start + len(self.stretches) * self.length)
        return list(spread(begin, end, slots, self.start, self.length))
