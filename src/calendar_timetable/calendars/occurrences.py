"""What a calendar says after expansion; and the zone that it is read in, as one text."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

# Marks a zone that the user gave for this calendar; see mark_as_given().
_GIVEN = "!"

_YESTERDAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One instance of a calendar event.

    ``start`` and ``end`` are UTC-aware and half-open; ``status`` is ``"confirmed"``,
    ``"tentative"`` or ``"cancelled"``; ``busy`` tells whether the event itself says that it takes
    up time (not cancelled, not transparent, not marked free), before any ``attendee=`` is
    considered.
    """

    uid: str
    summary: str
    start: datetime
    end: datetime
    all_day: bool
    busy: bool
    status: str
    categories: tuple[str, ...] = ()
    location: str = ""
    declined: frozenset[str] = frozenset()  # addresses of attendees who declined, lower case
    attendees: frozenset[str] = frozenset()  # addresses of all attendees, lower case


@dataclass(frozen=True, slots=True)
class Problem:
    """A component that could not be understood, by its UID; never its text.

    ``start`` and ``end`` give the time that it may cover, ``None`` being an open end; if they are
    equal, it covers none. If the event is ``counted`` all the same, no occurrence is missing: at
    most there is one too many. Where only a part of it is concerned (``partly``: an override, an
    RDATE, a free/busy period), the rest counts.
    """

    uid: str
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    counted: bool = False
    partly: bool = False

    @property
    def may_be_any(self) -> bool:
        """Whether nothing is known of which event it is, nor of when."""
        return not (self.uid or self.counted or self.start or self.end)

    def is_current(self, now: datetime) -> bool:
        """Tell whether it may concern a day that is not long over."""
        return self.end is None or self.end > now - _YESTERDAY


class Details(NamedTuple):
    """What all occurrences of one component share; fields as in :class:`Occurrence`.

    It is a tuple because every parse of a DAG file makes the details of its calendars anew from the
    cache. From the third on, fields come in the order that they have there.
    """

    uid: str
    summary: str = ""
    all_day: bool = False
    busy: bool = True
    status: str = "confirmed"
    categories: tuple[str, ...] = ()
    location: str = ""
    declined: frozenset[str] = frozenset()
    attendees: frozenset[str] = frozenset()

    def at(self, start: int, end: int) -> Occurrence:
        """Return the occurrence over ``[start, end)``, in epoch seconds."""
        return Occurrence(
            self.uid,
            self.summary,
            datetime.fromtimestamp(start, UTC),
            datetime.fromtimestamp(end, UTC),
            *self[2:],
        )


@dataclass(frozen=True, slots=True)
class ParsedCalendar:
    """A calendar's body, understood, over one stretch of time.

    ``zone`` is the IANA name of the zone whose days all-day events are; ``components`` counts the
    events in the body, including those outside of the stretch; ``rows`` holds (details, start,
    end), in epoch seconds, sorted by start; ``series`` holds, by UID, the digests of what the rows
    were read from, as ``ical/series_cache.py`` knows them.
    """

    zone: str
    components: int
    rows: tuple[tuple[Details, int, int], ...]
    problems: tuple[Problem, ...]
    series: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def to_wire(self) -> dict[str, Any]:
        """Return the calendar as JSON; details that many occurrences share are written once."""
        # Occurrences of one series share one details object: each is hashed once.
        details_by_id = {id(details): details for details, _, _ in self.rows}
        table: dict[Details, int] = {}
        places = {
            key: table.setdefault(details, len(table)) for key, details in details_by_id.items()
        }
        rows = [(places[id(details)], start, end) for details, start, end in self.rows]
        return {
            "zone": self.zone,
            "components": self.components,
            "details": [_details_to_wire(details) for details in table],
            "rows": rows,
            "problems": [
                [p.uid, p.reason, _seconds(p.start), _seconds(p.end), p.counted, p.partly]
                for p in self.problems
            ],
            "series": dict(self.series),
        }

    @classmethod
    def from_wire(cls, data: dict[str, Any]) -> ParsedCalendar:
        """Return the calendar that :meth:`to_wire` wrote.

        Raises ``KeyError``, ``TypeError`` or ``ValueError`` for anything else.
        """
        table = [_details_from_wire(row) for row in data["details"]]
        indexes, starts, ends = zip(*data["rows"], strict=True) if data["rows"] else ((), (), ())
        if not set(map(type, starts + ends)) <= {int}:
            raise TypeError("not in epoch seconds")
        return cls(
            str(data["zone"]),
            int(data["components"]),
            tuple(zip(map(table.__getitem__, indexes), starts, ends, strict=True)),
            tuple(
                Problem(
                    uid,
                    why,
                    _moment(low),
                    _moment(high),
                    *marks,
                )
                for uid, why, low, high, *marks in data["problems"]
            ),
            dict(data.get("series", {})),
        )


def _details_to_wire(details: Details) -> list[Any]:
    *plain, declined, attendees = details
    return [*plain, sorted(declined), sorted(attendees)]


def _details_from_wire(row: Sequence[Any]) -> Details:
    uid, summary, all_day, busy, status, categories, location, declined, attendees = row
    people = frozenset(declined), frozenset(attendees)
    return Details(uid, summary, all_day, busy, status, tuple(categories), location, *people)


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def digest_of_uid(uid: str) -> str:
    """Return what stands for *uid* where titles are not told: a UID often is a mail address.

    It is the same everywhere and always, so whoever has the calendar finds the event by it.
    """
    return hashlib.sha256(uid.encode()).hexdigest()[:12] if uid else ""


def address_of(value: str) -> str:
    """Return a calendar user's address without ``mailto:``, in lower case."""
    return value.strip().lower().removeprefix("mailto:").strip()


def mark_as_given(zone: str) -> str:
    """Mark *zone* as given by the user for this calendar: it goes before what the calendar says."""
    return f"{zone}{_GIVEN}"


def is_given(zone: str) -> bool:
    """Tell whether *zone* goes before what the calendar says."""
    return zone.endswith(_GIVEN)


def zone_of(zone: str) -> str:
    """Return the IANA name in *zone*, without the mark."""
    return zone.removesuffix(_GIVEN)
