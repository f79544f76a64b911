"""The next run of a schedule, as Airflow's scheduler asks for it, at this moment."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from calendar_timetable import clock
from calendar_timetable.planning.late_start import GRACE_SECONDS, is_missed, next_opening
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import (
    SEARCH_SECONDS,
    PlacedTick,
    Tick,
    TickStream,
    begun_before,
    new,
    runs,
    with_interval,
)
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.compiled import CompiledSchedule


@dataclass(slots=True)
class _Ahead:
    """Where this thread's last answer left off, to go on from when the next run is asked for."""

    compiled: CompiledSchedule
    restriction: TimeRestriction
    rest: Iterator[PlacedTick]
    interval: DataInterval | None = None
    due: float = 0


class _Thread(threading.local):
    ahead: _Ahead | None = None


_thread = _Thread()


def next_run(
    compiled: CompiledSchedule, last: DataInterval | None, restriction: TimeRestriction
) -> DagRunInfo | None:
    """Return the run after *last*; without catchup the latest that is due, and nothing older.

    Its ``run_after`` is its start; its data interval ends at its due time. ``None`` where none
    comes, or the schedule is held.
    """
    if compiled.held:
        return None
    now = clock.now()
    # Whoever asks for run after run goes on where the last answer left off.
    ahead = _thread.ahead
    if (
        ahead is not None
        and last is not None
        and ahead.interval is last
        and ahead.compiled is compiled
        and ahead.restriction == restriction
        # Without catchup the clock counts, and when clocks change.
        and (restriction.catchup or ahead.due > now + 2 * DAY)
    ):
        # It answers nothing until this answer is there.
        ahead.interval = None
        following: Iterator[PlacedTick] | None = ahead.rest
        run = next(ahead.rest, None)
    else:
        _thread.ahead = ahead = None
        search = _Search(compiled, last, restriction, now)
        run, following = search.every_run() if restriction.catchup else search.latest_run()
    # What is late by more than ``max_lateness`` is passed over.
    if run is not None and _is_missed(compiled, run, now):
        run, following = _Search(compiled, last, restriction, now).first_not_missed(run), None
        ahead = None
    if run is None or run.start is None:
        return None
    # A start that rests on calendars which are not known yet is no date to tell Airflow.
    is_beyond = compiled.open_time.is_beyond
    if (
        is_beyond(run.start)
        and not (ahead is not None and is_beyond(ahead.due))
        and _rests_on_unknown(compiled, run, last, restriction, now)
    ):
        return None
    interval = _data_interval(run.tick)
    if following is not None:
        if ahead is None:
            _thread.ahead = ahead = _Ahead(compiled, restriction, following)
        ahead.interval, ahead.due = interval, run.tick.interval_end
    # Airflow 3.2 has no defaults for the last two.
    return DagRunInfo(to_pendulum(run.start), interval, None, None)


def _is_missed(compiled: CompiledSchedule, run: PlacedTick, now: float) -> bool:
    """Tell whether *run* was to start so long ago that it is not made: see ``max_lateness``."""
    if run.start is None:
        return False
    return compiled.ticks.known_ahead and is_missed(run.start, now, compiled.policy)


def _rests_on_unknown(
    compiled: CompiledSchedule,
    run: PlacedTick,
    last: DataInterval | None,
    restriction: TimeRestriction,
    now: float,
) -> bool:
    """Tell whether the start of *run* rests on calendars that are not known yet.

    That is where *run* starts after the end of what is known, while it, or another run after
    *last*, is due before that.
    """
    open_time = compiled.open_time
    if not open_time.is_beyond(run.tick.due):
        return True
    if last is not None and open_time.is_beyond(last.end.timestamp()):
        return False
    ticks = compiled.ticks.since(now, last, restriction._replace(catchup=True))
    first = next((tick for tick in ticks if tick.due > now), None)
    return first is not None and not open_time.is_beyond(first.due)


def _data_interval(tick: Tick) -> DataInterval:
    _, first, last = tick
    begins = to_pendulum(first)
    return new(DataInterval, (begins, begins if first == last else to_pendulum(last)))


class _BaseFailed(Exception):
    """The base schedule raised where it was asked for its own answer."""


