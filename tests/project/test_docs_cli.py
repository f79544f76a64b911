"""docs/cli.md tells every command and every option as ``--help`` does.

``python -m tests.project.test_docs_cli`` writes it.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from calendar_timetable.cli import _CODES, _EXAMPLES, _parser

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
_COMMANDS = re.compile(r"(?<=<!-- made from --help -->\n).*", re.DOTALL)


def commands() -> str:
    """The part of the page that is made."""
    (subparsers,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    parts = []
    for name, command in subparsers.choices.items():
        rows = "\n".join(
            _row(command, action) for action in command._actions if action.dest != "help"
        )
        examples = "\n".join(
            f"$ calendar-timetable {name} {line}".rstrip() for line in _EXAMPLES[name]
        )
        parts.append(
            f"\n## {name}\n\n{command.description}\n\n```console\n{examples}\n```\n\n| | |\n"
            f"|---|---|\n{rows}\n"
        )
    return "".join(parts)


def _row(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    formatter = command._get_formatter()
    names = (
        ", ".join(action.option_strings) or formatter._metavar_formatter(action, action.dest)(1)[0]
    )
    value = ""
    if action.option_strings and action.nargs != 0:
        value = " " + formatter._metavar_formatter(action, action.dest.upper())(1)[0]
    return f"| `{names}{value}` | {formatter._expand_help(action)} |".replace(
        "|FILE", r"\|FILE"
    ).replace("FILE|", r"FILE\|")


def test_the_command_line_is_told_as_it_is() -> None:
    assert _COMMANDS.findall(PAGE.read_text()) == [commands()], (
        "python -m tests.project.test_docs_cli writes it"
    )


def test_exit_codes_are_told() -> None:
    codes = _CODES.replace("\n", " ").removeprefix("exit codes: ").split("; ")
    assert [f"| {code[0]} | {code[2:]} |" in PAGE.read_text() for code in codes] == [True] * 3


if __name__ == "__main__":
    PAGE.write_text(_COMMANDS.sub(lambda _: commands(), PAGE.read_text()))
