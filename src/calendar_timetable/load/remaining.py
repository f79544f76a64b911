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
    for part in doing:
        stages.setdefault(part.task, []).append(part)
    needs: list[Need] = []
    ends: dict[str, float] = {}  # by task that is not over, in seconds from now
    for task, parts in stages.items():
        usual = usually.get(task)
        for part in parts:
            if part.stage == "holds":
                age = max(0.0, now - (now if part.begun is None else part.begun))
                rest = age if usual is None else usual.seconds - age
                seconds = max(rest, _MORE * age, _LEAST_SECONDS)
            elif part.stage == "waits":
                seconds = _LEAST_SECONDS if usual is None else usual.seconds
            else:
                continue
            holds = part.stage == "holds"
            needs.append(Need(part.pool, part.slots, 0, seconds, part.copies, held=holds))
            ends[task] = max(ends.get(task, 0), seconds)
    for task, need in sorted(usually.items(), key=lambda item: item[1].after):
        parts = stages.get(task, [])
        later = [part for part in parts if part.stage == "later"]
        if parts and not later:
            continue
        after = max(0.0, started + need.after - now)
        for other in ends.keys() & usually.keys():
            gap = need.after - usually[other].after - usually[other].seconds
            if gap >= 0:
                after = max(after, ends[other] + gap)
        ends[task] = max(ends.get(task, 0), after + need.seconds)
        if len(later) == len(parts):
            needs.append(need._replace(after=after))
            continue
        # Of a mapped task some have begun, and others are deferred, or tried again.
        needs += (Need(part.pool, part.slots, after, need.seconds, part.copies) for part in later)
    return tuple(sorted(needs, key=lambda need: (need.after, need)))
