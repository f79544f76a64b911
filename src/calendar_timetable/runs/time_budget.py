"""What an answer may cost in processor time, and how many costly answers there may be at once.

The middleware of the app opens a budget for every request, and a command may open a larger one.
Code that works step by step asks :func:`spent`, or draws the steps through :func:`metered`. Without
a budget nothing is ever spent.

What counts is the processor time of the thread: on a busy machine an answer takes longer, but
holds as much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
# Seconds for an answer: with what comes before and after, it stays below about five.
ANSWER = 4.5
PLANNING = 3.5  # seconds of these for finding what the answer holds; the rest is for writing it
DAG = 1.0  # seconds for one DAG in the answer
CHEAP = 0.5  # seconds after which an answer is a costly one
COSTLY_AT_ONCE = 2  # costly answers, in each process
RETRY_AFTER = 5  # seconds


class Spent(Exception):
    """There is no time left: the answer is to hold what is found, and say that it is not all."""


class Busy(Exception):
    """Too many costly answers are being worked out: this one has to be asked for again later.

    *retry_after* is in seconds.
    """

    def __init__(self, retry_after: int = RETRY_AFTER) -> None:
        self.retry_after = retry_after
        super().__init__(
            f"Others have asked for much at this moment: "
            f"ask again in {retry_after} seconds, or for less"
        )


class _Budget:
    """The budget of one answer; its time begins with the first step, in the thread that works."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.begun: float | None = None
        self.until = self.cheap_until = 0.0
        self.costly = self._closed = False
        self._lock = threading.Lock()

    def begin(self, now: float) -> None:
        self.begun, self.cheap_until = now, now + CHEAP * self.patience
        self.until = now + ANSWER * self.patience

    def become_costly(self) -> None:
        with self._lock:
            # The request has ended: nobody waits for this answer any more.
            if self._closed:
                self.until = 0.0
                return
            if not _costly.acquire(blocking=False):
                raise Busy
            self.costly = True

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self.costly:
                _costly.release()


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)
_costly = threading.BoundedSemaphore(COSTLY_AT_ONCE)


@contextmanager
def answer(patience: float = 1) -> Iterator[None]:
    """Open the budget of one answer: *patience* times what one to a request may cost.

    :class:`Busy` is raised where the answer turns out costly and enough others are already.
    """
    budget = _Budget(patience)
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)
        budget.close()


@contextmanager
def share(seconds: float) -> Iterator[None]:
    """Limit a part of an answer to so many *seconds*, by its patience, of what is left."""
    budget = _budget.get()
    if budget is None:
        yield
        return
    now = time.thread_time()
    if budget.begun is None:
        budget.begin(now)
    until, budget.until = budget.until, min(budget.until, now + seconds * budget.patience)
    try:
        yield
    finally:
        budget.until = until


def spent() -> bool:
    """Tell whether the time is over; raise :class:`Busy` where too many answers are costly."""
    budget = _budget.get()
    if budget is None:
        return False
    now = time.thread_time()
    if budget.begun is None:
        budget.begin(now)
    if now > budget.cheap_until and not budget.costly:
        budget.become_costly()
    return now > budget.until


def metered(steps: Iterable[T]) -> Iterator[T]:
    """Yield *steps* as long as there is time, then raise :class:`Spent`."""
    for step in steps:
        if spent():
            raise Spent
        yield step
