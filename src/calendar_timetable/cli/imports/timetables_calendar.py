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
    found = ImportResult()
    as_json = text.lstrip()[:1] in ("{", "[")
    for number, (line, given) in enumerate(_serialized(text) if as_json else _calls(text)):
        if number == _MOST:
            raise Unsaid(line, "CalendarTimetable", f"more than {_MOST}; import fewer at a time")
        if isinstance(given, Unsaid):
            found.unsaid.append(given)
            continue
        try:
            found.schedules.append(schedule_of(line, _arguments(line, given)))
        except Unsaid as error:
            found.unsaid.append(error)
    if not found.schedules and not found.unsaid:
        what = "JSON with calendar_id" if as_json else f"CalendarTimetable(...) of {PACKAGE}"
        raise Unsaid(1, text.strip()[:20], f"there is no {what} in the file")
    return found


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
        one, depth = stack.pop()
        if isinstance(one, dict) and "calendar_id" in one:
            at = text.find('"calendar_id"', at) + 1
            yield text.count("\n", 0, at) + 1, one
        elif isinstance(one, (dict, list)):
            if depth > _MOST_DEPTH:
                raise Unsaid(1, "JSON", "nested too deep; export less")
            parts = [*one.values()] if isinstance(one, dict) else one
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
            names.known(node.func)
            yield node.lineno, names.arguments(node, [*_DEFAULTS])
        except Unsaid as error:
            yield node.lineno, error
        except RecursionError:
            remedy = "nested too deep; write the values themselves here"
            yield node.lineno, Unsaid(node.lineno, "CalendarTimetable", remedy)


def _arguments(line: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return *given* with defaults, each checked as the timetable itself does."""
    if unknown := given.keys() - _DEFAULTS.keys():
        name = min(unknown)
        raise Unsaid(line, name, f"{PACKAGE} 0.6.0 has no such argument; take it out")
    found = {name: given.get(name, usual) for name, usual in _DEFAULTS.items()}
    for name, low, high in (("hour", -47, 47), ("minute", 0, 59), ("base_day", 1, 31)):
        number = found[name]
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise Unsaid(line, number, f"{name} is a number from {low} to {high}")
    for name in ("calendar_id", "timezone", "run_on"):
        if not isinstance(found[name] or "", str):
            raise Unsaid(line, found[name], f"{name} is a text")
    if found["run_on"] not in ("open", "closed"):
        raise Unsaid(line, found["run_on"], "run_on is 'open' or 'closed'")
    for name in ("exclude_dates", "include_dates"):
        found[name] = _dates(line, name, found[name] or ())
    rules = found["rules"] or ()
    if not isinstance(rules, (list, tuple)):
        raise Unsaid(line, rules, "rules is a list")
    found["rules"] = [*dict.fromkeys(Rule.made(line, rule) for rule in rules)]
    if (count := len(found["rules"])) > _MOST_RULES:
        raise Unsaid(line, f"{count} rules", f"more than {_MOST_RULES}; make several timetables")
    return found


def _dates(line: int, name: str, given: Any) -> list[date]:
    if isinstance(given, (str, date)) or not hasattr(given, "__iter__"):
        raise Unsaid(line, given, f"{name} is a list of dates")
    found = set()
    for one in given:
        try:
            found.add(one if isinstance(one, date) else date.fromisoformat(one))
        except (TypeError, ValueError):
            raise Unsaid(line, one, f"{name} has dates as '2026-12-29'") from None
    return sorted(found)
