"""Measure ours against named peers: a table, and the same as JSON.

A group is a module of this package whose ``figures()`` yields its figures.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks import baseline
from benchmarks.figures import Figure

GROUPS = (
    "scheduling",
    "remembered",
    "parsing",
    "freeze",
    "cycle",
    "importing",
    "reading",
    "memory",
    "listing",
    "bounds",
    "throughput",
    "utilisation",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 where ``--check`` finds a regression, twice in a row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "groups", nargs="*", metavar="GROUP", help=f"any of {', '.join(GROUPS)}; default: all"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures there, with their spread"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help=f"fail on a ratio {baseline.WORSE} times the baseline's",
    )
    parser.add_argument("--keep", action="store_true", help="make what is measured the baseline")
    parser.add_argument(
        "--baseline", type=Path, default=baseline.FILE, metavar="FILE", help="default: %(default)s"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.groups) - set(GROUPS):
        parser.error(f"no group {', '.join(sorted(unknown))}: choose from {', '.join(GROUPS)}")
    known = baseline.load(options.baseline)
    measured = {group: measure(group, known) for group in options.groups or GROUPS}
    if options.json:
        write(options.json, measured)
    if options.keep:
        baseline.keep(measured, options.baseline)
    return check(measured, known) if options.check else 0


def measure(group: str, known: baseline.Baseline) -> list[Figure]:
    """Every figure of *group*, each printed as soon as it is there."""
    print(f"\n{group}\n{'ratio':>9} {'quartiles':>19} {'target':>7}  {'ours':>9}  {'peer':>9}")
    figures = []
    for figure in import_module(f"benchmarks.{group}").figures():
        figures.append(figure)
        target = known.get(group, {}).get(figure.what, {"ratio": 0.0, "target": None})["target"]
        aim = "" if target is None else f"{target:g}{'!' if figure.ratio > target else ' '}"
        spread = f"{figure.low:.4g}-{figure.high:.4g}"
        sides = f"{figure.ours:>9.6g}  {figure.theirs:>9.6g} {figure.unit}"
        print(
            f"{figure.ratio:9.4g} {spread:>19} {aim:>7}  {sides}  {figure.what} / {figure.peer}",
            flush=True,
        )
    return figures


def check(measured: dict[str, list[Figure]], known: baseline.Baseline) -> int:
    """Report regressions.

    A group that seems to have one is measured again, and the better of each figure counts.
    """
    for group in baseline.regressions(measured, known):
        first = {f.what: f for f in measured[group]}
        again = measure(group, known)
        measured[group] = [min(f, first.get(f.what, f), key=lambda f: f.ratio) for f in again]
    wrong = baseline.regressions(measured, known)
    for group, lines in wrong.items():
        for line in lines:
            print(f"{group}: {line}", file=sys.stderr)
    return 1 if wrong else 0


def write(file: Path, measured: dict[str, list[Figure]]) -> None:
    """Write the figures to *file* as JSON, with what they were measured on."""
    where = {
        name: version(f"apache-{name}" if name == "airflow" else name)
        for name in ("airflow", "icalendar")
    }
    where |= {"python": platform.python_version(), "machine": platform.machine()}
    groups = {group: [asdict(f) for f in figures] for group, figures in measured.items()}
    file.write_text(
        json.dumps({"on": where, "figures": groups}, indent=2, ensure_ascii=False) + "\n"
    )


if __name__ == "__main__":
    sys.exit(main())
