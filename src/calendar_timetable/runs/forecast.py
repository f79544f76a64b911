"""What will run: the stored next run of a DAG, and what its schedule says from there on."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import chain

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction

from calendar_timetable.planning import zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import PlacedTick, Tick, place_ticks
from calendar_timetable.runs import time_budget
from calendar_timetable.runs.lru import LruCache
from calendar_timetable.runs.stored_schedules import Schedule
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.compiled import CompiledSchedule

# Due times of one DAG in one answer: a week of minutes, or five weeks of every five minutes.
MOST_TICKS = 11_000
_MOST_STEPS = 5 * MOST_TICKS  # due times passed on the way to a range that is far away
_REMEMBERED = 100_000  # ticks in all remembered plans together, of some 200 bytes each
_LONGEST = 2_000  # ticks in one of these plans; a longer one is worked out anew each time
# Seconds for which a plan is right: a start that has passed by then may have to move.
_FRESH = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredNextRun:
    """A DAG's next run as Airflow has stored it; times are in epoch seconds."""

    start: float
    interval_start: float
    interval_end: float
    partition_key: str | None = None

    @property
    def info(self) -> DagRunInfo:
        """The run as Airflow's timetables describe one."""
        interval = DataInterval(to_pendulum(self.interval_start), to_pendulum(self.interval_end))
        at = to_pendulum(self.start)
        if self.partition_key is not None:
            return DagRunInfo.exact(at)._replace(
                data_interval=None, partition_key=self.partition_key
            )
        return DagRunInfo.exact(at)._replace(data_interval=interval)

    @property
    def tick(self) -> Tick:
        """The run's due time with its data interval."""
        return Tick(self.interval_end, self.interval_start, self.interval_end)


@dataclass(frozen=True, slots=True)
class ForecastQuery:
    """What is asked of one DAG: ticks due or starting in ``[since, until)``, as seen at *now*.

    Times are in epoch seconds; at most *ticks* are wanted.
    """

    now: float
    since: float
    until: float
    ticks: int = MOST_TICKS


# By question: the minute in which it was answered, the ticks, and whether there are more.
# A later answer replaces an earlier one.
_plans: LruCache[tuple[float, list[PlacedTick], bool]] = LruCache(
    _REMEMBERED, lambda plan: 10 + len(plan[1]), _LONGEST
)


def forecast(
    schedule: Schedule, stored: StoredNextRun | None, question: ForecastQuery
) -> tuple[list[PlacedTick], bool]:
    """Return every tick that *question* asks for, placed, and whether some were left out.

    Of ticks that have passed, only those that did not run: those that did are existing runs, which
    are read from Airflow's database.
    """
    minute = question.now // _FRESH
    key = schedule.dag_id, schedule.version, stored, question.since, question.until, question.ticks
    remembered = _plans.get(key)
    if remembered is not None and remembered[0] == minute:
        return remembered[1:]
    places: list[PlacedTick] = []
    try:
        with time_budget.share(time_budget.DAG):
            more = _find(schedule, stored, question, places)
    except time_budget.Spent:
        # Not remembered: for a question that asks for less there may be time enough.
        return places, True
    _plans.put(key, (minute, places, more))
    return places, more


def _find(
    schedule: Schedule,
    stored: StoredNextRun | None,
    question: ForecastQuery,
    places: list[PlacedTick],
) -> bool:
    """Add what *question* asks for to *places*; return whether there is more."""
    try:
        for count, placed in enumerate(_walk(schedule, stored, question)):
            start = placed.tick.due if placed.start is None else placed.start
            if (
                min(placed.tick.due, start) < question.until
                and max(placed.tick.due, start) >= question.since
            ):
                places.append(placed)
            if len(places) > question.ticks or count > max(_MOST_STEPS, 5 * question.ticks):
                del places[question.ticks :]
                return True
    except (time_budget.Busy, time_budget.Spent):
        raise
    except Exception:  # one broken timetable must not take the page away from all others
        log.exception("Cannot tell the planned runs of %s", schedule.dag_id)
        return True
    return False


