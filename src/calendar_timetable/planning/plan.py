"""From ticks to starts: the rules of time, in one place."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY, OpenTime
from calendar_timetable.planning.spans import Spans

WhenBlocked = Literal["postpone", "advance", "skip", "run"]
Outcome = Literal["on_time", "postponed", "advanced", "skipped", "coalesced", "forced"]

SEARCH_SECONDS = 2 * 366 * DAY  # how far a search for a run looks before it says "no run"
LONGEST_BY_HOUR = 31 * DAY  # of ``max_delay`` with ``keep_hour``: each day is looked at
EDGE_SECONDS = 300  # before time closes, in which no start is put
_MOST_HOURS = 1000  # times of day that are remembered; cron with ``keep_hour`` has 96 at most
_FEW = 24  # ticks: so many are looked at one by one faster than passed over
_APART_SECONDS = 1e-6
# Makes what is made for every tick: a named tuple's own way takes twice as long.
new = tuple.__new__


class Tick(NamedTuple):
    """A due time of the base schedule, with its data interval; epoch seconds."""

    due: float
    interval_start: float
    interval_end: float


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What becomes of one due time.

    ``due`` is when it is due and ``start`` when it may start (``None`` when it will not run), both
    UTC-aware; ``data_interval`` is what the run covers; ``reasons`` tell why it does not simply run
    when due. A ``provisional`` start lies where calendars are not known yet: it will change when
    they are.
    """

    due: datetime
    start: datetime | None
    outcome: Outcome
    data_interval: tuple[datetime, datetime]
    reasons: tuple[str, ...] = ()
    provisional: bool = False


class PlacedTick(NamedTuple):
    """A tick and its place in open time; ``start`` is ``None`` when it will not run."""

    tick: Tick
    start: float | None
    outcome: Outcome
    opening: float | None = None  # the opening that released a postponed start, before any stagger
    survivor: float | None = None  # the tick that runs instead of a coalesced one

    @property
    def runs(self) -> bool:
        """Whether the tick has a run."""
        return self.start is not None

    def starting(self, start: float) -> PlacedTick:
        """Return the same, but with this *start*."""
        return self if start == self.start else new(PlacedTick, (self.tick, start, *self[2:]))


