"""Schedules written as Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.working_days import WorkingDays
from calendar_timetable.cli.imports.result import Schedule
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.planning.time_sets import Complement, Intersection, Union
from calendar_timetable.planning.weekly import Weekly
from calendar_timetable.schedule.on import On
from calendar_timetable.schedule.recurrence import Recurrence

_MOST_NAME = 40  # characters of the name of a variable
_WIDTH = 96  # of a line, up to its comma
_UNNAMED = ("which", "rule", "code", "address")


def program(schedules: Sequence[Schedule]) -> str:
    """Return Python that makes *schedules*, with what it imports."""
    names = [""] if len(schedules) == 1 else _prefixes(schedules)
    body = "\n\n".join(map(_assigned, schedules, names))
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    ours = sorted(used & {"Calendar", "CalendarTimetable", "On", "Recurrence", *_SETS})
    standard = sorted(used & {"date", "datetime"})
    imports = [f"from datetime import {', '.join(standard)}"] if standard else []
    imports += ["from zoneinfo import ZoneInfo"] if "ZoneInfo" in used else []
    imports += [""] if imports and ours else []
    imports += [f"from calendar_timetable import {', '.join(ours)}"] if ours else []
    return "\n".join(imports) + ("\n\n" if imports else "") + body


_SETS = ("Weekly", "WorkingDays")


def _assigned(schedule: Schedule, prefix: str) -> str:
    lines = [f"# {on_one_line(schedule.name)}, line {schedule.line}"]
    lines += [f"# {on_one_line(note)}" for note in schedule.notes]
    for name, at in (("start_date", schedule.start), ("end_date", schedule.end)):
        lines += [f"{prefix}{name} = {as_python(at)}"] if at is not None else []
    if "schedule" not in schedule.arguments:
        lines += [f"{prefix}{name} = {as_python(v)}" for name, v in schedule.arguments.items()]
    elif schedule.arguments["schedule"] is None:
        lines.append(f"{prefix}schedule = None")
    else:
        lines.append(f"{prefix}schedule = CalendarTimetable(")
        for name, value in schedule.arguments.items():
            before = "" if name == "schedule" else f"{name}="
            lines.append(f"    {before}{as_python(value, 4)},")
        lines.append(")")
    return "\n".join(lines)


def _prefixes(schedules: Sequence[Schedule]) -> list[str]:
    """Return what the variables of each schedule begin with: no two alike."""
    prefixes: list[str] = []
    for number, schedule in enumerate(schedules, 1):
        word = re.sub(r"[^a-z0-9]+", "_", schedule.name.lower())[-_MOST_NAME:].strip("_") or "rule"
        word = f"rule_{word}" if word[0].isdigit() else word
        # No other name begins with a capital, so this one is no other's.
        prefixes.append(f"{word}_N{number}_" if f"{word}_" in prefixes else f"{word}_")
    return prefixes


def as_python(value: Any, column: int = 0) -> str:
    """Return *value* as Python that begins at *column*; raise ``TypeError`` for what none has."""
    match value:
        case str():
            plain = value.isprintable() and not {'"', "\\"} & {*value}
            return f'"{value}"' if plain else ascii(value)
        case bool() | int() | None:
            return repr(value)
        case datetime():
            numbers = [value.year, value.month, value.day, value.hour, value.minute, value.second]
            last = max((at for at, number in enumerate(numbers) if number), default=0)
            clock = ", ".join(map(str, numbers[: max(last + 1, 3)]))
            return f"datetime({clock}, tzinfo=ZoneInfo({as_python(str(value.tzinfo))}))"
        case date():
            return f"date({value.year}, {value.month}, {value.day})"
        case list() | tuple():
            return _listed("[", [("", part) for part in value], "]", column)
        case On() | Recurrence():
            return _call(type(value).__name__, _changed_arguments(value), column)
        case WorkingDays():
            names = ("code", "weekend", "add", "remove", "timezone")
            arguments = {name: getattr(value, name) for name in names if getattr(value, name)}
            return _call("WorkingDays", arguments, column)
        case Weekly():
            return f"Weekly({', '.join(map(as_python, value.texts))})"
        case Calendar():
            arguments = {"address": str(value.address), **value.changed_options()}
            return _call("Calendar", arguments, column)
        case Complement():
            return f"~{as_python(value.members[0], column + 1)}"
        case Union() | Intersection():
            return _joined("|" if isinstance(value, Union) else "&", value.members, column)
    raise TypeError(type(value).__name__)


def _joined(sign: str, members: Sequence[Any], column: int) -> str:
    """Return *members* with *sign* between them, in parentheses."""
    flat = f"({f' {sign} '.join(map(as_python, members))})"
    if column + len(flat) < _WIDTH and "\n" not in flat:
        return flat
    inner = " " * (column + 4)
    lines = f"\n{inner}{sign} ".join(as_python(member, column + 4) for member in members)
    return f"(\n{inner}{lines}\n{' ' * column})"


def _changed_arguments(rule: On | Recurrence) -> dict[str, Any]:
    """Return the arguments of *rule* that differ from their defaults."""
    pairs = {field.name: (getattr(rule, field.name), field.default) for field in fields(rule)}
    return {name: value for name, (value, usual) in pairs.items() if value != usual}


def _call(name: str, arguments: dict[str, Any], column: int) -> str:
    parts = [("" if key in _UNNAMED else f"{key}=", value) for key, value in arguments.items()]
    return _listed(f"{name}(", parts, ")", column)


def _listed(begin: str, parts: list[tuple[str, Any]], end: str, column: int) -> str:
    """Return *parts*, values after what comes before each, on one line if that has room."""
    flat = f"{begin}{', '.join(name + as_python(value) for name, value in parts)}{end}"
    if column + len(flat) < _WIDTH and "\n" not in flat:
        return flat
    inner = column + 4
    lines = [f"{' ' * inner}{name}{as_python(value, inner)},\n" for name, value in parts]
    return f"{begin}\n{''.join(lines)}{' ' * column}{end}"
