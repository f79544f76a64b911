"""Calendar events as triggers, on Airflow's own shared streams.

With a triggerer that may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from airflow.sdk import Asset, AssetWatcher
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger

from calendar_timetable import (
    Calendar,
    CalendarEventTrigger,
    CalendarTimetableError,
    InvalidArgument,
)
from calendar_timetable.calendars.sources import ics
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.clock import now
from calendar_timetable.runtime import event_diff, events
from calendar_timetable.runtime.event_diff import WatchState
from tests.support.ics import event, feed
from tests.support.moments import utc
from tests.support.team_calendar import TeamCalendar

shared_stream = pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow 3.3")
stream = pytest.importorskip("calendar_timetable.runtime.event_stream")

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
BERLIN = "TZID=Europe/Berlin"
FIRST = utc("2026-03-02 12:00")  # 60 days from here clocks have gone forward in Berlin
LIFE = [FIRST + number * DAY for number in range(60)]


def daily(*lines: str, rule: str = "FREQ=DAILY") -> tuple[str, ...]:
    """An event on each day at nine in Berlin, and what *lines* say of single ones."""
    times = f"DTSTART;{BERLIN}:20250101T090000", f"DTEND;{BERLIN}:20250101T093000"
    edits = (
        event("UID:daily", f"RECURRENCE-ID;{BERLIN}:{day}T090000", f"DTSTART;{BERLIN}:{day}T100000")
        for day in lines
    )
    return (event("UID:daily", *times, f"RRULE:{rule}", "SUMMARY:Retrain"), *edits)


OTHERS = (
    event(
        "UID:weekly",
        f"DTSTART;{BERLIN}:20250103T220000",
        f"DTEND;{BERLIN}:20250106T060000",
        "RRULE:FREQ=WEEKLY",
        f"EXDATE;{BERLIN}:20260313T220000",
    ),
    event("UID:monthly", "DTSTART:20250131T090000Z", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1"),
    event("UID:days", "DTSTART;VALUE=DATE:20250101", "RRULE:FREQ=WEEKLY;BYDAY=WE,TH"),
    event("UID:freeze", "DTSTART;VALUE=DATE:20260120", "DTEND;VALUE=DATE:20260310"),
    event("UID:over", "DTSTART;VALUE=DATE:20260128", "DTEND;VALUE=DATE:20260217"),
    event("UID:once", f"DTSTART;{BERLIN}:20260329T010000", f"DTEND;{BERLIN}:20260329T040000"),
    event("UID:gone", "DTSTART:20260330T090000Z", "DURATION:PT1H", "STATUS:CANCELLED"),
)


class Life:
    """The looks at calendars in files, none of which is ever edited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, *events: str) -> None:
        (self.folder / f"{name}.ics").write_bytes(feed(*events, *OTHERS))

    def look(self, at: datetime, name: str, memory: WatchState | None) -> tuple[list[str], Any]:
        """Return what is told of the calendar called *name*, and what is then remembered."""
        with time_machine.travel(at, tick=False):
            reading = stream.read(
                Calendar(str(self.folder / f"{name}.ics"), timezone="Europe/Berlin")
            )
        if memory is None:
            return [], event_diff.begin(reading, reading.events, edits=True)
        memory = WatchState.unpack(memory.pack())
        changes, memory = event_diff.edits(memory, reading, reading.events)
        return [f"{change.kind} {change.uid}" for change in changes], memory


@pytest.fixture
def life(tmp_path: Path) -> Life:
    life = Life(tmp_path)
    life.put("plain", *daily())
    return life


def hours(number: float) -> str:
    return f"{datetime.fromtimestamp(now(), UTC) + timedelta(hours=number):%Y-%m-%d %H:%M:%S}"


class Database:
    """What outlives a triggerer: the asset state store, and the asset events."""

    def __init__(self) -> None:
        self.state: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    @property
    def told(self) -> list[str]:
        return [f"{payload['event']} {payload['uid']}" for payload in self.events]


