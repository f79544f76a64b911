"""Moments as people write them; needs no Airflow."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def utc(text: str) -> datetime:
    """Read "2026-03-02 10:00" as UTC; a text with an offset keeps its instant."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def instant(text: str) -> int:
    """Epoch seconds of a moment."""
    return int(utc(text).timestamp())


def local(text: str, zone: str) -> datetime:
    """Read a wall clock in *zone*."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def iso(moment: datetime | None, zone: str = "UTC") -> str | None:
    """Write a moment as tables of expected times do: "2026-03-29T03:00+02:00".

    Seconds are written only where there are some.

    Not while freezegun freezes time: its datetimes, as pendulum's, forget which of two equal hours
    it is.
    """
    if moment is None:
        return None
    shown = datetime.fromtimestamp(moment.timestamp(), ZoneInfo(zone))
    return shown.isoformat(timespec="seconds" if shown.second else "minutes")


def minute(moment: datetime) -> str:
    """Write a moment in UTC: "2026-03-29T01:00"."""
    return f"{datetime.fromtimestamp(moment.timestamp(), UTC):%Y-%m-%dT%H:%M}"
