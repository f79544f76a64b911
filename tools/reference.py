"""Write docs/reference out of the code: ``python -m tools.reference``.

Names that people import, options, routes of the REST API and metrics.
tests/project/test_docs_site.py fails where a page is not what this makes of the code.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"
PACKAGE = ROOT / "src" / "calendar_timetable"
MADE = "<!-- made by python -m tools.reference -->\n"

PARTS = {
    "Schedules": ("CalendarTimetable", "On", "Recurrence", "DeploymentRule"),
    "Time sets": ("Calendar", "Weekly", "Holidays", "WorkingDays", "TradingHours", "TimeSet"),
    "While runs run": (
        "CalendarGate",
        "hold_until_open",
        "seconds_left",
        "window_end",
        "CalendarEventTrigger",
    ),
    "Deadlines": ("MilestoneDeadline", "WindowEndDeadline", "late_alert"),
    "Answers": ("PlannedRun", "Span", "Occurrence", "Problem"),
    "Errors": ("CalendarTimetableError", "InvalidArgument", "CalendarUnavailable"),
}
METHODS = {
    "CalendarTimetable": ("plan", "explain"),
}
_ROLE = re.compile(r":(?:class|func|meth|data|attr):`~?(?:[\w.]*\.)?(\w+)`")
_PARAM = re.compile(r"^:param ([\w, ]+): ", re.MULTILINE)


def python() -> str:
    """Return the page of the names that people import."""
    import calendar_timetable
    from calendar_timetable import runtime

    homes = dict.fromkeys(PARTS["Deadlines"], runtime)
    parts = []
    for title, names in PARTS.items():
        parts.append(f"## {title}\n")
        for name in names:
            home = homes.get(name, calendar_timetable)
            parts.append(_described(name, getattr(home, name), home.__name__))
            parts += [
                _described(f"{name}.{method}", getattr(getattr(home, name), method), None)
                for method in METHODS.get(name, ())
            ]
    return _head(
        "Python",
        "What `calendar_timetable` exports, from its signatures and docstrings. "
        "[Arguments](../arguments.md) tells the same in tables, with defaults in words.",
    ) + "\n".join(parts)


def _head(title: str, said: str) -> str:
    return f"# {title}\n\n{MADE}\n{_wrapped(said)}\n\n"


def _described(name: str, value: Any, module: str | None) -> str:
    level = "###" if module else "####"
    imported = f"from {module} import {name}\n\n" if module else ""
    said = _markdown(inspect.getdoc(value) or "")
    return f"{level} {name}\n\n```text\n{imported}{_signature(name, value)}\n```\n\n{said}\n"


def _signature(name: str, value: Any) -> str:
    """Return how *value* is called: on one line where it fits, else an argument on each."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return name
    arguments = [
        str(each.replace(annotation=_annotation(each.annotation)))
        for each in found.parameters.values()
        if each.name not in ("self", "cls") and not each.name.startswith("_")
    ]
    kinds = [
        each.kind
        for each in found.parameters.values()
        if each.name not in ("self", "cls") and not each.name.startswith("_")
    ]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        arguments.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    arguments = [
        re.sub(r"""(: )(['"])(.*?)\2""", r"\1\3", each).replace("datetime.timedelta", "timedelta")
        for each in arguments
    ]
    returned = ""
    if not inspect.isclass(value) and found.return_annotation is not inspect.Signature.empty:
        returned = f" -> {_annotation(found.return_annotation)}"
    line = f"{name}({', '.join(arguments)}){returned}"
    if len(line) <= 88:
        return line
    return f"{name}(\n" + "".join(f"    {each},\n" for each in arguments) + f"){returned}"


def _annotation(annotation: Any) -> Any:
    """Return an annotation as it stands in the source, without the names of modules."""
    if annotation is inspect.Parameter.empty:
        return annotation
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = re.sub(r"ForwardRef\('([^']*)'\)", r"\1", text)
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", text)