def replanned(
    schedule: Schedule,
    stored: StoredNextRun | None,
    waiting: Collection[float],
    now: float,
    until: float,
) -> Iterator[PlacedTick]:
    """Yield the ticks from the stored run's on, placed by a schedule that is not the one in force.

    Earlier ticks are included where their data interval ends at one of *waiting*: no run is planned
    for them, but by this schedule there may be one. Times are in epoch seconds.
    """
    compiled = schedule.compiled
    assert compiled is not None, "only our own schedules have arguments to change"
    settled = now if stored is None else stored.interval_end
    first = min((settled, *waiting))
    latest = schedule.restriction.latest
    if compiled.ticks.on_grid:
        ticks = compiled.ticks.at_or_after(first, latest)
    elif stored is not None:
        following = compiled.ticks.walk(
            stored.info.data_interval, schedule.restriction._replace(catchup=True)
        )
        ticks = chain((stored.tick,), following)
    else:
        return
    for placed in place_ticks(time_budget.metered(ticks), compiled.policy, compiled.open_time):
        if placed.tick.due >= until:
            return
        if placed.tick.interval_end >= settled or placed.tick.interval_end in waiting:
            yield not_before(compiled, placed, now, catchup=schedule.restriction.catchup)


def not_before(
    compiled: CompiledSchedule, placed: PlacedTick, now: float, *, catchup: bool
) -> PlacedTick:
    """Return *placed*; a start that has passed, and is closed by now, waits for an opening.

    *catchup* is that of the DAG.
    """
    if placed.start is None or placed.start > now:
        return placed
    start = compiled.late_start(placed.start, placed.tick.due, now, catchup=catchup)
    if start == placed.start:
        return placed
    return (
        PlacedTick(placed.tick, None, "skipped") if start is None else started(placed.tick, start)
    )


def _walk(
    schedule: Schedule, stored: StoredNextRun | None, question: ForecastQuery
) -> Iterator[PlacedTick]:
    """Return the ticks around the range of *question*, in order, as fits the kind of schedule."""
    compiled = schedule.compiled
    if compiled is not None:
        if compiled.held:
            return iter(())
        if compiled.ticks.on_grid:
            return _ours_on_grid(compiled, schedule, stored, question)
        return _ours_after(compiled, schedule, stored, question) if stored else iter(())
    if stored is None:
        return iter(())
    steps = _remembered if schedule.ticks.remembered else _stepped
    return time_budget.metered(steps(schedule, stored, question))


def _ours_on_grid(
    compiled: CompiledSchedule,
    schedule: Schedule,
    stored: StoredNextRun | None,
    question: ForecastQuery,
) -> Iterator[PlacedTick]:
    """Yield all ticks around the range, whatever ran before; the stored run stands for its own."""
    # Ticks due before the range may be postponed or spread into it, those after advanced into it.
    policy = compiled.policy
    reach = policy.spread if compiled.open_time.always else policy.max_delay
    ahead = reach if policy.when_blocked == "advance" else 0
    earliest, latest, catchup = schedule.restriction
    start = question.since - reach
    # Whatever is due before the stored run has run, or never will.
    if stored is not None and question.since >= question.now:
        start = max(start, min(stored.interval_end, question.since))
    # What was due before the DAG was first seen is left out, except from its first run on, which
    # may be older: other due times wait together with it, or follow it.
    seen = schedule.since if stored is None else min(schedule.since, stored.interval_end)
    start = max(start, seen, earliest.timestamp() if earliest else 0)
    pending = stored
    ticks = time_budget.metered(compiled.ticks.at_or_after(start, latest))
    for placed in place_ticks(ticks, compiled.policy, compiled.open_time):
        tick = placed.tick
        if pending is not None and tick.interval_end >= pending.interval_end:
            yield from _stored_run(compiled, pending, placed, question.now, catchup=catchup)
            mine, pending = tick.interval_end == pending.interval_end, None
            if mine:
                continue
        if tick.due - ahead >= question.until:
            return
        if placed.start is None:
            if tick.due >= schedule.since:
                yield placed
        elif (
            stored
            and tick.interval_end > stored.interval_end
            and (catchup or placed.start > question.now)
        ):
            yield placed
    if pending is not None:
        yield from _stored_run(compiled, pending, None, question.now, catchup=catchup)


