"""What importing the package costs a fresh interpreter, against what Airflow's costs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.figures import Figure, figure

ROUNDS = 5


def figures() -> Iterator[Figure]:
    """Measure the import that every DAG file with a ``CalendarTimetable`` makes."""
    pairs = [(_load("calendar_timetable"), _load("airflow.sdk")) for _ in range(ROUNDS)]
    yield figure("import calendar_timetable", "import airflow.sdk", pairs)


def _load(module: str) -> float:
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)
