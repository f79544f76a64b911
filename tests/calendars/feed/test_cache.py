"""The cache folder: whom it is trusted from, and what happens when it cannot be written."""

from __future__ import annotations

import errno
import json
import logging
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.feed.cache import CacheEntry, FeedState, body_digest, read_by
from calendar_timetable.calendars.holidays import with_version
from calendar_timetable.calendars.ical.expand import expand
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from tests.support.feed_fixtures import Clock, TimeZones
from tests.support.ics import event, feed
from tests.support.one_meeting import GOOD, meetings
from tests.support.origin import Origin, Reply

BIG = feed(
    *(
        event(
            f"UID:{n}",
            f"DTSTART:202403{n:02}T120000Z",
            "DURATION:PT1H",
            "DESCRIPTION:" + "x" * 9000,
        )
        for n in range(1, 11)
    )
)


@pytest.mark.parametrize("mode", [0o770, 0o757, 0o777, 0o1777])
def test_a_folder_that_others_may_write_is_refused(mode: int, cache: Path, origin: Origin) -> None:
    cache.mkdir()
    cache.chmod(mode)
    with pytest.raises(
        InvalidArgument, match="others may write there; chmod 700 it, or name a folder in"
    ) as raised:
        meetings(Calendar(origin.url(), on_unavailable="ignore"))
    assert str(cache) not in str(raised.value).replace(repr(str(cache)), "")
    assert origin.seen == []
    cache.chmod(0o755)
    origin.serve(GOOD)
    assert meetings(Calendar(origin.url())) == 1


def test_a_folder_of_another_user_is_refused(
    cache: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(InvalidArgument, match="it belongs to another user; name a folder in"):
        meetings(Calendar(origin.url()))
    assert origin.seen == []


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """No file can grow past *size* bytes, as when a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_is_full_costs_no_copy(
    cache: Path, origin: Origin, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A small state file that fits must not name a body that did not."""
    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    assert meetings(calendar) == 1
    before = {path.name: path.read_bytes() for path in cache.iterdir()}
    origin.serve(BIG)
    clock.now += 300
    with no_room(20_000), caplog.at_level(logging.WARNING):
        assert meetings(calendar) == 10  # for this once
    assert "cannot be written: File too large" in caplog.text
    assert before.items() <= {path.name: path.read_bytes() for path in cache.iterdir()}.items()
    origin.fail(Reply(500))
    assert meetings(calendar) == 1
    origin.serve(BIG)
    clock.now += 300
    assert meetings(calendar) == 10
    assert meetings(calendar) == 10


def test_a_folder_that_can_only_be_read(
    cache: Path, origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    meetings(calendar)

    real = os.open

    def read_only(path: object, flags: int, *given: Any, **options: Any) -> int:
        if str(path).startswith(str(cache)) and flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", read_only)
    origin.fail(Reply(500))
    clock.now += 300
    assert meetings(calendar) == 1
    origin.serve(BIG)
    assert meetings(calendar) == 10


def test_a_file_that_another_host_replaces_is_read_again(
    cache: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(GOOD)
    meetings(Calendar(origin.url()))
    real, stale = Path.read_bytes, dict.fromkeys(cache.glob("*.*"), 1)

    def read(path: Path) -> bytes:
        if stale.pop(path, 0):
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert meetings(Calendar(origin.url())) == 1
    assert len(origin.seen) == 1


HOLD = """
import sys
from calendar_timetable.calendars.feed.cache import CacheEntry
with CacheEntry(sys.argv[1]).lock(wait=True) as alone:
    print(alone, flush=True)
    sys.stdin.readline()
"""


@contextmanager
def another_process_holding(identity: str) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, identity]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        yield
        holder.stdin.write("\n")


def test_nobody_waits_for_ever(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from calendar_timetable.calendars.sources.lookup import source_for

    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    monkeypatch.setattr(limits, "LOCK_SECONDS", 0.2)
    with another_process_holding(source_for(origin.url()).identity):
        with pytest.raises(
            CalendarUnavailable, match="another process has been reading it for too long"
        ):
            meetings(calendar)
        assert origin.seen == []
    assert meetings(calendar) == 1
    clock.now += 300
    with another_process_holding(source_for(origin.url()).identity):
        assert meetings(calendar) == 1  # who has a copy does not wait
    assert len(origin.seen) == 1


def test_hosts_whose_clocks_differ_share_one_fetch(origin: Origin, clock: Clock) -> None:
    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    meetings(calendar)
    clock.now -= limits.CLOCK_SKEW  # as on a host that is behind
    meetings(calendar)
    assert len(origin.seen) == 1
    clock.now -= 1  # no longer a difference: it was set back
    meetings(calendar)
    assert len(origin.seen) == 2


def test_a_state_keeps_what_it_knows_of_its_own_version(cache: Path) -> None:
    """Keys are only added.

    An older state lacks some, a newer one has some that are not known here.
    """
    entry = CacheEntry("x")
    state = FeedState(
        body_digest(b"a"),
        components=3,
        good_at=5.5,
        checked_at=6,
        error="HTTP 500",
        failures=2,
        interval=60,
    )
    entry.save(state)
    (path,) = cache.glob("*.json")
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"new": {"of": "a later release"}}))
    assert entry.state() == state
    path.write_text(
        json.dumps(
            {key: value for key, value in data.items() if key not in ("failures", "interval")}
        )
    )
    assert entry.state() == replace(state, failures=0, interval=0)
    for wrong in ({"failures": "many"}, {"error": None}, {"v": 2}):
        path.write_text(json.dumps(data | wrong))
        assert entry.state() == FeedState()


