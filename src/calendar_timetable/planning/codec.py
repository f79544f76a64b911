"""Resolved time sets as JSON: part of the serialized form, so keys are only ever added."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from itertools import accumulate
from typing import Any

from calendar_timetable.planning.spans import Packed, Spans
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    Combined,
    Complement,
    Difference,
    Feed,
    Intersection,
    LocalDays,
    Period,
    TimeSet,
    Union,
    Unread,
)
from calendar_timetable.planning.weekly import Weekly

MOST_TITLES, MOST_BYTES = 2_000, 256 * 1024  # of one calendar in a DAG
_TITLE_TIMES_BYTES = 25  # bytes that the times of a title take
COMBINED: dict[str, type[Combined]] = {
    "any": Union,
    "all": Intersection,
    "except": Difference,
    "not": Complement,
}
KEYS = {kind: key for key, kind in COMBINED.items()}


def encode(timeset: TimeSet, keep: Spans | None = None) -> dict[str, Any]:
    """Return *timeset*, resolved, as JSON; of calendars only what lies in *keep*.

    ``keep=None`` keeps everything. Raises ``TypeError`` for a set that is not resolved.
    """
    match timeset:
        case Combined():
            return {KEYS[type(timeset)]: [encode(member, keep) for member in timeset.members]}
        case Weekly():
            return {"weekly": list(timeset.texts), "timezone": timeset.timezone}
        case LocalDays():
            days = [day.isoformat() for day in timeset.dates]
            return {"days": days, "label": timeset.label, "timezone": timeset.timezone}
        # An older version refuses these keys, as it does not know them, and that is right.
        case Period():
            return {"period": [timeset.start, timeset.end]}
        case CalendarSpans() if timeset.unread is not None:
            return {
                "held": {
                    "calendar": timeset.label,
                    **encode_unread(timeset.unread),
                    **encode_feed(timeset.feed),
                }
            }
        case CalendarSpans():
            spans = timeset.known if keep is None else timeset.known & keep
            packed = spans.packed()
            bounds = {"packed": packed.to_json()} if packed else {"spans": spans.deltas()}
            data: dict[str, Any] = {"calendar": timeset.label, **bounds}
            titles = _bounded([list(t) for t in timeset.titles if spans.clip(t[0], t[1])])
            extras = {"titles": titles, "note": timeset.note}
            return (
                data
                | {key: value for key, value in extras.items() if value}
                | encode_feed(timeset.feed)
            )
    raise TypeError(f"{type(timeset).__name__} is not resolved")


def _bounded(titles: list[list[Any]]) -> list[list[Any]]:
    """Return the first of *titles*, so that their number and bytes stay within limits.

    Whoever may write into a calendar decides how many there are, and how long.
    """
    sizes = accumulate(len(text.encode()) + _TITLE_TIMES_BYTES for _, _, text in titles)
    return [
        title
        for title, size in zip(titles[:MOST_TITLES], sizes, strict=False)
        if size <= MOST_BYTES
    ]


def decode(data: dict[str, Any]) -> TimeSet:
    """Return the time set that :func:`encode` wrote.

    Raises ``ValueError`` for a kind that this version does not know.
    """
    if "weekly" in data:
        return Weekly(*data["weekly"], timezone=data["timezone"])
    if "days" in data:
        return LocalDays(
            data["label"], data["timezone"], tuple(map(date.fromisoformat, data["days"]))
        )
    if "period" in data:
        return Period(*data["period"])
    if "calendar" in data:
        titles = tuple((start, end, text) for start, end, text in data.get("titles", ()))
        packed = "packed" in data
        spans = (
            Spans.from_packed(Packed(*data["packed"]))
            if packed
            else Spans.from_deltas(data["spans"])
        )
        return CalendarSpans(
            data["calendar"], spans, titles, data.get("note", ""), decode_feed(data)
        )
    if "held" in data:
        unread = data["held"]
        return CalendarSpans(
            unread["calendar"], Spans(), feed=decode_feed(unread), unread=decode_unread(unread)
        )
    for key, kind in COMBINED.items():
        if key in data:
            return kind(tuple(map(decode, data[key])))
    raise ValueError(
        "unknown kind of time set: was this DAG serialized by a newer calendar_timetable?"
    )


def version(data: dict[str, Any]) -> int:
    """Return the version of the serialized form that reads this time set.

    Before version 2 there were no packed spans.
    """
    members = (member for key in COMBINED for member in data.get(key, ()))
    return 2 if "packed" in data else max(map(version, members), default=1)


def encode_unread(unread: Unread) -> dict[str, Any]:
    """Return the keys that tell why a calendar cannot be read."""
    return {key: value for key, value in asdict(unread).items() if value is not None}


def decode_unread(data: dict[str, Any]) -> Unread:
    """Return the :class:`Unread` that :func:`encode_unread` wrote."""
    return Unread(data["why"], data.get("since"))


def encode_feed(feed: Feed | None) -> dict[str, Any]:
    """Return the keys that tell of *feed*, which stand beside those of its calendar.

    Terms are told only where they are not the usual ones.
    """
    if feed is None:
        return {}
    usual = asdict(Feed(feed.key))
    return {"feed": feed.key} | {
        key: value for key, value in asdict(feed).items() if value != usual[key]
    }


def decode_feed(data: dict[str, Any]) -> Feed | None:
    """Return the :class:`Feed` that :func:`encode_feed` wrote; ``None`` where there is none."""
    if "feed" not in data:
        return None
    terms = {key: data[key] for key in ("on_unavailable", "max_stale") if key in data}
    return Feed(data["feed"], **terms)
