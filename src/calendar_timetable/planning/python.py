"""What people write into DAG files, made from plain numbers."""

from __future__ import annotations

import re
from datetime import timedelta

_DAY_MINUTES = 24 * 60
_FIXED = re.compile(r"(\d{1,2}) (\d{1,2}) (\S+) (\S+) (\S+)")


def delta(seconds: float) -> str:
    """Return a ``timedelta`` of *seconds* as Python."""
    length = timedelta(seconds=seconds)
    hours, rest = divmod(length.seconds, 3600)
    minutes, left = divmod(rest, 60)
    parts = {
        "days": length.days,
        "hours": hours,
        "minutes": minutes,
        "seconds": left + length.microseconds / 1e6,
    }
    arguments = ", ".join(f"{name}={value:g}" for name, value in parts.items() if value)
    return f"timedelta({arguments})"


def later_cron(expression: str, seconds: float) -> str | None:
    """Return a cron expression that is due so many *seconds* later, in whole minutes.

    ``None`` where *expression* is not due at one time of day, or would be due on another day.
    """
    match = _FIXED.fullmatch(" ".join(expression.split()))
    if match is None:
        return None
    minute, hour, *days = match.groups()
    at = int(hour) * 60 + int(minute) + int(seconds // 60)
    if at >= _DAY_MINUTES:
        # Also of one due each day: runs before midnight would become those after it, a day early.
        return None
    return " ".join((f"{at % 60}", f"{at // 60}", *days))
