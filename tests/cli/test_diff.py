"""``calendar-timetable diff``: what a change of DAG files does to planned runs."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.cli.dag_plans import DagFolder
from calendar_timetable.cli.revisions import DagSource
from calendar_timetable.cli.values import Misused
from calendar_timetable.planning.plan import PlannedRun
from demo.services import wait_until
from tests.support.command_line import Run
from tests.support.ics import event, feed
from tests.support.origin import SECRET, Origin, Reply

# The server of a calendar runs in a thread.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
PAGE = (Path(__file__).parents[2] / "docs" / "diff.md").read_text()
START = ("--start", "2026-11-27T12:00+00:00")  # a Friday
HEAD = """
from datetime import timedelta
from pathlib import Path
from airflow.sdk import DAG
from calendar_timetable import Calendar, CalendarTimetable, Weekly
"""
NIGHTLY = (
    'with DAG("nightly", schedule=CalendarTimetable("0 2 * * *", timezone="UTC", {})):\n    pass\n'
)
PLAIN = 'with DAG("plain", schedule="0 6 * * *"):\n    pass\n'

Git = Callable[..., str]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two DAG files, which is the working directory."""
    top = tmp_path / "repository"
    (top / "dags").mkdir(parents=True)
    write(top / "dags", "nightly", NIGHTLY.format('windows=Weekly("daily 19:00-04:00")'))
    write(top / "dags", "plain", PLAIN)
    monkeypatch.chdir(top)
    git("init", "-q", "-b", "main", ".")
    commit("two DAG files")
    return top


