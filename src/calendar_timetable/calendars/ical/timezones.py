"""The time zones that a feed names: IANA, Windows, its own VTIMEZONEs (RFC 5545 section 3.6.5)."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from calendar_timetable.calendars.ical.parser import Component, Unreadable, shape_of
from calendar_timetable.calendars.ical.properties import (
    WallTime,
    local_seconds,
    local_time,
    parse_time,
)
from calendar_timetable.calendars.ical.rrule import parse_rrule

_ESCAPED = re.compile(r"\\([,;:/\"\\])")
_NO_PLACE = re.compile(r"Etc/.*|UTC|UCT|GMT[+-]?0?|Zulu|Universal|Greenwich", re.IGNORECASE)
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?", re.IGNORECASE)
_UTC_OFFSET = re.compile(r"([+-]?)(\d{2}):?([0-5]\d)(?::?([0-5]\d))?")
_DISPLAYED = re.compile(r"\((?:UTC|GMT)(?:([+-]\d{1,2})[:.](\d{2}))?\)\s*(.+)", re.IGNORECASE)
_MOST_CHANGES, _LAST = 20_000, datetime(2100, 1, 1)  # noqa: DTZ001  (of a zone of the file's own)
# Names that mean something else on each host.
_OF_THE_HOST = {"localtime", "posixrules", "Factory"}
_MOST_OFFSET = timedelta(hours=16)  # of any place, ever
_EVER = datetime(1, 1, 2)  # noqa: DTZ001  (an onset, which is in UTC by itself)
# The display names of Windows zones that name no city.
_AREAS = {
    "atlantic time (canada)": "America/Halifax",
    "eastern time (us & canada)": "America/New_York",
    "central time (us & canada)": "America/Chicago",
    "mountain time (us & canada)": "America/Denver",
    "pacific time (us & canada)": "America/Los_Angeles",
    "arizona": "America/Phoenix",
    "alaska": "America/Anchorage",
    "hawaii": "Pacific/Honolulu",
    "coordinated universal time": "UTC",
}


class OwnZone(tzinfo):
    """A zone made of the transitions of a VTIMEZONE.

    A local time that does not exist is read with the offset from before the gap; one that exists
    twice means the first (RFC 5545 section 3.3.5). Both hold when, in local time, a change takes
    place at the later of its two clock readings.
    """

    def __init__(self, first: timedelta, changes: list[tuple[datetime, timedelta]]) -> None:
        self._offsets = [first, *(offset for _, offset in changes)]
        self._instants = [instant for instant, _ in changes]
        pairs = zip(self._offsets, self._offsets[1:], strict=False)
        self._locals = [i + max(pair) for i, pair in zip(self._instants, pairs, strict=True)]

    @property
    def is_utc(self) -> bool:
        """Whether its offset is always zero."""
        return not any(self._offsets)

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return self._offsets[-1]
        return self._offsets[bisect_right(self._locals, moment.replace(tzinfo=None))]

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return None

    def fromutc(self, moment: datetime) -> datetime:
        return moment + self._offsets[bisect_right(self._instants, moment.replace(tzinfo=None))]


class FeedZones:
    """The zones of one VCALENDAR by the names that it uses; nothing is shared with another feed."""

    def __init__(self, calendar: Component) -> None:
        self._own: dict[str, Component] = {}
        for block in calendar.blocks:
            line = block.first("TZID") if block.name == "VTIMEZONE" else None
            if line is not None and block.blocks:
                for name in {_name(line.value), _name(line.value).casefold()}:
                    definition = self._own.setdefault(name, block)
                    # Nobody knows which of two definitions is meant: an empty one cannot be
                    # understood.
                    if definition != block:
                        self._own[name] = Component("VTIMEZONE")
        self._found: dict[str, tzinfo | Unreadable] = {}

    def find(self, tzid: str) -> tzinfo:
        """Return the zone called *tzid*; raise :class:`Unreadable` if it is unknown."""
        if tzid not in self._found:
            try:
                self._found[tzid] = self._look_up(_name(tzid))
            except Unreadable as error:
                self._found[tzid] = error
        zone = self._found[tzid]
        if isinstance(zone, Unreadable):
            raise zone
        return zone

    def _look_up(self, name: str) -> tzinfo:
        """Return the zone that *name* means; raise :class:`Unreadable` if it is unknown.

        A place by its IANA name comes first, then the definition in the file (RFC 5545 section
        3.2.19), then what the name is known for.
        """
        zone = _place(name)
        if zone is not None:
            return zone
        definition = self._own.get(name) or self._own.get(name.casefold())
        if definition is not None:
            try:
                return own_zone(definition)
            except Exception:  # noqa: BLE001  (whatever is wrong with it)
                # Only its definition says what a name such as GMT means here; the names of Windows
                # are not ambiguous.
                usual = _windows_zone(name) or _display_zone(name)
                if usual is None:
                    raise Unreadable("its time zone's VTIMEZONE cannot be understood") from None
                return usual
        zone = _bare_zone(name) or _windows_zone(name) or _display_zone(name)
        zone_or_offset = zone or _offset_zone(name)
        if zone_or_offset is None:
            raise Unreadable(f"unknown time zone, {shape_of(name)}")
        return zone_or_offset


def named_zone(name: str) -> ZoneInfo | None:
    """Return the zone with this IANA, Windows or vendor's name (``/vendor/Area/City``).

    It is ``None`` if there is none.
    """
    return _place(name) or _bare_zone(name) or _windows_zone(name)


def is_place(zone: tzinfo) -> bool:
    """Tell whether *zone* says where a calendar is at home: UTC and other offsets do not."""
    if isinstance(zone, ZoneInfo):
        return not is_utc(zone.key)
    return isinstance(zone, OwnZone) and not zone.is_utc


def is_utc(name: str) -> bool:
    """Tell whether *name* is one for UTC, or for an offset from it."""
    return bool(_NO_PLACE.fullmatch(name))


def _name(tzid: str) -> str:
    """Return *tzid* as meant: quoted, escaped or padded in one place, it is plain in another."""
    return " ".join(_ESCAPED.sub(r"\1", tzid.strip().strip('"')).split())


def _place(name: str) -> ZoneInfo | None:
    """Return the zone with an IANA name that has an area, ``Area/City``, or ``None``.

    The name may be in any case, and come after a vendor's name.
    """
    if "/" not in name:
        return None
    if name.casefold() == "tzone://microsoft/utc":
        return ZoneInfo("UTC")
    path = name.replace(" ", "_").strip("/").split("/")
    last = 1 if name.startswith("/") else 2
    return next(
        filter(None, (_iana_zone("/".join(path[-count:])) for count in (3, 2, 1) if last <= count)),
        None,
    )


def _bare_zone(name: str) -> ZoneInfo | None:
    return _iana_zone(name) if "/" not in name else None


def _windows_zone(name: str) -> ZoneInfo | None:
    return _iana_zone(_windows().get(name.casefold(), "")) if " " in name else None


@lru_cache(maxsize=1)
def _windows() -> dict[str, str]:
    # Imported here because it brings in all of icalendar.
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    return {name.casefold(): key for name, key in WINDOWS_TO_OLSON.items()}


def _iana_zone(name: str) -> ZoneInfo | None:
    if not name or name in _OF_THE_HOST or name.startswith("right/"):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        key = _folded().get(name.casefold())
        return None if key is None else ZoneInfo(key)


@lru_cache(maxsize=1)
def _folded() -> dict[str, str]:
    return {key.casefold(): key for key in available_timezones() - _OF_THE_HOST}


def _display_zone(name: str) -> ZoneInfo | None:
    """Return the zone that Outlook shows as *name*, or ``None``.

    It looks like "(UTC+01:00) Amsterdam, Berlin, Bern"; the offset is that of winter.
    """
    if name.casefold() in _AREAS:
        return ZoneInfo(_AREAS[name.casefold()])
    match = _DISPLAYED.fullmatch(name)
    if match is None:
        return None
    hours, minutes, places = match.groups()
    sign = -1 if (hours or "").startswith("-") else 1
    offset = timedelta(hours=int(hours or 0), minutes=sign * int(minutes or 0))
    area = _AREAS.get(places.casefold())
    if area is not None:
        zone = ZoneInfo(area)
        return zone if _winter_offset(zone) == offset else None
    cities = {city.strip().replace(" ", "_").casefold() for city in re.split(r"[,/;:]", places)}
    for key in sorted(available_timezones()):
        if key.rpartition("/")[2].casefold() in cities and _winter_offset(ZoneInfo(key)) == offset:
            return ZoneInfo(key)
    return None


def _winter_offset(zone: ZoneInfo) -> timedelta:
    """Return the lesser of the offsets of January and July, by today's rules."""
    moments = (datetime(2026, month, 1, tzinfo=zone) for month in (1, 7))
    return min(moment.utcoffset() or timedelta() for moment in moments)


