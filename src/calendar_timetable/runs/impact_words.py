"""What a blackout would do, in words and as plain data, for the page and the command line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from calendar_timetable.planning import explain, zones
from calendar_timetable.runs.better_times import Better
from calendar_timetable.runs.impact import KINDS, Change, Impact, Kind, PlannedBlackout

_TOLD: dict[Kind, tuple[str, str]] = {
    "postponed": ("postpone", ""),
    "advanced": ("advance", ""),
    "combined": ("combine", " with others"),
    "skipped": ("skip", ""),
}
_NAMED = 3  # DAGs that a sentence names


def sentence(impact: Impact) -> str:
    """Say in one sentence what the blackout would do.

    As in "would postpone 12 runs, skip 1, and make release miss its deadline by 3 h".
    """
    counts = impact.counts
    parts: list[str] = []
    for kind, (verb, after) in _TOLD.items():
        if count := counts[kind]:
            what = f"{count} {'run' if count == 1 else 'runs'}" if not parts else f"{count}"
            parts.append(f"{verb} {what}{after}")
    missing = impact.missing
    for dag_id, over in list(missing.items())[:_NAMED]:
        how = "" if over == math.inf else f" by {explain.format_length(over)}"
        parts.append(f"make {dag_id} miss its deadline{how}")
    if len(missing) > _NAMED:
        parts.append(f"make {len(missing) - _NAMED} more DAGs miss theirs")
    text = f"would {_listed(parts)}" if parts else "would move no run"
    if count := counts["forced"]:
        text += f"; {_number(count, 'run starts', 'runs start')} in it all the same"
    if count := counts["separate"]:
        text += f"; {_number(count, 'run is', 'runs are')} no longer combined"
    if count := len(impact.waiting):
        text += f"; tasks of {_number(count, 'DAG', 'DAGs')} without due times would wait"
    return text


def in_words(change: Change, zone: ZoneInfo) -> str:
    """Say what becomes of one run, in *zone*.

    As in "due Tue 10 Nov 2026 20:00 CET, would start Wed 11 Nov 00:00: 4 h later".
    """
    text = f"due {explain.format_clock(change.due, zone)}, would "
    if change.kind in ("postponed", "advanced", "separate") and change.after is not None:
        text += f"start {explain.format_clock(change.after, zone, change.due)}: "
    elif change.kind == "forced":
        text += "start: "
    else:
        text += "be "
    return text + in_short(change, zone)


def in_short(change: Change, zone: ZoneInfo) -> str:
    """Say how one run is moved, beside its starts: "4 h later, misses its deadline by 1 h"."""
    near = change.due
    if change.kind == "skipped":
        parts = ["skipped"]
    elif change.kind == "combined":
        with_ = near if change.runs_with is None else change.runs_with
        parts = [f"combined with the run due {explain.format_clock(with_, zone, near)}"]
    elif change.kind == "forced":
        parts = ["in it all the same"]
    elif change.kind == "separate":
        parts = ["by itself"]
    else:
        how = "later" if change.kind == "postponed" else "earlier"
        parts = [f"{explain.format_length(change.delay)} {how}"]
    if change.missed is not None:
        by = "" if change.missed == math.inf else f" by {explain.format_length(change.missed)}"
        parts.append(f"misses its deadline{by}")
    if change.uncertain:
        parts.append("as far as its calendars are known")
    return ", ".join(parts)


def as_json(
    impact: Impact, period: PlannedBlackout, zone: ZoneInfo, limit: int, offset: int = 0
) -> dict[str, Any]:
    """Return *impact* as plain data; texts are in *zone*.

    Of its runs there are at most *limit*, after the first *offset*.
    """
    counts, page = impact.counts, impact.changes[offset : offset + limit]
    return {
        "start": zones.to_datetime(period.start),
        "end": zones.to_datetime(period.end),
        "summary": sentence(impact),
        "counts": {kind: counts[kind] for kind in KINDS},
        "changes": [_change_as_json(change, zone) for change in page],
        "total_entries": len(impact.changes),
        "missing": [
            {"dag_id": dag_id, "by_seconds": _seconds(by)} for dag_id, by in impact.missing.items()
        ],
        "waiting_dags": impact.waiting[:limit],
        "dags": impact.looked_at,
        "untold_dags": [*impact.untold, *impact.unread][:limit],
        "truncated": bool(
            impact.untold or impact.unread or offset + len(page) < len(impact.changes)
        ),
    }


def _change_as_json(change: Change, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "dag_id": change.dag_id,
        "dag_display_name": change.subject.dag.name,
        "due": zones.to_datetime(change.due),
        "kind": change.kind,
        "start": zones.to_datetime_or_none(change.before),
        "new_start": zones.to_datetime_or_none(change.after),
        "runs_with": zones.to_datetime_or_none(change.runs_with),
        "delay_seconds": change.delay,
        "misses_deadline": change.missed is not None,
        "missed_by_seconds": _seconds(change.missed),
        "uncertain": change.uncertain,
        "how": in_short(change, zone),
        "text": in_words(change, zone),
    }


def told_better(times: Sequence[tuple[Better, Impact]]) -> list[dict[str, Any]]:
    """Return *times* as plain data, each with what it would do."""
    return [
        {
            "start": zones.to_datetime(time.period.start),
            "end": zones.to_datetime(time.period.end),
            "runs": time.cost.runs,
            "delay_seconds": time.cost.delay,
            "summary": sentence(impact),
        }
        for time, impact in times
    ]


def _seconds(length: float | None) -> int | None:
    return None if length is None or length == math.inf else int(length)


def _number(count: int, singular: str, plural: str) -> str:
    return f"{count} {singular if count == 1 else plural}"


def _listed(parts: list[str]) -> str:
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"
