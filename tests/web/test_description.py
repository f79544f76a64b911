"""What the documents say of the REST API is what is served."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest

from tools import page_types

# Of what Airflow itself imports
pytestmark = pytest.mark.filterwarnings("ignore:Using .httpx. with")
DOCS = Path(__file__).parents[2] / "docs" / "api.md"
PAGED = {
    "/api/runs": 500,
    "/api/time-sets": 2000,
    "/api/calendars": 500,
    "/api/overrides": 500,
    "/api/subscriptions": 500,
    "/api/impact": 500,
}


@pytest.fixture
def description() -> dict[str, Any]:
    from calendar_timetable.web.app import app

    document: dict[str, Any] = app.openapi()
    return document


def routes(description: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (m.upper(), path): said
        for path, methods in description["paths"].items()
        for m, said in methods.items()
    }


def test_the_documents_name_every_route(description: dict[str, Any]) -> None:
    named = set()
    for row in re.findall(r"^\| (`(?:GET|POST|DELETE).*?) \|", DOCS.read_text(), re.MULTILINE):
        methods: list[str] = []
        for words in re.findall(r"`([^`]+)`", row):
            *asked, last = words.split()
            methods += asked or ([] if last.startswith("/") else [last])
            if last.startswith("/"):
                named |= {
                    (method, re.sub(r"\{id\}", "{subscription_id}", last)) for method in methods
                }
                methods = []
    assert named == set(routes(description)) | {("GET", "/api/openapi.json")}


def test_every_route_is_described(description: dict[str, Any]) -> None:
    """In words, with its answer and its refusals as they are sent."""
    for (method, path), said in routes(description).items():
        assert said["description"], path
        answers = said["responses"]
        assert {"401", "403", "404", "422"} <= set(answers), path
        refusal = answers["422"]["content"]["application/json"]["schema"]
        assert refusal == {"$ref": "#/components/schemas/Refusal"}, path
        good = next(code for code in answers if code.startswith("2"))
        assert good == "204" or "$ref" in answers[good]["content"]["application/json"]["schema"], (
            method,
            path,
        )
    assert description["components"]["schemas"]["Wrong"]["required"] == ["field", "message"]
    assert "HTTPValidationError" not in description["components"]["schemas"]


def test_the_page_has_the_types_of_the_description(description: dict[str, Any]) -> None:
    assert page_types.FILE.read_text() == page_types.page_types(description), (
        "python -m tools.page_types writes them"
    )


def test_every_answer_has_all_of_its_fields(description: dict[str, Any]) -> None:
    """Only what is sent to the API may leave fields out."""
    schemas = description["components"]["schemas"]
    partial = {
        name
        for name, one in schemas.items()
        if set(one["properties"]) != set(one.get("required", ()))
    }
    assert partial == {"WhatIf", "Subscribe"}


def test_every_list_has_pages(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    for (method, path), said in routes(description).items():
        if method != "GET":
            continue
        answer = said["responses"]["200"]["content"]["application/json"]["schema"][
            "$ref"
        ].rpartition("/")[2]
        paged = "truncated" in schemas[answer]["properties"]
        assert paged == (path in PAGED), path
        if paged:
            assert {"total_entries", "truncated"} <= set(schemas[answer]["properties"])
            parameters = {one["name"]: one["schema"] for one in said["parameters"]}
            assert parameters["limit"] == {"type": "integer", "maximum": 5000, "minimum": 1} | {
                "description": "How many at most",
                "default": PAGED[path],
                "title": "Limit",
            }
            assert (parameters["offset"]["default"], parameters["offset"]["minimum"]) == (0, 0)


def test_the_bounds_that_the_documents_tell(description: dict[str, Any]) -> None:
    from calendar_timetable.runs.forecast import MOST_TICKS
    from calendar_timetable.runs.rows import RunState
    from calendar_timetable.web.models import Subscribe
    from calendar_timetable.web.routes import MOST_RANGE_DAYS
    from calendar_timetable.web.subscription_routes import AHEAD, MOST_EVENTS, PAST

    text = " ".join(DOCS.read_text().split())
    days = Subscribe.model_fields["days"]
    for told in (
        f"at most {MOST_RANGE_DAYS} days",
        f"at most {MOST_TICKS:,} due times",
        "`limit` (500, of time sets 2,000; at most 5,000)",
        f'lasts {days.default} days, or `"days"` up to 730',
        (
            f"runs of the last {PAST.days} and the next {AHEAD.days} days (the nearest "
            f"{MOST_EVENTS:,})"
        ),
        f"one of {', '.join(get_args(RunState))}",
    ):
        assert told in text, told
