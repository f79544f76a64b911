"""Rules survive the way to a trigger.

Every kind of time set, every option of a calendar, each in its role.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from calendar_timetable import Calendar, CalendarTimetable, Holidays, TimeSet, Weekly
from calendar_timetable.calendars import codec
from calendar_timetable.runtime.dag_schedule import rules_of
from calendar_timetable.schedule.time_rules import TimeRules

FULL = Calendar(
    "https://example.org/team.ics",
    match="*freeze*",
    categories=("Release", "Ops"),
    location="Room *",
    attendee="me@example.org",
    busy_only=False,
    pad=(timedelta(minutes=5), timedelta(minutes=10)),
    offset=timedelta(hours=-1),
    timezone="Europe/Berlin",
    refresh=timedelta(seconds=30),
    max_stale=timedelta(hours=2),
    on_unavailable="ignore",
    strict=True,
    name="Team",
    show_titles=True,
)

SETS: list[TimeSet] = [
    Calendar("team_calendar"),
    Calendar("team_calendar", match="*freeze*", categories="Ops"),
    FULL,
    Weekly("mon-fri 19:00-07:00", "sat-sun"),
    Weekly("daily 22:00-04:00", timezone="Asia/Tokyo"),
    Holidays("DE-BY", timezone="Europe/Berlin"),
    Weekly("sat") | Calendar("a"),
    Weekly("sat") & ~Calendar("a"),
    Weekly("sat") - (Calendar("a") | Holidays("DE")),
]


@pytest.mark.parametrize("deny", [True, False])
@pytest.mark.parametrize("timeset", SETS, ids=str)
def test_a_time_set_comes_back_as_it_was(timeset: TimeSet, deny: bool) -> None:
    timeset = timeset.in_role(deny=deny)
    data = json.loads(json.dumps(codec.encode(timeset)))
    back = codec.decode(data)

    assert codec.encode(back) == data
    assert repr(back) == repr(timeset)
    assert roles(back) == roles(timeset)


def roles(timeset: TimeSet) -> list[bool]:
    if isinstance(timeset, Calendar):
        return [timeset.deny]
    return [role for part in timeset.parts() for role in roles(part)]


def test_every_option_of_a_calendar_is_tried() -> None:
    """A new option must be one that the way to a trigger carries."""
    options = inspect.signature(Calendar).parameters
    assert {n for n, p in options.items() if p.kind is p.KEYWORD_ONLY} == set(
        codec.encode(FULL)["options"]
    )
    assert codec.decode(codec.encode(FULL)) == FULL


def test_a_path_stays_one() -> None:
    assert codec.decode(codec.encode(Calendar(Path("team")))) == Calendar(Path("team"))


def test_rules_come_back_as_they_were() -> None:
    made = CalendarTimetable(
        "0 2 * * *",
        timezone="Europe/Berlin",
        windows=Weekly("sat-sun"),
        blackouts=["team_calendar", FULL],
        duration=timedelta(hours=4),
        stagger=timedelta(minutes=30),
    )
    made_rules = rules_of(made)
    data = json.loads(json.dumps(made_rules.to_json()))

    assert TimeRules.from_json(data).to_json() == made_rules.to_json()
    assert TimeRules.from_json(data).key == made_rules.key
    assert made_rules.refresh == 30


def test_of_a_serialized_schedule_what_it_carries() -> None:
    made = CalendarTimetable("0 2 * * *", timezone="UTC", blackouts=Weekly("sat"))
    compiled = rules_of(CalendarTimetable.deserialize(made.serialize()))

    assert (
        TimeRules.from_json(json.loads(json.dumps(compiled.to_json()))).to_json()
        == compiled.to_json()
    )
    assert compiled.refresh is None


def test_one_reading_serves_rules_that_differ_in_their_duration_only() -> None:
    def key(address: str, hours: int) -> str:
        rules = rules_of(CalendarTimetable("0 2 * * *", blackouts=address))
        return replace(rules, policy=replace(rules.policy, duration=hours * 3600)).key

    assert key("team", 4) == key("team", 5) != key("other", 4)
