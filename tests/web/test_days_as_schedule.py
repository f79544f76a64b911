"""The page's plan and what-if of schedules that are said in days."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from airflow.sdk import DAG
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from calendar_timetable import (
    Calendar,
    CalendarTimetable,
    Holidays,
    On,
    Recurrence,
    TradingHours,
    Weekly,
    WorkingDays,
)
from calendar_timetable.planning.time_sets import TimeRange, TimeSet
from calendar_timetable.runs import lru
from calendar_timetable.schedule.as_python import python_of
from tests.support.airflow_database import add_dag
from tests.support.ics import feed
from tests.support.moments import utc
from tests.support.web_app import asked

NOW = utc("2026-11-27T10:00")
BERLIN = "Europe/Berlin"
NAMES = {
    "CalendarTimetable": CalendarTimetable,
    "On": On,
    "Recurrence": Recurrence,
    "date": date,
    "TradingHours": TradingHours,
    "Weekly": Weekly,
    "WorkingDays": WorkingDays,
    "timedelta": timedelta,
    "Holidays": Holidays,
}
LAST_DAY = On("last", WorkingDays("DE-BY"), at="18:00")


@pytest.fixture
def client(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    lru.forget()
    with time_machine.travel(NOW, tick=False), asked(session, monkeypatch) as found:
        yield found
    lru.forget()


def add(session: Session, schedule: Any, **given: Any) -> None:
    made = CalendarTimetable(schedule, timezone=BERLIN, **given)
    dag = DAG("month_end", schedule=made, start_date=datetime(2026, 1, 1, tzinfo=UTC))
    add_dag(session, dag, datetime.now(UTC))


def test_the_plan_of_month_ends_and_what_moves_it(client: TestClient, session: Session) -> None:
    add(session, LAST_DAY, windows=Weekly("daily 20:00-06:00"))
    told = client.get("/api/dags/month_end/plan", params={"limit": 2}).json()
    assert told["summary"].startswith("last day of each month among working days DE-BY, at 18:00 +")
    runs = [(run["due"], run["start"]) for run in told["plan"]]
    assert runs == [
        ("2026-11-30T17:00:00Z", "2026-11-30T19:00:00Z"),
        ("2026-12-31T17:00:00Z", "2026-12-31T19:00:00Z"),
    ]
    [reason] = told["plan"][0]["reasons"]
    assert reason["text"] == "outside daily 20:00-06:00 until 20:00 CET"
    given = CalendarTimetable(LAST_DAY, timezone=BERLIN, windows=Weekly("daily 20:00-06:00"))
    assert eval(told["python"], NAMES).serialize() == given.serialize()

    asked_for = {"windows": ["daily 22:00-06:00"], "duration_seconds": 3600}
    answer = client.post("/api/dags/month_end/what-if", params={"limit": 2}, json=asked_for).json()
    assert [run["start"] for run in answer["plan"]] == [
        "2026-11-30T21:00:00Z",
        "2026-12-31T21:00:00Z",
    ]
    assert [run["start"] for run in answer["current"]] == [start for _, start in runs]
    assert "On('last', WorkingDays('DE-BY'), at='18:00')," in answer["python"]
    assert "windows=Weekly('daily 22:00-06:00')" in answer["python"]


def test_working_days_as_windows_are_kept_by_a_what_if(
    client: TestClient, session: Session
) -> None:
    """Their line can stay, and be taken away."""
    every = Recurrence("FREQ=DAILY", date(2026, 1, 1), at="16:00")
    add(session, every, windows=WorkingDays("DE"), blackouts=TradingHours("XNYS"))
    told = client.get("/api/dags/month_end/plan", params={"limit": 3}).json()
    # New York closes at 13:00 there on the day after Thanksgiving, and then it is the weekend here.
    assert [run["start"] for run in told["plan"][:3]] == [
        "2026-11-27T18:00:00Z",
        None,
        "2026-11-29T23:00:00Z",
    ]
    assert told["plan"][0]["reasons"][0]["text"] == "blocked by trading hours XNYS until 19:00 CET"
    assert told["arguments"]["windows"] == ["mon,tue,wed,thu,fri except days off DE"]
    assert told["arguments"]["blackouts"] == ["trading hours XNYS"]
    kept = client.post(
        "/api/dags/month_end/what-if",
        json={"windows": told["arguments"]["windows"], "blackouts": []},
    ).json()
    assert "windows=WorkingDays('DE')," in kept["python"] and "blackouts" not in kept["python"]
    assert kept["plan"][0]["start"] == "2026-11-27T15:00:00Z"


def test_a_what_if_moves_by_days(client: TestClient, session: Session) -> None:
    add(session, "0 9 * * SAT", blackouts=Weekly("sat"))
    route = "/api/dags/month_end/what-if"
    kept = client.post(route, params={"limit": 1}, json={"keep_hour": True}).json()
    assert [run["start"] for run in kept["current"]] == ["2026-11-28T23:00:00Z"]
    assert [run["start"] for run in kept["plan"]] == ["2026-11-29T08:00:00Z"]
    assert kept["plan"][0]["reasons"][-1]["kind"] == "same_hour"
    assert "keep_hour=True," in kept["python"]

    wrong = client.post(route, json={"keep_hour": True, "when_blocked": "skip"})
    assert wrong.status_code == 422
    assert "keep_hour" in wrong.text
    far = client.post(route, json={"keep_hour": True, "max_delay_seconds": 40 * 86400})
    assert far.status_code == 422
    assert "max_delay" in far.text


def test_a_dag_that_keeps_its_hour_can_be_asked_what_skipping_would_do(
    client: TestClient, session: Session
) -> None:
    add(session, "0 9 * * SAT", blackouts=Weekly("sat"), keep_hour=True)
    answer = client.post("/api/dags/month_end/what-if", json={"when_blocked": "skip"})
    assert answer.status_code == 200
    assert {run["start"] for run in answer.json()["plan"]} == {None}
    assert "keep_hour" not in answer.json()["python"]


# As it is written, and as the page shows it; without arguments that do not travel in the DAG.
SHOWN: list[tuple[Any, dict[str, Any], list[str]]] = [
    (LAST_DAY, {}, ["    On('last', WorkingDays('DE-BY'), at='18:00'),"]),
    (
        On([1, -2], WorkingDays("DE", add=[date(2026, 12, 26)]), roll="following", at=["06:00"]),
        {},
        [
            "    On([1, -2], WorkingDays('DE', add=[date(2026, 12, 26)]), at=['06:00'], roll='following'),"
        ],
    ),
    (
        On(1, (WorkingDays("DE") | Weekly("sat")) & ~Holidays("US"), period_start=26),
        {},
        ["    On(1, (WorkingDays('DE') | Weekly('sat')) & (~Holidays('US')), period_start=26),"],
    ),
    (
        Recurrence("FREQ=DAILY;INTERVAL=3", date(2026, 1, 1), at="05:00"),
        {"windows": WorkingDays(), "blackouts": TradingHours("XETR")},
        [
            "    Recurrence('FREQ=DAILY;INTERVAL=3', date(2026, 1, 1), at='05:00'),",
            "    windows=Weekly('mon,tue,wed,thu,fri'),",
            "    blackouts=TradingHours('XETR'),",
        ],
    ),
    (
        "0 5 * * *",
        {"windows": [WorkingDays("CN"), Weekly("sat")], "blackouts": ~WorkingDays("DE")},
        [
            "    '0 5 * * *',",
            "    windows=[WorkingDays('CN'), Weekly('sat')],  # its other arguments as in the DAG file",
            "    blackouts=~WorkingDays('DE'),  # its other arguments as in the DAG file",
        ],
    ),
]


@pytest.mark.parametrize(("schedule", "given", "lines"), SHOWN, ids=[str(row[0]) for row in SHOWN])
def test_as_python(schedule: Any, given: dict[str, Any], lines: list[str]) -> None:
    with time_machine.travel(NOW, tick=False):
        made = CalendarTimetable(schedule, timezone=BERLIN, **given)
        data = made.serialize()
        python = python_of(stored(data).compiled)
        assert [line for line in lines if line not in python.splitlines()] == []
        # Nothing else was given, and so it is the same schedule.
        assert eval(python, NAMES).serialize() == data


def stored(data: dict[str, Any]) -> CalendarTimetable:
    return CalendarTimetable.deserialize(json.loads(json.dumps(data)))


class Own(TimeSet):
    """A set that somebody made, which may say anything of itself."""

    def __repr__(self) -> str:
        return "Own('hunter2')"

    def __str__(self) -> str:
        return "our own days"

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        return Weekly("mon-fri", timezone=timezone)


@pytest.mark.filterwarnings("ignore")
def test_no_address_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of calendars only what people may see; sets of other kinds, and long texts, not at all."""
    monkeypatch.setenv("CALENDAR_TIMETABLE_CACHE", str(tmp_path / "cache"))
    off = tmp_path / "hunter2" / "off.ics"
    off.parent.mkdir()
    off.write_bytes(feed())
    guest = Calendar(off, match="*hunter2*", attendee="hunter2@example.com")
    address = Calendar("https://hunter2:hunter2@127.0.0.1:9/hunter2/hunter2.ics?key=hunter2")
    shown = [
        (WorkingDays("DE") - guest, "On(1, WorkingDays('DE') - Calendar('off.ics')),  # its other"),
        (WorkingDays("DE") - address, "On(1, WorkingDays('DE') - Calendar('127.0.0.1')),  # its"),
        (WorkingDays("DE") & Own(), "...,  # as in the DAG file: first day of each month among"),
        (
            WorkingDays("DE", add=[date(2026, 1, 1) + timedelta(days=n) for n in range(99)]),
            "...,  # as in the DAG file: first day of each month among working days DE, at",
        ),
    ]
    with time_machine.travel(NOW, tick=False):
        for days, expected in shown:
            data = CalendarTimetable(On(1, days), timezone=BERLIN).serialize()
            python = python_of(stored(data).compiled)
            assert python.splitlines()[1].strip().startswith(expected)
            assert "hunter2" not in json.dumps(data["base"].get("python", "")) + python


def test_what_was_stored_without_it_is_told_by_a_comment() -> None:
    with time_machine.travel(NOW, tick=False):
        data = CalendarTimetable(LAST_DAY, timezone=BERLIN).serialize()
        del data["base"]["python"]
        assert python_of(stored(data).compiled).splitlines()[1:3] == [
            "    ...,  # as in the DAG file: last day of each month among working days DE-BY, at 18:00",
            "    timezone='Europe/Berlin',",
        ]
