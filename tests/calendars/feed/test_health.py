"""How calendars are doing, told from the cache alone: what CLI and page share."""

from __future__ import annotations

import json
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed.health import Health, health_of, health_reports
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange
from calendar_timetable.timetable import CalendarTimetable
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.origin import SECRET, Origin, Reply

HORIZON = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
BODY = feed(
    event("UID:good", f"SUMMARY:{SECRET}", "DTSTART:20240310T120000Z"),
    event("UID:bad", f"SUMMARY:{SECRET}", "DTSTART:20240310T120000Z", "RRULE:FREQ=SECONDLY"),
)
HOUR = timedelta(hours=1)


def read(origin: Origin, **options: timedelta) -> str:
    """The name in the cache of the calendar at *origin*, just read."""
    resolved = Calendar(origin.url(), **options).resolve(HORIZON, "UTC")
    assert isinstance(resolved, CalendarSpans)
    assert resolved.feed is not None
    return resolved.feed.key


def at(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now, UTC)


def told(name: str, clock: Clock, max_stale: float = 86400) -> Health:
    with time_machine.travel(at(clock), tick=False):
        health = health_of(name, max_stale)
    assert health is not None
    return health


def test_a_calendar_that_was_read(origin: Origin, clock: Clock, cache: Path) -> None:
    origin.serve(BODY)
    name = read(origin)
    origin.fail(Reply(500))
    good = at(clock)
    clock.now += 60
    health = told(name, clock)
    assert (health.label, health.status, health.error, health.events) == (
        "127.0.0.1",
        "incomplete",
        "",
        2,
    )
    assert (health.read_at, health.fetched_at, health.checked_at) == (good, good, good)
    assert (health.age, health.next_retry) == (timedelta(minutes=1), None)
    assert [(p.uid, p.reason) for p in health.problems] == [
        ("bad", "a rule that repeats every second is refused")
    ]
    assert f"{name}.json" in [path.name for path in cache.iterdir()]
    assert SECRET not in repr(health)


def test_stale_and_then_unavailable(origin: Origin, clock: Clock) -> None:
    origin.serve(BODY)
    name = read(origin)
    good = at(clock)
    origin.fail(Reply(503, {"Retry-After": "900"}))
    clock.now += 3600
    read(origin)
    asked = at(clock)
    health = told(name, clock)
    assert (health.status, health.read_at, health.checked_at, health.age) == (
        "stale",
        good,
        asked,
        HOUR,
    )
    assert health.error.startswith("HTTP 503")
    assert health.next_retry is not None
    assert health.next_retry >= asked + timedelta(seconds=900)
    assert told(name, clock, max_stale=3599).status == "unavailable"
    clock.now += 86400
    assert told(name, clock).status == "unavailable"


def test_never_read(origin: Origin, clock: Clock) -> None:
    origin.fail(Reply(404))
    found = Calendar(origin.url(), on_unavailable="ignore")
    resolved = found.resolve(HORIZON, "UTC")
    assert isinstance(resolved, CalendarSpans)
    assert resolved.feed is not None
    health = told(resolved.feed.key, clock)
    assert (health.status, health.read_at, health.age, health.events) == (
        "unavailable",
        None,
        None,
        0,
    )
    assert "404" in health.error


def test_it_needs_neither_network_nor_expansion(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(BODY)
    name = read(origin)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("health is told from the cache alone")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    assert [health.feed for health in health_reports()] == [name]
    with pytest.raises(AssertionError, match="cache alone"):
        Calendar(origin.url(), refresh=timedelta(0)).describe()


def test_the_same_words_as_describe(origin: Origin) -> None:
    origin.serve(BODY)
    with time_machine.travel(datetime.now(UTC), tick=False):
        described = Calendar(origin.url(), timezone="UTC").describe()
        assert health_reports() == [described]


def test_what_the_host_does_not_know(cache: Path) -> None:
    assert health_reports() == []
    assert health_of("0" * 40) is None
    cache.mkdir(mode=0o700)
    (cache / "none.json").write_text("{}")
    (cache.parent / "x.json").write_text(json.dumps({"v": 1, "digest": "d", "label": "elsewhere"}))
    for name in ("../x", "none", "", "x" * 40, "0" * 40):
        assert health_of(name) is None
    assert health_reports() == []


def test_a_state_of_an_older_version(origin: Origin, clock: Clock, cache: Path) -> None:
    origin.serve(BODY)
    name = read(origin)
    path = cache / f"{name}.json"
    state = json.loads(path.read_text())
    del state["label"]
    path.write_text(json.dumps(state | {"a_key_of_tomorrow": 1}))
    health = told(name, clock)
    assert (health.label, health.status, health.events, len(health.problems)) == (
        "calendar",
        "incomplete",
        2,
        1,
    )
    read(origin)
    assert len(origin.seen) == 1


def test_a_lost_expansion_only_loses_the_problems(
    origin: Origin, clock: Clock, cache: Path
) -> None:
    origin.serve(BODY)
    name = read(origin)
    for path in cache.glob("*.x*.json"):
        path.write_bytes(b"[1]\n")
    health = told(name, clock)
    assert (health.status, health.problems) == ("ok", ())


def test_the_feed_is_in_the_serialized_form_in_each_role(
    origin: Origin, other_origin: Origin
) -> None:
    origin.serve(BODY)
    other_origin.serve(BODY)
    blackout = Calendar(other_origin.url(), on_unavailable="ignore", max_stale=HOUR)
    made = CalendarTimetable(Calendar(origin.url()), blackouts=blackout)
    compiled = CalendarTimetable.deserialize(json.loads(json.dumps(made.serialize())))
    schedule, other = compiled.calendars
    assert (schedule.role, schedule.label, other.role) == ("schedule", "127.0.0.1", "blackouts")
    assert schedule.feed is not None
    assert other.feed is not None
    assert (schedule.feed.on_unavailable, schedule.feed.max_stale) == ("hold", 86400)
    assert (other.feed.on_unavailable, other.feed.max_stale) == ("ignore", 3600)
    assert {schedule.feed.key, other.feed.key} == {health.feed for health in health_reports()}
    assert made.calendars == compiled.calendars


def test_the_feed_does_not_depend_on_a_password(origin: Origin) -> None:
    origin.serve(BODY)
    names = set()
    for password in (SECRET, "another"):
        resolved = Calendar(origin.url().replace("://", f"://alice:{password}@")).resolve(
            HORIZON, "UTC"
        )
        assert isinstance(resolved, CalendarSpans)
        names.add(resolved.feed)
    assert len(names) == 1
