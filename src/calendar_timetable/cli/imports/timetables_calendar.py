"""Schedules of ``airflow-timetables-calendar`` 0.6.0, in DAG files and as it serializes them.

DAG files are parsed, never run: what is no plain value there is told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from calendar_timetable.cli.imports import literals
from calendar_timetable.cli.imports.result import ImportResult, Unsaid
from calendar_timetable.cli.imports.timetables_calendar_rules import Rule
from calendar_timetable.cli.imports.timetables_calendar_schedules import schedule_of

PACKAGE = "airflow_timetables_calendar"
# Its parameters in order, with their defaults.
_DEFAULTS: dict[str, Any] = {
    "calendar_id": "NONE",
    "hour": 9,
    "minute": 0,
    "timezone": "Asia/Tokyo",
    "exclude_dates": (),
    "include_dates": (),
    "rules": (),
    "base_day": 1,
    "run_on": "open",
}
_MOST_DEPTH = 60  # of JSON
_MOST = 500  # timetables of a file
_MOST_RULES = 100  # of a timetable, equal ones counted once


def read(text: str) -> ImportResult:
    """Return the schedules in *text*, a DAG file or JSON; :class:`Unsaid` where there is none."""
    result = ImportResult()
    as_json = text.lstrip()[:1] in ("{", "[")
    for number, (line, arguments) in enumerate(_serialized(text) if as_json else _calls(text)):
        if number == _MOST:
            raise Unsaid(line, "CalendarTimetable", f"more than {_MOST}; import fewer at a time")
        if isinstance(arguments, Unsaid):
            result.unsaid.append(arguments)
            continue
        try:
            result.schedules.append(schedule_of(line, _arguments(line, arguments)))
        except Unsaid as error:
            result.unsaid.append(error)
    if not result.schedules and not result.unsaid:
        what = "JSON with calendar_id" if as_json else f"CalendarTimetable(...) of {PACKAGE}"
        raise Unsaid(1, text.strip()[:20], f"there is no {what} in the file")
    return result


def _serialized(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the serialized timetables, with the lines where each begins as far as is known."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        why = getattr(error, "msg", "nested too deep, or too long a number")
        remedy = f"not JSON ({why}); export it again"
        raise Unsaid(line, text.split("\n")[line - 1].strip(), remedy) from None
    at, stack = 0, [(data, 0)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, dict) and "calendar_id" in node:
            at = text.find('"calendar_id"', at) + 1
            yield text.count("\n", 0, at) + 1, node
        elif isinstance(node, (dict, list)):
            if depth > _MOST_DEPTH:
                raise Unsaid(1, "JSON", "nested too deep; export less")
            parts = [*node.values()] if isinstance(node, dict) else node
            stack += [(part, depth + 1) for part in reversed(parts)]


def _calls(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the arguments of each call of its timetable, or why they cannot be told."""
    tree = literals.parse(text)
    names = literals.Names(tree, PACKAGE)
    for line in names.starred:
        yield line, Unsaid(line, "*", "import it by name, not with *")
    for node in literals.calls(tree):
        if names.meant(node.func) != "CalendarTimetable":
            continue
        try:
            names.sure_meaning(node.func)
            yield node.lineno, names.arguments(node, [*_DEFAULTS])
        except Unsaid as error:
            yield node.lineno, error
        except RecursionError:
            remedy = "nested too deep; write the values themselves here"
            yield node.lineno, Unsaid(node.lineno, "CalendarTimetable", remedy)


def _arguments(line: int, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return *arguments* with defaults, each checked as the timetable itself does."""
    if unknown := arguments.keys() - _DEFAULTS.keys():
        name = min(unknown)
        raise Unsaid(line, name, f"{PACKAGE} 0.6.0 has no such argument; take it out")
    values = {name: arguments.get(name, usual) for name, usual in _DEFAULTS.items()}
    for name, low, high in (("hour", -47, 47), ("minute", 0, 59), ("base_day", 1, 31)):
        number = values[name]
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise Unsaid(line, number, f"{name} is a number from {low} to {high}")
    for name in ("calendar_id", "timezone", "run_on"):
        if not isinstance(values[name] or "", str):
            raise Unsaid(line, values[name], f"{name} is a text")
    if values["run_on"] not in ("open", "closed"):
        raise Unsaid(line, values["run_on"], "run_on is 'open' or 'closed'")
    for name in ("exclude_dates", "include_dates"):
        values[name] = _dates(line, name, values[name] or ())
    rules = values["rules"] or ()
    if not isinstance(rules, (list, tuple)):
        raise Unsaid(line, rules, "rules is a list")
    values["rules"] = [*dict.fromkeys(Rule.from_definition(line, rule) for rule in rules)]
    if (count := len(values["rules"])) > _MOST_RULES:
        raise Unsaid(line, f"{count} rules", f"more than {_MOST_RULES}; make several timetables")
    return values


def _dates(line: int, name: str, entries: Any) -> list[date]:
    if isinstance(entries, (str, date)) or not hasattr(entries, "__iter__"):
        raise Unsaid(line, entries, f"{name} is a list of dates")
    dates = set()
    for entry in entries:
        try:
            dates.add(entry if isinstance(entry, date) else date.fromisoformat(entry))
        except (TypeError, ValueError):
            raise Unsaid(line, entry, f"{name} has dates as '2026-12-29'") from None
    return sorted(dates)