def _offset_zone(name: str) -> tzinfo | None:
    match = _OFFSET.fullmatch(name)
    if match is None:
        return None
    sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
    return None if offset >= timedelta(hours=24) else timezone(offset if sign == "+" else -offset)


def own_zone(block: Component) -> tzinfo:
    """Return the zone that a VTIMEZONE *block* defines.

    Raises any exception if the block cannot be understood.
    """
    parts = [part for part in block.blocks if part.name in ("STANDARD", "DAYLIGHT")]
    if block.broken or any(part.broken for part in parts):
        raise Unreadable("it is cut off")
    offsets = [_offset(part, "TZOFFSETTO") for part in parts]
    if len(parts) == 1 and parts[0].first("DTSTART") is None and offsets[0] is not None:
        return timezone(offsets[0])
    # When, from which offset, to which.
    changes: list[tuple[datetime, timedelta, timedelta]] = []
    for part, after in zip(parts, offsets, strict=True):
        if after is None:
            raise Unreadable("no TZOFFSETTO")
        before = _offset(part, "TZOFFSETFROM")
        # Then it is what the others change to, if they agree.
        if before is None:
            before_others = {offset for offset in offsets if offset != after} or {after}
            if len(before_others) > 1:
                raise Unreadable("no TZOFFSETFROM")
            before = before_others.pop() or timedelta()
        for onset in _onsets(part, timezone(before)):
            changes.append((onset - before if onset.year > 1 else _EVER, before, after))
            if len(changes) > _MOST_CHANGES:
                raise Unreadable("too many changes")
    changes.sort(key=lambda change: change[0])
    return OwnZone(changes[0][1], [(instant, after) for instant, _, after in changes])


