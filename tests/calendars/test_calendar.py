"""``Calendar``: its arguments, what it selects, and what it shows."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.sources import lookup
from calendar_timetable.exceptions import CalendarUnavailable, InvalidArgument
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.origin import SECRET, Origin

HORIZON = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
HOUR = timedelta(hours=1)


def at(day: int, *lines: str) -> str:
    """An event of one hour at noon of *day*, whose UID is the day."""
    return event(f"UID:{day}", f"DTSTART:202403{day:02}T120000Z", "DURATION:PT1H", *lines)


TEAM = feed(
    at(1, "SUMMARY:Release Freeze", "CATEGORIES:Ops,Important"),
    at(2, "SUMMARY:Freeze?", "STATUS:TENTATIVE", "LOCATION:Room 1"),
    at(3, "SUMMARY:Gone", "STATUS:CANCELLED"),
    at(4, "SUMMARY:Lunch", "TRANSP:TRANSPARENT"),
    at(5, "SUMMARY:Home office", "X-MICROSOFT-CDO-BUSYSTATUS:FREE", "CATEGORIES:Personal"),
    at(6, "SUMMARY:Private", "CLASS:PRIVATE"),
    at(
        7,
        "SUMMARY:Meeting",
        "ATTENDEE;PARTSTAT=DECLINED:mailto:Ann@example.org",
        "ATTENDEE:mailto:bob@example.org",
    ),
    at(
        8,
        "SUMMARY:Review",
        "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.org",
        "ORGANIZER:mailto:eve@example.org",
    ),
)


def test_at_work_but_somewhere_else_is_free(tmp_path: Path) -> None:
    path = tmp_path / "team.ics"
    path.write_bytes(
        feed(
            at(1),
            at(2, "X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE"),
            at(3, "X-MICROSOFT-CDO-BUSYSTATUS:OOF"),
        )
    )
    assert days(Calendar(path)) == [1, 3]


@pytest.fixture
def team(tmp_path: Path) -> Path:
    path = tmp_path / "team.ics"
    path.write_bytes(TEAM)
    return path


def known(calendar: Calendar, horizon: TimeRange = HORIZON) -> CalendarSpans:
    calendar.validate()
    resolved = calendar.resolve(horizon, "UTC")
    assert isinstance(resolved, CalendarSpans)
    return resolved


def days(calendar: Calendar) -> list[int]:
    return [datetime.fromtimestamp(start, UTC).day for start, _ in known(calendar).known]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 2, 6, 7, 8]),
        ({"busy_only": True}, [1, 2, 6, 7, 8]),
        ({"busy_only": False}, [1, 2, 4, 5, 6, 7, 8]),
        ({"match": "*freeze*"}, [1, 2]),
        ({"match": "freeze"}, []),
        ({"match": "REVIEW"}, [8]),
        ({"categories": "ops"}, [1]),
        ({"categories": ["OPS", "personal"], "busy_only": False}, [1, 5]),
        ({"location": "room*"}, [2]),
        ({"attendee": "ann@example.org"}, [1, 2, 6, 8]),
        ({"attendee": "MAILTO:BOB@example.org"}, [1, 2, 6, 7]),
        ({"attendee": "eve@example.org", "match": "re*"}, [1, 8]),
        ({"attendee": "ann@example.org", "busy_only": False, "match": "Meeting"}, [7]),
    ],
)
def test_which_events_block(options: dict[str, Any], expected: list[int], team: Path) -> None:
    assert days(Calendar(team, **options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, [1, 4, 5, 6, 7, 8]), ({"busy_only": True}, [1, 6, 7, 8]), ({"match": "*freeze*"}, [1])],
)
def test_which_events_allow_and_are_due(
    options: dict[str, Any], expected: list[int], team: Path
) -> None:
    window = Calendar(team, **options).in_role(deny=False)
    assert days(window) == expected
    starts = Calendar(team, **options).starts(HORIZON, "UTC")[0]
    assert starts == [instant(f"2024-03-{day:02}T12:00") for day in expected]


def test_events_tell_all_that_match_also_free_and_cancelled_ones(team: Path) -> None:
    calendar = Calendar(team, timezone="UTC")
    found = calendar.events(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 6, tzinfo=UTC))
    assert [(e.uid, e.busy, e.status) for e in found] == [
        ("1", True, "confirmed"),
        ("2", True, "tentative"),
        ("3", False, "cancelled"),
        ("4", False, "confirmed"),
        ("5", False, "confirmed"),
    ]
    assert (found[0].categories, found[1].location, found[0].all_day) == (
        ("Ops", "Important"),
        "Room 1",
        False,
    )
    assert found[0].end - found[0].start == HOUR
    noon = datetime(2024, 3, 2, 12, tzinfo=UTC)
    assert [e.uid for e in calendar.events(noon + HOUR / 2, noon + HOUR)] == ["2"]
    assert calendar.events(noon + HOUR, noon + 2 * HOUR) == []


def test_pad_and_offset(team: Path) -> None:
    calendar = Calendar(team, match="Private", pad=(HOUR, 2 * HOUR), offset=-HOUR)
    assert list(known(calendar).known) == [
        (instant("2024-03-06T10:00"), instant("2024-03-06T14:00"))
    ]
    assert calendar.starts(HORIZON, "UTC")[0] == [instant("2024-03-06T11:00")]
    beyond = TimeRange(instant("2024-03-06T13:30"), instant("2024-03-06T18:00"))
    assert list(known(calendar, beyond).known) == [(beyond.start, instant("2024-03-06T14:00"))]
    far = Calendar(team, match="Private", offset=timedelta(days=400))
    assert far.starts(TimeRange(instant("2025-04-01"), instant("2025-05-01")), "UTC")[0] == [
        instant("2025-04-10T12:00")
    ]


def test_an_event_without_length_blocks_nothing_but_its_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_bytes(feed(event("DTSTART:20240310T120000Z")))
    assert list(known(Calendar(path)).known) == []
    padded = known(Calendar(path, pad=(HOUR, timedelta(0))))
    assert list(padded.known) == [(instant("2024-03-10T11:00"), instant("2024-03-10T12:00"))]
    assert Calendar(path).starts(HORIZON, "UTC")[0] == [instant("2024-03-10T12:00")]


@pytest.mark.parametrize(
    "copy", [("TRANSP:TRANSPARENT",), ("STATUS:CANCELLED", "SEQUENCE:1"), ("RRULE:FREQ=SECONDLY",)]
)
def test_calendars_say_nothing_of_each_others_events(copy: tuple[str, ...], tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours.ics", tmp_path / "theirs.ics"
    ours.write_bytes(feed(at(1), at(2)))
    theirs.write_bytes(feed(at(1, *copy), at(3)))
    resolved = (Calendar(ours) | Calendar(theirs)).resolve(HORIZON, "UTC")
    covered = resolved.cover(HORIZON.start, HORIZON.end)
    assert [datetime.fromtimestamp(start, UTC).day for start, _ in covered] == [1, 2, 3]


def test_titles_only_when_asked_for(team: Path) -> None:
    assert known(Calendar(team, match="*freeze")).titles == ()
    shown = known(Calendar(team, match="*freeze", show_titles=True))
    assert shown.titles == (
        (instant("2024-03-01T12:00"), instant("2024-03-01T13:00"), "Release Freeze"),
    )


def test_strict_blocks_the_time_of_what_is_not_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    bad = event("UID:bad", "DTSTART:20240310T120000Z", "DTEND:20240310T110000Z")
    path.write_bytes(
        feed(bad, event("UID:open", "DTSTART:20240325T000000Z", "RRULE:FREQ=SECONDLY"))
    )
    assert list(known(Calendar(path)).known) == []
    strict = Calendar(path, strict=True, timezone="UTC")
    assert list(known(strict).known) == [
        (instant("2024-03-10T11:00"), instant("2024-03-10T12:00")),
        (instant("2024-03-25"), HORIZON.end),
    ]
    assert list(known(strict.in_role(deny=False)).known) == []  # it must not open anything
    assert [problem.uid for problem in strict.problems()] == ["bad", "open"]


SWAPPED = ("DTSTART:20240310T120000Z", "DTEND:20240310T110000Z")
STRICT: dict[str, tuple[tuple[str, ...], dict[str, Any], list[tuple[str, str]]]] = {
    "as it is": (SWAPPED, {}, [("2024-03-10T11:00", "2024-03-10T12:00")]),
    "pad": (SWAPPED, {"pad": (HOUR, 2 * HOUR)}, [("2024-03-10T10:00", "2024-03-10T14:00")]),
    "offset": (SWAPPED, {"offset": 5 * HOUR}, [("2024-03-10T16:00", "2024-03-10T17:00")]),
    "both": (
        SWAPPED,
        {"pad": (HOUR, HOUR), "offset": -HOUR},
        [("2024-03-10T09:00", "2024-03-10T12:00")],
    ),
    "widened in from before": (
        SWAPPED,
        {"offset": timedelta(days=-10), "pad": (HOUR, 14 * HOUR)},
        [("2024-03-01T00:00", "2024-03-01T02:00")],
    ),
    "moved out": (SWAPPED, {"offset": timedelta(days=60)}, []),
    "moved in from after": (
        ("DTSTART:20240601T120000Z", "DTEND:20240601T110000Z"),
        {"offset": timedelta(days=-80)},
        [("2024-03-13T11:00", "2024-03-13T12:00")],
    ),
    "an open end": (
        ("DTSTART:20240325T120000Z", "RRULE:FREQ=SECONDLY"),
        {"pad": (HOUR, HOUR), "offset": 4 * HOUR},
        [("2024-03-25T15:00", "2024-04-01T00:00")],
    ),
    "both ends open": (
        ("SUMMARY:when?",),
        {"offset": timedelta(days=3)},
        [("2024-03-01T00:00", "2024-04-01T00:00")],
    ),
    "no length": (
        ("DTSTART:20240310T120000Z", "DTEND:20240310T120000Z", "RECURRENCE-ID:nonsense"),
        {"pad": (HOUR, HOUR)},
        [("2024-03-10T11:00", "2024-03-10T13:00")],
    ),
    "no length, no pad": (
        ("DTSTART:20240310T120000Z", "DTEND:20240310T120000Z", "RECURRENCE-ID:nonsense"),
        {},
        [],
    ),
    "cancelled": (
        (*SWAPPED, "STATUS:CANCELLED"),
        {"pad": (timedelta(days=30), timedelta(days=30))},
        [],
    ),
    "counted all the same": (
        ("DTSTART:20240310T120000Z", "DURATION:PT1H", "EXDATE:nonsense"),
        {"pad": (HOUR, HOUR), "offset": HOUR},
        [("2024-03-10T12:00", "2024-03-10T15:00")],
    ),
}


@pytest.mark.parametrize("name", STRICT)
def test_what_strict_blocks_is_moved_and_widened_as_events_are(name: str, tmp_path: Path) -> None:
    lines, options, expected = STRICT[name]
    path = tmp_path / "a.ics"
    path.write_bytes(feed(event(*lines)))
    found = list(known(Calendar(path, strict=True, **options)).known)
    assert found == [(instant(start), instant(end)) for start, end in expected]
    assert list(known(Calendar(path, strict=True, **options).in_role(deny=False)).known) == [
        span for span in found if name == "counted all the same"
    ]


def test_the_zone_is_the_one_given_else_the_timetables(tmp_path: Path) -> None:
    path = tmp_path / "a.ics"
    path.write_bytes(feed(event("DTSTART;VALUE=DATE:20240310")))
    for calendar in (Calendar(path, timezone="Asia/Tokyo"), Calendar(path)):
        resolved = calendar.resolve(HORIZON, "Asia/Tokyo")
        assert resolved.cover(HORIZON.start, HORIZON.end).bounds[0] == instant("2024-03-09T15:00")
    assert Calendar(path, timezone="Asia/Tokyo").describe().zone == "Asia/Tokyo"


# --- names and equality ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "label", "representation"),
    [
        ("team_calendar", "team_calendar", "Calendar('team_calendar')"),
        (
            f"https://u:{SECRET}@Example.org:8443/{SECRET}?k={SECRET}",
            "example.org",
            "Calendar('https://example.org:8443/…')",
        ),
        ("webcal://example.org", "example.org", "Calendar('webcal://example.org')"),
        (f"file:///{SECRET}/team.ics", "team.ics", "Calendar('file://…/team.ics')"),
        ("/srv/team.ics", "team.ics", "Calendar('/srv/team.ics')"),
        (
            f"calendar.google.com/{SECRET}/basic.ics",
            "basic.ics",
            "Calendar('calendar.google.com …')",
        ),
        (Path("team.ics"), "team.ics", "Calendar('team.ics')"),
        (Path("folder/team"), "team", "Calendar('./folder/team')"),
    ],
)
def test_what_is_shown(address: str | os.PathLike[str], label: str, representation: str) -> None:
    calendar = Calendar(address)
    assert (str(calendar), calendar.label, repr(calendar)) == (label, label, representation)


def test_equality_is_by_arguments() -> None:
    one, same, other = Calendar("c", match="a"), Calendar("c", match="a"), Calendar("c", match="b")
    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert Calendar("https://h/a") != Calendar("https://h/b")
    assert one.in_role(deny=False) != one
    assert one.in_role(deny=True) == one


# --- wrong arguments ------------------------------------------------------------------------------

REMEDY = "give an address"
WRONG: list[tuple[Any, dict[str, Any], str]] = [
    ("", {}, REMEDY),
    (None, {}, REMEDY),
    (5, {}, REMEDY),
    ("mon-fri 19:00-07:00", {}, "a weekly rule goes in Weekly('mon-fri 19:00-07:00')"),
    ("sat-sun", {}, "a weekly rule goes in Weekly('sat-sun')"),
    ("0 2 * * *", {}, REMEDY),
    (
        f"calendar.example.org/{SECRET}/basic",
        {},
        "Calendar='calendar.example.org …': give an address",
    ),
    (
        f"ftp://example.org/{SECRET}",
        {},
        "Calendar='ftp://example.org/…': use http, https, webcal, webcals or file",
    ),
    (f"https:///{SECRET}", {}, "this URL names no host"),
    (f"https://[bad/{SECRET}", {}, "this URL is malformed"),
    (f"https://h:port/{SECRET}", {}, "this URL is malformed"),
    ("file://server/team.ics", {}, "file:// and its whole path"),
    ("file:///", {}, "file:// and its whole path"),
    ("c", {"match": ""}, "match='': give a text"),
    ("c", {"match": 5}, "match=5: give a text"),
    ("c", {"location": " "}, "location=' '"),
    ("c", {"attendee": []}, "attendee=[]"),
    ("c", {"categories": {"a"}}, "give a text or a list of texts"),
    ("c", {"categories": 5}, "categories=5: give a text or a list of texts"),
    ("c", {"categories": ["a", None]}, "categories="),
    ("c", {"busy_only": "yes"}, "busy_only='yes': give True, False"),
    ("c", {"pad": HOUR}, "two timedeltas: (before, after)"),
    ("c", {"pad": (HOUR,)}, "two timedeltas: (before, after)"),
    ("c", {"pad": (HOUR, 5)}, "pad=5: give a datetime.timedelta"),
    ("c", {"pad": (HOUR, -HOUR)}, "pad="),
    ("c", {"offset": 5}, "offset=5: give a datetime.timedelta"),
    ("c", {"offset": timedelta(microseconds=1)}, "offset="),
    ("c", {"offset": timedelta.min}, "offset="),
    ("c", {"refresh": 300}, "refresh=300: give a datetime.timedelta"),
    ("c", {"refresh": -HOUR}, "refresh="),
    ("c", {"max_stale": None}, "max_stale=None"),
    ("c", {"max_stale": timedelta.max}, "max_stale="),
    ("c", {"timezone": "Mars/Base"}, "timezone='Mars/Base'"),
    ("c", {"on_unavailable": "skip"}, "on_unavailable='skip': give 'hold' or 'ignore'"),
    ("c", {"strict": 1}, "strict=1: give True or False"),
    ("c", {"show_titles": None}, "show_titles=None: give True or False"),
]


@pytest.mark.parametrize(("address", "options", "message"), WRONG)
def test_wrong_arguments(address: Any, options: dict[str, Any], message: str) -> None:
    calendar = Calendar(address, **options)  # never raises
    repr(calendar), str(calendar), hash(calendar)
    with pytest.raises(InvalidArgument) as raised:
        calendar.validate()
    assert message in str(raised.value)
    assert SECRET not in str(raised.value)
    assert SECRET not in repr(calendar)


@pytest.mark.parametrize(
    "address",
    ["c", "my-conn.id", "https://h", "WebCal://h/x", "~/a.ics", "../a", "a.ICS", Path("a")],
)
def test_right_addresses(address: str | os.PathLike[str]) -> None:
    Calendar(
        address, offset=-HOUR, refresh=timedelta(0), busy_only=False, categories=["a"]
    ).validate()


# --- Connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"extra": {"url": "https://h/x.ics"}, "host": "other"}, "https://h/x.ics"),
        ({"host": "webcal://h/x.ics"}, "webcal://h/x.ics"),
        ({"host": "h", "extra": {"path": "/x.ics"}}, "https://h/x.ics"),
        (
            {"host": "h", "schema": "http", "port": 8080, "extra": {"path": "x.ics"}},
            "http://h:8080/x.ics",
        ),
        ({"host": "h", "conn_type": "http", "schema": "x.ics"}, "http://h/x.ics"),
        ({}, None),
    ],
)
def test_the_address_in_a_connection(fields: dict[str, Any], address: str | None) -> None:
    base = {
        "host": None,
        "schema": None,
        "port": None,
        "conn_type": "generic",
        "extra_dejson": fields.pop("extra", {}),
    }
    assert lookup.connection_address(SimpleNamespace(**{**base, **fields})) == address


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    """Airflow Connections by id, without Airflow's start-up."""
    known_ids: dict[str, SimpleNamespace] = {}

    class BaseHook:
        @staticmethod
        def get_connection(conn_id: str) -> SimpleNamespace:
            if conn_id not in known_ids:
                raise RuntimeError(f"{SECRET} is not defined")
            return known_ids[conn_id]

    monkeypatch.setitem(
        __import__("sys").modules, "airflow.sdk", SimpleNamespace(BaseHook=BaseHook)
    )
    return known_ids


