"""``calendar-timetable sync``.

Calendars asked outside of DAG parsing, so that parsing finds them in the cache.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from calendar_timetable.calendars import working_days
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed import feed as feeds
from calendar_timetable.calendars.feed.cache import folder
from calendar_timetable.timetable import CalendarTimetable
from demo.services import wait_until
from tests.support.command_line import Run
from tests.support.ics import event, feed
from tests.support.origin import SECRET, Origin, Reply

BODY = feed(event("SUMMARY:Freeze", "DTSTART:20260310T120000Z", "DURATION:PT2H"))


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    folder = tmp_path / "dags"
    folder.mkdir()
    return folder


def write(dags: Path, name: str, schedule: str) -> Path:
    file = dags / f"{name}.py"
    file.write_text(
        "from datetime import timedelta\nfrom airflow.sdk import DAG\n"
        "from calendar_timetable import Calendar, CalendarTimetable, Weekly\n"
        f"with DAG({name!r}, schedule={schedule}):\n    pass\n"
    )
    return file


def test_what_was_synced_is_parsed_without_asking_or_expanding(
    run: Run, origin: Origin, dags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(BODY)
    padded = (
        f"Calendar({origin.url()!r}, pad=(timedelta(days=9), timedelta(days=9)), "
        "offset=timedelta(days=40))"
    )
    timetable = (
        f"CalendarTimetable({padded}, offset=timedelta(days=-70), "
        f"blackouts=Weekly('mon') | {padded})"
    )
    write(dags, "padded", timetable)
    code, out, _ = run("sync", "--dags-folder", str(dags))
    assert code == 0
    assert out.startswith("127.0.0.1: ok, read ")
    assert out.count("\n") == 1, "a line per feed"
    assert len(origin.seen) == 1

    def refuse(*args: object) -> None:
        raise AssertionError("everything is in the cache")

    monkeypatch.setattr(feeds, "expand", refuse)
    made: CalendarTimetable = eval(timetable, vars(__import__("calendar_timetable")) | _names())
    assert made.serialize()["base"]["calendar"] == "127.0.0.1"
    assert len(origin.seen) == 1


def _names() -> dict[str, Any]:
    from calendar_timetable import Weekly

    return {
        "timedelta": timedelta,
        "Calendar": Calendar,
        "CalendarTimetable": CalendarTimetable,
        "Weekly": Weekly,
    }


def test_only_what_is_due_is_asked_unless_forced(run: Run, origin: Origin, dags: Path) -> None:
    origin.serve(BODY)
    file = str(
        write(dags, "one", f"CalendarTimetable('@daily', blackouts=Calendar({origin.url()!r}))")
    )
    for arguments, asked in (((), 1), ((), 1), (("--force",), 2), (("--asked",), 2)):
        code, out, _ = run("sync", file, *arguments)
        assert (code, len(origin.seen)) == (0, asked)
        assert bool(out) == ("--asked" not in arguments)


def test_a_failure_is_told_and_remembered(run: Run, origin: Origin, dags: Path) -> None:
    origin.fail(Reply(503, {"Retry-After": "900"}))
    write(dags, "one", f"CalendarTimetable('@daily', blackouts=Calendar({origin.url()!r}))")
    code, out, _ = run("sync", "--dags-folder", str(dags))
    assert code == 1
    assert out.startswith("127.0.0.1: unavailable, never read. The last fetch failed: HTTP 503")
    assert "It is not fetched again before" in out
    assert SECRET not in out
    run("sync", "--dags-folder", str(dags))
    assert len(origin.seen) == 1


def test_it_prints_what_its_page_shows(
    run: Run, origin: Origin, other_origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "team_calendar", "ops"
    for name, one in zip(names, (origin, other_origin), strict=True):
        one.serve(
            feed(
                event("UID:1", "DTSTART:20261101T090000Z"),
                event("UID:2", "DTSTART:20261102T090000Z"),
            )
        )
        conn = {"conn_type": "ical", "host": one.url()}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(conn))
    run("sync", *names)
    other_origin.fail(Reply(503, {"Retry-After": "900"}))
    code, out, _ = run("sync", "--force", *names)
    page = (Path(__file__).parents[2] / "docs" / "sync.md").read_text()
    shown = page.partition("those that are due\n")[2].partition("```")[0]
    amounts = re.compile(r"\d\d:\d\d:\d\d|(?<!HTTP )\b\d+\b( (s|min|h) ago)?")
    assert (code, amounts.sub("…", out)) == (1, amounts.sub("…", shown))


def test_status_asks_nobody(run: Run, origin: Origin, other_origin: Origin) -> None:
    origin.serve(BODY)
    other_origin.fail(Reply(404))
    run("sync", origin.url(), other_origin.url())
    assert [len(one.seen) for one in (origin, other_origin)] == [1, 1]
    code, out, _ = run("sync", "--status", "--json")
    found = json.loads(out)
    assert code == 1
    assert sorted((one["status"], one["events"]) for one in found) == [
        ("ok", 1),
        ("unavailable", 0),
    ]
    assert [len(one.seen) for one in (origin, other_origin)] == [1, 1]
    assert len({one["feed"] for one in found}) == 2


def test_status_tells_the_connection_and_forgets_what_is_asked(
    run: Run, origin: Origin, other_origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.serve(BODY)
    other_origin.fail(Reply(404))
    monkeypatch.setenv(
        "AIRFLOW_CONN_TEAM_CALENDAR", json.dumps({"conn_type": "ical", "host": origin.url()})
    )
    run("sync", "team_calendar", other_origin.url())
    code, out, _ = run("sync", "--status")
    assert code == 1
    assert out.splitlines()[1].startswith("team_calendar: ok, read ")
    assert out.splitlines()[1].endswith(" ago, 1 event; used by Connection team_calendar")
    assert run("sync", "--forget", "127.0.0.1")[:2] == (0, "127.0.0.1: forgotten\n")
    code, out, err = run("sync", "--forget", "127.0.0.1")
    assert (code, out) == (2, "") and "holds no calendar of this name" in err
    code, out, _ = run("sync", "--status", "--json")
    (one,) = json.loads(out)
    assert (code, one["calendar"], one["connection"], one["dag_ids"]) == (
        0,
        "team_calendar",
        "team_calendar",
        None,
    )


def test_only_calendars_in_use_are_a_problem(
    run: Run, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.fail(Reply(404))
    run("sync", origin.url())
    (feed,) = (one["feed"] for one in json.loads(run("sync", "--status", "--json")[1]))
    for dags, code, said in (
        ({}, 0, "; used by no DAG"),
        ({feed: ["a", "b"]}, 1, "; used by DAGs a, b"),
    ):
        monkeypatch.setattr(
            sys.modules["calendar_timetable.cli.sync"], "_dags_by_feed", lambda dags=dags: dags
        )
        told, out, _ = run("sync", "--status")
        assert (told, out.strip().endswith(said)) == (code, True)


def test_the_cache_is_in_the_folder_of_this_airflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CALENDAR_TIMETABLE_CACHE")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert folder() == tmp_path / "calendar-timetable-cache"


def test_calendars_of_one_dag(run: Run, origin: Origin, other_origin: Origin, dags: Path) -> None:
    for one in (origin, other_origin):
        one.serve(BODY)
    write(dags, "one", f"CalendarTimetable('@daily', blackouts=Calendar({origin.url()!r}))")
    write(dags, "two", f"CalendarTimetable('@daily', windows=Calendar({other_origin.url()!r}))")
    assert run("sync", "--dags-folder", str(dags), "--dag-id", "two")[0] == 0
    assert [len(one.seen) for one in (origin, other_origin)] == [0, 1]
    code, _, err = run("sync", "--dags-folder", str(dags), "--dag-id", "three")
    assert code == 1
    assert "three cannot be read: no DAG file defines this DAG" in err


def test_a_broken_dag_file_does_not_keep_the_others(run: Run, origin: Origin, dags: Path) -> None:
    origin.serve(BODY)
    write(dags, "one", f"CalendarTimetable('@daily', blackouts=Calendar({origin.url()!r}))")
    (dags / "broken.py").write_text("from airflow.sdk import DAG\nraise RuntimeError('for a test')")
    code, out, err = run("sync", "--dags-folder", str(dags))
    assert code == 1
    assert out.startswith("127.0.0.1: ok")
    assert "broken.py cannot be read: RuntimeError: for a test" in err


def test_a_connection_that_does_not_exist(run: Run, dags: Path) -> None:
    write(dags, "one", "CalendarTimetable('@daily', blackouts=Calendar('nowhere'))")
    code, out, _ = run("sync", "--dags-folder", str(dags))
    assert code == 1
    assert out.startswith(
        "nowhere: unavailable, never read. The last fetch failed: there is no Airflow Connection "
        "'nowhere'"
    )


# --- where parsing may not ask --------------------------------------------------------------------


def test_where_parsing_may_not_ask_sync_does(
    run: Run, origin: Origin, dags: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CALENDAR_TIMETABLE__FETCH", "external")
    origin.serve(BODY)
    timetable = CalendarTimetable("@daily", blackouts=Calendar(origin.url()))
    assert "run calendar-timetable sync" in timetable.serialize()["blackouts"]["held"]["why"]
    assert not origin.seen
    assert run("sync", origin.url())[0] == 0
    assert timetable.serialize()["blackouts"]["calendar"] == "127.0.0.1"
    assert len(origin.seen) == 1


# --- watching -------------------------------------------------------------------------------------


@contextmanager
def watching(
    dags: Path, tmp_path: Path, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """``sync --watch`` over the DAG files, each pass begun a second after the last.

    What it says is in a file. It goes on until the block ends.
    """
    command = [sys.executable, "-m", "calendar_timetable.cli", "sync", "--dags-folder", str(dags)]
    with (tmp_path / "watch.log").open("a") as log:
        process = subprocess.Popen(
            [*command, "--watch", "--every", "1s"], stdout=log, stderr=log, env=environment
        )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        if process.poll() is None:
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
            process.kill()
            process.wait()


def seen(tmp_path: Path, text: str) -> bool:
    return text in (tmp_path / "watch.log").read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_watching_follows_dag_files_and_ends_cleanly(
    number: signal.Signals, origin: Origin, dags: Path, tmp_path: Path
) -> None:
    origin.serve(BODY)
    often = f"Calendar({origin.url()!r}, refresh=timedelta(0))"
    write(dags, "one", f"CalendarTimetable('@daily', blackouts={often})")
    with watching(dags, tmp_path) as watch:
        wait_until("a first reading", lambda: seen(tmp_path, "127.0.0.1: ok, read "))
        origin.serve(
            feed(event("DTSTART:20260310T120000Z"), event("UID:b", "DTSTART:20260311T120000Z"))
        )
        wait_until("the edit to be read", lambda: seen(tmp_path, "2 events"))
        held = Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"X-Slow: 1\r\n" * 1000, pause=0.05)
        before = len(origin.seen)
        origin.fail(held)
        wait_until("it to be in the middle of a reading", lambda: len(origin.seen) > before)
        children = psutil.Process(watch.pid).children(recursive=True)
        assert children
        os.kill(watch.pid, number)
        assert watch.wait(timeout=30) == 0
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert "Traceback" not in (tmp_path / "watch.log").read_text()


def test_watching_ends_at_once_on_wrong_usage(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "calendar_timetable.cli",
        "sync",
        "--dags-folder",
        str(tmp_path / "no"),
        "--watch",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "there is no such file or folder" in done.stderr


# --- what an edit of a calendar moved -------------------------------------------------------------

NOTIFIER = """
import json
from airflow.sdk import BaseNotifier

