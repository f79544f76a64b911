"""The command line: check, preview, explain.

Wrong usage is told with its remedy, and how all of it ends.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import airflow.settings  # noqa: F401  (sets its log up, before a test captures where that goes)
import pytest
from rich.console import Console

import calendar_timetable
from calendar_timetable.cli import _EXAMPLES, _parser
from calendar_timetable.cli.cron_schedule import _PRESETS, CronSchedule
from calendar_timetable.timetable import CalendarTimetable
from tests.support.command_line import Run
from tests.support.ics import event, feed
from tests.support.origin import SECRET, Origin, Reply

NOW = datetime.now(UTC).replace(microsecond=0)
TOMORROW = event(
    "UID:soon",
    "SUMMARY:Freeze",
    f"DTSTART:{NOW + timedelta(days=1):%Y%m%dT%H%M%SZ}",
    "DURATION:PT2H",
    "TRANSP:OPAQUE",
)
BAD = event("UID:bad", "SUMMARY:Odd", "DTSTART:20240101T000000Z", "RRULE:FREQ=SECONDLY")


def answered(told: tuple[int, str, str]) -> Any:
    return json.loads(told[1])


# --- check ----------------------------------------------------------------------------------------


def test_check(run: Run, origin: Origin) -> None:
    origin.serve(feed(TOMORROW))
    code, out, _ = run("check", origin.url(), "--timezone", "UTC")
    assert code == 0
    assert out.splitlines()[0].startswith("127.0.0.1: ok, read ")
    assert "1 event" in out
    assert "Freeze" in out
    assert f"{NOW + timedelta(days=1):%a %Y-%m-%d %H:%M}" in out
    assert SECRET not in out


def test_check_as_json(run: Run, origin: Origin) -> None:
    origin.serve(feed(TOMORROW, BAD))
    told = run("check", origin.url(), "--json")
    found = answered(told)
    assert told[0] == 1
    assert (found["calendar"], found["status"], found["error"], found["events"]) == (
        "127.0.0.1",
        "incomplete",
        "",
        2,
    )
    (problem,) = found["problems"]
    assert (problem["uid"], problem["reason"]) == (
        "bad",
        "a rule that repeats every second is refused",
    )
    assert (problem["start"] is None, problem["end"], problem["counted"]) == (False, None, False)
    assert [event["summary"] for event in found["next"]] == ["Freeze"]


TODAY = NOW.date()
TROUBLED = {
    "a rule": (BAD, 1, "may cover 2024-01-01 and later"),
    "an end": (
        event(
            "UID:bad",
            f"DTSTART:{NOW + timedelta(days=1):%Y%m%d}T100000Z",
            f"DTEND:{NOW:%Y%m%d}T100000Z",
        ),
        1,
        f"may cover {TODAY} to {TODAY + timedelta(days=1)}",
    ),
    "an EXDATE": (
        event(
            "UID:bad", f"DTSTART:{TODAY:%Y%m%d}T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:never"
        ),
        1,
        f"counted all the same, {TODAY} and later",
    ),
    "what is over": (
        event("UID:bad", "DTSTART:20240301T100000Z", "DTEND:20240229T100000Z"),
        0,
        "may cover 2024-02-29",
    ),
    "what is cancelled": (
        event("UID:bad", "DTSTART:nonsense", "STATUS:CANCELLED"),
        0,
        "covers no time",
    ),
}


@pytest.mark.parametrize(("bad", "code", "says"), TROUBLED.values(), ids=TROUBLED)
def test_what_is_not_understood_ends_check_and_sync_alike(
    run: Run, origin: Origin, bad: str, code: int, says: str
) -> None:
    origin.serve(feed(TOMORROW, bad))
    for command in (
        ("check", origin.url(), "--timezone", "UTC"),
        ("sync", origin.url()),
        ("sync", "--status"),
    ):
        told, out, _ = run(*command)
        assert told == code
        assert out.startswith(f"127.0.0.1: {'incomplete' if code else 'ok'}, ")
        assert says in out


def test_check_of_what_cannot_be_read_says_so_as_a_status(run: Run, origin: Origin) -> None:
    origin.fail(Reply(404))
    code, out, err = run("check", origin.url())
    assert (code, err) == (1, "")
    assert out.startswith("127.0.0.1: unavailable, never read. The last fetch failed: HTTP 404")
    assert (answered(run("check", origin.url(), "--json"))["status"], code) == ("unavailable", 1)


def test_a_calendar_that_needs_a_login_says_so(run: Run, origin: Origin) -> None:
    origin.fail(Reply(401))
    assert "HTTP 401: it needs a login" in run("check", origin.url())[1]


def test_check_shows_the_last_good_copy(run: Run, origin: Origin) -> None:
    origin.serve(feed(TOMORROW))
    run("check", origin.url())
    origin.fail(Reply(500))
    code, out, _ = run("check", origin.url())
    assert code == 1
    assert out.startswith("127.0.0.1: stale, read ")
    assert "Freeze" in out


def test_nothing_is_coming(run: Run, origin: Origin) -> None:
    origin.serve(feed())
    code, out, _ = run("check", origin.url(), "--days", "7")
    assert code == 0
    assert "Nothing is coming in 7 days." in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check", "a.ics", "--days", "0"), "'0' is not a number from 1 to 3660"),
        (("check", "a.ics", "--days", "-3"), "'-3' is not a number from 1 to 3660"),
        (("check", "a.ics", "--days", "9999999999999"), "is not a number from 1 to 3660"),
        (("check", "a.ics", "--days", "soon"), "'soon' is not a number from 1 to 3660"),
        (("preview", "@daily", "--limit", "-1"), "'-1' is not a number from 1 to 10000"),
        (("preview", "@daily", "--limit", "10001"), "'10001' is not a number from 1 to 10000"),
        (
            ("preview", "@daily", "--duration", "soon"),
            "'soon' is not a valid length of time; write it as 4h, 90m or 1d12h",
        ),
        (("preview", "@daily", "--duration=-4h"), "'-4h' is negative"),
        (
            ("preview", "@daily", "--max-delay", "999999d"),
            "'999999d' is too long; give at most 3660d",
        ),
        (("preview", "@daily", "--event-offset=-9999d"), "'-9999d' is too long"),
        (("preview", "@daily", "--start", "9999-12-31"), "give a year from 1970 to 9900"),
        (("preview", "@daily", "--start", "0001-01-02"), "give a year from 1970 to 9900"),
        (("preview", "@daily", "--stagger", ""), "'' is not a valid length of time"),
        (
            ("preview", "@daily", "--start", "noon"),
            "'noon' is not a valid time; write it as 2026-11-28T02:00",
        ),
        (
            ("preview", "@daily", "--window", "funday"),
            "--window='funday': no Airflow Connection has that id",
        ),
        (
            ("preview", "@daily", "--window", "funday"),
            "as a weekly rule: 'funday' is not a valid day",
        ),
        (("preview", "@daily", "--blackout", "funday 19:00-20:00"), "--blackout='funday …'"),
        (("preview", "@daily", "--window", "mon 25:00-26:00"), "as a weekly rule"),
        (("preview", "@daily", "--offset", "1h"), "offset"),
        (("preview",), "give a schedule, or --dag-id"),
        (("preview", "@daily", "--dag-id", "x"), "give a schedule or --dag-id, not both"),
        (("preview", "funday"), "schedule='funday'"),
        (
            ("preview", "--dag-id", "x", "--dags-folder", "/nowhere"),
            "there is no such file or folder",
        ),
        (("check", "ftp://example.com/x"), "use http, https, webcal"),
        (("frobnicate",), "invalid choice"),
        ((), "required"),
        (("sync", "no calendar?"), "give an address"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_a_folder_that_airflow_cannot_walk_through_is_told(run: Run, tmp_path: Path) -> None:
    """As Debian's virtual environments are, in the folder that ``--dags-folder .`` names."""
    (tmp_path / ".venv" / "lib").mkdir(parents=True)
    (tmp_path / ".venv" / "lib64").symlink_to("lib")
    code, out, err = run("preview", "--dag-id", "x", "--dags-folder", str(tmp_path))
    assert (code, out) == (2, "")
    assert "recursive loop" in err and "keep environments out of that folder" in err
    assert "Traceback" not in err


