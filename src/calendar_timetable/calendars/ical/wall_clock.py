"""Clocks on the wall: seconds since 1970 by the clock of a zone, and which instants these are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (a clock without a zone)
_AWARE = _EPOCH.replace(tzinfo=UTC)
_SECOND = timedelta(seconds=1)


def local_seconds(local: datetime) -> int:
    """Seconds since 1970 on the clock that *local*, which is naive, was read from."""
    return (local - _EPOCH) // _SECOND


def local_time(seconds: int) -> datetime:
    """The inverse of :func:`local_seconds`."""
    return _EPOCH + timedelta(seconds=seconds)


class WallClock:
    """The clock of *zone*. Of days without a change the offset is remembered: a calendar asks for few days, often."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._offsets: dict[int, int] = {}

    def instant(self, local: int) -> int:
        """Epoch seconds, by RFC 5545 section 3.3.5: from before a gap, first of an overlap."""
        offset = self._offsets.get(local // DAY)
        return local - (self._offset(local) if offset is None else offset)

    def _offset(self, local: int) -> int:
        # a zone that a feed defines may change by the minute; no other does so twice within six hours
        if isinstance(self._zone, ZoneInfo):
            midnight = local - local % DAY
            offsets = {self._offset_at(midnight + part) for part in range(0, DAY + 1, DAY // 4)}
            if len(offsets) == 1:
                self._offsets[local // DAY] = offset = offsets.pop()
                return offset
        return self._offset_at(local)

    def _offset_at(self, local: int) -> int:
        moment = local_time(local).replace(tzinfo=self._zone)
        return local - (moment - _AWARE) // _SECOND


@lru_cache(maxsize=64)
def wall_clock(zone: tzinfo) -> WallClock:
    """The clock of *zone*, with what it remembers."""
    return WallClock(zone)