def git(*arguments: str) -> str:
    names = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    apart = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(
        ["git", *arguments],
        env={**os.environ, **names, **apart},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def commit(message: str) -> None:
    git("add", "-A")
    git("commit", "-q", "-m", message)


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.py"
    file.write_text(HEAD + text)
    return file


def two(tmp_path: Path, before: str, after: str) -> tuple[str, str]:
    """Two folders with a DAG file each."""
    return tuple(
        str(write(tmp_path / n, "a_dag", t).parent) for n, t in (("old", before), ("new", after))
    )  # type: ignore[return-value]


def answered(done: tuple[int, str, str]) -> dict[str, Any]:
    code, out, err = done
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


# --- the story ------------------------------------------------------------------------------------


def test_a_branch_moves_a_window(run: Run, repository: Path) -> None:
    git("checkout", "-q", "-b", "earlier-nights")
    write(repository / "dags", "nightly", NIGHTLY.format('windows=Weekly("daily 22:00-01:00")'))
    commit("move the window")
    (repository / "dags" / "not_committed.py").write_text("raise RuntimeError")
    state = git("status", "--porcelain", "--branch")
    index = (repository / ".git" / "index").read_bytes()

    code, out, err = run(
        "diff", "main", "HEAD", "--path", "dags", "--markdown", *START, "--days", "2"
    )

    assert code == 0, err
    assert out.splitlines() == [
        (
            "**2 runs move in 1 of 2 DAGs** (planned runs, main to HEAD, "
            "Fri 27 Nov 2026 12:00 UTC to Sun 29 Nov 2026 12:00 UTC)"
        ),
        "",
        "nightly: 2 runs move",
        "",
        "| Due | Before | After | Why |",
        "| --- | --- | --- | --- |",
        "| Sat 28 Nov 2026 02:00 UTC | 02:00 | 22:00 | outside daily 22:00-01:00 until 22:00 |",
        "| Sun 29 Nov 2026 02:00 UTC | 02:00 | 22:00 | outside daily 22:00-01:00 until 22:00 |",
    ]
    assert git("status", "--porcelain", "--branch") == state
    assert (repository / ".git" / "index").read_bytes() == index, "nothing is written there"

    # What is told of a revision is told of a folder, whatever lies beside it.
    (repository / "dags" / "not_committed.py").unlink()
    folders = ("diff", "main:dags", "dags", *START, "--days", "2", "--exit-code")
    code, out, err = run(*folders)
    assert code == 1, err
    assert out.startswith("2 runs move in 1 of 2 DAGs, Fri 27 Nov 2026 12:00 UTC to ")
    shown = PAGE.partition(" --days 2\n")[2].partition("```")[0]  # by docs/diff.md
    assert [line.rstrip() for line in out.splitlines()] == shown.splitlines()


def test_what_is_committed_is_read_and_nothing_beside_it(run: Run, repository: Path) -> None:
    """A calendar, and a module, that the DAG files of each side find beside them."""
    calendar = '(Path(__file__).parent.parent / "team.ics").as_posix()'
    write(repository, "rules", f"BLACKOUT = {calendar.replace('.parent.parent', '.parent')}\n")
    write(
        repository / "dags",
        "nightly",
        "import sys; sys.path.insert(0, str(Path(__file__).parent.parent))\n"
        "from rules import BLACKOUT\n" + NIGHTLY.format("blackouts=Calendar(BLACKOUT)"),
    )
    busy = "DTSTART:20261128T010000Z", "SUMMARY:Freeze"
    (repository / "team.ics").write_bytes(feed(event(*busy, "DTEND:20261128T050000Z")))
    # Kept out of archives, but not out of checkouts.
    (repository / ".gitattributes").write_text("rules.py export-ignore\n")
    commit("a freeze")
    (repository / "team.ics").write_bytes(feed(event(*busy, "DTEND:20261128T070000Z")))
    commit("it is longer")
    (repository / "team.ics").unlink()

    found = answered(run("diff", "HEAD~1:dags", "HEAD:dags", *START, "--days", "2", "--json"))

    (dag,) = found["dags"]
    (moved,) = dag["runs"]
    assert (dag["dag_id"], dag["file"], dag["state"]) == ("nightly", "nightly.py", "changed")
    assert [moved[side]["start"] for side in ("before", "after")] == [
        "2026-11-28T05:00:00Z",
        "2026-11-28T07:00:00Z",
    ]
    assert moved["why"] == "blocked by team.ics until 07:00"
    assert moved["after"]["explanation"].endswith("blocked by team.ics until 07:00; starts 07:00")


@pytest.mark.parametrize("include", ["{}/include", "include", "dags/../include"])
def test_what_the_environment_names_in_the_repository_is_of_the_revision(
    repository: Path, include: str
) -> None:
    """Modules on ``PYTHONPATH``, and a calendar below the working directory."""
    write(
        repository / "dags",
        "nightly",
        "from nights import NIGHTS\n" + NIGHTLY.format("windows=NIGHTS"),
    )
    calendar = NIGHTLY.replace("nightly", "frozen").format('blackouts=Calendar("./team.ics")')
    write(repository / "dags", "frozen", calendar)
    for nights, end in (("daily 19:00-04:00", 5), ("daily 22:00-01:00", 7)):
        write(repository / "include", "nights", f"NIGHTS = Weekly({nights!r})\n")
        busy = event("DTSTART:20261128T010000Z", f"DTEND:20261128T0{end}0000Z")
        (repository / "team.ics").write_bytes(feed(busy))
        commit(nights)
    (repository / "team.ics").unlink()
    shutil.rmtree(repository / "include")
    command = [
        sys.executable,
        "-P",
        "-m",
        "calendar_timetable.cli",
        "diff",
        "HEAD~1:dags",
        "HEAD:dags",
    ]
    done = subprocess.run(
        [*command, *START, "--days", "1", "--json"],
        env={**os.environ, "PYTHONPATH": include.format(repository)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = answered((done.returncode, done.stdout, done.stderr))
    assert {
        dag["dag_id"]: [one["after"]["start"] for one in dag["runs"]] for dag in found["dags"]
    } == {
        "frozen": ["2026-11-28T07:00:00Z"],
        "nightly": ["2026-11-28T22:00:00Z"],
    }


# --- what DAGs become -----------------------------------------------------------------------------


def test_dags_that_come_go_and_break(run: Run, tmp_path: Path) -> None:
    old, new = two(
        tmp_path,
        *(
            "".join(PLAIN.replace("plain", name).replace("6", "1") for name in names)
            for names in (("goes", "stays"), ("comes", "stays"))
        ),
    )
    for name, folder, broken in (("breaks", new, old), ("mended", old, new)):
        write(Path(folder), name, "raise RuntimeError('for a test')\n")
        write(Path(broken), name, PLAIN.replace("plain", name))
    code, out, err = run("diff", old, new, *START, "--days", "2", "--json")
    found = json.loads(out)
    assert code == 1
    assert {dag["dag_id"]: (dag["state"], dag["run_count"]) for dag in found["dags"]} == {
        "goes": ("gone", 2),
        "comes": ("new", 2),
        "breaks": ("broken", 0),
        "mended": ("mended", 0),
    }
    assert found["counts"] == {"moves": 0, "appears": 2, "vanishes": 2, "combined": 0}
    assert found["broken"] == {
        "old": {"mended.py": "RuntimeError: for a test"},
        "new": {"breaks.py": "RuntimeError: for a test"},
    }
    assert "NEW: breaks.py cannot be read: RuntimeError: for a test" in err
    code, out, _ = run("diff", old, new, *START, "--days", "2", "--markdown")
    assert code == 1
    assert "**2 runs appear, 2 vanish in 2 of 5 DAGs (1 new; 1 gone; 1 broken; 1 mended)**" in out
    assert "- breaks.py cannot be read in " in out


ANY_SCHEDULE = """
from airflow.sdk import Asset, AssetOrTimeSchedule
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.timetables.trigger import MultipleCronTriggerTimetable
from datetime import datetime, UTC
at, made = {}, {{}}
made["cron"] = dict(schedule=f"0 {{at}} * * *")
made["intervals"] = dict(schedule=CronDataIntervalTimetable(f"0 {{at}} * * *", "UTC"))
made["several"] = dict(schedule=MultipleCronTriggerTimetable(f"0 {{at}} * * *", "0 13 * * *", timezone="UTC"))
made["either"] = dict(schedule=AssetOrTimeSchedule(
    timetable=CalendarTimetable(f"0 {{at}} * * *", timezone="UTC"), assets=[Asset("a")]))
made["assets"] = dict(schedule=[Asset("a")])
made["by_hand"] = dict(schedule=None)
made["all_the_time"] = dict(schedule="@continuous", max_active_runs=1, start_date=datetime(2026, 1, 1, tzinfo=UTC))
made["once"] = dict(schedule="@once", start_date=datetime(2026, 11, 28, at, tzinfo=UTC))
made["was_once"] = dict(schedule="@once", start_date=datetime(2026, 1, 1, tzinfo=UTC))
made["step"] = dict(schedule=timedelta(hours=8 + at), start_date=datetime(2026, 1, 1, tzinfo=UTC))
made["begins"] = dict(schedule="0 1 * * *", start_date=datetime(2026, 11, 27 + at, tzinfo=UTC))
made["ends"] = dict(schedule="0 1 * * *", end_date=datetime(2026, 11, 27 + at, tzinfo=UTC))
for name, options in made.items():
    with DAG(name, **options):
        pass
"""


def test_any_schedule_is_planned(run: Run, tmp_path: Path) -> None:
    old, new = two(tmp_path, ANY_SCHEDULE.format(1), ANY_SCHEDULE.format(3))
    found = answered(run("diff", old, new, *START, "--days", "3", "--json"))
    told = {
        dag["dag_id"]: [(one["change"], one["due"][5:13]) for one in dag["runs"]]
        for dag in found["dags"]
    }
    moved = [
        (kind, f"11-{day}T0{hour}")
        for day in (28, 29, 30)
        for kind, hour in (("vanishes", 1), ("appears", 3))
    ]
    assert {
        name: told[name] for name in ("cron", "intervals", "several", "either")
    } == dict.fromkeys(("cron", "intervals", "several", "either"), moved)
    assert told["once"] == [("vanishes", "11-28T01"), ("appears", "11-28T03")]
    assert told["begins"] == [("vanishes", "11-28T01"), ("vanishes", "11-29T01")]
    assert told["ends"] == [("appears", "11-28T01"), ("appears", "11-29T01")]
    assert told.keys() == {
        "cron",
        "intervals",
        "several",
        "either",
        "once",
        "begins",
        "ends",
        "step",
    }
    (step,) = (dag for dag in found["dags"] if dag["dag_id"] == "step")
    assert "due times are counted from the start" in step["note"]
    assert "dag_count" in found and found["dag_count"] == 12


# --- calendars ------------------------------------------------------------------------------------


def test_a_calendar_is_asked_once_for_both(
    run: Run, origin: Origin, tmp_path: Path, cache: Path
) -> None:
    """Its server says something else each time, and yet nothing seems to have moved."""
    bodies = [
        feed(event("SUMMARY:Freeze", "DTSTART:20261128T010000Z", f"DTEND:20261128T{hour:02}0000Z"))
        for hour in range(4, 20)
    ]
    origin.reply = lambda request: Reply(200, {}, bodies[len(origin.seen)])
    often = NIGHTLY.format(f"blackouts=Calendar({origin.url()!r}, refresh=timedelta(0))")
    old, new = two(tmp_path, often, often + PLAIN)
    found = answered(run("diff", old, new, *START, "--days", "2", "--json"))
    assert [dag["dag_id"] for dag in found["dags"]] == ["plain"]
    assert len(origin.seen) == 1
    assert not cache.exists(), "diff leaves nothing behind"


def test_a_calendar_that_cannot_be_read(run: Run, origin: Origin, tmp_path: Path) -> None:
    origin.fail(Reply(503))
    blackout = NIGHTLY.format(f"blackouts=Calendar({origin.url()!r})")
    old, new = two(tmp_path, blackout, blackout + PLAIN)
    code, out, err = run("diff", old, new, *START, "--days", "1")
    assert code == 1
    assert (
        "1 run appears in 1 of 2 DAGs (1 new; 1 not compared, as a calendar cannot be read)" in out
    )
    assert "nightly: unread (calendar 127.0.0.1 cannot be read: HTTP 503" in out
    assert SECRET not in out + err


# --- what is printed ------------------------------------------------------------------------------


def test_nothing_differs(run: Run, repository: Path) -> None:
    for format_ in ((), ("--markdown",), ("--json",)):
        code, out, _ = run(
            "diff", "HEAD", "dags", "--path", "dags", *START, "--exit-code", *format_
        )
        assert code == 0
        assert format_ == ("--json",) or "No run differs in 2 DAGs" in out


def test_names_that_others_write_are_no_markup(run: Run, tmp_path: Path) -> None:
    title = "<img src=x> @everyone | `x` [a](https://evil.example) **b**"
    file = tmp_path / "team.ics"
    file.write_bytes(
        feed(event(f"SUMMARY:{title}", "DTSTART:20261128T010000Z", "DTEND:20261128T050000Z"))
    )
    calendar = f"Calendar({str(file)!r}, show_titles=True)"
    old, new = two(tmp_path, NIGHTLY.format(""), NIGHTLY.format(f"blackouts={calendar}"))
    code, out, _ = run("diff", old, new, *START, "--days", "1", "--markdown")
    assert code == 0
    row = out.splitlines()[-1]
    for harmful in ("<img", "@everyone", " | `", "](https://", "://evil", "**b"):
        assert harmful not in row
    assert len([char for i, char in enumerate(row) if char == "|" and row[i - 1] != "\\"]) == 5


def test_long_tables_are_folded_and_all_is_bounded(run: Run, tmp_path: Path) -> None:
    dags = 'for n in range(70):\n    with DAG(f"dag{n}", schedule="{} * * * *"):\n        pass\n'
    old, new = two(tmp_path, dags.replace("{}", "0"), dags.replace("{}", "30"))
    code, out, _ = run("diff", old, new, *START, "--days", "4", "--markdown")
    assert code == 0
    assert len(out) < 65_536
    assert "<details><summary>dag0: 96 runs appear, 96 vanish</summary>\n\n| Due |" in out
    assert "| … and 172 more |" in out
    assert out.rstrip().splitlines()[-1].startswith("… and ")
    assert out.count("<details>") == out.count("</details>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("main", "nowhere"), "NEW='nowhere': there is no such folder or git revision"),
        (("--", "main", "-q"), "NEW='-q': there is no such folder or git revision"),
        (("main:cats", "HEAD"), "OLD='main:cats': there is no folder 'cats' in this revision"),
        (("main", "HEAD:../.."), "there is no folder '../..' in this revision"),
        (("main", "HEAD", "--days", "93"), "is not a number from 1 to 92"),
        (("main", "HEAD", "--json", "--markdown"), "give --json or --markdown, not both"),
        (("main", "HEAD", "--timezone", "Mars"), "Mars"),
    ],
)
def test_what_cannot_be_compared(
    run: Run, repository: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = run("diff", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_a_revision_outside_of_a_repository(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    code, _, err = run("diff", "main", "HEAD")
    assert code == 2
    assert "the working directory is no git repository: fatal: not a git repository" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_leaves_nothing_running_and_nothing_behind(
    repository: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """It is ended while it reads a DAG file that takes its time."""
    reading = tmp_path / "reading"
    wait = f"from threading import Event\nPath({str(reading)!r}).touch()\nEvent().wait(20)\n"
    write(repository / "dags", "plain", wait + PLAIN)
    (tmp_path / "moment").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "calendar_timetable.cli", "diff", "main", "dags"],
        env={**os.environ, "TMPDIR": str(tmp_path / "moment")},
        stderr=subprocess.DEVNULL,
    )
    wait_until("it to read", reading.exists, seconds=120)
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) == 2
    process.send_signal(number)
    process.wait(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    left = [path.name for path in (tmp_path / "moment").iterdir()]
    assert number == signal.SIGKILL or not left


# --- brute force ----------------------------------------------------------------------------------

_CRONS = ["0 * * * *", "30 */2 * * *", "0 2 * * *", "15 9 * * 1-5", "0 0,12 * * *", "45 3 * * sun"]
_RULES = [
    "daily 19:00-07:00",
    "mon-fri 08:00-18:00",
    "sat-sun",
    "wed 00:00-12:00",
    "daily 01:00-02:00",
]


def drawn(draw: random.Random) -> dict[str, Any]:
    """The arguments of one schedule."""
    maybe: dict[str, Any] = {
        "windows": draw.sample(_RULES, draw.randint(0, 2)),
        "blackouts": draw.sample(_RULES, draw.randint(0, 1)),
    }
    given = {
        "schedule": draw.choice(_CRONS),
        "timezone": draw.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"]),
        **{name: rules for name, rules in maybe.items() if rules},
        "duration": draw.choice([None, timedelta(minutes=30), timedelta(hours=5)]),
        "when_blocked": draw.choice(["postpone", "postpone", "advance", "skip", "run"]),
        "max_delay": draw.choice([timedelta(hours=1), timedelta(days=1), timedelta(days=7)]),
        "coalesce": draw.random() < 0.7,
        "stagger": draw.choice([None, None, timedelta(minutes=40)]),
        "stagger_key": "k",
    }
    kept = given["when_blocked"] == "postpone" and given["coalesce"] and draw.random() < 0.3
    return given | {"keep_hour": kept}


def edited(draw: random.Random, given: dict[str, Any]) -> dict[str, Any]:
    """The same with one or two arguments changed."""
    other = drawn(draw)
    names = draw.sample(sorted(other), draw.randint(1, 2))
    made = given | {name: other[name] for name in names}
    if made["when_blocked"] != "postpone" or not made["coalesce"]:
        made["keep_hour"] = False
    return made


def source(given: dict[str, Any]) -> str:
    sets = {"windows", "blackouts"}
    told = [
        f"{name}=Weekly({', '.join(map(repr, value))})" if name in sets else f"{name}={value!r}"
        for name, value in given.items()
    ]
    return ", ".join(told).replace("datetime.timedelta", "timedelta")


def made(given: dict[str, Any]) -> CalendarTimetable:
    names = [name for name in ("windows", "blackouts") if name in given]
    sets: dict[str, Any] = {name: Weekly(*given[name]) for name in names}
    return CalendarTimetable(**{**given, **sets})


def test_it_agrees_with_brute_force(run: Run, tmp_path: Path) -> None:
    """300 random deployments, an edit of each, and what each edit does by ``plan()``."""
    draw = random.Random(16)
    start, days = datetime(2026, 3, 25, 7, tzinfo=UTC), 6  # the clocks change in between
    end = start + timedelta(days=days)
    before: dict[str, dict[str, Any]] = {}
    after: dict[str, dict[str, Any]] = {}
    for number in range(300):
        for part in range(draw.randint(1, 2)):
            given = drawn(draw)
            fate = draw.choice(["edited"] * 7 + ["same", "gone", "new"])
            if fate != "new":
                before[f"d{number}_{part}"] = given
            if fate != "gone":
                after[f"d{number}_{part}"] = edited(draw, given) if fate == "edited" else given
    # Not all in one file: Airflow gives each so many seconds.
    for name, dags in (("old", before), ("new", after)):
        for first in range(0, 300, 50):
            lines = [
                f"with DAG({dag_id!r}, schedule=CalendarTimetable({source(given)})):\n    pass"
                for dag_id, given in dags.items()
                if first <= int(dag_id[1:].partition("_")[0]) < first + 50
            ]
            write(tmp_path / name, f"dags{first}", "\n".join(lines))

    expected: dict[tuple[str, str], tuple[str, str | None, str | None]] = {}
    for dag_id in before.keys() | after.keys():
        old, new = (planned(dags.get(dag_id), start, end) for dags in (before, after))
        for due in old.keys() | new.keys():
            was, will = told(old.get(due)), told(new.get(due))
            if was == will:
                continue
            if will is None:
                covered = due in new and new[due].outcome == "coalesced"
                kind = "combined" if covered else "vanishes"
            else:
                kind = "appears" if was is None else "moves"
            expected[dag_id, z(due)] = kind, was, will

    arguments = ("--start", start.isoformat(), "--days", str(days), "--limit", "10000", "--json")
    found = answered(run("diff", str(tmp_path / "old"), str(tmp_path / "new"), *arguments))
    assert {
        (dag["dag_id"], one["due"]): (
            one["change"],
            one["before"] and one["before"]["start"],
            one["after"] and one["after"]["start"],
        )
        for dag in found["dags"]
        for one in dag["runs"]
    } == expected
    assert {kind for kind, _, _ in expected.values()} == {
        "moves",
        "appears",
        "vanishes",
        "combined",
    }
    assert len(expected) > 2000
    assert sum(found["counts"].values()) == len(expected)
    states = {dag["dag_id"]: dag["state"] for dag in found["dags"]}
    assert {i for i, state in states.items() if state == "new"} == after.keys() - before.keys()
    assert {i for i, state in states.items() if state == "gone"} == before.keys() - after.keys()


def planned(
    given: dict[str, Any] | None, start: datetime, end: datetime
) -> dict[datetime, PlannedRun]:
    return {} if given is None else {row.due: row for row in made(given).plan(start, end)}


def told(row: PlannedRun | None) -> str | None:
    return None if row is None or row.start is None else z(row.start)


def z(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def test_a_process_that_has_died_is_told(tmp_path: Path) -> None:
    """Not taken for a reader of the output that has seen enough."""
    folder = DagFolder(DagSource(tmp_path, tmp_path, tmp_path), tmp_path / "cache")
    os.kill(folder._process.pid, signal.SIGSTOP)
    folder.begin_to_read()  # a question that it never reads
    folder._process.kill()
    folder._process.join()
    for ask in (lambda: folder.calendars_read(frozenset()), lambda: folder.plans(0, 1)):
        with pytest.raises(Misused, match="has ended"):
            ask()
    folder.close()
