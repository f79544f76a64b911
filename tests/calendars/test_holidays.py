"""Holidays: whole local days, by rule."""

from __future__ import annotations

from datetime import timedelta

import pytest

from calendar_timetable import Holidays
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.timetable import CalendarTimetable
from tests.support.moments import instant, iso, utc

DAYS = [
    # code, zone, what is asked for, the first day found
    (
        "DE",
        "Europe/Berlin",
        ("2026-12-20", "2026-12-26"),
        ("2026-12-25T00:00+01:00", "2026-12-26T01:00+01:00"),
    ),
    (
        "DE",
        "Europe/Berlin",
        ("2026-10-01", "2026-10-10"),
        ("2026-10-03T00:00+02:00", "2026-10-04T00:00+02:00"),
    ),
    (
        "DE-BY",
        "Europe/Berlin",
        ("2026-01-04", "2026-01-10"),
        ("2026-01-06T00:00+01:00", "2026-01-07T00:00+01:00"),
    ),
    (
        "US",
        "America/New_York",
        ("2026-07-01", "2026-07-10"),
        ("2026-07-03T00:00-04:00", "2026-07-05T00:00-04:00"),
    ),
    (
        "JP",
        "Asia/Tokyo",
        ("2026-02-08", "2026-02-20"),
        ("2026-02-11T00:00+09:00", "2026-02-12T00:00+09:00"),
    ),
    (
        "NYSE",
        "America/New_York",
        ("2026-11-20", "2026-11-30"),
        ("2026-11-26T00:00-05:00", "2026-11-27T00:00-05:00"),
    ),
]


@pytest.mark.parametrize(("code", "zone", "asked", "expected"), DAYS)
def test_whole_local_days(
    code: str, zone: str, asked: tuple[str, str], expected: tuple[str, str]
) -> None:
    span = Holidays(code, timezone=zone).spans(utc(asked[0]), utc(asked[1]))[0]

    assert (iso(span.start, zone), iso(span.end, zone)) == expected


def test_a_subdivision_has_days_of_its_own() -> None:
    epiphany = (utc("2026-01-05 23:00"), utc("2026-01-06 23:00"))

    assert Holidays("DE-BY", timezone="Europe/Berlin").spans(*epiphany)
    assert not Holidays("DE", timezone="Europe/Berlin").spans(*epiphany)


def test_a_holiday_on_a_change_of_the_clocks_is_23_hours_long() -> None:
    """Easter Sunday 31 March 2024 is a holiday in Brandenburg.

    It is the day Berlin's clocks go forward.
    """
    (day,) = Holidays("DE-BB", timezone="Europe/Berlin").spans(
        utc("2024-03-30 23:00"), utc("2024-03-31 22:00")
    )

    assert day.end - day.start == timedelta(hours=23)


def test_they_are_a_rule_and_last_past_the_horizon() -> None:
    resolved = Holidays("DE").resolve(
        TimeRange(instant("2026-03-01"), instant("2026-07-01")), "Europe/Berlin"
    )
    later = resolved.rules(deny=True)

    assert isinstance(later, TimeSet)
    assert instant("2028-12-25 12:00") in later.cover(instant("2028-12-01"), instant("2029-01-01"))


def test_they_hold_runs() -> None:
    schedule = CalendarTimetable("0 9 * * *", timezone="Europe/Berlin", blackouts=Holidays("DE"))
    plan = schedule.plan(utc("2026-12-24 00:00"), utc("2026-12-27 00:00"))

    assert [
        (iso(run.due, "Europe/Berlin"), run.outcome, iso(run.start, "Europe/Berlin"))
        for run in plan
    ] == [
        ("2026-12-24T09:00+01:00", "on_time", "2026-12-24T09:00+01:00"),
        ("2026-12-25T09:00+01:00", "coalesced", None),
        ("2026-12-26T09:00+01:00", "postponed", "2026-12-27T00:00+01:00"),
    ]
    assert any("holidays DE" in reason for reason in plan[2].reasons)


WRONG = ["", "de", "Germany", "DE-", "DE_BY", "DE-TOOLONG", 49, None]


@pytest.mark.parametrize("code", WRONG, ids=repr)
def test_a_text_that_is_no_code(code: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Holidays(code).validate()

    assert caught.value.field == "Holidays"
    assert repr(code) in str(caught.value)
    assert "'DE-BY'" in str(caught.value)


@pytest.mark.parametrize("code", ["XX", "DE-ZZ", "NOWHRE"])
def test_a_code_that_nobody_knows_is_refused_when_read(code: str) -> None:
    with pytest.raises(InvalidArgument, match=f"'{code}'.*does not know it"):
        Holidays(code, timezone="UTC").spans(utc("2026-01-01"), utc("2026-02-01"))
