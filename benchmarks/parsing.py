"""DAG files read as the DAG processor reads them, with calendars in a warm cache.

They are measured against the same files with cron.
"""

from __future__ import annotations

import logging
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from unittest.mock import patch

import structlog
from airflow.dag_processing.processor import (
    DagFileParseRequest,
    _parse_file,
    _pre_import_airflow_modules,
)
from airflow.jobs.job import Job
from airflow.observability.stats import Stats
from airflow.plugins_manager import get_timetables_plugins
from airflow.serialization.serialized_objects import LazyDeserializedDAG

from benchmarks.feed import google_like
from benchmarks.figures import Figure, figure
from calendar_timetable.runtime import listener

T = TypeVar("T")
ROUNDS = 25
EVENTS = 1_000
FILE = """
from datetime import datetime

from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
{imports}

with DAG("weekly", schedule={schedule}, start_date=datetime(2026, 1, 1), catchup=False) as dag:
    EmptyOperator(task_id="train")
"""
IMPORTS = "from calendar_timetable import Calendar, CalendarTimetable"
SCHEDULE = 'CalendarTimetable("0 2 * * SAT", timezone="UTC", blackouts=Calendar({calendar!r}))'


def figures() -> Iterator[Figure]:
    """Measure what one more calendar costs each parse."""
    with folder() as home:
        calendar = home / "team.ics"
        calendar.write_bytes(google_like(EVENTS, datetime.now(UTC)))
        ours, cron = home / "ours.py", home / "cron.py"
        ours.write_text(
            FILE.format(imports=IMPORTS, schedule=SCHEDULE.format(calendar=str(calendar)))
        )
        cron.write_text(FILE.format(imports="", schedule='"0 2 * * SAT"'))
        prepare(ours)
        for file in (ours, cron):
            remember(file)
        pairs = [(parse(ours), parse(cron)) for _ in range(ROUNDS)]
        yield figure(
            "CPU of a DAG file's parse, weekly, warm cache", "the same file with cron", pairs
        )


@contextmanager
def folder() -> Iterator[Path]:
    """Make a folder for DAG files, and a cache of calendars that nobody else uses."""
    with TemporaryDirectory() as home:
        before = os.environ.get("CALENDAR_TIMETABLE_CACHE")
        os.environ["CALENDAR_TIMETABLE_CACHE"] = f"{home}/cache"
        try:
            yield Path(home)
        finally:
            os.environ.pop("CALENDAR_TIMETABLE_CACHE")
            if before is not None:
                os.environ["CALENDAR_TIMETABLE_CACHE"] = before


def prepare(file: Path) -> None:
    """Do what the manager has done by the time that it starts a process for *file*."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    _pre_import_airflow_modules(str(file), structlog.get_logger())
    get_timetables_plugins()  # it decodes timetables itself
    Stats.gauge("dag_processing.file_path_queue_size", 1)
    with patch.object(sys, "argv", ["airflow", "dag-processor"]):
        listener.on_starting(Job())  # type: ignore[no-untyped-call]


def remember(file: Path) -> None:
    """Do what the manager does with a file's DAGs, and warm the cache.

    What it does counts as far as the processes that it forks inherit it.
    """
    for data in forked(lambda: read(file))[0]:
        timetable = LazyDeserializedDAG(data=data).timetable
        _ = timetable.summary, timetable.description


def parse(file: Path) -> float:
    """Seconds of CPU that reading *file* takes."""
    return forked(lambda: read(file))[1]


def read(file: Path) -> list[dict[str, Any]]:
    """Return the DAGs in *file*, serialized."""
    request = DagFileParseRequest(
        file=str(file), bundle_path=file.parent, bundle_name="bench", callback_requests=[]
    )
    result = _parse_file(request, structlog.get_logger())
    assert result is not None
    assert result.serialized_dags
    assert not result.import_errors
    return [dag.data for dag in result.serialized_dags]


def forked(work: Callable[[], T]) -> tuple[T, float]:
    """Return what *work* gives in a process of its own, and its seconds of CPU.

    The manager starts such a process for each parse.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "wb") as out:
                pickle.dump(work(), out)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answered:
        answer = answered.read()
    _, _, used = os.wait4(child, 0)
    return pickle.loads(answer), used.ru_utime + used.ru_stime