def _ours_after(
    compiled: CompiledSchedule, schedule: Schedule, stored: StoredNextRun, question: ForecastQuery
) -> Iterator[PlacedTick]:
    """Yield the stored run and the ticks after it: earlier ones depend on what ran."""
    catchup = schedule.restriction.catchup
    yield from _stored_run(compiled, stored, None, question.now, catchup=catchup)
    ticks = compiled.ticks.walk(
        stored.info.data_interval, schedule.restriction._replace(catchup=True)
    )
    for placed in place_ticks(time_budget.metered(ticks), compiled.policy, compiled.open_time):
        if placed.tick.due - compiled.policy.max_delay >= question.until:
            return
        if placed.start is None or catchup or placed.start > question.now:
            yield placed


def _stored_run(
    compiled: CompiledSchedule,
    stored: StoredNextRun,
    placed: PlacedTick | None,
    now: float,
    *,
    catchup: bool,
) -> Iterator[PlacedTick]:
    """Yield the stored run where it will start: if late and closed by now, at an opening.

    Without such an opening it is skipped. It is *placed* itself where that has the same start.
    """
    start = compiled.late_start(stored.start, stored.tick.due, now, catchup=catchup)
    if start is None:
        yield PlacedTick(stored.tick, None, "skipped")
    elif (
        placed is not None
        and placed.start == start
        and placed.tick.interval_end == stored.interval_end
    ):
        yield placed
    else:
        yield started(stored.tick, start)


def started(tick: Tick, start: float) -> PlacedTick:
    """Return *tick* as a run that starts at *start*, whatever the calendars say now."""
    if start == tick.due:
        return PlacedTick(tick, start, "on_time")
    return (
        PlacedTick(tick, start, "postponed", opening=start)
        if start > tick.due
        else PlacedTick(tick, start, "advanced")
    )


def _remembered(
    schedule: Schedule, stored: StoredNextRun, question: ForecastQuery
) -> Iterator[PlacedTick]:
    """Yield the ticks of plain cron.

    As they are remembered, they need not be walked through up to a range that is far away.
    """
    yield _at(stored.info)
    last, restriction = stored.info.data_interval, schedule.restriction
    restriction = restriction._replace(catchup=restriction.catchup or stored.start > question.now)
    if question.since - stored.start > DAY:
        ticks = schedule.ticks.at_or_after(question.since, restriction.latest)
    else:
        ticks = schedule.ticks.walk(last, restriction, schedule.ticks.pick(last, restriction))
    for tick in ticks:
        if tick.due >= question.until:
            return
        if tick.interval_end > stored.interval_end:
            yield PlacedTick(tick, tick.due, "on_time")


def _stepped(
    schedule: Schedule, stored: StoredNextRun, question: ForecastQuery
) -> Iterator[PlacedTick]:
    """Yield the runs of any other timetable, asked as the scheduler asks it."""
    info: DagRunInfo | None = stored.info
    latest = schedule.restriction.latest
    while info is not None and info.run_after.timestamp() < question.until:
        yield _at(info)
        catchup = schedule.restriction.catchup or info.run_after.timestamp() > question.now
        following = schedule.timetable.next_dagrun_info_v2(
            last_dagrun_info=info,
            restriction=TimeRestriction(schedule.restriction.earliest, latest, catchup),
        )
        # A timetable that does not advance would keep this loop going for ever.
        if following is not None and following.run_after <= info.run_after:
            return
        info = following


def _at(info: DagRunInfo) -> PlacedTick:
    due = zones.to_instant(info.run_after)
    interval = (
        (due, due) if info.data_interval is None else map(zones.to_instant, info.data_interval)
    )
    return PlacedTick(Tick(due, *interval), due, "on_time")
