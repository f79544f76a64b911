"""Every Python snippet of README.md and docs runs as it is printed, with its own imports.

Their commands are those of tests/project/test_docs_commands.py.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from calendar_timetable.exceptions import CalendarTimetableError

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SLACK = "airflow.providers.slack"  # which the tests' environment does not hold


def snippets() -> Iterator[Any]:
    for file in PAGES:
        text = file.read_text()
        for found in _PYTHON.finditer(text):
            line = text.count("\n", 0, found.start()) + 2
            yield pytest.param(found.group(1), id=f"{file.relative_to(ROOT)}:{line}")


@pytest.mark.parametrize("snippet", list(snippets()))
def test_a_snippet_runs_as_it_is_printed(
    snippet: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slack: Any = ModuleType("slack_webhook")
    slack.SlackWebhookNotifier = type(
        "SlackWebhookNotifier", (), {"__init__": lambda self, **_: None}
    )
    for name in (_SLACK, f"{_SLACK}.notifications"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, f"{_SLACK}.notifications.slack_webhook", slack)
    monkeypatch.setitem(sys.modules, "mlflow", MagicMock())  # it would look for a server
    monkeypatch.setitem(
        sys.modules, "cosmos", MagicMock()
    )  # tests/neighbours run what is told of it
    try:
        exec(
            compile(snippet, "snippet", "exec"),
            {"__name__": "snippet", "__file__": str(tmp_path / "dag.py")},
        )
    except CalendarTimetableError as error:
        if "upgrade Airflow" not in str(error):
            raise
        pytest.skip(str(error))


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for address, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]*))?\)", text):
            target = (page.parent / address).resolve() if address else page
            assert target.exists(), f"{page.name}: {address}"
            if anchor:
                heads = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                slugs = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
                assert anchor in slugs, f"{page.name}: {address}#{anchor}"