class Store:
    """The part of ``AssetStateStoreAccessors`` that a watcher uses.

    In a triggerer that may be dead.
    """

    def __init__(self, triggerer: Triggerer, *assets: str) -> None:
        self._triggerer, self._by_name = triggerer, assets

    def __getitem__(self, asset: Asset) -> Any:
        triggerer, database = self._triggerer, self._triggerer.database

        class Accessor:
            async def aget(self, key: str) -> str | None:
                await asyncio.sleep(0)
                return database.state.get(f"{asset.name} {key}")

            async def aset(self, key: str, value: str) -> None:
                await asyncio.sleep(triggerer.pause())
                if triggerer.alive:
                    database.state[f"{asset.name} {key}"] = value

        return Accessor()


class Triggerer:
    """As ``TriggerRunner.run_trigger`` and its supervisor.

    Fired events are stored a little later, then confirmed.
    """

    def __init__(self, database: Database, pause: Callable[[], float] = lambda: 0.01) -> None:
        self.database, self.pause, self.alive = database, pause, True
        self.streams = shared_stream.SharedStreamManager()
        self._fired: list[tuple[dict[str, Any], int | None]] = []
        self._tasks: list[asyncio.Task[None]] = [asyncio.create_task(self._sync())]

    def run(self, number: int, given: CalendarEventTrigger, *assets: str) -> None:
        path, kwargs = given.serialize()
        assert path == "calendar_timetable.runtime.events.CalendarEventTrigger"
        trigger = CalendarEventTrigger(**json.loads(json.dumps(kwargs)))
        trigger.asset_state_store = Store(self, *(assets or ("team",)))  # type: ignore[assignment]
        self._tasks.append(asyncio.create_task(self._run(number, trigger)))

    async def _run(self, number: int, trigger: CalendarEventTrigger) -> None:
        key = trigger.shared_stream_key()
        shared = self.streams.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(shared):
                seq = self.streams.bind_pending_event(trigger_id=number, key=key)
                self._fired.append((event.payload, seq))
        finally:
            await self.streams.unsubscribe(number, key)

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self.pause())
            fired, self._fired = self._fired, []
            self.database.events += [payload for payload, _ in fired]
            await asyncio.sleep(self.pause())
            self.streams.confirm_persisted([seq for _, seq in fired if seq is not None])

    async def kill(self) -> None:
        """At once: what was not stored by now never will be."""
        self.alive = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.streams.stop_all()


@contextlib.asynccontextmanager
async def running(database: Database, *triggers: CalendarEventTrigger) -> AsyncIterator[Triggerer]:
    triggerer = Triggerer(database)
    for number, trigger in enumerate(triggers):
        triggerer.run(number, trigger)
    try:
        yield triggerer
    finally:
        await triggerer.kill()


