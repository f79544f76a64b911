"""What people could change in DAG files, what that is worth, and how sure it is: plain numbers.

Advice is given only where what is gained can be told in numbers. Nothing is changed here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from calendar_timetable.load.history import Need, Usual
from calendar_timetable.load.placement import Load, Work, place
from calendar_timetable.load.queueing import Use
from calendar_timetable.planning.explain import format_length
from calendar_timetable.planning.python import delta

Kind = Literal["duration", "start", "stagger", "conflict"]
Level = Literal["few", "some", "many"]

MOST = 50  # pieces of advice in all
MOST_OF_A_KIND = 20  # pieces of advice, so that many durations do not hide the rest
LEAST_RUNS = 5  # that say how long a DAG takes, before a duration is advised
_SOME_RUNS, _MANY_RUNS = 10, 20
_SOME_WEEKS, _MANY_WEEKS = 2, 4
_SHORT_SECONDS = 600  # runs that take no longer need no duration
# A duration is too long that is so many times, and so many seconds, longer than runs take.
_MUCH_LONGER, _MUCH_LONGER_SECONDS = 2, 1800
_ROUND_SECONDS = 300  # to which a duration is rounded up
_MOST_DAGS = 10  # in one piece of advice
_TOGETHER = 5  # DAGs that are due in one minute, before a stagger is advised
_STAGGERS = (900, 1800, 3600, 7200)  # seconds that are tried
_LEAST_FALL, _LEAST_FALL_SLOTS = 0.1, 1  # of a peak: part and slots; less is not worth a change
_FULL = 0.5  # part of a pool's slots; a peak below it is no trouble
_NEAR_PEAK = 0.9  # part of the peak; what reaches it counts as peak too
_WAIT_SECONDS = 60  # shorter waits do not count
_LEAST_WAITING_RUNS = 3  # of one DAG for another, before that is a conflict
_LEAST_WEEKLY_WAIT_SECONDS = 600  # that make a conflict
_LATER_SECONDS = 900  # to which a later start is rounded up
_MOST_CONFLICTS = 10


class Gain(NamedTuple):
    """How much of *what* there is *before* a change and *after* it."""

    what: str
    before: float
    after: float

    @property
    def part(self) -> float:
        """The part of *before* that the change takes away; 0 where that is nothing."""
        return max(0.0, self.before - self.after) / self.before if self.before else 0.0

    def __str__(self) -> str:
        return f"{self.before:.3g} → {self.after:.3g} {self.what}"


class Basis(NamedTuple):
    """What advice rests on: at least so many recorded *runs* of each DAG it names.

    And so many whole *weeks* of records of all other DAGs; ``None`` where others do not matter.
    """

    runs: int
    weeks: int | None = None

    @property
    def level(self) -> Level:
        """How sure the advice is."""
        weeks = _MANY_WEEKS if self.weeks is None else self.weeks
        if self.runs < _SOME_RUNS or weeks < _SOME_WEEKS:
            return "few"
        return "many" if self.runs >= _MANY_RUNS and weeks >= _MANY_WEEKS else "some"

    def __str__(self) -> str:
        text = f"{self.runs} of each DAG" if self.runs else "none"
        if self.weeks is not None:
            weeks = (
                "no whole week" if not self.weeks else f"{self.weeks} week{'s'[: self.weeks > 1]}"
            )
            text += f", {weeks} of what else runs"
        return f"{self.level} runs: {text}"


@dataclass(frozen=True)
class Advice:
    """What could be changed in the files of these DAGs, why, and what to write there.

    *python* has the line for each DAG, where there is one. *command* is to be run once the files
    are changed.
    """

    kind: Kind
    dag_ids: tuple[str, ...]
    text: str
    gain: Gain
    basis: Basis
    evidence: tuple[str, ...]
    python: tuple[tuple[str, str], ...] = ()
    command: str = ""


def by_gain(advice: Iterable[Advice]) -> list[Advice]:
    """Return *advice*, the greatest gain first: ``MOST``, and ``MOST_OF_A_KIND`` of each kind."""
    left = dict.fromkeys(get_args(Kind), MOST_OF_A_KIND)
    pieces = []
    for piece in sorted(
        advice, key=lambda piece: (-piece.gain.part, piece.kind, piece.dag_ids, piece.text)
    ):
        left[piece.kind] -= 1
        if left[piece.kind] >= 0:
            pieces.append(piece)
    return pieces[:MOST]


@dataclass(frozen=True)
class Line:
    """The planned runs of a DAG: when they start, in epoch seconds, and what each *needs*."""

    dag_id: str
    needs: tuple[Need, ...]
    starts: tuple[float, ...]
    runs: int  # recorded ones, from which the needs are known

    def add_to(self, loads: Mapping[str, Load], sign: int = 1) -> None:
        """Add them to the load of their pools; with a *sign* of -1, take them away."""
        for start in self.starts:
            for need in self.needs:
                if need.pool in loads:
                    slots = sign * need.slots * need.copies
                    loads[need.pool].add(start + need.after, need.seconds, slots)

    def uses(self, pool: str) -> bool:
        """Tell whether they need slots of *pool*."""
        return any(need.pool == pool for need in self.needs)

    def slots_in(self, pool: str, load: Load, steps: Collection[int]) -> float:
        """Return what they use of *pool* in these *steps* of its *load*, summed up."""
        used = 0.0
        for start in self.starts:
            for need in self.needs:
                if need.pool == pool:
                    slots = need.slots * need.copies
                    for low, high in load.touched(start + need.after, need.seconds):
                        used += slots * sum(step in steps for step in range(low, high))
        return used


# --- duration ----------------------------------------------------------------------------------


class Ends(NamedTuple):
    """What becomes of due times ahead: *runs*, those that *overrun* open time, and *never* run."""

    runs: int
    overrun: int
    never: int


def better_duration(duration: int, usual: Usual) -> int | None:
    """Return the duration, in seconds, that fits recorded runs better than *duration*.

    A *duration* of 0 means none. ``None`` where that one is right, where too few runs are known, or
    where the long ones are one run alone.
    """
    if usual.runs < LEAST_RUNS or usual.outlier:
        return None
    right = duration >= usual.high or (not duration and usual.high <= _SHORT_SECONDS)
    too_long = duration > _MUCH_LONGER * usual.high and duration - usual.high > _MUCH_LONGER_SECONDS
    if right and not too_long:
        return None
    return max(_rounded_up(usual.high, _ROUND_SECONDS), _ROUND_SECONDS)


def duration_advice(
    dag_id: str, duration: int, usual: Usual, now: Ends, then: Ends
) -> Advice | None:
    """Return advice on a *duration*, where another one is :func:`better_duration`.

    *now* and *then* tell what becomes of the due times of two weeks by either duration.
    """
    better = better_duration(duration, usual)
    if better is None or then.never > now.never:
        return None
    longer = better > duration
    if longer and (now.overrun <= then.overrun if now.overrun else duration > 0):
        return None
    high = format_length(_rounded_up(usual.high, 60))
    half = format_length(_rounded_up(usual.median, 60))
    ends = f"of {now.runs} runs in two weeks {now.overrun} may end in closed time"
    # Of fewer runs nobody can tell what 19 of 20 do not exceed.
    most = (
        f"the longest of {usual.runs} runs took {high}"
        if usual.runs < _MANY_RUNS
        else f"19 of 20 runs took no longer than {high}"
    )
    evidence = (
        f"{most}, half of them no longer than {half}",
        f"the file says {format_length(duration)}" if duration else "the file gives no duration",
        f"{ends}, and {then.overrun} with {format_length(better)}",
    )
    if not longer:
        text = f"{dag_id} keeps {format_length(duration)} free for each run, and takes up to {high}"
        gain = Gain("minutes kept free for each run", duration // 60, better // 60)
    elif now.overrun:
        text = f"{dag_id} takes up to {high}, and may still run when its time closes"
        gain = Gain("runs in two weeks that may end in closed time", now.overrun, then.overrun)
    else:
        text = f"{dag_id} takes up to {high}, and starts however soon its time closes"
        gain = Gain("minutes kept free for each run", 0, better // 60)
    python = ((dag_id, f"duration={delta(better)},"),)
    return Advice("duration", (dag_id,), text, gain, Basis(usual.runs), evidence, python)


def _rounded_up(seconds: float, to: int) -> int:
    return math.ceil(seconds / to) * to


# --- start and stagger: the peak of a pool -----------------------------------------------------


class Pool(NamedTuple):
    """A pool of so many *slots*, below 0 for one without end, and the planned *loads* of all pools.

    The load of DAGs without plans rests on so many *weeks* of records; ``None`` if there is none.
    """

    name: str
    slots: int
    loads: Mapping[str, Load]
    weeks: int | None

    @property
    def load(self) -> Load:
        """Its own load."""
        return self.loads[self.name]

    @property
    def peak(self) -> float:
        """The most slots that are asked for at once."""
        return max(self.load.steps)

    @property
    def is_full(self) -> bool:
        """Whether its peak is worth a look."""
        # Nobody waits for a pool without end, and nothing runs in one without slots.
        return self.slots > 0 and self.peak >= _FULL * self.slots

    def without(self, lines: Collection[Line]) -> dict[str, Load]:
        """Return the loads without those runs: of this pool, and of others that they need."""
        names = {self.name, *(need.pool for line in lines for need in line.needs)}
        loads = {name: self.loads[name].copy() for name in names & self.loads.keys()}
        for line in lines:
            line.add_to(loads, -1)
        return loads

    def gain(self, after: float) -> Gain | None:
        """Return the gain where the peak falls to *after*; ``None`` where that is too little."""
        fall = self.peak - after
        if fall < _LEAST_FALL_SLOTS - 1e-6 or fall < _LEAST_FALL * self.peak - 1e-6:
            return None
        what = f"slots of {self.slots} of pool {self.name} asked for at once, at most"
        return Gain(what, round(self.peak, 2), round(after, 2))


def start_advice(
    pool: Pool, lines: Iterable[Line], work_of: Callable[[str], Work | None]
) -> Advice | None:
    """Return the advice to let a placement choose when some DAGs start, where it lowers the peak.

    *work_of* returns when a DAG's runs may start. The DAGs that use most of the pool while it is
    fullest are tried.
    """
    if not pool.is_full:
        return None
    near = _NEAR_PEAK * pool.peak
    full = {n for n, used in enumerate(pool.load.steps) if used >= near}
    shares = sorted(
        (-used, line.dag_id, line)
        for line in lines
        if line.uses(pool.name) and (used := line.slots_in(pool.name, pool.load, full))
    )
    chosen: dict[str, tuple[Line, Work]] = {}
    for _, dag_id, line in shares:
        work = work_of(dag_id)
        if work is not None and len(work.delays) > 1:
            chosen[dag_id] = line, work
        if len(chosen) == _MOST_DAGS:
            break
    loads = pool.without([line for line, _ in chosen.values()])
    delays = place([work for _, work in chosen.values()], loads)
    gain = pool.gain(max(loads[pool.name].steps))
    moved = tuple(
        dag_id
        for dag_id, (line, work) in sorted(chosen.items())
        if set(work.starts(delays[dag_id])) != set(line.starts)
    )
    if gain is None or not moved:
        return None
    text = (
        f"Pool {pool.name} gets less full if the placement may choose, within windows and "
        f"max_delay, when these start: {_these(moved)}"
    )
    evidence = tuple(f"{i} would start {format_length(delays[i])} after it is due" for i in moved)
    basis = Basis(min(chosen[dag_id][0].runs for dag_id in moved), pool.weeks)
    python = tuple((dag_id, "place=True,") for dag_id in moved)
    command = "calendar-timetable place --out placement.toml"
    return Advice("start", moved, text, gain, basis, evidence, python, command)


def stagger_advice(
    pool: Pool,
    lines: Iterable[Line],
    staggered: Callable[[Line, int], Sequence[float]],
    python_of: Callable[[str, int], str],
) -> Advice | None:
    """Return the advice to stagger DAGs that are due together, where it lowers the peak of a pool.

    *staggered* returns the starts of a DAG with a stagger of so many seconds, *python_of* the
    Python that gives it to a DAG.
    """
    if not pool.is_full:
        return None
    fullest = pool.load.steps.index(pool.peak)
    minutes: defaultdict[float, list[Line]] = defaultdict(list)
    for line in lines:
        for start in line.starts if line.uses(pool.name) else ():
            if Line(line.dag_id, line.needs, (start,), 0).slots_in(pool.name, pool.load, {fullest}):
                minutes[start // 60 * 60].append(line)
    together = [(-len(group), at) for at, group in minutes.items() if len(group) >= _TOGETHER]
    if not together:
        return None
    group = {line.dag_id: line for line in minutes[min(together)[1]]}
    without = pool.without(group.values())
    peaks = []
    for seconds in _STAGGERS:
        loads = {name: load.copy() for name, load in without.items()}
        for line in group.values():
            starts = tuple(staggered(line, seconds))
            Line(line.dag_id, line.needs, starts, 0).add_to(loads)
        peaks.append((round(max(loads[pool.name].steps), 6), seconds))
    after, seconds = min(peaks)
    gain = pool.gain(after)
    if gain is None:
        return None
    dag_ids = tuple(sorted(group))
    text = f"{len(dag_ids)} DAGs are due in the same minute, as pool {pool.name} gets fullest"
    evidence = (
        f"due together: {_these(dag_ids)}",
        *(
            f"with a stagger of {format_length(s)}: {peak:.3g} slots at once"
            for peak, s in sorted(peaks, key=lambda pair: pair[1])
        ),
    )
    basis = Basis(min(line.runs for line in group.values()), pool.weeks)
    python = tuple((dag_id, python_of(dag_id, seconds)) for dag_id in dag_ids)
    return Advice("stagger", dag_ids, text, gain, basis, evidence, python)


def _these(dag_ids: Sequence[str]) -> str:
    more = len(dag_ids) - _MOST_DAGS
    return ", ".join(dag_ids[:_MOST_DAGS]) + (f" and {more} more" if more > 0 else "")


# --- conflict ----------------------------------------------------------------------------------


class Wait(NamedTuple):
    """So many *runs* of DAG *waiter* wait for slots of *pool* that runs of DAG *holder* have.

    They wait for *seconds* in all, one of them at most *longest*. Time in which several tasks of a
    run wait counts once.
    """

    waiter: str
    holder: str
    pool: str
    runs: int
    seconds: float
    longest: float


class _Hold(NamedTuple):
    begun: float
    ends: float
    latest: float  # end of this one and of those that began before it
    dag_id: str


def waits(
    uses: Iterable[Use], dag_of: Callable[[int], str], slots: Mapping[str, float], until: float
) -> list[Wait]:
    """Return which DAGs wait for which others, since a pool has too few slots for both at once.

    *uses* are in the order in which they begin, up to *until* (epoch seconds). The longest wait
    comes first.
    """
    # By pool and slots: those that leave room for each other need not be looked at.
    holds: defaultdict[str, defaultdict[int, list[_Hold]]] = defaultdict(lambda: defaultdict(list))
    waited: defaultdict[tuple[str, str, str], defaultdict[int, set[tuple[float, float]]]] = (
        defaultdict(lambda: defaultdict(set))
    )
    for use in uses:
        pool, dag_id = use.need.pool, dag_of(use.number)
        begin = until if use.begun is None else use.begun
        if begin - use.asked >= _WAIT_SECONDS:
            for size, earlier in holds[pool].items():
                for hold in reversed(earlier) if size + use.need.slots > slots[pool] else ():
                    if hold.latest <= use.asked:
                        break
                    low, high = max(hold.begun, use.asked), min(hold.ends, begin)
                    if low < high and hold.dag_id != dag_id:
                        waited[dag_id, hold.dag_id, pool][use.number].add((low, high))
        if use.begun is not None:
            ends, earlier = begin + use.need.seconds, holds[pool][use.need.slots]
            latest = max(ends, earlier[-1].latest) if earlier else ends
            earlier.append(_Hold(begin, ends, latest, dag_id))
    all_waits = []
    for (waiter, holder, pool), runs in waited.items():
        lengths = [_length_of_all(run) for run in runs.values()]
        all_waits.append(Wait(waiter, holder, pool, len(runs), sum(lengths), max(lengths)))
    return sorted(all_waits, key=lambda wait: (-wait.seconds, wait))


def _length_of_all(waited: Iterable[tuple[float, float]]) -> float:
    """Return how many seconds these spans cover together: what overlaps counts once."""
    total, until = 0.0, -math.inf
    for low, high in sorted(waited):
        total += max(0.0, high - max(low, until))
        until = max(until, high)
    return total


def conflicts(candidates: Iterable[Wait], weeks: float) -> list[Wait]:
    """Return the waits that come again and again in so many *weeks*, at most a few."""
    often = (
        wait
        for wait in candidates
        if wait.runs >= _LEAST_WAITING_RUNS and wait.seconds >= weeks * _LEAST_WEEKLY_WAIT_SECONDS
    )
    return list(often)[:_MOST_CONFLICTS]


def later_by(wait: Wait) -> int:
    """Return how many seconds later the waiter has to start, so that it waits no more."""
    return _rounded_up(wait.longest, _LATER_SECONDS)


def conflict_advice(
    wait: Wait,
    slots: float,
    waiting: tuple[float, float],
    weeks: float,
    basis: Basis,
    python: str,
) -> Advice | None:
    """Return advice on one of :func:`conflicts`, where a later start is worth it.

    *waiting* are the seconds that all runs wait for the pool in so many *weeks*, before and after.
    *python* is the line for the waiter's file.
    """
    before, after = waiting
    if before - after < weeks * _LEAST_WEEKLY_WAIT_SECONDS:
        return None
    text = f"{wait.waiter} waits for {wait.holder}: pool {wait.pool} cannot serve both at once"
    gain = Gain(
        f"minutes a week waited for pool {wait.pool}",
        round(before / weeks / 60),
        round(after / weeks / 60),
    )
    longest = format_length(_rounded_up(wait.longest, 60))
    evidence = (
        f"pool {wait.pool} has {slots:g} slot{'s'[: slots != 1]}",
        f"{wait.runs} runs of {wait.waiter} wait in {weeks:g} weeks, each up to {longest}",
        f"{wait.waiter} would start {format_length(later_by(wait))} later",
    )
    return Advice(
        "conflict",
        (wait.waiter, wait.holder),
        text,
        gain,
        basis,
        evidence,
        ((wait.waiter, python),),
        "calendar-timetable place --out placement.toml" if python.startswith("place") else "",
    )
