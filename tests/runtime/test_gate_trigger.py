"""The gate's wait in a triggerer: when it fires, what it costs, what it says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calendar_timetable import Calendar, CalendarTimetable, Weekly
from calendar_timetable.calendars.sources import lookup
from calendar_timetable.calendars.sources.base import Source
from calendar_timetable.clock import now
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import CalendarSpans
from calendar_timetable.runtime import gate_trigger, shared_readings
from calendar_timetable.runtime.dag_schedule import rules_of
from calendar_timetable.runtime.gate_trigger import GateTrigger
from calendar_timetable.schedule.time_rules import TimeRules
from tests.support.ics import feed
from tests.support.ics_origin import IcsOrigin, event
from tests.support.team_calendar import TeamCalendar

SECOND = timedelta(seconds=1)
WEEK = 7 * 86400.0


def moment(seconds: float = 0) -> datetime:
    return datetime.fromtimestamp(now() + seconds, UTC).replace(microsecond=0)


def trigger(schedule: CalendarTimetable, late_in: float = WEEK) -> GateTrigger:
    """As the triggerer makes it: from what the first one said of itself."""
    path, kwargs = GateTrigger(rules_of(schedule).to_json(), now(), now() + late_in).serialize()
    assert path == "calendar_timetable.runtime.gate_trigger.GateTrigger"
    return GateTrigger(**kwargs)


async def fired(*triggers: GateTrigger) -> list[object]:
    async def one(waiting: GateTrigger) -> object:
        (event,) = [event async for event in waiting.run()]
        return event.payload

    return await asyncio.wait_for(asyncio.gather(*map(one, triggers)), 60)


@pytest.fixture
def origin() -> Iterator[IcsOrigin]:
    with IcsOrigin() as origin:
        yield origin


def busy(address: str, refresh: timedelta = SECOND) -> CalendarTimetable:
    return CalendarTimetable(
        "0 2 * * *", timezone="UTC", blackouts=Calendar(address, refresh=refresh)
    )


def test_fires_at_the_opening(origin: IcsOrigin) -> None:
    ends = moment(3)
    origin.serve([event("meeting", moment(-60), ends)])

    assert asyncio.run(fired(trigger(busy(origin.address, timedelta(hours=1))))) == [{"open": True}]
    assert now() >= ends.timestamp()


def test_follows_a_meeting_that_is_removed(origin: IcsOrigin) -> None:
    origin.serve([event("meeting", moment(-60), moment(3600))])

    async def go() -> list[object]:
        waiting = asyncio.create_task(fired(trigger(busy(origin.address))))
        while not origin.requests:
            await asyncio.sleep(0.05)
        assert not waiting.done()
        origin.serve([])
        return await waiting

    assert asyncio.run(go()) == [{"open": True}]


def test_ends_when_it_is_too_late(team: TeamCalendar) -> None:
    always = CalendarTimetable(
        "0 2 * * *", timezone="UTC", blackouts=[Weekly("daily"), Calendar(team.address)]
    )

    assert asyncio.run(fired(trigger(always, late_in=1))) == [{"open": False}]


def test_a_secret_address_is_sealed_for_airflows_database(
    origin: IcsOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Airflow's own key; a triggerer that has another one has the task look."""
    monkeypatch.setattr(gate_trigger, "_BLIND_POLL_SECONDS", 0.1)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "workers")
    closed = moment(3600)
    origin.serve([event("meeting", moment(-60), moment(2))])
    rules = rules_of(busy(f"{origin.address}?token=s3cr3t"))
    _, kwargs = GateTrigger(rules.to_json(hide=True), now(), closed.timestamp()).serialize()

    assert "s3cr3t" not in str(kwargs)
    assert TimeRules.from_json(kwargs["rules"]) == rules
    assert asyncio.run(fired(GateTrigger(**kwargs))) == [{"open": True}]
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "triggerers")
    assert asyncio.run(fired(GateTrigger(**kwargs))) == [{"open": False}]


def test_goes_on_when_the_calendar_cannot_be_read(tmp_path: Path) -> None:
    team = TeamCalendar(tmp_path / "late.ics")

    async def go() -> list[object]:
        waiting = asyncio.create_task(fired(trigger(busy(team.address))))
        while not shared_readings._shared:
            await asyncio.sleep(0.05)
        (shared,) = shared_readings._shared.values()
        while not (shared._last and shared._last.done()):
            await asyncio.sleep(0.05)
        assert not waiting.done()
        team._write()
        return await waiting

    assert asyncio.run(go()) == [{"open": True}]


