"""What README.md and docs tell to type, set or expect is there: commands, options, names, messages."""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import pytest

from calendar_timetable import Calendar, CalendarTimetable
from calendar_timetable.calendars import limits
from calendar_timetable.cli import _parser
from calendar_timetable.provider import CONFIG

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONS = CONFIG["calendar_timetable"]["options"]
_CONSOLE = re.compile(r"^ *```(?:console|sh)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def commands(page: Path) -> Iterator[list[str]]:
    """What is to be typed, in words; what stands for something, with …, is left out."""
    for block in _CONSOLE.findall(page.read_text()):
        for line in re.sub(r" *\\\n *", " ", block).splitlines():
            typed = line.strip().removeprefix("$ ")
            if line.strip().startswith("$ ") and "…" not in typed:
                try:
                    yield shlex.split(typed, comments=True)
                except ValueError:  # a quoted value of several lines
                    continue


def shown(program: str) -> list[Any]:
    """Each command with this program, of all pages; also where docker or kubectl runs it."""
    found = {}
    for page in PAGES:
        for words in commands(page):
            if program in words and (words[0] in (program, "docker", "kubectl")):
                here = words[words.index(program) + 1 :]
                found[shlex.join(here)] = pytest.param(
                    here, id=f"{page.stem}: {shlex.join(here)}"[:70]
                )
    return list(found.values())


def inline(program: str) -> set[tuple[Path, str]]:
    return {
        (page, command)
        for page in PAGES
        for command in re.findall(rf"`{program} ([^`]*)`", " ".join(page.read_text().split()))
    }


@pytest.mark.parametrize("typed", shown("calendar-timetable"))
def test_a_command_of_ours_is_understood(typed: list[str]) -> None:
    _parser().parse_args(typed)


def test_commands_within_sentences_are_there() -> None:
    (sub,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    for page, command in inline("calendar-timetable"):
        name, *rest = command.split()
        assert name in sub.choices, f"{page.name}: {command}"
        known = {o for action in sub.choices[name]._actions for o in action.option_strings}
        assert {word for word in rest if word.startswith("--")} <= known, f"{page.name}: {command}"


@pytest.fixture(scope="module")
def airflow_parser() -> argparse.ArgumentParser:
    from airflow.cli.cli_parser import get_parser

    return get_parser()


@pytest.mark.filterwarnings("ignore")
def test_commands_of_airflow_are_understood(airflow_parser: argparse.ArgumentParser) -> None:
    typed = [parameter.values[0] for parameter in shown("airflow")]
    assert len(typed) >= 5
    for words in typed:
        airflow_parser.parse_args(words)


@pytest.mark.filterwarnings("ignore")
def test_commands_of_airflow_within_sentences_are_there(
    airflow_parser: argparse.ArgumentParser,
) -> None:
    def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
        groups = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        return dict(next(groups).choices)

    named = {tuple(command.split()[:2]) for _, command in inline("airflow") if "…" not in command}
    assert ("db", "migrate") in named
    for group, *name in named:
        names = subcommands(subcommands(airflow_parser)[group]) if name else {}
        assert names.keys() >= set(name), f"airflow {group} {name}"


def test_make_has_every_target_that_is_told() -> None:
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"`make ([a-z-]+)", page.read_text())
        named += [words[1] for words in commands(page) if words[0] == "make"]
        assert set(named) <= targets, page.name


def test_modules_to_run_are_there() -> None:
    for page in PAGES:
        for module in re.findall(r"python -m ([\w.]+)", page.read_text()):
            assert find_spec(module), f"{page.name}: {module}"


def test_what_pip_installs_is_this_package() -> None:
    name = PROJECT["name"]
    found = 0
    for page in PAGES:
        for extras in re.findall(rf"{name}\[([\w,]+)\]", page.read_text()):
            assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"]), page.name
        for words in commands(page):
            if words[:2] == ["pip", "install"]:
                found += any(name in word for word in words[2:])
    assert found >= 4
    listed = re.findall(r"^\| (`.*?`) \| ", text_of("docs/install.md"), re.MULTILINE)
    extras = {extra for row in listed for extra in re.findall(r"`(\w+)`", row)}
    assert extras == set(PROJECT["optional-dependencies"])


def test_versions_are_those_of_the_package() -> None:
    assert PROJECT["requires-python"] == ">=3.11,<3.15"
    assert "apache-airflow>=3.2,<4" in PROJECT["dependencies"]
    for name in ("README.md", "docs/index.md", "docs/start.md", "docs/install.md"):
        said = " ".join(text_of(name).split())
        assert "Airflow 3.2 or later" in said and "Python 3.11 to 3.13" in said, name
    assert "| Airflow | 3.2 and later, below 4 |" in text_of("docs/compatibility.md")
    for page in PAGES:
        assert not re.search(r"Airflow 3\.[01](?![\d.])", page.read_text()), page.name


def test_readme_is_one_page() -> None:
    """Two commands, ten lines, a picture, where next."""
    readme = text_of("README.md")
    assert len(readme.splitlines()) < 70
    (snippet,) = re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert len(snippet.splitlines()) == 10
    assert [words[0] for words in commands(ROOT / "README.md")] == ["pip", "calendar-timetable"]
    assert readme.count("![") == 1
    assert "`airflow db migrate`" in readme and "## Where next" in readme


def _from_source() -> dict[str, str]:
    """What a process needs where the package is not installed, but found by its path."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


def run(*words: str, folder: Path, home: Path) -> str:
    """What a command of ours prints, with neither a network nor an Airflow that is set up."""
    done = subprocess.run(
        [sys.executable, "-m", "calendar_timetable.cli", *words],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(home)} | _from_source(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def test_the_commands_of_readme_do_what_it_says(tmp_path: Path) -> None:
    (command,) = [w for w in commands(ROOT / "README.md") if w[0] == "calendar-timetable"]
    assert "blocked by team.ics until Mon" in run(*command[1:], folder=ROOT, home=tmp_path)


# What these print depends on an Airflow, or on more files, which tests of their own have
_ELSEWHERE = {
    "backtest": "an Airflow's runs: an example",
    "diff": "tests/cli/test_diff.py",
    "impact": "test_the_impact_that_is_shown_is_said_so",
    "import": "tests/cli/test_import.py",
    "sync": "calendars of an Airflow: an example",
}


def printed_answers() -> Iterator[Any]:
    """Each command of ours that a page shows with what it prints."""
    for page in PAGES:
        for block in _CONSOLE.findall(page.read_text()):
            _, *answers = re.split(r"^ *\$ ", re.sub(r" *\\\n *", " ", block), flags=re.MULTILINE)
            for command, _, printed in (each.partition("\n") for each in answers):
                program, _, words = command.partition(" ")
                shown = program == "calendar-timetable" and printed.strip()
                if shown and words.split()[0] not in _ELSEWHERE:
                    typed = shlex.split(words, comments=True)
                    yield pytest.param(typed, printed, id=f"{page.stem}: {words}"[:70])


@pytest.mark.parametrize(("typed", "printed"), list(printed_answers()))
def test_a_command_prints_what_is_shown(typed: list[str], printed: str, tmp_path: Path) -> None:
    (tmp_path / "team.ics").write_text(text_of("docs/team.ics"))
    assert run(*typed, folder=tmp_path, home=tmp_path) == printed


def test_the_impact_that_is_shown_is_said_so() -> None:
    from calendar_timetable.runs.impact_words import sentence

    counts = Counter({"postponed": 2, "combined": 3, "skipped": 1})
    impact: Any = SimpleNamespace(counts=counts, missing={"release": 3 * 3600.0}, waiting=[])
    assert f" UTC {sentence(impact)}." in " ".join(text_of("docs/freeze.md").split())


def test_files_that_are_named_are_there() -> None:
    """By their paths in the repository, or as CONTRIBUTING.md lists them, by their names."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [PurePosixPath(line) for line in files.stdout.splitlines()]
    there = {str(each) for path in paths for each in (path, *path.parents)}
    tops = "|".join(re.escape(str(path.parts[0])) for path in paths if len(path.parts) > 1)
    for page in (*PAGES, ROOT / "AGENTS.md"):
        named = set(re.findall(rf"`((?:{tops})/[\w./-]*[\w-])/?`", page.read_text()))
        assert named <= there, page.name
    (listed,) = re.findall(
        r"^## The map\n+```\n(.*?)^```", text_of("CONTRIBUTING.md"), re.MULTILINE | re.DOTALL
    )
    names = set(re.findall(r"(?<![\w/.])([\w-]+\.(?:py|json|tsx?))\b", listed))
    assert len(names) > 150
    assert names <= {path.name for path in paths}


def test_the_first_five_minutes(tmp_path: Path) -> None:
    """The calendar, the commands and the DAG of docs/start.md, as they stand there."""
    page = re.sub(r" \\\n +", " ", text_of("docs/start.md"))
    (tmp_path / "team.ics").write_text(text_of("docs/team.ics"))
    check, preview, of_dag, _ = (  # the last: tests/project/test_installed.py
        w[1:] for w in commands(ROOT / "docs/start.md") if w[0] == "calendar-timetable"
    )
    said = run(*check, folder=tmp_path, home=tmp_path)
    assert said.startswith("team.ics: ok, ") and "Release freeze" in said
    (printed,) = re.findall(
        r"^\$ calendar-timetable preview \"0.*?\n(.*?)^```", page, re.MULTILINE | re.DOTALL
    )
    assert run(*preview, folder=tmp_path, home=tmp_path) == printed
    (dag,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "retrain.py").write_text(dag)
    assert run(*of_dag, folder=tmp_path, home=tmp_path).endswith(printed)


def test_options_that_are_named_are_there() -> None:
    for page in PAGES:
        text = page.read_text()
        named = set(re.findall(r"\[calendar_timetable\] (\w+)", text))
        named |= {n.lower() for n in re.findall(r"AIRFLOW__CALENDAR_TIMETABLE__(\w+)", text)}
        named |= set(re.findall(r"\bcalendar_timetable\.(blackouts|cache_dir|allow\w+)", text))
        for block in re.findall(r"^\[calendar_timetable\]\n((?:\w.*\n)+)", text, re.MULTILINE):
            named |= set(re.findall(r"^(\w+) =", block, re.MULTILINE))
        for block in re.findall(r"^  calendar_timetable:\n((?:    .*\n)+)", text, re.MULTILINE):
            named |= set(re.findall(r"^    (\w+):", block, re.MULTILINE))
        assert named <= OPTIONS.keys(), page.name


def test_the_table_of_options_has_each_with_its_default() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) \| (.*?) \|", text_of("docs/configuration.md"), re.MULTILINE
    )
    table = {name: default for name, default, _ in rows}
    assert table.keys() == OPTIONS.keys()
    for name, option in OPTIONS.items():
        if name != "cache_dir":  # which says where that is
            assert table[name] == (f"`{option['default']}`" if option["default"] else "none"), name


