"""The serialized form, pinned.

DAGs that are stored today must be read, and mean the same, for ever.

``python -m tests.support.regenerate_golden`` adds what is new and refuses what is not an addition.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.helpers import TimetableNotRegistered

from calendar_timetable.planning.spans import Packed, Spans
from calendar_timetable.schedule.compiled import VERSION
from calendar_timetable.timetable import CalendarTimetable
from tests.support import golden_files
from tests.support.moments import utc
from tests.support.schedules import MEETINGS, NOW, SCHEDULES, runs_of
from tests.support.time_sets import FakeCalendar, spans

NAMES = sorted(SCHEDULES)
WITH_CALENDAR = [name for name in NAMES if '"calendar"' in golden_files.file_of(name).read_text()]


def serialized(name: str, now: datetime) -> str:
    with time_machine.travel(now, tick=False):
        return json.dumps(SCHEDULES[name].make().serialize())


@pytest.mark.parametrize("name", NAMES)
def test_the_form_is_the_stored_one(name: str) -> None:
    stored, current = golden_files.load(name), golden_files.current(name)

    assert current["serialized"] == stored["serialized"]


@pytest.mark.parametrize("name", NAMES)
def test_a_stored_schedule_still_makes_its_runs(name: str) -> None:
    stored = golden_files.load(name)
    compiled = CalendarTimetable.deserialize(stored["serialized"])

    assert runs_of(name, compiled) == stored["runs"]
    assert compiled.serialize() == stored["serialized"]


@pytest.mark.parametrize("name", NAMES)
def test_a_key_of_tomorrow_is_no_trouble_today(name: str) -> None:
    """While hosts are upgraded one after the other, an older one reads what a newer one wrote."""
    stored = golden_files.load(name)
    newer = stored["serialized"] | {"a_key_of_tomorrow": [1]}

    assert runs_of(name, CalendarTimetable.deserialize(newer)) == stored["runs"]


def test_every_file_belongs_to_a_schedule() -> None:
    assert len(NAMES) >= 12
    assert sorted(file.stem for file in golden_files.FOLDER.glob("*.json")) == NAMES


# What an older reader would plan without.
NEEDS = {"many_meetings": 2, "kept_hour": 3, "by_days": 3, "placed": 4}


def test_the_form_is_plain_json_and_of_version_1_unless_it_needs_more() -> None:
    for name in NAMES:
        data = golden_files.load(name)["serialized"]
        assert data["v"] == NEEDS.get(name, 1)
        assert json.loads(serialized(name, SCHEDULES[name].now)) == data


def test_what_a_version_1_wrote_of_many_spans_means_the_same() -> None:
    """Before there was packing, all bounds were a list of differences."""
    stored = golden_files.load("many_meetings")
    calendar, weekly = stored["serialized"]["blackouts"]["any"]
    deltas = Spans.from_packed(Packed(*calendar["packed"])).deltas()
    of_old = {"calendar": calendar["calendar"], "spans": deltas}
    older = CalendarTimetable.deserialize(
        stored["serialized"] | {"v": 1, "blackouts": {"any": [of_old, weekly]}}
    )

    assert len(deltas) > 200
    assert runs_of("many_meetings", older) == stored["runs"]


def test_another_version_is_refused_with_the_remedy() -> None:
    data = golden_files.load("plain_cron")["serialized"] | {"v": VERSION + 1}

    with pytest.raises(ValueError, match=rf"version {VERSION + 1}.*upgrade"):
        CalendarTimetable.deserialize(data)


@pytest.mark.parametrize("name", ["windows", "blackouts"])
def test_a_kind_of_time_set_of_tomorrow_is_refused(name: str) -> None:
    """As what is held was to readers of old: left out, it would close no time."""
    unheard = {"any": [{"unheard_of": {"calendar": "team"}}]}
    data = golden_files.load("plain_cron")["serialized"] | {name: unheard}

    with pytest.raises(ValueError, match="unknown kind of time set"):
        CalendarTimetable.deserialize(data)


def test_the_class_is_stored_under_its_import_path() -> None:
    """The key of every stored DAG: the class must never move."""
    assert f"{CalendarTimetable.__module__}.{CalendarTimetable.__qualname__}" == (
        "calendar_timetable.timetable.CalendarTimetable"
    )
    try:
        assert (
            encode_timetable(CalendarTimetable("@daily"))["__type"]
            == "calendar_timetable.timetable.CalendarTimetable"
        )
    except TimetableNotRegistered as error:  # run from the source, where no plugin is installed
        assert "calendar_timetable.timetable.CalendarTimetable" in str(error)  # noqa: PT017


@pytest.mark.parametrize("name", NAMES)
def test_a_day_later_in_the_month_the_bytes_are_the_same(name: str) -> None:
    now = SCHEDULES[name].now

    assert serialized(name, now + timedelta(days=1, hours=5, seconds=7)) == serialized(name, now)


@pytest.mark.parametrize("name", WITH_CALENDAR)
def test_on_every_day_of_a_month_the_bytes_are_the_same(name: str) -> None:
    days = [utc("2026-11-01 00:00") + timedelta(days=day, hours=day % 24) for day in range(30)]

    assert {serialized(name, day) for day in days} == {serialized(name, NOW)}


# Edits that touch no tick's way to its start, its run (an hour) or the six hours after: the DAG
# runs at 09:00.
ELSEWHERE: list[tuple[str, str]] = [
    ("2026-11-12 20:00", "2026-11-12 22:00"),
    ("2026-11-14 20:00", "2026-11-15 06:30"),
    ("2026-11-25 00:00", "2026-11-25 08:59"),
    ("2027-01-05 17:00", "2027-01-05 23:00"),
    ("2027-08-01 00:00", "2027-08-30 00:00"),
    ("2025-08-01 00:00", "2025-08-30 00:00"),
]


def held_by(known: Spans) -> dict[str, Any]:
    schedule = CalendarTimetable(
        "0 9 * * *", timezone="UTC", blackouts=FakeCalendar(known), duration=timedelta(hours=1)
    )
    with time_machine.travel(NOW, tick=False):
        return schedule.serialize()


@pytest.mark.parametrize("edit", ELSEWHERE, ids=lambda edit: edit[0])
def test_an_edit_that_moves_no_run_leaves_the_bytes(edit: tuple[str, str]) -> None:
    assert json.dumps(held_by(MEETINGS.known | spans(edit))) == json.dumps(held_by(MEETINGS.known))


@pytest.mark.parametrize(
    "edit", [("2026-11-13 09:30", "2026-11-13 09:45"), ("2027-01-05 09:00", "2027-01-05 23:00")]
)
def test_an_edit_that_moves_a_run_changes_them(edit: tuple[str, str]) -> None:
    assert held_by(MEETINGS.known | spans(edit)) != held_by(MEETINGS.known)
