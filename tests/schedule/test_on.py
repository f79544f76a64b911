"""``On`` and ``Recurrence``: due by days. Tables of literal times; what is wrong is refused."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from airflow.exceptions import AirflowTimetableInvalid

from calendar_timetable import (
    Calendar,
    CalendarTimetable,
    On,
    Recurrence,
    TradingHours,
    Weekly,
    WorkingDays,
)
from tests.support.ics import event, feed
from tests.support.moments import iso, utc

NOW = utc("2026-11-27T10:00")
BERLIN = "Europe/Berlin"
FIRST = date(2026, 1, 1)
MINUTES = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(1440)]

# What is wanted, how it is written, and the first due times after NOW: what the page does not have.
TABLE: list[tuple[str, On | Recurrence, list[str]]] = [
    (
        "the last but one working day of the month",
        On(-2, WorkingDays("DE"), at="09:30"),
        ["2026-12-30T09:30+01:00", "2027-01-28T09:30+01:00"],
    ),
    (
        "the night after the last working day",
        On("last", WorkingDays("DE"), at="25:00"),
        ["2026-12-01T01:00+01:00", "2027-01-01T01:00+01:00", "2027-01-30T01:00+01:00"],
    ),
    (
        "the first working day of the British tax year, twice",
        On("first", WorkingDays("GB"), of="year", period_start="04-06", at=["09:00", "17:00"]),
        ["2027-04-06T09:00+02:00", "2027-04-06T17:00+02:00"],
    ),
    (
        "Tuesday and Thursday of each week that people work on",
        On([2, 4], WorkingDays("DE"), of="week", roll="skip", at="12:00"),
        ["2026-12-01T12:00+01:00", "2026-12-03T12:00+01:00", "2026-12-08T12:00+01:00"],
    ),
    (
        "the first and the last Friday of the month",
        On(["first", "last"], Weekly("fri"), at="20:00"),
        ["2026-11-27T20:00+01:00", "2026-12-04T20:00+01:00", "2026-12-25T20:00+01:00"],
    ),
    (
        "the nearest working day to the middle of the half-year",
        On(92, WorkingDays("DE"), of="half", roll="nearest"),
        ["2027-04-02T00:00+02:00", "2027-09-30T00:00+02:00"],
    ),
    (
        "a working day that a company has, and one that it has not",
        On("last", WorkingDays("DE", add=[date(2026, 12, 26)], remove=[date(2026, 12, 31)])),
        ["2026-11-30T00:00+01:00", "2026-12-30T00:00+01:00"],
    ),
    (
        "the second Tuesday of March and September",
        Recurrence("FREQ=YEARLY;BYMONTH=3,9;BYDAY=2TU", date(2020, 1, 1), at=["06:00", "30:00"]),
        ["2027-03-09T06:00+01:00", "2027-03-10T06:00+01:00", "2027-09-14T06:00+02:00"],
    ),
    (
        "the last weekday of each quarter's last month, three times",
        Recurrence(
            "FREQ=MONTHLY;INTERVAL=3;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=5", date(2026, 3, 1)
        ),
        ["2026-12-31T00:00+01:00", "2027-03-31T00:00+02:00"],
    ),
]


DOCS = Path(__file__).parents[2] / "docs" / "business-days.md"


def rows() -> list[tuple[str, str, list[str]]]:
    """Return the lines of the page's table: what is wanted, what is written, first due times."""
    table, _, _ = DOCS.read_text().partition("## Days")
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return [(want, code.strip("`"), due.split(", ")) for want, code, due in cells]


@pytest.mark.parametrize(("code", "due"), [row[1:] for row in rows()], ids=[r[0] for r in rows()])
def test_every_line_of_the_page(code: str, due: list[str]) -> None:
    found = [f"{at.astimezone(ZoneInfo(BERLIN)):%Y-%m-%d %H:%M}" for at in due_times(eval(code))]
    assert found[:3] == due


def test_the_page_has_forty_lines() -> None:
    assert len(rows()) == 40


def schedule(on: On | Recurrence, **options: Any) -> CalendarTimetable:
    return CalendarTimetable(on, timezone=BERLIN, **options)


def due_times(on: On | Recurrence) -> list[datetime]:
    """Return what the plan tells, the same before and after it travels in a DAG."""
    with time_machine.travel(NOW, tick=False):
        made = schedule(on)
        made.validate()
        stored = CalendarTimetable.deserialize(json.loads(json.dumps(made.serialize())))
        runs = made.plan(NOW, NOW + timedelta(days=420))
        assert stored.plan(NOW, NOW + timedelta(days=420)) == runs
    assert all(run.start == run.due for run in runs)
    return [run.due for run in runs]