def _markdown(docstring: str) -> str:
    """Return a docstring as Markdown: parameters as a list."""
    text = _ROLE.sub(r"`\1`", docstring).replace("``", "`")
    head, *pairs = _PARAM.split(text)
    if not pairs:
        return _wrapped(text)
    listed, rest = [], ""
    for parameter, said in zip(pairs[::2], pairs[1::2], strict=True):
        said, _, after = said.partition("\n\n")  # noqa: PLW2901
        rest = after or rest
        listed.append(
            textwrap.fill(
                f"* `{parameter.replace(', ', '`, `')}`: {' '.join(said.split())}",
                100,
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )
    return "\n\n".join(filter(None, [_wrapped(head), "\n".join(listed), _wrapped(rest)]))


def _wrapped(text: str) -> str:
    """Return paragraphs of at most 100 columns; what is indented or a list is left as it is."""
    parts = []
    for part in text.strip().split("\n\n"):
        if part.startswith((" ", "* ", "- ")):
            parts.append(part)
        else:
            parts.append(
                textwrap.fill(
                    " ".join(part.split()), 100, break_long_words=False, break_on_hyphens=False
                )
            )
    return "\n\n".join(parts).replace("::\n", ":\n")


def options() -> str:
    """Return the page of the section ``[calendar_timetable]``."""
    from calendar_timetable.provider import CONFIG

    ((section, described),) = CONFIG.items()
    parts = [
        _head(
            "Options",
            f"Of the section `[{section}]` in `airflow.cfg`, as the provider's metadata describes "
            "them. None is needed. [Configuration](../configuration.md) says which component reads "
            "which, and which options of Airflow's matter.",
        )
    ]
    for name, option in sorted(described["options"].items()):
        rows = [
            ("environment", f"AIRFLOW__{section}__{name}".upper()),
            ("default", option["default"]),
            ("example", option["example"]),
        ]
        table = "".join(f"| {what} | {f'`{said}`' if said else 'none'} |\n" for what, said in rows)
        parts.append(f"## {name}\n\n{_wrapped(option['description'])}\n\n| | |\n|---|---|\n{table}")
    return "\n".join(parts)


def rest() -> str:
    """Return the page of the REST API's routes, out of its OpenAPI description."""
    from calendar_timetable.config import URL_PREFIX
    from calendar_timetable.web.app import app

    document = app.openapi()
    parts = [
        _head(
            "REST routes",
            "Out of the OpenAPI description that Airflow serves at "
            f"`{URL_PREFIX}/api/openapi.json`. Paths are under `{URL_PREFIX}` of Airflow's API "
            "server. [REST](../api.md) says how to ask, who sees what, and what bounds an answer.",
        )
    ]
    for path, methods in document["paths"].items():
        parts += [_route(path, method, said) for method, said in methods.items()]
    parts.append("## What is sent and answered\n\nAn answer has all of its fields.\n")
    for name, schema in sorted(document["components"]["schemas"].items()):
        said = _prose(schema.get("description", ""))
        required = set(schema.get("required", ()))
        rows = "".join(
            _row(
                f"`{field}`",
                _type(value),
                _note(value, needed="" if field in required else "may be left out"),
            )
            for field, value in schema.get("properties", {}).items()
        )
        table = f"| field | type | |\n|---|---|---|\n{rows}" if rows else ""
        parts.append(f"### {name}\n\n{said}{table}")
    return "\n".join(parts)


def _route(path: str, method: str, said: dict[str, Any]) -> str:
    text = [f"## {method.upper()} {path}\n\n{_prose(said['description'])}"]
    if parameters := said.get("parameters"):
        rows = "".join(
            _row(
                f"`{each['name']}`",
                f"{_type(each['schema'])} ({each['in']})",
                _note(
                    {**each["schema"], "description": each.get("description")},
                    needed="required" if each.get("required") else "",
                ),
            )
            for each in parameters
        )
        text.append(f"| parameter | type | |\n|---|---|---|\n{rows}\n")
    if body := said.get("requestBody"):
        text.append(f"Sent: {_type(body['content']['application/json']['schema'])}.\n\n")
    answers = []
    for code, answer in said["responses"].items():
        contents = answer.get("content", {}).get("application/json", {}).get("schema")
        what = f" {_type(contents)}" if contents else ""
        answers.append(f"{code}{what}")
    text.append(f"Answers: {', '.join(answers)}.\n")
    return "".join(text)


def _prose(text: str) -> str:
    return f"{_wrapped(text.replace('``', '`'))}\n\n" if text else ""


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def _note(schema: dict[str, Any], *, needed: str) -> str:
    parts = []
    if said := schema.get("description"):
        parts.append(" ".join(str(said).replace("``", "`").split()).rstrip("."))
    bounds = [
        f"{word} {schema[key]}"
        for key, word in (("minimum", "at least"), ("maximum", "at most"))
        if key in schema
    ]
    if bounds:
        parts.append(", ".join(bounds))
    if schema.get("default") not in (None, [], ""):
        parts.append(f"default `{schema['default']}`")
    if needed:
        parts.append(needed)
    return "; ".join(parts).replace("|", "\\|")


def _type(schema: dict[str, Any]) -> str:
    """Return a type in words; one that has a name leads to it."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(each) for each in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema and isinstance(schema["additionalProperties"], dict):
        return f"object of {_type(schema['additionalProperties'])}"
    if schema.get("format") == "date-time":
        return "time"
    return str(kind or "anything")


KINDS = {
    "gauge": "gauge",
    "count": "counter",
    "timed": "timer, milliseconds",
    "timing": "timer, milliseconds",
}


def metrics() -> str:
    """Return the page of metrics by name: what is sent, and where in the code."""
    rows = sorted(set(_sent()))
    table = "".join(
        f"| `calendar_timetable.{name}` | {kind} | `{tag}` |\n" for name, kind, tag in rows
    )
    return (
        _head(
            "Metrics by name",
            "Every metric that the code sends, with its tag. [Metrics](../metrics.md) tells what "
            "each means, when it is sent, and how to be warned in time.",
        )
        + f"| name | kind | tag |\n|---|---|---|\n{table}"
    )


def _sent() -> Iterator[tuple[str, str, str]]:
    """Find each call that sends a metric: name, kind, tag."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            sender = node.func.value
            if not isinstance(sender, ast.Name) or sender.id not in (
                "metrics",
                "TASK",
                "SCHEDULER",
            ):
                continue
            kind = KINDS.get(node.func.attr)
            if kind is None or not node.args:
                continue
            tag = "calendar" if sender.id == "metrics" else "dag_id"
            for name in _names(node.args[0]):
                yield name, kind, tag


def _names(node: ast.expr) -> tuple[str, ...]:
    if isinstance(node, ast.Constant):
        return (str(node.value),)
    assert ast.unparse(node) == "f'ticks.{outcome}'", "a metric whose name is made: say which"
    return ("ticks.skipped", "ticks.coalesced")


PAGES: dict[str, Callable[[], str]] = {
    "python.md": python,
    "options.md": options,
    "rest.md": rest,
    "metrics.md": metrics,
}


def main() -> None:
    """Write all pages."""
    for name, made in PAGES.items():
        (FOLDER / name).write_text(made(), encoding="utf-8")


if __name__ == "__main__":
    main()