class Placement(NamedTuple):
    """Where a deployment puts the runs of a DAG: *delay* seconds after they are due, and *why*.

    ``None``: it may be put, but has no place. They are put no more than *within* seconds later than
    they could start; 0 means ``max_delay``.
    """

    delay: int | None = None
    why: str = ""
    within: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """How ticks are placed in open time.

    Durations are in seconds; ``stagger`` is this schedule's own share: its starts are that much
    later, unless a ``placement`` puts them elsewhere. ``keep_hour`` names the zone in which a
    postponed run keeps its time of day; empty where it starts at the opening. ``max_lateness``: a
    run that could not be made within so many seconds of its start is never made; ``None``: it is
    made however late.
    """

    when_blocked: WhenBlocked = "postpone"
    duration: int = 0
    max_delay: int = 7 * DAY
    coalesce: bool = True
    stagger: int = 0
    keep_hour: str = ""
    max_lateness: int | None = None
    placement: Placement | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields; of those that were added later only what is not the default."""
        usual = Policy()
        data = asdict(self)
        for name in ADDED_FIELDS:
            if data[name] == getattr(usual, name):
                del data[name]
        if self.placement is not None:
            data["placement"] = self.placement._asdict()
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Policy:
        """Return the policy whose fields *data* has; it may hold other keys too."""
        values = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        if "placement" in values:
            values["placement"] = Placement(**values["placement"])
        return cls(**values)

    def check(self) -> None:
        """Refuse what does not go together; raises :class:`InvalidArgument`."""
        if not self.keep_hour:
            return
        if not self.may_keep_hour:
            remedy = "goes with when_blocked='postpone' and coalesce=True; leave it out"
            raise InvalidArgument("keep_hour", True, remedy)
        if self.max_delay > LONGEST_BY_HOUR:
            remedy = f"with keep_hour give at most {LONGEST_BY_HOUR // DAY} days"
            raise InvalidArgument("max_delay", timedelta(seconds=self.max_delay), remedy)

    @property
    def may_keep_hour(self) -> bool:
        """Whether blocked runs are postponed one by one, or the last of several."""
        return self.when_blocked == "postpone" and self.coalesce

    @property
    def may_be_placed(self) -> bool:
        """Whether a placement may choose when runs start: not with their hour or each run kept."""
        return self.coalesce and not self.keep_hour

    @property
    def reach(self) -> int:
        """Seconds that a run may last beyond its due time: moved, staggered and running."""
        return self.max_delay + self.duration + self.stagger

    @property
    def spread(self) -> int:
        """Seconds by which a start may come later than the first time that fits, at most."""
        return self.stagger if self.delay is None else self.within

    def spread_late(self, opening: float, due: float) -> int:
        """Return by how many seconds the start of a late run may come after *opening*, at most.

        A placement ends with ``max_delay`` after the run is *due*; both in epoch seconds.
        """
        if self.delay is None:
            return self.stagger
        return min(self.within, max(0, int(due + self.max_delay - opening)))

    @property
    def delay(self) -> int | None:
        """Seconds after their due times at which runs are put; ``None`` where they are not."""
        return None if self.placement is None else self.placement.delay

    @property
    def within(self) -> int:
        """Seconds by which a placement may put a start later than the first time that fits."""
        placed = 0 if self.placement is None else self.placement.within
        return placed or self.max_delay

    @property
    def waits(self) -> bool:
        """Whether a blocked run waits for an opening that comes after its due time."""
        return self.when_blocked in ("postpone", "advance")

    def searched(self, due: float, start: float | None) -> tuple[float, float]:
        """Return where a start was looked for, from and to: that of a run *due*, in epoch seconds.

        It was found at *start*; ``None``: there is none.
        """
        if start is not None:
            return min(due, start), max(due, start)
        if self.when_blocked == "postpone":
            return due, due + self.max_delay
        return due - self.max_delay * (self.when_blocked == "advance"), due

    def place(self, tick: Tick, open_time: OpenTime) -> PlacedTick:
        """Return where *tick* is placed by itself, before coalescing and stagger."""
        due, duration = tick.due, self.duration
        if self.when_blocked == "postpone":
            start = self.next_start(due, due, due + self.max_delay, open_time)
            if start == due:
                return new(PlacedTick, (tick, due, "on_time", None, None))
            if start is not None:
                return new(PlacedTick, (tick, start, "postponed", start, None))
        elif open_time.fits(due, duration):
            return PlacedTick(tick, due, "on_time")
        elif self.when_blocked == "run":
            return PlacedTick(tick, due, "forced")
        elif self.when_blocked == "advance":
            start = open_time.previous_fit(due, duration, due - self.max_delay)
            if start is not None:
                return PlacedTick(tick, start, "advanced")
        return PlacedTick(tick, None, "skipped")

    def next_start(
        self, planned: float, earliest: float, latest: float, open_time: OpenTime
    ) -> float | None:
        """Return the first time from *earliest* to *latest* at which a run fits; else ``None``.

        With ``keep_hour`` only *planned* counts, and the same time of later days. All times are in
        epoch seconds.
        """
        if not self.keep_hour:
            return open_time.next_fit(earliest, self.duration, latest)
        if earliest <= planned:
            if planned > latest or open_time.fits(planned, self.duration):
                return planned if planned <= latest else None
            earliest = planned + 1
        return self._next_at_hour(planned, earliest, latest, open_time)

    def _next_at_hour(
        self, planned: float, earliest: float, latest: float, open_time: OpenTime
    ) -> float | None:
        """Return what :meth:`next_start` does, of days after that of *planned*.

        Days that were looked at for one due time are not looked at again for those of the same
        hour: for each *open_time* keeps a stretch in which no day fits, and whether its end does.
        """
        zone = zones.load_zone(self.keep_hour)
        hour = zones.seconds_of_day(planned, zone)
        key = self.keep_hour, self.duration, hour
        low, high, fits = open_time.hours.get(key, (math.inf, -math.inf, False))
        if not low <= earliest <= high:
            low, high, fits = earliest, earliest, False
        if not fits and high <= latest:
            start = self.next_of_hours([hour], high, latest, open_time)
            high, fits = (latest, False) if start is None else (start, True)
        if len(open_time.hours) >= _MOST_HOURS:
            open_time.hours.clear()
        open_time.hours[key] = low, high, fits
        return high if fits and high <= latest else None

    def next_of_hours(
        self, hours: Sequence[float], earliest: float, latest: float, open_time: OpenTime
    ) -> float | None:
        """Return the first time from *earliest* to *latest* that is one of *hours*, and fits.

        *hours* are in seconds after midnight, in order; with ``keep_hour`` only.
        """
        zone = zones.load_zone(self.keep_hour)
        start = open_time.next_fit(earliest, self.duration, latest)
        while start is not None and start <= latest:
            candidate = _first_of(hours, start, zone)
            if candidate <= start:
                return candidate
            start = open_time.next_fit(candidate, self.duration, latest)
        return None

    def settled_since(self, instant: float, open_time: OpenTime) -> float:
        """Return a time before *instant* by which no due time before it waited any longer.

        That is the last time at which a run fitted; ``max_delay`` before *instant* where there was
        none since, and with ``keep_hour``, where runs wait also while time is open.
        """
        earliest = instant - self.max_delay
        if self.keep_hour:
            return earliest
        # What fits is told in whole seconds: one that holds *earliest* may begin before it.
        fitted = open_time.previous_fit(instant, self.duration, earliest - 1)
        return earliest if fitted is None else fitted


# Of a policy, each with the version of the stored form that has it: without them it means what it
# meant before there were any.
ADDED_FIELDS = {"keep_hour": 3, "max_lateness": 3, "placement": 4}


def same_hour(planned: float, earliest: float, timezone: str) -> float:
    """Return the first time from *earliest* on that is *planned*, or the same time of a later day.

    The days are those of *timezone*. A time that clocks leave out is read as RFC 5545 has it, so
    that day's comes later; one that comes twice is the first.
    """
    if earliest <= planned:
        return planned
    zone = zones.load_zone(timezone)
    return _first_at(zones.seconds_of_day(planned, zone), max(earliest, planned + 1), zone)


def _first_of(hours: Sequence[float], earliest: float, zone: ZoneInfo) -> float:
    """Return the first time from *earliest* on that is one of *hours* in *zone*."""
    number = datetime.fromtimestamp(earliest, zone).toordinal() - zones.EPOCH
    if len(hours) > 1 and zones.steady_offset(number - 1, number + 1, zone) is None:
        # Where clocks change, hours do not come in order.
        return min(_first_at(hour, earliest, zone) for hour in hours)
    index = bisect_left(hours, zones.seconds_of_day(earliest, zone))
    return _first_at(hours[index % len(hours)], earliest, zone)


def _first_at(hour: float, earliest: float, zone: ZoneInfo) -> float:
    """Return the first time from *earliest* on that is *hour* seconds after midnight in *zone*."""
    seconds, rest = int(hour), hour % 1
    day = datetime.fromtimestamp(earliest, zone).date()
    while (start := zones.local_instant(day, seconds, zone) + rest) < earliest:
        day += timedelta(days=1)
    return start


def share_of(stagger: int, key: str) -> int:
    """Return the share of *stagger*, in seconds, that belongs to *key*.

    It is stable, less than *stagger*, and spread evenly over keys.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) % stagger if stagger else 0


