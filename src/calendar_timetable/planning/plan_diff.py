"""Two plans of one DAG, compared run by run. A run is known by its due time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from calendar_timetable.planning.explain import format_clock
from calendar_timetable.planning.plan import PlacedTick

ChangeKind = Literal["moves", "appears", "vanishes", "combined"]
KINDS: tuple[ChangeKind, ...] = ("moves", "appears", "vanishes", "combined")


class RunChange(NamedTuple):
    """What became of the run that is due at *due*, in epoch seconds.

    It moves, appears, vanishes, or is now combined with a later run, which covers it. *before* and
    *after* say what becomes of its due time; ``None`` where there is no such due time.
    """

    kind: ChangeKind
    due: float
    before: PlacedTick | None
    after: PlacedTick | None


def changes(before: Iterable[PlacedTick], after: Iterable[PlacedTick]) -> list[RunChange]:
    """Return the runs that differ between two plans for the same time, in order of due time."""
    old, new = ({placed.tick.due: placed for placed in places} for places in (before, after))
    pairs = ((due, old.get(due), new.get(due)) for due in sorted(old.keys() | new.keys()))
    return [RunChange(kind, *pair) for pair in pairs if (kind := _kind(*pair[1:])) is not None]


def changes_ahead(
    before: Iterable[PlacedTick], after: Iterable[PlacedTick], now: float
) -> list[RunChange]:
    """Return those of :func:`changes` whose run had not begun by *now* as it was planned before.

    *now* is in epoch seconds. What had begun by then is not taken back by any plan; what was due
    before, and waits, may still move.
    """
    old = {placed.tick.due: placed for placed in before}
    return [
        change
        for change in changes(old.values(), after)
        if (change.due if change.before is None else _begins(change.before, old)) > now
    ]


def _kind(before: PlacedTick | None, after: PlacedTick | None) -> ChangeKind | None:
    ran, runs = (placed is not None and placed.runs for placed in (before, after))
    if ran and runs:
        assert before is not None
        assert after is not None
        return "moves" if before.start != after.start else None
    if ran:
        return "combined" if after is not None and after.outcome == "coalesced" else "vanishes"
    return "appears" if runs else None


def _begins(placed: PlacedTick, plan: dict[float, PlacedTick]) -> float:
    """Return when *placed* is over with, by its *plan*: it or what covers it starts, or was due."""
    survivor = None if placed.survivor is None else plan.get(placed.survivor)
    start = placed.start if survivor is None else survivor.start
    return placed.tick.due if start is None else start


# --- in words -------------------------------------------------------------------------------------

_SAID = {
    "moves": ("moves", "move"),
    "appears": ("appears", "appear"),
    "vanishes": ("vanishes", "vanish"),
    "combined": ("is combined with another", "are combined with others"),
}


def in_numbers(run_changes: Iterable[RunChange]) -> str:
    """Say how many runs differ: "3 runs move, 1 appears"; "" where none does."""
    counts = Counter(change.kind for change in run_changes)
    parts = [(counts[kind], _SAID[kind][counts[kind] != 1]) for kind in KINDS if counts[kind]]
    return ", ".join(
        f"{number}{'' if place else ' run' if number == 1 else ' runs'} {what}"
        for place, (number, what) in enumerate(parts)
    )


def place(placed: PlacedTick | None, zone: ZoneInfo) -> str:
    """Say in *zone* what becomes of a due time, beside which this is read: "05:00"."""
    if placed is None:
        return "not due"
    if placed.start is not None:
        return format_clock(int(placed.start), zone, placed.tick.due)
    if placed.survivor is not None:
        return f"combined with the {format_clock(placed.survivor, zone, placed.tick.due)} run"
    return "skipped"


def why(change: RunChange, before: str, after: str) -> str:
    """Say why the run is where it is now, else why it was elsewhere.

    *before* and *after* are the reasons that the two schedules give, in words.
    """
    if change.after is None:
        return "not due any more"
    if after:
        return after
    if change.before is None:
        return "was not due"
    return f"was {before}" if before else ""
