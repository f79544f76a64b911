"""When a calendar is asked: its refresh, what it asks for, after failures, and who asks at all."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable.calendars import child_process, limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed.cache import CacheEntry, FeedState
from calendar_timetable.calendars.feed.feed import FeedReader, FeedSnapshot
from calendar_timetable.calendars.feed.refresh import RefreshPolicy
from calendar_timetable.calendars.net import client
from calendar_timetable.calendars.sources.lookup import source_for
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.one_meeting import GOOD, HORIZON, MEETING, meetings
from tests.support.origin import Origin, Reply

FETCH = "AIRFLOW__CALENDAR_TIMETABLE__FETCH"
DAY = 86400.0


def refreshed(address: str, *, force: bool = False, max_stale: float = DAY) -> FeedSnapshot:
    start, end = HORIZON.start, HORIZON.end
    return FeedReader(source_for(address), start, end, "UTC", 300, max_stale).refresh(force=force)


# --- who asks -------------------------------------------------------------------------------------


def test_with_external_fetching_no_dag_file_asks(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FETCH, "external")
    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    with pytest.raises(CalendarUnavailable, match="run calendar-timetable sync"):
        meetings(calendar)
    assert origin.seen == []

    assert refreshed(origin.url()).error == ""
    assert meetings(calendar) == 1
    clock.now += 3600
    assert meetings(calendar) == 1
    assert calendar.describe().status == "ok"
    assert len(origin.seen) == 1

    clock.now += DAY
    with pytest.raises(CalendarUnavailable, match="is calendar-timetable sync running"):
        meetings(calendar)
    assert len(origin.seen) == 1
    refreshed(origin.url())
    assert meetings(calendar) == 1


def test_what_a_sync_met_is_what_the_dag_file_says(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FETCH, "external")
    origin.fail(Reply(404))
    assert refreshed(origin.url()).error == "HTTP 404: nothing is there, was it removed?"
    with pytest.raises(CalendarUnavailable, match="HTTP 404"):
        meetings(Calendar(origin.url()))
    assert len(origin.seen) == 1


def test_a_lost_copy_is_not_fetched_by_a_dag_file(
    origin: Origin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(GOOD)
    refreshed(origin.url())
    for path in [*cache.glob("*.*.*")]:
        path.unlink()
    monkeypatch.setenv(FETCH, "external")
    with pytest.raises(CalendarUnavailable, match="run calendar-timetable sync"):
        meetings(Calendar(origin.url()))
    assert len(origin.seen) == 1


def test_a_sync_asks_what_is_due_and_by_force_at_once(origin: Origin, clock: Clock) -> None:
    origin.serve(GOOD)
    for force, asked in ((False, 1), (False, 1), (True, 2), (False, 2)):
        assert refreshed(origin.url(), force=force).reading is not None
        assert len(origin.seen) == asked
    clock.now += 300
    refreshed(origin.url())
    assert len(origin.seen) == 3


def test_a_wrong_option_is_named(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FETCH, "sometimes")
    with pytest.raises(
        InvalidArgument, match=r"\[calendar_timetable\] fetch='sometimes': write parse or external"
    ):
        meetings(Calendar(origin.url()))
    monkeypatch.setenv(FETCH, "parse")
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__ALLOW_PRIVATE_NETWORKS", "10.0.0.0/99")
    with pytest.raises(
        InvalidArgument,
        match="allow_private_networks='10.0.0.0/99': write True, False, or networks",
    ):
        meetings(Calendar(origin.url()))


def test_local_files_are_read_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FETCH, "external")
    path = tmp_path / "team.ics"
    path.write_bytes(GOOD)
    assert meetings(Calendar(path)) == 1


# --- failures -------------------------------------------------------------------------------------


def test_a_dead_calendar_is_asked_less_and_less(origin: Origin, clock: Clock) -> None:
    origin.fail(Reply(500))
    calendar = Calendar(origin.url(), max_stale=timedelta(days=1))
    asked = []
    start = clock.now
    while clock.now < start + 5 * 3600:
        before = len(origin.seen)
        with pytest.raises(CalendarUnavailable, match="HTTP 500"):
            meetings(calendar)
        if len(origin.seen) > before:
            asked.append(clock.now - start)
        clock.now += 30  # as Airflow reads the file
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert waits[0] == 300
    for number, wait in enumerate(waits):
        longest = min(300 * 2**number, limits.MAX_BACKOFF)
        assert 0.75 * longest <= wait <= longest + 30
    assert len(asked) < 16

    origin.serve(GOOD)
    clock.now += limits.MAX_BACKOFF
    assert meetings(calendar) == 1
    origin.fail(Reply(500))  # and it counts from the beginning
    clock.now += 300
    meetings(calendar)
    asked_then = len(origin.seen)
    clock.now += 300
    meetings(calendar)
    assert len(origin.seen) == asked_then + 1


def test_backoff() -> None:
    assert RefreshPolicy(300, DAY).backoff(1) == 300
    assert 450 <= RefreshPolicy(300, DAY).backoff(2) <= 600
    assert 1350 <= RefreshPolicy(300, DAY).backoff(99) <= 1800
    assert RefreshPolicy(7200, DAY).backoff(99) == 7200  # never sooner than the refresh
    # Several chances before the copy lapses
    assert 300 <= RefreshPolicy(300, 1600).backoff(99) <= 400
    assert 3.75 <= RefreshPolicy(0, DAY).backoff(1) <= 5


def test_jitter_spreads_those_who_wait() -> None:
    assert len({RefreshPolicy(300, DAY).backoff(5) for _ in range(20)}) > 10


def dead_server() -> str:
    """An address where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_a_dead_server_costs_one_attempt_for_all_its_calendars(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def run_child(*given: Any) -> Any:
        attempts.append(given)
        return child_process.run_child(*given)

    monkeypatch.setattr(client, "run_child", run_child)
    server = dead_server()
    for _ in range(2):
        for name in "abc":
            with pytest.raises(CalendarUnavailable, match="the connection is refused"):
                meetings(Calendar(f"{server}/{name}.ics"))
        clock.now += 30
    assert len(attempts) == 1

    clock.now += 300
    for name in "abc":
        with pytest.raises(CalendarUnavailable, match="the connection is refused"):
            meetings(Calendar(f"{server}/{name}.ics"))
    assert len(attempts) == 2
    origin.serve(GOOD)
    assert meetings(Calendar(origin.url())) == 1  # another server has nothing to do with it


def test_a_server_that_answers_again_is_asked_for_all(origin: Origin, clock: Clock) -> None:
    origin.serve(GOOD)
    server = CacheEntry(f"server\n127.0.0.1:{origin.port}", "server")
    server.save(
        FeedState(
            checked_at=clock.now,
            retry_at=clock.now + 600,
            error="no connection in time",
            failures=2,
        )
    )
    calendar = Calendar(origin.url())
    with pytest.raises(CalendarUnavailable, match="no connection in time"):
        meetings(calendar)
    assert origin.seen == []
    assert refreshed(origin.url("/other.ics"), force=True).reading is not None
    assert server.state() == FeedState()
    clock.now += 600
    assert meetings(calendar) == 1


def test_only_one_tries_a_server_that_was_dead(origin: Origin, clock: Clock) -> None:
    origin.serve(GOOD)
    server = CacheEntry(f"server\n127.0.0.1:{origin.port}", "server")
    server.save(
        FeedState(
            checked_at=clock.now - 600,
            retry_at=clock.now - 1,
            error="no connection in time",
            failures=2,
        )
    )
    with (
        server.lock(wait=True),  # as another process does that tries it
        pytest.raises(CalendarUnavailable, match="no connection in time"),
    ):
        meetings(Calendar(origin.url()))
    assert origin.seen == []
    assert meetings(Calendar(origin.url())) == 1


def test_an_answer_of_any_kind_says_that_the_server_lives(origin: Origin, clock: Clock) -> None:
    origin.fail(Reply(503))
    for name in ("/a.ics", "/b.ics"):
        with pytest.raises(CalendarUnavailable, match="HTTP 503"):
            meetings(Calendar(origin.url(name)))
    assert len(origin.seen) == 2


# --- what the feed asks for -----------------------------------------------------------------------

ASKS = {
    "REFRESH-INTERVAL;VALUE=DURATION:PT30M": 1800,
    "X-PUBLISHED-TTL:PT20M": 1200,
    "X-PUBLISHED-TTL:PT1M": 300,  # the default refresh is the least
    "REFRESH-INTERVAL;VALUE=DURATION:P1W": 3600,  # and an hour the most
    "X-PUBLISHED-TTL:P1DT2H": 3600,
    "X-PUBLISHED-TTL:soon": 300,
    "X-PUBLISHED-TTL:-PT1H": 300,
}


def is_asked_after(calendar: Calendar, origin: Origin, clock: Clock, seconds: float) -> None:
    meetings(calendar)
    asked = len(origin.seen)
    clock.now += seconds - 1
    meetings(calendar)
    assert len(origin.seen) == asked
    clock.now += 1
    meetings(calendar)
    assert len(origin.seen) == asked + 1


@pytest.mark.parametrize("line", ASKS)
def test_a_feed_may_ask_to_be_asked_less(line: str, origin: Origin, clock: Clock) -> None:
    origin.serve(feed(MEETING, head=(line,)))
    is_asked_after(Calendar(origin.url()), origin, clock, ASKS[line])


def test_an_interval_within_an_event_is_none(origin: Origin, clock: Clock) -> None:
    origin.serve(feed(event("UID:m", "X-PUBLISHED-TTL:PT1H", "DTSTART:20240310T120000Z")))
    is_asked_after(Calendar(origin.url()), origin, clock, 300)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("private, max-age=900", 900), ("no-cache, max-age=900", 300), ("max-age=99999", 3600)],
)
def test_the_server_may_ask_to_be_asked_less(
    value: str, seconds: float, origin: Origin, clock: Clock
) -> None:
    origin.serve(GOOD, Cache_Control=value)
    is_asked_after(Calendar(origin.url()), origin, clock, seconds)


def test_a_refresh_that_somebody_gives_is_obeyed(origin: Origin, clock: Clock) -> None:
    origin.serve(
        feed(MEETING, head=("X-PUBLISHED-TTL:PT1H",)), Cache_Control="max-age=3600", ETag='"1"'
    )
    is_asked_after(Calendar(origin.url(), refresh=timedelta(minutes=1)), origin, clock, 60)


IN_AIRFLOW = """
import airflow.configuration
from calendar_timetable import config
from calendar_timetable.calendars.net.networks import allowed_networks
print(config.option("fetch"), config.fetches_while_parsing(), allowed_networks())
"""


def test_the_options_are_read_from_airflows_configuration(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text(
        "[calendar_timetable]\nfetch = external\nallow_private_networks = 10.0.0.0/8  \n"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    environment["AIRFLOW_HOME"] = str(tmp_path)
    command = [sys.executable, "-c", IN_AIRFLOW]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines()[-1:] == ["external False ['10.0.0.0/8']"], done.stderr[-500:]
