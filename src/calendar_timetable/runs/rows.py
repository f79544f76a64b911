"""Existing runs and planned ticks as the rows that people see."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.plan import PlacedTick, Tick
from calendar_timetable.runs.database import Dag, ExistingRun
from calendar_timetable.runs.forecast import started
from calendar_timetable.runs.outlook import Outlook, outlook
from calendar_timetable.runs.stored_schedules import Schedule

RunState = Literal["planned", "queued", "running", "success", "failed", "skipped"]
LATE = 300  # seconds after which a start counts as late
_COLLAPSE_GAP_SECONDS = 3600  # runs closer together than this may be shown as one row
_QUARTER_SECONDS = 900  # of an hour: the offsets of zones are multiples of it today
_MIN_COLLAPSED = 3  # runs that are shown as one row, at least
_BY_TICK = ("scheduled", "backfill")
_CAUSES = {"manual": "Triggered by hand", "asset_triggered": "Triggered by assets"}
_UTC = ZoneInfo("UTC")
_PAUSED = "will not start: DAG is paused"


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, one tick without a run, or a stretch of several.

    *start* and *end* are in epoch seconds. A stretch stands for *count* runs, about *every* seconds
    apart.
    """

    dag: Dag
    schedule: Schedule | None
    placed: PlacedTick
    run: ExistingRun | None
    state: RunState
    start: float | None
    end: float | None
    end_estimated: bool
    count: int = 1
    every: int = 0
    known_as: str = ""

    @property
    def key(self) -> tuple[float, str, float]:
        """The key by which rows are sorted when shown."""
        return self.at, self.dag.dag_id, self.placed.tick.due

    @property
    def at(self) -> float:
        """Its place in time, in epoch seconds: its start, or its due time if it has none."""
        return self.placed.tick.due if self.start is None else self.start

    @property
    def identity(self) -> str:
        """A name that stays the same when the run moves, and when Airflow makes it."""
        if self.known_as:
            return self.known_as
        if self.run is not None and self.run.run_type not in _BY_TICK:
            return f"{self.dag.dag_id} {self.run.run_id}"
        return (
            f"{self.dag.dag_id} "
            f"{zones.to_datetime(self.placed.tick.interval_end).isoformat()[:19]}Z"
        )

    @property
    def zone(self) -> ZoneInfo:
        """The zone of its schedule, or UTC without one."""
        return _UTC if self.schedule is None else self.schedule.zone

    @property
    def waits_for_assets(self) -> bool:
        """Whether it has yet to be made once its assets are there, besides being due."""
        schedule = self.schedule
        return self.state == "planned" and schedule is not None and schedule.waits_for_assets

    def changed(self, now: float) -> float:
        """Return when what is shown of it last changed, in epoch seconds; this never goes back."""
        times = [self.placed.tick.due, self.start, self.end]
        stored = self.dag.stored
        if stored is not None and stored.interval_end == self.placed.tick.interval_end:
            # The run was to start then, before it was late.
            times.append(stored.start)
        if self.is_late(now):
            times.append((self.at if self.run is None else self.run.run_after) + LATE)
        past = [t for t in times if t is not None and t <= now]
        sources = (self.run, self.schedule)
        return max((0, *past, *(source.changed for source in sources if source)))

    def right_until(self, now: float) -> float:
        """Return the next instant at which the clock alone changes what is shown of it.

        In epoch seconds; infinity where there is none.
        """
        # From its expected end on, that of a run which is still running moves with the clock.
        if self.state == "running":
            return now if self.end is None or self.end <= now else self.end
        if self.state not in ("planned", "queued", "skipped"):
            return math.inf
        waited_for = self.at if self.run is None else self.run.run_after
        return min(
            (at for at in (self.placed.tick.due, self.at, waited_for + LATE) if at > now),
            default=math.inf,
        )

    def touches(self, since: float, until: float) -> bool:
        """Tell whether its tick, or its run, lies in ``[since, until)``, in epoch seconds."""
        times = [t for t in (self.placed.tick.due, self.start, self.end) if t is not None]
        return min(times) < until and max(times) >= since

    def is_late(self, now: float) -> bool:
        """Tell whether it started, or will start, more than ``LATE`` seconds later than it was to.

        What a paused DAG has not started does not count as late: it waits for its user. Nor does a
        run that also waits for assets.
        """
        if self.run is None and self.waits_for_assets:
            return False
        if self.run is None:
            planned, started = self.start, None
        elif self.run.run_type == "scheduled":
            planned, started = self.run.run_after, self.run.started
        else:
            return False
        if planned is None or (started is None and self.dag.paused):
            return False
        return (now if started is None else started) - planned > LATE


def planned_row(dag: Dag, schedule: Schedule, placed: PlacedTick, length: float | None) -> RunRow:
    """Return the row of a tick to come, or of one that passed without a run.

    *length* is how many seconds its run is expected to last, if that is known.
    """
    state: RunState = "skipped" if placed.start is None else "planned"
    end = None if placed.start is None or length is None else placed.start + length
    return RunRow(
        dag, schedule, placed, None, state, placed.start, end, end_estimated=end is not None
    )


def existing_row(
    dag: Dag, schedule: Schedule | None, run: ExistingRun, length: float | None, now: float
) -> RunRow:
    """Return the row of a run that Airflow has made, as it is at *now* in epoch seconds.

    *length* is how many seconds the run is expected to last, if that is known.
    """
    is_ours = schedule is not None and schedule.compiled is not None and run.run_type in _BY_TICK
    if run.interval is not None and run.run_type in _BY_TICK:
        low, high = run.interval
        # Other schedules' runs are taken to be due when they may start, as in forecasts.
        placed = started(Tick(high if is_ours else run.run_after, low, high), run.run_after)
    else:
        placed = started(Tick(run.run_after, run.run_after, run.run_after), run.run_after)
    start = run.run_after if run.started is None else run.started
    end, estimated = run.ended, False
    if end is None and length is not None:
        end, estimated = start + length, True
    if run.state == "running" and end is not None:
        end = max(end, now)
    state: RunState = {"running": "running", "success": "success", "failed": "failed"}.get(
        run.state, "queued"
    )  # type: ignore[assignment]
    return RunRow(dag, schedule, placed, run, state, start, end, estimated)


