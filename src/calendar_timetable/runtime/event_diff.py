"""What happened in a calendar since it was last looked at.

All functions are pure, and made so that nothing is lost or told twice. A *memory* is what one
watcher knows already. Events are compared over the stretch that the memory was made for, so that
the passing of time alone changes nothing; what happens at a time of day is told once, as the memory
lists what was told already.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from calendar_timetable.calendars.occurrences import Occurrence
from calendar_timetable.planning.time_sets import TimeRange

Kind = Literal["created", "changed", "cancelled", "starts", "ends", "soon"]
EDITS: tuple[Kind, ...] = ("created", "changed", "cancelled")
TIMES: tuple[Kind, ...] = ("starts", "ends", "soon")
VERSION = 1


class EventState(NamedTuple):
    """What is remembered of one event, by UID, over the memory's stretch.

    A series is one event. Times are in epoch seconds.
    """

    print: str  # a digest of what its occurrences say
    start: int  # of its next occurrence, else of its last one
    end: int
    last: int  # the end of its last occurrence
    alive: bool  # not all of it is cancelled
    all_day: bool
    status: str
    categories: tuple[str, ...]


@dataclass(frozen=True)
class CalendarSnapshot:
    """A calendar's events, as read at *at*, in epoch seconds.

    *stretch* is what will be remembered of them. They reach back over the stretch of a memory that
    is weeks old, as what has left the stretch since then must be there to be compared. ``puzzling``
    are the UIDs of events that could not be understood, ``partial`` those of which only a part
    could not. Unless it is ``complete``, others may be missing as well.
    """

    at: float
    stretch: TimeRange
    events: tuple[Occurrence, ...]
    puzzling: frozenset[str] = frozenset()
    partial: frozenset[str] = frozenset()
    complete: bool = True

    def tells_of(self, uid: str, *, seen: bool) -> bool:
        """Tell whether the event *uid*, *seen* or not, is known well enough to be compared.

        One of which a part is missing is as the rest says, if any of it is seen.
        """
        return uid not in self.puzzling and (seen or (uid not in self.partial and self.complete))


@dataclass(frozen=True)
class WatchState:
    """What a watcher has told of.

    Moments up to *settled* (epoch seconds) never fire again; those in *told* have fired. *rows* are
    over *stretch*; those of events that could not be understood since, over the one in *left*.
    """

    settled: float
    stretch: TimeRange
    rows: dict[str, EventState] = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)
    left: dict[str, TimeRange] = field(default_factory=dict)

    def pack(self) -> str:
        """Return the memory as a short text, for Airflow's asset state store."""
        data = {"v": VERSION, **asdict(self)}
        return base64.b85encode(
            zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
        ).decode()

    @classmethod
    def unpack(cls, packed: str) -> WatchState:
        """Return the memory that :meth:`pack` gave as *packed*.

        Raises ``ValueError`` for what a newer version wrote.
        """
        data = json.loads(zlib.decompress(base64.b85decode(packed)))
        if data.pop("v") != VERSION:
            raise ValueError(
                "written by a newer airflow-calendar-timetable: upgrade it in the triggerer"
            )
        rows = {
            uid: EventState._make([*row[:-1], tuple(row[-1])]) for uid, row in data["rows"].items()
        }
        left = {uid: TimeRange(**stretch) for uid, stretch in data.get("left", {}).items()}
        return cls(data["settled"], TimeRange(**data["stretch"]), rows, data["told"], left)


class EventChange(NamedTuple):
    """One thing that happened.

    Times are in epoch seconds, and those of the occurrence that it is about.
    """

    kind: Kind
    uid: str
    start: int
    end: int
    all_day: bool
    status: str
    categories: tuple[str, ...]
    title: str = ""
    was: tuple[int, int] | None = None  # of a changed event: start and end before

    def payload(self) -> dict[str, Any]:
        """Return the change as the run that it triggers gets it."""
        data: dict[str, Any] = {
            "event": self.kind,
            "uid": self.uid,
            "start": _iso(self.start),
            "end": _iso(self.end),
        }
        data |= {
            "all_day": self.all_day,
            "status": self.status,
            "categories": list(self.categories),
        }
        if self.title:
            data["title"] = self.title
        if self.was:
            data |= {"was_start": _iso(self.was[0]), "was_end": _iso(self.was[1])}
        return data


def begin(reading: CalendarSnapshot, events: Sequence[Occurrence], *, edits: bool) -> WatchState:
    """Return the memory of a watcher that begins to watch now.

    What is there already is no news.
    """
    return WatchState(
        reading.at, reading.stretch, _rows(reading, events, reading.stretch) if edits else {}
    )


def edits(
    memory: WatchState, reading: CalendarSnapshot, events: Sequence[Occurrence]
) -> tuple[list[EventChange], WatchState]:
    """Return what happened to the watched *events* since *memory*, and the new memory.

    That is which of them were created, changed and cancelled. What cannot be compared is not told,
    and stays remembered as it was until it can be.
    """
    here = _rows(reading, events, memory.stretch, memory.left)
    same = memory.stretch == reading.stretch and not memory.left
    rows = here if same else _rows(reading, events, reading.stretch)
    told = {
        uid
        for uid in memory.rows.keys() | here.keys() | rows.keys()
        if reading.tells_of(uid, seen=uid in here or uid in rows)
    }
    # As of any other event, what ended before the stretch is forgotten.
    left = {
        uid: row
        for uid, row in memory.rows.items()
        if uid not in told and row.last > reading.stretch.start
    }
    before, here, rows = (
        {uid: row for uid, row in group.items() if uid in told}
        for group in (memory.rows, here, rows)
    )
    happenings = [*_appeared(before, here, rows), *_disappeared(before, here, rows, reading)]
    return sorted(_titled(happenings, events), key=lambda h: (h.start, h.uid)), replace(
        memory,
        stretch=reading.stretch,
        rows=rows | left,
        left={uid: memory.left.get(uid, memory.stretch) for uid in left},
    )


