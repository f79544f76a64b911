"""Wrong arguments are named with their value and the remedy by ``validate()``.

And by nothing before it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.exceptions import AirflowTimetableInvalid
from airflow.sdk import Asset, CronPartitionTimetable
from airflow.sdk import CronTriggerTimetable as SdkCronTriggerTimetable
from airflow.timetables.assets import AssetOrTimeSchedule
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.simple import AssetTriggeredTimetable, NullTimetable
from airflow.timetables.trigger import (
    CronTriggerTimetable,
    DeltaTriggerTimetable,
    MultipleCronTriggerTimetable,
)
from dateutil.relativedelta import relativedelta

from calendar_timetable import (
    Calendar,
    CalendarEventTrigger,
    CalendarGate,
    CalendarTimetable,
    DeploymentRule,
    Holidays,
    On,
    Recurrence,
    TradingHours,
    Weekly,
    WorkingDays,
)
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.runtime.deadlines import MilestoneDeadline
from tests.support.moments import utc
from tests.support.timetables import next_run, pen, travelled

DAY = timedelta(days=1)
ANY: Any = None  # what the tables below pass on purpose is of wrong types

# arguments (the first is the schedule), then what the message must hold: field, value, a word of
# the remedy
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str, str]] = [
    ("no schedule", (None,), {}, "schedule", "None", "cron"),
    ("empty schedule", ("",), {}, "schedule", "''", "cron"),
    ("a number", (7,), {}, "schedule", "7", "timedelta"),
    ("a wrong cron", ("61 * * * *",), {}, "schedule", "'61 * * * *'", "cron"),
    ("a year that airflow cannot go back from", ("0 0 1 1 * 0 2040",), {}, "schedule", "2040",
     "cron"),
    ("years that are over one day", ("0 0 1 1 * 0 2020-2035",), {}, "schedule", "2020-2035",
     "start_date and end_date"),
    ("the same, of two crons",
     (MultipleCronTriggerTimetable("0 0 * * *", "0 1 1 1 * 0 2020-2035", timezone="UTC"),), {},
     "schedule", "MultipleCron", "start_date and end_date"),
    ("a day that never comes", ("0 0 31 2 *",), {}, "schedule", "'0 0 31 2 *'", "cron"),
    ("too few fields", ("0 2 *",), {}, "schedule", "'0 2 *'", "cron"),
    ("an unknown preset", ("@fortnightly",), {}, "schedule", "'@fortnightly'", "preset"),
    ("no time at all", (timedelta(0),), {}, "schedule", "datetime.timedelta(0)", "positive"),
    ("backwards", (-DAY,), {}, "schedule", "datetime.timedelta(days=-1)", "positive"),
    ("a date", (datetime(2026, 3, 2, tzinfo=UTC),), {}, "schedule", "2026, 3, 2", "cron"),
    ("an asset", (Asset("sales"),), {}, "schedule", "sales", "cron"),
    ("a list of assets", ([Asset("sales")],), {}, "schedule", "sales", "cron"),
    ("without schedule", (NullTimetable(),), {}, "schedule", "NullTimetable", "due times"),
    ("assets only", (AssetTriggeredTimetable(Asset("sales")),), {}, "schedule", "AssetTriggered",
     "AssetOrTimeSchedule"),
    (
        "assets or time",
        (AssetOrTimeSchedule(timetable=CronTriggerTimetable("0 2 * * *", timezone="UTC"),
                             assets=[Asset("sales")]),),
        {}, "schedule", "AssetOrTimeSchedule", "inside AssetOrTimeSchedule",
    ),
    ("partitions", (CronPartitionTimetable("0 2 * * *", timezone="UTC"),), {}, "schedule",
     "CronPartition", "partitions cannot wait for calendars"),
    ("a weekly rule as schedule", (Weekly("mon"),), {}, "schedule", "Weekly('mon')", "windows"),
    ("holidays as schedule", (Holidays("DE"),), {}, "schedule", "Holidays('DE')", "windows"),
    ("an unknown zone", ("@daily",), {"timezone": "Europe/Atlantis"}, "timezone",
     "'Europe/Atlantis'", "IANA"),
    ("an empty zone", ("@daily",), {"timezone": ""}, "timezone", "''", "IANA"),
    ("an offset as zone", ("@daily",), {"timezone": 2}, "timezone", "2", "IANA"),
    ("a zone without a name", ("@daily",), {"timezone": timezone(DAY / 24)}, "timezone",
     "datetime.timezone(", "IANA"),
    ("a path as zone", ("@daily",), {"timezone": "../../etc/passwd"}, "timezone",
     "'../../etc/passwd'", "IANA"),
    ("a number as windows", ("@daily",), {"windows": 7}, "windows", "7", "Weekly"),
    ("a number as blackouts", ("@daily",), {"blackouts": 7}, "blackouts", "7", "Calendar"),
    ("a number in a list", ("@daily",), {"blackouts": [Weekly("mon"), 7]}, "blackouts", "7",
     "Calendar"),
    ("a cron as windows", ("@daily",), {"windows": timedelta(hours=2)}, "windows", "7200",
     "Weekly"),
    ("a rule not in Weekly", ("@daily",), {"windows": "mon-fri 19:00-07:00"}, "Calendar",
     "'mon-fri 19:00-07:00'", "Weekly("),
    ("an unknown scheme", ("@daily",), {"blackouts": "ftp://example.org/a.ics"}, "Calendar",
     "ftp://", "webcal"),
    ("a wrong rule", ("@daily",), {"windows": Weekly("funday")}, "Weekly", "'funday'", "mon-fri"),
    ("a wrong rule in a list", ("@daily",), {"blackouts": [Weekly("mon 7-9")]}, "Weekly",
     "'mon 7-9'", "19:00-07:00"),
    ("a wrong rule inside out", ("@daily",), {"windows": ~(Weekly("mon") - Weekly(""))}, "Weekly",
     "''", "mon-fri"),
    ("no rule", ("@daily",), {"windows": Weekly()}, "Weekly", "()", "at least one"),
    ("a rule's zone", ("@daily",), {"windows": Weekly("mon", timezone="X/Y")}, "timezone", "'X/Y'",
     "IANA"),
    ("a wrong code", ("@daily",), {"blackouts": Holidays("Germany")}, "Holidays", "'Germany'",
     "DE-BY"),
    ("holidays' zone", ("@daily",), {"blackouts": Holidays("DE", timezone="X/Y")}, "timezone",
     "'X/Y'", "IANA"),
    ("seconds as duration", ("@daily",), {"duration": 3600}, "duration", "3600", "timedelta"),
    ("negative duration", ("@daily",), {"duration": -DAY}, "duration", "days=-1", "timedelta"),
    ("half a second", ("@daily",), {"duration": timedelta(seconds=0.5)}, "duration", "500000",
     "whole seconds"),
    ("unknown policy", ("@daily",), {"when_blocked": "wait"}, "when_blocked", "'wait'",
     "'postpone'"),
    ("no policy", ("@daily",), {"when_blocked": None}, "when_blocked", "None", "'skip'"),
    ("a list as policy", ("@daily",), {"when_blocked": ["skip"]}, "when_blocked", "['skip']",
     "'skip'"),
    ("no delay", ("@daily",), {"max_delay": None}, "max_delay", "None", "timedelta"),
    ("negative delay", ("@daily",), {"max_delay": -DAY}, "max_delay", "days=-1", "timedelta"),
    ("seconds as delay", ("@daily",), {"max_delay": 60}, "max_delay", "60", "timedelta"),
    ("minutes as stagger", ("@daily",), {"stagger": 30}, "stagger", "30", "timedelta"),
    ("negative stagger", ("@daily",), {"stagger": -DAY}, "stagger", "days=-1", "timedelta"),
    ("a number as key", ("@daily",), {"stagger": DAY, "stagger_key": 7}, "stagger_key", "7",
     "text"),
    ("a number as key, unused", ("@daily",), {"stagger_key": 7}, "stagger_key", "7", "text"),
    ("coalesce by text", ("@daily",), {"coalesce": "yes"}, "coalesce", "'yes'", "True or False"),
    ("coalesce not said", ("@daily",), {"coalesce": None}, "coalesce", "None", "True or False"),
    ("offset without calendar", ("@daily",), {"offset": DAY}, "offset", "days=1", "Calendar"),
    ("minutes as offset", (Calendar("team"),), {"offset": 15}, "offset", "15", "timedelta"),
    ("half a second's offset", (Calendar("team"),), {"offset": timedelta(seconds=0.5)}, "offset",
     "500000", "whole seconds"),
    ("a calendar's match", ("@daily",), {"blackouts": Calendar("team", match=ANY or 7)}, "match",
     "7", "text"),
    ("a calendar's last resort", ("@daily",),
     {"blackouts": Calendar("team", on_unavailable="wait")}, "on_unavailable", "'wait'", "'hold'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "kwargs", "field", "value", "remedy"),
    [row[1:] for row in WRONG],
    ids=[row[0] for row in WRONG],
)
def test_wrong_arguments(
    args: tuple[Any, ...], kwargs: dict[str, Any], field: str, value: str, remedy: str
) -> None:
    schedule = CalendarTimetable(*args, **kwargs)  # must not fail: a worker only parses the file

    with pytest.raises(AirflowTimetableInvalid) as caught:
        schedule.validate()
    message = str(caught.value)
    assert message.startswith(f"{field}="), message
    assert value in message
    assert remedy in message


SCHEDULES: list[tuple[str, Callable[[], Any]]] = [
    ("cron", lambda: "0 2 * * SAT"),
    ("cron of six fields", lambda: "0 2 * * SAT 30"),
    ("cron with a last day", lambda: "0 0 15,L * *"),
    ("cron with a nearest weekday", lambda: "0 0 15W * *"),
    ("preset", lambda: "@weekly"),
    ("once", lambda: "@once"),
    ("continuous", lambda: "@continuous"),
    ("timedelta", lambda: timedelta(hours=7)),
    ("relativedelta", lambda: relativedelta(months=1)),
    ("cron trigger", lambda: CronTriggerTimetable("0 2 * * *", timezone="UTC")),
    ("cron trigger of the SDK", lambda: SdkCronTriggerTimetable("0 2 * * *", timezone="UTC")),
    ("delta trigger", lambda: DeltaTriggerTimetable(DAY)),
    ("cron data intervals", lambda: CronDataIntervalTimetable("0 2 * * *", "UTC")),
    ("delta data intervals", lambda: DeltaDataIntervalTimetable(DAY)),
    ("events", lambda: EventsTimetable([pen(utc("2026-03-03"))])),
]


@pytest.mark.parametrize("made", [row[1] for row in SCHEDULES], ids=[row[0] for row in SCHEDULES])
def test_right_schedules(made: Callable[[], Any]) -> None:
    schedule = CalendarTimetable(made(), timezone="UTC", windows=Weekly("daily"))

    schedule.validate()
    compiled = travelled(schedule)
    compiled.validate()
    assert json.dumps(compiled.serialize()) == json.dumps(schedule.serialize())
    assert next_run(compiled, earliest=utc("2026-03-02")) is not None


class Limited(CalendarTimetable):
    """A schedule with attributes of its own."""

    def __init__(self, schedule: Any = None, **arguments: Any) -> None:
        super().__init__(schedule, **arguments)
        self.active_runs_limit = 1


def test_a_subclass_is_made_by_its_own_way_when_decoded() -> None:
    assert (
        Limited.deserialize(Limited("0 2 * * *", timezone="UTC").serialize()).active_runs_limit == 1
    )


RIGHT: list[dict[str, Any]] = [
    {},
    {"timezone": "Asia/Kathmandu"},
    {"timezone": ZoneInfo("Europe/Berlin")},
    {"timezone": pendulum.timezone("Europe/Berlin")},
    {"timezone": UTC},
    {"windows": None, "blackouts": None},
    {"windows": [], "blackouts": ()},
    {"windows": Weekly("mon-fri 19:00-07:00", "sat-sun", timezone="America/New_York")},
    {"windows": [Weekly("mon"), Weekly("tue")], "blackouts": (Holidays("DE-BY"),)},
    {
        "windows": ~(Weekly("mon-fri") | Holidays("NYSE"))
        & Weekly("daily 01:00-05:00") - Weekly("sun")
    },
    {"blackouts": "team_calendar"},
    {"blackouts": "https://example.org/team.ics"},
    {"blackouts": "webcal://example.org/team"},
    {"blackouts": "./team.ics"},
    {"blackouts": Path("team.ics")},
    {
        "blackouts": [
            Calendar("team_calendar", match="*freeze*"),
            "file:///srv/team.ics",
            Weekly("sun"),
        ]
    },
    {"duration": timedelta(hours=4)},
    {"duration": timedelta(0), "max_delay": timedelta(0), "stagger": timedelta(0)},
    {"duration": None, "stagger": None, "stagger_key": None, "offset": None},
    {"duration": timedelta(days=30), "max_delay": timedelta(days=60)},
    {"when_blocked": "advance", "max_delay": timedelta(days=2)},
    {"when_blocked": "skip", "coalesce": False},
    {"when_blocked": "run"},
    {"stagger": timedelta(minutes=30), "stagger_key": "my_dag"},
]


@pytest.mark.parametrize(
    "kwargs", RIGHT, ids=lambda kwargs: ", ".join(f"{k}={v!s:.24}" for k, v in kwargs.items())
)
def test_right_arguments(kwargs: dict[str, Any]) -> None:
    CalendarTimetable("0 2 * * SAT", **kwargs).validate()


@pytest.mark.parametrize(
    "address", ["https://example.org/team.ics", "webcal://example.org/t", Path("team.ics")], ids=str
)
def test_a_calendar_as_schedule(address: str | Path) -> None:
    CalendarTimetable(address).validate()
    CalendarTimetable(Calendar(address), offset=timedelta(minutes=-15)).validate()


def test_without_a_zone_it_is_airflows() -> None:
    assert CalendarTimetable("@daily", windows=Weekly("daily")).serialize()["timezone"] == "UTC"


def test_a_zone_of_any_kind_goes_by_its_name() -> None:
    zones = ["Europe/Berlin", ZoneInfo("Europe/Berlin"), pendulum.timezone("Europe/Berlin")]

    assert {
        json.dumps(CalendarTimetable("@daily", timezone=zone).serialize()) for zone in zones
    } == {json.dumps(CalendarTimetable("@daily", timezone="Europe/Berlin").serialize())}


def test_a_cron_expression_that_airflow_draws_anew_each_time_goes_on() -> None:
    plan = CalendarTimetable("R 2 * * *", timezone="UTC").plan(
        datetime(2026, 3, 2, tzinfo=UTC), limit=3
    )
    ticks = [run.due for run in plan]
    assert len(ticks) == 3 and ticks == sorted(set(ticks))


# What takes arguments: how it is used, some that are right, and those that are tried with others.
PUBLIC: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "CalendarTimetable": (
        lambda **given: CalendarTimetable(**given).validate(),
        {"schedule": "0 5 * * *", "timezone": "UTC"},
        """schedule timezone windows blackouts duration when_blocked max_delay stagger stagger_key
        coalesce offset keep_hour max_lateness assets place""",
    ),
    "plan": (
        CalendarTimetable("0 5 * * *", timezone="UTC").plan,
        {"start": utc("2026-03-02 00:00"), "end": utc("2026-03-03 00:00")},
        "start end limit",
    ),
    "Calendar": (
        lambda **given: Calendar(**given).validate(),
        {"address": "team"},
        """address match categories location attendee busy_only pad offset timezone refresh
        max_stale on_unavailable strict show_titles name""",
    ),
    "Weekly": (lambda rule, **given: Weekly(rule, **given).validate(), {"rule": "mon"},
               "rule timezone"),
    "Holidays": (lambda **given: Holidays(**given).validate(), {"code": "DE"}, "code timezone"),
    "WorkingDays": (lambda **given: WorkingDays(**given).validate(), {"code": "DE"},
                    "code weekend add remove timezone"),
    "TradingHours": (lambda **given: TradingHours(**given).validate(), {}, "code"),
    "On": (
        lambda **given: CalendarTimetable(On(**given), timezone="UTC").validate(),
        {"which": 1},
        "which days of at roll period_start",
    ),
    "Recurrence": (
        lambda **given: CalendarTimetable(Recurrence(**given), timezone="UTC").validate(),
        {"rule": "FREQ=WEEKLY", "start": date(2026, 1, 1)},
        "rule start at",
    ),
    "DeploymentRule": (
        DeploymentRule,
        {},
        "blackouts windows tags owners dag_ids exempt_tags apply_to max_delay place",
    ),
    "CalendarGate": (partial(CalendarGate, task_id="gate"), {}, "duration max_delay when_late"),
    "CalendarEventTrigger": (CalendarEventTrigger, {"calendar": "team"}, "calendar on before"),
    "MilestoneDeadline": (
        lambda **given: MilestoneDeadline(**given).serialize_reference(),
        {"calendar": "no_such_connection"},
        "calendar before",
    ),
}  # fmt: skip
# Of every kind that an argument may be, and none that is right where another kind is meant.
ODD = [
    None, 5, -1, 0.5, math.nan, math.inf, 10**400, True, "text", "", "a\x00b", "\ud800", b"x",
    {"a"}, set(), [], [[]], [None], ["a", 5], {}, iter(["a"]), object(), timedelta(days=-1),
    timedelta(seconds=1.5), timedelta.max, timedelta.min, date(2026, 3, 2),
    datetime(2026, 3, 2), Weekly, Weekly("mon"), len,
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "field"),
    [(name, field) for name, (_, _, fields) in PUBLIC.items() for field in fields.split()],
)
def test_what_cannot_be_used_is_named_whatever_it_is(name: str, field: str) -> None:
    make, right, _ = PUBLIC[name]
    if name == "CalendarEventTrigger":
        pytest.importorskip("airflow.triggers.shared_stream", reason="Airflow 3.3")
    said = []
    for value in ODD:
        try:
            make(**{**right, field: value})
        except (InvalidArgument, AirflowTimetableInvalid) as error:
            said.append(str(error))

    assert len(said) >= len(ODD) / 3, "most of these mean nothing"
    # The first argument of a time set goes by the name of its class.
    form = re.compile(rf"({field}|{name}|Calendar)=.+: .+", re.DOTALL)
    assert [message for message in said if not form.match(message)] == []