class TeamChat(BaseNotifier):
    template_fields = ("text",)
    text = "{{ moved.sentence }}"

    def notify(self, context):
        with open(%r, "a") as file:
            file.write(json.dumps({"text": self.text, "count": context["moved"].count}) + "\\n")

def broken(context):
    raise RuntimeError("no chat today")
"""


def test_an_edit_is_told_once_while_watching(
    origin: Origin, dags: Path, tmp_path: Path, cache: Path
) -> None:
    """An event is entered, sent again, taken away; and the watch is started anew in between."""
    told = tmp_path / "told"
    (tmp_path / "team_notifiers.py").write_text(NOTIFIER % str(told))
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    first, last = hour - timedelta(minutes=30), hour + timedelta(minutes=30)
    freeze = f"DTSTART:{first:%Y%m%dT%H%M%SZ}", f"DTEND:{last:%Y%m%dT%H%M%SZ}", "SUMMARY:Freeze"
    origin.serve(feed())
    often = f"Calendar({origin.url()!r}, refresh=timedelta(0))"
    write(dags, "hourly", f"CalendarTimetable('0 * * * *', blackouts={often})")
    write(dags, "plain", "'0 * * * *'")
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "AIRFLOW__CALENDAR_TIMETABLE__NOTIFY": "team_notifiers.broken, team_notifiers.TeamChat",
    }

    def messages() -> list[Any]:
        return [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []

    def passes(more: int) -> None:
        seen = len(origin.seen) + more
        wait_until("some more passes", lambda: len(origin.seen) >= seen, seconds=180)

    with watching(dags, tmp_path, environment):
        passes(1)
        origin.serve(feed(event(*freeze)))
        wait_until("a message", lambda: len(messages()) == 1, seconds=180)
        # Sent again with nothing but its stamp changed.
        origin.serve(feed(event("DTSTAMP:20260101T000000Z", *freeze)))
        passes(2)
    with watching(dags, tmp_path, environment):
        passes(2)
        assert len(messages()) == 1, "a new watch does not tell again"
        origin.serve(feed())
        wait_until("the run to move back", lambda: len(messages()) == 2, seconds=180)
        passes(2)
    moved, back = messages()
    assert (moved["count"], back["count"]) == (1, 1)
    due = f"hourly due {hour:%a} {hour.day} {hour:%b %Y %H:%M} UTC"
    there, here = f"{last:%H:%M}", f"{hour:%H:%M}"
    assert moved["text"] == (
        f"Calendars changed, 1 run moves: {due}: {here} becomes {there} "
        f"(blocked by 127.0.0.1 until {there})"
    )
    assert back["text"] == (
        f"Calendars changed, 1 run moves: {due}: {there} becomes {here} "
        f"(was blocked by 127.0.0.1 until {there})"
    )
    log = (tmp_path / "watch.log").read_text()
    assert log.count(moved["text"]) == log.count(back["text"]) == 1
    assert "The notifier team_notifiers.broken failed: RuntimeError: no chat today" in log
    assert SECRET not in log
    kept = (cache / "edits-sync.json").read_text()
    assert not any(private in kept for private in (SECRET, "Freeze", "127.0.0.1:"))


def test_a_watch_tells_what_a_library_moved(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the DAG file uses no calendar at all."""
    file = tmp_path / "month_end.py"
    file.write_text(
        "from airflow.sdk import DAG\n"
        "from calendar_timetable import CalendarTimetable, On, WorkingDays\n"
        "last = On('last', WorkingDays('DE'), of='week', at='18:00')\n"
        "with DAG('weeks_end', schedule=CalendarTimetable(last, timezone='UTC')):\n    pass\n"
    )
    monkeypatch.setenv("CALENDAR_TIMETABLE_WATCHED", "1")

    def look(version: str, off: int) -> str:
        def country_holidays(*_: object, **__: object) -> SimpleNamespace:
            return SimpleNamespace(is_working_day=lambda at: at.weekday() not in (off, 5, 6))

        library = SimpleNamespace(country_holidays=country_holidays)
        monkeypatch.setitem(sys.modules, "holidays", library)
        monkeypatch.setattr(working_days, "with_version", lambda name: f"{name} {version}")
        code, out, err = run("sync", str(file), "--asked")
        assert code == 0
        return out + err

    assert "changed" not in look("0.84", off=0)
    assert "Calendars changed (holidays 0.84 became 0.85), 5 " in look("0.85", off=4)
    assert "changed" not in look("0.85", off=4)
