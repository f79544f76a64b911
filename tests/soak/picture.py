"""A soak as a picture: memory over time, kills as marks, runs per minute, and what was judged."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from calendar_timetable.cli.load_picture import _text
from tests.soak.judge import Record, Verdict

_WIDTH, _LEFT, _RIGHT, _HEIGHT = 960, 70, 190, 200
_BREADTH = _WIDTH - _LEFT - _RIGHT
# Of lines, each readable on light and dark paper.
_COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777", "#7c3aed", "#0891b2", "#78716c", "#dc2626")
_STYLE = """
  svg { font: 13px system-ui, sans-serif; } .paper { fill: #ffffff; }
  text { fill: #1f2937; } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .soft { fill: #4b5563; } .title { font-size: 17px; font-weight: 600; } .name { font-weight: 600; }
  .grid { stroke: #d1d5db; fill: none; } .line { fill: none; stroke-width: 1.5; }
  .made { fill: #2563eb; } .moved { fill: #d97706; } .held { fill: #9ca3af; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #111827; } text { fill: #f3f4f6; } .soft { fill: #d1d5db; }
    .grid { stroke: #374151; } .made { fill: #60a5fa; } .moved { fill: #fbbf24; }
    .held { fill: #6b7280; }
  }
"""


def picture(record: Record, verdicts: Sequence[Verdict]) -> str:
    """Return an SVG of *record*, which tells when it was, on what, and with what result."""
    below = 2 * (_HEIGHT + 70) + 70
    height = below + 22 * len(verdicts) + 14
    minutes = (record.ended - record.began) / 60
    title = f"{minutes:.0f} minutes of {len(record.dags)} DAGs"
    about = ", ".join(f"{name} {value}" for name, value in record.about.items())
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{title}</title><style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        _text(_LEFT, 28, f"{title}, {datetime.fromtimestamp(record.began, UTC):%d %B %Y}", "title"),
        _text(_LEFT, 48, about, "soft"),
        '<g transform="translate(0 70)">',
        *_memory(record),
        f'</g><g transform="translate(0 {140 + _HEIGHT})">',
        *_runs(record),
        "</g>",
    ]
    for number, verdict in enumerate(verdicts):
        said = "✓" if verdict.holds else f"✗ {len(verdict.faults)} faults:"
        lines.append(_text(_LEFT, below + 22 * number, f"{said} {verdict.what}", "name"))
    return "\n".join((*lines, "</svg>", ""))


def _memory(record: Record) -> Iterator[str]:
    """Yield a line of each component's memory, and a mark where it was killed."""
    by_component: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for sample in record.samples:
        if sample.memory:
            by_component[sample.component].append((sample.at, sample.memory))
    top = _round_up(max((m for each in by_component.values() for _, m in each), default=1))
    yield from _axes(record, "Memory (MB); a mark where a component was killed", top)
    colours = dict(zip(by_component, _COLOURS * 2, strict=False))
    for number, (component, values) in enumerate(by_component.items()):
        drawn = (f"{_x(record, at)} {_y(memory, top)}" for at, memory in values)
        yield f'<path class="line" stroke="{colours[component]}" d="M{"L".join(drawn)}"/>'
        y = 30 + 18 * number
        yield f'<path stroke="{colours[component]}" stroke-width="4" d="M{_WIDTH - 175} {y}h18"/>'
        yield _text(_WIDTH - 150, y + 4, component)
    for event in record.events:
        if event.what != "started":
            colour = colours.get(event.component, _COLOURS[-1])
            yield f'<path fill="{colour}" d="M{_x(record, event.at)} {_HEIGHT}l-4 -9h8Z"/>'


def _runs(record: Record) -> Iterator[str]:
    """Yield a bar for each minute: due times by what became of them."""
    made, moved, due = Counter[int](), Counter[int](), Counter[int]()
    known: dict[str, list[float]] = defaultdict(list)
    for run in record.runs:
        known[run.dag_id].append(run.due)
        counted = made if abs(run.start - run.due) < 1 else moved
        counted[int((run.due - record.began) // 60)] += 1
    for dag in record.dags:
        # What is due after the last run is still to come.
        if dues := known[dag.dag_id]:
            for at in range(int(min(dues)), int(max(dues)) + 1, dag.every):
                due[int((at - record.began) // 60)] += 1
    top = _round_up(max((due[minute] for minute in due if minute >= 0), default=1))
    yield from _axes(record, "Due times per minute", top)
    labels = {"made": "run when due", "moved": "run at another time", "held": "skipped or combined"}
    for number, (kind, label) in enumerate(labels.items()):
        y = 24 + 18 * number
        yield f'<rect class="{kind}" x="{_WIDTH - 175}" y="{y}" width="18" height="12"/>'
        yield _text(_WIDTH - 150, y + 11, label)
    minutes = (record.ended - record.began) / 60
    width = max(_BREADTH / max(minutes, 1) - 1, 0.5)
    # Some are due before the begin; the runs of some that are due after the end were advanced.
    for minute in range(int(minutes)):
        base = 0
        held = max(due[minute] - made[minute] - moved[minute], 0)
        x = _x(record, record.began + 60 * minute)
        for name, count in (("made", made[minute]), ("moved", moved[minute]), ("held", held)):
            above, size = _y(base + count, top), round(count / top * (_HEIGHT - 20), 1)
            yield f'<rect class="{name}" x="{x}" y="{above}" width="{width:.1f}" height="{size}"/>'
            base += count


def _axes(record: Record, name: str, top: float) -> Iterator[str]:
    yield _text(_LEFT, 12, name, "name")
    for value in (0, top / 2, top):
        yield f'<path class="grid" d="M{_LEFT} {_y(value, top)}H{_WIDTH - _RIGHT}"/>'
        yield _text(_LEFT - 8, _y(value, top) + 4, f"{value:g}", "soft end")
    minutes = (record.ended - record.began) / 60
    for minute in _rounds(minutes):
        x = _x(record, record.began + 60 * minute)
        yield _text(x, _HEIGHT + 20, f"{minute} min", "soft middle")


def _rounds(minutes: float) -> Iterable[int]:
    return range(0, int(minutes) + 1, max(1, math.ceil(minutes / 40) * 5))


def _round_up(value: float) -> float:
    step: float = 10 ** math.floor(math.log10(max(value, 1)))
    return math.ceil(value / step) * step


def _x(record: Record, at: float) -> float:
    return round(_LEFT + _BREADTH * (at - record.began) / (record.ended - record.began), 1)


def _y(value: float, top: float) -> float:
    return round(_HEIGHT - value / top * (_HEIGHT - 20), 1)
