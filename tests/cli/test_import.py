"""``import``: what other schedulers have, as Python that is due when their documentation says.

Each input has the form that the documentation of its scheduler gives; due times are literal.
"""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import airflow.settings  # noqa: F401  (sets its log up, before a test captures where that goes)
import pytest

from calendar_timetable import CalendarTimetable
from calendar_timetable.cli.imports import command, literals
from calendar_timetable.cli.imports.result import MOST_BYTES, Unsaid
from calendar_timetable.cli.imports.timetables_calendar import _arguments
from calendar_timetable.cli.imports.timetables_calendar_schedules import schedule_of
from calendar_timetable.planning.time_sets import TimeRange
from tests.support.command_line import Run

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _cache(cache: Path) -> None:
    """Calendars that are read are kept in a folder of the test's own."""


def made(python: str) -> dict[str, Any]:
    """Run what was printed."""
    names: dict[str, Any] = {}
    exec(compile(python, "printed", "exec"), names)
    return names


def due(names: dict[str, Any], zone: str, limit: int = 3) -> list[str]:
    """Return the next starts after Friday, 27 November 2026, that are within start and end."""
    clock = ZoneInfo(zone)
    first = max(names.get("start_date", datetime(2026, 11, 27, tzinfo=clock)),
                datetime(2026, 11, 27, tzinfo=clock))  # fmt: skip
    last = names.get("end_date", datetime(2028, 12, 31, tzinfo=clock))
    schedule = names["schedule"]
    assert isinstance(schedule, CalendarTimetable)
    schedule.validate()
    starts = [run.start for run in schedule.plan(first, last) if run.start is not None]
    return [f"{at.astimezone(clock):%Y-%m-%d %H:%M}" for at in starts[:limit]]


# --- run cycles of HCL Workload Automation ---------------------------------------------------------

OFF = '$CALENDAR\nHOLIDAYS "Days off"\n  12/24/2026 12/25/2026 01/01/2027\n'


def stream(cycle: str, *, at: str = "AT 1800", head: str = "", calendars: str = OFF) -> str:
    return (
        f"{calendars}SCHEDULE WS1#PAYROLL TIMEZONE Europe/Berlin\n{head}\n{cycle}\n{at}\n:\n"
        "WS1#JOB1\n AT 1900\nEND\n"
    )


