"""What edits of calendars moved, told once: in the log, as a metric, and by Airflow's notifiers.

So is what the upgrade of a library moved that tells holidays: the DAG file is the same there too.

A watch keeps the schedules that it saw last in the cache folder, without titles of events, and
plans with them and with those of now: the same DAG file and the same clock, so that what differs is
what calendars say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice, takewhile
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from airflow.timetables.base import TimeRestriction

from calendar_timetable.calendars.feed.cache import folder, make_folder, replace_file
from calendar_timetable.config import listed
from calendar_timetable.metrics import SCHEDULER
from calendar_timetable.planning import explain, zones
from calendar_timetable.planning.open_time import DAY
from calendar_timetable.planning.plan import PlacedTick
from calendar_timetable.planning.plan_diff import (
    ChangeKind,
    RunChange,
    changes_ahead,
    in_numbers,
    place,
    why,
)
from calendar_timetable.planning.time_sets import LocalDays, leaves
from calendar_timetable.runs.forecast import MOST_TICKS, StoredNextRun, not_before, replanned
from calendar_timetable.runtime.notifiers import notify
from calendar_timetable.schedule.base import to_pendulum
from calendar_timetable.schedule.compiled import CompiledSchedule

if TYPE_CHECKING:
    from calendar_timetable.runs.database import Dag
    from calendar_timetable.runs.stored_schedules import Schedule
    from calendar_timetable.timetable import CalendarTimetable

Watch = Literal["sync", "publish"]

_AHEAD = 35 * DAY  # of the runs that are looked at, as of those that are published
_VERSION = 1
_ENTRY = {"arguments", "schedule", "seen", "told"}
_MOST_DAGS = 10_000
_MOST_BYTES = 256 * 1024  # of one schedule that is kept
_KEPT = 35 * DAY  # a DAG that is seen no more
_SEEN = 300  # seconds after which it is noted again that a DAG is watched
_ALIVE = 900  # seconds since then in which a watch counts as running
_TOLD = 50  # runs that one message tells one by one
_NAMED = 5  # runs that its sentence names

log = logging.getLogger(__name__)


class WatchedDag(NamedTuple):
    """A DAG as a watch sees it now.

    *data* is its ``CalendarTimetable``, serialized; *arguments* are those in its file, as far as
    the watch can know. With its *schedule* as stored and its next run (*stored*), the runs of
    schedules without fixed due times are known too. *libraries* tell its days, with their versions,
    where those that wrote *data* are known.
    """

    dag_id: str
    data: dict[str, Any]
    restriction: TimeRestriction
    arguments: str = ""
    schedule: Schedule | None = None
    stored: StoredNextRun | None = None
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class MovedRun:
    """A run that an edit of a calendar moved, in *change* as ``diff`` has it.

    Times are UTC-aware; *before* and *after* are its starts, ``None`` where there is none.
    """

    dag_id: str
    change: ChangeKind
    due: datetime
    before: datetime | None
    after: datetime | None
    why: str
    sentence: str


@dataclass(frozen=True)
class MovedRuns:
    """All that edits of calendars moved since the last look: ``moved`` in a notifier's templates.

    *count* runs, of which *runs* are the first; *sentence* shows times in Airflow's default zone.
    """

    sentence: str
    count: int
    dag_ids: tuple[str, ...]
    runs: tuple[MovedRun, ...]
    by_dag: tuple[int, ...]  # how many runs of each of *dag_ids*


def watched_file(
    dag_id: str, timetable: CalendarTimetable, start: datetime | None, end: datetime | None
) -> WatchedDag | None:
    """Return the DAG as its file has it; ``None`` where no calendar, no library can move it."""
    arguments = timetable.arguments
    if arguments is None:
        return None
    if next(timetable.questions(0), None) is None and not arguments.libraries:
        return None
    first, last = (None if date is None else to_pendulum(date.timestamp()) for date in (start, end))
    within = TimeRestriction(first, last, catchup=True)
    return WatchedDag(
        dag_id,
        timetable.serialize(),
        within,
        _digest(arguments.fingerprint),
        libraries=arguments.libraries,
    )


def watched_stored(dags: Iterable[Dag], schedules: dict[str, Schedule]) -> Iterator[WatchedDag]:
    """Yield the *dags* that Airflow's database has, as far as calendars can move their runs.

    Or libraries: those of whoever read the DAG file, whose versions are not told.
    """
    for dag in dags:
        schedule = schedules.get(dag.dag_id)
        if schedule is None or schedule.compiled is None:
            continue
        if schedule.calendars or _has_days(schedule.compiled):
            data = schedule.data["__var"]
            yield WatchedDag(
                dag.dag_id, data, schedule.restriction, schedule=schedule, stored=dag.stored
            )


def _has_days(compiled: CompiledSchedule) -> bool:
    sets = [timeset for timeset in (compiled.windows, compiled.blackouts) if timeset is not None]
    days = (leaf for timeset in sets for leaf in leaves(timeset) if isinstance(leaf, LocalDays))
    return "rule" in compiled.base or any(days)


def moved_since_last_look(watch: Watch, dags: Sequence[WatchedDag], now: float) -> MovedRuns | None:
    """Return what moved since this *watch* looked last; ``None`` where nothing did.

    What is returned is not returned again, by whomever. *now* is in epoch seconds. Nothing is known
    of a DAG that is looked at for the first time, or whose file was edited; one whose calendar
    cannot be read is looked at when it can.
    """
    moves: dict[str, list[tuple[RunChange, MovedRun]]] = {}
    upgrades: set[str] = set()
    with _entries(watch) as (entries, others):
        for dag in dags[:_MOST_DAGS]:
            compiled = CompiledSchedule.from_json(dag.data)
            text = json.dumps(_without_titles(dag.data))
            if compiled.held or len(text) > _MOST_BYTES:
                continue
            # As it will be read again.
            data = json.loads(text)
            last, other = entries.get(dag.dag_id), others.get(dag.dag_id)
            entry = {"arguments": dag.arguments, "schedule": data, "seen": now, "told": False}
            entry["libraries"] = [*dag.libraries]
            if last is not None and last["schedule"] == data:
                if last["arguments"] != dag.arguments or now - last["seen"] > _SEEN:
                    entries[dag.dag_id] = entry | {"told": last["told"]}
                continue
            entries[dag.dag_id] = entry
            if last is None or not _same_rules(last, entry) or _is_others(watch, other, entry):
                continue
            entry["told"] = True
            if pairs := list(_moved_runs(dag, last["schedule"], compiled, now)):
                moves[dag.dag_id] = pairs
                upgrades |= {*_upgrades(last.get("libraries", ()), dag.libraries)}
        for dag_id in [i for i, entry in entries.items() if now - entry["seen"] > _KEPT]:
            del entries[dag_id]
    return _message(moves, sorted(upgrades)) if moves else None


def _upgrades(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """Yield "holidays 0.84 became 0.85" for each library whose version changed."""
    old = dict(library.rsplit(" ", 1) for library in before)
    for name, version in (library.rsplit(" ", 1) for library in after):
        if old.get(name, version) != version:
            yield f"{name} {old[name]} became {version}"


def tell(moved: MovedRuns, say: Callable[[str], None]) -> None:
    """Tell what *moved*: *say* it, count it, and have the notifiers of ``notify`` tell of it."""
    say(moved.sentence)
    for dag_id, number in zip(moved.dag_ids, moved.by_dag, strict=True):
        SCHEDULER.count("run.moved", number, dag_id=dag_id)
    for path in listed("notify"):
        notify(path, {"moved": moved})


def _is_others(watch: Watch, other: dict[str, Any] | None, entry: dict[str, Any]) -> bool:
    """Tell whether the *other* watch has told of what is in *entry*, or will.

    Where both are running it is ``sync`` that tells: it knows first.
    """
    if other is None:
        return False
    has_told: bool = other["told"] and other["schedule"] == entry["schedule"]
    return has_told or (watch == "publish" and entry["seen"] - other["seen"] < _ALIVE)


# --- what moved -----------------------------------------------------------------------------------


def _moved_runs(
    dag: WatchedDag, data: dict[str, Any], after: CompiledSchedule, now: float
) -> Iterator[tuple[RunChange, MovedRun]]:
    """Yield the runs of *dag* that moved from where the schedule in *data* has them."""
    try:
        before = CompiledSchedule.from_json(data)
    except (ValueError, KeyError, TypeError):
        return  # another version wrote it
    until = now + _AHEAD
    if before.horizon is not None:
        # Beyond, what calendars said was not known.
        until = min(until, before.horizon.end - before.policy.max_delay - before.policy.duration)
    old, new = (list(_places(dag, compiled, now, until)) for compiled in (before, after))
    ends = [places[-1].tick.due for places in (old, new) if len(places) > MOST_TICKS]
    until = min(ends, default=until)
    waiting = {p.tick.due for p in old if p.start is not None and p.start > now}
    new = [_from_now(after, p, now, dag.restriction) if p.tick.due in waiting else p for p in new]
    zone = zones.load_zone(zones.default_zone())
    for change in changes_ahead(old, new, now):
        if change.due < until:
            yield change, _moved_run(dag.dag_id, change, before, after, zone)


def _from_now(
    compiled: CompiledSchedule, placed: PlacedTick, now: float, restriction: TimeRestriction
) -> PlacedTick:
    """Return *placed*, which has not begun: what was to start earlier may start now, or waits."""
    placed = not_before(compiled, placed, now, catchup=restriction.catchup)
    return placed if placed.start is None else placed.starting(max(placed.start, now))


def _places(
    dag: WatchedDag, compiled: CompiledSchedule, now: float, until: float
) -> Iterator[PlacedTick]:
    """Return what becomes of the due times by *compiled* that may start after *now*."""
    ticks: Iterator[PlacedTick]
    if compiled.ticks.on_grid:
        ticks = compiled.placed_within(dag.restriction, now - compiled.policy.max_delay)
    elif dag.schedule is not None and dag.stored is not None:
        ticks = replanned(replace(dag.schedule, changed_to=compiled), dag.stored, (), now, until)
    else:
        # They follow the last run, which only Airflow's database knows.
        return iter(())
    return islice(takewhile(lambda placed: placed.tick.due < until, ticks), MOST_TICKS + 1)


def _moved_run(
    dag_id: str, change: RunChange, before: CompiledSchedule, after: CompiledSchedule, zone: Any
) -> MovedRun:
    places = (change.before, before), (change.after, after)
    reasons = [
        "; ".join(explain.in_words(compiled.reasons(placed), zone, change.due)) if placed else ""
        for placed, compiled in places
    ]
    was, will = (place(placed, zone) for placed, _ in places)
    because = why(change, *reasons)
    head = f"{dag_id} due {explain.format_clock(change.due, zone)}: {was} becomes {will}"
    was_at, will_at = (
        zones.to_datetime(placed.start) if placed and placed.start is not None else None
        for placed, _ in places
    )
    return MovedRun(
        dag_id,
        change.kind,
        zones.to_datetime(change.due),
        was_at,
        will_at,
        because,
        f"{head} ({because})" if because else head,
    )


def _message(
    moves: dict[str, list[tuple[RunChange, MovedRun]]], upgrades: Sequence[str]
) -> MovedRuns:
    every = [pair for pairs in moves.values() for pair in pairs]
    runs = tuple(run for _, run in every[:_TOLD])
    details = "; ".join(run.sentence for run in runs[:_NAMED])
    more = f"; and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    upgraded = f" ({', '.join(upgrades)})" if upgrades else ""
    sentence = (
        f"Calendars changed{upgraded}, {in_numbers(change for change, _ in every)}: {details}{more}"
    )
    return MovedRuns(sentence, len(every), tuple(moves), runs, tuple(map(len, moves.values())))


# --- what is kept ---------------------------------------------------------------------------------


@contextmanager
def _entries(watch: Watch) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield what is kept of DAGs by this *watch*, which is kept as it is left, and by the other.

    One process at a time. Raises ``OSError`` where it cannot be kept: what was told would be told
    again.
    """
    make_folder()
    other: Watch = "publish" if watch == "sync" else "sync"
    with (folder() / "edits.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entries = _read(watch)
        before = json.dumps(entries)
        yield entries, _read(other)
        after = json.dumps(entries)
        if after != before:
            content = f'{{"v": {_VERSION}, "dags": {after}}}'
            replace_file(folder() / f"edits-{watch}.json", content.encode())


def _read(watch: Watch) -> dict[str, Any]:
    """Return what is kept; nothing where that is damaged, or of another version."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        data = json.loads((folder() / f"edits-{watch}.json").read_bytes())
        dags = data["dags"].items() if data["v"] == _VERSION else ()
        return {i: entry for i, entry in dags if entry.keys() >= _ENTRY}
    return {}


_SETS = "windows", "blackouts"
_OF_EVENTS = {"spans", "packed", "titles", "note", "days"}


def _without_titles(data: dict[str, Any]) -> dict[str, Any]:
    return data | {name: _without(data[name], {"titles"}) for name in _SETS if name in data}


def _same_rules(last: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Tell whether two schedules differ by nothing but what calendars and libraries say."""
    return bool(
        last["arguments"] == entry["arguments"]
        and _rules(last["schedule"]) == _rules(entry["schedule"])
    )


def _rules(data: dict[str, Any]) -> dict[str, Any]:
    sets = {name: _without(data[name], _OF_EVENTS) for name in _SETS if name in data}
    rest = {name: value for name, value in data.items() if name not in ("v", "horizon")}
    return rest | sets | {"base": _without(data["base"], {"events"})}


def _without(node: Any, names: set[str]) -> Any:
    """Return *node* of a serialized time set without the keys *names*."""
    if isinstance(node, dict):
        return {key: _without(value, names) for key, value in node.items() if key not in names}
    if isinstance(node, list) and node and isinstance(node[0], dict):
        return [_without(child, names) for child in node]
    return node


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else ""
