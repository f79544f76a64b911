"""Each thing a feed may do to harm.

The child that expands it keeps its limits, and the rest of the calendar stays.

What the child may use is limited by the kernel (``RLIMIT_AS``, ``RLIMIT_CPU``); that it kept the
limits is told by what the kernel counted. The parent, which stands for DAG processor, scheduler and
web server, never loads what expands.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import calendar_timetable
from calendar_timetable.calendars import limits
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.occurrences import ParsedCalendar
from calendar_timetable.planning.time_sets import CalendarSpans, TimeRange
from tests.support.feed_fixtures import Clock
from tests.support.ics import event, feed, spans
from tests.support.moments import instant
from tests.support.origin import Origin

pytestmark = pytest.mark.slow

SECONDS = 14.0  # that the child may use here: in production it is limits.EXPAND_SECONDS
MEMORY = 1024**3  # bytes; no line comes near limits.EXPAND_MEMORY, which the kernel enforces
PARENT = 1.5  # seconds of processor time to hand a body over and take the answer
GOOD = event("UID:good", "SUMMARY:Fine", "DTSTART:20240310T120000Z", "DURATION:PT1H")
FINE = "2024-03-10 12:00/13:00"
WHEN = "DTSTART:20240101T000000Z"


@dataclass(frozen=True)
class Hostile:
    """*components* beside a good event.

    Which UIDs are set aside and why ("or" as fast as the host is), what else is read.
    """

    components: str
    problems: tuple[tuple[str, str], ...] = ()
    others: tuple[str, ...] = ()


def bad(*lines: str) -> str:
    return event("UID:bad", "SUMMARY:Harm", *lines)


def set_aside(reason: str) -> tuple[tuple[str, str], ...]:
    return (("bad", reason),)


TOO_MANY = set_aside("more than 10000 occurrences or it takes too long to expand")
NEVER = set_aside("its rule never comes true")
RDATES = ",".join(
    f"2024{1 + n // 28 % 12:02}{1 + n % 28:02}T{n // 14400 % 24:02}{n // 240 % 60:02}{n % 60:02}"
    for n in range(200_000)
)
OBSERVANCE = "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
HEAD = "BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
ZONED = event("UID:zoned", "DTSTART;TZID=Own:20240102T000000", "DURATION:PT1H")

TABLE: dict[str, Hostile] = {
    "SECONDLY": Hostile(
        bad(WHEN, "RRULE:FREQ=SECONDLY"), set_aside("a rule that repeats every second is refused")
    ),
    "SECONDLY, bounded": Hostile(
        bad(WHEN, "RRULE:FREQ=SECONDLY;COUNT=3"),
        set_aside("a rule that repeats every second is refused"),
    ),
    "MINUTELY for ever": Hostile(bad(WHEN, "RRULE:FREQ=MINUTELY"), TOO_MANY),
    "MINUTELY since the year 1": Hostile(
        bad("DTSTART:00010101T000000Z", "RRULE:FREQ=MINUTELY"), TOO_MANY
    ),
    "MINUTELY, each second of it": Hostile(
        bad(
            "DTSTART:00010101T000000Z",
            "RRULE:FREQ=MINUTELY;BYSECOND=" + ",".join(map(str, range(60))),
        ),
        TOO_MANY,
    ),
    "INTERVAL=0": Hostile(
        bad(WHEN, "RRULE:FREQ=HOURLY;INTERVAL=0"), set_aside("a rule with INTERVAL=0 is refused")
    ),
    "INTERVAL=00": Hostile(
        bad(WHEN, "RRULE:FREQ=DAILY;INTERVAL=00"), set_aside("a rule with INTERVAL=0 is refused")
    ),
    "a negative INTERVAL": Hostile(
        bad(WHEN, "RRULE:FREQ=DAILY;INTERVAL=-1"), set_aside("a rule with INTERVAL=0 is refused")
    ),
    "a date that never comes, by the minute": Hostile(
        bad(WHEN, "RRULE:FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=31"), NEVER
    ),
    "a date that never comes, by the hour": Hostile(
        bad(WHEN, "RRULE:FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30"), NEVER
    ),
    "a date that never comes, by the day": Hostile(
        bad(WHEN, "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"), NEVER
    ),
    "a date that never comes, by the year": Hostile(
        bad(WHEN, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"), NEVER
    ),
    "a date that never comes, once more": Hostile(
        bad(WHEN, "RRULE:FREQ=MONTHLY;BYMONTHDAY=31;BYMONTH=4"), NEVER
    ),
    "hours that never come": Hostile(bad(WHEN, "RRULE:FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1"), NEVER),
    "every second of a year, to be counted": Hostile(
        bad(
            WHEN,
            "RRULE:FREQ=YEARLY;BYDAY=MO;BYSETPOS=1;BYHOUR="
            + ",".join(map(str, range(24)))
            + ";BYMINUTE="
            + ",".join(map(str, range(60)))
            + ";BYSECOND="
            + ",".join(map(str, range(60))),
        ),
        set_aside("its rule has too many times of the day to count them"),
    ),
    "a COUNT that is walked through from the year 1": Hostile(
        bad("DTSTART:00010101T000000Z", "RRULE:FREQ=MINUTELY;COUNT=999999999999"),
        set_aside("it takes too long to expand"),
    ),
    "200,000 RDATEs": Hostile(bad("DTSTART:20240101T000000", f"RDATE:{RDATES}"), TOO_MANY),
    "10,000 RDATEs in a VTIMEZONE": Hostile(
        HEAD
        + "".join(f"RDATE:{1971 + n // 366}01{1 + n % 28:02}T000000\r\n" for n in range(10_000))
        + OBSERVANCE
        + ZONED,
        others=("2024-01-01 23:00/2024-01-02 00:00",),
    ),
    "a VTIMEZONE that changes by the minute": Hostile(
        HEAD + "RRULE:FREQ=MINUTELY\r\n" + OBSERVANCE + ZONED,
        (("zoned", "DTSTART: its time zone's VTIMEZONE cannot be understood"),),
    ),
    "an attachment of 20 MB": Hostile(
        event(
            "UID:big",
            WHEN,
            "DURATION:PT1H",
            "ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "A" * 20_000_000,
        ),
        others=("2024-01-01 00:00/01:00",),
    ),
    "an attachment of 20 MB, folded": Hostile(
        event("UID:big", WHEN, "DURATION:PT1H", "ATTACH:" + ("A" * 74 + "\r\n ") * 260_000),
        others=("2024-01-01 00:00/01:00",),
    ),
    "200,000 X- lines": Hostile(
        event("UID:x", WHEN, "DURATION:PT1H", *[f"X-N{n}:b" for n in range(200_000)]),
        others=("2024-01-01 00:00/01:00",),
    ),
    "50,000 components, one in the other": Hostile("BEGIN:X\r\n" * 50_000 + "END:X\r\n" * 50_000),
    "50,000 components, never closed": Hostile("BEGIN:X\r\n" * 50_000),
    "an event in an event": Hostile(
        f"BEGIN:VEVENT\r\nUID:bad\r\n{WHEN}\r\n"
        + event("UID:inner", WHEN, "DURATION:PT1H")
        + "\r\nEND:VEVENT",
        (("", "the calendar is cut off"), ("bad", "it is not closed properly")),
        ("2024-01-01 00:00/01:00",),
    ),
    "20,000 alarms": Hostile(
        event(
            "UID:x",
            WHEN,
            "DURATION:PT1H",
            *["BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nEND:VALARM"] * 20_000,
        ),
        others=("2024-01-01 00:00/01:00",),
    ),
    "an end in the year 9999": Hostile(
        event("UID:x", WHEN, "DTEND:99991231T235959Z"),
        others=("2024-01-01 00:00/9999-12-30 00:00",),
    ),
    "an end in the year 9999, each day": Hostile(
        event(
            "UID:x",
            "DTSTART:20241229T000000Z",
            "DTEND:99991231T235959Z",
            "RRULE:FREQ=DAILY;COUNT=2",
        ),
        # No further than is asked
        others=("2024-12-29 00:00/9999-12-30 00:00", "2024-12-30 00:00/2025-01-05 00:00"),
    ),
    "a length beyond all calendars": Hostile(
        bad(WHEN, "DURATION:P99999999999D"), set_aside("DURATION: a duration is out of range")
    ),
    "raw CRLF in a summary": Hostile(
        event("UID:x", "SUMMARY:a\r\nb: c\r\n\r\nd", WHEN, "DURATION:PT1H"),
        others=("2024-01-01 00:00/01:00",),
    ),
}


def expanded(body: bytes, parent: float = PARENT) -> dict[str, Any]:
    """What came of it, and what it took: see :mod:`tests.support.child_measured`."""
    bounds = str(instant("2024-01-01")), str(instant("2025-01-01"))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.child_measured", *bounds, str(SECONDS)],
        input=body,
        capture_output=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["child_memory"] < MEMORY < limits.EXPAND_MEMORY
    assert found["child_seconds"] < SECONDS + 1, "the kernel kills at a whole second"
    assert found["parent_seconds"] < parent
    assert not {"icalendar", "recurring_ical_events", "dateutil"} & set(found["parent_modules"])
    return found


@pytest.mark.parametrize("name", TABLE)
def test_it_is_bounded_and_the_rest_stays(name: str) -> None:
    row = TABLE[name]
    found = expanded(feed(row.components, GOOD))
    assert found["error"] == ""
    reading = ParsedCalendar.from_wire(found["reading"])
    assert sorted(spans(reading)) == sorted([*row.others, FINE])
    assert [problem.uid for problem in reading.problems] == [uid for uid, _ in row.problems]
    for problem, (_, reasons) in zip(reading.problems, row.problems, strict=True):
        assert problem.reason in reasons.split(" or ")
    assert not any(text in json.dumps(found["reading"]["problems"]) for text in ("Harm", "FREQ"))


def test_all_of_it_at_once() -> None:
    """They share the time: a calendar full of harm is still read."""
    every = "\r\n".join(row.components for row in TABLE.values() if len(row.components) < 300_000)
    found = expanded(feed(every.replace("UID:x\r\n", ""), GOOD))
    assert found["error"] == ""
    assert FINE in spans(ParsedCalendar.from_wire(found["reading"]))


def test_100_000_events_are_read_with_the_rest() -> None:
    many = [
        event(f"UID:{n}", f"DTSTART:2024{1 + n // 28 % 12:02}{1 + n % 28:02}T000000Z")
        for n in range(100_000)
    ]
    found = expanded(feed(*many, GOOD), parent=4 * PARENT)
    assert found["error"] == ""
    rows = found["reading"]["rows"]
    assert len(rows) == 100_001
    assert FINE in spans(ParsedCalendar.from_wire(found["reading"]))


def test_more_events_than_that_are_refused_and_the_last_good_copy_stays(
    origin: Origin, clock: Clock
) -> None:
    many = feed("BEGIN:VEVENT\r\nEND:VEVENT\r\n" * (limits.MAX_COMPONENTS + 1))
    calendar = Calendar(origin.url())
    horizon = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
    for body, status in ((feed(GOOD), "ok"), (many, "stale")):
        origin.serve(body)
        clock.now += 600
        resolved = calendar.resolve(horizon, "UTC")
        assert isinstance(resolved, CalendarSpans)
        assert list(resolved.known) == [(instant("2024-03-10T12:00"), instant("2024-03-10T13:00"))]
        assert calendar.describe().status == status
    assert (
        calendar.describe().error == f"cannot be read: more than {limits.MAX_COMPONENTS} components"
    )


def test_only_the_child_can_expand() -> None:
    """Nothing but the module that is run in the child imports what expands.

    And it does so inside of one function.
    """
    package = Path(calendar_timetable.__file__).parent
    importers = {
        file.name
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module == "calendar_timetable.calendars.ical.reader"
    }
    assert importers == {"expand.py"}
    top = ast.parse((package / "calendars" / "ical" / "expand.py").read_text()).body
    assert not [
        node for node in top if isinstance(node, ast.ImportFrom) and "reader" in (node.module or "")
    ]
