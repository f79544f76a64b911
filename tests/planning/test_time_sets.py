"""What can be made of time sets, and what of them remains past the horizon (rule 11)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import codec
from calendar_timetable.planning.open_time import OpenTime
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    LocalDays,
    Period,
    TimeRange,
    TimeSet,
    as_timeset,
)
from calendar_timetable.planning.weekly import Weekly
from tests.support.moments import instant, iso, utc
from tests.support.time_sets import Explicit, FakeCalendar, spans

LIMIT = 60
pairs = st.lists(
    st.tuples(st.integers(0, LIMIT), st.integers(0, LIMIT)).filter(lambda p: p[0] < p[1]),
    max_size=4,
)


class Expression:
    """A random set, both as the package builds it and as a set of seconds."""

    def __init__(self, built: TimeSet, model: set[int]) -> None:
        self.built, self.model = built, model

    def __repr__(self) -> str:
        return f"{self.built} = {sorted(self.model)}"


def leaf(drawn: list[tuple[int, int]], known: bool) -> Expression:
    model = {second for start, end in drawn for second in range(start, end)}
    return Expression(CalendarSpans("calendar", Spans(drawn)) if known else Explicit(drawn), model)


def combine(children: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    everything = set(range(LIMIT))
    two = st.tuples(children, children)
    return st.one_of(
        two.map(lambda ab: Expression(ab[0].built | ab[1].built, ab[0].model | ab[1].model)),
        two.map(lambda ab: Expression(ab[0].built & ab[1].built, ab[0].model & ab[1].model)),
        two.map(lambda ab: Expression(ab[0].built - ab[1].built, ab[0].model - ab[1].model)),
        children.map(lambda a: Expression(~a.built, everything - a.model)),
    )


expressions = st.recursive(st.builds(leaf, pairs, st.booleans()), combine, max_leaves=6)


@given(expressions)
def test_operators_are_those_of_sets(expression: Expression) -> None:
    cover = expression.built.cover(0, LIMIT)

    assert {second for second in range(LIMIT) if second in cover} == expression.model


@given(expressions, st.integers(0, LIMIT), st.integers(0, LIMIT))
def test_a_part_of_the_cover_is_the_cover_of_the_part(
    expression: Expression, start: int, end: int
) -> None:
    if start < end:
        assert expression.built.cover(start, end) == expression.built.cover(0, LIMIT).clip(
            start, end
        )


@given(expressions, st.booleans())
def test_past_the_horizon_no_calendar_keeps_a_run_back(expression: Expression, deny: bool) -> None:
    """What a calendar may say is unknown there, and must not close what it might leave open."""
    within = expression.built.rules(deny=deny)
    if within is None:
        return
    known = {second for second in range(LIMIT) if second in within.cover(0, LIMIT)}

    assert "calendar" not in str(within)
    for filled in (filling(expression.built, whole=True), filling(expression.built, whole=False)):
        truth = {second for second in range(LIMIT) if second in filled.cover(0, LIMIT)}
        assert known <= truth if deny else known >= truth


def filling(timeset: TimeSet, *, whole: bool) -> TimeSet:
    if isinstance(timeset, CalendarSpans):
        return Explicit([(0, LIMIT)] if whole else [])
    parts = tuple(filling(part, whole=whole) for part in timeset.parts())
    return type(timeset)(parts) if parts else timeset  # type: ignore[call-arg]


HORIZON = TimeRange(instant("2026-03-01"), instant("2026-04-01"))
CALENDAR = CalendarSpans("team", spans(("2026-03-02 09:00", "2026-03-02 10:00")))
OFF_PEAK = CalendarSpans("off_peak", spans(("2026-03-02 00:00", "2026-03-02 06:00")))
NIGHTS = Weekly("daily 00:00-06:00", timezone="UTC")
SUNDAYS = Weekly("sun", timezone="UTC")

# windows, blackouts, and on Sunday 5 April at 03:00 / Monday 6 April at 12:00 (both past the
# horizon): open?
PAST: list[tuple[str, TimeSet | None, TimeSet | None, bool, bool]] = [
    ("blackout calendar", None, CALENDAR, True, True),
    ("window calendar", OFF_PEAK, None, True, True),
    ("rule window", NIGHTS, None, True, False),
    ("rule blackout", None, SUNDAYS, False, True),
    ("both calendars", OFF_PEAK, CALENDAR, True, True),
    ("rule or calendar as blackout", None, CALENDAR | SUNDAYS, False, True),
    ("rule and calendar as blackout", None, CALENDAR & SUNDAYS, True, True),
    ("rule without calendar as blackout", None, SUNDAYS - CALENDAR, True, True),
    ("rule outside a calendar as blackout", None, SUNDAYS & ~CALENDAR, True, True),
    ("calendar without rule as blackout", None, CALENDAR - SUNDAYS, True, True),
    ("outside a calendar as blackout", None, ~OFF_PEAK, True, True),
    ("rule or calendar as window", NIGHTS | OFF_PEAK, None, True, True),
    ("rule and calendar as window", NIGHTS & OFF_PEAK, None, True, False),
    ("rule without calendar as window", NIGHTS - CALENDAR, None, True, False),
    ("calendar without rule as window", OFF_PEAK - SUNDAYS, None, False, True),
    ("outside a calendar as window", ~CALENDAR, None, True, True),
    ("rule window, calendar blackout", NIGHTS, CALENDAR, True, False),
    ("calendar window, rule blackout", OFF_PEAK, SUNDAYS, False, True),
]


@pytest.mark.parametrize(
    ("name", "windows", "blackouts", "sunday", "monday"),
    PAST,
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_past_the_horizon_only_rules_apply(
    name: str, windows: TimeSet | None, blackouts: TimeSet | None, sunday: bool, monday: bool
) -> None:
    time = OpenTime(windows, blackouts, HORIZON)

    assert time.fits(instant("2026-04-05 03:00"), 0) is sunday
    assert time.fits(instant("2026-04-06 12:00"), 0) is monday


def test_inside_the_horizon_calendars_count() -> None:
    time = OpenTime(OFF_PEAK, CALENDAR, HORIZON)

    assert time.fits(instant("2026-03-02 05:00"), 3600)
    assert not time.fits(instant("2026-03-02 05:00"), 3601)
    assert not time.fits(instant("2026-03-03 05:00"), 0)


def test_a_run_may_reach_over_the_horizon() -> None:
    last_night = CalendarSpans("off_peak", spans(("2026-03-31 22:00", "2026-04-01 00:00")))

    assert OpenTime(last_night, None, HORIZON).fits(instant("2026-03-31 23:00"), 4 * 3600)


def test_public_spans() -> None:
    timeset = FakeCalendar(spans(("2026-03-02 09:00", "2026-03-02 12:00"))) - Weekly(
        "mon 10:00-11:00", timezone="UTC"
    )

    found = timeset.spans(utc("2026-03-02 09:30"), utc("2026-03-03"))
    assert [(iso(a), iso(b)) for a, b in found] == [
        ("2026-03-02T09:30+00:00", "2026-03-02T10:00+00:00"),
        ("2026-03-02T11:00+00:00", "2026-03-02T12:00+00:00"),
    ]


def test_times_without_a_zone_are_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"start=.*time zone"):
        NIGHTS.spans(utc("2026-03-02").replace(tzinfo=None), utc("2026-03-03"))


def test_a_list_means_the_union() -> None:
    union = as_timeset("windows", [NIGHTS, [SUNDAYS]], pytest.fail)
    assert union is not None

    assert union.cover(HORIZON.start, HORIZON.end) == (NIGHTS | SUNDAYS).cover(
        HORIZON.start, HORIZON.end
    )
    assert as_timeset("windows", [], pytest.fail) is None
    assert as_timeset("windows", None, pytest.fail) is None


@pytest.mark.parametrize("other", ["text", 7, None, [NIGHTS]], ids=repr)
def test_only_time_sets_combine(other: Any) -> None:
    for operation in (lambda: NIGHTS | other, lambda: NIGHTS & other, lambda: NIGHTS - other):
        with pytest.raises(TypeError):
            operation()


SERIALIZED = [
    NIGHTS,
    CALENDAR,
    CalendarSpans(
        "titled", CALENDAR.known, ((CALENDAR.known.bounds[0], CALENDAR.known.bounds[1], "Freeze"),)
    ),
    LocalDays("holidays XX", "Europe/Berlin", (date(2026, 3, 3), date(2026, 12, 24))),
    (NIGHTS | CALENDAR) - ~SUNDAYS & OFF_PEAK,
    CALENDAR - Period(instant("2026-03-03 05:00"), instant("2026-03-03 06:00")),
]


@pytest.mark.parametrize("timeset", SERIALIZED, ids=str)
def test_sets_survive_json(timeset: TimeSet) -> None:
    back = codec.decode(json.loads(json.dumps(codec.encode(timeset))))

    assert back == timeset
    assert back.cover(HORIZON.start, HORIZON.end) == timeset.cover(HORIZON.start, HORIZON.end)


@pytest.mark.parametrize(
    ("instant", "opening"), [(9, None), (10, 10), (19, 10), (20, 10), (21, None), (40, None)]
)
def test_an_opening_counts_only_while_it_is_recent(instant: int, opening: int | None) -> None:
    """Not every moment in open time is one.

    A run that came late to the end of a window must wait for the next.
    """
    open_time = OpenTime(CalendarSpans("calendar", Spans([(10, 40)])), None, TimeRange(0, 100))

    assert open_time.opening_before(instant, within=10) == opening