HOLIDAYS = "[date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1)]"
CYCLES = {
    # "every month on the 27th", moved to the nearest workday after
    'ON RUNCYCLE RC1 "FREQ=MONTHLY;BYMONTHDAY=27" FDNEXT': (
        f'On([27], days=WorkingDays(remove={HOLIDAYS}), at="18:00", roll="following")',
        ["2026-11-27 18:00", "2026-12-28 18:00", "2027-01-27 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=MONTHLY;BYMONTHDAY=15,-1" FDPREV': (
        f'On([15, -1], days=WorkingDays(remove={HOLIDAYS}), at="18:00", roll="preceding")',
        ["2026-11-30 18:00", "2026-12-15 18:00", "2026-12-31 18:00"],
    ),
    # FDIGNORE leaves a date out that is no workday
    'ON RUNCYCLE RC1 "FREQ=MONTHLY;BYMONTHDAY=24" FDIGNORE': (
        f'On([24], days=WorkingDays(remove={HOLIDAYS}), at="18:00", roll="skip")',
        ["2027-02-24 18:00", "2027-03-24 18:00", "2027-05-24 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=MONTHLY;BYMONTHDAY=27"': (
        'On([27], at="18:00")',
        ["2026-11-27 18:00", "2026-12-27 18:00", "2027-01-27 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=DAILY"': (
        'On([1, 2, 3, 4, 5, 6, 7], of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-11-28 18:00", "2026-11-29 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=DAILY;INTERVAL=1;BYWORKDAY"': (
        f'On([1, 2, 3, 4, 5, 6, 7], days=WorkingDays(remove={HOLIDAYS}), of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-11-30 18:00", "2026-12-01 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=DAILY;BYFREEDAY"': (
        f'On([1, 2, 3, 4, 5, 6, 7], days=~WorkingDays(remove={HOLIDAYS}), of="week", at="18:00")',
        ["2026-11-28 18:00", "2026-11-29 18:00", "2026-12-05 18:00"],
    ),
    'ON RUNCYCLE RC1 "FREQ=MONTHLY;BYWORKDAY=-1"': (
        f'On([-1], days=WorkingDays(remove={HOLIDAYS}), at="18:00")',
        ["2026-11-30 18:00", "2026-12-31 18:00", "2027-01-29 18:00"],
    ),
    'ON RUNCYCLE RULE2 "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;"': (
        'On([1, 2, 3, 4, 5], of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-11-30 18:00", "2026-12-01 18:00"],
    ),
    # "every three weeks on Friday", from a Friday on
    'ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=WEEKLY;INTERVAL=3;BYDAY=FR"': (
        'Recurrence("FREQ=WEEKLY;INTERVAL=3;BYDAY=FR", start=date(2026, 11, 20), at="18:00")',
        ["2026-12-11 18:00", "2027-01-01 18:00", "2027-01-22 18:00"],
    ),
    'ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=DAILY;INTERVAL=3"': (
        'Recurrence("FREQ=DAILY;INTERVAL=3", start=date(2026, 11, 20), at="18:00")',
        ["2026-11-29 18:00", "2026-12-02 18:00", "2026-12-05 18:00"],
    ),
    # FDIGNORE of a rule that On does not have: a window
    'ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=DAILY;INTERVAL=3" FDIGNORE': (
        'Recurrence("FREQ=DAILY;INTERVAL=3", start=date(2026, 11, 20), at="18:00")',
        ["2026-12-02 18:00", "2026-12-08 18:00", "2026-12-11 18:00"],
    ),
    'ON RUNCYCLE R VALIDFROM 07/01/2026 "FREQ=MONTHLY;INTERVAL=6;BYMONTHDAY=15,-1"': (
        'Recurrence("FREQ=MONTHLY;INTERVAL=6;BYMONTHDAY=15,-1", start=date(2026, 7, 1), at="18:00")',
        ["2027-01-15 18:00", "2027-01-31 18:00", "2027-07-15 18:00"],
    ),
    # "every month on the first Monday and on the last Friday"
    'ON RUNCYCLE R "FREQ=MONTHLY;BYDAY=1MO,-1FR"': (
        'Recurrence("FREQ=MONTHLY;BYDAY=1MO,-1FR", start=date(2000, 1, 1), at="18:00")',
        ["2026-11-27 18:00", "2026-12-07 18:00", "2026-12-25 18:00"],
    ),
    'ON RUNCYCLE R VALIDFROM 12/26/2020 "FREQ=YEARLY" FDNEXT': (
        f'On(1, days=WorkingDays(remove={HOLIDAYS}), of="year", at="18:00", roll="following", period_start="12-26")',
        ["2026-12-28 18:00", "2027-12-27 18:00", "2028-12-26 18:00"],
    ),
    "ON MO,TH": (
        'On([1, 4], of="week", at="18:00")',
        ["2026-11-30 18:00", "2026-12-03 18:00", "2026-12-07 18:00"],
    ),
    "ON RUNCYCLE R SU FDNEXT": (
        f'On([7], days=WorkingDays(remove={HOLIDAYS}), of="week", at="18:00", roll="following")',
        ["2026-11-30 18:00", "2026-12-07 18:00", "2026-12-14 18:00"],
    ),
    # on specific dates
    "ON 20261205,20261224": (
        None,
        ["2026-12-05 18:00", "2026-12-24 18:00"],
    ),
    "ON RUNCYCLE R 20261205,20261224 FDPREV": (
        None,
        ["2026-12-04 18:00", "2026-12-23 18:00"],
    ),
    "ON RUNCYCLE R HOLIDAYS +3 WORKDAYS": (
        None,
        ["2026-12-30 18:00", "2027-01-06 18:00"],
    ),
    "ON RUNCYCLE R HOLIDAYS -1 DAY": (
        None,
        ["2026-12-23 18:00", "2026-12-24 18:00", "2026-12-31 18:00"],
    ),
    "ON RUNCYCLE R HOLIDAYS +1 WEEKDAY": (
        None,
        ["2026-12-25 18:00", "2026-12-28 18:00", "2027-01-04 18:00"],
    ),
    'ON RUNCYCLE R "FREQ=DAILY"\nEXCEPT RUNCYCLE X SA,SU\nEXCEPT HOLIDAYS\nEXCEPT 20261130': (
        'On([1, 2, 3, 4, 5, 6, 7], of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-12-01 18:00", "2026-12-02 18:00"],
    ),
    'ON RUNCYCLE R "FREQ=DAILY"\nEXCEPT RUNCYCLE X "FREQ=DAILY;BYFREEDAY"': (
        'On([1, 2, 3, 4, 5, 6, 7], of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-11-30 18:00", "2026-12-01 18:00"],
    ),
    'ON RUNCYCLE R "FREQ=DAILY"\nEXCEPT RUNCYCLE X "FREQ=WEEKLY;BYDAY=SA,SU"': (
        'On([1, 2, 3, 4, 5, 6, 7], of="week", at="18:00")',
        ["2026-11-27 18:00", "2026-11-30 18:00", "2026-12-01 18:00"],
    ),
    # valid up to the day before
    'ON RUNCYCLE R VALIDFROM 11/28/2026 VALIDTO 11/30/2026 "FREQ=DAILY"': (
        'On([1, 2, 3, 4, 5, 6, 7], of="week", at="18:00")',
        ["2026-11-28 18:00", "2026-11-29 18:00"],
    ),
    'ON RUNCYCLE R DESCRIPTION "10th" VARTABLE T1 "FREQ=MONTHLY;BYMONTHDAY=10"\n(AT 0100 +1 DAYS)': (
        'On([10], at="25:00")',
        ["2026-12-11 01:00", "2027-01-11 01:00", "2027-02-11 01:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("cycle", CYCLES)
def test_run_cycles(run: Run, tmp_path: Path, cycle: str) -> None:
    rule, times = CYCLES[cycle]
    file = tmp_path / "payroll.txt"
    file.write_text(stream(cycle))
    code, out, err = run("import", str(file))
    assert (code, err) == (0, "")
    assert rule is None or "".join(rule.split()) in "".join(out.split()).replace(",)", ")"), out
    assert due(made(out), "Europe/Berlin") == times


def test_what_is_printed_for_run_cycles(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "payroll.txt"
    cycle = 'ON RUNCYCLE RC1 VALIDFROM 01/01/2026 "FREQ=MONTHLY;BYMONTHDAY=15" FDNEXT'
    file.write_text(stream(cycle, head="FREEDAYS HOLIDAYS -sa"))
    assert run("import", str(file)) == (
        0,
        """\
from datetime import date, datetime
from zoneinfo import ZoneInfo

from calendar_timetable import CalendarTimetable, On, WorkingDays

# WS1#PAYROLL RC1, line 6
# VALIDFROM and VALIDTO hold for days as FDNEXT and FDPREV moved them
start_date = datetime(2026, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
schedule = CalendarTimetable(
    On(
        [15],
        days=WorkingDays(
            weekend="sun",
            remove=[date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1)],
        ),
        at="18:00",
        roll="following",
    ),
    timezone="Europe/Berlin",
)
""",
        "",
    )


@pytest.mark.parametrize(
    ("freedays", "times"),
    [
        ("FREEDAYS HOLIDAYS", ["2026-11-27 18:00", "2026-11-30 18:00"]),
        ("FREEDAYS HOLIDAYS -sa", ["2026-11-27 18:00", "2026-11-28 18:00", "2026-11-30 18:00"]),
        ("FREEDAYS HOLIDAYS -su", ["2026-11-27 18:00", "2026-11-29 18:00", "2026-11-30 18:00"]),
        (
            "FREEDAYS HOLIDAYS -sa -su",
            ["2026-11-27 18:00", "2026-11-28 18:00", "2026-11-29 18:00", "2026-11-30 18:00"],
        ),
    ],
)
def test_free_days(run: Run, tmp_path: Path, freedays: str, times: list[str]) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(stream('ON RUNCYCLE R "FREQ=DAILY;BYWORKDAY"', head=freedays))
    code, out, _ = run("import", str(file))
    assert code == 0
    assert due(made(out), "Europe/Berlin", 4)[: len(times)] == times
    dates = {date.fromisoformat(at[:10]) for at in due(made(out), "Europe/Berlin", 60)}
    assert not dates & {date(2026, 12, 24), date(2026, 12, 25), date(2027, 1, 1)}


def test_a_run_on_request(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(stream("ON REQUEST"))
    code, out, _ = run("import", str(file))
    assert code == 0
    assert made(out)["schedule"] is None


def test_a_run_cycle_alone(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "cycle.txt"
    file.write_text('ON RUNCYCLE RC1 "FREQ=MONTHLY;BYMONTHDAY=15"\nAT 1800 TZ Europe/Berlin\n')
    code, out, _ = run("import", str(file))
    assert code == 0
    assert due(made(out), "Europe/Berlin", 1) == ["2026-12-15 18:00"]


MONTHLY = 'ON RUNCYCLE R "FREQ=MONTHLY;BYMONTHDAY=15"'
UNSAID_CYCLES = {
    # what stands in the file: the line, the value and a word of the remedy
    stream(f"{MONTHLY} FDNEXT", calendars=""): (3, "HOLIDAYS", "composer display calendars"),
    stream(MONTHLY, at=""): (6, "R", "write AT 0600"),
    stream(MONTHLY).replace(" TIMEZONE Europe/Berlin", ""): (7, "AT", "write TIMEZONE"),
    stream(MONTHLY).replace("Europe/Berlin", "Europe/Nowhere"): (7, "Europe/Nowhere", ""),
    stream(MONTHLY, at="AT 1800 +2 DAYS"): (7, "+2 DAYS", "47:59"),
    stream(f"{MONTHLY}\nEXCEPT MO", at="AT 0100 +1 DAYS"): (8, "+1 DAYS", "another day"),
    stream('ON RUNCYCLE R "FREQ=DAILY;INTERVAL=2;BYWORKDAY" FDIGNORE'): (6, "FREQ=DAILY;INTERVAL=2;BYWORKDAY", "$CALENDAR"),
    stream('ON RUNCYCLE R "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"'): (6, "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "VALIDFROM"),
    # The first Monday is in the first week or the second, as weeks begin on Sunday or Monday.
    stream('ON RUNCYCLE R VALIDFROM 11/29/2026 "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"'): (6, "2026-11-29", "VALIDFROM"),
    stream('ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=15"'): (6, "2026-11-20", "VALIDFROM"),
    stream('ON RUNCYCLE R "FREQ=MONTHLY;BYDAY=1MO" FDNEXT'): (6, "FDNEXT", "$CALENDAR"),
    stream('ON RUNCYCLE R "FREQ=DAILY;BYFREEDAY" FDNEXT'): (6, "FDNEXT", "take one"),
    stream('ON RUNCYCLE R VALIDFROM 02/29/2024 "FREQ=YEARLY"'): (6, "2024-02-29", "another day"),
    stream('ON RUNCYCLE R "FREQ=HOURLY"'): (6, "HOURLY", "FREQ is DAILY"),
    stream('ON RUNCYCLE R "FREQ=DAILY;INTERVAL=-2"'): (6, "-2", "1 to 999"),
    stream('ON RUNCYCLE R "FREQ=MONTHLY;BYMONTHDAY=32"'): (6, "FREQ=MONTHLY;BYMONTHDAY=32", "count from 1"),
    stream('ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=MONTHLY;BYEASTER=1"'): (6, "BYEASTER=1", "BYMONTHDAY"),
    stream('ON RUNCYCLE R "FREQ=DAILY;BYHOUR=6"'): (6, "BYHOUR=6", "write AT"),
    stream('ON RUNCYCLE R "FREQ=DAILY;BYMINUTE=6"'): (6, "BYMINUTE=6", "write AT"),
    stream('ON RUNCYCLE R "FREQ=DAILY;BYSECOND=6"'): (6, "BYSECOND=6", "write AT"),
    stream('ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=DAILY;COUNT=0"'): (6, "0", "COUNT is a number from 1"),
    stream('ON RUNCYCLE R VALIDFROM 11/20/2026 "FREQ=YEARLY;INTERVAL=900"'): (6, "900", "INTERVAL of YEARLY is a number from 1 to 10"),
    # A colon that ends nothing: what follows it counts.
    stream(f"{MONTHLY} : \nEXCEPT MO"): (6, ":", "alone on its line"),
    stream(f"{MONTHLY}\nEXCEPT MO", head="PRIORITY 10:"): (5, ":", "alone on its line"),
    # An export that is cut off.
    stream(MONTHLY).partition("\n:")[0]: (7, "end of the file", "END is expected"),
    stream(MONTHLY).partition("WS1#JOB1")[0]: (8, "end of the file", "END is expected"),
    stream(MONTHLY).replace("\n:", "").replace("WS1#JOB1\n AT 1900\nEND\n", "SCHEDULE A#B\nEND\n"): (8, "SCHEDULE", "END is expected"),
    stream(MONTHLY).removesuffix("END\n") + "SCHEDULE A#B\nON MO\n:\nEND\n": (11, "SCHEDULE", "END is expected"),
    stream('ON RUNCYCLE R "FREQ=MONTHLY;BYWORKDAY"'): (6, "FREQ=MONTHLY;BYWORKDAY", "BYWORKDAY=-1"),
    stream('ON RUNCYCLE R "FREQ=DAILY;FREQ=DAILY"'): (6, "FREQ=DAILY", "each part once"),
    # On Sunday of the same week, or a week later.
    stream('ON RUNCYCLE R VALIDFROM 11/30/2026 "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU"'): (6, "2026-11-30", "VALIDFROM"),
    stream('ON RUNCYCLE R VALIDFROM 11/30/2026 "FREQ=WEEKLY;INTERVAL=2;BYMONTH=3"'): (6, "2026-11-30", "VALIDFROM"),
    stream("ON RUNCYCLE R VALIDFROM 11/30/2026 VALIDTO 11/30/2026 MO"): (6, "2026-11-30", "VALIDTO after"),
    stream("ON RUNCYCLE R PAYDAYS"): (6, "PAYDAYS", "composer display calendars"),
    stream("ON RUNCYCLE R MO,20261201"): (6, "MO", "an ON for days"),
    stream(f'{MONTHLY}\nEXCEPT RUNCYCLE X "FREQ=MONTHLY;BYMONTHDAY=15"'): (7, "FREQ=MONTHLY;BYMONTHDAY=15", "$CALENDAR"),
    stream(f"{MONTHLY}\nEXCEPT RUNCYCLE X MO (AT 0800)"): (7, "AT", "whole days"),
    stream(f"{MONTHLY} (AT 0600 EVERY 0300 EVERYENDTIME 1200)"): (6, "EVERY", "at=[...]"),
    stream(MONTHLY, head="DRAFT"): (5, "DRAFT", "take DRAFT out"),
    stream(f"{MONTHLY} SUBSET S1 AND"): (6, "SUBSET", "each subset"),
    stream("ON RUNCYCLE RC1 SUBSET S1 AND MO"): (6, "SUBSET", "each subset"),
    stream("EXCEPT MO"): (4, "WS1#PAYROLL", "give it an ON"),
}  # fmt: skip


@pytest.mark.parametrize("text", UNSAID_CYCLES)
def test_run_cycles_that_cannot_be_said(run: Run, tmp_path: Path, text: str) -> None:
    line, value, remedy = UNSAID_CYCLES[text]
    file = tmp_path / "stream.txt"
    file.write_text(text)
    code, out, err = run("import", str(file), "--from", "run-cycles")
    assert (code, out) == (1, "")
    assert f"line {line}: {value!r}: " in err
    assert remedy in err


@pytest.mark.parametrize(
    ("cycle", "day"),
    [
        ("ON 20201205,20201224", "2020-12-24"),
        ("ON RUNCYCLE R VALIDTO 11/01/2026 MO", "2026-10-31"),
        ('ON RUNCYCLE R VALIDFROM 01/01/2020 "FREQ=DAILY;INTERVAL=2;UNTIL=20200201"', "2020-02-01"),
    ],
)
def test_what_never_runs_again_is_noted(run: Run, tmp_path: Path, cycle: str, day: str) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(stream(cycle))
    code, out, _ = run("import", str(file))
    assert code == 0
    assert f"# its last day was {day}: nothing will run\n" in out


@pytest.mark.parametrize(
    ("wrong", "line", "value"),
    [
        ("SCHEDULE A#B\nON FREQUENTLY 5\n:\nJOB\nEND\n", 2, "5"),
        ('SCHEDULE A#B\nON "FREQ=DAILY\nEXCEPT MO\n:\nJOB\nEND\n', 2, '"FREQ=DAILY'),
        ("SCHEDULE A#B\nON MO\nAT 9999\n:\nJOB\nEND\n", 3, "9999"),
        ("SCHEDULE A#B\nON MO\nAT 0600\n", 4, "$CALENDAR"),
        ("SCHEDULE\n", 2, "$CALENDAR"),
    ],
)
def test_other_job_streams_than_one_with_an_error(
    run: Run, tmp_path: Path, wrong: str, line: int, value: str
) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(wrong + stream(MONTHLY))
    code, out, err = run("import", str(file))
    assert code == 1
    assert f"line {line}: {value!r}: " in err
    assert err.count("\n") == 1
    assert due(made(out), "Europe/Berlin", 1) == ["2026-12-15 18:00"]
    assert out.count("schedule =") == 1


def test_many_job_streams_with_errors(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stream.txt"
    file.write_text("SCHEDULE 5\n" * 50_000)
    code, out, err = run("import", str(file))
    assert (code, out) == (1, "")
    assert err.count("\n") == 51
    assert "line 51: 'SCHEDULE': not read on" in err


def test_lines_about_jobs_are_not_read(run: Run, tmp_path: Path) -> None:
    jobs = 'WS1#JOB1\n DOCOMMAND "echo \\"a\n the END: 5 o\\"clock"\n FOLLOWS X\nend # of it\n'
    file = tmp_path / "stream.txt"
    head = stream(MONTHLY).partition(":\nWS1#JOB1")[0]
    file.write_text(f"{head}: # jobs\n{jobs}{stream('ON MO', calendars='')}")
    code, out, err = run("import", str(file))
    assert (code, err) == (0, "")
    assert out.count("CalendarTimetable(") == 2


def test_what_is_no_due_time_is_told_beside_the_schedule(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(
        stream(
            MONTHLY,
            head='FOLLOWS WS2#OTHER.@\nUNTIL 2000 ONUNTIL CANC\nPRIORITY 50\nOPENS WS1#"/in" (-d %p)',
        )
    )
    code, out, err = run("import", str(file), "--json")
    told = json.loads(out)
    assert code == 1
    assert err == ""
    assert told["format"] == "run-cycles"
    assert due(made(told["python"]), "Europe/Berlin", 1) == ["2026-12-15 18:00"]
    assert [(one["line"], one["value"]) for one in told["unsaid"]] == [
        (5, "FOLLOWS"),
        (6, "UNTIL"),
        (6, "ONUNTIL"),
        (8, "OPENS"),
    ]


def test_several_run_cycles_are_several_schedules(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "stream.txt"
    file.write_text(stream(f'{MONTHLY}\nON RUNCYCLE R "FREQ=DAILY"'))
    code, out, err = run("import", str(file))
    assert code == 1
    assert "line 7: 'WS1#PAYROLL': a DAG has one schedule" in err
    assert {"ws1_payroll_r_schedule", "ws1_payroll_r_N2_schedule"} <= made(out).keys()


# --- change calendars of AWS Systems Manager --------------------------------------------------------


def change_calendar(kind: str, *lines: str, zone: str = "", event: bool = True) -> str:
    own = [
        "BEGIN:VEVENT",
        "UID:1",
        "DTSTAMP:20261101T000000Z",
        "SUMMARY:Freeze",
        *lines,
        "END:VEVENT",
    ]
    return "\r\n".join(
        [
            "BEGIN:VCALENDAR",
            "PRODID:-//AWS//Change Calendar 1.0//EN",
            "VERSION:2.0",
            f"X-CALENDAR-TYPE:{kind}",
            "X-WR-CALDESC:test",
            "X-CALENDAR-CMEVENTS:DISABLED",
            *([f"X-WR-TIMEZONE:{zone}"] if zone else []),
            "BEGIN:VTODO",
            "DTSTAMP:20200320T004207Z",
            "UID:3b5af39a-d0b3-4049-a839-d7bb8af01f92",
            "SUMMARY:Add events to this calendar.",
            "END:VTODO",
            *(own if event else []),
            "END:VCALENDAR",
            "",
        ]
    )


WEEKLY = (
    "DTSTART;TZID=Asia/Tokyo:20260501T080000",
    "DTEND;TZID=Asia/Tokyo:20260501T180000",
    "RRULE:FREQ=WEEKLY;INTERVAL=1;BYDAY=MO,TU,WE,TH,FR",
    "X-EVENT-TYPE:STANDARD",
)


@pytest.mark.parametrize(
    ("kind", "role", "starts"),
    [
        # Friday, 27 November, and Saturday: nothing during events, or only during them.
        ("DEFAULT_OPEN", "blackouts", ["2026-11-27 07:00", "2026-11-27 18:00", "2026-11-28 12:00"]),
        ("DEFAULT_CLOSED", "windows", ["2026-11-27 08:00", "2026-11-27 12:00", "2026-11-30 08:00"]),
    ],
)
def test_change_calendars(
    run: Run, tmp_path: Path, kind: str, role: str, starts: list[str]
) -> None:
    file = tmp_path / "calendar.ics"
    # A free event counts as well: the documentation knows none.
    file.write_text(change_calendar(kind, *WEEKLY, "TRANSP:TRANSPARENT"))
    code, out, err = run("import", str(file))
    assert (code, err) == (0, "")
    assert f'{role}=Calendar("{file}",busy_only=False' in "".join(out.split())
    calendar = {role: made(out)[role]}
    zone = ZoneInfo("Asia/Tokyo")
    asked = [datetime(2026, 11, 27, 7), datetime(2026, 11, 27, 12), datetime(2026, 11, 28, 12)]
    found = []
    for at in asked:
        schedule = CalendarTimetable(
            f"0 {at.hour} {at.day} 11 *", timezone="Asia/Tokyo", **calendar
        )
        (planned,) = schedule.plan(at.replace(tzinfo=zone), limit=1)
        assert planned.start is not None
        found.append(f"{planned.start.astimezone(zone):%Y-%m-%d %H:%M}")
    assert found == starts


@pytest.mark.parametrize(("kind", "noted"), [("DEFAULT_OPEN", False), ("DEFAULT_CLOSED", True)])
def test_a_change_calendar_without_events(run: Run, tmp_path: Path, kind: str, noted: bool) -> None:
    file = tmp_path / "calendar.ics"
    file.write_text(change_calendar(kind, event=False))
    code, out, _ = run("import", str(file))
    assert code == 0
    assert ("# it has no events: nothing will run\n" in out) is noted


UTC_EVENT = ("DTSTART:20271229T150000Z", "DTEND:20280104T150000Z")
UNSAID_CALENDARS = {
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, "X-EVENT-TYPE:ADVISORY"): (12, "Freeze", "advisory"),
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, "X-EVENT-TYPE:OTHER"): (18, "OTHER", "not known"),
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, "X-EVENT-STATE:OPEN"): (18, "X-EVENT-STATE", "not known"),
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, "STATUS:CANCELLED"): (18, "Freeze", "CANCELLED"),
    change_calendar("DEFAULT_CLOSED", *UTC_EVENT, "STATUS:TENTATIVE"): (18, "Freeze", "TENTATIVE"),
    change_calendar("DEFAULT_OPEN", "DTSTART:20271229T150000"): (16, "20271229T150000", "X-WR-TIMEZONE"),
    change_calendar("DEFAULT_OPEN", "DTSTART;VALUE=DATE:20271229"): (16, "20271229", "X-WR-TIMEZONE"),
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, "RRULE:FREQ=SECONDLY"): (12, "1", "every second"),
    change_calendar("DEFAULT_OPEN", *UTC_EVENT, zone="Mars/Base"): (7, "Mars/Base", "no zone"),
    change_calendar("DEFAULT_SHUT"): (4, "DEFAULT_SHUT", "DEFAULT_OPEN or DEFAULT_CLOSED"),
    "BEGIN:VCALENDAR\nEND:VCALENDAR\n": (1, "BEGIN:VCALENDAR", "X-CALENDAR-TYPE"),
    "BEGIN:VCALENDAR\nX-CALENDAR-TYPE:DEFAULT_OPEN\nBEGIN:VEVENT\n": (3, "BEGIN:VEVENT", "END:VEVENT"),
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n": (3, "VCALENDAR", "END:VEVENT"),
    "BEGIN:VCALENDAR\nrubbish\nEND:VCALENDAR\n": (2, "rubbish", "NAME:VALUE"),
    change_calendar("DEFAULT_OPEN") * 2: (18, "2 VCALENDAR", "one calendar"),
}  # fmt: skip


@pytest.mark.parametrize("text", UNSAID_CALENDARS)
def test_change_calendars_that_cannot_be_said(run: Run, tmp_path: Path, text: str) -> None:
    line, value, remedy = UNSAID_CALENDARS[text]
    file = tmp_path / "calendar.ics"
    file.write_text(text)
    code, out, err = run("import", str(file))
    assert (code, out) == (1, "")
    assert f"line {line}: {value!r}: " in err
    assert remedy in err


# --- airflow-timetables-calendar ------------------------------------------------------------------

IMPORTS = """\
from airflow import DAG
from datetime import date
from airflow_timetables_calendar import (
    CalendarTimetable, Kind, StartDay, nth_business_day, nth_business_day_from_end, simple_rule,
    verbose_rule,
)
"""
TIMETABLES = {
    # What the description of the package shows, and the days that it promises.
    'CalendarTimetable(calendar_id="JP", hour=9)': (
        'On([1, 2, 3, 4, 5, 6, 7], days=WorkingDays("JP"), of="week", at="09:00")',
        ["2026-11-27 09:00", "2026-11-30 09:00", "2026-12-01 09:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, rules=[nth_business_day_from_end(0)])': (
        'On(-1, days=WorkingDays("JP"), at="21:00")',
        ["2026-11-30 21:00", "2026-12-31 21:00", "2027-01-29 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, rules=[dict_of])\ndict_of = {"day": 2}': (
        'On(2, days=WorkingDays("JP"), at="21:00")',
        ["2026-12-02 21:00", "2027-01-05 21:00", "2027-02-02 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, rules=["last_business_day_of_month"])': (
        'On(-1, days=WorkingDays("JP"), at="21:00")',
        ["2026-11-30 21:00", "2026-12-31 21:00", "2027-01-29 21:00"],
    ),
    'CalendarTimetable("JP", 21, rules=["月初営業日"])': (
        'On(1, days=WorkingDays("JP"), at="21:00")',
        ["2026-12-01 21:00", "2027-01-04 21:00", "2027-02-01 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, rules=["business_day_before_month_end"])': (
        'On(-2, days=WorkingDays("JP"), at="21:00")',
        ["2026-11-27 21:00", "2026-12-30 21:00", "2027-01-28 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, '
    "rules=[nth_business_day(10), nth_business_day_from_end(0)])": (
        'On([10, -1], days=WorkingDays("JP"), at="21:00")',
        ["2026-11-30 21:00", "2026-12-14 21:00", "2026-12-31 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, '
    'rules=[verbose_rule(kind=Kind.ABSOLUTE, day=15, substitution="next", grace_days=3)])': (
        'On(15, days=WorkingDays("JP"), at="21:00", roll="following")',
        ["2026-12-15 21:00", "2027-01-15 21:00", "2027-02-15 21:00"],
    ),
    # "3 working days before month end"
    'CalendarTimetable(calendar_id="JP", hour=21, '
    'rules=[simple_rule(day="L", shift="prev", relative=-2)])': (
        'On(-3, days=WorkingDays("JP"), at="21:00")',
        ["2026-12-29 21:00", "2027-01-27 21:00", "2027-02-24 21:00"],
    ),
    # on day 1 that is the 5th working day
    'CalendarTimetable(calendar_id="JP", hour=21, '
    'rules=[simple_rule(day=1, shift="next", relative=4)])': (
        'On(5, days=WorkingDays("JP"), at="21:00")',
        ["2026-12-07 21:00", "2027-01-08 21:00", "2027-02-05 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, '
    'rules=[simple_rule(day="L", shift="prev", relative=1)])': (
        'On(1, days=WorkingDays("JP"), at="21:00")',
        ["2026-12-01 21:00", "2027-01-04 21:00", "2027-02-01 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, base_day=26, '
    "rules=[nth_business_day_from_end(0)])": (
        'On(-1, days=WorkingDays("JP"), at="21:00", period_start=26)',
        ["2026-12-25 21:00", "2027-01-25 21:00", "2027-02-25 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, base_day=26, rules=[verbose_rule('
    "kind=Kind.ABSOLUTE, start_day=StartDay.MONTH_END, day=0)])": (
        'On(-1, days=WorkingDays("JP"), at="21:00", roll="skip")',
        ["2026-11-30 21:00", "2026-12-31 21:00", "2027-03-31 21:00"],
    ),
    'CalendarTimetable(calendar_id="NONE", hour=21, rules=[verbose_rule('
    'kind="absolute", start_day="weekday", weekday="fri", day=1, substitution="run_anyway")])': (
        'On(1, days=Weekly("fri"), at="21:00")',
        ["2026-12-04 21:00", "2027-01-01 21:00", "2027-02-05 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=21, rules=[verbose_rule('
    'kind="absolute", start_day="weekday", weekday="fri", day=1)])': (
        'On(1, days=Weekly("fri"), at="21:00")',
        ["2026-12-04 21:00", "2027-02-05 21:00", "2027-03-05 21:00"],
    ),
    'CalendarTimetable(calendar_id="JP", hour=25, rules=["last_business_day_of_month"])': (
        'On(-1, days=WorkingDays("JP"), at="25:00")',
        ["2026-12-01 01:00", "2027-01-01 01:00", "2027-01-30 01:00"],
    ),
    'CalendarTimetable(calendar_id="NONE", hour=9, run_on="closed")': (
        'On([1, 2, 3, 4, 5, 6, 7], days=~WorkingDays(), of="week", at="09:00")',
        ["2026-11-28 09:00", "2026-11-29 09:00", "2026-12-05 09:00"],
    ),
    'CalendarTimetable(calendar_id="NONE", hour=9, exclude_dates=["2026-11-30"], '
    "include_dates=[date(2026, 11, 28)])": (
        'On([1, 2, 3, 4, 5, 6, 7], days=WorkingDays(add=[date(2026, 11, 28)], remove=[date(2026, 11, 30)]), of="week", at="09:00")',
        ["2026-11-27 09:00", "2026-11-28 09:00", "2026-12-01 09:00"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", TIMETABLES)
def test_timetables(run: Run, tmp_path: Path, call: str) -> None:
    rule, times = TIMETABLES[call]
    file = tmp_path / "dag.py"
    file.write_text(f"{IMPORTS}schedule = {call}\n")
    code, out, err = run("import", str(file))
    assert (code, err) == (0, "")
    assert "".join(rule.split()) in "".join(out.split()).replace(",)", ")"), out
    assert 'timezone="Asia/Tokyo"' in out
    assert due(made(out), "Asia/Tokyo") == times


def test_timetables_as_they_are_serialized(run: Run, tmp_path: Path) -> None:
    theirs = pytest.importorskip("airflow_timetables_calendar")
    rules = [theirs.nth_business_day(3)]
    other = theirs.CalendarTimetable(
        calendar_id="DE", hour=6, timezone="Europe/Berlin", rules=rules
    )
    file = tmp_path / "dag.json"
    file.write_text(json.dumps({"dag": {"timetable": {"__type": "x", "__var": other.serialize()}}}))
    code, out, err = run("import", str(file))
    assert (code, err) == (0, "")
    assert due(made(out), "Europe/Berlin") == [
        "2026-12-03 06:00",
        "2027-01-06 06:00",
        "2027-02-03 06:00",
    ]


def test_other_names_for_it(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dag.py"
    file.write_text(
        "import airflow_timetables_calendar as atc\n"
        "from calendar_timetable import CalendarTimetable\n"
        "RULES = [atc.verbose_rule(kind=atc.rules.Kind.ABSOLUTE, day=15, substitution='previous')]\n"
        "ours = CalendarTimetable('@daily')\n"
        "theirs = atc.timetable.CalendarTimetable('DE', rules=RULES, timezone='Europe/Berlin')\n"
    )
    code, out, _ = run("import", str(file))
    assert code == 0
    assert due(made(out), "Europe/Berlin", 1) == ["2026-12-15 09:00"]


UNSAID_TIMETABLES = {
    "CalendarTimetable(calendar_id=code(), hour=9)": ("code", "write the value itself"),
    "CalendarTimetable(**{'a' + 'b': 1})": ("{'a' + 'b': 1}", "write the value itself"),
    "CalendarTimetable(rules=A); A = [A, A]": ("value", "nested too deep"),
    "CalendarTimetable(" + "a" + ".b" * 900 + ")": ("CalendarTimetable", "nested too deep"),
    "CalendarTimetable(calendar_id='JP', hour=-1)": ("-1", "the day before"),
    "CalendarTimetable(calendar_id='JP', hour=48)": ("48", "-47 to 47"),
    "CalendarTimetable(calendar_id='JP', hour='9')": ("9", "hour is a number"),
    "CalendarTimetable(calendar_id='TSE')": ("TSE", "ISO 10383"),
    "CalendarTimetable(calendar_id='QQ')": ("QQ", "ISO 10383"),
    "CalendarTimetable(calendar_id='SA')": ("SA", "by hand"),
    "CalendarTimetable(calendar_id='JP', rules=['sometimes'])": ("sometimes", "first_business_day"),
    "CalendarTimetable(calendar_id='JP', rules=[simple_rule(period='weekly')])": ("weekly", "daily, monthly"),
    "CalendarTimetable(calendar_id='JP', rules=[{'virtual': True}])": ("virtual", "take it out"),
    "CalendarTimetable(calendar_id='JP', rules=[{'virtual': []}])": ("[]", "True or False"),
    "CalendarTimetable(calendar_id='JP', rules=[" + "".join(f"{{'offset': {n}}}, " for n in range(101)) + "])": ("101 rules", "more than 100"),
    "CalendarTimetable(calendar_id='JP', rules=[{'often': True}])": ("often", "take it out"),
    "CalendarTimetable(calendar_id='JP', timezone='Mars/Base')": ("Mars/Base", ""),
    "CalendarTimetable(calendar_id='JP', exclude_dates=['soon'])": ("soon", "2026-12-29"),
    "CalendarTimetable(calendar_id='JP', colour=1)": ("colour", "take it out"),
    # Months with fewer take their last one there, and have no run here.
    "CalendarTimetable(calendar_id='JP', rules=[nth_business_day(20)])": ("operating day 20 next", "by hand"),
    # There it is not moved back over the beginning of a month, here it is.
    "CalendarTimetable(calendar_id='JP', rules=[simple_rule(day=1, shift='prev')])": ("absolute day 1 previous", "by hand"),
    "CalendarTimetable(calendar_id='JP', rules=[verbose_rule(kind='closed')])": ("closed day 1 skip", "never runs"),
    "CalendarTimetable(calendar_id='JP', rules=[nth_business_day(1), simple_rule(day=15, shift='next')])": ("2 rules", "one for each"),
    "CalendarTimetable(calendar_id='JP', rules=[nth_business_day(n=1, m=2)])": ("nth_business_day", "correct the call"),
}  # fmt: skip


@pytest.mark.parametrize("call", UNSAID_TIMETABLES)
def test_timetables_that_cannot_be_said(run: Run, tmp_path: Path, call: str) -> None:
    value, remedy = UNSAID_TIMETABLES[call]
    file = tmp_path / "dag.py"
    file.write_text(f"{IMPORTS}a = {call}\n")
    code, out, err = run("import", str(file))
    assert (code, out) == (1, "")
    assert f"line 7: {value!r}: " in err
    assert remedy in err


PLAIN = "write the value itself here"
OTHER_VALUES = {
    # What is assigned is changed in place.
    'RULES = []\nRULES.append("next_business_day")\na = CalendarTimetable("JP", rules=RULES)': ("RULES", PLAIN),
    'RULES = []\nOTHER = RULES\nOTHER.append({})\na = CalendarTimetable("JP", rules=RULES)': ("RULES", PLAIN),
    'DAYS = []\nDAYS.extend(more())\na = CalendarTimetable("JP", exclude_dates=DAYS)': ("DAYS", PLAIN),
    'CFG = {"hour": 3}\nCFG["hour"] = 5\na = CalendarTimetable("JP", **CFG)': ("CFG", PLAIN),
    'CFG = {"hour": 3}\nCFG.update(hour=5)\na = CalendarTimetable("JP", **CFG)': ("CFG", PLAIN),
    'CFG = {"hour": 3}\ndel CFG["hour"]\na = CalendarTimetable("JP", **CFG)': ("CFG", PLAIN),
    'RULES = []\nRULES += ["next_business_day"]\na = CalendarTimetable("JP", rules=RULES)': ("RULES", PLAIN),
    'hour = 3\ndel hour\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    # The name is another's.
    'hour = 3\ndef make(hour):\n return CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nmake = lambda *, hour: 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nfrom settings import hour\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nimport hour.of\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nasync def hour(): 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nclass hour: 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\ntry: 0\nexcept E as hour: 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\ndef f():\n global hour\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nmatch x:\n case [*hour]: 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    'hour = 3\nmatch x:\n case {**hour}: 0\na = CalendarTimetable("JP", hour=hour)': ("hour", PLAIN),
    # It may be the class of this package.
    'from calendar_timetable import CalendarTimetable\na = CalendarTimetable("JP")': ("CalendarTimetable", "imported twice; import one under another name"),
    'from mine import nth_business_day\na = CalendarTimetable("JP", rules=[nth_business_day(1)])': ("nth_business_day", "imported twice"),
    'from calendar_timetable import *\na = CalendarTimetable("JP")': ("CalendarTimetable", "imported twice"),
    'def f(CalendarTimetable): 0\na = CalendarTimetable("JP")': ("CalendarTimetable", "something else in the file"),
    'from airflow_timetables_calendar import *': ("*", "import it by name, not with *"),
}  # fmt: skip


@pytest.mark.parametrize("body", OTHER_VALUES)
def test_names_that_may_mean_something_else(run: Run, tmp_path: Path, body: str) -> None:
    value, remedy = OTHER_VALUES[body]
    file = tmp_path / "dag.py"
    file.write_text(f"{IMPORTS}{body}\n")
    code, out, err = run("import", str(file))
    assert (code, out) == (1, "")
    assert f"line {6 + len(body.splitlines())}: {value!r}: " in err
    assert remedy in err
    assert err.count("\n") == 1


def test_equal_rules_are_one(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dag.py"
    file.write_text(
        f"{IMPORTS}a = CalendarTimetable('JP', rules=[{'nth_business_day(1), ' * 500}])"
    )
    code, out, _ = run("import", str(file))
    assert code == 0
    assert "On(1, " in out


def test_a_text_that_is_asked_for_its_parts(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "dag.py"
    file.write_text(f'{IMPORTS}CODE = "JP"\nname = CODE.lower()\na = CalendarTimetable(CODE)\n')
    assert run("import", str(file))[0] == 0


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_is_what_the_package_does(seed: int) -> None:
    """Rules at random: either told as unsaid, or due on just the days that the package names."""
    timetable = pytest.importorskip("airflow_timetables_calendar").CalendarTimetable
    pick = random.Random(seed).choice
    rule = {
        "kind": pick(["absolute", "relative", "operating"]),
        "start_day": pick(["day", "month_end"]),
        "day": pick([0, 1, 2, 3, 5, 10, 15, 25]),
        "substitution": pick(["skip", "previous", "next", "run_anyway"]),
        "grace_days": pick([0, 3, 30]),
        "offset": pick([0, 0, 1, -1, 4]),
        "month_offset": pick([0, -1]),
    }
    given = {"calendar_id": pick(["JP", "DE", "NONE", "CN"]), "rules": [rule]}
    given |= {"base_day": pick([1, 1, 26]), "timezone": "UTC"}
    try:
        schedule = schedule_of(1, _arguments(1, given))
    except Unsaid:
        return
    first, last = date(2025, 1, 1), date(2026, 12, 31)
    every = [first + timedelta(days=n) for n in range((last - first).days)]
    low, high = (
        int(datetime(d.year, d.month, d.day, tzinfo=UTC).timestamp()) for d in (first, last)
    )
    found = schedule.arguments["schedule"].due(TimeRange(low, high), "UTC")
    days = {datetime.fromtimestamp(at, UTC).date() for at in found} & {*every}
    other = timetable(**given)
    assert days == {day for day in every if other.matches_rules(day)}, rule


# --- hostile and malformed files -----------------------------------------------------------------

MALFORMED = {
    "run-cycles": {
        b" \n": (1, "the file is empty"),
        b"$CALENDAR\nA": (2, "no ON"),
        b"SCHEDULE": (1, "end of the file"),
        b"SCHEDULE A#B\nFREQUENTLY MO": (2, "FREQUENTLY"),
        b'SCHEDULE A#B\nON RUNCYCLE R "FREQ=DAILY\nAT 0600\n:\nEND': (2, '"FREQ=DAILY'),
        b"SCHEDULE A#B\nON MO\nAT 2460\n:\nEND": (3, "2460"),
        b"SCHEDULE A#B\nON MO (AT 0600": (2, "end of the file"),
        b"SCHEDULE A#B\nON MO (UNTIL 0600)\nEND": (2, "UNTIL"),
        b"SCHEDULE A#B\nON MO\n:\n": (3, "end of the file"),
        b"SCHEDULE A#B\nON RUNCYCLE R VALIDFROM 31/12/2026 MO": (2, "31/12/2026"),
        b"SCHEDULE A#B\nON 20261301": (2, "20261301"),
        b"SCHEDULE A#B\nON 99991231 FDNEXT": (2, "99991231"),
        b"SCHEDULE A#B\nON RUNCYCLE R VALIDFROM 01/01/0001 MO": (2, "01/01/0001"),
        b"SCHEDULE A#B\nON RUNCYCLE R CAL +999 DAYS": (2, "999"),
        b"$CALENDAR\nA\n" + b" 01/01/2026" * 2001: (2, "A"),
        b"SCHEDULE A#B\nON RUNCYCLE R CAL +x DAYS": (2, "+x"),
        b"SCHEDULE A#B\nON RUNCYCLE R CAL +3 FORTNIGHTS": (2, "FORTNIGHTS"),
        b"RUNCYCLEGROUP G1": (1, "RUNCYCLEGROUP"),
        b"ON MO\n" * 150_000: (1001, "more than 1000 run cycles"),
        b"ON MO\n" + b"EXCEPT MO\n" * 100: (52, "more than 50 EXCEPT"),
        b'ON "' + b";" * 100_000 + b'"\nAT 0600 TZ UTC': (1, "each part once"),
    },
    "timetables-calendar": {
        b"": (1, "the file is empty"),
        b"a = 1": (1, "a = 1"),
        b"def (": (1, "def ("),
        b"{": (1, "{"),
        b"[1, 2": (1, "[1, 2"),
        b"[" * 100_000: (1, ""),
        b"(" * 100_000: (1, ""),
        b"-" * 100_000 + b"1": (1, ""),
        b"a" + b".b" * 100_000: (1, ""),
    },
    "change-calendar": {
        b"": (1, "the file is empty"),
        b"hello": (1, "hello"),
        b"SUMMARY:x": (1, "SUMMARY"),
        b"BEGIN:VCALENDAR\n" * 2000: (2000, "BEGIN:VCALENDAR"),
    },
}


@pytest.mark.parametrize(
    ("kind", "body"), [(kind, body) for kind, bodies in MALFORMED.items() for body in bodies],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_malformed_files(run: Run, tmp_path: Path, kind: str, body: bytes) -> None:
    line, value = MALFORMED[kind][body]
    file = tmp_path / "file"
    file.write_bytes(body)
    code, out, err = run("import", str(file), "--from", kind)
    assert (code, out) == (1, "")
    assert f"line {line}: " in err
    assert value in err
    assert len(err) < 400


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize(
    ("body", "line", "remedy"),
    [
        (b"ok\n\xff\xfe", 2, "UTF-8"),
        (b"ok\nok\n\0", 3, "UTF-8"),
        (b"a" * (MOST_BYTES + 1), 1, f"more than {MOST_BYTES} bytes"),
    ],
    ids=["not UTF-8", "binary", "huge"],
)
def test_files_that_are_no_text(
    run: Run, tmp_path: Path, kind: str, body: bytes, line: int, remedy: str
) -> None:
    file = tmp_path / "file"
    file.write_bytes(body)
    code, out, err = run("import", str(file), "--from", kind)
    assert (code, out) == (1, "")
    assert f"line {line}: " in err
    assert remedy in err


def test_an_import_ends_in_time(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_SECONDS", 0.2)
    monkeypatch.setattr(command, "_checked", lambda found: time.sleep(20))
    file = tmp_path / "file"
    file.write_text(stream(MONTHLY))
    code, out, err = run("import", str(file))
    assert (code, out) == (1, "")
    assert "line 1: 'file': it takes more than 0.2 s" in err


def test_the_json_of_a_document(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "document.json"
    file.write_text(json.dumps({"Name": "x", "Content": change_calendar("DEFAULT_OPEN")}))
    code, _, err = run("import", str(file))
    assert code == 1
    assert "--query Content --output text" in err


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    code, out, err = run("import", str(tmp_path / "none.ics"))
    assert (code, out) == (2, "")
    assert "none.ics" in err


def test_a_file_that_looks_like_none_of_them(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("hello\n")
    code, _, err = run("import", str(file))
    assert code == 1
    assert "line 1: 'hello': it looks like none of change-calendar, run-cycles" in err


def test_names_do_not_leave_their_comment(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "x\nimport os.ics"
    file.write_text(change_calendar("DEFAULT_OPEN", *UTC_EVENT))
    code, out, _ = run("import", str(file))
    assert code == 0
    assert made(out).keys() & {"os"} == set()


def test_the_example_of_the_page(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    text = page.partition("```text\n")[2].partition("```")[0]
    shown = page.partition("$ calendar-timetable import payroll.txt\n")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    Path("payroll.txt").write_text(text)
    assert run("import", "payroll.txt") == (0, shown, "")


@pytest.mark.parametrize("text", ["x = 1\ry = (\r", "(", "\r\r(", "x = (\n\n", "\f'"])
def test_what_is_no_python_is_told_by_its_line(text: str) -> None:
    with pytest.raises(Unsaid, match="not Python"):
        literals.parse(text)