def test_airflows_own_options_are_there() -> None:
    from airflow.configuration import conf

    named = {
        pair
        for page in PAGES
        for pair in re.findall(r"`\[(\w+)\] (\w+)", page.read_text())
        if pair[0] != "calendar_timetable"
    }
    assert ("core", "fernet_key") in named
    known = conf.configuration_description
    lacking = {
        (section, name)
        for section, name in named
        if name not in known.get(section, {"options": {}})["options"]
    }
    assert lacking == set()


def test_the_tables_of_arguments_have_each_with_its_default() -> None:
    page = text_of("docs/arguments.md")
    for title, value in (("CalendarTimetable", CalendarTimetable), ("Calendar", Calendar)):
        (part,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
        rows = re.findall(r"^\| (`[^|]*?`) \|.*\| ([^|]*) \|$", part, re.MULTILINE)
        told: dict[str, str] = {}
        for names, default in rows:
            told |= dict.fromkeys(re.findall(r"`(\w+)`", names), default)
        parameters = inspect.signature(value).parameters
        assert told.keys() == parameters.keys() - {"address"}, title
        for name, parameter in parameters.items():
            if isinstance(parameter.default, bool):
                assert told[name] == f"`{parameter.default}`", name
            if parameter.default in ("postpone", "hold"):
                assert f'`"{parameter.default}"`' in told[name], name


def test_limits_are_those_of_the_code() -> None:
    said = " ".join(text_of("docs/limits.md").split())
    for told in (
        f"{limits.MAX_BODY // 1024**2} MB, decompressed",
        f"{limits.MAX_COMPONENTS:,} components",
        f"{limits.MAX_SERIES_OCCURRENCES:,} instances of one rule",
        f"{limits.MAX_OCCURRENCES:,} occurrences",
        f"takes {limits.FETCH_SECONDS:.0f} seconds",
    ):
        assert told in said, told


def texts_of_the_code() -> Iterator[str]:
    """Every text in it, pieced together; what is put in is a blank."""
    for file in (ROOT / "src/calendar_timetable").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(p.value) if isinstance(p, ast.Constant) else " " for p in node.values
                )


