"""What was measured before, and what is aimed at.

``baseline.json`` holds it by group and by the figure's name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from benchmarks.figures import Figure

FILE = Path(__file__).with_name("baseline.json")
WORSE = 1.5  # times the baseline's ratio: more than a busy machine explains


class Known(TypedDict):
    """A figure's ratio when it was last kept, and the most that is aimed at.

    ``None`` means that nothing is aimed at.
    """

    ratio: float
    target: float | None


Baseline = dict[str, dict[str, Known]]
Measured = Mapping[str, Sequence[Figure]]


def load(file: Path) -> Baseline:
    """Return what *file* holds, or nothing where there is no such file."""
    known: Baseline = json.loads(file.read_text()) if file.exists() else {}
    return known


def keep(measured: Measured, file: Path) -> None:
    """Make what was *measured* the baseline of its groups; targets stay, and are set by hand."""
    known = load(file)
    for group, figures in measured.items():
        before = known.get(group, {})
        targets = {what: entry["target"] for what, entry in before.items()}
        known[group] = {
            f.what: {"ratio": float(f"{f.ratio:.3g}"), "target": targets.get(f.what)}
            for f in figures
        }
    file.write_text(json.dumps(known, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def regressions(measured: Measured, known: Baseline) -> dict[str, list[str]]:
    """Return, by group, what is wrong with what was *measured*.

    That is a ratio much worse than the known one, or a figure with none to compare.
    """
    found: dict[str, list[str]] = {}
    for group, figures in measured.items():
        entries, ratios = known.get(group, {}), {f.what: f.ratio for f in figures}
        wrong = [
            f"{what}: not in the baseline; --keep puts it there"
            for what in ratios.keys() - entries.keys()
        ]
        wrong += [
            f"{what}: in the baseline, but not measured any more"
            for what in entries.keys() - ratios.keys()
        ]
        for what in ratios.keys() & entries.keys():
            ratio, before = ratios[what], entries[what]["ratio"]
            if ratio >= WORSE * before:
                wrong.append(
                    f"{what}: {ratio:.4g}, {ratio / before:.2f} times the baseline's {before:.4g}"
                )
        if wrong:
            found[group] = sorted(wrong)
    return found