def test_a_folder_of_a_user_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, origin: Origin
) -> None:
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", "~nosuchuser/cache")
    with pytest.raises(InvalidArgument, match="its user is not known here"):
        meetings(Calendar(origin.url()))


# --- what a reading depends on besides its body ---------------------------------------------------


AT_TEN = event(
    "UID:a",
    "DTSTART;TZID=Europe/Berlin:20260301T100000",
    "DTEND;TZID=Europe/Berlin:20260301T110000",
    "RRULE:FREQ=DAILY",
)


@pytest.fixture
def expanded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bodies that are expanded."""
    bodies: list[bytes] = []

    def watched(body: bytes, *about: Any) -> Any:
        bodies.append(body)
        return expand(body, *about)

    monkeypatch.setattr(feeds, "expand", watched)
    return bodies


def hours(calendar: Calendar) -> set[int]:
    """Return the hours, in UTC, at which its events begin in March."""
    return {
        found.start.hour
        for found in calendar.events(
            datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 27, tzinfo=UTC)
        )
    }


@pytest.mark.parametrize("told_in", ["tzdata.zi", "+VERSION", ""])
def test_an_upgrade_of_the_time_zone_database_is_seen_in_a_feed_that_is_unchanged(
    told_in: str, time_zones: TimeZones, tmp_path: Path, expanded: list[bytes]
) -> None:
    time_zones.told_in = told_in
    path = tmp_path / "team.ics"
    path.write_bytes(feed(AT_TEN))
    for clocks_of, hour in (("Europe/Berlin", 9), ("Europe/Moscow", 7), ("Asia/Tokyo", 1)):
        time_zones.upgrade(clocks_of)
        expanded.clear()
        assert [hours(Calendar(path)), hours(Calendar(path))] == [{hour}] * 2
        assert len(expanded) == 1
    # One event is added: what is remembered of the others is of the same release.
    time_zones.upgrade("Europe/Berlin")
    path.write_bytes(feed(AT_TEN, event("UID:b", "DTSTART:20260310T230000Z", "DURATION:PT1H")))
    assert hours(Calendar(path)) == {9, 23}


@pytest.mark.parametrize("library", ["icalendar", "recurring-ical-events", "tzdata"])
def test_an_upgrade_of_a_library_that_reads_is_seen_too(
    library: str, tmp_path: Path, expanded: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "team.ics"
    path.write_bytes(feed(AT_TEN))
    hours(Calendar(path))
    with monkeypatch.context() as upgraded:
        upgraded.setattr(
            "calendar_timetable.calendars.feed.cache.with_version",
            lambda name: f"{name} 99" if name == library else with_version(name),
        )
        read_by.cache_clear()
        hours(Calendar(path))
        hours(Calendar(path))
    read_by.cache_clear()
    assert len(expanded) == 2
    hours(Calendar(path))
    assert len(expanded) == 2, "that of the release before is kept"
