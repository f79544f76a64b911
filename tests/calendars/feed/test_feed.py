"""Fetching and caching, against a real server that misbehaves."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from calendar_timetable import clock as present
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.feed.cache import CacheEntry
from calendar_timetable.calendars.feed.feed import FeedReader
from calendar_timetable.calendars.ical.expand import expand
from calendar_timetable.calendars.sources import base, google, ics, lookup, microsoft
from calendar_timetable.calendars.sources.cloud import build_body
from calendar_timetable.exceptions import CalendarUnavailable
from calendar_timetable.planning.time_sets import TimeRange, horizon_around
from tests.support import google_events, graph_events
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.one_meeting import AFTERNOON, GOOD, HORIZON, LATER, MEETING, NOON, error, known
from tests.support.origin import SECRET, Origin, Reply


def test_reads_over_http(origin: Origin) -> None:
    origin.serve(GOOD)
    found = known(Calendar(origin.url()))
    assert (found.label, list(found.known), found.titles, found.note) == ("127.0.0.1", NOON, (), "")


def test_one_fetch_per_refresh_and_then_a_changed_calendar_is_seen(
    origin: Origin, clock: Clock
) -> None:
    origin.serve(GOOD)
    calendar = Calendar(origin.url(), refresh=timedelta(minutes=5))
    known(calendar)
    origin.serve(feed(LATER))
    clock.now += 299
    assert list(known(calendar).known) == NOON
    assert len(origin.seen) == 1
    clock.now += 1
    assert list(known(calendar).known) == AFTERNOON
    assert len(origin.seen) == 2


def test_an_unchanged_calendar_is_only_confirmed(origin: Origin, clock: Clock) -> None:
    origin.serve(GOOD, ETag='"v1"', Last_Modified="Sat, 09 Mar 2024 00:00:00 GMT")
    calendar = Calendar(origin.url(), max_stale=timedelta(minutes=10), timezone="UTC")
    known(calendar)
    origin.fail(Reply(304))
    for _ in range(4):
        clock.now += 400
        assert list(known(calendar).known) == NOON
    assert [seen.get("if-none-match") for seen in origin.seen] == [None, *['"v1"'] * 4]
    assert origin.seen[1]["if-modified-since"] == "Sat, 09 Mar 2024 00:00:00 GMT"
    state = calendar.describe()
    assert (state.status, state.error, state.events) == ("ok", "", 1)
    assert state.fetched_at is not None
    assert state.checked_at is not None
    assert state.checked_at - state.fetched_at == timedelta(seconds=1600)


def test_new_dtstamps_alone_change_nothing(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stamped(stamp: str) -> bytes:
        return feed(
            event("UID:m", f"DTSTAMP:{stamp}", "DTSTART:20240310T120000Z", "DTEND:20240310T130000Z")
        )

    origin.serve(stamped("20240301T000000Z"))
    calendar = Calendar(origin.url())
    known(calendar)
    fetched_at = calendar.describe().fetched_at
    monkeypatch.setattr(feeds, "expand", lambda *_: pytest.fail("it is expanded again"))
    clock.now += 400
    origin.serve(stamped("20240302T111213Z"))
    assert list(known(calendar).known) == NOON
    assert (len(origin.seen), calendar.describe().status, calendar.describe().fetched_at) == (
        2,
        "ok",
        fetched_at,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_no_server(host: str, clock: Clock) -> None:
    with pytest.raises(
        CalendarUnavailable, match=r"refused|could not be resolved|connection fails"
    ) as raised:
        known(Calendar(f"http://user:{SECRET}@{host}:1/{SECRET}.ics?token={SECRET}"))
    assert SECRET not in str(raised.value)
    assert "never read so far" in str(raised.value)


def test_a_calendar_that_is_suddenly_empty_is_not_believed(origin: Origin, clock: Clock) -> None:
    many = [
        event(f"UID:{n}", f"DTSTART:202403{n:02}T120000Z", "DURATION:PT1H", "RRULE:FREQ=YEARLY")
        for n in range(1, 11)
    ]
    calendar = Calendar(origin.url())
    origin.serve(feed(*many))
    known(calendar)
    origin.serve(feed())
    clock.now += 300
    found = known(calendar)
    assert len(found.known) == 10
    assert error(calendar) == "suddenly empty: it had 10 events"
    origin.serve(feed(MEETING))
    clock.now += 300
    assert list(known(calendar).known) == NOON
    origin.serve(feed())  # from one event to none is nothing strange
    clock.now += 300
    assert list(known(calendar).known) == []


def test_a_body_that_cannot_be_expanded_is_not_adopted(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = Calendar(origin.url())
    origin.serve(GOOD)
    known(calendar)
    origin.serve(
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 150_001 + b"END:VCALENDAR\r\n"
    )
    clock.now += 300
    found = known(calendar)
    assert list(found.known) == NOON
    assert error(calendar) == "cannot be read: more than 150000 components"
    origin.serve(feed(LATER))
    monkeypatch.setattr(limits, "EXPAND_SECONDS", 0.01)
    monkeypatch.setattr(limits, "START_SECONDS", 0.0)
    clock.now += 300
    assert list(known(calendar).known) == NOON
    assert error(calendar) == "cannot be expanded: not done within 0.01 s"


def test_a_failure_is_remembered(origin: Origin, clock: Clock) -> None:
    origin.fail(Reply(500))
    for _ in range(3):
        with pytest.raises(CalendarUnavailable, match="HTTP 500"):
            known(Calendar(origin.url()))
    assert len(origin.seen) == 1
    clock.now += 300
    origin.serve(GOOD)
    assert list(known(Calendar(origin.url())).known) == NOON


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after(form: str, origin: Origin, clock: Clock) -> None:
    until = format_datetime(datetime.fromtimestamp(clock.now + 1200, UTC), usegmt=True)
    origin.fail(Reply(429, {"Retry-After": "1200" if form == "seconds" else until}))
    calendar = Calendar(origin.url())
    for wait in (0, 1100):
        clock.now += wait
        with pytest.raises(CalendarUnavailable, match="HTTP 429"):
            known(calendar)
    assert len(origin.seen) == 1
    clock.now += 101
    origin.serve(GOOD)
    assert list(known(calendar).known) == NOON


def test_retry_after_is_believed_for_an_hour_at_most() -> None:
    assert base.parse_retry_after("999999") == 3600
    assert base.parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT") == 3600
    assert base.parse_retry_after("Fri, 31 Dec 1999 23:59:59 GMT") == 0
    assert base.parse_retry_after("Mon, 01 Jan 2024 00:00:00 +99999999999999") == 0
    assert [base.parse_retry_after(text) for text in ("", "soon", "-5", "1e9")] == [0, 0, 0, 0]


def test_credentials_are_sent_to_their_own_host_only(origin: Origin, other_origin: Origin) -> None:
    origin.fail(Reply(302, {"Location": other_origin.url("/elsewhere.ics")}))
    other_origin.serve(GOOD)
    url = f"http://user:{SECRET}@127.0.0.1:{origin.port}/team.ics"
    assert list(known(Calendar(url)).known) == NOON
    assert origin.seen[0]["authorization"].startswith("Basic ")
    assert "authorization" not in other_origin.seen[0]


def test_other_credentials_are_another_feed(origin: Origin) -> None:
    def only_alice(request: object) -> Reply:
        allowed = origin.seen[-1].get("authorization") == "Basic YWxpY2U6cHc="
        return Reply(200, {}, GOOD) if allowed else Reply(401)

    origin.reply = only_alice
    assert list(known(Calendar(f"http://alice:pw@127.0.0.1:{origin.port}/a.ics")).known) == NOON
    with pytest.raises(CalendarUnavailable, match="HTTP 401"):
        known(Calendar(f"http://bob:pw@127.0.0.1:{origin.port}/a.ics"))


TWO = """
import sys
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.planning.time_sets import TimeRange
sys.stdin.readline()
print(len(Calendar(sys.argv[1]).resolve(TimeRange(int(sys.argv[2]), int(sys.argv[3])), "UTC").known))
"""


def test_processes_share_one_fetch(origin: Origin) -> None:
    origin.fail(Reply(200, {}, parts=[GOOD[:20], GOOD[20:]], pause=0.4))
    command = [sys.executable, "-c", TWO, origin.url(), str(HORIZON.start), str(HORIZON.end)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as ends:
        children = []
        for _ in range(3):
            child = ends.enter_context(subprocess.Popen(command, **pipes))  # type: ignore[call-overload]
            ends.callback(child.kill)
            children.append(child)
        for child in children:
            child.stdin.write("go\n")
            child.stdin.flush()
        assert [child.communicate(timeout=60)[0].strip() for child in children] == ["1"] * 3
    assert len(origin.seen) == 1


WARM = """
import sys
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.planning.time_sets import TimeRange
heavy = {"airflow", "dateutil", "icalendar", "pendulum", "recurring_ical_events", "requests", "urllib3"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
calendar = Calendar(sys.argv[1])
calendar.validate()
assert len(calendar.resolve(TimeRange(int(sys.argv[2]), int(sys.argv[3])), "UTC").known) == 1
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""


def test_neither_import_nor_warm_reading_needs_the_libraries(origin: Origin) -> None:
    origin.serve(GOOD)
    known(Calendar(origin.url()))
    command = [sys.executable, "-c", WARM, origin.url(), str(HORIZON.start), str(HORIZON.end)]
    subprocess.run(command, check=True, timeout=60)
    assert len(origin.seen) == 1


def test_schemes() -> None:
    urls = {
        "webcal://h/a.ics": "https://h/a.ics",
        "WEBCALS://h/a.ics": "https://h/a.ics",
        "https://u:p@h:8443/a?b=c#d": "https://h:8443/a?b=c",
        "http://h": "http://h",
    }
    for address, url in urls.items():
        source = lookup.source_for(address)
        assert isinstance(source, ics.HttpSource)
        assert source.url == url
    assert repr(lookup.source_for(f"https://u:{SECRET}@h/{SECRET}")) == "HttpSource(label='h')"


def test_a_copy_that_another_process_replaces_meanwhile(
    origin: Origin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calendar = Calendar(origin.url())
    origin.serve(GOOD)
    known(calendar)
    old = CacheEntry(lookup.source_for(origin.url()).identity).state()
    origin.serve(feed(LATER))
    clock.now += 300
    known(calendar)
    states = [old]  # what this process still believes, once
    newest = CacheEntry.state
    monkeypatch.setattr(
        CacheEntry, "state", lambda entry: states.pop() if states else newest(entry)
    )
    clock.now -= 300
    assert list(known(calendar).known) == AFTERNOON
    assert len(origin.seen) == 2


# --- files ----------------------------------------------------------------------------------------


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "team.ics"
    path.write_bytes(GOOD)
    calendar = Calendar(path)
    assert (str(calendar), list(known(calendar).known)) == ("team.ics", NOON)
    path.write_bytes(feed(LATER, event("UID:other")))
    assert list(known(calendar).known) == AFTERNOON
    assert list(known(Calendar(path.as_uri())).known) == AFTERNOON


def test_a_file_that_vanishes(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "team.ics"
    path.write_bytes(GOOD)
    calendar = Calendar(str(path))
    known(calendar)
    path.unlink()
    assert list(known(calendar).known) == NOON
    assert error(calendar) == "no such file or directory"
    clock.now += 86401
    with pytest.raises(CalendarUnavailable, match="no such file or directory") as raised:
        known(calendar)
    assert str(tmp_path) not in str(raised.value)


def test_a_file_that_does_not_change_never_gets_stale(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "team.ics"
    path.write_bytes(GOOD)
    calendar = Calendar(str(path))
    for _ in range(3):
        known(calendar)
        clock.now += 80_000
    path.unlink()
    assert list(known(calendar).known) == NOON


# --- a calendar that ages -------------------------------------------------------------------------


MAINTENANCE = [f"202610{day:02}" for day in range(2, 14)]  # days, the last long before the others
MONTHS = ["2026-11-30", "2026-12-01", "2026-12-03", "2027-01-04", "2027-05-20"]


@dataclass
class Served:
    """A calendar as the answer to a question that changes with the clock."""

    answer: Callable[[], bytes]
    label = "team"
    identity = "team"
    secret = ""
    server = ""
    local = False

    def fetch(self, last: base.Validators = base.NO_VALIDATORS) -> base.FetchResult:
        return base.FetchResult(self.answer())


@dataclass
class Life:
    """A calendar, read as a DAG does that runs all the time, while months go by."""

    source: Served
    clock: Clock

    def read(self, moment: str = "") -> feeds.FeedSnapshot:
        self.clock.now = instant(moment) if moment else self.clock.now + 1800
        horizon = horizon_around(self.clock.now, 0)
        return FeedReader(self.source, horizon.start, horizon.end, "UTC", 300, 86400).read()

    def is_held_after_days(self) -> bool:
        """Tell whether it is held when its answers stay as they are for more than max_stale."""
        return [self.read() for _ in range(50)][-1].reading is None


def nights(days: Iterable[str] = MAINTENANCE) -> list[str]:
    return [event(f"UID:{day}", f"DTSTART:{day}T200000Z", f"DTEND:{day}T220000Z") for day in days]


def by_microsoft() -> bytes:
    view = [bound[:10].replace("-", "") for bound in microsoft._view(microsoft._DAYS_BACK)]
    days = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in MAINTENANCE if view[0] <= day < view[1]]
    events = (graph_events.event(day, f"{day}T20:00", f"{day}T22:00") for day in days)
    return build_body(microsoft.merge({}, list(events)))


def by_google() -> bytes:
    days = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in MAINTENANCE]
    events = (
        google_events.event(day, f"{day}T20:00:00Z", f"{day}T22:00:00Z")
        for day in days
        if day >= google._since(31)
    )
    return build_body(google.merge({}, list(events), "UTC"), "UTC")


def of_a_published_range() -> bytes:
    since = f"{present.utc() - timedelta(days=30):%Y%m%d}"
    return feed(*nights(day for day in MAINTENANCE if day >= since))


def tidied_up() -> bytes:
    return feed(*(nights() if f"{present.utc():%Y%m%d}" <= "20261201" else ()))


def of_series_that_end() -> bytes:
    series = [
        event(
            f"UID:{n}", f"DTSTART:202610{n:02}T200000Z", "DURATION:PT2H", f"RRULE:FREQ=WEEKLY;{e}"
        )
        for n, e in enumerate(["COUNT=6", "UNTIL=20261120T000000Z"] * 6, 1)
    ]
    return feed(*(series if f"{present.utc():%Y%m%d}" <= "20261201" else ()))


def of_an_unknown_place() -> bytes:
    days = MAINTENANCE if f"{present.utc():%Y%m%d}" <= "20261201" else ()
    return feed(*nights(days), head=("X-WR-TIMEZONE:Middle/Earth",))


ANSWERS = [by_microsoft, by_google, of_a_published_range, tidied_up]


@pytest.mark.parametrize("answer", [*ANSWERS, of_series_that_end, of_an_unknown_place])
def test_a_calendar_whose_events_are_over_may_become_empty(
    answer: Callable[[], bytes], clock: Clock
) -> None:
    life = Life(Served(answer), clock)
    assert life.read("2026-10-20").state.components == 12
    for month in MONTHS:
        found = life.read(month)
        assert (found.error, found.reading is None) == ("", False)
    assert found.state.components == 0


def test_only_a_stopped_airflow_sees_the_calendar_age_at_once(clock: Clock) -> None:
    life = Life(Served(by_microsoft), clock)
    assert life.read("2026-10-01").state.components == 12
    found = life.read("2027-09-01")
    assert (found.error, found.state.components) == ("", 0)


@pytest.mark.parametrize(
    "more",
    [
        event("UID:next", "DTSTART:20270610T200000Z", "DURATION:PT2H"),
        event("UID:on", "DTSTART:20261001T000000Z", "DTEND:20270301T000000Z"),
        event("UID:weekly", "DTSTART:20261001T200000Z", "DURATION:PT2H", "RRULE:FREQ=WEEKLY"),
        event("UID:yearly", "DTSTART:20201001T200000Z", "DURATION:PT2H", "RRULE:FREQ=YEARLY"),
        event("UID:odd", "DTSTART:20270610T200000Z", "DTEND:never"),
    ],
    ids=lambda text: text.split("\r\n")[1],
)
def test_what_is_still_to_come_does_not_go_at_once(more: str, clock: Clock) -> None:
    answers = [feed(*nights(), more)]
    life = Life(Served(lambda: answers[-1]), clock)
    life.read("2026-10-20")
    life.read("2026-12-03")
    answers.append(feed())
    found = life.read()
    assert found.error == "suddenly empty: it had 13 events"
    assert found.reading is not None
    assert life.is_held_after_days()

    answers.append(answers[0])  # it was the server: its events come back
    found = life.read()
    assert (found.error, found.state.components, found.reading is None) == ("", 13, False)


def test_an_emptied_calendar_is_believed_when_somebody_says_so(clock: Clock) -> None:
    answers = [feed(*nights(["20270610"] * 12))]
    life = Life(Served(lambda: answers[-1]), clock)
    life.read("2026-10-20")
    answers.append(feed())
    assert life.is_held_after_days()
    answers += [feed(MEETING)]
    assert life.read().error == ""
    answers += [feed()]
    found = life.read()
    assert (found.error, found.state.components) == ("", 0)


def test_an_emptied_calendar_is_believed_when_all_that_it_had_would_be_over(clock: Clock) -> None:
    answers = [feed(*nights(["20270610"]), *nights())]
    life = Life(Served(lambda: answers[-1]), clock)
    life.read("2026-10-20")
    answers.append(feed())
    for moment in ("2026-10-22", "2027-02-01", "2027-06-10T21:30"):
        found = life.read(moment)
        assert (found.error, found.reading) == ("suddenly empty: it had 13 events", None)
    found = life.read("2027-06-10T22:30")
    assert (found.error, found.reading is None) == ("", False)


def test_what_an_empty_calendar_had_is_read_once_a_week(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [feed(*nights(["20270610"] * 12))]
    life = Life(Served(lambda: answers[-1]), clock)
    life.read("2026-10-20")
    answers.append(feed())
    expanded: list[bytes] = []

    def watched(body: bytes, *about: Any) -> Any:
        expanded.append(body)
        return expand(body, *about)

    monkeypatch.setattr(feeds, "expand", watched)
    life.read("2026-10-22")
    assert life.is_held_after_days()
    assert len(expanded) == 1


@pytest.mark.parametrize("lost", [".ics", ".json"])
def test_nothing_is_believed_of_an_empty_calendar_whose_copy_is_lost(
    lost: str, clock: Clock, cache: Path
) -> None:
    """What it had cannot be told; without its expansions it can, from its body."""
    life = Life(Served(by_microsoft), clock)
    life.read("2026-10-20")
    for path in entry_files(cache, lost):
        if len(path.suffixes) > 1:
            path.unlink()
    if lost == ".ics":
        for path in entry_files(cache, ".json"):
            if len(path.suffixes) > 1:
                path.unlink()
    error = "suddenly empty: it had 12 events" if lost == ".ics" else ""
    assert life.read("2026-12-03").error == error


# --- the cache folder -----------------------------------------------------------------------------


def entry_files(cache: Path, suffix: str) -> list[Path]:
    return sorted(path for path in cache.iterdir() if path.name.endswith(suffix))


def test_the_cache_is_private_and_names_nothing(origin: Origin, cache: Path) -> None:
    origin.serve(GOOD)
    url = f"http://user:{SECRET}@127.0.0.1:{origin.port}/{SECRET}.ics?token={SECRET}"
    known(Calendar(url))
    assert cache.stat().st_mode & 0o777 == 0o700
    files = list(cache.iterdir())
    assert len(files) == 5
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        if path.name == "key":  # random digits, which may be those of the port
            continue
        for hidden in (SECRET, "127.0.0.1", str(origin.port), "user"):
            assert hidden not in path.name
            assert hidden not in path.read_text().replace('"label": "127.0.0.1"', "")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b'{"v": 1}',
        b'{"v": 99, "digest": "x"}',
        b"\xff\x00",
        pytest.param(b"[" * 100_000, id="deep"),
        b'{"v": 1, "checked_at": NaN}',
        b'{"v": 1, "checked_at": Infinity}',
        b'{"v": 1, "checked_at": -1e400}',
        pytest.param(b'{"v": 1, "retry_at": %s}' % (b"9" * 400), id="large number"),
        b'{"v": 1, "failures": -1}',
        b'{"v": 1, "digest": "\\ud800"}',
        b'{"v": 1, "digest": "a\\u0000"}',
        b'{"v": 1, "error": "\\ud800"}',
    ],
)
def test_a_damaged_or_newer_state_is_absent(damage: bytes, origin: Origin, cache: Path) -> None:
    origin.serve(GOOD)
    known(Calendar(origin.url()))
    state = next(path for path in entry_files(cache, ".json") if len(path.suffixes) == 1)
    state.write_bytes(damage)
    assert list(known(Calendar(origin.url())).known) == NOON
    assert len(origin.seen) == 2
    assert json.loads(state.read_bytes())["v"] == 1


def test_a_damaged_expansion_is_made_anew_without_a_fetch(origin: Origin, cache: Path) -> None:
    origin.serve(GOOD)
    known(Calendar(origin.url()))
    (expansion,) = (path for path in entry_files(cache, ".json") if len(path.suffixes) > 1)
    expansion.write_bytes(expansion.read_bytes()[:50])
    assert list(known(Calendar(origin.url())).known) == NOON
    assert len(origin.seen) == 1
    assert all(json.loads(line) for line in expansion.read_bytes().splitlines())


def test_a_damaged_body_is_fetched_anew_and_never_expanded(origin: Origin, cache: Path) -> None:
    origin.serve(GOOD)
    known(Calendar(origin.url()))
    for path in entry_files(cache, ".ics"):
        path.write_bytes(feed(LATER))
    for path in entry_files(cache, ".json"):
        if len(path.suffixes) > 1:
            path.unlink()
    assert list(known(Calendar(origin.url())).known) == NOON
    assert len(origin.seen) == 2


def test_a_folder_that_cannot_be_written_is_only_a_warning(
    origin: Origin, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file where the folder should be")
    origin.serve(GOOD)
    with caplog.at_level(logging.WARNING):
        assert list(known(Calendar(origin.url())).known) == NOON
    assert "cannot be written" in caplog.text
    assert SECRET not in caplog.text


def test_old_bodies_and_expansions_are_removed(origin: Origin, clock: Clock, cache: Path) -> None:
    calendar = Calendar(origin.url())
    for hour in range(10, 15):
        origin.serve(feed(event("UID:m", f"DTSTART:20240310T{hour}0000Z", "DURATION:PT1H")))
        assert known(calendar).known.bounds[0] == instant(f"2024-03-10T{hour}:00")
        clock.now += 300
    assert len(list(cache.iterdir())) == 5


def test_a_clock_set_back_does_not_stop_the_fetching(origin: Origin, clock: Clock) -> None:
    calendar = Calendar(origin.url())
    origin.serve(GOOD)
    known(calendar)
    clock.now -= 1_000_000
    origin.serve(feed(LATER))
    assert list(known(calendar).known) == AFTERNOON


def test_a_wider_expansion_serves_a_narrower_question(origin: Origin, cache: Path) -> None:
    origin.serve(GOOD)
    calendar = Calendar(origin.url())
    calendar.resolve(TimeRange(instant("2024-01-01"), instant("2024-06-01")), "UTC")
    known(calendar)
    assert len(list(cache.iterdir())) == 5