def _appeared(
    rows_before: dict[str, EventState],
    seen_here: dict[str, EventState],
    seen_now: dict[str, EventState],
) -> Iterator[EventChange]:
    for uid, row in (seen_here | seen_now).items():
        before = rows_before.get(uid)
        if before is None:
            if row.alive:
                yield _of_row("created", uid, row)
        elif uid not in seen_here:
            # It moved to where the memory did not reach.
            yield _of_row("changed", uid, row, before)
        elif seen_here[uid].print != before.print:
            kind: Kind = "cancelled" if before.alive and not row.alive else "changed"
            yield _of_row(kind, uid, row, before)


def _disappeared(
    rows_before: dict[str, EventState],
    seen_here: dict[str, EventState],
    seen_now: dict[str, EventState],
    reading: CalendarSnapshot,
) -> Iterator[EventChange]:
    for uid, row in rows_before.items():
        absent = uid not in seen_here and uid not in seen_now
        # That an event which is over was deleted is no news: people tidy up.
        if absent and row.alive and row.last > reading.at:
            yield _of_row("cancelled", uid, row)


def moments(
    memory: WatchState,
    events: Sequence[Occurrence],
    now: float,
    kinds: frozenset[Kind],
    before: int,
) -> tuple[list[EventChange], WatchState, float | None]:
    """Return what came up until *now* and was not told, the new memory, and the next such moment.

    *now* is in epoch seconds, and so is the next moment, ``None`` if there is none. *before* is how
    many seconds before its start an event is "soon".
    """
    told_moments = dict(memory.told)
    due: list[tuple[int, EventChange]] = []
    coming: float | None = None
    for event in events:
        if event.status == "cancelled":
            continue
        for kind, moment in _moments_of(event, kinds, before):
            if moment > now:
                coming = moment if coming is None else min(coming, moment)
            elif (
                moment > memory.settled
                and (key := _key(kind, event.uid, moment)) not in told_moments
            ):
                told_moments[key] = moment
                due.append((moment, _of_occurrence(kind, event)))
    happenings = [happening for _, happening in sorted(due, key=lambda pair: pair[0])]
    return happenings, replace(memory, told=told_moments) if happenings else memory, coming


def settle(memory: WatchState, until: float) -> WatchState:
    """Forget what was told up to *until*, in epoch seconds: nothing new can come up there."""
    if until <= memory.settled:
        return memory
    return replace(
        memory, settled=until, told={key: at for key, at in memory.told.items() if at > until}
    )


def _moments_of(
    event: Occurrence, kinds: frozenset[Kind], before: int
) -> Iterator[tuple[Kind, int]]:
    start, end = _times_of(event)
    instants: tuple[tuple[Kind, int], ...] = (
        ("starts", start),
        ("ends", end),
        ("soon", start - before),
    )
    return ((kind, moment) for kind, moment in instants if kind in kinds)


def _rows(
    reading: CalendarSnapshot,
    events: Sequence[Occurrence],
    stretch: TimeRange,
    own: Mapping[str, TimeRange] = MappingProxyType({}),
) -> dict[str, EventState]:
    """Return the state of each event over *stretch*, or over its *own*."""
    groups: dict[str, list[Occurrence]] = {}
    for event in events:
        within = own.get(event.uid, stretch)
        if event.start.timestamp() < within.end and event.end.timestamp() > within.start:
            groups.setdefault(event.uid, []).append(event)
    return {uid: _row(group, reading.at) for uid, group in groups.items()}


def _row(group: list[Occurrence], now: float) -> EventState:
    alive = [event for event in group if event.status != "cancelled"]
    events = alive or group
    nearest = next((event for event in events if event.end.timestamp() > now), events[-1])
    # An event may be in several collections; who attends is nothing that is told.
    facts = sorted(
        {
            (
                e.start.timestamp(),
                e.end.timestamp(),
                e.summary,
                e.location,
                e.status,
                e.busy,
                e.all_day,
                e.categories,
            )
            for e in group
        }
    )
    return EventState(
        _digest(facts),
        *_times_of(nearest),
        int(max(event.end.timestamp() for event in events)),
        bool(alive),
        nearest.all_day,
        nearest.status,
        nearest.categories,
    )


def _of_row(kind: Kind, uid: str, row: EventState, before: EventState | None = None) -> EventChange:
    times = None if before is None or kind != "changed" else (before.start, before.end)
    status = "cancelled" if kind == "cancelled" else row.status
    return EventChange(
        kind, uid, row.start, row.end, row.all_day, status, row.categories, was=times
    )


def _titled(changes: Sequence[EventChange], events: Sequence[Occurrence]) -> Iterator[EventChange]:
    """Yield *changes*, each with the title of the occurrence whose times it has."""
    uids = {change.uid for change in changes}
    titles = {(e.uid, *_times_of(e)): e.summary for e in events if e.uid in uids}
    for change in changes:
        yield change._replace(title=titles.get((change.uid, change.start, change.end), ""))


def _times_of(event: Occurrence) -> tuple[int, int]:
    return int(event.start.timestamp()), int(event.end.timestamp())


def _of_occurrence(kind: Kind, event: Occurrence) -> EventChange:
    return EventChange(
        kind,
        event.uid,
        *_times_of(event),
        event.all_day,
        event.status,
        event.categories,
        event.summary,
    )


def _key(kind: str, uid: str, moment: int) -> str:
    return _digest([kind, uid, moment])


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:12]


def _iso(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")
