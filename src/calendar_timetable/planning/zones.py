"""Time zones by name, and wall-clock times turned into instants (RFC 5545 section 3.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calendar_timetable.exceptions import InvalidArgument

LONGEST = timedelta(days=3660)
# Epoch seconds that a datetime holds in any zone: the year 9999, almost.
LAST_INSTANT = 253_402_214_399
EPOCH = date(1970, 1, 1).toordinal()  # day 0 of Unix time, as dates count days
_DAYS = 64  # that are looked at together
# The package sets this to what gives Airflow's own default zone.
default_zone: Callable[[], str] = lambda: "UTC"  # noqa: E731


def zone_name(zone: object) -> str:
    """Return the IANA name of *zone*, given as text, ``zoneinfo`` or ``pendulum`` zone.

    Raises :class:`InvalidArgument` where it has none.
    """
    if zone is UTC:
        return "UTC"
    name = (
        zone if isinstance(zone, str) else getattr(zone, "key", None) or getattr(zone, "name", None)
    )
    if not isinstance(name, str) or not name:
        raise InvalidArgument("timezone", zone, "give an IANA name such as 'Europe/Berlin'")
    return name


def load_zone(zone: object) -> ZoneInfo:
    """Return the zone called *zone*; raises :class:`InvalidArgument` if there is none."""
    name = zone_name(zone)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgument(
            "timezone", name, "give an IANA name such as 'Europe/Berlin'"
        ) from None


def local_instant(day: date, seconds: int, zone: tzinfo) -> int:
    """Return when it is *seconds* after midnight of *day* in *zone*, in epoch seconds.

    *seconds* are wall-clock time. A time that does not exist is read with the offset from before
    the gap; one that exists twice means the first (RFC 5545 section 3.3.5, ``fold=0``).
    """
    naive = datetime.combine(day, time()) + timedelta(seconds=seconds)
    return int(naive.replace(tzinfo=zone).timestamp())


def seconds_of_day(instant: float, zone: tzinfo) -> float:
    """Return how many seconds after midnight clocks in *zone* say at *instant*."""
    local = datetime.fromtimestamp(instant, zone)
    return (local.hour * 60 + local.minute) * 60 + local.second + instant % 1


def steady_offset(first: int, last: int, zone: tzinfo) -> int | None:
    """Return how many seconds *zone* is ahead of UTC on all days from *first* to before *last*.

    Days are counted from the epoch. ``None`` where that changes in between: there every wall-clock
    time has to be looked at by itself.
    """
    offsets: set[int | None] = set()
    for block in range(first // _DAYS, (last - 1) // _DAYS + 1):
        begin = block * _DAYS
        offsets.update(_day_offsets(block, zone)[max(0, first - begin) : last - begin])
    return offsets.pop() if len(offsets) == 1 else None


def day_offset(number: int, zone: tzinfo) -> int | None:
    """Return the :func:`steady_offset` of one day."""
    return _day_offsets(number // _DAYS, zone)[number % _DAYS]


@lru_cache(maxsize=2048)
def _day_offsets(block: int, zone: tzinfo) -> list[int | None]:
    """Return the :func:`day_offset` of each of the days in *block*.

    Those at two midnights are enough: no zone changes twice in a day.
    """
    first, second = EPOCH + block * _DAYS, timedelta(seconds=1)
    at_midnight = [
        zone.utcoffset(datetime.fromordinal(first + number)) for number in range(_DAYS + 1)
    ]
    return [
        offset // second if offset is not None and offset == following else None
        for offset, following in pairwise(at_midnight)
    ]


def to_datetime(instant: float) -> datetime:
    """Return *instant*, in epoch seconds, as a UTC-aware datetime."""
    return datetime.fromtimestamp(instant, UTC)


def to_datetime_or_none(instant: float | None) -> datetime | None:
    """Return :func:`to_datetime` of *instant*; ``None`` for ``None``."""
    return None if instant is None else to_datetime(instant)


def to_instant(moment: object, field: str = "moment") -> float:
    """Return *moment* in epoch seconds: an ``int`` unless it has a fraction.

    Raises :class:`InvalidArgument` for a naive one.
    """
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidArgument(field, moment, "give a datetime with a time zone")
    seconds = moment.timestamp()
    return int(seconds) if seconds == int(seconds) else seconds


def whole_seconds(field: str, value: object) -> int:
    """Return *value*, a ``timedelta``, in whole seconds.

    Raises :class:`InvalidArgument` where it is negative, has a fraction or is over :data:`LONGEST`.
    """
    if not isinstance(value, timedelta):
        raise InvalidArgument(field, value, "give a datetime.timedelta")
    if value < timedelta(0) or value.microseconds or value > LONGEST:
        raise InvalidArgument(
            field, value, f"give a timedelta of whole seconds, from zero to {LONGEST.days} days"
        )
    return value // timedelta(seconds=1)
