"""Recurrence rules (RFC 5545 section 3.3.10, RFC 7529).

Against a slow reference, against dateutil, and in literal cases.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calendar_timetable.calendars.ical import recurrence
from calendar_timetable.calendars.ical.parser import Unreadable
from calendar_timetable.calendars.ical.properties import (
    WallTime,
    local_seconds,
    local_time,
    parse_time,
)
from calendar_timetable.calendars.ical.recurrence import Recurrence
from calendar_timetable.calendars.ical.rrule import parse_rrule
from tests.support import slow_rrule
from tests.support.effort import tries
from tests.support.processor import processor_seconds
from tests.support.slow_rrule import DAYS

STAMP = "%Y%m%dT%H%M%S"
CLOCK = {"BYHOUR", "BYMINUTE", "BYSECOND"}
FOR_EVER = datetime(9998, 1, 1)


def named(
    text: str, start: str, low: datetime | None = None, high: datetime = FOR_EVER, most: int = 12
) -> list[str]:
    """What the rule *text* of a series from *start* names, dates alone where *start* is one."""
    moment = parse_time(start, UTC)
    rule = parse_rrule(text, moment.local, moment)
    found = islice(rule.between(local_seconds(low or moment.local), local_seconds(high)), most)
    return [f"{local_time(at):{'%Y%m%d' if moment.is_date else STAMP}}" for at in found]


def parsed(text: str, start: datetime, *, is_date: bool = False) -> tuple[Recurrence | None, str]:
    """The rule *text*, or why it is refused."""
    try:
        return parse_rrule(text, start, WallTime(start, UTC, is_date=is_date)), ""
    except Unreadable as error:
        return None, str(error)


# --- any rule, against the table ------------------------------------------------------------------

PARTS = {  # which parts the table has for each frequency, and over how many days they are looked at
    "MINUTELY": (
        ("BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"),
        1,
    ),
    "HOURLY": (
        ("BYMONTH", "BYYEARDAY", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"),
        9,
    ),
    "DAILY": (("BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"), 300),
    "WEEKLY": (("BYMONTH", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"), 500),
    "MONTHLY": (("BYMONTH", "BYMONTHDAY", "BYDAY", "BYHOUR", "BYMINUTE", "BYSECOND"), 800),
    "YEARLY": (
        (
            "BYMONTH",
            "BYWEEKNO",
            "BYYEARDAY",
            "BYMONTHDAY",
            "BYDAY",
            "BYHOUR",
            "BYMINUTE",
            "BYSECOND",
        ),
        2300,
    ),
}
NUMBERS = {
    "BYMONTH": st.integers(1, 12),
    "BYWEEKNO": st.integers(1, 53)
    | st.integers(-53, -1)
    | st.sampled_from([1, 2, 52, 53, -1, -2, -53]),
    "BYYEARDAY": st.integers(1, 366)
    | st.integers(-366, -1)
    | st.sampled_from([1, 59, 60, 61, 365, 366, -1, -366]),
    "BYMONTHDAY": st.integers(1, 31)
    | st.integers(-31, -1)
    | st.sampled_from([1, 28, 29, 30, 31, -1, -29, -31]),
    "BYHOUR": st.integers(0, 23),
    "BYMINUTE": st.integers(0, 59),
    "BYSECOND": st.integers(0, 60),
    "BYSETPOS": st.integers(1, 6) | st.integers(-6, -1) | st.sampled_from([30, -30, 366, -366]),
}


def weekdays(parts: dict[str, str]) -> st.SearchStrategy[str]:
    """An element of BYDAY, with a number where *parts* may have one."""
    if parts["FREQ"] not in ("MONTHLY", "YEARLY"):
        return st.sampled_from(DAYS)
    most = 5 if parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts else 53
    number = st.integers(-most, most).map(lambda n: str(n or ""))
    return st.builds("".join, st.tuples(st.just("") | number, st.sampled_from(DAYS)))


@st.composite
def series(draw: st.DrawFn) -> tuple[dict[str, str], datetime, bool]:
    """A rule that the grammar allows, its DTSTART, and whether that is a date."""
    is_date = draw(st.integers(0, 3)) == 0
    frequency = draw(
        st.sampled_from(sorted(PARTS.keys() - ({"MINUTELY", "HOURLY"} if is_date else set())))
    )
    near = st.builds(  # where years and leap years turn, most of all
        lambda year, day: datetime(year, 1, 1) + timedelta(days=day),
        st.sampled_from([1996, 1999, 2000, 2015, 2020, 2021, 2024, 2026, 2027, 2100]),
        st.sampled_from([*range(-4, 5), 58, 59, 60, 88, 89, 90]) | st.integers(0, 365),
    )
    start = (
        draw(near)
        if is_date
        else draw(near) + timedelta(seconds=draw(st.sampled_from([0, 32400, 86399, 50521])))
    )
    parts = {"FREQ": frequency}
    if draw(st.booleans()):
        most = {
            "MINUTELY": 800,
            "HOURLY": 50,
            "DAILY": 40,
            "WEEKLY": 9,
            "MONTHLY": 14,
            "YEARLY": 5,
        }[frequency]
        parts["INTERVAL"] = str(draw(st.integers(1, most)))
    possible = PARTS[frequency][0]
    for name in draw(st.lists(st.sampled_from(possible), max_size=4, unique=True)):
        if name == "BYDAY":
            parts[name] = ",".join(draw(st.lists(weekdays(parts), min_size=1, max_size=5)))
        else:
            size = 40 if name in ("BYYEARDAY", "BYMONTHDAY") else 4
            parts[name] = ",".join(
                map(str, draw(st.lists(NUMBERS[name], min_size=1, max_size=size)))
            )
    # what may not be together is in REFUSED
    if "BYWEEKNO" in parts:
        parts = {
            name: value for name, value in parts.items() if name not in ("BYMONTHDAY", "BYYEARDAY")
        }
    if "BYWEEKNO" in parts or (
        frequency == "YEARLY" and "BYMONTHDAY" in parts and "BYMONTH" not in parts
    ):
        parts |= (
            {"BYDAY": ",".join(day[-2:] for day in parts["BYDAY"].split(","))}
            if "BYDAY" in parts
            else {}
        )
    if len(parts.keys() - {"FREQ", "INTERVAL"}) and draw(st.integers(0, 3)) == 0:
        parts["BYSETPOS"] = ",".join(
            map(str, draw(st.lists(NUMBERS["BYSETPOS"], min_size=1, max_size=3)))
        )
    if draw(st.integers(0, 2)) == 0:
        parts["WKST"] = draw(st.sampled_from(DAYS))
    end = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    if end == "COUNT":
        parts["COUNT"] = str(draw(st.integers(1, 40)))
    elif end:
        until = start + timedelta(days=PARTS[frequency][1] * draw(st.floats(-0.1, 1)))
        parts["UNTIL"] = (
            f"{until.replace(hour=23, minute=59, second=59) if is_date else until:{STAMP}}"
        )
    return parts, start, is_date


@pytest.mark.slow
@settings(max_examples=tries(600), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=series(), part=st.floats(0, 0.9))
def test_any_rule_is_as_the_table_says(
    drawn: tuple[dict[str, str], datetime, bool], part: float
) -> None:
    parts, start, is_date = drawn
    days = PARTS[parts["FREQ"]][1]
    high = start + timedelta(days=days)
    low = start + timedelta(seconds=int(days * 86400 * part))  # the search begins there
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    seen = {name: value for name, value in parts.items() if not is_date or name not in CLOCK}
    expected = slow_rrule.instances(seen, start, high - timedelta(seconds=1))
    rule, refused = parsed(text, start, is_date=is_date)
    if rule is None:
        of_which_year = "it is not sure from which year its rule counts"
        assert (
            refused == of_which_year
            if expected
            else refused in (of_which_year, "its rule never comes true")
        )
        assert refused != of_which_year or (
            parts["INTERVAL"] != "1" and "BYWEEKNO" in parts and expected[:1] != [start]
        )
        return
    found = [local_time(at) for at in rule.between(local_seconds(low), local_seconds(high))]
    assert found == [at for at in expected if at >= low]


def test_the_reference_knows_the_examples_of_the_rfc() -> None:
    """That what the engine is held against is right by itself."""
    start = datetime(1997, 9, 2, 9)  # a Tuesday
    mondays = slow_rrule.instances(
        {"FREQ": "YEARLY", "BYDAY": "20MO"}, datetime(1997, 5, 19, 9), datetime(2000, 1, 1)
    )
    assert [at.date().isoformat() for at in mondays] == ["1997-05-19", "1998-05-18", "1999-05-17"]
    parts = {"FREQ": "MONTHLY", "BYDAY": "TU,WE,TH", "BYSETPOS": "3", "COUNT": "3"}
    third = slow_rrule.instances(parts, datetime(1997, 9, 4, 9), datetime(1998, 1, 1))
    assert [at.date().isoformat() for at in third] == ["1997-09-04", "1997-10-07", "1997-11-06"]
    parts = {"FREQ": "MINUTELY", "INTERVAL": "20", "BYHOUR": "9,10", "COUNT": "7"}
    assert [
        f"{at:%d %H:%M}" for at in slow_rrule.instances(parts, start, datetime(1997, 9, 4))
    ] == [
        "02 09:00",
        "02 09:20",
        "02 09:40",
        "02 10:00",
        "02 10:20",
        "02 10:40",
        "03 09:00",
    ]


# --- python-dateutil ------------------------------------------------------------------------------


def departs(parts: dict[str, str]) -> bool:
    """Whether dateutil is known to read such a rule in another way.

    :data:`DEPARTURES` has one of each.
    """
    return (
        "BYSETPOS" in parts
        or "BYWEEKNO" in parts
        or (parts["FREQ"] == "YEARLY" and "BYMONTHDAY" in parts and "BYMONTH" not in parts)
        or "60" in parts.get("BYSECOND", "").split(",")
        or len({len(day) == 2 for day in parts.get("BYDAY", "").split(",")}) == 2
    )


@settings(max_examples=tries(300), deadline=None)
@given(drawn=series())
def test_dateutil_agrees_where_it_keeps_to_the_table(
    drawn: tuple[dict[str, str], datetime, bool],
) -> None:
    parts, start, is_date = drawn
    # Of which it takes each, for years
    if is_date or departs(parts) or parts["FREQ"] in ("MINUTELY", "HOURLY"):
        return
    text = ";".join(f"{name}={value}" for name, value in parts.items())
    high = start + timedelta(days=3 * PARTS[parts["FREQ"]][1])
    rule, _ = parsed(text, start)
    if rule is None:
        return
    found = [
        local_time(at) for at in islice(rule.between(local_seconds(start), local_seconds(high)), 40)
    ]
    # no more than that: after the last one dateutil may walk to the end of time
    assert found == list(islice(iter(rrulestr(text, dtstart=start)), len(found)))


DEPARTURES = [  # why, the rule, its start, what it names, and what dateutil says of it
    (
        "BYWEEKNO without BYDAY: the weekday is that of DTSTART",
        "FREQ=YEARLY;BYWEEKNO=20", "20250513T100000",
        ["20250513T100000", "20260512T100000", "20270518T100000"],
        ["20250513T100000", "20250514T100000", "20250515T100000"],
    ),
    (
        ("weeks belong to the year that most of their days are in, also where only every second "
         "year counts"),
        "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;INTERVAL=2", "20241230T100000",
        ["20241230T100000", "20270104T100000", "20290101T100000"],
        ["20241230T100000", "20280103T100000", "20301230T100000"],
    ),
    (
        "BYSETPOS counts in the whole of the first week, also before DTSTART",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=3", "20260107T090000",
        ["20260107T090000", "20260114T090000", "20260121T090000"],
        ["20260109T090000", "20260114T090000", "20260121T090000"],
    ),
    (
        "BYMONTHDAY of a year without BYMONTH: the month is that of DTSTART",
        "FREQ=YEARLY;BYMONTHDAY=29", "20240229T100000",
        ["20240229T100000", "20280229T100000", "20320229T100000"],
        ["20240229T100000", "20240329T100000", "20240429T100000"],
    ),
    (
        "weekdays with and without a number in one rule: each of them, not what is both",
        "FREQ=MONTHLY;BYDAY=5SA,SA", "20260103T090000",
        ["20260103T090000", "20260110T090000", "20260117T090000"],
        ["20260131T090000", "20260530T090000", "20260829T090000"],
    ),
    (
        "times of the day are ignored where DTSTART is a date",
        "FREQ=DAILY;BYHOUR=9,10;BYMINUTE=30", "20261230",
        ["20261230", "20261231", "20270101"],
        ["20261230T093000", "20261230T103000", "20261231T093000"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "start", "ours", "theirs"),
    [row[1:] for row in DEPARTURES],
    ids=[row[0] for row in DEPARTURES],
)
def test_where_dateutil_departs(rule: str, start: str, ours: list[str], theirs: list[str]) -> None:
    assert named(rule, start, most=3) == ours
    found = rrulestr(rule, dtstart=parse_time(start, UTC).local)
    assert [f"{at:{STAMP}}" for at in islice(found, 3)] == theirs


# --- literal cases --------------------------------------------------------------------------------

NAMED = [  # what it is about, the rule, its start, what it names
    ("week 53 is not in every year", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU", "20210103",
     ["20210103", "20270103", "20330102"]),
    ("the last week of each year", "FREQ=YEARLY;BYWEEKNO=-1;BYDAY=SU", "20210103",
     ["20210103", "20220102", "20230101"]),
    ("weeks that begin on Sunday are numbered by WKST", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=SA;WKST=SU",
     "20260110", ["20260110", "20270109", "20280108"]),
    ("each second week over the turn of the year", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO", "20261227",
     ["20261227", "20270104", "20270110"]),
    ("the same, weeks that begin on Sunday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;WKST=SU",
     "20261227", ["20261227", "20261228", "20270110"]),
    ("week 1 in the December before", "FREQ=YEARLY;BYWEEKNO=1;BYDAY=MO;BYMONTH=12", "20241230",
     ["20241230", "20251229", "20291231"]),
    ("the 53rd Thursday of a year", "FREQ=YEARLY;BYDAY=53TH", "20261231",
     ["20261231", "20321230", "20371231"]),
    ("days from the end of the year", "FREQ=YEARLY;BYYEARDAY=-366,-1", "20241231",
     ["20241231", "20251231", "20261231"]),
    ("days from the end of the month", "FREQ=MONTHLY;BYMONTHDAY=-31,-30", "20260101",
     ["20260101", "20260102", "20260301"]),
    ("a leap day is omitted in other years", "FREQ=YEARLY", "20240229",
     ["20240229", "20280229", "20320229"]),
    ("no leap day in 2100", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;INTERVAL=4", "20960229",
     ["20960229", "21040229", "21080229"]),
    ("a month without that day is omitted", "FREQ=MONTHLY", "20260131",
     ["20260131", "20260331", "20260531"]),
    ("the second Friday of a month that is a 13th",
     "FREQ=YEARLY;BYMONTH=2,3;BYMONTHDAY=13;BYDAY=2FR", "20260213",
     ["20260213", "20260313", "20320213"]),
    ("numbers with a plus", "FREQ=MONTHLY;BYDAY=+2MO", "20260112",
     ["20260112", "20260209", "20260309"]),
    ("blanks, and lower case", " freq = weekly ; byday = mo , tu ; wkst = mo ; count = 3 ;",
     "20260105", ["20260105", "20260106", "20260112"]),
    ("a part said twice alike", "FREQ=DAILY;COUNT=2;FREQ=DAILY", "20260105",
     ["20260105", "20260106"]),
    ("a number said twice", "FREQ=MONTHLY;BYMONTHDAY=5,5;COUNT=2", "20260105",
     ["20260105", "20260205"]),
    ("the other order", "COUNT=2;INTERVAL=2;FREQ=DAILY", "20260105", ["20260105", "20260107"]),
    ("COUNT=-1 is none, as Confluence writes", "FREQ=WEEKLY;UNTIL=20260113;COUNT=-1", "20260105",
     ["20260105", "20260112"]),
    ("the calendar is named", "RSCALE=GREGORIAN;FREQ=MONTHLY;COUNT=2", "20260105",
     ["20260105", "20260205"]),
    ("what is the default anyway", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=OMIT;COUNT=2", "20260131",
     ["20260131", "20260331"]),
    ("SKIP=OMIT alone", "FREQ=MONTHLY;SKIP=OMIT;COUNT=2", "20260131", ["20260131", "20260331"]),
    ("SKIP=BACKWARD: the last day", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;COUNT=3",
     "20260131", ["20260131", "20260228", "20260331"]),
    ("SKIP=FORWARD: the day after", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;COUNT=3",
     "20260131", ["20260131", "20260301", "20260331"]),
    ("a leap day, backward", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD;COUNT=3", "20240229",
     ["20240229", "20250228", "20260228"]),
    ("a leap day, forward", "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=FORWARD;COUNT=3", "20240229",
     ["20240229", "20250301", "20260301"]),
    ("two days become one", "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;BYMONTHDAY=30,31;COUNT=4",
     "20260130", ["20260130", "20260131", "20260228", "20260330"]),
    ("a weekday is looked at after the day was moved",
     "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=31;BYDAY=FR", "20260131",
     ["20260501", "20260731"]),
    ("an INTERVAL beyond all years", "FREQ=YEARLY;INTERVAL=999999999999", "20260105", ["20260105"]),
    ("a COUNT beyond all years", "FREQ=YEARLY;INTERVAL=4000;COUNT=999999999999", "20260105",
     ["20260105", "60260105"]),
    ("a leap second is the one before", "FREQ=DAILY;BYSECOND=60;COUNT=1", "20260105T000059",
     ["20260105T000059"]),
    ("BYSETPOS beyond the set names nothing there", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=5", "20260330",
     ["20260330", "20260629", "20260831"]),
    ("a DTSTART that its rule does not name is not counted", "FREQ=WEEKLY;BYDAY=WE;COUNT=2",
     "20260105", ["20260107", "20260114"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "start", "expected"), [row[1:] for row in NAMED], ids=[row[0] for row in NAMED]
)
def test_named(rule: str, start: str, expected: list[str]) -> None:
    # Ends where it has to
    most = len(expected) + ("COUNT=" in rule.upper().replace(" ", "") or "INTERVAL=9" in rule)
    assert named(rule, start, most=most) == expected


UNKNOWN, TOGETHER, SKIP = (
    "its rule cannot be understood",
    "its rule has parts that may not be together",
    "a rule with a SKIP that is not sure",
)
EVERY_SECOND = "".join(
    f";BY{unit}=" + ",".join(map(str, range(most)))
    for unit, most in [("HOUR", 24), ("MINUTE", 60), ("SECOND", 60)]
)
REFUSED = {
    "FREQ=SECONDLY;COUNT=2": "a rule that repeats every second is refused",
    "": "its rule has no known FREQ",
    ";;": "its rule has no known FREQ",
    "INTERVAL=2": "its rule has no known FREQ",
    "FREQ=FORTNIGHTLY": "its rule has no known FREQ",
    "FREQ=DAILY;INTERVAL=0": "a rule with INTERVAL=0 is refused",
    "FREQ=DAILY;INTERVAL=": "a rule with INTERVAL=0 is refused",
    "FREQ=DAILY;COUNT=0": "a rule with COUNT=0 is refused",
    "FREQ=DAILY;COUNT=two": "a rule with COUNT=0 is refused",
    "FREQ=DAILY;COUNT=2;UNTIL=20270101T000000Z": "its rule has both COUNT and UNTIL",
    "FREQ=DAILY;UNTIL=tomorrow": "UNTIL: a time is malformed, xxxxxxxx",
    "FREQ=DAILY;INTERVAL=2;INTERVAL=3": "its rule has a part twice",
    "FREQ=YEARLY;BYEASTER=0": "its rule has a part that is unknown",
    "FREQ=DAILY;X-ODD=1": "its rule has a part that is unknown",
    "FREQ=DAILY;DAILY": "its rule has a part that is unknown",
    "FREQ=WEEKLY;BYDAY=": UNKNOWN,
    "FREQ=WEEKLY;BYDAY=MO,": UNKNOWN,
    "FREQ=WEEKLY;BYDAY=MONDAY": UNKNOWN,
    "FREQ=WEEKLY;WKST=1": UNKNOWN,
    "FREQ=MONTHLY;BYDAY=0MO": UNKNOWN,
    "FREQ=MONTHLY;BYDAY=54MO": UNKNOWN,
    "FREQ=MONTHLY;BYMONTHDAY=0": UNKNOWN,
    "FREQ=MONTHLY;BYMONTHDAY=32": UNKNOWN,
    "FREQ=MONTHLY;BYMONTHDAY=1,x": UNKNOWN,
    "FREQ=MONTHLY;BYMONTHDAY=\u0663": UNKNOWN,
    "FREQ=YEARLY;BYMONTH=-1": UNKNOWN,
    "FREQ=YEARLY;BYMONTH=5L": UNKNOWN,
    "FREQ=YEARLY;BYWEEKNO=54": UNKNOWN,
    "FREQ=DAILY;BYHOUR=24": UNKNOWN,
    "FREQ=DAILY;BYSECOND=61": UNKNOWN,
    "FREQ=MONTHLY;BYSETPOS=1": TOGETHER,
    "FREQ=MONTHLY;BYWEEKNO=20": TOGETHER,
    "FREQ=DAILY;BYYEARDAY=100": TOGETHER,
    "FREQ=WEEKLY;BYMONTHDAY=5": TOGETHER,
    "FREQ=WEEKLY;BYDAY=1MO": TOGETHER,
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO": TOGETHER,
    "FREQ=YEARLY;BYWEEKNO=1;BYMONTHDAY=5": TOGETHER,
    "FREQ=YEARLY;BYMONTHDAY=5;BYDAY=1MO": TOGETHER,
    "RSCALE=HEBREW;FREQ=YEARLY": "a rule of another calendar than the Gregorian",
    "FREQ=MONTHLY;SKIP=FORWARD": SKIP,  # which needs an RSCALE
    "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=SIDEWAYS": SKIP,
    "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;BYMONTHDAY=1,31": SKIP,
    "RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=BACKWARD;BYMONTHDAY=-31": SKIP,
    "RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=BACKWARD;BYYEARDAY=366": SKIP,
    "FREQ=YEARLY;BYDAY=MO;BYSETPOS=1"
    + EVERY_SECOND: "its rule has too many times of the day to count them",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30": "its rule never comes true",
    "FREQ=MINUTELY;INTERVAL=2;BYMINUTE=1,3": "its rule never comes true",
    "FREQ=HOURLY;INTERVAL=24;BYHOUR=7": "its rule never comes true",
    "FREQ=DAILY;INTERVAL=7;BYDAY=SU": "its rule never comes true",
    "FREQ=YEARLY;BYMONTH=1;BYDAY=6MO": "its rule never comes true",
}


@pytest.mark.parametrize("rule", REFUSED)
def test_refused(rule: str) -> None:
    with pytest.raises(Unreadable) as error:
        named(rule, "20260105T090000")
    assert str(error.value) == REFUSED[rule]


def test_refused_for_its_start() -> None:
    with pytest.raises(Unreadable, match="it is not sure from which year its rule counts"):
        # Is that in 2026, as its week, or in 2027?
        named("FREQ=YEARLY;BYWEEKNO=53;INTERVAL=6;BYDAY=TH", "20270103")
    with pytest.raises(Unreadable, match="its rule repeats within a day, but it starts on a date"):
        named("FREQ=HOURLY;INTERVAL=24", "20260105")


# --- the cost -------------------------------------------------------------------------------------

HOSTILE = [
    "FREQ=MINUTELY",
    "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
    "FREQ=MINUTELY;INTERVAL=7;BYHOUR=9;BYMINUTE=5",
    "FREQ=HOURLY;INTERVAL=999999;BYDAY=MO",
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=5;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=WEEKLY;BYDAY=MO,WE;INTERVAL=3;BYSETPOS=-1",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;INTERVAL=12;BYMONTH=2",
    "FREQ=YEARLY;BYWEEKNO=53;BYDAY=SU",
    "FREQ=YEARLY;BYYEARDAY=366",
]


@pytest.mark.parametrize("rule", HOSTILE)
def test_the_search_begins_near_what_is_asked(rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of a series from the year 1 costs what a year costs.

    And one that never comes true ends.
    """
    steps = 0

    def counted(day: int) -> int:
        nonlocal steps
        steps += 1
        return (day + 3) % 7

    found, refused = parsed(rule, datetime(1, 1, 1))
    if found is None:
        assert refused == "its rule never comes true"
        return
    low, high = local_seconds(datetime(2026, 1, 1)), local_seconds(datetime(2027, 1, 1))
    monkeypatch.setattr(recurrence, "_weekday", counted)
    monkeypatch.setattr(
        recurrence.Recurrence, "_is_in_month", lambda self, day: bool(counted(day) + 9)
    )
    every = [local_time(at).year for at in found.between(low, high)]
    assert set(every) <= {2026}
    assert steps < 1500


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=MINUTELY;BYMONTHDAY=30;BYSETPOS=30,-6",
        "FREQ=MINUTELY;INTERVAL=200;BYSECOND=37;BYSETPOS=366,-5",
        "FREQ=HOURLY;INTERVAL=2;BYDAY=MO;BYSETPOS=30",
        "FREQ=DAILY;BYHOUR=1,2;BYSETPOS=7",
        "FREQ=MINUTELY;INTERVAL=2882;BYHOUR=8;BYMINUTE=1;BYDAY=MO;BYMONTHDAY=1;BYMONTH=2,4",
        "FREQ=MINUTELY;INTERVAL=999999937;BYMONTH=3",
        "FREQ=MINUTELY;INTERVAL=1441;BYMONTHDAY=31;BYYEARDAY=3",
    ],
)
def test_a_rule_that_never_comes_true_is_told_soon(rule: str) -> None:
    """One event may not cost all others the time that their calendar has.

    Seconds of processor time, not of a clock.
    """
    told: list[object] = []
    assert processor_seconds(lambda: told.append(parsed(rule, datetime(2026, 1, 1, 9)))) < 2
    assert told == [(None, "its rule never comes true")]
