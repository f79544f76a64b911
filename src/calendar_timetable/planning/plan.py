"""From ticks to starts: the rules of time, in one place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from calendar_timetable.planning.opentime import DAY, OpenTime

WhenBlocked = Literal["postpone", "advance", "skip", "run"]
Outcome = Literal["on_time", "postponed", "advanced", "skipped", "coalesced", "forced"]

SEARCH_SECONDS = 2 * 366 * DAY  # how far past its first tick a search for a run looks …
SEARCH_TICKS = 50_000  # … and how many ticks it looks at, before it says "no run"
new = tuple.__new__  # what is made for every tick is made so: a named tuple's own way takes twice as long


class Tick(NamedTuple):
    """A due time of the base schedule, with its data interval; epoch seconds."""

    due: float
    interval_start: float
    interval_end: float


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What becomes of one tick.

    ``tick`` is when it is due and ``start`` when it may start (``None`` when it will not run), both
    UTC-aware; ``data_interval`` is what the run covers; ``reasons`` tell why it does not simply run when due.
    """

    tick: datetime
    start: datetime | None
    outcome: Outcome
    data_interval: tuple[datetime, datetime]
    reasons: tuple[str, ...] = ()


class Placed(NamedTuple):
    """A tick and its place in open time; ``start`` is ``None`` when it will not run."""

    tick: Tick
    start: float | None
    outcome: Outcome
    opening: float | None = None  # the opening that released a postponed start, before any stagger
    survivor: float | None = None  # the tick that runs instead of a coalesced one

    @property
    def runs(self) -> bool:
        return self.start is not None


@dataclass(frozen=True, slots=True)
class Policy:
    """How ticks are placed in open time. Durations in seconds; ``stagger`` is this schedule's own offset."""

    when_blocked: WhenBlocked = "postpone"
    duration: int = 0
    max_delay: int = 7 * DAY
    coalesce: bool = True
    stagger: int = 0

    def place(self, tick: Tick, open_time: OpenTime) -> Placed:
        """*tick* by itself, before coalescing and stagger."""
        due, duration = tick.due, self.duration
        if self.when_blocked == "postpone":
            start = open_time.next_fit(due, duration, due + self.max_delay)
            if start == due:
                return new(Placed, (tick, due, "on_time", None, None))
            if start is not None:
                return new(Placed, (tick, start, "postponed", start, None))
        elif open_time.fits(due, duration):
            return Placed(tick, due, "on_time")
        elif self.when_blocked == "run":
            return Placed(tick, due, "forced")
        elif self.when_blocked == "advance":
            start = open_time.previous_fit(due, duration, due - self.max_delay)
            if start is not None:
                return Placed(tick, start, "advanced")
        return Placed(tick, None, "skipped")


def lay_out(ticks: Iterable[Tick], policy: Policy, open_time: OpenTime) -> Iterator[Placed]:
    """Every one of *ticks* (strictly increasing) with its start: coalesced and staggered.

    Where ticks carry data intervals, a run's begins where that of the last run ended: what coalesced or
    skipped ticks would have covered is not lost. Looks at most one tick beyond the one it yields.
    """
    group: list[Placed] = []  # neighbours that would start together, waiting for the next tick
    unserved: float | None = None  # where the interval of the first tick without a run began

    def release(following: Tick | None) -> list[Placed]:
        nonlocal group, unserved
        if policy.stagger and group[-1].outcome == "postponed":
            _stagger(group, policy, open_time, following)
        released = group
        if policy.coalesce and len(group) > 1:
            last = group[-1]
            unserved = group[0].tick.interval_start if unserved is None else unserved
            released = [new(Placed, (p.tick, None, "coalesced", p.opening, last.tick.due)) for p in group]
            released[-1] = _with_interval(last, unserved)
        elif unserved is not None:
            group[0] = _with_interval(group[0], unserved)
        group, unserved = [], None
        return released

    at_once = ("on_time", "forced") if policy.when_blocked != "advance" else ()  # no later tick can start as early
    for tick in ticks:
        if group and at_once:
            start = group[-1].start
            assert start is not None, "a group starts together"
            if tick.due < start:  # nothing fits until then
                group.append(new(Placed, (tick, start, "postponed", start, None)))
                continue
            if tick.due > start + policy.stagger:
                yield from release(tick)  # before the tick is placed: most who ask take only the first run
        placed = policy.place(tick, open_time)
        if group and not _together(group, placed, policy, open_time):
            yield from release(tick)
        if placed.start is None:
            unserved = tick.interval_start if unserved is None else unserved
            yield placed
        elif not group and unserved is None and placed.outcome in at_once:
            yield placed
        else:
            group.append(placed)
            if placed.outcome in at_once:
                yield from release(None)
    if group:
        yield from release(None)


def runs(ticks: Iterable[Tick], policy: Policy, open_time: OpenTime) -> Iterator[Placed]:
    """Those of *ticks* that run. The search ends: past its bounds, "no run" is the answer."""
    idle = 0
    idle_since: float | None = None
    for placed in lay_out(ticks, policy, open_time):
        if placed.start is not None:
            idle, idle_since = 0, None
            yield placed
            continue
        idle += 1
        idle_since = placed.tick.due if idle_since is None else idle_since
        if idle == 100 and placed.outcome == "skipped":
            due = placed.tick.due
            if open_time.next_fit(due, policy.duration, due + SEARCH_SECONDS) is None:
                return  # time never opens: no need to look at every tick
        if idle >= SEARCH_TICKS or (idle >= 10 and placed.tick.due - idle_since > SEARCH_SECONDS):
            return


def _together(group: list[Placed], placed: Placed, policy: Policy, open_time: OpenTime) -> bool:
    """Whether *placed* starts together with the waiting *group*."""
    if placed.start is None:
        return False
    if placed.start == group[-1].start:
        return True
    # A tick that comes up while a staggered start is still waiting takes its place: starts never go back.
    return (
        policy.coalesce
        and group[-1].outcome == "postponed"
        and placed.outcome == "on_time"
        and placed.start <= _staggered(group[-1], policy, open_time)
    )


def _staggered(placed: Placed, policy: Policy, open_time: OpenTime) -> float:
    assert placed.start is not None
    latest = min(placed.start + policy.stagger, placed.tick.due + policy.max_delay)
    return open_time.last_fit(placed.start, policy.duration, latest)


def _stagger(group: list[Placed], policy: Policy, open_time: OpenTime, following: Tick | None) -> None:
    latest = math.inf if following is None else following.due
    group[:] = [p._replace(start=min(_staggered(p, policy, open_time), latest)) for p in group]


def _with_interval(placed: Placed, unserved: float | None) -> Placed:
    tick = placed.tick
    if unserved is None or tick.interval_start == tick.interval_end or unserved >= tick.interval_start:
        return placed
    return placed._replace(tick=tick._replace(interval_start=unserved))
