"""A schedule that was kept is the one that would be made anew, or is not used."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.timetables.trigger import MultipleCronTriggerTimetable
from freezegun import freeze_time

from calendar_timetable import Calendar, CalendarTimetable, Holidays, Weekly
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.ical.expand import ExpansionFailed
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.schedule.arguments import Arguments
from tests.support.feed_fixtures import Clock, TimeZones
from tests.support.ics import event, feed
from tests.support.origin import Origin, Reply

pytestmark = pytest.mark.slow

DAYS = [f"{datetime.now(UTC):%Y%m}{day:02}" for day in range(1, 29)]
EVENTS = [
    event(
        f"UID:{day}",
        f"SUMMARY:{'freeze' if number % 2 else 'review'}",
        f"DTSTART:{day}T0{number % 4}0000Z",
        "DURATION:PT5H",
    )
    for number, day in enumerate(DAYS)
]
LATER = [text.replace("T0", "T1") for text in EVENTS]
BROKEN = event("UID:broken", f"DTSTART:{DAYS[3]}T090000Z", "DTEND:never")
NIGHTLY = "30 1 * * *"


@pytest.fixture
def team(tmp_path: Path) -> Path:
    path = tmp_path / "team.ics"
    path.write_bytes(feed(*EVENTS, BROKEN))
    Calendar(path).describe()  # what comes of the first reading is not kept
    return path


def anew(timetable: CalendarTimetable) -> Any:
    """What the schedule is, whatever is kept."""
    assert timetable.arguments is not None
    return json.loads(json.dumps(timetable.arguments.read(datetime.now(UTC).timestamp()).to_json()))


@pytest.fixture
def nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From when it is called on, only what was kept can answer."""

    def read(*_: object, **__: object) -> None:
        raise AssertionError("made anew")

    return lambda: monkeypatch.setattr(Arguments, "read", read)


def kept_files(cache: Path) -> list[Path]:
    return [path for path in (cache / "schedules").rglob("*") if path.is_file()]


SCHEDULES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "blackouts": lambda team: {"schedule": NIGHTLY, "blackouts": Calendar(team)},
    "an address": lambda team: {"schedule": NIGHTLY, "blackouts": team},
    "windows": lambda team: {
        "schedule": NIGHTLY,
        "windows": Calendar(team, pad=(timedelta(hours=1), timedelta(0))),
    },
    "the schedule": lambda team: {"schedule": Calendar(team), "offset": timedelta(minutes=-5)},
    "an interval": lambda team: {"schedule": timedelta(hours=5), "blackouts": Calendar(team)},
    "a timetable": lambda team: {
        "schedule": MultipleCronTriggerTimetable("0 1 * * *", "0 3 * * MON", timezone="UTC"),
        "blackouts": Calendar(team),
    },
    "titles, strict": lambda team: {
        "schedule": NIGHTLY,
        "blackouts": Calendar(team, strict=True, show_titles=True),
    },
    "sets": lambda team: {
        "schedule": NIGHTLY,
        "windows": Weekly("daily 22:00-07:00") | (Calendar(team, match="rev*") - Weekly("sun")),
        "blackouts": [Calendar(team, match="fr*"), ~Calendar(team, busy_only=True)],
        "timezone": "America/New_York",
        "duration": timedelta(hours=2),
        "stagger": timedelta(hours=1),
        "when_blocked": "advance",
    },
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_what_is_kept_is_what_would_be_made(
    name: str, team: Path, nothing_is_read: Callable[[], None]
) -> None:
    given = SCHEDULES[name](team)
    made, expected = CalendarTimetable(**given).serialize(), anew(CalendarTimetable(**given))
    assert made == expected
    nothing_is_read()
    assert CalendarTimetable(**given).serialize() == expected
    assert list(CalendarTimetable(**given).serialize()) == list(expected), "in this order"


CHANGES: dict[str, dict[str, Any]] = {
    "schedule": {"schedule": "45 1 * * *"},
    "an interval of the same length": {"schedule": timedelta(days=1)},
    "timezone": {"timezone": "Asia/Tokyo"},
    "duration": {"duration": timedelta(hours=3)},
    "when_blocked": {"when_blocked": "skip"},
    "max_delay": {"max_delay": timedelta(hours=6)},
    "stagger": {"stagger": timedelta(hours=1)},
    "stagger_key": {"stagger": timedelta(hours=1), "stagger_key": "another"},
    "coalesce": {"coalesce": False},
    "windows": {"windows": Weekly("daily 01:00-09:00")},
    "the zone of a window": {"windows": Weekly("daily 01:00-09:00", timezone="Asia/Tokyo")},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "match": {"match": "fr*"},
    "busy_only": {"busy_only": False},
    "pad": {"pad": (timedelta(hours=1), timedelta(0))},
    "offset": {"offset": timedelta(hours=1)},
    "strict": {"strict": True},
    "show_titles": {"show_titles": True},
    "name": {"name": "Another"},
    "max_stale": {"max_stale": timedelta(days=2)},
}


