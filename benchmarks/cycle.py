"""A parse cycle of many DAGs: what share of the DAG processor's CPU is ours.

Airflow reads every file again each half minute, in a process forked for it, and then tells its
database (here SQLite in memory). Nothing has changed since the last cycle, every DAG has run, and
the calendars are in a warm cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import wraps
from inspect import isfunction
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

from airflow.dag_processing.collection import update_dag_parsing_results_in_db
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from benchmarks.feed import google_like
from benchmarks.figures import Figure, of_pairs
from benchmarks.parsing import folder, forked, prepare, read
from calendar_timetable import Calendar, CalendarTimetable, Weekly
from tests.support.airflow_database import add_run, airflow_database

CALENDARS, EVENTS = 50, 1_000
DAGS = 400  # a twenty-fifth of 10,000: what each costs does not depend on the others
ROUNDS = 3
FILE = """
from datetime import datetime, timedelta

from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
from calendar_timetable import Calendar, CalendarTimetable, Weekly

for number in {numbers}:
    schedule = f"{{number * 7 % 60}} {{number % 24}} * * *"
    if {name!r} == "ours":
        schedule = CalendarTimetable(
            schedule,
            timezone="Europe/Berlin",
            windows=Weekly("mon-fri 19:00-07:00", "sat-sun"),
            blackouts=Calendar({calendar!r}),
            duration=timedelta(hours=1),
        )
    with DAG(f"{name}_{{number}}", schedule=schedule, start_date=datetime(2026, 1, 1), catchup=False):
        EmptyOperator(task_id="prepare") >> EmptyOperator(task_id="train") >> EmptyOperator(task_id="publish")
"""  # noqa: E501


def figures() -> Iterator[Figure]:
    """Of DAGs that have files of their own, and of DAGs that share one with others."""
    for each in (1, 20):
        taken = list(cycles(DAGS, each, ROUNDS))
        what = f"our CPU in a parse cycle on {CALENDARS} calendars, DAGs in a file: {each}"
        yield of_pairs(what, "all of it", [(spent, ours) for spent, ours, _ in taken], "s")
        what = f"CPU of a parse cycle on {CALENDARS} calendars, DAGs in a file: {each}"
        yield of_pairs(
            what, "the same DAGs with cron", [(ours, cron) for _, ours, cron in taken], "s"
        )


def cycles(dags: int, each: int, count: int) -> Iterator[tuple[float, float, float]]:
    """Measure *count* cycles of *dags*, *each* of them in one file, in seconds of CPU.

    Gives, per cycle: our code's, all of it, and all with cron.
    """
    with folder() as home, airflow_database() as session, counted() as spent:
        session.execute(insert(DagBundleModel).values(name="bench"))
        for number in range(CALENDARS):
            (home / f"{number}.ics").write_bytes(
                google_like(EVENTS, datetime.now(UTC), seed=number)
            )
        files = [
            [file_of(home, name, range(first, first + each)) for name in ("ours", "cron")]
            for first in range(0, dags, each)
        ]
        prepare(files[0][0])
        for file in chain(*files, *files):  # what a first reading comes to is not kept
            cycle(file, session, spent)
        for dag_id, due in session.execute(select(DagModel.dag_id, DagModel.next_dagrun)).all():
            assert due is not None
            add_run(session, dag_id, "success", due)
        for _ in range(count):
            spent.clear()
            taken = [[cycle(file, session, spent) for file in pair] for pair in files]
            ours, cron = map(sum, zip(*taken, strict=True))
            yield sum(spent), ours, cron


def file_of(home: Path, name: str, numbers: range) -> Path:
    """Write a DAG file into *home*, and return its path."""
    calendar = str(home / f"{numbers.start // len(numbers) % CALENDARS}.ics")
    path = home / f"{name}_{numbers.start}.py"
    path.write_text(FILE.format(name=name, numbers=numbers, calendar=calendar))
    return path


def cycle(file: Path, session: Session, spent: list[float]) -> float:
    """Do what the DAG processor does with one file; return the seconds of CPU of both processes."""

    def parse() -> tuple[list[dict[str, Any]], float]:
        spent.clear()
        return read(file), sum(spent)

    began = time.process_time()
    (found, ours), taken = forked(parse)
    spent.append(ours)
    dags = [LazyDeserializedDAG(data=data) for data in found]
    update_dag_parsing_results_in_db(
        "bench", None, dags, {}, 1.0, set(), session, files_parsed={("bench", file.name)}
    )
    session.commit()
    session.expunge_all()
    return taken + time.process_time() - began


@contextmanager
def counted() -> Iterator[list[float]]:
    """Count the seconds of CPU of every call that comes to us from outside."""
    spent: list[float] = []
    inside = False

    def count(call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            if inside:
                return call(*args, **kwargs)
            inside, began = True, time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                spent.append(time.process_time() - began)
                inside = False

        return timed

    with ExitStack() as stack:
        for kind in (CalendarTimetable, Calendar, Weekly):
            for name, member in list(vars(kind).items()):
                if isinstance(member, classmethod):
                    stack.enter_context(
                        patch.object(kind, name, classmethod(count(member.__func__)))
                    )
                elif isinstance(member, property) and member.fget is not None:
                    stack.enter_context(patch.object(kind, name, property(count(member.fget))))
                elif isfunction(member):
                    stack.enter_context(patch.object(kind, name, count(member)))
        yield spent
