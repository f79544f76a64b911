"""Resolved time sets as JSON: part of the serialized form, so keys are only ever added."""

from __future__ import annotations

from datetime import date
from typing import Any

from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.timesets import (
    Combined,
    Complement,
    Days,
    Difference,
    Intersection,
    Known,
    TimeSet,
    Union,
)
from calendar_timetable.planning.weekly import Weekly

_COMBINED: dict[str, type[Combined]] = {
    "any": Union,
    "all": Intersection,
    "except": Difference,
    "not": Complement,
}
_KEYS = {kind: key for key, kind in _COMBINED.items()}


def encode(timeset: TimeSet, keep: Spans | None = None) -> dict[str, Any]:
    """*timeset*, resolved, as JSON; of calendars only what lies in *keep* (``None``: everything)."""
    match timeset:
        case Combined():
            return {_KEYS[type(timeset)]: [encode(member, keep) for member in timeset.members]}
        case Weekly():
            return {"weekly": list(timeset.texts), "timezone": timeset.timezone}
        case Days():
            days = [day.isoformat() for day in timeset.dates]
            return {"days": days, "label": timeset.label, "timezone": timeset.timezone}
        case Known():
            kept = timeset.known if keep is None else timeset.known & keep
            data: dict[str, Any] = {"calendar": timeset.label, "spans": kept.deltas()}
            titles = [list(t) for t in timeset.titles if kept.clip(t[0], t[1])]
            return data | ({"titles": titles} if titles else {}) | ({"note": timeset.note} if timeset.note else {})
    raise TypeError(f"{type(timeset).__name__} is not resolved")


def decode(data: dict[str, Any]) -> TimeSet:
    """The inverse of :func:`encode`."""
    if "weekly" in data:
        return Weekly(*data["weekly"], timezone=data["timezone"])
    if "days" in data:
        return Days(data["label"], data["timezone"], tuple(map(date.fromisoformat, data["days"])))
    if "calendar" in data:
        titles = tuple((start, end, text) for start, end, text in data.get("titles", ()))
        return Known(data["calendar"], Spans.from_deltas(data["spans"]), titles, data.get("note", ""))
    for key, kind in _COMBINED.items():
        if key in data:
            return kind(tuple(map(decode, data[key])))
    raise ValueError("unknown kind of time set: was this DAG serialized by a newer calendar_timetable?")
