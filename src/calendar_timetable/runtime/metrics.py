"""What is counted while runs run, through Airflow's Stats: docs/metrics.md lists them.

A metric that cannot be sent is no reason for a task not to run.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

_PREFIX = "calendar_timetable"


@dataclass(frozen=True)
class Sender:
    """Sends through the Stats of one kind of process: tasks have Stats of their own."""

    module: str

    def count(self, name: str, number: int = 1, *, dag_id: str) -> None:
        """Add *number* to a counter of the DAG."""
        self._send("incr", name, dag_id, number)

    def timing(self, name: str, seconds: float, *, dag_id: str) -> None:
        """Note a length of time of the DAG; Airflow sends it in milliseconds."""
        self._send("timing", name, dag_id, timedelta(seconds=seconds))

    def _send(self, kind: str, name: str, dag_id: str, value: Any) -> None:
        """Twice, as Airflow does: tagged with the DAG, and with the DAG in the name for servers without tags."""
        with suppress(Exception):
            send = getattr(_stats(self.module), kind)
            send(f"{_PREFIX}.{name}", value, tags={"dag_id": dag_id})
            send(f"{_PREFIX}.{name}.{re.sub(r'[^A-Za-z0-9_-]', '_', dag_id)}", value)


TASK = Sender("airflow.sdk.observability.stats")
SCHEDULER = Sender("airflow.observability.stats")


def _stats(module: str) -> Any:
    return import_module(module).Stats
