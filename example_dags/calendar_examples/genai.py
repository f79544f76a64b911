"""What genai_finetune does outside of pods: documents, the gate, and the model in service."""

from __future__ import annotations

import ast
import json
import sysconfig
from pathlib import Path
from typing import Any

import requests
from airflow.sdk import BaseHook, Variable
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

CONNECTION = "genai_serving"
QUESTIONS = ("def ", "Return the ", "This module ")
# Whose documentation it learns
PACKAGES = ("argparse.py", "asyncio", "email", "http", "logging", "unittest", "urllib")


def folder(*parts: str) -> Path:
    """The volume, as workers see it."""
    return Path(Variable.get("genai_folder", default="/data"), *parts)


def is_judged(name: str) -> bool:
    """Whether this model is deployed or was not good enough: nothing is left to do."""
    return folder("runs", name, "judged").exists()


def ingest(name: str) -> int:
    """Write one file for each docstring of the standard library's packages.

    This model is to write like them.
    """
    target = folder("runs", name, "documents")
    target.mkdir(parents=True, exist_ok=True)
    library = Path(sysconfig.get_path("stdlib"))
    files = [
        file
        for name in PACKAGES
        for file in sorted((library / name).rglob("*.py")) or [library / name]
    ]
    count = 0
    for file in files:
        for text in _docstrings(file.read_text(encoding="utf-8")):
            (target / f"{count:05}.txt").write_text(text, encoding="utf-8")
            count += 1
    return count


def is_better(name: str, margin: float) -> bool:
    """The gate for a new model.

    The first model goes into service, the next if its perplexity is lower by this share.
    """
    metrics = _metrics(name)
    known = metrics.get("perplexity_in_service")
    return known is None or metrics["perplexity"] <= known * (1 - margin)


def keep(name: str) -> str:
    """Let the model in service stay."""
    metrics = _metrics(name)
    _write(folder("runs", name, "judged"), "not better")
    return (
        f"{_current()} stays: perplexity {metrics['perplexity_in_service']:.2f}, "
        f"{name} has {metrics['perplexity']:.2f}"
    )


def deploy(name: str) -> None:
    """Name the model in service, remember which it was before, and have the service load it."""
    if (before := _current()) not in (None, _model(name)):
        _write(folder("serving", "before"), before)
    _write(folder("serving", "current"), _model(name))
    if (service := _service()) is not None:
        service.reload()


def check(name: str) -> int:
    """Ask the service some questions; return how many it answered.

    Raises AirflowFailException where it does not do as it should.
    """
    if (service := _service()) is None:
        _write(folder("runs", name, "judged"), "deployed")
        raise AirflowSkipException(
            f"No Connection {CONNECTION!r}: the model is in its place, and nothing serves it"
        )
    serving = service.get("/health")["model"]
    if serving != _model(name):
        raise AirflowFailException(f"the service answers with {serving}, not with {_model(name)}")
    for question in QUESTIONS:
        answer = service.post("/generate", {"prompt": question, "length": 40})
        if answer.get("model") != serving or len(answer.get("text", "").strip()) < 10:
            raise AirflowFailException(f"the service answers {question!r} with {answer}")
    _write(folder("runs", name, "judged"), "deployed")
    return len(QUESTIONS)


def roll_back(name: str) -> None:
    """Put back what was in service before, and fail: somebody has to look."""
    _write(folder("runs", name, "judged"), "taken back")
    before = folder("serving", "before")
    service = _service()
    if not before.exists():
        folder("serving", "current").unlink(missing_ok=True)
        raise AirflowFailException(
            f"{name} does not do as it should, and there is no model before it"
        )
    model = before.read_text().strip()
    _write(folder("serving", "current"), model)
    if service is not None:
        service.reload()
    raise AirflowFailException(f"{name} does not do as it should; {model} is back in service")


class _Service:
    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")

    def get(self, path: str) -> Any:
        answer = requests.get(self._address + path, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = requests.post(self._address + path, json=body, timeout=60)
        if not answer.ok:
            raise AirflowFailException(
                f"the service says: {answer.json().get('error', answer.status_code)}"
            )
        return answer.json()

    def reload(self) -> None:
        self.post("/reload", {})


def _service() -> _Service | None:
    try:
        known = BaseHook.get_connection(CONNECTION)
    except AirflowNotFoundException:
        return None
    return _Service(f"{known.schema or 'http'}://{known.host}:{known.port or 80}")


def _model(name: str) -> str:
    return f"runs/{name}/model"


def _current() -> str | None:
    file = folder("serving", "current")
    return file.read_text().strip() if file.exists() else None


def _metrics(name: str) -> dict[str, float]:
    metrics: dict[str, float] = json.loads(
        folder("runs", name, "model", "metrics.json").read_text()
    )
    return metrics


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}")
    draft.write_text(text)
    draft.replace(file)


def _docstrings(source: str) -> list[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    documented = (node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds))
    return [text for node in documented if (text := ast.get_docstring(node))]