# Ticks after one, without those that another one follows by an instant.
Leap = Callable[[Tick, float], Iterator[Tick]]
# At which times of day in a zone ticks are due between two instants: in seconds, in order; ``None``
# where that is not known.
Hours = Callable[[str, float, float], list[float] | None]


class TickStream:
    """Due times in order, strictly increasing; many can be passed over without a look at each.

    *leap* gives the ticks after one without those that another one follows by an instant; without
    it they are looked at one by one. *hours* tells at which times of day they are due.
    """

    def __init__(
        self, ticks: Iterable[Tick], leap: Leap | None = None, hours: Hours | None = None
    ) -> None:
        self._rest = iter(ticks)
        self._ahead: deque[Tick] = deque()
        self._leap = leap
        self.hours = hours

    def __iter__(self) -> Iterator[Tick]:
        while (tick := self.next()) is not None:
            yield tick

    def next(self) -> Tick | None:
        """Take the next one and return it; ``None`` at the end."""
        return self._ahead.popleft() if self._ahead else next(self._rest, None)

    def take_by(self, instant: float, most: int | None) -> list[Tick]:
        """Take those due by *instant* and return them.

        That is all of them; of more than *most* the first ones and the last.
        """
        ticks: list[Tick] = []
        ahead = self._ahead
        while (tick := ahead.popleft() if ahead else next(self._rest, None)) is not None:
            if tick.due > instant:
                ahead.appendleft(tick)
                break
            if len(ticks) == most:
                self.pass_over(instant, tick)
                last = self.peek()
                ticks.append(tick if last is None or last.due > instant else self._ahead.popleft())
                break
            ticks.append(tick)
        return ticks

    def peek(self) -> Tick | None:
        """Return the next one without taking it; ``None`` at the end."""
        if not self._ahead:
            tick = next(self._rest, None)
            if tick is None:
                return None
            self._ahead.append(tick)
        return self._ahead[0]

    def first_after(self, instant: float, tick: Tick) -> Tick | None:
        """Return the first one due after *instant*, without taking any.

        *tick* was taken last.
        """
        if self._leap is not None:
            return next((t for t in self._leap(tick, instant) if t.due > instant), None)
        later: Tick | None = None
        # From the end: starts never go backwards, so what was asked for last is there.
        for known in reversed(self._ahead):
            if known.due <= instant:
                break
            later = known
        while later is None and (following := next(self._rest, None)) is not None:
            self._ahead.append(following)
            later = following if following.due > instant else None
        return later

    def pass_over(self, instant: float, tick: Tick) -> None:
        """Leave out all those that another one follows by *instant*.

        *tick* was taken last.
        """
        if self._leap is not None:
            self._ahead.clear()
            self._rest = self._leap(tick, instant)
            return
        last: Tick | None = None
        while (following := self.peek()) is not None and following.due <= instant:
            last = self.next()
        if last is not None:
            self._ahead.appendleft(last)