def collapse(rows: Iterable[RunRow]) -> Iterator[RunRow]:
    """Yield *rows* of one DAG, in order, those of a long enough stretch as one row.

    In a stretch, neighbours are alike, of the same day, and less than an hour apart.
    """
    for stretch in stretches(rows):
        yield from [_as_one(stretch)] if is_often(stretch) else stretch


def stretches(rows: Iterable[RunRow]) -> Iterator[list[RunRow]]:
    """Yield *rows* of one DAG, in order, parted where neighbours are not alike or not close."""
    stretch: list[RunRow] = []
    for row in rows:
        if stretch and not _alike(stretch[-1], row):
            yield stretch
            stretch = []
        stretch.append(row)
    if stretch:
        yield stretch


def is_often(stretch: list[RunRow]) -> bool:
    """Tell whether a list has one row for all of the *stretch*."""
    return len(stretch) >= _MIN_COLLAPSED


def _alike(row: RunRow, other: RunRow) -> bool:
    return (
        0 < other.at - row.at < _COLLAPSE_GAP_SECONDS
        and row.state == other.state
        and row.placed.outcome == other.placed.outcome
        and _day(row) == _day(other)
    )


def _day(row: RunRow) -> date:
    return _day_of(row.at // _QUARTER_SECONDS, row.zone)


@lru_cache(maxsize=2048)
def _day_of(quarter: float, zone: ZoneInfo) -> date:
    """Return the day in *zone*, at a *quarter* of an hour counted from the epoch.

    Remembered, because it is asked again and again for all the runs of an hour.
    """
    return datetime.fromtimestamp(quarter * _QUARTER_SECONDS, UTC).astimezone(zone).date()


def _as_one(stretch: list[RunRow]) -> RunRow:
    first, last = stretch[0], stretch[-1]
    gaps = sorted(int(b.at - a.at) for a, b in pairwise(stretch))
    end = last.at if last.end is None else last.end
    # The row is known by the run that stays in it: the first planned runs become existing ones, and
    # existing runs get new ones at the end.
    lasting = last if first.state == "planned" else first
    known_as = f"{lasting.identity} stretch"
    return replace(
        first, end=end, count=len(stretch), every=gaps[len(gaps) // 2], known_as=known_as
    )


def outlook_of(row: RunRow) -> Outlook:
    """Return what comes after the start of a run that goes by its schedule and is not over.

    For any other row the result is empty.
    """
    compiled = (
        None
        if row.schedule is None or row.schedule.changed_to is not None
        else row.schedule.compiled
    )
    by_schedule = row.run is None or row.run.run_type in _BY_TICK
    if compiled is None or row.start is None or row.count > 1 or not by_schedule:
        return Outlook()
    return (
        Outlook() if row.state in ("success", "failed") else outlook(compiled, row.start, row.end)
    )


def reasons_of(row: RunRow) -> tuple[explain.Reason, ...]:
    """Return why the run does not simply start when due."""
    compiled = None if row.schedule is None else row.schedule.compiled
    if compiled is None or (row.placed.outcome == "on_time" and row.run):
        return ()
    return compiled.reasons(row.placed)


def explanation(row: RunRow, reasons: Iterable[explain.Reason] = ()) -> str:
    """Explain *row* in one sentence, in the zone of its schedule.

    For example "Due Sat 21 Nov 2026 02:00 CET, blocked by team_calendar until 05:00; starts 05:00".
    """
    due, zone = row.placed.tick.due, row.zone
    if row.count > 1:
        return _explanation_of_many(row, zone)
    cause = "Due" if row.run is None else _CAUSES.get(row.run.run_type, "Due")
    return explain.joined(
        cause, due, zone, explain.in_words(reasons, zone, due), _outcome(row, due, zone)
    )


def _explanation_of_many(row: RunRow, zone: ZoneInfo) -> str:
    first, last = (
        explain.format_clock(row.at, zone),
        explain.format_clock(row.at + row.every * (row.count - 1), zone, row.at),
    )
    subject, ends = f"{row.count} runs", ""
    if row.start is None:
        subject = f"{row.count} due times"
        ends = "; combined with later runs" if row.placed.outcome == "coalesced" else "; skipped"
    elif row.state == "planned" and row.dag.paused:
        ends = f"; {_PAUSED}"
    return (
        f"{subject}, about every {explain.format_length(row.every)}, from {first} to {last}{ends}"
    )


def _outcome(row: RunRow, due: float, zone: ZoneInfo) -> str:
    if row.start is None:
        return "" if row.schedule is not None and row.schedule.compiled is not None else "skipped"
    at = explain.on_time_or_at(row.start, due, zone)
    if row.state in ("planned", "queued"):
        if row.dag.paused:
            return _PAUSED
        if row.state == "queued":
            return f"queued, to start {at}"
        return (
            f"starts {at}, or later, once its assets are there"
            if row.waits_for_assets
            else f"starts {at}"
        )
    if row.state == "running":
        return f"started {at}, running"
    took = "" if row.end is None else f" after {explain.format_length(row.end - row.start)}"
    return f"started {at}, {'succeeded' if row.state == 'success' else 'failed'}{took}"
