"""Calendar events that trigger DAGs, through Airflow's asset watchers (3.3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Hashable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import Asset
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from calendar_timetable.calendars import codec
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.occurrences import digest_of_uid
from calendar_timetable.exceptions import CalendarTimetableError, InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import as_timeset
from calendar_timetable.runtime import event_diff
from calendar_timetable.runtime.event_diff import EDITS, TIMES, EventChange, Kind, WatchState

if TYPE_CHECKING:
    from calendar_timetable.calendars.occurrences import Occurrence
    from calendar_timetable.runtime.event_stream import Stream, StreamSnapshot

try:
    from airflow.triggers.shared_stream import SharedStreamProducer as _Supported
except ImportError:  # Airflow 3.2
    _Supported = None  # type: ignore[assignment,misc]


class CalendarEventTrigger(BaseEventTrigger):
    """Fires when an event of *calendar* is created, changed or cancelled, starts, ends, or is near.

    For ``Asset(..., watchers=[AssetWatcher(name=..., trigger=CalendarEventTrigger(...))])``. An
    event's ``payload`` says what happened, to which event, times (UTC), status and categories.
    Titles and UIDs are told only with ``Calendar(show_titles=True)``; else a digest of the UID.

    :param calendar: a :class:`Calendar`, an Airflow Connection id or an address. Airflow stores a
        watcher's arguments in the serialized DAG: there an address that is a secret is sealed with
        ``[core] fernet_key``, if that is set. ``match``, ``categories``, ``location`` and
        ``attendee`` choose its events, busy or free.
    :param on: any of ``"created"``, ``"changed"``, ``"cancelled"`` (deleted, cancelled, or no
        longer matching), ``"starts"``, ``"ends"``, ``"soon"``. Default: the first three, or
        ``"soon"`` where *before* is given.
    :param before: how long before its start an event is ``"soon"``, as a ``timedelta`` or in
        seconds.

    A recurring event is created, changed and cancelled as one; each occurrence starts and ends.
    What is there when watching begins is no news; what happens while no triggerer runs fires later.
    Nothing is lost; a triggerer killed between firing and noting it fires again.
    """

    def __init__(
        self,
        calendar: Calendar | str,
        on: str | Sequence[str] | None = None,
        before: timedelta | float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if _Supported is None:
            raise CalendarTimetableError(
                "CalendarEventTrigger needs Airflow 3.3 or later: upgrade Airflow"
            )
        self.calendar = _calendar(calendar)
        self.before = _length(before)
        default: Sequence[str] = EDITS if self.before is None else ("soon",)
        kinds: Any = on.split(",") if isinstance(on, str) else default if on is None else on
        self.on = tuple(kinds) if isinstance(kinds, Iterable) else ()
        if not self.on or not all(kind in get_args(Kind) for kind in self.on):
            raise InvalidArgument("on", on, f"give any of {', '.join(map(repr, get_args(Kind)))}")
        self._check()

    def _check(self) -> None:
        self.calendar.validate()
        if ("soon" in self.on) != (self.before is not None):
            raise InvalidArgument(
                "before", self.before, "give a timedelta together with on='soon', and only then"
            )
        if self.before is not None:
            zones.whole_seconds("before", self.before)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and the arguments; secret addresses are sealed."""
        return "calendar_timetable.runtime.events.CalendarEventTrigger", self._kwargs(hide=True)

    def _kwargs(self, *, hide: bool) -> dict[str, Any]:
        calendar = json.dumps(codec.encode(self.calendar, hide=hide))
        before = None if self.before is None else self.before.total_seconds()
        return {"calendar": calendar, "on": ",".join(sorted(self.on)), "before": before}

    def __repr__(self) -> str:
        # Without its address, which may be a secret.
        return f"<CalendarEventTrigger {self.calendar} {', '.join(self.on)}>"

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Refuse to run alone: events come through a shared stream."""
        raise CalendarTimetableError("CalendarEventTrigger runs on Airflow's shared streams only")
        # Makes this an async generator, as Airflow asks.
        yield

    # Airflow's shared streams: one poll per calendar, whatever the number of watchers.

    def shared_stream_key(self) -> Hashable | None:
        """Return what triggers that may share one poll have in common."""
        return _key_of(self.calendar)

    @classmethod
    def create_shared_stream_producer(cls, kwargs: dict[str, Any]) -> Stream:
        """Return the poll of the calendar that *kwargs* name, for all its watchers."""
        from calendar_timetable.runtime.event_stream import Stream, unfiltered

        calendar = _calendar(kwargs["calendar"])
        return Stream(_key_of(calendar), unfiltered(calendar))

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[StreamSnapshot]
    ) -> AsyncIterator[TriggerEvent]:
        """Yield this watcher's own events, out of the looks that all share."""
        from calendar_timetable.runtime.event_stream import streams

        if (stream := streams.get(_key_of(self.calendar))) is not None:
            # The poll may be asleep, and does not know of this watcher yet.
            stream.wake(0)
        watcher = _Watcher(self, await self._recall())
        async for look in shared_stream:
            for happening in watcher.tell(look):
                yield TriggerEvent(happening)  # type: ignore[no-untyped-call]
            if watcher.news:
                look.notes.append(partial(self._note, watcher.news))
                watcher.news = ""

    # What was told, kept with each asset that this trigger watches for.

    @property
    def _note_name(self) -> str:
        return f"calendar_timetable.{_digest(self._kwargs(hide=False))[:16]}"

    def _assets(self) -> list[Any]:
        store = self.asset_state_store
        names: Iterable[str] = getattr(store, "_by_name", ())
        return [store[Asset(name)] for name in sorted(names)] if store is not None else []

    async def _recall(self) -> WatchState | None:
        for store in self._assets():
            if packed := await store.aget(self._note_name):
                return WatchState.unpack(str(packed))
        return None

    async def _note(self, packed: str) -> None:
        for store in self._assets():
            await store.aset(self._note_name, packed)


