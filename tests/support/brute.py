"""The rules of time written out naively, minute by minute.

There is no bisection, and nothing of the package's code.

Everything counts minutes from an origin, and every window, blackout, tick and duration is whole
minutes, so that the only start off the minute is that of an advanced run without a duration: it
takes the last whole second before time closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Minutes = tuple[int, int]


@dataclass(frozen=True)
class Row:
    """What becomes of a tick; ``start`` in seconds from the origin."""

    tick: int
    start: int | None
    outcome: str
    interval_start: int
    interval_end: int


def is_open(minute: int, windows: Sequence[Minutes] | None, blackouts: Sequence[Minutes]) -> bool:
    """Tell whether *minute* lies in a window and in no blackout."""
    for start, end in blackouts:
        if start <= minute < end:
            return False
    if windows is None:
        return True
    for start, end in windows:
        if start <= minute < end:
            return True
    return False


@dataclass(frozen=True)
class Brute:
    """A schedule's rules of time, in minutes, and what follows from them."""

    windows: Sequence[Minutes] | None
    blackouts: Sequence[Minutes]
    when_blocked: str = "postpone"
    duration: int = 0
    max_delay: int = 600
    coalesce: bool = True
    # In UTC, in which the origin is a midnight.
    keep_hour: bool = False

    def fits(self, minute: int) -> bool:
        # Without a duration the minute itself must be open.
        for inside in range(minute, minute + max(self.duration, 1)):
            if not is_open(inside, self.windows, self.blackouts):
                return False
        return True

    def place(self, tick: int) -> tuple[int | None, str]:
        if self.fits(tick):
            return tick * 60, "on_time"
        if self.when_blocked == "run":
            return tick * 60, "forced"
        if self.when_blocked == "postpone":
            step = 1440 if self.keep_hour else 1
            for later in range(tick + step, tick + self.max_delay + 1, step):
                if self.fits(later):
                    return later * 60, "postponed"
        if self.when_blocked == "advance":
            for back in range(1, self.max_delay + 1):
                if self.fits(tick - back):
                    return (tick - back) * 60 + (0 if self.duration else 59), "advanced"
        return None, "skipped"

    def _is_taken_along(self, start: int, later: Sequence[tuple[int | None, str]]) -> bool:
        """Tell whether a tick after the one that starts at *start* runs for both."""
        if self.keep_hour:
            return any(other is not None and other <= start for other, _ in later)
        return self.coalesce and bool(later) and later[0][0] == start

    def plan(self, ticks: Sequence[tuple[int, int]]) -> list[Row]:
        """Return rows for *ticks*.

        Each tick is the start and the end of its data interval; it is due at the end.
        """
        placed = [self.place(due) for _, due in ticks]
        rows = []
        covered_until: int | None = None  # where the last run's data interval ended
        for i, (begin, due) in enumerate(ticks):
            start, outcome = placed[i]
            if start is not None and self._is_taken_along(start, placed[i + 1 :]):
                start, outcome = None, "coalesced"
            first = begin
            if start is not None:
                if begin < due:  # the base has data intervals: none is lost
                    first = ticks[0][0] if covered_until is None else covered_until
                covered_until = due
            if start is not None and outcome == "advanced":
                first = min(first, start // 60)  # Airflow starts no task before the logical date
            rows.append(Row(due, start, outcome, first, due))
        return rows


def comparable(rows: list[Row]) -> list[object]:
    """Of a tick that does not run, no data interval is promised."""
    return [row if row.start is not None else (row.tick, row.outcome) for row in rows]