def test_version(run: Run) -> None:
    assert run("--version")[:2] == (0, f"calendar-timetable {calendar_timetable.__version__}\n")


@pytest.mark.parametrize("command", ["", *_EXAMPLES])
def test_help_is_whole(run: Run, command: str) -> None:
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert "``" not in out
    assert not command or f"calendar-timetable {command} " in out.partition("examples:")[2]
    assert "exit codes: 0 all is well; 1 problems were found" in " ".join(out.split())


# --- preview and explain --------------------------------------------------------------------------


def test_lines_of_a_table_end_with_their_text(run: Run) -> None:
    code, out, _ = run("preview", "@daily", "--start", "2026-11-28", "--limit", "3")
    lines = out.splitlines()
    assert code == 0
    assert len(lines) > 3
    assert [line.rstrip() for line in lines] == lines


def test_preview(run: Run) -> None:
    arguments = (
        "preview",
        "0 9 * * *",
        "--timezone",
        "UTC",
        "--blackout",
        "tue",
        "--start",
        "2026-03-02T00:00+00:00",
    )
    code, out, _ = run(*arguments, "--limit", "2")
    assert code == 0
    assert "Mon 2026-03-02 09:00  Mon 2026-03-02 09:00  on time" in out
    assert "Tue 2026-03-03 09:00  Wed 2026-03-04 00:00  postponed" in out
    assert out.splitlines()[-1] == "2 of 2 will run (1 postponed)."
    lasting = run(*arguments, "--limit", "2", "--duration", "3h")[1]
    assert "Wed 2026-03-04 00:00  Wed 2026-03-04 03:00  postponed" in lasting and "End" in lasting


