"""The schedule as it travels in the DAG: plain data in and out, decisions without I/O.

The serialized form is a contract: keys are only ever added, and what an older reader cannot know
has a version of its own, given only to schedules that need it; golden files under ``tests`` pin it.
Instants are in epoch seconds.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from airflow.timetables.base import TimeRestriction

from calendar_timetable.exceptions import last_read
from calendar_timetable.planning import codec, explain, zones
from calendar_timetable.planning.late_start import late_start
from calendar_timetable.planning.open_time import DAY, OpenTime, members
from calendar_timetable.planning.plan import (
    ADDED_FIELDS,
    EDGE_SECONDS,
    SEARCH_SECONDS,
    PlacedTick,
    PlannedRun,
    Policy,
    Tick,
    place_ticks,
    room_of,
    runs,
)
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    Feed,
    TimeRange,
    TimeSet,
    Unread,
    leaves,
)
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.ticks import Ticks

if TYPE_CHECKING:
    from pendulum import DateTime

VERSION = 4
_WITH_RULE = 3  # due times by a rule of ours, or assets that runs wait for
# Seconds: a run that starts late must still know what closes, for this long after its start.
LATE_START = 6 * 3600
# Of the horizon; past these all spans are kept instead of those that matter.
MAX_TICKS = 5_000


@dataclass(frozen=True, slots=True)
class UsedCalendar:
    """A calendar in a schedule; *role* is ``"schedule"``, ``"windows"`` or ``"blackouts"``."""

    role: str
    label: str
    # Unknown (``None``) of what an older version stored, or could not be looked up.
    feed: Feed | None


@dataclass
class CompiledSchedule:
    """A schedule whose calendars have been read for *horizon* (``None``: it uses none)."""

    base: dict[str, Any]  # as JSON; its timetable is made only where it is needed
    timezone: str
    policy: Policy
    windows: TimeSet | None = None
    blackouts: TimeSet | None = None
    horizon: TimeRange | None = None
    assets: dict[str, Any] | None = None  # that runs wait for, as JSON
    catchup: bool = True  # that of the DAG; also where that is not known

    @cached_property
    def zone(self) -> ZoneInfo:
        """The zone that the schedule is read in."""
        return zones.load_zone(self.timezone)

    @property
    def uses_calendars(self) -> bool:
        """Whether what calendars say decides where runs may start."""
        sets = (timeset for timeset in (self.windows, self.blackouts) if timeset is not None)
        return any(isinstance(leaf, CalendarSpans) for each in sets for leaf in leaves(each))

    @cached_property
    def open_time(self) -> OpenTime:
        """Where runs may start."""
        return OpenTime(self.windows, self.blackouts, self.horizon)

    @cached_property
    def open_by_role(self) -> tuple[OpenTime, OpenTime]:
        """What is open by the windows alone, and by the blackouts alone."""
        return OpenTime(self.windows, None, self.horizon), OpenTime(
            None, self.blackouts, self.horizon
        )

    @cached_property
    def ticks(self) -> Ticks:
        """The due times of the base schedule."""
        return Ticks(self.base)

    @cached_property
    def held(self) -> tuple[str, ...]:
        """Why nothing is scheduled: the calendars that count and cannot be read."""
        unread: list[tuple[str, Unread | None]] = []
        if "held" in self.base:
            label = self.base.get("calendar") or self.base["rule"]
            unread.append((label, codec.decode_unread(self.base["held"])))
        for timeset in (self.windows, self.blackouts):
            sets = leaves(timeset) if timeset is not None else ()
            unread += [
                (leaf.label, leaf.unread)
                for leaf in sets
                if isinstance(leaf, CalendarSpans) and leaf.unread
            ]
        return tuple(
            f"{label} cannot be read: {u.why} ({last_read(u.since)})" for label, u in unread if u
        )

    def late_start(self, planned: float, due: float, now: float, *, catchup: bool) -> float | None:
        """Return when a run that was *due*, planned for *planned*, starts if it has not by *now*.

        ``None`` where it is skipped; see :func:`calendar_timetable.planning.late_start.late_start`.
        """
        return late_start(planned, due, now, self.policy, self.open_time, catchup=catchup)

    def waiting_since(self, now: float) -> float:
        """Return since when due times may be waiting, or were released by the latest opening.

        That is the last time at which a run fitted before time closed, less the spread;
        ``max_delay`` before time opened again, or before *now*, where there was none.
        """
        policy, open_time = self.policy, self.open_time
        closed = now
        if not policy.keep_hour and open_time.fits(now, policy.duration):
            earliest = now - policy.max_delay
            closed = max(open_time.opening_of(now, earliest), earliest)
        return policy.settled_since(closed, open_time) - policy.spread - 1

    @property
    def calendars(self) -> tuple[UsedCalendar, ...]:
        """The calendars that were read, each in its role."""
        used = []
        if "calendar" in self.base:
            used.append(
                UsedCalendar("schedule", self.base["calendar"], codec.decode_feed(self.base))
            )
        for role, timeset in (("windows", self.windows), ("blackouts", self.blackouts)):
            sets = leaves(timeset) if timeset is not None else ()
            used += [
                UsedCalendar(role, leaf.label, leaf.feed)
                for leaf in sets
                if isinstance(leaf, CalendarSpans)
            ]
        return tuple(used)

    def placed(self, start: float, latest: DateTime | None = None) -> Iterator[PlacedTick]:
        """Yield every tick due at *start* or later, and until *latest*, in its place."""
        ticks = self.since_last_run(start, latest=latest)
        return (placed for placed in ticks if placed.tick.due >= start)

    def placed_within(self, restriction: TimeRestriction, start: float) -> Iterator[PlacedTick]:
        """Yield what :meth:`placed` yields, within a DAG's start and end date.

        Nothing where due times depend on the clock, and so cannot be told ahead.
        """
        earliest, latest, _ = restriction
        if earliest is not None and earliest.timestamp() > start:
            every = TimeRestriction(earliest, latest, catchup=True)
            return place_ticks(self.ticks.walk(None, every), self.policy, self.open_time)
        return self.placed(start, latest) if self.ticks.known_ahead else iter(())

    def since_last_run(
        self, start: float, most: int | None = None, latest: DateTime | None = None
    ) -> Iterator[PlacedTick]:
        """Yield what :meth:`placed` yields, and before it what follows the last tick that runs.

        From that tick on, and as far back as ``max_delay`` goes. Yields nothing where that takes a
        look at more than *most* ticks.
        """
        if not self.ticks.on_grid:
            return self._laid_out(start, most, latest)
        policy = self.policy
        earliest = start - policy.max_delay
        # What waited before that time has its run by then.
        settled = policy.settled_since(start, self.open_time)
        begin, back = (earliest if settled == earliest else settled + 1), 60.0
        ran = False
        while begin > earliest and not ran:
            # Further back by and by: each tick may cost a question to Airflow, and most runs follow
            # another one closely.
            begin, end, back = max(begin - back, earliest), begin, 4 * back
            for placed in self._laid_out(begin, most, latest):
                ran = placed.runs and placed.tick.due < end
                if ran or placed.tick.due >= end:
                    break
        return self._laid_out(begin, most, latest)

    def _laid_out(
        self, begin: float, most: int | None, latest: DateTime | None
    ) -> Iterator[PlacedTick]:
        ticks = self.ticks.from_instant(begin, latest)
        try:
            yield from place_ticks(
                ticks if most is None else _at_most(ticks, most), self.policy, self.open_time
            )
        except _TooManyTicks:
            return

    def rooms(self, start: float, end: float) -> Iterator[tuple[float, Spans]]:
        """Yield each time in ``[start, end)`` that a run is due, and when a placement may start it.

        All in epoch seconds. Runs that start before they are due, or though time is closed, are not
        put anywhere.
        """
        unmoved = replace(self.policy, placement=None, stagger=0)
        # As far as the run after the last one may be due that bounds its room.
        until = end + max(DAY, self.policy.max_delay)
        whole = list(replace(self, policy=unmoved).placed(start, to_pendulum(until)))
        dues = [placed.tick.due for placed in whole]
        for placed in whole:
            due = placed.tick.due
            if placed.outcome not in ("on_time", "postponed") or placed.start is None or due >= end:
                continue
            index = bisect_right(dues, placed.start)
            latest = due + self.policy.max_delay
            if index < len(dues):
                latest = min(latest, dues[index] - 1)
            if room := room_of(placed.start, latest, self.policy, self.open_time):
                yield due, room

    def plan(self, start: float, end: float | None, limit: int | None) -> list[PlannedRun]:
        """Return one :class:`PlannedRun` per tick in ``[start, end)``, at most *limit* of them."""
        plan: list[PlannedRun] = []
        for placed in self.placed(start):
            if (end is not None and placed.tick.due >= end) or (
                limit is not None and len(plan) >= limit
            ):
                break
            plan.append(self.planned(placed))
        return plan

    def planned(self, placed: PlacedTick) -> PlannedRun:
        """Return *placed* for people."""
        due, first, last = map(zones.to_datetime, placed.tick)
        start = None if placed.start is None else zones.to_datetime(placed.start)
        provisional = placed.start is not None and self.open_time.is_beyond(placed.start)
        why = explain.in_words(self.reasons(placed), self.zone, placed.tick.due, alone=True)
        return PlannedRun(due, start, placed.outcome, (first, last), tuple(why), provisional)

    def reasons(self, placed: PlacedTick) -> tuple[explain.Reason, ...]:
        """Return why *placed* does not simply run when due."""
        return explain.reasons(placed, self.policy, self.open_time)

    def travels(self, start: float, end: float) -> bool:
        """Tell whether all that calendars say of ``[start, end)`` is in the serialized form.

        What lies beyond the horizon does not count.
        """
        if self.horizon is None or self._kept is None:
            return True
        low, high = max(int(start), self.horizon.start), min(-int(-end // 1), self.horizon.end)
        return low >= high or bool(self._kept.clip(low, high) == Spans(((low, high),)))

    def known_until(self, start: float) -> float:
        """Return until when all that calendars say after the *start* of a run is serialized.

        At least: it may be known for longer.
        """
        if self.horizon is None:
            return math.inf
        if not self.ticks.on_grid:
            return self.horizon.end
        return min(start + self.policy.duration + LATE_START, self.horizon.end)

    @cached_property
    def _kept(self) -> Spans | None:
        return self._decisive()

    @property
    def rules(self) -> str:
        """What runs go by, besides the base schedule: "daily 19:00-07:00, not team_calendar"."""
        windows = [str(self.windows)] if self.windows is not None else []
        blackouts = [f"not {member}" for member in members(self.blackouts)]
        return ", ".join(map(explain.shortened, (*windows, *blackouts)))

    def coming(self, now: float) -> PlacedTick | None:
        """Return the first run that starts after *now*.

        As far as that can be told without knowing what ran; ``None`` where it cannot, or none
        comes.
        """
        if not self.ticks.on_grid or self.held:
            return None
        # The latest due time takes those before it along, where they are combined.
        in_order = self.policy.coalesce and not self.policy.keep_hour
        earliest = now if in_order else self.waiting_since(now)
        ticks = self.ticks.since(earliest, None, TimeRestriction(None, None, catchup=True))
        ahead = runs(ticks, self.policy, self.open_time, now + SEARCH_SECONDS)
        return next((run for run in ahead if run.start is not None and run.start > now), None)

    def coming_in_short(self, now: float) -> str:
        """Say that the next run is moved, and where to, or why there is none; "" otherwise.

        There is none where nothing is scheduled (held), or where no run comes. Where due times are
        skipped before it, say so.
        """
        coming = None if self.held else self.coming(now)
        if coming is None or coming.start is None:
            return next(iter(self.coming_reasons(now)), "")
        if self.open_time.is_beyond(coming.start):
            return ""
        start = explain.format_clock(coming.start, self.zone)
        if coming.start != coming.tick.due:
            due = explain.format_clock(coming.tick.due, self.zone, coming.start)
            return f"next {start}, due {due}"
        return f"next {start}, skipped until then" if self.skipped_first(now) else ""

    def skipped_first(self, now: float) -> PlacedTick | None:
        """Return the next due time where no run comes of it, not even a combined one."""
        first = next((tick for tick in self.ticks.at_or_after(now) if tick.due >= now), None)
        # Placed by itself: those before it do not change whether it is skipped.
        placed = None if first is None else self.policy.place(first, self.open_time)
        return placed if placed is not None and placed.outcome == "skipped" else None

    def coming_reasons(self, now: float) -> tuple[str, ...]:
        """Return what holds the next run.

        Where there is none, what becomes of the next tick.
        """
        if self.held:
            return tuple(f"held: {why}" for why in self.held)
        coming = self.coming(now)
        if coming is None and self.ticks.on_grid:
            coming = next(self.placed(now), None)
        return () if coming is None else self.planned(coming).reasons

    def sentence(self, placed: PlacedTick) -> str:
        """Return *placed* in one sentence."""
        return explain.sentence(placed, self.policy, self.open_time, self.zone)

    def to_json(self) -> dict[str, Any]:
        """Return the serialized form.

        Of calendars it has only the spans that decide what this DAG may do.
        """
        sets = {"windows": self.windows, "blackouts": self.blackouts}
        timesets = {name: timeset for name, timeset in sets.items() if timeset is not None}
        calendars = self.uses_calendars
        keep = self._decisive() if calendars else None
        encoded = {name: codec.encode(timeset, keep) for name, timeset in timesets.items()}
        policy = self.policy.to_json()
        version = max(map(codec.version, encoded.values()), default=1)
        # An older reader would plan without them, and start runs without their assets.
        version = max(version, *(ADDED_FIELDS.get(name, 1) for name in policy))
        if "rule" in self.base or self.assets is not None:
            version = max(version, _WITH_RULE)
        data: dict[str, Any] = {"v": version, "timezone": self.timezone, **policy}
        data["base"] = self.base
        data |= encoded
        if calendars and self.horizon:
            data["horizon"] = [self.horizon.start, self.horizon.end]
        if self.assets is not None:
            data["assets"] = self.assets
        if not self.catchup:
            data["catchup"] = False
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> CompiledSchedule:
        """Return the schedule that :meth:`to_json` wrote.

        Raises ``ValueError`` where a newer version wrote it.
        """
        if data["v"] > VERSION:
            raise ValueError(
                f"schedule of version {data['v']}: upgrade airflow-calendar-timetable here"
            )
        sets = {name: codec.decode(data[name]) for name in ("windows", "blackouts") if name in data}
        horizon = TimeRange(*data["horizon"]) if "horizon" in data else None
        return cls(
            data["base"],
            data["timezone"],
            Policy.from_json(data),
            horizon=horizon,
            assets=data.get("assets"),
            catchup=data.get("catchup", True),
            **sets,
        )

    def _decisive(self) -> Spans | None:
        """Return the time that some tick's way to its start, its run or its late start touches.

        ``None`` stands for all of time.
        """
        if self.horizon is None or not self.ticks.on_grid:
            return None
        policy, open_time = self.policy, self.open_time
        # Lay out all of it at once: piece by piece would take longer.
        open_time.over(self.horizon.start, self.horizon.end)
        ways: list[tuple[float, float, float]] = []
        pairs: list[tuple[int, int]] = []
        for count, tick in enumerate(self.ticks.at_or_after(self.horizon.start)):
            if tick.due >= self.horizon.end:
                break
            if count == MAX_TICKS:
                pairs.append((int(tick.due), self.horizon.end))
                break
            start = policy.place(tick, open_time).start
            ways.append((tick.due, *policy.searched(tick.due, start)))
        # To know where it is put, a run without a duration looks a little further ahead.
        length = policy.duration or (EDGE_SECONDS if policy.spread else 0)
        # After all have their place: with ``keep_hour`` days are remembered in order.
        for due, first, last in ways:
            late = int(last) + policy.spread + LATE_START
            # A run that is late must know where it fits next, and all of the run that is made then.
            start = policy.next_start(due, late, self.horizon.end, open_time)
            if start is None:
                end = self.horizon.end
            else:
                end = int(start) + policy.spread_late(start, due) + length
                # One that waits for its hour may be late again.
                end += LATE_START if policy.keep_hour and start > late else 0
            pairs.append((int(first), end))
        return Spans(pairs)


class _TooManyTicks(Exception):
    """There are more ticks than somebody wants to look at."""


def _at_most(ticks: Iterable[Tick], most: int) -> Iterator[Tick]:
    """Yield *ticks*; raises :class:`_TooManyTicks` after *most* of them."""
    for count, tick in enumerate(ticks):
        if count == most:
            raise _TooManyTicks
        yield tick
