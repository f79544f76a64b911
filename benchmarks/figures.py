"""A figure: what ours takes against a named peer, timed in turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 200


@dataclass
class Figure:
    """*ours* and *peer* are medians in microseconds; *ratio* is of the medians, with its quartiles pair by pair."""

    what: str
    peer: str
    ours_us: float
    peer_us: float
    ratio: float
    low: float
    high: float


def compare(
    what: str, peer: str, ours: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS
) -> Figure:
    """Time both in turns."""
    ours(), other()
    return figure(what, peer, [(clocked(ours), clocked(other)) for _ in range(rounds)])


def figure(what: str, peer: str, pairs: list[tuple[float, float]]) -> Figure:
    """The medians of timed *pairs*, in seconds."""
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    low, _, high = statistics.quantiles((a / b for a, b in pairs), n=4)
    return Figure(what, peer, mine * 1e6, theirs * 1e6, mine / theirs, low, high)


def clocked(call: Callable[[], object]) -> float:
    """Seconds that *call* takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
