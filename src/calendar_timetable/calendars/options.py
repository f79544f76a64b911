"""What a ``Calendar`` is given, checked: types and ranges, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from calendar_timetable.calendars.addresses import check_address
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones

_LONG = timedelta(days=36500)
_LONGEST_NAME = 100


def check_options(given: Mapping[str, Any]) -> None:
    """Refuse arguments of ``Calendar``, by name, that cannot be used; :class:`InvalidArgument`."""
    check_address(given["address"])
    for name in ("match", "location", "attendee"):
        if given[name] is not None and not _is_text(given[name]):
            raise InvalidArgument(name, given[name], "give a text, such as '*freeze*'")
    _check_name(given["name"])
    several = (given["categories"],) if isinstance(given["categories"], str) else given["categories"]
    if not isinstance(several, (list, tuple)) or not all(map(_is_text, several)):
        raise InvalidArgument("categories", given["categories"], "give a text or a list of texts")
    if given["busy_only"] is not None and not isinstance(given["busy_only"], bool):
        raise InvalidArgument("busy_only", given["busy_only"], "give True, False, or None for what fits the role")
    _check_lengths(given)
    if given["timezone"] is not None:
        zones.load_zone(given["timezone"])
    if given["on_unavailable"] not in ("hold", "ignore"):
        raise InvalidArgument("on_unavailable", given["on_unavailable"], "give 'hold' or 'ignore'")
    for name in ("strict", "show_titles"):
        if not isinstance(given[name], bool):
            raise InvalidArgument(name, given[name], "give True or False")


def _check_lengths(given: Mapping[str, Any]) -> None:
    pad, offset = given["pad"], given["offset"]
    if not isinstance(pad, (list, tuple)) or len(pad) != 2:
        raise InvalidArgument("pad", pad, "give two timedeltas: (before, after)")
    for part in pad:
        zones.whole_seconds("pad", part)
    zones.whole_seconds("offset", abs(offset) if isinstance(offset, timedelta) else offset)
    zones.whole_seconds("refresh", given["refresh"])
    zones.whole_seconds("max_stale", given["max_stale"])
    for name, value in (("pad", max(pad)), ("offset", abs(offset)), ("max_stale", given["max_stale"])):
        if value > _LONG:
            raise InvalidArgument(name, value, "give a shorter timedelta")


def _check_name(name: object) -> None:
    if name is None:
        return
    if not _is_text(name) or not str(name).isprintable() or len(str(name)) > _LONGEST_NAME or "://" in str(name):
        raise InvalidArgument("name", name, "give a short text to show for the calendar, such as 'Team'")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
