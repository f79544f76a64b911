"""The tables of docs/performance.md and docs/capacity.md tell what benchmarks/baseline.json keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import baseline

DOCS = Path(__file__).parents[2] / "docs"
KNOWN = baseline.load(baseline.FILE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")

CATCHUP = "{}, catchup {}: {}"
NEXT, FRESH = "next run, of an object asked before", "deserialize and next run, as a scheduler does"
HALF = "hourly, half of all time closed by 1,000 events, now {}, catchup {}: next run"
CLOSED = "minutely, closed for {} days, catchup {}: deserialize and next run"
STEPS = "{}: 2,000 steps of the Calendar view, {}"
CYCLE = "CPU {} a parse cycle on 50 calendars, DAGs in a file: {}"
RULES = ("weekly", "hourly")
# Of the rows that tell ratios, in the page's order: how each begins, and the figures of its cell.
ROWS = (
    ("next run, catchup off: weekly", [CATCHUP.format(rule, "off", NEXT) for rule in RULES]),
    ("the same, as a scheduler does", [CATCHUP.format(rule, "off", FRESH) for rule in RULES]),
    ("next run, catchup on: weekly", [CATCHUP.format(rule, "on", NEXT) for rule in RULES]),
    ("the same, as a scheduler does", [CATCHUP.format(rule, "on", FRESH) for rule in RULES]),
    ("the slowest 1 %", ["hourly, catchup on: the same, 99th percentile"]),
    ("decoding", ["weekly: deserialize", "hourly: deserialize"]),
    ("2,000 steps", [STEPS.format(rule, "of an object asked before") for rule in RULES]),
    ("the same, of a schedule just decoded", [STEPS.format(rule, "first time") for rule in RULES]),
    ("next run three days into", [CLOSED.format(days, "off") for days in (46, 365)]),
    ("the same, catchup on: minutely", [CLOSED.format(days, "on") for days in (46, 365)]),
    (
        "next run, half of all time closed",
        [HALF.format(now, catchup) for catchup in ("off", "on") for now in ("open", "closed")],
    ),
    ("cold read, 10,000 events, 120 days", ["cold read, 10,000 events, 120 days"]),
    ("cold read of a dense calendar", ["cold read, dense: 2,000 live series, 150 days"]),
    (
        "read again",
        [
            "re-read, bytes identical",
            "re-read, only DTSTAMPs changed",
            "re-read, 1 % of events changed",
        ],
    ),
    (
        "memory of a cold read",
        ["memory of a cold read, 10,000 events", "memory of a cold read, 100,000 events"],
    ),
    ("cold read of 100,000 events", ["cold read, 100,000 events"]),
    ("parse of a DAG file", ["CPU of a DAG file's parse, weekly, warm cache"]),
    ("import of `calendar_timetable`", ["import calendar_timetable"]),
    ("our share of a parse cycle", ["our " + CYCLE.format("in", 1)]),
    ("the same, 20 DAGs in a file", ["our " + CYCLE.format("in", 20)]),
    ("CPU of that cycle", [CYCLE.format("of", number) for number in (1, 20)]),
    ("time to create 2,000 due runs", ["creating 2,000 due runs, two schedulers, PostgreSQL"]),
)
SIZES = (  # which are told in KB, beside the most that is aimed at
    ("size in the DAG: weekly", "serialized size, weekly, 10,000 blackouts"),
    ("size in the DAG: every quarter", "serialized size, */15, 5,000 blackouts"),
)


def cells(page: str) -> list[list[str]]:
    """Return the cells of each row of a page's tables."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]


def known(figure: str) -> baseline.Known:
    """Return what is known of a figure; each has a name of its own, whatever its group."""
    [found] = [group[figure] for group in KNOWN.values() if figure in group]
    return found


def places(number: str) -> int:
    return len(number.partition(".")[2])


def rows() -> Iterator[tuple[list[str], list[str]]]:
    """Yield each row of ROWS as the page has it, with its figures."""
    left = iter(cells("performance.md"))
    for begin, figures in ROWS:
        yield next(row for row in left if row[0].startswith(begin)), figures


@pytest.mark.parametrize(("row", "figures"), list(rows()), ids=[begin for begin, _ in ROWS])
def test_ratios(row: list[str], figures: list[str]) -> None:
    """A row has each figure as it is known, rounded; and where one is aimed at, what."""
    told = NUMBER.findall(re.sub(r"\([^)]*\)", "", row[2]))
    ratios = [known(figure)["ratio"] for figure in figures]

    assert [
        f"{ratio:.{places(number)}f}" for number, ratio in zip(told, ratios, strict=True)
    ] == told
    aims = {known(figure)["target"] for figure in figures} - {None}
    assert aims == {float(number) for number in NUMBER.findall(row[3])}


@pytest.mark.parametrize(("begin", "figure"), SIZES)
def test_sizes(begin: str, figure: str) -> None:
    [row] = [row for row in cells("performance.md") if row[0].startswith(begin)]
    [told], [most] = NUMBER.findall(row[2]), NUMBER.findall(row[3])

    assert f"{known(figure)['ratio'] * float(most):.{places(told)}f}" == told


PLACED = [row for row in cells("capacity.md") if len(row) == 7 and "%" in row[1]]
AT_DEADLINE = 8  # rows of the first table, without cron's


@pytest.mark.parametrize("number", range(len(PLACED)), ids=[row[0] for row in PLACED])
def test_capacity(number: int) -> None:
    """How much more work the same machines do is what less of them does the same work."""
    name, median = PLACED[number][0].strip("*"), float(PLACED[number][1].strip("*").rstrip(" %"))
    shorter = {
        "cron with an hour of jitter": "cron, an hour of jitter",
        "windows (nights, weekends)": "windows",
        "windows with a stagger of 4 h": "windows, stagger of 4 h",
        "spread over the slack, by hash": "spread over the slack",
        "first fit on arrival, a queue": "first fit on arrival",
    }
    when = "the trace's deadlines" if number < AT_DEADLINE else "within a day"
    ratio = known(f"capacity for the same work, {when}: {shorter.get(name, name)}")["ratio"]

    assert median == pytest.approx(100 / ratio - 100, abs=0.5)