def place_ticks(ticks: Iterable[Tick], policy: Policy, open_time: OpenTime) -> Iterator[PlacedTick]:
    """Yield every one of *ticks* (strictly increasing) with its start: combined and staggered.

    Where ticks carry data intervals, a run's begins where that of the last run ended: what combined
    or skipped ticks would have covered is not lost.
    """
    return _place_all(
        TickStream(ticks), policy, open_time, every=True, until=math.inf, last_begin=-math.inf
    )


def runs(
    ticks: TickStream,
    policy: Policy,
    open_time: OpenTime,
    until: float = math.inf,
    last_begin: float = -math.inf,
) -> Iterator[PlacedTick]:
    """Yield those of *ticks* that run, as :func:`place_ticks` has them.

    What is closed is passed over. Ends where nothing fits from some tick to *until*. *last_begin*
    is where the last run's data interval began; both in epoch seconds.
    """
    return _place_all(ticks, policy, open_time, every=False, until=until, last_begin=last_begin)


def _place_all(
    ticks: TickStream,
    policy: Policy,
    open_time: OpenTime,
    *,
    every: bool,
    until: float,
    last_begin: float,
) -> Iterator[PlacedTick]:
    if policy.keep_hour:
        yield from _place_by_hour(ticks, policy, open_time, every=every, until=until)
        return
    # Whether a tick that is on time shares its start with no other.
    alone = not policy.spread and policy.when_blocked != "advance"
    unserved: float | None = None  # where the interval of the first tick without a run began
    ahead: PlacedTick | None = None  # the next tick, where that was placed to see whether it joins
    while True:
        placed, ahead = ahead, None
        if placed is None:
            tick = ticks.next()
            if tick is None:
                return
            placed = policy.place(tick, open_time)
            if alone and unserved is None and placed.outcome == "on_time":
                yield placed
                continue
        tick = placed.tick
        if placed.start is None:
            unserved = tick.interval_start if unserved is None else unserved
            if every:
                yield placed
            elif not _pass_closed(ticks, tick, policy, open_time, until):
                return
            continue
        combined: list[PlacedTick] = []
        if policy.coalesce and placed.outcome == "postponed":
            placed, combined = _gather(ticks, placed, every=every)
        assert placed.start is not None
        start = _spread(placed, policy, open_time, ticks) if policy.spread else placed.start
        if (
            policy.coalesce
            and policy.when_blocked == "advance"
            and placed.outcome in ("on_time", "advanced")
        ):
            placed, start, combined, ahead = _gather_before(
                ticks, placed, start, policy, open_time, every=every
            )
        if unserved is not None or combined:
            first = combined[0].tick.interval_start if unserved is None else unserved
            placed = with_interval(placed, first)
            unserved = None
        if start != placed.start:
            opening = placed.tick.due if placed.opening is None else placed.opening
            placed = placed._replace(start=start, opening=opening)
        if placed.outcome == "advanced":
            placed = begun_before(placed, policy, last_begin)
        last_begin = -math.inf
        if every:
            for run in combined:
                yield new(PlacedTick, (run.tick, None, "coalesced", run.opening, placed.tick.due))
        yield placed


