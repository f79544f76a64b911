"""The edge table of time: what each trap must give, literally, and where RFC 5545 says so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calendar_timetable.calendars import limits
from tests.support.effort import tries
from tests.support.ics import event, feed, spans, understood

BERLIN = "TZID=Europe/Berlin"  # clocks forward 2024-03-31 02:00, back 2024-10-27 03:00
# By half an hour: back 2024-04-07 02:00, forward 2024-10-06 02:00
LORD_HOWE = "TZID=Australia/Lord_Howe"
SANTIAGO = "TZID=America/Santiago"  # at midnight: back 2024-04-06 24:00, forward 2024-09-07 24:00
CUSTOM = "\r\n".join(
    [
        "BEGIN:VTIMEZONE",
        "TZID:Office",
        "BEGIN:STANDARD",
        "DTSTART:16011028T030000",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10",
        "TZOFFSETFROM:+0330",
        "TZOFFSETTO:+0230",
        "END:STANDARD",
        "BEGIN:DAYLIGHT",
        "DTSTART:16010325T020000",
        "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3",
        "TZOFFSETFROM:+0230",
        "TZOFFSETTO:+0330",
        "END:DAYLIGHT",
        "END:VTIMEZONE",
    ]
)


@dataclass(frozen=True)
class Edge:
    """One row. ``rfc`` is a section of RFC 5545 unless it names another."""

    name: str
    rfc: str
    components: list[str]
    expected: list[str]
    problems: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    zone: str = "UTC"
    start: str = "2024-01-01"
    end: str = "2025-01-01"


def one(*lines: str) -> list[str]:
    return [event(*lines)]


OWN_RULE = "RRULE: a changed instance with a rule of its own"
OF_NONE = "RECURRENCE-ID: not of one alone of the events that share a UID"


def moved(instance: str) -> str:
    return event(f"RECURRENCE-ID:{instance}", "DTSTART:20240320T150000Z", "DURATION:PT1H")


def with_dates(*lines: str) -> str:
    return event("DTSTART:20240310T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2", *lines)


SHARED = [
    event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
    with_dates(),
]

EDGES = [
    # --- what a time without a zone means
    Edge(
        "a date is a whole day",
        "3.6.1",
        one("DTSTART;VALUE=DATE:20240310"),
        ["2024-03-10 00:00/2024-03-11 00:00"],
    ),
    Edge(
        "a whole day in the calendar's zone is 23 h long in spring",
        "3.6.1",
        one("DTSTART;VALUE=DATE:20240331"),
        ["2024-03-30 23:00/2024-03-31 22:00"],
        head=("X-WR-TIMEZONE:Europe/Berlin",),
    ),
    Edge(
        "a whole day in the zone given",
        "3.6.1",
        one("DTSTART;VALUE=DATE:20241027", "DTEND;VALUE=DATE:20241028"),
        ["2024-10-26 22:00/2024-10-27 23:00"],
        zone="Europe/Berlin",
    ),
    Edge(
        "the calendar's zone goes before the one given",
        "3.3.5",
        one("DTSTART:20240701T090000", "DTEND:20240701T100000"),
        ["2024-07-01 13:00/14:00"],
        head=("X-WR-TIMEZONE:America/New_York",),
        zone="Europe/Berlin",
    ),
    Edge(
        "a junk zone of the calendar gives way to the one given, and is told",
        "3.3.5",
        one("DTSTART:20240701T090000", "DTEND:20240701T100000"),
        ["2024-07-01 07:00/08:00"],
        ("X-WR-TIMEZONE is unknown: Europe/Berlin is used instead",),
        head=("X-WR-TIMEZONE:Nowhere/At all",),
        zone="Europe/Berlin",
    ),
    Edge(
        "a day ending on itself is that day",
        "3.8.2.2",
        one("DTSTART;VALUE=DATE:20240310", "DTEND;VALUE=DATE:20240310"),
        ["2024-03-10 00:00/2024-03-11 00:00"],
    ),
    Edge(
        "all-day and weekly, over a change",
        "3.8.5.3",
        one("DTSTART;VALUE=DATE:20240324", "RRULE:FREQ=WEEKLY;UNTIL=20240407"),
        [
            "2024-03-23 23:00/2024-03-24 23:00",
            "2024-03-30 23:00/2024-03-31 22:00",
            "2024-04-06 22:00/2024-04-07 22:00",
        ],
        zone="Europe/Berlin",
    ),
    # --- clocks forward and back
    Edge(
        "a time in the spring gap has the offset from before it",
        "3.3.5",
        one(f"DTSTART;{BERLIN}:20240331T023000", f"DTEND;{BERLIN}:20240331T040000"),
        ["2024-03-31 01:30/02:00"],
    ),
    Edge(
        "a time in the autumn overlap is the first",
        "3.3.5",
        one(f"DTSTART;{BERLIN}:20241027T023000", f"DTEND;{BERLIN}:20241027T033000"),
        ["2024-10-27 00:30/02:30"],
    ),
    Edge(
        "half an hour back in Lord Howe",
        "3.3.5",
        one(
            f"DTSTART;{LORD_HOWE}:20240406T014500",
            f"DTEND;{LORD_HOWE}:20240406T024500",
            "RRULE:FREQ=DAILY;COUNT=3",
        ),
        ["2024-04-05 14:45/15:45", "2024-04-06 14:45/16:15", "2024-04-07 15:15/16:15"],
    ),
    Edge(
        "half an hour forward in Lord Howe",
        "3.3.5",
        one(
            f"DTSTART;{LORD_HOWE}:20241005T021500",
            f"DTEND;{LORD_HOWE}:20241005T031500",
            "RRULE:FREQ=DAILY;COUNT=3",
        ),
        ["2024-10-04 15:45/16:45", "2024-10-05 15:45/16:15", "2024-10-06 15:15/16:15"],
    ),
    Edge(
        "midnight does not exist in Santiago",
        "3.3.5",
        one(
            f"DTSTART;{SANTIAGO}:20240907T000000",
            f"DTEND;{SANTIAGO}:20240907T060000",
            "RRULE:FREQ=DAILY;COUNT=3",
        ),
        ["2024-09-07 04:00/10:00", "2024-09-08 04:00/09:00", "2024-09-09 03:00/09:00"],
    ),
    Edge(
        "a day of 25 h in Santiago",
        "3.6.1",
        one("DTSTART;VALUE=DATE:20240406", "RRULE:FREQ=DAILY;COUNT=2"),
        ["2024-04-06 03:00/2024-04-07 04:00", "2024-04-07 04:00/2024-04-08 04:00"],
        zone="America/Santiago",
    ),
    Edge(
        "a night's end is a wall-clock time",
        "3.8.2.2",
        one(
            f"DTSTART;{BERLIN}:20240330T190000",
            f"DTEND;{BERLIN}:20240331T070000",
            "RRULE:FREQ=DAILY;COUNT=2",
        ),
        ["2024-03-30 18:00/2024-03-31 05:00", "2024-03-31 17:00/2024-04-01 05:00"],
    ),
    Edge(
        "PT24H is exact",
        "3.3.6",
        one(f"DTSTART;{BERLIN}:20240330T120000", "DURATION:PT24H", "RRULE:FREQ=DAILY;COUNT=1"),
        ["2024-03-30 11:00/2024-03-31 11:00"],
    ),
    Edge(
        "PT24H is exact for an instance that is not the first",
        "3.8.5.3",
        one(f"DTSTART;{BERLIN}:20240329T120000", "DURATION:PT24H", "RRULE:FREQ=DAILY;COUNT=2"),
        ["2024-03-29 11:00/2024-03-30 11:00", "2024-03-30 11:00/2024-03-31 11:00"],
    ),
    Edge(
        "P1D is a day on the calendar",
        "3.3.6",
        one(f"DTSTART;{BERLIN}:20240330T120000", "DURATION:P1D"),
        ["2024-03-30 11:00/2024-03-31 10:00"],
    ),
    Edge(
        "P1DT2H is a day on the calendar and two hours",
        "3.3.6",
        one(f"DTSTART;{BERLIN}:20240330T120000", "DURATION:P1DT2H"),
        ["2024-03-30 11:00/2024-03-31 12:00"],
    ),
    Edge(
        "P1W",
        "3.3.6",
        one(f"DTSTART;{BERLIN}:20240330T120000", "DURATION:P1W"),
        ["2024-03-30 11:00/2024-04-06 10:00"],
    ),
    Edge(
        "a short event wholly in the gap keeps its length",
        "3.3.5",
        one(
            f"DTSTART;{BERLIN}:20240330T023000",
            f"DTEND;{BERLIN}:20240330T031500",
            "RRULE:FREQ=DAILY;COUNT=2",
        ),
        ["2024-03-30 01:30/02:15", "2024-03-31 01:30/02:15"],
    ),
    # --- ends that are instants, where the clock of the start tells an hour twice or not at all
    Edge(
        "an end in UTC in the second of two hours is as far away on other days",
        "3.8.5.3",
        one(
            f"DTSTART;{BERLIN}:20241027T023000",
            "DTEND:20241027T013000Z",
            "RRULE:FREQ=DAILY;COUNT=3",
        ),
        ["2024-10-27 00:30/01:30", "2024-10-28 01:30/02:30", "2024-10-29 01:30/02:30"],
    ),
    Edge(
        "an end in UTC, beside an RDATE",
        "3.8.5.3",
        one(
            f"DTSTART;{BERLIN}:20241027T023000",
            "DTEND:20241027T013000Z",
            "RRULE:FREQ=DAILY;COUNT=2",
            f"RDATE;{BERLIN}:20241102T100000",
        ),
        ["2024-10-27 00:30/01:30", "2024-10-28 01:30/02:30", "2024-11-02 09:00/10:00"],
    ),
    Edge(
        "an end in UTC of a night is exact when clocks go back",
        "3.8.5.3",
        one(
            f"DTSTART;{BERLIN}:20241025T220000",
            "DTEND:20241026T040000Z",
            "RRULE:FREQ=DAILY;COUNT=3",
        ),
        [
            "2024-10-25 20:00/2024-10-26 04:00",
            "2024-10-26 20:00/2024-10-27 04:00",
            "2024-10-27 21:00/2024-10-28 05:00",
        ],
    ),
    Edge(
        "a weekly flight takes as long in every week, whatever clocks do in between",
        "3.8.2.2",
        one(
            f"DTSTART;{BERLIN}:20240303T120000",
            "DTEND;TZID=America/New_York:20240303T150000",
            "RRULE:FREQ=WEEKLY;COUNT=3",
        ),
        ["2024-03-03 11:00/20:00", "2024-03-10 11:00/20:00", "2024-03-17 11:00/20:00"],
    ),
    Edge(
        "an end in UTC where half an hour comes twice",
        "3.8.5.3",
        one(
            f"DTSTART;{LORD_HOWE}:20240407T014500",
            "DTEND:20240406T151500Z",
            "RRULE:FREQ=DAILY;COUNT=2",
        ),
        ["2024-04-06 14:45/15:15", "2024-04-07 15:15/15:45"],
    ),
    Edge(
        "whole days that end at midnight in UTC are days on the calendar",
        "3.8.2.2",
        one("DTSTART;VALUE=DATE:20241026", "DTEND:20241026T220000Z", "RRULE:FREQ=DAILY;COUNT=2"),
        ["2024-10-25 22:00/2024-10-26 22:00", "2024-10-26 22:00/2024-10-27 23:00"],
        zone="Europe/Berlin",
    ),
    Edge(
        "a period in UTC over the hour that comes twice, and one in winter",
        "3.8.5.2",
        one(
            f"DTSTART;{BERLIN}:20241001T100000",
            f"DTEND;{BERLIN}:20241001T110000",
            "RDATE;VALUE=PERIOD:20241027T000000Z/20241027T013000Z,20241110T000000Z/PT90M",
        ),
        ["2024-10-01 08:00/09:00", "2024-10-27 00:00/01:30", "2024-11-10 00:00/01:30"],
    ),
    Edge(
        "a period as long as the event on the clock, over the hour that comes twice",
        "3.8.5.2",
        one(
            f"DTSTART;{BERLIN}:20241001T100000",
            "DURATION:PT1H",
            "RDATE;VALUE=PERIOD:20241026T233000Z/20241027T013000Z",
        ),
        ["2024-10-01 08:00/09:00", "2024-10-26 23:30/2024-10-27 01:30"],
    ),
    Edge(
        "a period by the clock over the hour that comes twice",
        "3.8.5.2",
        one(
            f"DTSTART;{BERLIN}:20241001T100000",
            "DURATION:PT1H",
            f"RDATE;VALUE=PERIOD;{BERLIN}:20241027T010000/20241027T033000",
        ),
        ["2024-10-01 08:00/09:00", "2024-10-26 23:00/2024-10-27 02:30"],
    ),
    Edge(
        "a period keeps its length where all that follow are moved",
        "3.8.4.4",
        [
            event(
                f"DTSTART;{BERLIN}:20241001T100000",
                "DURATION:PT1H",
                "RDATE;VALUE=PERIOD:20241002T080000Z/20241002T103000Z,20241003T080000Z/PT3H",
            ),
            event(
                f"RECURRENCE-ID;RANGE=THISANDFUTURE;{BERLIN}:20241002T100000",
                f"DTSTART;{BERLIN}:20241002T120000",
                "DURATION:PT2H",
            ),
        ],
        ["2024-10-01 08:00/09:00", "2024-10-02 10:00/12:00", "2024-10-03 10:00/13:00"],
    ),
    Edge(
        "all that follow are moved to times in UTC: each as long",
        "3.8.4.4",
        [
            event(f"DTSTART;{BERLIN}:20241020T023000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY"),
            event(
                f"RECURRENCE-ID;RANGE=THISANDFUTURE;{BERLIN}:20241020T023000",
                "DTSTART:20241020T000000Z",
                "DTEND:20241020T010000Z",
            ),
        ],
        ["2024-10-20 00:00/01:00", "2024-10-27 00:00/01:00", "2024-11-03 01:00/02:00"],
        end="2024-11-10",
    ),
    Edge(
        "a period that began long before what is asked",
        "3.8.5.2",
        one(
            "DTSTART:20231001T100000Z",
            "DURATION:PT1H",
            "RDATE;VALUE=PERIOD:20231101T000000Z/20240102T060000Z,20231101T000000Z/PT1H",
            "RDATE;VALUE=PERIOD:20231201T000000Z/20231224T000000Z",
        ),
        ["2023-11-01 00:00/2024-01-02 06:00"],
    ),
    Edge(
        "a period that ends before it starts",
        "3.3.9",
        one(
            "DTSTART:20240310T100000Z",
            "DURATION:PT1H",
            "RDATE;VALUE=PERIOD:20240311T120000Z/20240311T100000Z,20240312T120000Z/PT1H",
        ),
        ["2024-03-10 10:00/11:00", "2024-03-12 12:00/13:00"],
        ("it ends before it starts",),
    ),
    Edge(
        "an event from the gap to its end keeps its length",
        "3.3.5",
        one(f"DTSTART;{BERLIN}:20240331T020000", f"DTEND;{BERLIN}:20240331T030000"),
        ["2024-03-31 01:00/02:00"],
    ),
    Edge(
        "so does a series that begins there",
        "3.3.5",
        one(
            f"DTSTART;{BERLIN}:20240331T023000",
            f"DTEND;{BERLIN}:20240331T031500",
            "RRULE:FREQ=DAILY;COUNT=2",
        ),
        ["2024-03-31 01:30/02:15", "2024-04-01 00:30/01:15"],
    ),
    Edge(
        "an end before the start on the clock, in the gap",
        "3.8.2.2",
        one(f"DTSTART;{BERLIN}:20240331T031500", f"DTEND;{BERLIN}:20240331T023000"),
        [],
        ("it ends before it starts",),
    ),
    # --- ends
    Edge("no end: no length", "3.6.1", one("DTSTART:20240310T120000Z"), ["2024-03-10 12:00/12:00"]),
    Edge(
        "an end at the start: no length",
        "3.8.2.2",
        one("DTSTART:20240310T120000Z", "DTEND:20240310T120000Z"),
        ["2024-03-10 12:00/12:00"],
    ),
    Edge(
        "an end before the start is not swapped",
        "3.8.2.2",
        one("DTSTART:20240310T120000Z", "DTEND:20240310T110000Z"),
        [],
        ("it ends before it starts",),
    ),
    Edge(
        "an end before the start, by zones",
        "3.8.2.2",
        one("DTSTART;TZID=America/New_York:20240310T120000", f"DTEND;{BERLIN}:20240310T130000"),
        [],
        ("it ends before it starts",),
    ),
    Edge(
        "a flight's end has another zone",
        "3.8.2.2",
        one(f"DTSTART;{BERLIN}:20240310T120000", "DTEND;TZID=America/New_York:20240310T150000"),
        ["2024-03-10 11:00/19:00"],
    ),
    Edge(
        "a negative duration",
        "3.8.2.5",
        one("DTSTART:20240310T120000Z", "DURATION:-PT1H"),
        [],
        ("it ends before it starts",),
    ),
    Edge(
        "an end in the year 9999",
        "3.8.2.2",
        one("DTSTART:20240310T120000Z", "DTEND:99991231T235959Z"),
        ["2024-03-10 12:00/9999-12-30 00:00"],
    ),
    Edge("no start", "3.8.2.4", one("SUMMARY:when?"), [], ("no DTSTART",)),
    Edge(
        "a malformed start",
        "3.3.5",
        one("DTSTART:2024-03-10"),
        [],
        ("DTSTART: a time is malformed, 9999-99-99",),
    ),
    Edge(
        "the 30th of February",
        "3.3.4",
        one("DTSTART;VALUE=DATE:20240230"),
        [],
        ("DTSTART: no such time, 99999999",),
    ),
    # --- UNTIL
    Edge(
        "UNTIL as a date includes that day",
        "3.3.10",
        one(
            f"DTSTART;{BERLIN}:20240301T220000", "DURATION:PT1H", "RRULE:FREQ=DAILY;UNTIL=20240303"
        ),
        ["2024-03-01 21:00/22:00", "2024-03-02 21:00/22:00", "2024-03-03 21:00/22:00"],
    ),
    Edge(
        "UNTIL without Z is in the zone of the start",
        "3.3.10",
        one(
            f"DTSTART;{BERLIN}:20240301T220000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY;UNTIL=20240303T220000",
        ),
        ["2024-03-01 21:00/22:00", "2024-03-02 21:00/22:00", "2024-03-03 21:00/22:00"],
    ),
    Edge(
        "UNTIL in UTC, to the second",
        "3.3.10",
        one(
            f"DTSTART;{BERLIN}:20240301T220000",
            "DURATION:PT1H",
            "RRULE:UNTIL=20240303T205959Z;FREQ=DAILY",
        ),
        ["2024-03-01 21:00/22:00", "2024-03-02 21:00/22:00"],
    ),
    Edge(
        "UNTIL with a time on whole days",
        "3.3.10",
        one("DTSTART;VALUE=DATE:20240301", "RRULE:FREQ=DAILY;UNTIL=20240302T000000Z"),
        ["2024-03-01 00:00/2024-03-02 00:00", "2024-03-02 00:00/2024-03-03 00:00"],
    ),
    # --- instances added, taken away and changed
    Edge(
        "EXDATE in another zone",
        "3.8.5.1",
        one(
            f"DTSTART;{BERLIN}:20240301T100000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY;COUNT=3",
            "EXDATE:20240302T090000Z",
        ),
        ["2024-03-01 09:00/10:00", "2024-03-03 09:00/10:00"],
    ),
    Edge(
        "EXDATE as a date on timed instances",
        "3.8.5.1",
        one(
            "DTSTART:20240301T100000Z",
            "RRULE:FREQ=DAILY;COUNT=3",
            "EXDATE;VALUE=DATE:20240302,20240303",
        ),
        ["2024-03-01 10:00/10:00"],
    ),
    Edge(
        "EXRULE still counts",
        "RFC 2445 4.8.5.2",
        one("DTSTART:20240301T100000Z", "RRULE:FREQ=DAILY;COUNT=4", "EXRULE:FREQ=DAILY;INTERVAL=2"),
        ["2024-03-02 10:00/10:00", "2024-03-04 10:00/10:00"],
    ),
    Edge(
        "RDATE alone",
        "3.8.5.2",
        one(
            f"DTSTART;{BERLIN}:20240301T100000",
            "DURATION:PT1H",
            f"RDATE;{BERLIN}:20240305T100000,20240401T100000",
        ),
        ["2024-03-01 09:00/10:00", "2024-03-05 09:00/10:00", "2024-04-01 08:00/09:00"],
    ),
    Edge(
        "RDATE as periods",
        "3.8.5.2",
        one(
            "DTSTART:20240301T100000Z",
            "DURATION:PT1H",
            "RDATE;VALUE=PERIOD:20240305T100000Z/20240305T130000Z,20240306T100000Z/PT30M",
        ),
        ["2024-03-01 10:00/11:00", "2024-03-05 10:00/13:00", "2024-03-06 10:00/10:30"],
    ),
    Edge(
        "one instance moved",
        "3.8.4.4",
        [
            event(f"DTSTART;{BERLIN}:20240301T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event(
                "RECURRENCE-ID:20240302T090000Z",
                f"DTSTART;{BERLIN}:20240310T100000",
                "DURATION:PT2H",
            ),
        ],
        ["2024-03-01 09:00/10:00", "2024-03-03 09:00/10:00", "2024-03-10 09:00/11:00"],
    ),
    Edge(
        "an instance moved from outside into what is asked",
        "3.8.4.4",
        [
            event("DTSTART:20230301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event("RECURRENCE-ID:20230302T100000Z", "DTSTART:20240310T100000Z", "DURATION:PT2H"),
        ],
        ["2024-03-10 10:00/12:00"],
    ),
    Edge(
        "RECURRENCE-ID as a date on timed instances is not doubled",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event("RECURRENCE-ID;VALUE=DATE:20240302", "DTSTART:20240302T150000Z", "DURATION:PT1H"),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 15:00/16:00", "2024-03-03 10:00/11:00"],
    ),
    Edge(
        "an override without its event",
        "3.8.4.4",
        one("RECURRENCE-ID:20240302T100000Z", "DTSTART:20240302T150000Z", "DURATION:PT1H"),
        ["2024-03-02 15:00/16:00"],
    ),
    Edge(
        "this and all that follow, two hours later and longer",
        "3.8.4.4",
        [
            event(f"DTSTART;{BERLIN}:20240329T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4"),
            event(
                f"RECURRENCE-ID;RANGE=THISANDFUTURE;{BERLIN}:20240330T100000",
                f"DTSTART;{BERLIN}:20240330T120000",
                "DURATION:PT2H",
            ),
        ],
        [
            "2024-03-29 09:00/10:00",
            "2024-03-30 11:00/13:00",
            "2024-03-31 10:00/12:00",
            "2024-04-01 10:00/12:00",
        ],
    ),
    Edge(
        "a bad override leaves its instance in place",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
            event("RECURRENCE-ID:20240302T100000Z", "SUMMARY:when?"),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 10:00/11:00"],
        ("no DTSTART",),
    ),
    Edge(
        "a cancelled override takes its instance away",
        "3.8.1.11",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event("RECURRENCE-ID:20240302T100000Z", "DTSTART:20240302T100000Z", "STATUS:CANCELLED"),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-03 10:00/11:00"],
    ),
    Edge(
        "a cancelled event takes all of its instances away",
        "3.8.1.11",
        one("DTSTART:20240301T100000Z", "STATUS:CANCELLED", "RRULE:FREQ=DAILY;COUNT=3"),
        [],
    ),
    Edge(
        "an end by the clock and a length in hours differ across a change",
        "3.8.2.5",
        [
            event("UID:a", f"DTSTART;{BERLIN}:20241026T120000", f"DTEND;{BERLIN}:20241027T120000"),
            event("UID:b", f"DTSTART;{BERLIN}:20241026T120000", "DURATION:PT24H"),
        ],
        ["2024-10-26 10:00/2024-10-27 10:00", "2024-10-26 10:00/2024-10-27 11:00"],
    ),
    Edge(
        "a floating time is wall-clock time where it is read",
        "3.3.5",
        one("DTSTART:20240701T100000", "DURATION:PT1H"),
        ["2024-07-01 01:00/02:00"],
        zone="Asia/Tokyo",
    ),
    Edge(
        "the newest of two versions",
        "3.8.7.4",
        [
            event("SEQUENCE:1", "DTSTART:20240301T100000Z", "DURATION:PT1H"),
            event("SEQUENCE:2", "DTSTART:20240301T120000Z", "DURATION:PT1H"),
        ],
        ["2024-03-01 12:00/13:00"],
    ),
    Edge(
        "two events that share a UID are both there",
        "3.8.4.7",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H"),
            event("DTSTART:20240302T120000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 12:00/13:00", "2024-03-03 12:00/13:00"],
    ),
    Edge(
        "a changed instance with a rule of its own",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event(
                "RECURRENCE-ID:20240302T100000Z",
                "DTSTART:20240302T150000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=WEEKLY",
            ),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 15:00/16:00", "2024-03-03 10:00/11:00"],
        (OWN_RULE,),
    ),
    Edge(
        "all that follow, with a rule of their own",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            event(
                "RECURRENCE-ID;RANGE=THISANDFUTURE:20240302T100000Z",
                "DTSTART:20240302T150000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=DAILY;INTERVAL=2;COUNT=9",
            ),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 15:00/16:00", "2024-03-03 15:00/16:00"],
        (OWN_RULE,),
    ),
    Edge(
        "all that follow, with the rule of the series, whose count would begin anew",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
            event(
                "RECURRENCE-ID;RANGE=THISANDFUTURE:20240302T100000Z",
                "DTSTART:20240302T150000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=DAILY;COUNT=2",
            ),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 15:00/16:00"],
        (OWN_RULE,),
    ),
    Edge(
        "a changed instance that repeats the rule and the dates of its series",
        "3.8.4.4",
        [
            event(
                "DTSTART:20240301T100000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=DAILY;COUNT=2",
                "RDATE:20240305T100000Z,20240306T100000Z",
            ),
            event(
                "RECURRENCE-ID:20240302T100000Z",
                "DTSTART:20240302T150000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=DAILY;COUNT=2",
                "RDATE:20240305T100000Z",
            ),
        ],
        [
            "2024-03-01 10:00/11:00",
            "2024-03-02 15:00/16:00",
            "2024-03-05 10:00/11:00",
            "2024-03-06 10:00/11:00",
        ],
    ),
    Edge(
        "a changed instance with dates of its own",
        "3.8.4.4",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
            event(
                "RECURRENCE-ID:20240302T100000Z",
                "DTSTART:20240302T150000Z",
                "DURATION:PT1H",
                "RDATE:20240305T100000Z",
            ),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 15:00/16:00"],
        ("RDATE: a changed instance with dates of its own",),
    ),
    Edge(
        "a changed instance with a rule, and no series",
        "3.8.4.4",
        one(
            "RECURRENCE-ID:20240302T100000Z",
            "DTSTART:20240302T150000Z",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY",
        ),
        ["2024-03-02 15:00/16:00"],
        (OWN_RULE,),
    ),
    Edge(
        "all that follow of no series",
        "3.8.4.4",
        one(
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20240302T100000Z",
            "DTSTART:20240302T150000Z",
            "DURATION:PT1H",
        ),
        ["2024-03-02 15:00/16:00"],
        ("RECURRENCE-ID: all that follow, and their series is not there",),
    ),
    Edge(
        "a cancelled instance adds nothing, whatever its rule",
        "3.8.1.11",
        [
            event("DTSTART:20240301T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=2"),
            event("RECURRENCE-ID:20240302T100000Z", "STATUS:CANCELLED", "RRULE:FREQ=WEEKLY"),
        ],
        ["2024-03-01 10:00/11:00"],
    ),
    Edge(
        "of two events that share a UID the one is changed that has the instance",
        "3.8.4.4",
        [*SHARED, moved("20240311T100000Z")],
        [
            "2024-03-01 10:00/11:00",
            "2024-03-02 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-20 15:00/16:00",
        ],
    ),
    Edge(
        "so it is by an instance that was added",
        "3.8.4.4",
        [SHARED[0], with_dates("RDATE:20240320T100000Z"), moved("20240320T100000Z")],
        [
            "2024-03-01 10:00/11:00",
            "2024-03-02 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-11 10:00/11:00",
            "2024-03-20 15:00/16:00",
        ],
    ),
    Edge(
        "so it is by an instance that the other one leaves out",
        "3.8.4.4",
        [
            event(
                "DTSTART:20240309T100000Z",
                "DURATION:PT1H",
                "RRULE:FREQ=DAILY;COUNT=3",
                "EXDATE:20240311T100000Z",
            ),
            *SHARED[1:],
            moved("20240311T100000Z"),
        ],
        [
            "2024-03-09 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-20 15:00/16:00",
        ],
    ),
    Edge(
        "so it is by an event that does not recur, in a zone of its own",
        "3.8.4.4",
        [
            SHARED[0],
            event(f"DTSTART;{BERLIN}:20240310T110000", "DURATION:PT1H"),
            moved("20240310T110000"),
        ],
        ["2024-03-01 10:00/11:00", "2024-03-02 10:00/11:00", "2024-03-20 15:00/16:00"],
    ),
    Edge(
        "of two events that share a UID none has the instance that is changed",
        "3.8.4.4",
        [*SHARED, moved("20240315T100000Z")],
        [
            "2024-03-01 10:00/11:00",
            "2024-03-02 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-11 10:00/11:00",
            "2024-03-20 15:00/16:00",
        ],
        (OF_NONE,),
    ),
    Edge(
        "of two events that share a UID both have the instance that is changed",
        "3.8.4.4",
        [
            event("DTSTART:20240309T100000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"),
            *SHARED[1:],
            moved("20240311T100000Z"),
        ],
        [
            "2024-03-09 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-10 10:00/11:00",
            "2024-03-11 10:00/11:00",
            "2024-03-20 15:00/16:00",
        ],
        (OF_NONE,),
    ),
    Edge(
        "of two events that share a UID the one with a bad rule has no instance",
        "3.8.4.4",
        [
            event("DTSTART:20240309T100000Z", "DURATION:PT1H", "RRULE:FREQ=SECONDLY"),
            *SHARED[1:],
            moved("20240311T100000Z"),
        ],
        ["2024-03-10 10:00/11:00", "2024-03-20 15:00/16:00"],
        ("a rule that repeats every second is refused",),
    ),
    # --- rules
    Edge(
        "HOURLY counts hours on the clock: none twice over the overlap",
        "3.3.10",
        one(f"DTSTART;{BERLIN}:20241027T010000", "DURATION:PT30M", "RRULE:FREQ=HOURLY;COUNT=4"),
        [
            "2024-10-26 23:00/23:30",
            "2024-10-27 00:00/00:30",
            "2024-10-27 02:00/02:30",
            "2024-10-27 03:00/03:30",
        ],
    ),
    Edge(
        "the last day of each month",
        "3.3.10",
        one("DTSTART;VALUE=DATE:20240131", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=2;"),
        ["2024-01-31 00:00/2024-02-01 00:00", "2024-02-29 00:00/2024-03-01 00:00"],
    ),
    Edge(
        "an empty rule is none",
        "3.8.5.3",
        one("DTSTART;VALUE=DATE:20241225", "RRULE:"),
        ["2024-12-25 00:00/2024-12-26 00:00"],
    ),
    Edge(
        "DTSTART counts where its rule does not name it",
        "3.8.5.3",
        one("DTSTART:20240304T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=2"),
        ["2024-03-04 10:00/10:00", "2024-03-06 10:00/10:00", "2024-03-13 10:00/10:00"],
    ),
    Edge(
        "DTSTART that its rule does not name may be left out",
        "3.8.5.1",
        one(
            "DTSTART:20240304T100000Z",
            "RRULE:FREQ=WEEKLY;BYDAY=WE;COUNT=1",
            "EXDATE:20240304T100000Z",
        ),
        ["2024-03-06 10:00/10:00"],
    ),
    Edge(
        "the weekday of a week is that of DTSTART, also beside an RDATE",
        "3.3.10",
        one("DTSTART:20240514T100000Z", "RRULE:FREQ=YEARLY;BYWEEKNO=20", "RDATE:20240601T100000Z"),
        ["2024-05-14 10:00/10:00", "2024-06-01 10:00/10:00"],
    ),
    Edge(
        "an EXRULE takes nothing away that it does not name",
        "RFC 2445 4.8.5.2",
        one("DTSTART:20240305T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "EXRULE:FREQ=WEEKLY;BYDAY=WE"),
        ["2024-03-05 10:00/10:00", "2024-03-07 10:00/10:00"],
    ),
    Edge(
        "every instance of a day that its rule names, times of the day ignored",
        "3.3.10",
        one("DTSTART;VALUE=DATE:20240304", "RRULE:FREQ=DAILY;BYHOUR=9,17;COUNT=2"),
        ["2024-03-04 00:00/2024-03-05 00:00", "2024-03-05 00:00/2024-03-06 00:00"],
    ),
    Edge(
        "every second is refused, the rest stays",
        "3.3.10",
        [
            event("UID:bad", "DTSTART:20240301T100000Z", "RRULE:FREQ=SECONDLY;COUNT=2"),
            event("DTSTART:20240302T100000Z"),
        ],
        ["2024-03-02 10:00/10:00"],
        ("a rule that repeats every second is refused",),
    ),
    Edge(
        "INTERVAL=0 is refused",
        "3.3.10",
        one("DTSTART:20240301T100000Z", "RRULE:FREQ=DAILY;INTERVAL=0"),
        [],
        ("a rule with INTERVAL=0 is refused",),
    ),
    Edge(
        "the 30th of February never comes",
        "3.3.10",
        one("DTSTART:20240301T100000Z", "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"),
        [],
        ("its rule never comes true",),
    ),
    Edge(
        "a rule of nonsense",
        "3.3.10",
        one("DTSTART:20240301T100000Z", "RRULE:FREQ=DAILY;BYDAY=XX"),
        [],
        ("its rule cannot be understood",),
    ),
    Edge(
        "a rule that ended before it began leaves its start",
        "3.8.5.3",
        one("DTSTART:20240301T100000Z", "RRULE:FREQ=DAILY;UNTIL=20240201T000000Z"),
        ["2024-03-01 10:00/10:00"],
    ),
    # --- zones
    Edge(
        "a Windows zone",
        "3.2.19",
        one("DTSTART;TZID=W. Europe Standard Time:20240701T100000", "DURATION:PT1H"),
        ["2024-07-01 08:00/09:00"],
    ),
    Edge(
        "a vendor's zone",
        "3.2.19",
        one(
            "DTSTART;TZID=/freeassociation.sourceforge.net/Europe/Berlin:20240701T100000",
            "DURATION:PT1H",
        ),
        ["2024-07-01 08:00/09:00"],
    ),
    Edge(
        "an unquoted offset as zone",
        "3.2.19",
        one("DTSTART;TZID=UTC+02:00:20240701T100000", "DURATION:PT1H"),
        ["2024-07-01 08:00/09:00"],
    ),
    Edge(
        "the feed's own zone: winter, gap, summer, overlap, winter",
        "3.6.5",
        [
            CUSTOM,
            event("UID:a", "DTSTART;TZID=Office:20240301T100000"),
            event("UID:b", "DTSTART;TZID=Office:20240331T023000"),
            event("UID:c", "DTSTART;TZID=Office:20240701T100000"),
            event("UID:d", "DTSTART;TZID=Office:20241027T023000"),
            event("UID:e", "DTSTART;TZID=Office:20241201T100000"),
        ],
        [
            "2024-03-01 07:30/07:30",
            "2024-03-31 00:00/00:00",
            "2024-07-01 06:30/06:30",
            "2024-10-26 23:00/23:00",
            "2024-12-01 07:30/07:30",
        ],
    ),
    Edge(
        "a series in the feed's own zone",
        "3.6.5",
        [
            CUSTOM,
            event(
                "DTSTART;TZID=Office:20240330T100000", "DURATION:PT24H", "RRULE:FREQ=DAILY;COUNT=2"
            ),
        ],
        ["2024-03-30 07:30/2024-03-31 07:30", "2024-03-31 06:30/2024-04-01 06:30"],
    ),
    Edge(
        "an unknown zone",
        "3.2.19",
        [
            event("UID:bad", "DTSTART;TZID=Nowhere:20240301T100000"),
            event("DTSTART:20240302T100000Z"),
        ],
        ["2024-03-02 10:00/10:00"],
        ("DTSTART: unknown time zone, xxxxxxx",),
    ),
    # --- other components
    Edge(
        "busy periods",
        "3.6.4",
        [
            event(
                "DTSTART:20240301T000000Z",
                "DTEND:20240401T000000Z",
                "FREEBUSY:20240302T100000Z/PT1H,20240303T100000Z/20240303T120000Z",
                "FREEBUSY;FBTYPE=FREE:20240304T100000Z/PT1H",
                kind="VFREEBUSY",
            )
        ],
        ["2024-03-02 10:00/11:00", "2024-03-03 10:00/12:00"],
    ),
    Edge(
        "time that is not available is busy",
        "RFC 7953 3.1",
        [
            event(
                "DTSTART;TZID=Europe/Berlin:20240329T000000",
                "DTEND;TZID=Europe/Berlin:20240401T000000",
                event(
                    f"DTSTART;{BERLIN}:20240329T090000",
                    "DURATION:PT8H",
                    "RRULE:FREQ=DAILY",
                    kind="AVAILABLE",
                ),
                kind="VAVAILABILITY",
            )
        ],
        [
            "2024-03-28 23:00/2024-03-29 08:00",
            "2024-03-29 16:00/2024-03-30 08:00",
            "2024-03-30 16:00/2024-03-31 07:00",
            "2024-03-31 15:00/22:00",
        ],
    ),
    Edge(
        "a higher priority decides alone where it applies",
        "RFC 7953 4",
        [
            event(
                "UID:low",
                "DTSTART:20240301T000000Z",
                "DURATION:P2D",
                "PRIORITY:9",
                kind="VAVAILABILITY",
            ),
            event(
                "UID:high",
                "DTSTART:20240302T000000Z",
                "DURATION:P2D",
                "PRIORITY:1",
                event("DTSTART:20240302T000000Z", "DURATION:P1DT12H", kind="AVAILABLE"),
                kind="VAVAILABILITY",
            ),
        ],
        ["2024-03-01 00:00/2024-03-02 00:00", "2024-03-03 12:00/2024-03-04 00:00"],
    ),
    Edge(
        "tasks and journals are no events",
        "3.6.2",
        [event("DTSTART:20240301T100000Z", kind="VTODO")],
        [],
    ),
]


@pytest.mark.parametrize("edge", EDGES, ids=[edge.name for edge in EDGES])
def test_edge(edge: Edge) -> None:
    reading = understood(feed(*edge.components, head=edge.head), edge.start, edge.end, edge.zone)
    assert (
        spans(
            replace(
                reading, rows=tuple(row for row in reading.rows if row[0].status != "cancelled")
            )
        )
        == edge.expected
    )
    assert tuple(problem.reason for problem in reading.problems) == edge.problems


CHANGES = {
    "Europe/Berlin": (datetime(2024, 3, 31, 1), datetime(2024, 10, 27, 1)),
    "Australia/Lord_Howe": (datetime(2024, 4, 6, 15), datetime(2024, 10, 5, 15)),
    "America/Santiago": (datetime(2024, 4, 7, 3), datetime(2024, 9, 8, 4)),
}


@settings(deadline=None, max_examples=tries(150))
@given(data=st.data())
def test_an_event_that_has_a_length_is_never_without_one(data: st.DataObject) -> None:
    """However its end is written, and wherever in the hours around a change of clocks it lies."""
    zone = data.draw(st.sampled_from(sorted(CHANGES)))
    near = data.draw(st.sampled_from(CHANGES[zone]))
    minutes = st.integers(-14, 14).map(lambda quarters: timedelta(minutes=15 * quarters))
    start = (near + data.draw(minutes)).replace(tzinfo=UTC)
    first = start.astimezone(ZoneInfo(zone))
    length = timedelta(minutes=15 * data.draw(st.integers(1, 12)))
    # An event of wall-clock times; one whose end is an instant; the same as a period
    wall = first.replace(tzinfo=None, fold=0)
    begin = f"DTSTART;TZID={zone}:{wall:%Y%m%dT%H%M%S}"
    instant = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    form = data.draw(st.sampled_from(["clock", "instant", "period"]))
    if form == "clock":
        lines = [begin, f"DTEND;TZID={zone}:{wall + length:%Y%m%dT%H%M%S}"]
    elif form == "instant":
        lines = [begin, f"DTEND:{instant + length:%Y%m%dT%H%M%SZ}"]
    else:
        begin = f"DTSTART;TZID={zone}:20240101T100000"
        period = f"{start:%Y%m%dT%H%M%SZ}/{start + length:%Y%m%dT%H%M%SZ}"
        lines = [begin, "DURATION:PT15M", f"RDATE;VALUE=PERIOD:{period}"]
    rule = data.draw(st.sampled_from(["RRULE:FREQ=DAILY;COUNT=3", "X-NONE:1"]))
    more = data.draw(st.sampled_from(["RDATE:20241201T100000Z", "X-NONE:2"]))
    reading = understood(feed(event(*lines, rule, more)), "2023-12-01", "2025-01-01")
    assert all(last > begin for _, begin, last in reading.rows)
    if form == "period":
        exact = (int(start.timestamp()), int((start + length).timestamp()))
        assert exact in {row[1:] for row in reading.rows} or reading.problems
    else:
        assert not reading.problems
    if form == "instant":
        assert {last - begin for _, begin, last in reading.rows} == {length.total_seconds()}


def test_every_row_names_its_section() -> None:
    assert len(EDGES) >= 30
    assert all(edge.rfc[0].isdigit() or edge.rfc.startswith("RFC") for edge in EDGES)


def test_the_busy_time_of_availability_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_OCCURRENCES", 10)
    weeks = [
        event(
            f"UID:{week}",
            f"DTSTART:202403{7 * week + 1:02}T000000Z",
            "DURATION:P7D",
            *(
                event(
                    f"DTSTART:202403{7 * week + day:02}T080000Z", "DURATION:PT8H", kind="AVAILABLE"
                )
                for day in range(1, 8)
            ),
            kind="VAVAILABILITY",
        )
        for week in range(3)
    ]
    reading = understood(feed(*weeks), "2024-03-01", "2024-04-01")
    assert len(reading.rows) <= 10
    assert {problem.reason for problem in reading.problems} == {
        "it brings the calendar to more than 10 occurrences"
    }