def test_messages_are_those_of_the_code() -> None:
    texts = "\n".join(texts_of_the_code())
    page = text_of("docs/troubleshooting.md")
    (table,) = re.findall(r"^## Messages\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    messages = re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)
    assert len(messages) >= 8
    for message in messages:
        if "is not registered" in message:  # Airflow's own: tests/project/test_docs_upgrade.py
            continue
        # The longest piece without a name, a number or a part left out.
        pieces = re.split(r"'[^']*'|…|\d+(?::\d+)*|HTTP|=|:", message)
        longest = max(pieces, key=len).strip()
        assert longest in texts, message


def test_the_import_path_that_dags_carry() -> None:
    path = f"{CalendarTimetable.__module__}.{CalendarTimetable.__qualname__}"
    for name in ("docs/upgrade.md", "docs/compatibility.md"):
        assert f"`{path}`" in text_of(name)


def test_reasons_why_a_calendar_fails_are_those_of_the_code() -> None:
    texts = "\n".join(texts_of_the_code())
    (table,) = re.findall(
        r"^## When it fails\n(.*)", text_of("docs/fetching.md"), re.DOTALL | re.MULTILINE
    )
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    reasons = [reason for row in rows for reason in re.findall(r"`([^`]+)`", row)]
    assert len(reasons) >= 20
    for reason in reasons:
        # What is pieced together of two texts is looked for in two.
        pieces = re.split(r"…|\d+|HTTP|xx|(?<=and there) |the (?=down)|(?<=load) was ", reason)
        assert all(piece.strip(" :,") in texts for piece in pieces), reason


def test_answers_of_servers_are_told_as_the_code_tells_them() -> None:
    texts = "\n".join(texts_of_the_code())
    told = {
        words.removesuffix("…").strip()
        for page in PAGES
        for words in re.findall(r"HTTP \d{3}: ([^`|.(]+)", page.read_text())
    }
    assert len(told) >= 10
    # What Google's hook is asked for is pieced together.
    pieces = [piece for words in told for piece in re.split("(?<= )(?:read|change) ", words)]
    assert [piece for piece in pieces if piece.strip() not in texts] == []


def test_bounds_that_are_told_are_those_of_the_code() -> None:
    from calendar_timetable.planning import codec, open_time, time_sets
    from calendar_timetable.runs import exemptions, time_budget
    from calendar_timetable.web import impact_routes, models, plan, routes, subscriptions

    def said(name: str) -> str:
        return " ".join(text_of(f"docs/{name}.md").split())

    assert time_sets.MONTHS_AHEAD == 3 and "the end of the third month after it" in said("limits")
    security = said("security")
    for told in (
        f"({open_time.SHOWN} characters, {codec.MOST_TITLES:,} of a calendar",
        f"{codec.MOST_BYTES // 1024} KB)",
        f"ranges within {routes.MOST_RANGE_DAYS} days",
        f"takes {plan.MOST_RANGES} ranges of times and lengths of {models.MOST_WHAT_IF_DAYS} days",
        f"({subscriptions.MOST_PER_OWNER} for each user)",
    ):
        assert told in security, told
    assert time_budget.COSTLY_AT_ONCE == 2 and "Two costly answers are worked out" in security
    assert f"`end` ({impact_routes.MOST_BLACKOUT_DAYS} days at most)" in said("api")
    assert f"at most {exemptions.MOST_EXEMPT_DAYS} days ahead" in said("freeze")
    fetching = said("fetching")
    for told in (
        f"after {limits.REFRESH / 60:.0f} minutes",
        f"One question takes {limits.FETCH_SECONDS:.0f} seconds and {limits.MAX_BODY // 1024**2} MB",
        f"at most {('no', 'one', 'two', 'three', 'four', 'five')[limits.MAX_REDIRECTS]} times",
        f"one attempt of {limits.CONNECT_SECONDS:.0f} seconds",
    ):
        assert told in fetching, told


def test_what_the_demo_downloads_is_about_what_is_told() -> None:
    number = len([line for line in text_of("locks/demo.txt").splitlines() if "==" in line])
    assert round(number, -2) == 200 and "about 200 packages" in text_of("docs/start.md")