def test_another_argument_is_another_schedule(team: Path, cache: Path) -> None:
    usual: dict[str, Any] = {"schedule": NIGHTLY, "timezone": "UTC"}
    others = [{"blackouts": Calendar(team), **change} for change in CHANGES.values()]
    others += [{"blackouts": Calendar(team, **option)} for option in OPTIONS.values()]
    for given in ({"blackouts": Calendar(team)}, {"windows": Calendar(team)}, *others):
        timetable = CalendarTimetable(**{**usual, **given})
        assert timetable.serialize() == anew(timetable)
    assert len(kept_files(cache)) == 2 + len(others)


def test_another_calendar_is_another_schedule(team: Path, tmp_path: Path) -> None:
    copy = tmp_path / "other" / "team.ics"
    copy.parent.mkdir()
    copy.write_bytes(feed(*LATER))
    one, other = (CalendarTimetable(NIGHTLY, blackouts=Calendar(path)) for path in (team, copy))
    assert one.serialize() == anew(one) != other.serialize() == anew(other)


def test_a_changed_calendar_is_seen(team: Path) -> None:
    before = CalendarTimetable(NIGHTLY, blackouts=team).serialize()
    team.write_bytes(feed(*LATER))
    after = CalendarTimetable(NIGHTLY, blackouts=team).serialize()
    assert after == anew(CalendarTimetable(NIGHTLY, blackouts=team)) != before
    team.write_bytes(feed(*EVENTS, BROKEN))
    assert CalendarTimetable(NIGHTLY, blackouts=team).serialize() == before


def test_the_source_is_asked_when_it_is_due(origin: Origin, clock: Clock) -> None:
    origin.serve(feed(*EVENTS))
    before = CalendarTimetable(NIGHTLY, blackouts=origin.url()).serialize()
    origin.serve(feed(*LATER))
    assert CalendarTimetable(NIGHTLY, blackouts=origin.url()).serialize() == before
    assert len(origin.seen) == 1
    clock.now += 301
    assert CalendarTimetable(NIGHTLY, blackouts=origin.url()).serialize() != before
    assert len(origin.seen) == 2


def test_where_one_calendar_cannot_be_read_the_next_is_not_asked(origin: Origin) -> None:
    origin.fail(Reply(500))
    blackouts = [Calendar(origin.url(f"/{name}.ics")) for name in ("one", "two")]
    held = CalendarTimetable(NIGHTLY, blackouts=blackouts).serialize()
    told = [calendar["held"]["why"] for calendar in held["blackouts"]["any"]]
    assert told == ["HTTP 500", "not asked while 127.0.0.1 cannot be read"]
    assert len(origin.seen) == 1


def test_a_copy_that_lapsed_holds_the_dag_whatever_is_kept(origin: Origin, clock: Clock) -> None:
    def blackouts() -> Calendar:
        return Calendar(origin.url(), max_stale=timedelta(hours=1))

    origin.serve(feed(*EVENTS))
    for _ in range(2):  # at first the source is due, and what comes of that is not kept
        kept = CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize()
    origin.fail(Reply(500))
    clock.now += 3000
    assert CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize() == kept
    clock.now += 1000
    held = CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize()
    assert held["blackouts"]["held"]["why"] == "HTTP 500"
    origin.serve(feed(*EVENTS))
    clock.now += 3600
    assert CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize() == kept


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[:-30],
    "one digit": lambda content: content[:-40] + bytes([content[-40] ^ 1]) + content[-39:],
    "no seal": lambda content: content.split(b"\n")[1],
    "of something else": lambda content: content.split(b"\n")[0] + b"\n{}",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_damaged_is_made_anew(damage: str, team: Path, cache: Path) -> None:
    whole = CalendarTimetable(NIGHTLY, blackouts=team).serialize()
    (path,) = kept_files(cache)
    good = path.read_bytes()
    path.write_bytes(DAMAGES[damage](good))
    assert CalendarTimetable(NIGHTLY, blackouts=team).serialize() == whole
    assert path.read_bytes() == good


def test_every_day_all_is_made_anew_and_what_is_older_forgotten(
    team: Path, cache: Path, nothing_is_read: Callable[[], None]
) -> None:
    def serialize() -> list[str]:
        CalendarTimetable(NIGHTLY, blackouts=team).serialize()
        return sorted(path.parent.name for path in kept_files(cache))

    foreign = cache / "schedules" / "mine"
    with freeze_time("2026-03-10T23:59:00Z") as clock:
        assert serialize() == ["20260310"]
        foreign.mkdir()
        clock.tick(120)
        assert serialize() == ["20260310", "20260311"], "a host's clock may be behind"
        clock.tick(86400)
        assert serialize() == ["20260311", "20260312"]
        assert foreign.exists()
        clock.tick(86400)
        nothing_is_read()
        with pytest.raises(AssertionError, match="made anew"):
            serialize()