def test_a_connection_gives_address_and_credentials(
    origin: Origin, connections: dict[str, SimpleNamespace]
) -> None:
    origin.serve(TEAM)
    connections["team"] = SimpleNamespace(
        host=origin.url(),
        schema=None,
        port=None,
        conn_type="generic",
        login="ann",
        password=SECRET,
        extra_dejson={},
    )
    found = known(Calendar("team", match="Private"))
    assert (found.label, len(found.known)) == ("team", 1)
    assert origin.seen[0]["authorization"].startswith("Basic ")


@pytest.mark.parametrize("conn_id", ["missing", "blank"])
def test_a_connection_that_is_of_no_use(
    conn_id: str, connections: dict[str, SimpleNamespace]
) -> None:
    connections["blank"] = SimpleNamespace(
        host="", schema="", port=None, conn_type="generic", login="", password="", extra_dejson={}
    )
    with pytest.raises(
        CalendarUnavailable, match=rf"calendar {conn_id} cannot be read: .*Connection"
    ) as raised:
        known(Calendar(conn_id))
    assert SECRET not in str(raised.value)
    assert Calendar(conn_id, timezone="UTC").describe().status == "unavailable"
    ignored = known(Calendar(conn_id, on_unavailable="ignore"))
    assert (list(ignored.known), ignored.note) == ([], "cannot be read and is ignored")