def _onsets(part: Component, before: timezone) -> Iterator[datetime]:
    """Yield when an observance begins, in wall-clock time of the offset *before* it.

    Some write that time in UTC.
    """
    line = part.first("DTSTART")
    if line is None:
        raise Unreadable("no DTSTART")
    begin = parse_time(line.value, before).local_in(before)
    rules = [rule.value for rule in part.all("RRULE")]
    if not rules:
        yield begin
    for text in rules:
        rule = parse_rrule(text.rstrip().rstrip(";"), begin, WallTime(begin, before))
        yield from map(local_time, rule.between(rule.begin, local_seconds(_LAST)))
    for line in part.all("RDATE"):
        for text in filter(None, line.value.split(",")):
            yield parse_time(text.partition("/")[0], before).local_in(before)


def _offset(part: Component, name: str) -> timedelta | None:
    """Return the UTC-OFFSET called *name* (RFC 5545 section 3.3.14), or ``None``.

    Without its sign it is one to the east. Raises :class:`Unreadable`.
    """
    line = part.first(name)
    if line is None:
        return None
    match = _UTC_OFFSET.fullmatch(line.value.strip())
    if match is None:
        raise Unreadable(f"{name} is malformed")
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    if offset > _MOST_OFFSET:
        raise Unreadable(f"{name} is out of range")
    return -offset if sign == "-" else offset
