"""The options of a ``Calendar``: what it is given besides its address, and which events count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Any

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.occurrences import Details, Occurrence, address_of
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones

_MAX_NAME_LENGTH = 100  # characters
_ZERO = timedelta(0)


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class CalendarOptions:
    """Which events of a calendar count, when, and for how long; :class:`Calendar` explains each."""

    match: str | None = None
    categories: str | Sequence[str] = ()
    location: str | None = None
    attendee: str | None = None
    busy_only: bool | None = None
    pad: tuple[timedelta, timedelta] = (_ZERO, _ZERO)
    offset: timedelta = _ZERO
    timezone: str | None = None
    refresh: timedelta = timedelta(seconds=limits.REFRESH)
    max_stale: timedelta = timedelta(days=1)
    on_unavailable: str = "hold"
    strict: bool = False
    show_titles: bool = False
    name: str | None = None

    def options(self) -> dict[str, Any]:
        """Return all options by name."""
        return {name: getattr(self, name) for name in DEFAULTS}

    def changed_options(self) -> dict[str, Any]:
        """Return the options that differ from their defaults, by name."""
        return {name: value for name, value in self.options().items() if value != DEFAULTS[name]}

    def matches(self, event: Details | Occurrence) -> bool:
        """Tell whether *event* is one of those asked for, whatever its role."""
        several = (self.categories,) if isinstance(self.categories, str) else self.categories
        folded = {category.casefold() for category in several}
        people = event.attendees
        return (
            _glob(self.match, event.summary)
            and _glob(self.location, event.location)
            and (not folded or any(category.casefold() in folded for category in event.categories))
            and (not self.attendee or not people or address_of(self.attendee) in people)
        )

    def counts(self, event: Details | Occurrence, *, deny: bool) -> bool:
        """Tell whether *event* counts in its role: it blocks (*deny*), or else it allows or is due.

        ``busy_only`` overrides whether it must be busy.
        """
        if event.status == "cancelled" or (not deny and event.status != "confirmed"):
            return False
        if not (deny if self.busy_only is None else self.busy_only):
            return True
        declined = self.attendee is not None and address_of(self.attendee) in event.declined
        return event.busy and not declined

    def check_options(self) -> None:
        """Refuse options that cannot be used, without I/O; raise :class:`InvalidArgument`."""
        # Before it is checked it may be anything.
        busy_only: Any = self.busy_only
        for name in ("match", "location", "attendee"):
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                raise InvalidArgument(name, value, "give a text, such as '*freeze*'")
        _check_name(self.name)
        several: Any = (self.categories,) if isinstance(self.categories, str) else self.categories
        if not isinstance(several, (list, tuple)) or not all(map(_is_text, several)):
            raise InvalidArgument("categories", self.categories, "give a text or a list of texts")
        if busy_only is not None and not isinstance(busy_only, bool):
            raise InvalidArgument(
                "busy_only", busy_only, "give True, False, or None for what fits the role"
            )
        self._check_lengths()
        if self.timezone is not None:
            zones.load_zone(self.timezone)
        if self.on_unavailable not in ("hold", "ignore"):
            raise InvalidArgument("on_unavailable", self.on_unavailable, "give 'hold' or 'ignore'")
        for name in ("strict", "show_titles"):
            if not isinstance(getattr(self, name), bool):
                raise InvalidArgument(name, getattr(self, name), "give True or False")

    def _check_lengths(self) -> None:
        pad: Any = self.pad
        offset: Any = self.offset
        if not isinstance(pad, (list, tuple)) or len(pad) != 2:
            raise InvalidArgument("pad", pad, "give two timedeltas: (before, after)")
        for part in pad:
            zones.whole_seconds("pad", part)
        zones.whole_seconds("offset", abs(offset) if isinstance(offset, timedelta) else offset)
        zones.whole_seconds("refresh", self.refresh)
        zones.whole_seconds("max_stale", self.max_stale)


DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(CalendarOptions)}


def _glob(pattern: str | None, text: str) -> bool:
    return pattern is None or fnmatchcase(text.casefold(), pattern.casefold())


def _check_name(name: object) -> None:
    if name is None:
        return
    if (
        not _is_text(name)
        or not str(name).isprintable()
        or len(str(name)) > _MAX_NAME_LENGTH
        or "://" in str(name)
    ):
        raise InvalidArgument(
            "name", name, "give a short text to show for the calendar, such as 'Team'"
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())
