"""The command line: check, preview, explain; wrong usage is told with its remedy, and how all of it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import airflow.settings  # noqa: F401  (sets its log up, before a test captures where that goes)
import pytest

import calendar_timetable
from calendar_timetable.cli import main
from tests.calendars.conftest import SECRET, Origin, Reply
from tests.calendars.helpers import event, feed

NOW = datetime.now(UTC).replace(microsecond=0)
TOMORROW = event(
    "UID:soon", "SUMMARY:Freeze", f"DTSTART:{NOW + timedelta(days=1):%Y%m%dT%H%M%SZ}", "DURATION:PT2H", "TRANSP:OPAQUE"
)
BAD = event("UID:bad", "SUMMARY:Odd", "DTSTART:20240101T000000Z", "RRULE:FREQ=SECONDLY")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command: its exit code, what it printed, and what it said on stderr."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as ended:  # as argparse ends
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def answered(told: tuple[int, str, str]) -> Any:
    return json.loads(told[1])


# --- check ---------------------------------------------------------------------------------------------


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
    assert (found["calendar"], found["status"], found["error"], found["events"]) == ("127.0.0.1", "incomplete", "", 2)
    (problem,) = found["problems"]
    assert (problem["uid"], problem["reason"]) == ("bad", "a rule that repeats every second is refused")
    assert (problem["start"] is None, problem["end"], problem["counted"]) == (False, None, False)
    assert [event["summary"] for event in found["next"]] == ["Freeze"]


TODAY = NOW.date()
TROUBLED = {
    "a rule": (BAD, 1, "may cover 2024-01-01 and later"),
    "an end": (
        event("UID:bad", f"DTSTART:{NOW + timedelta(days=1):%Y%m%d}T100000Z", f"DTEND:{NOW:%Y%m%d}T100000Z"),
        1,
        f"may cover {TODAY} to {TODAY + timedelta(days=1)}",
    ),
    "an EXDATE": (
        event("UID:bad", f"DTSTART:{TODAY:%Y%m%d}T100000Z", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:never"),
        1,
        f"counted all the same, {TODAY} and later",
    ),
    "what is over": (event("UID:bad", "DTSTART:20240301T100000Z", "DTEND:20240229T100000Z"), 0, "may cover 2024-02-29"),
    "what is cancelled": (event("UID:bad", "DTSTART:nonsense", "STATUS:CANCELLED"), 0, "covers no time"),
}


@pytest.mark.parametrize(("bad", "code", "says"), TROUBLED.values(), ids=TROUBLED)
def test_what_is_not_understood_ends_check_and_sync_alike(
    run: Run, origin: Origin, bad: str, code: int, says: str
) -> None:
    origin.serve(feed(TOMORROW, bad))
    for command in (("check", origin.url(), "--timezone", "UTC"), ("sync", origin.url()), ("sync", "--status")):
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
        (("preview", "@daily", "--stagger", ""), "'' is not a valid length of time"),
        (("preview", "@daily", "--start", "noon"), "'noon' is not a valid time; write it as 2026-11-28T02:00"),
        (("preview", "@daily", "--window", "funday"), "--window='funday': no Airflow Connection has that id"),
        (("preview", "@daily", "--window", "funday"), "as a weekly rule: 'funday' is no day"),
        (("preview", "@daily", "--blackout", "funday 19:00-20:00"), "--blackout='funday …'"),
        (("preview", "@daily", "--window", "mon 25:00-26:00"), "as a weekly rule"),
        (("preview", "@daily", "--offset", "1h"), "offset"),
        (("preview",), "give a schedule, or --dag-id"),
        (("preview", "@daily", "--dag-id", "x"), "give a schedule or --dag-id, not both"),
        (("preview", "funday"), "schedule='funday'"),
        (("preview", "--dag-id", "x", "--dags-folder", "/nowhere"), "there is no such file or folder"),
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


def test_version(run: Run) -> None:
    assert run("--version")[:2] == (0, f"calendar-timetable {calendar_timetable.__version__}\n")


def test_exit_codes_are_told(run: Run) -> None:
    for command in ((), ("check",), ("preview",), ("explain",), ("sync",)):
        code, out, _ = run(*command, "--help")
        assert code == 0
        assert "exit codes: 0 all is well; 1 problems were found" in " ".join(out.split())


# --- preview and explain -------------------------------------------------------------------------------


def test_preview(run: Run) -> None:
    arguments = ("preview", "0 9 * * *", "--timezone", "UTC", "--blackout", "tue", "--start", "2026-03-02T00:00+00:00")
    code, out, _ = run(*arguments, "--limit", "2")
    assert code == 0
    assert "Mon 2026-03-02 09:00  Mon 2026-03-02 09:00  on time" in out
    assert "Tue 2026-03-03 09:00  Wed 2026-03-04 00:00  postponed" in out


def test_preview_of_a_calendar_with_an_offset(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "releases.ics"
    file.write_bytes(feed(event("DTSTART:20260302T120000Z")))
    arguments = ("preview", str(file), "--start", "2026-03-02T00:00+00:00", "--json")
    assert [run["tick"] for run in answered(run(*arguments, "--offset", "1h30m"))] == ["2026-03-02T13:30:00+00:00"]
    assert [run["tick"] for run in answered(run(*arguments, "--offset=-30m"))] == ["2026-03-02T11:30:00+00:00"]


def test_explain(run: Run) -> None:
    arguments = ("explain", "0 9 * * *", "--timezone", "UTC", "--window", "sat-sun", "--at", "2026-03-02T00:00+00:00")
    code, out, _ = run(*arguments)
    assert code == 0
    assert "is closed, outside sat-sun until Sat" in out


@pytest.mark.parametrize(
    ("at", "answer"),
    [
        ("2026-11-27T10:30", "Fri 27 Nov 2026 10:30 CET is closed, blocked by team.ics until 11:00."),
        ("2026-11-27T10:30Z", "Fri 27 Nov 2026 11:30 CET is open."),
        ("2026-11-27T04:30-05:00", "Fri 27 Nov 2026 10:30 CET is closed, blocked by team.ics until 11:00."),
    ],
)
def test_a_time_without_an_offset_is_in_the_schedules_zone(run: Run, tmp_path: Path, at: str, answer: str) -> None:
    file = tmp_path / "team.ics"
    file.write_bytes(feed(event("DTSTART:20261127T090000Z", "DTEND:20261127T100000Z")))
    schedule = ("0 9 * * *", "--timezone", "Europe/Berlin", "--blackout", str(file))
    code, out, _ = run("explain", *schedule, "--at", at)
    assert (code, out[: len(answer)]) == (0, answer)


def test_a_range_without_offsets_is_in_the_schedules_zone(run: Run) -> None:
    schedule = ("preview", "0 2 * * SAT", "--timezone", "Europe/Berlin")
    between = ("--start", "2026-11-28T02:00", "--end", "2026-11-28T02:01")
    assert [run["tick"] for run in answered(run(*schedule, *between, "--json"))] == ["2026-11-28T01:00:00+00:00"]


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
    found = answered(run("preview", *arguments, "--start", "2026-03-06T00:00+00:00", "--limit", "1"))
    assert found[0]["start"] == "2026-03-07T00:00:00+00:00"


def test_a_dag_that_is_not_ours_or_not_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a_dag.py").write_text(DAG)
    (tmp_path / "broken_dag.py").write_text("from airflow.sdk import DAG\nraise RuntimeError('for a test')")
    code, out, err = run("preview", "--dag-id", "cron", "--dags-folder", str(tmp_path))
    assert (code, out) == (2, "")
    assert "--dag-id='cron': its schedule is a " in err
    code, out, err = run("explain", "--dag-id", "other", "--dags-folder", str(tmp_path))
    assert (code, out) == (2, "")
    assert f"--dag-id='other': not found in {tmp_path}" in err
    assert "for a test" in err