class _Search:
    """A search for the next run of one schedule, at one moment."""

    def __init__(
        self,
        compiled: CompiledSchedule,
        last: DataInterval | None,
        restriction: TimeRestriction,
        now: float,
    ) -> None:
        self.compiled, self.last, self.restriction, self.now = compiled, last, restriction, now
        self.policy, self.open_time = compiled.policy, compiled.open_time
        # Whether it is left to us when to begin.
        self.is_first = last is None and restriction.earliest is None

    # With catchup.

    def every_run(self) -> tuple[PlacedTick | None, Iterator[PlacedTick] | None]:
        """Return the first run after the last one, and those that follow.

        A run whose start has passed is made up for; one that cannot be is skipped, and its data
        interval goes to the next. A DAG without a start date begins with the latest run.
        """
        ticks = self.compiled.ticks
        first = ticks.pick(self.last, self.restriction)
        if first is None:
            return None, None
        if self.is_first:
            latest, _ = self.latest_run()
            if latest is not None and latest.tick.due < first.due:
                return latest, None
        # The next due time is to come, and time is open then: nothing else has to be placed.
        if first.due > self.now:
            on_time = self._run_on_time(first)
            if on_time is not None:
                return on_time, self._runs_after(first)
        # It has passed, and where it starts depends on no other.
        elif ticks.plain and self._is_simple:
            placed = self.policy.place(first, self.open_time)
            if placed.start is not None and (start := self._late_start(placed)) is not None:
                placed = self._with_those_due_by(placed.start, placed)
                return placed.starting(start), None
        # Else run after run is laid out, up to the first that may still start.
        stream = ticks.stream(
            ticks.walk(self.last, self.restriction, first), self.restriction.latest
        )
        following = self._lay_out(stream, first.due)
        run, skipped = next(following, None), None
        while run is not None and (late := self._made_up_for(run)) is None:
            if run.start is not None and is_missed(run.start, self.now, self.policy):
                return self.first_not_missed(with_interval(run, skipped)), None
            skipped = run.tick.interval_start if skipped is None else skipped
            closes = None if run.start is None else self.open_time.end_of(run.start)
            # What else was due in this stretch of open time is skipped too.
            if closes is not None and not self.policy.keep_hour:
                stream.pass_over(closes - 1, run.tick)
            run = next(following, None)
        if run is not None:
            run = with_interval(run if late is None else run.starting(late), skipped)
        return run, following if ticks.plain else None

    # Without catchup.

    def latest_run(self) -> tuple[PlacedTick | None, Iterator[PlacedTick] | None]:
        """Return the latest run that is to start by now, else the first one after.

        Also returns the runs that follow; ``None`` where these have to be searched for anew.
        """
        ticks, now = self.compiled.ticks, self.now
        # Calendars do not matter.
        if self.open_time.always and not self.policy.spread:
            with suppress(_BaseFailed):
                return self._first_run_from(self._base_answer())
        # The base schedule's answer is the latest due time, or the one after where that has run.
        if self._is_simple and ticks.is_calm(now) and self._is_under_way:
            picked = self._base_answer()
            if picked is None or picked.due > now:
                return self._first_run_from(picked)
            placed = self.policy.place(picked, self.open_time)
            start = self._late_start(placed) if placed.outcome in ("on_time", "postponed") else None
            if start is not None and (start <= now or not self.open_time.fits(now, 0)):
                # What else waits, or was missed, is released with it.
                return self._with_those_due_by(start, placed), None
        # Else the runs around now are laid out: which of them is the latest that may start?
        following, before, latest, coming = self._around_now()
        if self.is_first and coming is not None and coming.tick.due <= now:
            # What waits comes after it.
            latest = None
        if latest is not None and latest.outcome in ("on_time", "forced"):
            with suppress(_BaseFailed):
                latest = self._as_base(latest, self._base_answer())
        # None: the next one, or what the base schedule answers, as no run waits.
        if latest is None:
            if coming is None or (
                coming.tick.due > now and (self.is_first or not ticks.is_calm(now))
            ):
                with suppress(_BaseFailed):
                    picked = self._base_answer()
                    if self.is_first or coming is None or self._is_undisturbed(picked):
                        return self._first_run_from(picked)
            return coming, following if ticks.plain else None
        # It, with what waited as long as it, where it may still start; else the next one.
        if before is not None and latest.outcome == "postponed" and not self.is_first:
            latest = self._together(before, latest)
        return self._late_or_next(latest, coming), None

    # For both.

    def first_not_missed(self, missed: PlacedTick) -> PlacedTick | None:
        """Return the first run after *missed* that may still be made, with its data interval."""
        begin = self.now - (self.policy.max_lateness or 0) - self.policy.spread
        # What was due before it may have waited.
        if not self.open_time.always:
            begin = self.compiled.waiting_since(begin)
        ticks = self.compiled.ticks.since(begin, self.last, self.restriction)
        first = ticks.peek()
        for run in self._lay_out(ticks, None if first is None else first.due):
            if run.tick.due <= missed.tick.due or run.start is None:
                continue
            start = self._made_up_for(run)
            if start is not None:
                return with_interval(run.starting(start), missed.tick.interval_start)
        return None

    @property
    def _is_under_way(self) -> bool:
        """Whether there was a run, and the start date is no later than its data interval's end."""
        earliest = self.restriction.earliest
        return self.last is not None and (earliest is None or earliest <= self.last.end)

    @property
    def _takes_along(self) -> bool:
        """Whether the latest of the due times that wait takes all others along."""
        policy = self.policy
        return policy.coalesce and policy.when_blocked != "advance" and not policy.keep_hour

    @property
    def _is_simple(self) -> bool:
        """Whether the latest due time that runs when it is due can be told without any other."""
        return self._takes_along and not self.policy.spread

    def _is_alone(self, run: PlacedTick | None) -> bool:
        """Tell whether *run* starts on time and no other waits for the same start.

        No other does where time was open before its due time.
        """
        if run is None or run.outcome != "on_time":
            return False
        # What waits for its hour is taken along by the next run.
        if self.policy.keep_hour:
            return True
        return self.open_time.opening_of(run.tick.due, run.tick.due - DAY) < run.tick.due

    def _base_answer(self) -> Tick | None:
        try:
            return self.compiled.ticks.pick(self.last, self.restriction)
        except Exception as error:
            # Airflow's CronDataIntervalTimetable fails in some hours after a clock change.
            raise _BaseFailed from error

    def _is_undisturbed(self, tick: Tick | None) -> bool:
        """Tell whether time is open in all of the data interval of *tick* and of its run.

        Then calendars change nothing of it.
        """
        if tick is None:
            return False
        length = int(tick.due - tick.interval_start) + self.policy.duration
        return self.open_time.fits(tick.interval_start, length)

    def _first_run_from(
        self, tick: Tick | None
    ) -> tuple[PlacedTick | None, Iterator[PlacedTick] | None]:
        """Return the first run from *tick* on, and those that follow."""
        if tick is None:
            return None, None
        on_time = self._run_on_time(tick)
        if on_time is not None:
            return on_time, self._runs_after(tick)
        ticks = self.compiled.ticks
        stream = ticks.stream(
            ticks.walk(self.last, self.restriction, tick), self.restriction.latest
        )
        following = self._lay_out(stream, tick.due)
        return next(following, None), following if ticks.plain else None

    def _run_on_time(self, tick: Tick) -> PlacedTick | None:
        """Return the run of *tick* where it starts on time whatever comes before and after.

        Only of a plain cron; ``None`` otherwise.
        """
        if (
            not self.compiled.ticks.plain
            or self.policy.spread
            or self.policy.when_blocked == "advance"
        ):
            return None
        placed = self.policy.place(tick, self.open_time)
        return placed if placed.outcome == "on_time" else None

    def _runs_after(self, tick: Tick) -> Iterator[PlacedTick]:
        """Yield the runs after that of *tick*, one by one, as most callers take none."""
        ticks, latest = self.compiled.ticks, self.restriction.latest
        yield from self._lay_out(
            ticks.stream(ticks.following(tick, self.restriction), latest), tick.due
        )

    def _with_those_due_by(self, start: float, placed: PlacedTick) -> PlacedTick:
        """Return the run that starts at *start*, of *placed* and what else is due by then.

        That is the last of them, which takes the others along. Only for plain cron, and where
        :attr:`_is_simple`.
        """
        if start == placed.tick.due:
            return placed
        last = self.compiled.ticks.last_until(start, placed.tick, self.restriction.latest)
        if last is None:
            return placed.starting(start)
        if last.due == start:
            return PlacedTick(last, start, "on_time")
        return PlacedTick(last, start, "postponed", start)

    def _around_now(
        self,
    ) -> tuple[Iterator[PlacedTick], PlacedTick | None, PlacedTick | None, PlacedTick | None]:
        """Return the runs around now: an iterator of later ones, then three runs.

        The three are the run before the latest, the latest run to start by now, and the next one,
        after which the iterator goes on. The search begins so far back that no earlier tick matters
        to what becomes of later ones. Where ticks have data intervals, that shows only in the
        outcome: the search goes further back as long as a run may have taken over what was skipped
        before.
        """
        ticks = self.compiled.ticks
        reach = 0.0 if ticks.exact else float(max(self.policy.reach, DAY))
        while True:
            stream = ticks.since(self.now - reach, self.last, self.restriction)
            first = stream.peek()
            following = self._lay_out(stream, None if first is None else first.due)
            before = latest = coming = None
            for run in following:
                assert run.start is not None
                if run.start > self.now:
                    coming = run
                    break
                # Of several that start together, which microseconds may tell apart, the first that
                # may still start.
                if (
                    latest is None
                    or latest.start is None
                    or run.start // 1 > latest.start // 1
                    or self._late_start(latest) is None
                ):
                    before, latest = latest, run
            if ticks.exact:
                if reach or self._takes_along or self._is_alone(latest):
                    break
                reach = self.now - self.compiled.waiting_since(self.now)
                continue
            nearest = before or latest or coming
            if (
                first is None
                or nearest is None
                or nearest.tick.interval_start > first.interval_start
            ):
                break
            if self.is_first or (
                self.last is not None and first.interval_start <= self.last.end.timestamp()
            ):
                break
            if (
                self.restriction.earliest is not None
                and first.due - DAY <= self.restriction.earliest.timestamp()
            ):
                break
            if reach > SEARCH_SECONDS:
                break
            reach *= 8
        return following, before, latest, coming

    def _lay_out(self, stream: TickStream, first_due: float | None) -> Iterator[PlacedTick]:
        until = max(self.now, self.now if first_due is None else first_due) + SEARCH_SECONDS
        last_begin = -math.inf
        if self.last is not None and self.policy.when_blocked == "advance":
            last_begin = self.last.start.timestamp()
        return runs(stream, self.policy, self.open_time, until, last_begin)

    def _as_base(self, run: PlacedTick, picked: Tick | None) -> PlacedTick | None:
        """Return *run*, which was to start on time, as late as the base schedule has it.

        ``None`` where that has no such run. *picked* is the tick that the base schedule answers
        with: it knows no calendars, but tells how late a DAG may begin without a start date, and
        end with an end date. A run that had to wait has its turn whatever the base schedule says.
        """
        assert run.start is not None
        latest = self.restriction.latest
        if self.is_first or (latest is not None and latest.timestamp() < self.now):
            # Staggered.
            if run.start > run.tick.due and self.now - run.start <= GRACE_SECONDS:
                return run
            if picked is None or picked.due > run.tick.due:
                return None
        if picked is not None and picked.due <= self.now and self._is_undisturbed(picked):
            return self.policy.place(picked, self.open_time).starting(
                picked.due + run.start - run.tick.due
            )
        return run

    def _together(self, before: PlacedTick, latest: PlacedTick) -> PlacedTick:
        """Return *latest*, which waited for an opening, together with the run *before* it.

        That one was missed and had to wait as well. Where runs are not combined, and *before* may
        start at that opening, *before* is returned.
        """
        assert latest.start is not None
        opening = latest.start if latest.opening is None else latest.opening
        if (
            not self.policy.coalesce
            and self.policy.waits
            and opening <= before.tick.due + self.policy.max_delay
        ):
            return before
        return with_interval(latest, before.tick.interval_start)

    def _late_or_next(self, latest: PlacedTick, coming: PlacedTick | None) -> PlacedTick | None:
        """Return *latest*, whose start has passed, where it may still start.

        Otherwise *coming*; that one too where both would start together, as one run.
        """
        start = self._late_start(latest)
        if start is None:
            return coming and with_interval(coming, latest.tick.interval_start)
        if start <= self.now or coming is None or not self.policy.coalesce:
            return latest.starting(start)
        # Starts never go back: one that is spread may begin no earlier than the next.
        together = coming.start is not None and coming.start <= start
        if not together and not self.policy.keep_hour:
            opening = next_opening(self.now, self.policy, self.open_time)
            released = coming.start if coming.opening is None else coming.opening
            together = opening is not None and released is not None and released <= opening
        if together:
            return with_interval(coming, latest.tick.interval_start)
        return latest.starting(start)

    def _made_up_for(self, run: PlacedTick) -> float | None:
        """Return when *run* starts, which may be late: no later than the next that is to come."""
        start = self._late_start(run)
        if start is None or start <= self.now or not self.policy.spread:
            return start
        *_, coming = self._around_now()
        return start if coming is None or coming.start is None else min(start, coming.start)

    def _late_start(self, run: PlacedTick) -> float | None:
        assert run.start is not None
        if run.start > self.now:
            return run.start
        return self.compiled.late_start(
            run.start, run.tick.due, self.now, catchup=self.restriction.catchup
        )


def due_times(
    compiled: CompiledSchedule, last: DataInterval | None, restriction: TimeRestriction
) -> Iterator[DagRunInfo]:
    """Yield the runs of a backfill: one for each due time of the base schedule.

    What calendars say does not change that.
    """
    for tick in compiled.ticks.walk(last, restriction):
        placed = compiled.policy.place(tick, compiled.open_time)
        # Its interval names the run: it has to be that of the scheduled run with this due time.
        interval = _data_interval(
            begun_before(placed, compiled.policy).tick if placed.outcome == "advanced" else tick
        )
        yield DagRunInfo(to_pendulum(tick.due), interval, None, None)
