"""What a run that is under way will still ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from calendar_timetable.load.history import Need

Stage = Literal["later", "waits", "holds", "over"]
_LEAST_SECONDS = 60  # that a task is expected to go on, however long it has taken
_MORE = 0.1  # of what it has taken, too


class Doing(NamedTuple):
    """A task of a run under way, with so many *copies*, each of *slots* of a *pool*.

    Its *stage*: it will ask for them "later", "waits", "holds" them since *begun* (epoch seconds),
    or is "over".
    """

    task: str
    stage: Stage
    pool: str
    slots: int
    copies: int
    begun: float | None = None


def remaining(
    usually: Mapping[str, Need], doing: Iterable[Doing], started: float, now: float
) -> tuple[Need, ...]:
    """Return what a run asks for after *now*; it *started* then, both in epoch seconds.

    *usually* has the need of each of its tasks. A task that has taken longer than usual is expected
    to go on for a while, and those after it to come later.
    """
    stages: dict[str, list[Doing]] = {}
    for one in doing:
        stages.setdefault(one.task, []).append(one)
    found: list[Need] = []
    ends: dict[str, float] = {}  # by task that is not over, in seconds from now
    for task, parts in stages.items():
        usual = usually.get(task)
        for one in parts:
            if one.stage == "holds":
                taken = max(0.0, now - (now if one.begun is None else one.begun))
                rest = taken if usual is None else usual.seconds - taken
                seconds = max(rest, _MORE * taken, _LEAST_SECONDS)
            elif one.stage == "waits":
                seconds = _LEAST_SECONDS if usual is None else usual.seconds
            else:
                continue
            held = one.stage == "holds"
            found.append(Need(one.pool, one.slots, 0, seconds, one.copies, held=held))
            ends[task] = max(ends.get(task, 0), seconds)
    for task, need in sorted(usually.items(), key=lambda item: item[1].after):
        parts = stages.get(task, [])
        later = [one for one in parts if one.stage == "later"]
        if parts and not later:
            continue
        after = max(0.0, started + need.after - now)
        for other in ends.keys() & usually.keys():
            gap = need.after - usually[other].after - usually[other].seconds
            if gap >= 0:
                after = max(after, ends[other] + gap)
        ends[task] = max(ends.get(task, 0), after + need.seconds)
        if len(later) == len(parts):
            found.append(need._replace(after=after))
            continue
        # Of a mapped task some have begun, and others are deferred, or tried again.
        found += (Need(one.pool, one.slots, after, need.seconds, one.copies) for one in later)
    return tuple(sorted(found, key=lambda one: (one.after, one)))
