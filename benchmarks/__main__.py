"""``make bench``: a table, and the same as JSON with ``--json FILE``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.figures import Figure, figure
from benchmarks.listing import listing
from benchmarks.reading import reading
from benchmarks.scheduling import scheduling


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    figures = [f for expression in ("0 2 * * SAT", "0 * * * *") for f in scheduling(expression)]
    figures += [*reading(), *listing(), imports()]
    width = max(len(f.what) for f in figures)
    print(f"{'what':{width}}  {'ours us':>10}  {'peer us':>10}  {'ratio':>7}  {'quartiles':>15}  peer")
    for f in figures:
        spread = f"{f.low:.3f}-{f.high:.3f}"
        print(f"{f.what:{width}}  {f.ours_us:10.1f}  {f.peer_us:10.1f}  {f.ratio:7.3f}  {spread:>15}  {f.peer}")
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")


def imports() -> Figure:
    """What importing the package costs a fresh interpreter."""

    def load(module: str) -> float:
        code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        return float(done.stdout)

    pairs = [(load("calendar_timetable"), load("airflow.sdk")) for _ in range(3)]
    return figure("import calendar_timetable", "import airflow.sdk", pairs)


if __name__ == "__main__":
    main()