def _pass_closed(
    ticks: TickStream,
    tick: Tick,
    policy: Policy,
    open_time: OpenTime,
    until: float,
    *,
    by_hour: bool = False,
) -> bool:
    """Pass over what is skipped as *tick* is, and tell whether anything fits by *until*."""
    opening = open_time.next_fit(tick.due, policy.duration, max(until, tick.due))
    if opening is not None and by_hour and ticks.hours is not None:
        hours = ticks.hours(policy.keep_hour, tick.due, until)
        if hours is not None:
            opening = policy.next_of_hours(hours, tick.due, until, open_time)
    if opening is None:
        return False
    reach = policy.max_delay if policy.when_blocked == "postpone" else 0
    if opening - reach > tick.due:
        ticks.pass_over(math.nextafter(opening - reach, 0), tick)
        following = ticks.peek()
        if following is not None and following.due < opening - reach:
            ticks.next()
    return True


def _gather(
    ticks: TickStream, placed: PlacedTick, *, every: bool
) -> tuple[PlacedTick, list[PlacedTick]]:
    """Return the last tick that the opening of *placed* releases, and those before it.

    Of those the first, or with *every* all.
    """
    start = placed.start
    assert start is not None, "it was postponed to an opening"
    following = ticks.take_by(start, None if every else _FEW)
    if not following:
        return placed, []
    last, combined = following.pop(), [placed]
    if every:
        combined += (new(PlacedTick, (tick, start, "postponed", start, None)) for tick in following)
    if last.due < start:
        return new(PlacedTick, (last, start, "postponed", start, None)), combined
    return new(PlacedTick, (last, start, "on_time", None, None)), combined


class _Waiting(NamedTuple):
    """A tick that runs unless a later one takes it along, and what it takes along itself."""

    placed: PlacedTick
    begins: float | None  # where the data interval of the first of these began
    combined: list[PlacedTick]


def _place_by_hour(
    ticks: TickStream, policy: Policy, open_time: OpenTime, *, every: bool, until: float
) -> Iterator[PlacedTick]:
    """Yield what :func:`_place_all` does, where postponed runs keep their hour.

    A tick that waits is taken along by the last one which is due after it and starts no later:
    starts never go backwards.
    """
    waiting: deque[_Waiting] = deque()  # their starts increase
    skipped: list[PlacedTick] = []  # since the last of these
    unserved: float | None = None  # where the data interval of the first of those began
    closed = 0  # of the last ones, how many were skipped
    while True:
        tick = ticks.peek()
        while waiting and (tick is None or tick.due > (waiting[0].placed.start or 0)):
            yield from _taken_along(waiting.popleft(), policy, open_time, ticks)
        if not waiting:
            yield from skipped
            skipped = []
        if tick is None:
            return
        ticks.next()
        placed = policy.place(tick, open_time)
        if placed.start is None:
            unserved = tick.interval_start if unserved is None else unserved
            if every:
                skipped.append(placed)
            elif not waiting:
                # To tell at which hours all others are due takes longer than a look at a few.
                closed += 1
                by_hour = closed % _FEW == 0
                if not _pass_closed(ticks, tick, policy, open_time, until, by_hour=by_hour):
                    return
            continue
        closed = 0
        begins, combined = unserved, skipped
        unserved, skipped = None, []
        while waiting and (waiting[-1].placed.start or 0) >= placed.start:
            earlier = waiting.pop()
            begins = earlier.begins
            if begins is None:
                begins = earlier.placed.tick.interval_start
            combined = [*earlier.combined, earlier.placed, *combined] if every else []
        waiting.append(_Waiting(placed, begins, combined))


def _taken_along(
    run: _Waiting, policy: Policy, open_time: OpenTime, ticks: TickStream
) -> Iterator[PlacedTick]:
    """Yield what *run* takes along, then itself: staggered, with all of its data interval."""
    placed = with_interval(run.placed, run.begins)
    start = _spread(placed, policy, open_time, ticks) if policy.spread else placed.start
    if start != placed.start:
        opening = placed.tick.due if placed.opening is None else placed.opening
        placed = placed._replace(start=start, opening=opening)
    for member in run.combined:
        if member.start is None:
            yield member
        else:
            yield new(PlacedTick, (member.tick, None, "coalesced", member.opening, placed.tick.due))
    yield placed


