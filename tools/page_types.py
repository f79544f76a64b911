"""Write the page's types out of the description of its API: ``python -m tools.page_types``.

tests/web/test_description.py fails where they are not those that the app describes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "ui" / "src" / "openapi.ts"
HEAD = "// What the REST API takes and answers, as `python -m tools.page_types` writes it.\n"


def page_types(description: dict[str, Any]) -> str:
    """Return *description*, an OpenAPI document, as TypeScript: an interface for each schema."""
    schemas = description["components"]["schemas"].items()
    return HEAD + "".join(
        f"\n{_comment(schema)}export interface {name} {{\n{''.join(_members(schema))}}}\n"
        for name, schema in schemas
    )


def _members(schema: dict[str, Any]) -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else "?"
        yield f"{_comment(value, '  ')}  {name}{optional}: {_type(value)};\n"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(json.dumps, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(map(_type, schema["anyOf"]))
    if "additionalProperties" in schema:
        return f"Record<string, {_type(schema['additionalProperties'])}>"
    if schema["type"] == "array":
        members = _type(schema["items"])
        return f"({members})[]" if "|" in members else f"{members}[]"
    return "number" if schema["type"] == "integer" else str(schema["type"])


def _comment(schema: dict[str, Any], indent: str = "") -> str:
    if "description" not in schema:
        return ""
    lines = str(schema["description"]).replace("``", "`").splitlines()
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    body = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{body}{indent} */\n"


if __name__ == "__main__":
    from calendar_timetable.web.app import app

    FILE.write_text(page_types(app.openapi()))