async def until(check: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not check():
            await asyncio.sleep(0.02)


def watch(
    team: TeamCalendar, *on: str, before: timedelta | None = None, **options: Any
) -> CalendarEventTrigger:
    # With titles UIDs are told as they are.
    options = {"refresh": timedelta(0), "show_titles": True} | options
    calendar = Calendar(team.address, **options)
    return CalendarEventTrigger(calendar, on=on or None, before=before)


def test_edits_fire(team: TeamCalendar) -> None:
    async def go() -> None:
        database = Database()
        team.put("old", hours(1), hours(2), "SUMMARY:Retrain")
        async with running(database, watch(team, match="Retrain*")):
            await until(lambda: database.state)
            team.put("a", hours(3), hours(4), "SUMMARY:Retrain A", "CATEGORIES:Ops")
            team.put("other", hours(3), hours(4), "SUMMARY:Lunch")
            await until(lambda: len(database.events) == 1)
            team.put("a", hours(5), hours(6), "SUMMARY:Retrain A", "CATEGORIES:Ops")
            await until(lambda: len(database.events) == 2)
            team.remove("a")
            await until(lambda: len(database.events) == 3)
        assert database.told == ["created a", "changed a", "cancelled a"]
        assert database.events[0]["calendar"] == "team.ics"
        assert database.events[0]["categories"] == ["Ops"]

    asyncio.run(go())


def test_titles_and_uids_only_when_allowed(team: TeamCalendar) -> None:
    """Without, a digest tells events apart: the same in every process, after every edit."""
    uid = "ada.lovelace@corp.example-17"

    async def go() -> None:
        database = Database()
        triggers = [watch(team, show_titles=shown) for shown in (True, False)]
        async with running(database, *triggers):
            await until(lambda: len(database.state) == 2)
            team.put(uid, hours(3), hours(4), "SUMMARY:Retrain A")
            await until(lambda: len(database.events) == 2)
            team.put("other", hours(3), hours(4), "SUMMARY:Retrain A")
            await until(lambda: len(database.events) == 4)
        async with running(database, *triggers):
            await until(lambda: stream.streams)
            team.put(uid, hours(5), hours(6), "SUMMARY:Retrain A")
            await until(lambda: sum(what.startswith("changed") for what in database.told) == 2)
        shown = [payload for payload in database.events if "title" in payload]
        hidden = [payload for payload in database.events if "title" not in payload]
        assert {payload["title"] for payload in shown} == {"Retrain A"}
        assert {(p["event"], p["uid"]) for p in shown} == {
            ("created", uid),
            ("created", "other"),
            ("changed", uid),
        }
        digest, other = (hashlib.sha256(it.encode()).hexdigest()[:12] for it in (uid, "other"))
        assert {(p["event"], p["uid"]) for p in hidden} == {
            ("created", digest),
            ("created", other),
            ("changed", digest),
        }
        assert "lovelace" not in json.dumps(hidden) and "Retrain" not in json.dumps(hidden)

    asyncio.run(go())


SERIES = (
    event(
        "UID:series",
        "DTSTART:20260105T130000Z",
        "DURATION:PT1H",
        "RRULE:FREQ=WEEKLY",
        "SUMMARY:Retrain: ranking",
    ),
    event(
        "UID:series",
        "RECURRENCE-ID:20260302T130000Z",
        "DTSTART:20260302T130000Z",
        "DURATION:PT1H",
        "SUMMARY:Retrain: search",
    ),
)


def test_the_title_is_that_of_the_occurrence_that_is_told_of(team: TeamCalendar) -> None:
    """Here, of a series of which one instance has a title of its own."""
    calendar = Calendar(team.address, match="Retrain*", show_titles=True)
    poll = stream.Stream("key", stream.unfiltered(calendar))

    def told(at: datetime, watcher: events._Watcher) -> list[str]:
        with time_machine.travel(at, tick=False):
            look = stream.StreamSnapshot(stream.read(poll.calendar), now(), poll)
        payloads = watcher.tell(look)
        return [f"{p['event']} {p['start'][5:10]} {p.get('title')}" for p in payloads]

    on = ["created", "changed", "cancelled", "starts", "ends"]
    watcher = events._Watcher(CalendarEventTrigger(calendar, on=on), None)
    assert told(FIRST, watcher) == []
    team.path.write_bytes(feed(*SERIES))
    assert told(FIRST + SECOND, watcher) == ["created 03-02 Retrain: search"]
    assert told(FIRST + timedelta(hours=2), watcher) == [
        "starts 03-02 Retrain: search",
        "ends 03-02 Retrain: search",
    ]
    moved = event(
        "UID:series",
        "RECURRENCE-ID:20260316T130000Z",
        "DTSTART:20260317T130000Z",
        "DURATION:PT1H",
        "SUMMARY:Retrain: ads",
    )
    team.path.write_bytes(feed(*SERIES, moved))
    assert told(FIRST + 2 * DAY, watcher) == ["changed 03-09 Retrain: ranking"]
    assert told(FIRST + 8 * DAY, watcher) == [
        "starts 03-09 Retrain: ranking",
        "ends 03-09 Retrain: ranking",
    ]
    team.path.write_bytes(feed(*SERIES, moved.replace("ads", "images")))
    assert told(FIRST + 9 * DAY, watcher) == ["changed 03-17 Retrain: images"]
    called_off = event("UID:series", "DTSTART:20260302T130000Z", "STATUS:CANCELLED", "SEQUENCE:1")
    team.path.write_bytes(feed(called_off.replace("END:", "SUMMARY:Retrain: none\r\nEND:")))
    assert told(FIRST + 10 * DAY, watcher) == ["cancelled 03-02 Retrain: none"]


def test_times_fire_when_they_come(team: TeamCalendar) -> None:
    """Not at the next poll, which is hours away."""

    async def go() -> None:
        database = Database()
        soon = watch(team, "starts", "ends", "soon", before=timedelta(hours=1))
        soon.calendar = replace(soon.calendar, refresh=timedelta(hours=3))
        team.put("a", hours(2 / 3600), hours(4 / 3600))
        team.put("b", hours(1 + 3 / 3600), hours(2))
        async with running(database, soon):
            await until(lambda: len(database.events) == 3)
        assert database.told == ["starts a", "soon b", "ends a"]
        assert now() >= datetime.fromisoformat(database.events[2]["end"]).timestamp()

    asyncio.run(go())


def test_what_happens_while_no_triggerer_runs_fires_later(team: TeamCalendar) -> None:
    async def go() -> None:
        database = Database()
        trigger = watch(team, "created", "cancelled", "starts")
        team.put("gone", hours(5), hours(6))
        async with running(database, trigger):
            await until(lambda: database.state)
        team.remove("gone")
        team.put("new", hours(1 / 3600), hours(2))
        begins = now() + 2
        await until(lambda: now() > begins)
        async with running(database, trigger):
            known = dict(database.state)
            await until(lambda: len(database.events) == 3 and database.state != known)
        async with running(database, trigger):
            await until(lambda: stream.streams)
        assert sorted(database.told) == ["cancelled gone", "created new", "starts new"]

    asyncio.run(go())


def test_one_poll_for_all_and_late_comers_need_not_wait(
    team: TeamCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[str] = Counter()
    real = stream.read

    def counted(calendar: Calendar) -> Any:
        reads[calendar.label] += 1
        return real(calendar)

    monkeypatch.setattr(stream, "read", counted)
    calendars = [
        Calendar(team.address, refresh=timedelta(hours=1), match=f"Retrain {number}*")
        for number in range(50)
    ]

    async def go() -> None:
        database = Database()
        async with running(
            database, *(CalendarEventTrigger(calendar) for calendar in calendars)
        ) as triggerer:
            await until(lambda: len(database.state) == 50)
            triggerer.run(
                50,
                CalendarEventTrigger(
                    Calendar(team.address, refresh=timedelta(hours=1)), on="starts"
                ),
            )
            await until(lambda: len(database.state) == 51)

    asyncio.run(go())
    assert reads == {"team.ics": 1}
    assert not stream.streams


EDITED = {
    "near": (daily("20260401"), ["changed daily"]),
    "far": (daily("20270224"), ["changed daily"]),
    "ended": (daily(rule="FREQ=DAILY;UNTIL=20260401T120000Z"), ["changed daily"]),
    "removed": ((), ["cancelled daily"]),
}


@pytest.mark.parametrize("edited", EDITED)
def test_an_edit_is_told_once_whatever_day_it_is_made_and_time_alone_tells_nothing(
    life: Life, edited: str
) -> None:
    components, expected = EDITED[edited]
    life.put("edited", *components)
    memory, stretches = None, set()
    for at in LIFE:
        # Four weeks: each end of the stretch moves four times, and clocks go forward.
        if memory is not None and at in LIFE[2:30]:
            told, after = life.look(at, "edited", memory)
            assert told == expected, at
            assert life.look(at + DAY, "edited", after)[0] == [], at
        told, memory = life.look(at, "plain", memory)
        assert told == [], at
        stretches.add(memory.stretch)
    assert len(stretches) > 16, "both ends moved every week"


@pytest.mark.parametrize("away", [2, 4])
def test_an_edit_is_told_once_after_weeks_without_a_look(life: Life, away: int) -> None:
    life.put("edited", *daily("20260401"))
    for at in LIFE[:8]:
        _, memory = life.look(at, "plain", None)
        back = at + timedelta(weeks=away)
        assert life.look(back, "plain", memory)[0] == []
        told, memory = life.look(back, "edited", memory)
        assert told == ["changed daily"]
        assert life.look(back + 7 * DAY, "edited", memory)[0] == []


BROKEN = event("UID:daily", f"DTSTART;{BERLIN}:20250101T090000", "RRULE:FREQ=SOMETIMES")
ALONE = f"RECURRENCE-ID;{BERLIN}:20260401T090000", f"DTSTART;{BERLIN}:20260401T100000"
BUSY = "DTSTART:20260301T000000Z", "DTEND:20260501T000000Z"


def described(lines: str, *others: str) -> tuple[str, ...]:
    """The daily event with *lines* of its own, and *others* beside it."""
    master, *_ = daily()
    return (master.replace("\r\nEND:", f"\r\n{lines}\r\nEND:"), *others)


def busy(*periods: str) -> tuple[str, ...]:
    return (event("UID:daily", *BUSY, *(f"FREEBUSY:{it}" for it in periods), kind="VFREEBUSY"),)


def alone(*lines: str) -> tuple[str, ...]:
    return (event("UID:daily", *lines),)


CHANGED = ["changed daily"]
# Before, then not understood in whole or in part, then edited, then in order again: and what is
# told of each of the last three.
MISUNDERSTOOD: dict[str, tuple[list[tuple[str, ...]], list[list[str]]]] = {
    "exdate": (
        [
            daily(),
            described("EXDATE:2026-12-24"),
            described("EXDATE:2026-12-24\r\nLOCATION:Oslo"),
            described("LOCATION:Oslo"),
        ],
        [[], CHANGED, []],
    ),
    "rdate": (
        [
            daily(),
            described("RDATE:soon"),
            described("RDATE:soon\r\nLOCATION:Oslo"),
            described("LOCATION:Oslo"),
        ],
        [[], CHANGED, []],
    ),
    "override": (
        [
            daily("20260401"),
            (daily()[0], event("UID:daily", ALONE[0], "DTSTART:soon")),
            described("LOCATION:Oslo", event("UID:daily", ALONE[0], "DTSTART:soon")),
            described("LOCATION:Oslo", *alone(*ALONE)),
        ],
        [CHANGED, CHANGED, CHANGED],
    ),
    "period": (
        [
            busy("20260401T100000Z/PT1H", "20260402T100000Z/PT1H"),
            busy("20260401T100000Z/PT1H", "soon"),
            busy("20260401T110000Z/PT1H", "soon"),
            busy("20260401T110000Z/PT1H", "20260402T100000Z/PT1H"),
        ],
        [CHANGED, CHANGED, CHANGED],
    ),
    "all periods": (
        [
            busy("20260401T100000Z/PT1H"),
            busy("soon"),
            busy("later"),
            busy("20260401T110000Z/PT1H"),
        ],
        [[], [], CHANGED],
    ),
    "series whose override counts": (
        [
            daily("20260401"),
            (BROKEN, daily("20260401")[1]),
            (BROKEN, daily("20260402")[1]),
            daily("20260402"),
        ],
        [[], [], CHANGED],
    ),
    "series whose cancelled override counts": (
        [
            daily("20260401"),
            (BROKEN, *alone(ALONE[0], "STATUS:CANCELLED")),
            (BROKEN, *alone(ALONE[0], "STATUS:CANCELLED", "LOCATION:Oslo")),
            daily("20260401"),
        ],
        [[], [], []],
    ),
    "instance without its series": (
        [
            alone(*ALONE),
            alone(ALONE[0], "DTSTART:soon"),
            alone(ALONE[0], "DTSTART:later"),
            alone(*ALONE, "LOCATION:Oslo"),
        ],
        [[], [], CHANGED],
    ),
    "single event": (
        [
            alone("DTSTART:20260401T100000Z"),
            alone("DTSTART:soon"),
            alone("DTSTART:later"),
            alone("DTSTART:20260401T110000Z"),
        ],
        [[], [], CHANGED],
    ),
    "more than are named": (
        [
            daily(),
            (*(event(f"UID:{n}", "DTSTART:soon") for n in range(1000)), BROKEN),
            (*(event(f"UID:{n}", "DTSTART:soon") for n in range(1001)), BROKEN),
            described("LOCATION:Oslo"),
        ],
        [[], [], CHANGED],
    ),
}


@pytest.mark.parametrize("case", MISUNDERSTOOD)
def test_what_is_not_understood_is_left_and_the_rest_is_told_once(life: Life, case: str) -> None:
    """Each lasts for ten days, in which the stretch moves on."""
    calendars, expected = MISUNDERSTOOD[case]
    memory, at, found = None, FIRST, []
    for components in calendars:
        life.put("edited", *components)
        told, memory = life.look(at, "edited", memory)
        for days in (1, 5, 9):
            assert life.look(at + days * DAY, "edited", memory)[0] == [], "told once"
            _, memory = life.look(at + days * DAY, "edited", memory)
        found.append(told)
        at += 10 * DAY
    assert found == [[], *expected]


def test_what_was_not_understood_for_a_while_and_is_as_before_is_no_news(life: Life) -> None:
    life.put("edited", *daily("20260401"))
    _, memory = life.look(FIRST, "edited", None)
    life.put("edited", BROKEN, daily("20260401")[1])
    for days in range(1, 22, 3):
        told, memory = life.look(FIRST + days * DAY, "edited", memory)
        assert told == []
    assert memory.left
    life.put("edited", *daily("20260401"))
    for days in range(22, 40, 3):
        told, memory = life.look(FIRST + days * DAY, "edited", memory)
        assert told == []
    assert not memory.left


def test_what_is_not_understood_from_the_start_is_told_as_it_is_understood(life: Life) -> None:
    life.put("edited", *alone("DTSTART:soon"))
    _, memory = life.look(FIRST, "edited", None)
    told, memory = life.look(FIRST + DAY, "edited", memory)
    assert told == []
    life.put("edited", *alone("DTSTART:20260401T100000Z"))
    told, memory = life.look(FIRST + 2 * DAY, "edited", memory)
    assert told == ["created daily"]


# What was remembered of the untouched calendar on LIFE[3], before memories were of less than is read.
STORED = (
    "c-n>1!ES>v3<ltL$r(*f;@GCIGW7r<*`_g&C~LJ<efJpxlQvE31^puUi%EPnXLGQXIi-2-Q>U5Pv2_6O0Q!2K(j1"
    "@7;i|Ej=4G8~LKM)|G%N)I$j)oUtuoViIV~UODW%V34v)q{hm92v+=8jJT7*1lwQl60X7@AB(|alp6UQOHOmEs$^"
    ">{p1W;~~95hHYxeaj9*y^3`RYd^|ZC+=7LN9>x9Q|S>s5TzX3yol_G!q%AMVApo_Hw84^5nuX`g%pk?u8yh8Z6R3"
    "@c2a_DBoX6I=B7XWVO~;tEvO3|93sYGH&oA6_5<_|Hx$Le9rSG+=I5dY$!%jJp>(pUSR-#Y^c@AfKyY`|afs`sw@"
    "RX`nW(dcWGvmSv8JE#Kk{iD${cylt+1y=O(BKsc1Ifb0oY^FcC*pG`hGKYOy{xJ$-UlgUlS0~Cj"
)


def test_a_memory_of_the_version_before_goes_on(life: Life) -> None:
    life.put("edited", *daily("20260401"))
    for at in LIFE[4:25:4]:
        memory = WatchState.unpack(STORED)
        told, after = life.look(at, "plain", memory)
        assert told == [], at
        assert life.look(at + 7 * DAY, "plain", after)[0] == [], at
        assert life.look(at, "edited", memory)[0] == ["changed daily"], at


def test_a_calendar_that_cannot_be_read_cancels_nothing(
    team: TeamCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_RETRY_SECONDS", 0.1)
    failures: list[Exception] = []
    real = ics.FileSource.fetch

    async def go() -> None:
        database = Database()
        team.put("a", hours(5), hours(6))
        trigger = watch(team, max_stale=timedelta(0), on_unavailable="ignore")
        async with running(database, trigger):
            await until(lambda: database.state)
            body = team.path.read_bytes()
            team.path.unlink()
            await until(lambda: len(failures) > 2)
            team.path.write_bytes(body)
            team.put("b", hours(7), hours(8))
            await until(lambda: database.events)
        assert database.told == ["created b"]

    def noted(source: Any, *validators: str) -> Any:
        try:
            return real(source, *validators)
        except FetchFailed as error:
            failures.append(error)
            raise

    monkeypatch.setattr(ics.FileSource, "fetch", noted)
    asyncio.run(go())


def test_none_lost_across_kills(team: TeamCalendar) -> None:
    """Edits go on while triggerers are killed at random moments.

    Each fires once, or twice around a kill.
    """
    dice = random.Random(4711)

    async def go() -> tuple[Counter[str], int]:
        database = Database()
        trigger = watch(team, "created", "changed", "cancelled", "starts")
        async with running(database, trigger):
            await until(lambda: database.state)
        expected: list[str] = []
        for kill in range(20):
            triggerer = Triggerer(database, pause=lambda: dice.random() * 0.1)
            triggerer.run(0, trigger)
            for edit in range(2):
                uid = f"{kill}-{edit}"
                team.put(uid, hours(1 / 3600), hours(1))
                expected += [f"created {uid}", f"starts {uid}"]
                await asyncio.sleep(dice.random() * 0.5)
            await triggerer.kill()
        async with running(database, trigger):
            try:
                await until(lambda: set(expected) <= set(database.told))
            except TimeoutError:
                raise AssertionError(f"lost: {set(expected) - set(database.told)}") from None
        return Counter(database.told), len(expected)

    told, expected = asyncio.run(go())
    assert len(told) == expected, "nothing that did not happen"
    doubles = sum(told.values()) - expected
    assert doubles <= 20 * 4, "only what one kill can repeat"


def test_two_assets_may_share_a_trigger(team: TeamCalendar) -> None:
    """Airflow makes one trigger of equal ones.

    What it told is noted with both, so that either may be removed.
    """

    async def go() -> None:
        database = Database()
        triggerer = Triggerer(database)
        triggerer.run(0, watch(team), "one", "two")
        await until(lambda: len(database.state) == 2)
        await triggerer.kill()
        team.put("a", hours(1), hours(2))
        triggerer = Triggerer(database)
        triggerer.run(0, watch(team), "two")
        await until(lambda: database.events)
        await triggerer.kill()
        assert database.told == ["created a"]

    asyncio.run(go())


def test_airflow_takes_it_for_an_asset_watcher(team: TeamCalendar) -> None:
    trigger = watch(team, "soon", before=timedelta(minutes=10), categories=("Ops", "ML"))
    AssetWatcher(name="team", trigger=trigger)
    encoded = encode_trigger(trigger)
    again = CalendarEventTrigger(**encoded["kwargs"])

    assert encode_trigger(again) == encoded
    assert BaseEventTrigger.hash(encoded["classpath"], encoded["kwargs"]) == BaseEventTrigger.hash(
        *again.serialize()
    )


def test_an_address_that_is_a_secret_is_sealed(
    team: TeamCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Airflow's own key, or the one before.

    The text is the same each time, or each parse made a DAG version.
    """
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "old")
    calendar = Calendar(
        "https://calendar.google.com/calendar/ical/a%40b.org/private-0c1d2e3f/basic.ics",
        match="Retrain*",
    )
    trigger = CalendarEventTrigger(calendar)
    encoded = encode_trigger(trigger)
    assert "private-0c1d2e3f" not in json.dumps(encoded)
    assert encode_trigger(CalendarEventTrigger(calendar)) == encoded
    assert CalendarEventTrigger(**encoded["kwargs"]).calendar == calendar

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "new, old")
    again = CalendarEventTrigger(**encoded["kwargs"])
    assert again.calendar == calendar
    assert encode_trigger(again) != encoded
    assert again._note_name == trigger._note_name  # it goes on where it was

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "new")
    with pytest.raises(CalendarTimetableError, match="fernet_key"):
        CalendarEventTrigger(**encoded["kwargs"])

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "")
    assert "private-0c1d2e3f" in json.dumps(encode_trigger(CalendarEventTrigger(calendar)))
    assert team.address in json.dumps(encode_trigger(watch(team)))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"calendar": "team", "on": "gone"}, "on"),
        ({"calendar": "team", "on": ()}, "on"),
        ({"calendar": "team", "on": "soon"}, "before"),
        ({"calendar": "team", "on": "starts", "before": timedelta(minutes=1)}, "before"),
        ({"calendar": "team", "before": timedelta(minutes=-1)}, "before"),
        ({"calendar": 7}, "calendar"),
        ({"calendar": "mon-fri 09:00-17:00"}, "Calendar"),
    ],
)
def test_mistakes_are_named(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument, match=field):
        CalendarEventTrigger(**arguments)


def test_an_address_is_not_shown() -> None:
    assert "4711" not in repr(CalendarEventTrigger("https://example.org/private-4711/basic.ics"))
