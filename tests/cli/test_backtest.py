"""``calendar-timetable backtest``: last month again under other rules, for who runs this Airflow."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from airflow.models.dagrun import DagRun
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from rich.console import Console
from sqlalchemy import delete
from sqlalchemy.orm import Session

from calendar_timetable import CalendarTimetable, Weekly, cli
from calendar_timetable.cli.load_picture import Panel, picture
from calendar_timetable.planning.plan import Placement
from calendar_timetable.planning.zones import load_zone
from calendar_timetable.runs import lru
from calendar_timetable.schedule.placement_file import as_toml
from tests.support.airflow_database import add_dag
from tests.support.ics import event, feed
from tests.support.origin import Origin
from tests.support.recorded import Recorded, Task, add_pool, record

NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = 86400, 3600
# Of yesterday and the nine days before: nine in the morning.
NINE = [
    int((NOW.replace(hour=9, minute=0, second=0) - timedelta(days=n)).timestamp())
    for n in range(1, 11)
]
SECRET = "hunter2"
POOL = "gpu <eu> & co"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(session: Session, for_commands: Session, capsys: pytest.CaptureFixture[str]) -> Run:
    """Of an Airflow with three DAGs that start at nine, in a pool with two slots."""

    def run(*arguments: str) -> tuple[int, str, str]:
        lru.forget()
        code = cli.main(["backtest", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    add_pool(session, POOL, 2)
    for dag_id in ("a", "b", "c"):
        with DAG(
            dag_id, schedule="0 9 * * *", start_date=datetime(2026, 1, 1), tags=["t" + dag_id]
        ) as dag:
            EmptyOperator(task_id="task", pool=POOL)
        add_dag(session, dag, NOW, seen=NOW - timedelta(days=60))
        record(
            session,
            [
                Recorded(dag_id, at, at, at + HOUR, [Task("task", at, at, at + HOUR, POOL)])
                for at in NINE
            ],
        )
    return run


def table(out: str) -> dict[str, tuple[str, str]]:
    """What the lines of the table say, by their words; of all runs, then of the pool."""
    rows = re.findall(r"^ +(\S.*?) {2,}(\S.*?) {2,}(\S.*?)$", out, re.MULTILINE)
    return {words: (before, after) for words, before, after in rows}


def test_nothing_changed(run: Run) -> None:
    code, out, said = run()
    assert (code, said) == (0, "")
    assert out.startswith("30 scheduled runs of 3 DAGs, ")
    assert "No other rules: both columns tell it as it was." in out
    rows = table(out)
    assert rows["waited, all together"] == ("10 h", "10 h")
    assert rows["runs that waited for slots"] == ("10", "10")
    assert all(before == after for before, after in rows.values())
    code, out, _ = run("--json")
    told = json.loads(out)
    assert code == 0
    assert (told["before"], told["changed_dags"], told["moved"]) == (told["after"], [], 0)
    (pool,) = told["pools"]
    assert pool["before"] == pool["after"]
    assert (pool["name"], pool["slots"]) == (POOL, 2)
    assert pool["before"]["longest_wait_seconds"] == HOUR


def test_other_rules_for_one_dag(run: Run) -> None:
    code, out, _ = run("--window", "daily 02:00-05:00", "--dag-id", "c")
    assert code == 0
    assert "The other rules are for 1 DAG: 10 of their runs would not have started" in out
    rows = table(out)
    assert rows["slots in use at the peak"] == ("2", "2")
    assert rows["runs that waited for slots"] == ("10", "0")
    assert f"Pool {POOL}, 2 slots" in out
    tagged = run("--window", "daily 02:00-05:00", "--tag", "tc")[1]
    assert table(tagged) == rows


def test_it_prints_what_its_page_shows(run: Run) -> None:
    page = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text()
    typed, _, shown = page.partition("$ calendar-timetable backtest ")[2].partition("\n")
    shown = shown.partition("…\n```")[0]
    _, out, _ = run(*shlex.split(typed.replace("--tag heavy", "--tag tc")))
    kinds = re.compile(r"\w{3} \d{4}-\d\d-\d\d \d\d:\d\d|\d[\d.]*( (d|h|min|s)\b)?")

    def words(text: str) -> list[str]:
        """Its lines without amounts and names."""
        text = text.replace(POOL, "gpu").replace("DAG:", "DAGs:")
        return [" ".join(kinds.sub("", line).split()) for line in text.splitlines() if line.strip()]

    assert words(out)[: len(words(shown))] == words(shown)


def test_it_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Console(width=80, highlight=False, markup=False, record=True)
    monkeypatch.setattr(cli, "console", lambda: narrow)
    run("--window", "daily 02:00-05:00", "--max-delay", "40m")
    lines = narrow.export_text().splitlines()
    begin = next(number for number, line in enumerate(lines) if "As it was" in line)
    assert all(len(line) <= 80 for line in lines[begin:])
    assert all(line.split()[-1].isdigit() for line in lines if line.startswith("  runs"))


def test_a_calendar_of_meetings(run: Run, origin: Origin) -> None:
    meeting = event(
        "UID:m",
        "SUMMARY:Board",
        f"DTSTART:{datetime.fromtimestamp(NINE[2], UTC) - timedelta(minutes=30):%Y%m%dT%H%M%SZ}",
        "DURATION:PT2H",
        "TRANSP:OPAQUE",
    )
    origin.serve(feed(meeting))
    address = f"{origin.url()}?token={SECRET}"
    code, out, said = run("--blackout", address, "--match", "B*", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["before"]["in_events"], told["after"]["in_events"], told["moved"]) == (3, 0, 3)
    assert told["rules"]["blackouts"] == ["127.0.0.1"]
    assert SECRET not in out + said
    assert json.loads(run("--blackout", address, "--match", "Y*", "--json")[1])["moved"] == 0
    origin.close()
    code, out, said = run("--blackout", address + "2")
    assert code == 1 and "cannot be read" in said
    assert SECRET not in out + said


def test_a_placement(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "placement.toml"
    file.write_text(as_toml({"c": Placement(HOUR)}))
    code, out, _ = run("--placement", str(file), "--json")
    told = json.loads(out)
    assert (code, told["moved"], told["rules"]["placement"]) == (0, 10, str(file))
    assert [one["moved"] for one in told["dags"]] == [0, 0, 10]
    assert told["pools"][0]["after"]["waited_seconds"] == 0
    code, _, said = run("--placement", str(tmp_path / "none.toml"))
    assert code == 2 and said.startswith("calendar-timetable: --placement=") and "No such" in said


def test_a_picture(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "load.svg"
    code, out, _ = run("--window", "daily 02:00-05:00", "--picture", str(file))
    assert code == 0 and f"Picture: {file}" in out
    drawn = ElementTree.fromstring(file.read_text())
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert f"{POOL}: 2 slots" in texts
    kinds = [one.get("class") for one in drawn.iter("{http://www.w3.org/2000/svg}path")]
    assert [kinds.count(kind) for kind in ("before", "after", "slots")] == [1, 1, 3]
    assert "prefers-color-scheme: dark" in file.read_text()


def test_what_a_picture_draws() -> None:
    minutes = [0] * 60 + [3] * 60 + [1] * 760
    text = picture([Panel("p\x00\x1b[31m", 4, minutes, ())], 0, DAY, load_zone("UTC"), "a day")
    assert ElementTree.fromstring(text) is not None, "control characters would not be XML"
    (before,) = re.findall(r'class="before" d="(M[^"]+)"', text)
    # A pixel for each minute; three of four slots in a strip that is 66 pixels high.
    assert before == "M60 100.0V100.0H120.0V50.5H180.0V83.5H940.0V100.0Z"
    assert 'class="after" d="M60 180.0V180.0Z"' in text
    endless = picture([Panel("p", float("inf"), minutes, minutes)], 0, DAY, load_zone("UTC"), "")
    assert "slots without end" in endless and endless.count('class="slots"') == 1


def test_rules_that_do_not_go_with_a_dag(run: Run, session: Session) -> None:
    """One that keeps its hour waits a month at most: it stays as it was."""
    nine = CalendarTimetable(
        "0 9 * * *", timezone="UTC", windows=Weekly("daily 08:00-10:00"), keep_hour=True
    )
    add_dag(session, DAG("k", schedule=nine, start_date=datetime(2026, 1, 1)), NOW)
    record(session, [Recorded("k", at, at, at + HOUR) for at in NINE])
    code, out, said = run("--max-delay", "40d", "--window", "daily 08:00-10:00", "--json")
    told = json.loads(out)
    assert code == 1 and "the rules cannot be applied to k: as they were" in said
    assert (told["unchanged_dags"], told["changed_dags"]) == (["k"], ["a", "b", "c"])
    assert (told["runs"], told["moved"]) == (40, 0)


def test_rules_that_hold_for_no_run(run: Run, session: Session) -> None:
    session.execute(delete(DagRun).where(DagRun.dag_id == "c"))
    session.commit()
    code, out, _ = run("--stagger", "1h", "--dag-id", "c")
    assert code == 0 and "The other rules are for 0 DAGs" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--dag-id", "none"], "--dag-id='none': there is no such DAG"),
        (["--tag", "none"], "--tag='none': no such DAG has this tag"),
        (["--cron", "--stagger", "1h"], "--cron=True: is for no rules at all: leave out --stagger"),
        (["--cron", "--max-delay", "0m"], "leave out --max-delay"),
        (["--picture", "load.png"], "--picture='load.png': give a file whose name ends in .svg"),
        (["--picture", "/none/load.svg"], "there is no such folder"),
        (["--window", "mon-fry 08:00-10:00"], "no Airflow Connection has that id"),
    ],
)
def test_what_cannot_be_used(run: Run, arguments: list[str], told: str) -> None:
    code, out, said = run(*arguments)
    assert (code, out) == (2, "")
    assert told in said


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        *(("--days", value, "is not a number from 1 to 92") for value in ("0", "93", "x")),
        ("--max-delay", "40000d", "'40000d' is too long; give at most 3660d"),
    ],
)
def test_lengths_have_bounds(
    run: Run, option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run(option, value)
    assert told in capsys.readouterr().err


def test_no_records(run: Run, session: Session) -> None:
    session.execute(delete(DagRun))
    session.commit()
    code, out, said = run("--days", "7", "--json")
    assert (code, out) == (1, "")
    assert "no records of scheduled runs of the last 7 days; look further back" in said
