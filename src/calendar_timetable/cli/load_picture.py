"""What is in use of pools over time, before and after a change, as a picture in SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from html import escape
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from calendar_timetable.planning import zones
from calendar_timetable.planning.explain import on_one_line
from calendar_timetable.planning.open_time import DAY

_WIDTH, _LEFT, _RIGHT = 960, 60, 20
_BREADTH = _WIDTH - _LEFT - _RIGHT
# Heights: of the head, of a pool with its title, of each of its two strips, between these.
_HEAD, _PANEL, _STRIP, _APART = 96, 226, 66, 14
_STEPS = 880  # that a line is drawn of, each at the most that is in use meanwhile
_DATES = 8  # below a chart, at most
_MOST_NAME = 80  # characters of a pool's name
_STYLE = """
  svg { font: 13px system-ui, sans-serif; } .paper { fill: #ffffff; }
  text { fill: #1f2937; } .end { text-anchor: end; } .middle { text-anchor: middle; }
  .soft { fill: #4b5563; } .title { font-size: 17px; font-weight: 600; }
  .name { font-weight: 600; } .grid { stroke: #d1d5db; } .before { fill: #9ca3af; }
  .after { fill: #2563eb; } path.grid { fill: none; }
  .slots { stroke: #b91c1c; stroke-width: 1.5; stroke-dasharray: 6 4; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #111827; } text { fill: #f3f4f6; } .soft { fill: #d1d5db; }
    .grid { stroke: #374151; } .before { fill: #6b7280; } .after { fill: #60a5fa; }
    .slots { stroke: #fca5a5; }
  }
"""


class Panel(NamedTuple):
    """A pool with so many *slots*: the most in use in each minute, as it was and as it would be."""

    name: str
    slots: float
    before: Sequence[float]
    after: Sequence[float]


def picture(
    panels: Sequence[Panel], since: float, until: float, zone: ZoneInfo, subtitle: str
) -> str:
    """Return an SVG of *panels*, one below the other, with a *subtitle* for all of them.

    Times from *since* to *until*, in epoch seconds, are shown by the clocks of *zone*.
    """
    height = _HEAD + _PANEL * len(panels)
    title = "Slots in use: as it was, and with the other rules"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{title}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{_WIDTH}" height="{height}"/>',
        _text(_LEFT, 28, title, "title"),
        _text(_LEFT, 48, subtitle, "soft"),
        f'<rect class="before" x="{_LEFT}" y="66" width="24" height="12"/>',
        _text(_LEFT + 32, 77, "as it was"),
        f'<rect class="after" x="{_LEFT + 130}" y="66" width="24" height="12"/>',
        _text(_LEFT + 162, 77, "with the other rules"),
        f'<path class="slots" d="M{_LEFT + 320} 72h24"/>',
        _text(_LEFT + 352, 77, "slots of the pool"),
    ]
    for number, panel in enumerate(panels):
        lines.append(f'<g transform="translate(0 {_HEAD + number * _PANEL})">')
        lines += _panel_lines(panel, since, until, zone)
        lines.append("</g>")
    return "\n".join((*lines, "</svg>", ""))


def _panel_lines(panel: Panel, since: float, until: float, zone: ZoneInfo) -> Iterator[str]:
    limited = math.isfinite(panel.slots)
    top = math.ceil(max((*panel.before, *panel.after, panel.slots if limited else 0, 1)))
    name = on_one_line(panel.name)
    name = name if len(name) <= _MOST_NAME else f"{name[:_MOST_NAME]}…"
    slots = f"{panel.slots:g} slots" if limited else "slots without end"
    yield _text(_LEFT, 20, f"{name}: {slots}", "name")
    below = 34.0
    for kind, values in (("before", panel.before), ("after", panel.after)):
        above, below = below, below + _STRIP
        scale = _STRIP / top
        for value, y in ((top, above), (0, below)):
            yield f'<path class="grid" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
            yield _text(_LEFT - 8, y + 4, str(value), "soft end")
        steps = "".join(f"V{round(below - value * scale, 1)}H{x}" for x, value in _steps(values))
        yield f'<path class="{kind}" d="M{_LEFT} {below}{steps}V{below}Z"/>'
        if limited:
            y = round(below - panel.slots * scale, 1)
            yield f'<path class="slots" d="M{_LEFT} {y}H{_WIDTH - _RIGHT}"/>'
        below += _APART
    below -= _APART
    for at, text in _dates(since, until, zone):
        x = round(_LEFT + _BREADTH * (at - since) / (until - since), 1)
        yield f'<path class="grid" d="M{x} {below}v6"/>'
        yield _text(x, below + 20, text, "soft middle")


def _steps(values: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield where each step of a line ends, in pixels, and the most of *values* in it.

    A step as high as the one before goes on with it.
    """
    count = min(_STEPS, len(values))
    ends = [len(values) * (number + 1) // count for number in range(count)]
    most = [max(values[low:high]) for low, high in pairwise((0, *ends))]
    for number, value in enumerate(most):
        if number + 1 == count or most[number + 1] != value:
            yield round(_LEFT + _BREADTH * ends[number] / len(values), 1), value


def _dates(since: float, until: float, zone: ZoneInfo) -> Iterator[tuple[float, str]]:
    """Yield some midnights from *since* to *until*, each as an instant and as text."""
    first = zones.to_datetime(since).astimezone(zone).date() + timedelta(days=1)
    days = max(1, math.ceil((until - since) / DAY / _DATES))
    for number in range(0, math.ceil((until - since) / DAY) + 1, days):
        day = first + timedelta(days=number)
        at = zones.local_instant(day, 0, zone)
        if at < until:
            yield at, f"{day.day} {day:%b}"


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    of = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{of}>{escape(text)}</text>'
