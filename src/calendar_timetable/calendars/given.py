"""The zone that a reading is given, as one text, since what is kept of a reading is known by it."""

from __future__ import annotations

_WINS = "!"


def wins(zone: str) -> str:
    """*zone* as the user gave it for this calendar: it goes before what the calendar says of itself."""
    return f"{zone}{_WINS}"


def is_winning(given: str) -> bool:
    """Whether *given* goes before what the calendar says."""
    return given.endswith(_WINS)


def zone_of(given: str) -> str:
    """The IANA name alone."""
    return given.removesuffix(_WINS)
