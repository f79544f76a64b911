"""A figure: what ours takes against a named peer, taken in turns in one run.

Less is better, always.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

ROUNDS = 200


@dataclass(frozen=True)
class Figure:
    """One measurement, *ours* against *theirs*.

    *ours* and *theirs* are medians, in *unit*; *ratio* is of the medians, with its quartiles pair
    by pair.

    *what* names the figure in the baseline: nothing that changes from run to run belongs in it.
    """

    what: str
    peer: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    unit: str = "µs"


def compare(
    what: str,
    peer: str,
    ours: Callable[[], object],
    other: Callable[[], object],
    rounds: int = ROUNDS,
) -> Figure:
    """Time both in turns."""
    ours(), other()
    return figure(what, peer, [(clocked(ours), clocked(other)) for _ in range(rounds)])


def figure(what: str, peer: str, pairs: Sequence[tuple[float, float]]) -> Figure:
    """Return the medians of timed *pairs*, in seconds."""
    return of_pairs(what, peer, [(ours * 1e6, theirs * 1e6) for ours, theirs in pairs], "µs")


def of_pairs(what: str, peer: str, pairs: Sequence[tuple[float, float]], unit: str) -> Figure:
    """Return the medians of *pairs* measured together, in *unit*; one pair has no spread."""
    ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratios = [a / b for a, b in pairs]
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Figure(what, peer, ours, theirs, ours / theirs, low, high, unit)


def of_ratios(what: str, peer: str, pairs: Sequence[tuple[float, float]], unit: str) -> Figure:
    """Return the same of *pairs* that differ much from each other: the ratio is pair by pair."""
    found = of_pairs(what, peer, pairs, unit)
    return replace(found, ratio=statistics.median(a / b for a, b in pairs))


def clocked(call: Callable[[], object]) -> float:
    """Seconds that *call* takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