@pytest.mark.parametrize(
    ("on", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_it_is_due(on: On | Recurrence, expected: list[str]) -> None:
    assert [iso(at, BERLIN) for at in due_times(on)[: len(expected)]] == expected


def test_clocks_that_change() -> None:
    """RFC 5545 3.3.5: a time that does not exist has the offset from before, of two the first."""
    with time_machine.travel(NOW, tick=False):
        runs = schedule(On(-1, Weekly("sun"), at="02:30")).plan(NOW, NOW + timedelta(days=400))
    due = [iso(run.due, BERLIN) for run in runs]
    assert "2027-03-28T03:30+02:00" in due
    assert "2027-10-31T02:30+02:00" in due


def test_windows_and_blackouts_hold_as_for_any_schedule() -> None:
    with time_machine.travel(NOW, tick=False):
        made = schedule(
            On("last", WorkingDays("DE"), at="18:00"),
            windows=Weekly("daily 20:00-23:00", timezone=BERLIN),
            blackouts=Weekly("mon 19:00-22:00", timezone=BERLIN),
        )
        [first, *_] = made.plan(NOW, NOW + timedelta(days=30))
    assert iso(first.due, BERLIN) == "2026-11-30T18:00+01:00"
    assert first.start is not None and iso(first.start, BERLIN) == "2026-11-30T22:00+01:00"


def test_days_off_of_a_team(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day with any event in it is off; without a copy of the calendar nothing is scheduled."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    off = tmp_path / "off.ics"
    on = On("last", WorkingDays("DE") - Calendar(off), at="18:00")
    with time_machine.travel(NOW, tick=False):
        off.write_bytes(
            feed(
                event("UID:1", "DTSTART;VALUE=DATE:20261130"),
                event("UID:2", "DTSTART:20261231T100000Z", "DTEND:20261231T110000Z"),
            )
        )
        due = [iso(r.due, BERLIN) for r in schedule(on).plan(NOW, NOW + timedelta(days=60))]
        assert due == ["2026-11-27T18:00+01:00", "2026-12-30T18:00+01:00"]

        other = On("last", WorkingDays("DE") - Calendar(tmp_path / "none.ics"), at="18:00")
        held = CalendarTimetable.deserialize(json.loads(json.dumps(schedule(other).serialize())))
        assert held.plan(NOW, NOW + timedelta(days=60)) == []
        assert "cannot be read" in held.description


def test_the_table_is_bounded_and_changes_by_months() -> None:
    """Two years ahead; within a month the same bytes."""

    def stored(at: datetime) -> str:
        with time_machine.travel(at, tick=False):
            every = list(range(1, 6))
            made = schedule(On(every, Weekly("mon-fri"), of="week", at=["06:00", "18:00"]))
            return json.dumps(made.serialize())

    text = stored(NOW)
    assert stored(NOW + timedelta(days=2)) == text != stored(NOW + timedelta(days=20))
    assert len(text) < 20_000
    with time_machine.travel(NOW, tick=False):
        runs = CalendarTimetable.deserialize(json.loads(text)).plan(
            NOW, NOW + timedelta(days=2 * 365), 10_000
        )
    assert len(runs) == 1 + 2 * 520, "this evening, and two on each weekday"


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (On(0), "which=0"),
        (On(32), "which=32"),
        (On([]), "which=[]"),
        (On("second"), "which='second'"),
        (On(True), "which=True"),
        (On(1, of="fortnight"), "of='fortnight'"),  # type: ignore[arg-type]
        (On(1, at="6pm"), "at='6pm'"),
        (On(1, at="48:00"), "at='48:00'"),
        (On(1, at="10:60"), "at='10:60'"),
        (On(1, at=[]), "at=[]"),
        (On(1, at=6), "at=6"),
        (On(1, "DE"), "days='DE'"),  # type: ignore[arg-type]
        (On(1, WorkingDays("Germany")), "WorkingDays='Germany'"),
        (On(1, roll="following"), "roll='following'"),
        (On(1, WorkingDays("DE"), roll="forward"), "roll='forward'"),  # type: ignore[arg-type]
        (On(1, period_start=32), "period_start=32"),
        (On(1, of="year", period_start=6), "period_start=6"),
        (On(1, of="week", period_start=2), "period_start=2"),
        (On(1, of="year", period_start="13-01"), "period_start='13-01'"),
        (On(1, period_start="04-06"), "period_start='04-06'"),
        (Recurrence("every Friday", date(2026, 1, 1)), "rule='every Friday'"),
        (Recurrence("FREQ=HOURLY", date(2026, 1, 1)), "rule='FREQ=HOURLY'"),
        (Recurrence("FREQ=MONTHLY;BYMONTHDAY=32", date(2026, 1, 1)), "rule="),
        (Recurrence("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", date(2026, 1, 1)), "rule="),
        (Recurrence("FREQ=DAILY", NOW), "start="),
        (Recurrence("FREQ=DAILY", "2026-01-01"), "start="),  # type: ignore[arg-type]
        (Recurrence("FREQ=DAILY", date(2026, 1, 1), at="6am"), "at='6am'"),
        (Recurrence("FREQ=DAILY;BYHOUR=6", FIRST), "BYHOUR out and say the time of day in at"),
        (Recurrence("FREQ=DAILY;byminute=6", FIRST), "BYMINUTE out and say the time of day in at"),
        (Recurrence("FREQ=DAILY; BYSECOND=6", FIRST), "BYSECOND out and say the time of day in at"),
        (Recurrence("FREQ=DAILY;COUNT=-1", FIRST), "give COUNT from 1"),
        (Recurrence("FREQ=DAILY;INTERVAL=9999999999999999999", FIRST), "give INTERVAL from 1"),
        (Recurrence("FREQ=DAILY;INTERVAL=0", FIRST), "give INTERVAL from 1"),
        (
            Recurrence(f"FREQ=MONTHLY;BYMONTHDAY={','.join(['1'] * 100_000)}", FIRST),
            "give at most 500 characters",
        ),
        (Recurrence("FREQ=DAILY", FIRST, at=MINUTES), "it is due too often; write cron"),
        (Recurrence("FREQ=DAILY", FIRST, at=MINUTES[:5]), "it is due too often; write cron"),
        (On(1, of="week", at=MINUTES), "it is due too often; write cron"),
        (On([1, 1, 1]), "give each day once"),
        (On(["first", 1]), "give each day once"),
        (On([1] * 10**6), "1…: give each day once"),
        (On(1, at=["06:00", "6:00"]), "give each time of day once"),
        (On(1, at="\u0660\u0666:\u0660\u0660"), "give a time of day"),
        (On(1, of="year", period_start="W10-1"), "period_start='W10-1'"),
        (On(1, TradingHours("XNYS")), "give WorkingDays('XNYS')"),
        (On(1, WorkingDays() - TradingHours("XNYS")), "give WorkingDays('XNYS')"),
        (On(1, WorkingDays("DE", weekend="mon-sun")), "weekend='mon-sun'"),
        (On(1, WorkingDays("DE", add="2026-01-01")), "add='2026-01-01'"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_said_is_refused(on: On | Recurrence, said: str) -> None:
    with pytest.raises(AirflowTimetableInvalid) as refused:
        schedule(on).validate()
    assert said in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    ("on", "said"),
    [
        (On("last", Weekly("mon-fri 08:00-17:00")), "days cover no day from midnight"),
        (Recurrence("FREQ=DAILY;UNTIL=20251231", FIRST), "UNTIL is before"),
    ],
)
def test_what_is_never_due_is_told(on: On | Recurrence, said: str) -> None:
    with pytest.warns(UserWarning, match=said):
        schedule(on).validate()


def test_calendars_among_the_days_allow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that is marked free is a day that counts; subtracted, it takes none away."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    free = tmp_path / "free.ics"
    free.write_bytes(feed(event("UID:1", "DTSTART;VALUE=DATE:20261201", "TRANSP:TRANSPARENT")))
    with time_machine.travel(NOW, tick=False):
        for days, expected in (
            (Calendar(free), "2026-12-01T00:00+01:00"),
            (Weekly("tue") - Calendar(free), "2026-12-01T00:00+01:00"),
        ):
            runs = schedule(On("first", days)).plan(NOW, NOW + timedelta(days=30))
            assert [iso(run.due, BERLIN) for run in runs] == [expected]


def test_as_often_as_may_be() -> None:
    """Four times each day, from ten years ago."""
    with time_machine.travel(NOW, tick=False):
        made = schedule(Recurrence("FREQ=DAILY", date(2016, 1, 1), at=MINUTES[:4]))
        made.validate()
        assert len(json.dumps(made.serialize())) < 80_000


def test_it_says_what_it_is() -> None:
    said = [
        (
            On("last", WorkingDays("DE"), at="18:00"),
            "last day of each month among working days DE, at 18:00",
        ),
        (
            On([1, -2], period_start=26),
            "first and 2nd to last day of each month from day 26 on, at 00:00",
        ),
        (
            On(15, Weekly("mon-fri"), roll="preceding"),
            "15th day of each month, preceding in mon-fri, at 00:00",
        ),
        (
            On([2, 3, 11, 12, 23], of="quarter"),
            "2nd and 3rd and 11th and 12th and 23rd day of each quarter, at 00:00",
        ),
    ]
    for on, text in said:
        assert str(on) == text