def test_a_folder_that_cannot_be_written_only_costs_time(
    origin: Origin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    for module in ("schedule.compile_cache", "calendars.feed.cache"):
        monkeypatch.setattr(f"calendar_timetable.{module}.replace_file", refuse)
    origin.serve(feed(*EVENTS))
    seen = [CalendarTimetable(NIGHTLY, blackouts=origin.url()).serialize() for _ in range(3)]
    assert seen[0] == seen[1] == seen[2]
    assert len(origin.seen) == 3, "once each time"
    assert kept_files(cache) == []


def test_secret_addresses_on_one_server_are_told_apart(
    origin: Origin, nothing_is_read: Callable[[], None]
) -> None:
    bodies = {f"/private-{number}/team.ics": feed(*EVENTS[number:]) for number in range(3)}
    origin.reply = lambda request: Reply(200, {}, bodies[request.path.partition("?")[0]])

    def serialize() -> list[dict[str, Any]]:
        return [
            CalendarTimetable(NIGHTLY, blackouts=origin.url(path)).serialize() for path in bodies
        ]

    serialize()
    first = serialize()
    assert len({json.dumps(one["blackouts"]["spans"]) for one in first}) == 3
    nothing_is_read()
    assert serialize() == first


def test_a_calendar_that_is_ignored_for_once_is_back_the_next_time(
    team: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blackouts() -> Calendar:
        return Calendar(team, on_unavailable="ignore")

    whole = CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize()

    def fail(*_: object) -> None:
        raise ExpansionFailed("not done in time")

    with monkeypatch.context() as patch, freeze_time(datetime.now(UTC) + timedelta(days=320)):
        patch.setattr(feeds, "expand", fail)
        assert "cannot be read" in json.dumps(
            CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize()
        )
    with freeze_time(datetime.now(UTC) + timedelta(days=320)):
        assert "cannot be read" not in json.dumps(
            CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize()
        )
    assert CalendarTimetable(NIGHTLY, blackouts=blackouts()).serialize() == whole


class Always(TimeSet):
    """A set of a user's own, of which nobody knows what it goes by."""

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return Weekly("daily")

    def cover(self, start: int, end: int) -> Spans:
        return Spans([(start, end)])


class Mine(Calendar):
    """A calendar of a user's own."""


class Ours(Holidays):
    """Holidays of a user's own."""


@pytest.mark.parametrize(
    "name",
    ["a user's own holidays", "a user's own set", "a user's own calendar", "one to be ignored"],
)
def test_what_goes_by_more_than_copies_is_not_kept(name: str, team: Path, cache: Path) -> None:
    windows_or_schedule: dict[str, dict[str, Any]] = {
        "a user's own holidays": {"windows": Ours("DE")},
        "a user's own set": {"windows": Always()},
        "a user's own calendar": {"schedule": Mine(team)},
        "one to be ignored": {"windows": Calendar(team, on_unavailable="ignore")},
    }
    CalendarTimetable(
        **{"schedule": NIGHTLY, "blackouts": team, **windows_or_schedule[name]}
    ).serialize()
    assert kept_files(cache) == []


def test_holidays_are_kept_until_their_library_is_another(
    team: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def serialized() -> dict[str, Any]:
        return CalendarTimetable(NIGHTLY, blackouts=[team, Holidays("DE")]).serialize()

    assert serialized() == serialized()
    (first,) = kept_files(cache)
    monkeypatch.setattr(Holidays, "library", lambda self: "holidays 99")
    serialized()
    assert len(kept_files(cache)) == 2 and first in kept_files(cache)


def test_schedules_are_kept_until_the_time_zone_database_is_another(
    team: Path, time_zones: TimeZones, nothing_is_read: Callable[[], None]
) -> None:
    days = [
        text.replace("START:", "START;TZID=Europe/Berlin:").replace("Z\r", "\r") for text in EVENTS
    ]
    team.write_bytes(feed(*days))

    def serialized() -> dict[str, Any]:
        return CalendarTimetable(NIGHTLY, timezone="UTC", blackouts=team).serialize()

    time_zones.upgrade("Asia/Tokyo")
    serialized()  # what comes of the first reading is not kept
    before = serialized()
    time_zones.upgrade("America/New_York")
    after = serialized()
    assert after == anew(CalendarTimetable(NIGHTLY, timezone="UTC", blackouts=team)) != before
    nothing_is_read()
    assert serialized() == after


def test_what_is_kept_is_for_its_owner_only(team: Path, cache: Path) -> None:
    before = os.umask(0o002)
    try:
        CalendarTimetable(NIGHTLY, blackouts=team).serialize()
    finally:
        os.umask(before)
    (path,) = kept_files(cache)
    assert [place.stat().st_mode & 0o077 for place in (path, *path.parents[:3])] == [0, 0, 0, 0]
