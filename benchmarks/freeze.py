"""What rules of a whole deployment add to DAGs that know nothing of them.

To each parse of a DAG, and to each task before it begins; against what that may take.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowRescheduleException

from benchmarks.feed import google_like
from benchmarks.figures import Figure, of_pairs
from benchmarks.parsing import folder, forked, parse, prepare, remember

EVENTS = 1_000
DAGS = 20
ROUNDS = 25
PARSE_LIMIT_MS, TASK_LIMIT_MS = 2, 30
OPTION = "AIRFLOW__CALENDAR_TIMETABLE__BLACKOUTS"
FILE = f"""
from datetime import datetime

from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator

since = datetime(2026, 1, 1)
for number in range({DAGS}):
    with DAG(f"plain_{{number}}", schedule="0 * * * *", start_date=since, catchup=False):
        EmptyOperator(task_id="work")
"""


def figures() -> Iterator[Figure]:
    """Measure both with a calendar of many events, whether one of them is on now or not."""
    with folder() as home:
        calendar, file = home / "freezes.ics", home / "plain.py"
        calendar.write_bytes(google_like(EVENTS, datetime.now(UTC)))
        file.write_text(FILE)
        prepare(file)
        with frozen_by(calendar):
            remember(file)
            task = next(iter(DagBag(str(file)).dags.values())).task_dict["work"]
        pairs = []
        for _ in range(ROUNDS):
            plain = parse(file)
            with frozen_by(calendar):
                pairs.append(((parse(file) - plain) / DAGS * 1e3, float(PARSE_LIMIT_MS)))
        yield of_pairs(
            f"a rule of the deployment: CPU of a parse, for each of {DAGS} DAGs",
            f"{PARSE_LIMIT_MS} ms",
            pairs,
            "ms",
        )
        hook: Any = task._pre_execute_hook  # type: ignore[union-attr] # noqa: SLF001
        # Each in a process of its own, as tasks are; less what such a process takes by itself.
        pairs = []
        for _ in range(ROUNDS):
            with_hook, without = (
                forked(lambda: passes(hook))[1],
                forked(lambda: bool(context()))[1],
            )
            pairs.append(((with_hook - without) * 1e3, float(TASK_LIMIT_MS)))
        yield of_pairs(
            "a rule of the deployment: CPU of a task's gate, warm cache",
            f"{TASK_LIMIT_MS} ms",
            pairs,
            "ms",
        )


@contextmanager
def frozen_by(calendar: Path) -> Iterator[None]:
    """Let *calendar* hold for every DAG."""
    os.environ[OPTION] = str(calendar)
    try:
        yield
    finally:
        del os.environ[OPTION]


def passes(hook: Any) -> bool:
    """Tell whether a task goes on that begins now."""
    try:
        hook(context())
    except AirflowRescheduleException:
        return False
    return True


def context() -> dict[str, Any]:
    """Return what a task knows of its run, which begins now."""
    now = datetime.now(UTC)
    run = SimpleNamespace(
        run_id="bench", run_type="scheduled", run_after=now, start_date=now, conf={}
    )
    instance = SimpleNamespace(
        dag_id="plain_0", next_method=None, get_first_reschedule_date=lambda context: None
    )
    return {"dag_run": run, "ti": instance}