def _gather_before(
    ticks: TickStream,
    placed: PlacedTick,
    start: float,
    policy: Policy,
    open_time: OpenTime,
    *,
    every: bool,
) -> tuple[PlacedTick, float, list[PlacedTick], PlacedTick | None]:
    """Gather the ticks after *placed* that start no later than *start*, as nothing fits between.

    Returns the last of them, its start, those before it, and what follows. The tick that follows
    was placed to see that it does not join, and is returned so that it need not be placed again.
    """
    combined: list[PlacedTick] = []
    while (following := ticks.next()) is not None:
        ahead = policy.place(following, open_time)
        if ahead.start is None or ahead.start > start:
            return placed, start, combined, ahead
        combined.append(placed)
        placed, start = ahead, ahead.start
        if not every:
            opening = open_time.next_fit(
                following.due, policy.duration, start + policy.max_delay + 1
            )
            last = (
                start + policy.max_delay
                if opening is None
                else min(start + policy.max_delay, opening - 1)
            )
            if last > following.due:
                ticks.pass_over(last, following)
    return placed, start, combined, None


def _spread(placed: PlacedTick, policy: Policy, open_time: OpenTime, ticks: TickStream) -> float:
    """Return the start of *placed*, later by this schedule's share, or where it is put.

    Before the next due time, and no later than it fits and ``max_delay`` allows.
    """
    start, due = placed.start, placed.tick.due
    assert start is not None
    if placed.outcome not in ("on_time", "postponed"):
        return start
    following = ticks.first_after(start, placed.tick)
    latest = due + policy.max_delay
    if following is not None:
        latest = min(latest, following.due - 1)
    return spread_from(start, due, latest, policy, open_time)


def room_of(start: float, latest: float, policy: Policy, open_time: OpenTime) -> Spans:
    """Return when a run may be put that could begin at *start*, and no later than *latest*."""
    latest = min(start + policy.within, latest)
    # Without a duration, a start in the last second would be lost to a scheduler's usual latency.
    room = open_time.starts(start, latest, policy.duration or EDGE_SECONDS)
    first = -int(-start // 1)
    # Where it could begin in any case it may be put, also shortly before time closes.
    return room if first in room else room | Spans(((first, first + 1),))


def spread_from(
    start: float, due: float, latest: float, policy: Policy, open_time: OpenTime
) -> float:
    """Return *start*, later by this schedule's share, or where a placement puts it from there on.

    No later than *latest*, and where it fits. Where there is not that much room before time closes,
    the share is taken of the room that is left: clamped, all those that have a greater share would
    start together.
    """
    if policy.delay is not None:
        return put_in(room_of(start, latest, policy, open_time), due, policy.delay)
    until = min(start + policy.stagger, latest)
    if until <= start:
        return start
    # Without a duration, a start in the last second would be lost to a scheduler's usual latency.
    until = open_time.last_fit(start, policy.duration or EDGE_SECONDS, until)
    # Runs that are not combined have the same opening, and less room the earlier they were due.
    return (
        start + policy.stagger % (max(until - start, 0) + 1)
        if policy.coalesce
        else max(start, until)
    )


def put_in(room: Spans, due: float, delay: int) -> float:
    """Return the time *delay* seconds after *due*, where it lies in *room*, which is not empty.

    Elsewhere the time that has *delay* seconds of *room* before it, counted around: starts that
    a closure moves are as far apart as they were.
    """
    if due + delay in room:
        return due + delay
    left = delay % sum(end - start for start, end in room)
    for start, end in room:
        if left < end - start:
            return start + left
        left -= end - start
    raise AssertionError("left is less than all of room")


def with_interval(placed: PlacedTick, begins: float | None) -> PlacedTick:
    """Return *placed* with a data interval from *begins* on, if that is earlier.

    Unchanged where it has no interval at all.
    """
    tick = placed.tick
    if begins is None or tick.interval_start == tick.interval_end or begins >= tick.interval_start:
        return placed
    return placed._replace(tick=tick._replace(interval_start=begins))


def begun_before(placed: PlacedTick, policy: Policy, last_begin: float = -math.inf) -> PlacedTick:
    """Return an advanced run with a data interval from its start on.

    Airflow starts no task before the logical date. No logical date may come twice. Where each of
    several runs has one start, microseconds tell them apart, one for each second that they are
    advanced; and where the last run's data interval began no earlier (*last_begin*), it follows
    that.
    """
    assert placed.start is not None
    start = placed.start
    if not policy.coalesce:
        start = round(start + (placed.tick.due - start) * _APART_SECONDS, 6)
    begins = min(placed.tick.interval_start, start)
    if begins <= last_begin:
        begins = round(last_begin + _APART_SECONDS, 6)
    return placed._replace(
        tick=placed.tick._replace(interval_start=begins), start=max(start, begins)
    )
