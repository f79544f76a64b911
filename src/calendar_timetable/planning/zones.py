"""Time zones by name, and wall-clock times turned into instants (RFC 5545 section 3.3.5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from calendar_timetable.planning.errors import InvalidArgument

LONGEST = timedelta(days=3660)
EPOCH = date(1970, 1, 1).toordinal()  # day 0 of Unix time, as dates count days
default_zone: Callable[[], str] = lambda: "UTC"  # noqa: E731  (the package sets this to Airflow's own default)


def zone_name(zone: object) -> str:
    """The IANA name of *zone*, given as text, ``zoneinfo`` or ``pendulum`` zone."""
    if zone is UTC:
        return "UTC"
    name = zone if isinstance(zone, str) else getattr(zone, "key", None) or getattr(zone, "name", None)
    if not isinstance(name, str) or not name:
        raise InvalidArgument("timezone", zone, "give an IANA name such as 'Europe/Berlin'")
    return name


def load_zone(zone: object) -> ZoneInfo:
    """The zone called *zone*; :class:`InvalidArgument` if there is none."""
    name = zone_name(zone)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidArgument("timezone", name, "give an IANA name such as 'Europe/Berlin'") from None


def local_instant(day: date, seconds: int, zone: tzinfo) -> int:
    """The instant, in epoch seconds, of wall-clock time *seconds* after midnight of *day* in *zone*.

    A time that does not exist is read with the offset from before the gap; one that exists twice
    means the first (RFC 5545 section 3.3.5, ``fold=0``).
    """
    naive = datetime.combine(day, time()) + timedelta(seconds=seconds)
    return int(naive.replace(tzinfo=zone).timestamp())


def steady_offset(first: date, last: date, zone: tzinfo) -> int | None:
    """How many seconds *zone* is ahead of UTC all the time from midnight of *first* to that of *last*.

    ``None`` where that changes in between: there every wall-clock time has to be looked at by itself. No zone
    changes twice in a day.
    """
    midnight = datetime.combine(first, time(), zone)
    offset = midnight.utcoffset()
    for _ in range((last - first).days):
        midnight += timedelta(days=1)
        if midnight.utcoffset() != offset:
            return None
    return None if offset is None else offset // timedelta(seconds=1)


@lru_cache(maxsize=8192)
def day_offset(number: int, zone: tzinfo) -> int | None:
    """:func:`steady_offset` of the day that is *number* days after the epoch's."""
    day = date.fromordinal(EPOCH + number)
    return steady_offset(day, day + timedelta(days=1), zone)


def to_datetime(instant: float) -> datetime:
    """*instant*, in epoch seconds, as a UTC-aware datetime."""
    return datetime.fromtimestamp(instant, UTC)


def to_instant(moment: object, field: str = "moment") -> float:
    """*moment* in epoch seconds: an ``int`` unless it has a fraction. A naive one is refused."""
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise InvalidArgument(field, moment, "give a datetime with a time zone")
    seconds = moment.timestamp()
    return int(seconds) if seconds == int(seconds) else seconds


def whole_seconds(field: str, value: object) -> int:
    """*value*, a ``timedelta``, in whole seconds, and not negative."""
    if not isinstance(value, timedelta):
        raise InvalidArgument(field, value, "give a datetime.timedelta")
    if value < timedelta(0) or value.microseconds or value > LONGEST:
        raise InvalidArgument(field, value, f"give a timedelta of whole seconds, from zero to {LONGEST.days} days")
    return value // timedelta(seconds=1)
