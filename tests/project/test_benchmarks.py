"""The comparison with the baseline of benchmarks: it passes, and it fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import baseline
from benchmarks.figures import Figure, figure, of_pairs

FAST, SLOW = "steps", "reading"


class Group(ModuleType):
    """A group of benchmarks; each measuring gives its figures the next of *ratios*."""

    def __init__(self, ratios: list[dict[str, float]]) -> None:
        super().__init__("benchmarks.made_up")
        self.ratios = ratios

    def figures(self) -> Iterator[Figure]:
        for what, ratio in self.ratios.pop(0).items():
            yield of_pairs(what, "a peer", [(ratio, 1.0)], "s")


@pytest.fixture
def known(tmp_path: Path) -> Path:
    file = tmp_path / "baseline.json"
    entries = {FAST: {"ratio": 0.02, "target": 0.05}, SLOW: {"ratio": 2.0, "target": None}}
    file.write_text(
        json.dumps(
            {"made_up": entries, "another": {"not measured here": {"ratio": 1, "target": None}}}
        )
    )
    return file


def run(
    monkeypatch: pytest.MonkeyPatch, file: Path, *ratios: dict[str, float], options: str = "--check"
) -> int:
    monkeypatch.setattr(benchmarks, "GROUPS", ("made_up",))
    monkeypatch.setitem(sys.modules, "benchmarks.made_up", Group(list(ratios)))
    return benchmarks.main([*options.split(), "--baseline", str(file)])


def test_what_is_as_good_as_before_passes(monkeypatch: pytest.MonkeyPatch, known: Path) -> None:
    assert run(monkeypatch, known, {FAST: 0.0299, SLOW: 1.0}) == 0


def test_one_and_a_half_times_a_ratio_fails(
    monkeypatch: pytest.MonkeyPatch, known: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = {FAST: 0.03, SLOW: 2.9}

    assert run(monkeypatch, known, worse, worse) == 1
    assert capsys.readouterr().err == "made_up: steps: 0.03, 1.50 times the baseline's 0.02\n"


def test_what_is_worse_only_once_was_the_machine(
    monkeypatch: pytest.MonkeyPatch, known: Path
) -> None:
    assert run(monkeypatch, known, {FAST: 0.3, SLOW: 2.0}, {FAST: 0.02, SLOW: 20.0}) == 0


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ({FAST: 0.02}, "reading: in the baseline, but not"),
        ({FAST: 0.02, SLOW: 2, "new": 1}, "new: not in the baseline"),
    ],
)
def test_figures_that_cannot_be_compared_fail(
    ratios: dict[str, float],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    known: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, known, ratios, ratios) == 1
    assert said in capsys.readouterr().err


def test_a_new_baseline_keeps_targets_and_other_groups(
    monkeypatch: pytest.MonkeyPatch, known: Path
) -> None:
    assert run(monkeypatch, known, {FAST: 0.012345, "new": 1.0}, options="made_up --keep") == 0

    assert json.loads(known.read_text()) == {
        "another": {"not measured here": {"ratio": 1, "target": None}},
        "made_up": {FAST: {"ratio": 0.0123, "target": 0.05}, "new": {"ratio": 1.0, "target": None}},
    }


def test_the_json_has_the_spread(
    monkeypatch: pytest.MonkeyPatch, known: Path, tmp_path: Path
) -> None:
    file = tmp_path / "figures.json"

    run(monkeypatch, known, {FAST: 0.5}, options=f"--json {file}")

    told = json.loads(file.read_text())
    assert told["figures"]["made_up"] == [
        {
            "what": FAST,
            "peer": "a peer",
            "ours": 0.5,
            "theirs": 1,
            "ratio": 0.5,
            "low": 0.5,
            "high": 0.5,
            "unit": "s",
        }
    ]
    assert set(told["on"]) == {"airflow", "icalendar", "python", "machine"}


def test_a_figure_is_of_medians_with_the_quartiles_of_its_pairs() -> None:
    of = figure("ours", "theirs", [(1e-6, 4e-6), (3e-6, 4e-6), (2e-6, 4e-6)])

    assert of.unit == "µs"
    assert [of.ours, of.theirs, of.ratio, of.low, of.high] == pytest.approx([2, 4, 0.5, 0.25, 0.75])


def test_the_committed_baseline_is_of_groups_that_are_there() -> None:
    known = baseline.load(baseline.FILE)

    assert set(known) == set(benchmarks.GROUPS)
    assert all(
        entry.keys() == {"ratio", "target"} for group in known.values() for entry in group.values()
    )
