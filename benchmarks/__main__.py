"""``make bench``: a table, and the same as JSON with ``--json FILE``."""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.timetables.base import TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from pendulum import DateTime

from calendar_timetable import CalendarTimetable, Weekly
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.timesets import Known

ZONE = "Europe/Berlin"
WINDOWS = Weekly("mon-fri 19:00-07:00", "sat-sun")
ROUNDS = 200


@dataclass
class Figure:
    """*ours* and *peer* are medians in microseconds; *ratio* is of the medians, with its quartiles pair by pair."""

    what: str
    peer: str
    ours_us: float
    peer_us: float
    ratio: float
    low: float
    high: float


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = [f for expression in ("0 2 * * SAT", "0 * * * *") for f in scheduling(expression)]
    figures.append(imports())
    width = max(len(f.what) for f in figures)
    print(f"{'what':{width}}  {'ours us':>10}  {'peer us':>10}  {'ratio':>7}  {'quartiles':>15}  peer")
    for f in figures:
        spread = f"{f.low:.3f}-{f.high:.3f}"
        print(f"{f.what:{width}}  {f.ours_us:10.1f}  {f.peer_us:10.1f}  {f.ratio:7.3f}  {spread:>15}  {f.peer}")
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")


def scheduling(expression: str) -> list[Figure]:
    """One schedule with 10,000 blackouts against plain cron."""
    now = datetime.now(UTC)
    dice = random.Random(1)
    first = int(now.timestamp()) - 40 * 86400
    blackouts = Spans((first + i * 1200, first + i * 1200 + dice.randint(60, 900)) for i in range(10_000))
    timetable = CalendarTimetable(expression, timezone=ZONE, windows=WINDOWS, blackouts=Known("bench", blackouts))
    data: dict[str, Any] = json.loads(json.dumps(timetable.serialize()))
    ours = CalendarTimetable.deserialize(data)
    cron = CronTriggerTimetable(expression, timezone=ZONE)
    cron_data = cron.serialize()
    week_ago = DateTime.instance(now - timedelta(days=7))
    first_run = cron.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(week_ago, None, catchup=True)
    )
    assert first_run is not None
    last = first_run.data_interval

    def step(timetable: Any, *, catchup: bool) -> Callable[[], object]:
        restriction = TimeRestriction(DateTime(2026, 1, 1, tzinfo=UTC), None, catchup)
        return lambda: timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)

    def steps(timetable: Any) -> object:
        interval = last
        for _ in range(500):
            info = timetable.next_dagrun_info(
                last_automated_data_interval=interval, restriction=TimeRestriction(None, None, catchup=True)
            )
            interval = info.data_interval
        return interval

    peer = "CronTriggerTimetable"
    return [
        compare(f"{expression}: next run, catchup off", peer, step(ours, catchup=False), step(cron, catchup=False)),
        compare(f"{expression}: next run, catchup on", peer, step(ours, catchup=True), step(cron, catchup=True)),
        compare(f"{expression}: 500 steps", peer, lambda: steps(ours), lambda: steps(cron), rounds=10),
        compare(
            f"{expression}: deserialize ({len(json.dumps(data))} bytes)",
            peer,
            lambda: CalendarTimetable.deserialize(data),
            lambda: CronTriggerTimetable.deserialize(cron_data),
        ),
    ]


def imports() -> Figure:
    """What importing the package costs a fresh interpreter."""

    def load(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return float(done.stdout)

    pairs = [(load("calendar_timetable"), load("airflow.sdk")) for _ in range(3)]
    return figure("import calendar_timetable", "import airflow.sdk", pairs)


def compare(
    what: str, peer: str, ours: Callable[[], object], other: Callable[[], object], rounds: int = ROUNDS
) -> Figure:
    """Time both in turns."""
    ours(), other()
    return figure(what, peer, [(clocked(ours), clocked(other)) for _ in range(rounds)])


def figure(what: str, peer: str, pairs: list[tuple[float, float]]) -> Figure:
    """The medians of timed *pairs*, in seconds."""
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    low, _, high = statistics.quantiles((a / b for a, b in pairs), n=4)
    return Figure(what, peer, mine * 1e6, theirs * 1e6, mine / theirs, low, high)


def clocked(call: Callable[[], object]) -> float:
    """Seconds that *call* takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
