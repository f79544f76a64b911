"""Mutated feeds never hang, and never raise but what is documented.

They never put a word of theirs into an error.

``make fuzz`` does the same for longer, led by what the code does with its input.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.effort import tries
from tests.support.fuzzing import ANSWER, LEAK, SEED, check_answer, check_bundle, check_calendar
from tests.support.ics import event, feed

PIECES = [
    b"",
    b"0",
    b"9" * 12,
    b"-",
    b":",
    b";",
    b"\r\n",
    b"\xff",
    b"=",
    b"Z",
    b"T",
    b"\0",
    b",",
    b'"',
    b"\r\n ",
    b"\\n",
]
PIECES += [
    b"END:VEVENT\r\n",
    b"BEGIN:VEVENT\r\n",
    b"END:VCALENDAR\r\n",
    b"BEGIN:VCALENDAR\r\n",
    b"\xef\xbb\xbf",
    b"<",
    b"]]>",
]


@st.composite
def mutated(draw: st.DrawFn, seed: bytes) -> bytes:
    """*seed* with a few places overwritten, copied, swapped or cut."""
    body = seed
    for _ in range(draw(st.integers(1, 5))):
        place, length = draw(st.integers(0, len(body))), draw(st.integers(0, 40))
        kind = draw(st.sampled_from(["piece", "bytes", "copy", "line", "cut"]))
        if kind == "piece":
            body = body[:place] + draw(st.sampled_from(PIECES)) + body[place + length :]
        elif kind == "bytes":
            body = body[:place] + draw(st.binary(max_size=12)) + body[place + length // 4 :]
        elif kind == "copy":
            other = draw(st.integers(0, len(body)))
            body = body[:place] + body[other : other + 5 * length] + body[place:]
        elif kind == "line":
            lines = body.split(b"\r\n")
            first, second = (draw(st.integers(0, len(lines) - 1)) for _ in "ab")
            lines[first], lines[second] = lines[second], lines[first]
            body = b"\r\n".join(lines)
        else:
            body = body[:place] + body[place + 10 * length :]
    return body


PROPERTIES = [
    "DTSTART",
    "DTEND",
    "DURATION",
    "RDATE",
    "EXDATE",
    "EXRULE",
    "RRULE",
    "RECURRENCE-ID",
    "STATUS",
    "SEQUENCE",
    "UID",
]
PARAMETERS = [
    "",
    ";VALUE=DATE",
    ";TZID=Europe/Berlin",
    ";TZID=Own",
    f";TZID={LEAK}",
    ";VALUE=PERIOD",
    ";RANGE=THISANDFUTURE",
    ';X="a:b;c"',
]
NUMBERS = st.sampled_from(["0", "1", "-1", "2", "30", "31", "366", "-366", "99999999999", ""])
RULES = st.builds(
    lambda frequency, parts: ";".join(
        [f"FREQ={frequency}", *(f"{key}={','.join(values)}" for key, values in parts)]
    ),
    st.sampled_from(
        ["SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY", LEAK, ""]
    ),
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "COUNT",
                    "INTERVAL",
                    "BYHOUR",
                    "BYDAY",
                    "BYMONTH",
                    "BYMONTHDAY",
                    "BYSETPOS",
                    "BYYEARDAY",
                    "BYWEEKNO",
                    "WKST",
                    "UNTIL",
                ]
            ),
            st.lists(
                NUMBERS
                | st.sampled_from(["MO", "-1SU", "5FR", "20240301", "20240301T000000Z", LEAK]),
                max_size=3,
            ),
        ),
        max_size=4,
    ),
)
MOMENTS = st.builds(
    "{:04}{:02}{:02}{}".format,
    st.sampled_from([1, 1601, 1969, 2024, 2024, 2024, 9999]),
    st.sampled_from([0, 1, 2, 3, 10, 12, 13]),
    st.sampled_from([0, 1, 28, 29, 30, 31, 32]),
    st.sampled_from(["", "T000000", "T023000", "T120000Z", "T240000", "T235960Z"]),
)
VALUES = (
    RULES
    | MOMENTS
    | st.builds("{}/{}".format, MOMENTS, MOMENTS | st.sampled_from(["PT1H", "P1D", "-PT1H", "P"]))
)
VALUES |= st.sampled_from(["PT1H", "P1W", "P99999999999999W", "-P1D", "CANCELLED", "a", LEAK, ""])
LINES = st.builds(
    lambda name, param, value: f"{name}{param}:{value}",
    st.sampled_from(PROPERTIES),
    st.sampled_from(PARAMETERS),
    VALUES,
)
COMPONENTS = st.builds(
    lambda lines, kind: event("UID:e", *lines, kind=kind),
    st.lists(LINES, max_size=6),
    st.sampled_from(
        ["VEVENT", "VEVENT", "VEVENT", "VFREEBUSY", "VAVAILABILITY", "VTIMEZONE", "VTODO"]
    ),
)


@settings(max_examples=tries(200), deadline=None)
@given(mutated(SEED))
def test_mutated_calendars(body: bytes) -> None:
    check_calendar(body)


@settings(max_examples=tries(100), deadline=None)
@given(st.lists(COMPONENTS, min_size=1, max_size=4))
def test_calendars_of_odd_parts(components: list[str]) -> None:
    check_calendar(feed(*components))


@settings(max_examples=tries(200), deadline=None)
@given(mutated(SEED))
def test_mutated_bundles(body: bytes) -> None:
    check_bundle(body)


@settings(max_examples=tries(200), deadline=None)
@given(mutated(ANSWER))
def test_mutated_caldav_answers(body: bytes) -> None:
    check_answer(body)


@settings(max_examples=tries(100), deadline=None)
@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes(body: bytes) -> None:
    for check in (check_calendar, check_bundle, check_answer):
        check(body)


def test_the_seeds_are_understood() -> None:
    """That mutations start from something that reaches deep."""
    from calendar_timetable.calendars.ical.reader import read
    from calendar_timetable.calendars.sources import caldav_protocol
    from tests.support.fuzzing import END, START

    reading = read(SEED, START, END, "UTC", 30)
    assert (reading.zone, len(reading.rows) > 6) == ("Asia/Tokyo", True)
    assert [(problem.uid, problem.reason) for problem in reading.problems] == [
        ("n", "DTSTART: unknown time zone, xxxxxxxxxxxx")
    ]
    assert [resource.status for resource in caldav_protocol.multistatus(ANSWER).resources] == [
        200,
        404,
    ]
