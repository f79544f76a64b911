"""Draw the flame graph of docs/performance.md: ``python -m tools.flame_graphs``.

The samples are py-spy's, which Airflow brings along.

Drawn here rather than by py-spy: a picture in a page runs no script, and this one keeps to the
reader's light or dark.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from html import escape
from pathlib import Path

FILE = Path(__file__).parents[1] / "docs" / "images" / "reading.svg"
WORK = """
from benchmarks.feed import google_like
from benchmarks.reading import NOW, anew, edited
from calendar_timetable.calendars.ical.series_cache import dump_reading

def first_reading():
    for _ in range(8):
        anew(body)

def after_an_edit():
    for _ in range(16):
        anew(changed, earlier)

body = google_like(10_000, NOW)
changed, earlier = edited(body), dump_reading(anew(body))
first_reading()
after_an_edit()
"""
TITLES = {
    "first_reading": "10,000 events, for the first time",
    "after_an_edit": "the same after 1 % of them changed",
}
WIDTH, ROW, LETTER = 960, 19, 6.7  # pixels; the last: how wide a letter of the font is
NARROWEST = 4
STYLE = """
text { font: 11px ui-monospace, monospace; fill: #1c2530 }
.title { font-weight: bold }
.ours { fill: #9cc7f0 } .other { fill: #d9dee4 } rect { stroke: #fff; stroke-width: .6 }
@media (prefers-color-scheme: dark) {
  text { fill: #e8edf2 } .ours { fill: #23568a } .other { fill: #3d4650 } rect { stroke: #14181d }
}
"""


class Frame:
    """A function where time was spent, below the one that called it."""

    def __init__(self, name: str = "") -> None:
        self.name, self.count = name, 0
        self.below: dict[str, Frame] = {}

    def add(self, stack: list[str], count: int) -> None:
        self.count += count
        if stack:
            self.below.setdefault(stack[0], Frame(stack[0])).add(stack[1:], count)

    def rows(self, least: float) -> int:
        """How deep it goes, where frames seen less than *least* times are left out."""
        return 1 + max(
            (below.rows(least) for below in self.below.values() if below.count >= least), default=0
        )


def main() -> None:
    """Sample reading, and draw it."""
    roots = {name: Frame() for name in TITLES}
    for stack, count in sampled():
        for name, root in roots.items():
            at = next((i for i, frame in enumerate(stack) if frame.startswith(f"{name} ")), None)
            if at is not None:
                root.add(stack[at + 2 :], count)  # past the benchmark's own call
    FILE.write_text(drawn(roots))


def sampled() -> Iterator[tuple[list[str], int]]:
    """Stacks, outermost first, and how often each was seen."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stacks"
        sample = [
            str(Path(sys.executable).with_name("py-spy")),
            "record",
            "--rate",
            "200",
            "--function",
            "--format",
            "raw",
        ]
        command = [*sample, "--output", str(out), "--", sys.executable, "-c", WORK]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  (our own work)
        for line in out.read_text().splitlines():
            stack, _, count = line.rpartition(" ")
            yield stack.split(";"), int(count)


def drawn(roots: dict[str, Frame]) -> str:
    """Return the picture: one graph below the other, callers above what they call."""
    parts: list[str] = []
    top = 0
    for name, root in roots.items():
        parts.append(f'<text class="title" x="4" y="{top + 14}">{escape(TITLES[name])}</text>')
        parts += boxes(root, root.count, 0.0, top + ROW)
        top += ROW * (root.rows(root.count * NARROWEST / WIDTH) + 1)
    size = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}"'
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<style>{STYLE}</style>",
        *parts,
        "</svg>",
        "",
    )
    return "\n".join(lines)


def boxes(frame: Frame, whole: int, left: float, top: float) -> Iterator[str]:
    """Return what is below *frame*, from *left* on; the widest first."""
    for below in sorted(frame.below.values(), key=lambda each: -each.count):
        width = WIDTH * below.count / whole
        if width < NARROWEST:
            break
        kind = "ours" if "calendar_timetable" in below.name else "other"
        # Its name and its file's
        label = re.sub(r" \(.*?([^/:]+)(?::\d+)?\)$", r", \1", below.name)
        share = f"{label}: {100 * below.count / whole:.1f} %"
        box = f'x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}"'
        yield f'<g><title>{escape(share)}</title><rect class="{kind}" {box}/>'
        fits = int((width - 6) / LETTER)
        text = label if len(label) <= fits else label.split(",")[0][:fits]
        if fits > 2:
            yield f'<text x="{left + 3:.1f}" y="{top + 13}">{escape(text)}</text>'
        yield "</g>"
        yield from boxes(below, whole, left, top + ROW)
        left += width


if __name__ == "__main__":
    main()