def test_a_thousand_gates_cost_one_fetch_per_refresh(
    origin: IcsOrigin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of 1,000 DAGs whose runs take unlike long.

    And nobody reads in the event loop's own thread.
    """
    ends = moment(4)
    origin.serve([event("meeting", moment(-60), ends)])
    threads = set()
    real = lookup.source_for

    def noted(address: str) -> Source:
        threads.add(threading.current_thread().name)
        return real(address)

    monkeypatch.setattr("calendar_timetable.calendars.calendar.source_for", noted)
    gates = [
        trigger(
            CalendarTimetable(
                "0 2 * * *",
                timezone="UTC",
                blackouts=Calendar(origin.address, refresh=timedelta(minutes=5)),
                duration=timedelta(seconds=number),
            )
        )
        for number in range(1000)
    ]
    assert asyncio.run(fired(*gates)) == [{"open": True}] * 1000
    assert origin.requests == 1
    assert threads and all(name.startswith("calendar-timetable") for name in threads)
    assert not shared_readings._shared, "nothing stays behind"


def test_the_event_loop_runs_on_while_a_calendar_is_read(
    monkeypatch: pytest.MonkeyPatch, team: TeamCalendar
) -> None:
    reads, beats = threading.Event(), threading.Event()
    real = TimeRules.read

    def slow(rules: TimeRules, instant: float) -> object:
        reads.set()
        assert beats.wait(30), "the event loop stood still"
        return real(rules, instant)

    monkeypatch.setattr(TimeRules, "read", slow)

    async def go() -> list[object]:
        waiting = asyncio.create_task(fired(trigger(busy(team.address))))
        while not reads.is_set():
            await asyncio.sleep(0.01)
        beats.set()
        return await waiting

    assert asyncio.run(go()) == [{"open": True}]


def test_an_address_is_not_shown() -> None:
    secret = trigger(busy("https://example.org/private-4711/basic.ics?token=4711"))

    assert "4711" not in repr(secret)


def test_an_opening_is_staggered() -> None:
    opens = int(now()) + 3
    known = CalendarSpans("team", Spans([(opens - 3600, opens)]))
    data = rules_of(CalendarTimetable("0 2 * * *", timezone="UTC", blackouts=known)).to_json()
    data["policy"]["stagger"] = 2

    assert asyncio.run(fired(GateTrigger(data, now(), now() + WEEK))) == [{"open": True}]
    assert now() >= opens + 2


THOUSAND = r"""
import asyncio, re, sys
from datetime import timedelta
from pathlib import Path

from calendar_timetable import Calendar, CalendarTimetable
from calendar_timetable.runtime import gate_trigger, shared_readings
from calendar_timetable.runtime.gate_trigger import GateTrigger
from calendar_timetable.runtime.dag_schedule import rules_of
from calendar_timetable.clock import now

async def go():
    gates = []
    for number in range(1000):
        duration = timedelta(seconds=60 + number)
        schedule = CalendarTimetable("0 2 * * *", timezone="UTC", blackouts=Calendar(sys.argv[1]), duration=duration)
        gates.append(GateTrigger(rules_of(schedule).to_json(), now(), now() + 7 * 86400))
    waiting = [asyncio.create_task(anext(gate.run())) for gate in gates]
    while not all(shared._last and shared._last.done() for shared in shared_readings._shared.values()) or not shared_readings._shared:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    assert len(shared_readings._shared) == 1
    # Not getrusage(): its peak survives an exec, so it would count the memory of the test's own process
    print(int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

asyncio.run(go())
"""


def test_a_thousand_gates_on_a_full_calendar_fit_in_a_few_hundred_megabytes(
    team: TeamCalendar,
) -> None:
    """Airflow itself included, which takes most of it."""
    start = moment(-1800)
    meetings = [
        event(f"m{n}", start + timedelta(hours=n), start + timedelta(hours=n, minutes=59))
        for n in range(10_000)
    ]
    team.path.write_bytes(feed(*meetings))
    done = subprocess.run(
        [sys.executable, "-c", THOUSAND, team.address], capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) < 400, "MB"