class _Watcher:
    """One trigger's view of the looks that it shares."""

    def __init__(self, trigger: CalendarEventTrigger, memory: WatchState | None) -> None:
        self.calendar = trigger.calendar
        self.edits = frozenset(trigger.on) & frozenset(EDITS)
        self.times: frozenset[Kind] = frozenset(kind for kind in TIMES if kind in trigger.on)
        self.before = int(trigger.before.total_seconds()) if trigger.before is not None else 0
        self.memory = memory
        self.news = ""  # the memory, packed, when it is to be noted
        self._events: list[Occurrence] = []
        self._read_at: float | None = None

    def tell(self, look: StreamSnapshot) -> list[dict[str, Any]]:
        """Return the payloads of what is new to this watcher."""
        before = self.memory
        happenings: list[EventChange] = []
        if look.reading.at != self._read_at:
            self._events = [event for event in look.reading.events if self.calendar.matches(event)]
            happenings = self._read(look)
        assert self.memory is not None
        if self.times:
            timed, self.memory, coming = event_diff.moments(
                self.memory, self._events, look.at, self.times, self.before
            )
            happenings += timed
            if coming is not None:
                look.stream.wake(coming)
        if before is None or _substance(before) != _substance(self.memory):
            self.news = self.memory.pack()
        return [self._payload(happening) for happening in happenings]

    def _read(self, look: StreamSnapshot) -> list[EventChange]:
        reading, last = look.reading, self._read_at
        self._read_at = reading.at
        if self.memory is None:
            self.memory = event_diff.begin(reading, self._events, edits=bool(self.edits))
            return []
        # An event entered late is still told of, as long as an old copy may have been in force.
        if last is not None:
            self.memory = event_diff.settle(
                self.memory, last - self.calendar.max_stale.total_seconds()
            )
        if not self.edits:
            return []
        happenings, self.memory = event_diff.edits(self.memory, reading, self._events)
        return [happening for happening in happenings if happening.kind in self.edits]

    def _payload(self, happening: EventChange) -> dict[str, Any]:
        if not self.calendar.show_titles:
            happening = happening._replace(uid=digest_of_uid(happening.uid), title="")
        return {"calendar": self.calendar.label} | happening.payload()


def _substance(memory: WatchState) -> tuple[object, ...]:
    return memory.stretch, memory.rows, sorted(memory.told), memory.left


def _calendar(value: Calendar | str) -> Calendar:
    """Return *value* as a calendar.

    It is as its DAG file says, or as :meth:`CalendarEventTrigger.serialize` wrote it. Raises
    :class:`InvalidArgument` for anything else.
    """
    timeset: object
    if isinstance(value, str) and value.startswith("{"):
        timeset = codec.decode(json.loads(value))
    else:
        timeset = as_timeset("calendar", value, Calendar)  # type: ignore[arg-type]
    if not isinstance(timeset, Calendar):
        raise InvalidArgument(
            "calendar", value, "give a Calendar, an Airflow Connection id or an address"
        )
    return timeset


def _length(before: timedelta | float | None) -> timedelta | None:
    """Return *before*, which may be in seconds, as a ``timedelta``.

    Raises :class:`InvalidArgument` where it is neither.
    """
    if before is None or isinstance(before, timedelta):
        return before
    try:
        return timedelta(seconds=before)
    except (TypeError, ValueError, OverflowError):
        remedy = f"give a timedelta, or seconds, up to {zones.LONGEST.days} days"
        raise InvalidArgument("before", before, remedy) from None


def _key_of(calendar: Calendar) -> str:
    """Return the key that watchers of the same calendar share.

    It stands for the calendar's address and how it is read, not for what a watcher wants of it.
    Airflow logs it, so it is a digest, which shows none of that.
    """
    from calendar_timetable.runtime.event_stream import unfiltered

    return _digest(codec.encode(unfiltered(calendar)))


def _digest(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