def test_a_preview_without_any_run_is_a_problem(run: Run) -> None:
    arguments = (
        "preview",
        "0 9 * * *",
        "--timezone",
        "UTC",
        "--duration",
        "200h",
        "--window",
        "sat-sun",
    )
    code, out, _ = run(*arguments, "--limit", "3")
    assert (code, out.splitlines()[-1]) == (1, "0 of 3 will run (3 skipped).")
    code, out, err = run(*arguments, "--start", "2026-03-02", "--end", "2026-03-01")
    assert (code, out) == (2, "") and "--end='2026-03-01T00:00': give a time after --start" in err


def test_a_preview_knows_the_options_of_a_calendar(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "team.ics"
    meeting = event("SUMMARY:Stand-up", "DTSTART:20260302T085500Z", "DTEND:20260302T091000Z")
    file.write_bytes(
        feed(meeting, event("SUMMARY:Freeze", "DTSTART:20260303T080000Z", "DTEND:20260303T100000Z"))
    )
    arguments = ("preview", "0 9 * * *", "--timezone", "UTC", "--blackout", str(file), "--json")
    between = ("--start", "2026-03-02", "--limit", "2")

    def starts(*more: str) -> list[str]:
        return [run["start"][8:16] for run in answered(run(*arguments, *between, *more))]

    assert starts() == ["02T09:10", "03T10:00"]
    assert starts("--match", "*freeze*") == ["02T09:00", "03T10:00"]
    assert starts("--match", "*freeze*", "--pad", "1h,30m") == ["02T09:00", "03T10:30"]
    assert starts("--event-offset=-1h") == ["02T09:00", "03T09:00"]
    (reason,) = answered(run(*arguments, *between, "--show-titles"))[1]["reasons"]
    assert (reason["kind"], reason["calendar"], reason["event"]) == (
        "blackout",
        "team.ics",
        "Freeze",
    )
    assert (reason["start"], reason["end"]) == ("2026-03-03T09:00:00Z", "2026-03-03T10:00:00Z")


@pytest.mark.parametrize("width", [40, 60, 99])
def test_a_narrow_terminal_loses_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    module = sys.modules["calendar_timetable.cli"]
    monkeypatch.setattr(
        module,
        "console",
        lambda: Console(file=sys.stdout, width=width, highlight=False, markup=False),
    )
    arguments = (
        "preview",
        "0 9 * * *",
        "--timezone",
        "UTC",
        "--blackout",
        "mon-fri 08:00-20:00",
        "--limit",
        "2",
    )
    _, out, _ = run(*arguments, "--start", "2026-03-02", "--duration", "3h")
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    first = " ".join(out.partition("\n\n")[0].split())
    assert first == (
        "Times in UTC. Due Mon 2026-03-02 09:00 Start Mon 2026-03-02 20:00 End Mon 2026-03-02 23:00"
        " Outcome postponed Why blocked by mon-fri 08:00-20:00 until 20:00"
    )


ALONE = """
import sys
from calendar_timetable.cli import main
code = main(sys.argv[1:])
print("airflow" if "airflow" in sys.modules else "alone", file=sys.stderr)
sys.exit(code)
"""


@pytest.mark.parametrize(
    "command",
    [
        ("check", "{file}"),
        ("preview", "0 9 * * *", "--blackout", "{file}", "--window", "mon-fri"),
        ("explain", "@daily", "--blackout", "{file}"),
    ],
    ids=lambda command: command[0],
)
def test_a_file_and_cron_need_no_airflow(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "team.ics"
    file.write_bytes(feed(TOMORROW))
    (tmp_path / "airflow.cfg").write_text("[core]\ndefault_timezone = Asia/Kolkata\n")
    env = {"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)}
    arguments = [part.format(file=file) for part in command]
    made = [sys.executable, "-c", ALONE, *arguments]
    done = subprocess.run(made, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "alone"
    if command[0] != "check":
        assert "Asia/Kolkata" in done.stdout or " IST" in done.stdout, (
            "the zone that Airflow is configured with"
        )


CRONS = (
    "30 2 * * *",
    "*/20 * * * *",
    "0 */2 * * *",
    "15 1,2,3 * * SUN",
    "0 0 29 2 *",
    "0 0 1-7 * MON",
    "@hourly",
)


@pytest.mark.parametrize(
    "zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]
)
@pytest.mark.parametrize("cron", CRONS)
def test_without_airflow_due_times_are_airflows(cron: str, zone: str) -> None:
    for start in (
        datetime(2026, 3, 27, tzinfo=UTC),
        datetime(2026, 10, 3, tzinfo=UTC),
        datetime(2026, 10, 24, tzinfo=UTC),
    ):
        plan = CalendarTimetable(cron, timezone=zone).plan(start, limit=200)
        options = _parser().parse_args(["preview", cron, "--timezone", zone])
        alone = CronSchedule.of(options, None, None)
        assert alone is not None
        found = [tick.due for tick in islice(alone.ticks(start.timestamp()), 200)]
        assert found == [run.due.timestamp() for run in plan]


def test_presets_are_airflows() -> None:
    from airflow.utils.dates import cron_presets

    assert cron_presets == _PRESETS


def test_preview_of_a_calendar_with_an_offset(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "releases.ics"
    file.write_bytes(feed(event("DTSTART:20260302T120000Z")))
    arguments = ("preview", str(file), "--start", "2026-03-02T00:00+00:00", "--json")
    assert [run["due"] for run in answered(run(*arguments, "--offset", "1h30m"))] == [
        "2026-03-02T13:30:00Z"
    ]
    assert [run["due"] for run in answered(run(*arguments, "--offset=-30m"))] == [
        "2026-03-02T11:30:00Z"
    ]


def test_explain(run: Run) -> None:
    arguments = (
        "explain",
        "0 9 * * *",
        "--timezone",
        "UTC",
        "--window",
        "sat-sun",
        "--at",
        "2026-03-02T00:00+00:00",
    )
    code, out, _ = run(*arguments)
    assert code == 0
    assert "is closed, outside sat-sun until Sat" in out
    told = answered(run(*arguments, "--json"))
    assert (told["at"], told["timezone"], told["open"], told["text"] + "\n") == (
        "2026-03-02T00:00:00Z",
        "UTC",
        False,
        out,
    )
    assert (told["reason"]["kind"], told["reason"]["end"]) == (
        "outside_windows",
        "2026-03-07T00:00:00Z",
    )
    assert (told["next"]["due"], told["next"]["outcome"]) == ("2026-03-02T09:00:00Z", "coalesced")


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        (
            "2026-11-27T10:30",
            "Fri 27 Nov 2026 10:30 CET is closed, blocked by team.ics until 11:00.",
        ),
        ("2026-11-27T10:30Z", "Fri 27 Nov 2026 11:30 CET is open."),
        (
            "2026-11-27T04:30-05:00",
            "Fri 27 Nov 2026 10:30 CET is closed, blocked by team.ics until 11:00.",
        ),
    ],
)
def test_a_time_without_an_offset_is_in_the_schedules_zone(
    run: Run, tmp_path: Path, at: str, answer: str
) -> None:
    file = tmp_path / "team.ics"
    file.write_bytes(feed(event("DTSTART:20261127T090000Z", "DTEND:20261127T100000Z")))
    schedule = ("0 9 * * *", "--timezone", "Europe/Berlin", "--blackout", str(file))
    code, out, _ = run("explain", *schedule, "--at", at)
    assert (code, out[: len(answer)]) == (0, answer)


def test_a_range_without_offsets_is_in_the_schedules_zone(run: Run) -> None:
    schedule = ("preview", "0 2 * * SAT", "--timezone", "Europe/Berlin")
    between = ("--start", "2026-11-28T02:00", "--end", "2026-11-28T02:01")
    assert [run["due"] for run in answered(run(*schedule, *between, "--json"))] == [
        "2026-11-28T01:00:00Z"
    ]


DAG = """
from airflow.sdk import DAG, Asset, AssetOrTimeSchedule
from calendar_timetable import CalendarTimetable, Weekly

print("a DAG file that talks")
made = CalendarTimetable("0 9 * * *", timezone="UTC", windows=Weekly("sat"))
with DAG("ours", schedule=made):
    pass
with DAG("inside", schedule=AssetOrTimeSchedule(timetable=made, assets=[Asset("a")])):
    pass
with DAG("cron", schedule="@daily"):
    pass
"""


@pytest.mark.parametrize("dag_id", ["ours", "inside"])
def test_a_dag_by_its_id(run: Run, tmp_path: Path, dag_id: str) -> None:
    (tmp_path / "a_dag.py").write_text(DAG)
    arguments = ("--dag-id", dag_id, "--dags-folder", str(tmp_path), "--json")
    found = answered(
        run("preview", *arguments, "--start", "2026-03-06T00:00+00:00", "--limit", "1")
    )
    assert found[0]["start"] == "2026-03-07T00:00:00Z"


def test_a_dag_that_is_not_ours_or_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a_dag.py").write_text(DAG)
    (tmp_path / "broken_dag.py").write_text(
        "from airflow.sdk import DAG\nraise RuntimeError('for a test')"
    )
    code, out, _ = run("preview", "--dag-id", "cron", "--dags-folder", str(tmp_path))
    assert (code, out.splitlines()[-1]) == (0, "10 of 10 will run.")
    code, out, err = run("explain", "--dag-id", "other", "--dags-folder", str(tmp_path))
    assert (code, out) == (2, "")
    assert f"--dag-id='other': not found in {tmp_path}" in err
    assert "for a test" in err


DAYS = """
from datetime import date
from airflow.sdk import DAG
from calendar_timetable import CalendarTimetable, On, Recurrence, TradingHours, Weekly, WorkingDays
last = On("last", WorkingDays("DE-BY"), at="18:00")
nights = Weekly("daily 20:00-06:00")
with DAG("days", schedule=CalendarTimetable(last, timezone="Europe/Berlin", windows=nights)):
    pass
every = Recurrence("FREQ=DAILY", date(2026, 1, 1), at="16:00")
with DAG(
    "trading",
    schedule=CalendarTimetable(
        every, timezone="UTC", windows=WorkingDays("US"), blackouts=TradingHours("XNYS")
    ),
):
    pass
"""


def test_a_dag_that_is_due_by_days(run: Run, tmp_path: Path) -> None:
    """Also far from now: what is due is laid out around what is asked for."""
    (tmp_path / "a_dag.py").write_text(DAYS)
    of = ("--dag-id", "days", "--dags-folder", str(tmp_path))
    start = ("--start", "2031-03-01T00:00")
    found = answered(run("preview", *of, *start, "--limit", "2", "--json"))
    assert [(row["due"], row["start"]) for row in found] == [
        ("2031-03-31T16:00:00Z", "2031-03-31T18:00:00Z"),
        ("2031-04-30T16:00:00Z", "2031-04-30T18:00:00Z"),
    ]
    assert found[0]["reasons"][0]["text"].startswith("outside daily 20:00-06:00 until")
    code, out, _ = run("preview", *of, *start, "--limit", "1")
    assert code == 0 and "outside daily 20:00-06:00 until 20:00" in out
    code, out, _ = run("explain", *of, "--at", "2031-03-31T17:00")
    assert code == 0 and "18:00" in out and "20:00" in out


def test_a_dag_by_trading_hours(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a_dag.py").write_text(DAYS)
    of = (
        "--dag-id",
        "trading",
        "--dags-folder",
        str(tmp_path),
        "--start",
        "2026-11-25T12:00+00:00",
    )
    found = answered(run("preview", *of, "--limit", "3", "--json"))
    assert [(row["due"][:10], row["start"]) for row in found] == [
        # New York closes at 21:00, is closed on Thanksgiving, and closes early the day after.
        ("2026-11-25", "2026-11-25T21:00:00Z"),
        ("2026-11-26", "2026-11-27T00:00:00Z"),
        ("2026-11-27", "2026-11-27T18:00:00Z"),
    ]
    assert "trading hours XNYS" in found[0]["explanation"]
    assert "days off US" in found[1]["explanation"]
