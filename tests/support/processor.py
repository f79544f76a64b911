"""What work costs in processor time, on however slow or busy a machine."""

from __future__ import annotations

import time
from collections.abc import Callable

# What :func:`loop` takes where bounds in tests were chosen.
LOOP_SECONDS = 0.12


def loop() -> float:
    """Return the processor time, in seconds, of a loop that is always the same."""
    began = time.process_time()
    counts: dict[int, int] = {}
    for number in range(1_000_000):
        counts[number % 1000] = counts.get(number % 1000, 0) + number
    return time.process_time() - began


def processor_seconds(call: Callable[[], object]) -> float:
    """Return the processor time of *call*, in seconds of a machine that is idle.

    Where a processor is shared, or slow, a loop just before and after *call* takes longer too.
    """
    before = loop()
    began = time.process_time()
    call()
    taken = time.process_time() - began
    return taken * min(1.0, LOOP_SECONDS / max(before, loop()))
