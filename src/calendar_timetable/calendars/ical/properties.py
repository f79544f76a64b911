"""Property values (RFC 5545 section 3.3), and wall-clock time.

The values are times, durations, periods, people and texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from itertools import islice
from typing import Protocol
from zoneinfo import ZoneInfo

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.ical.parser import Component, ContentLine, Unreadable, shape_of
from calendar_timetable.calendars.occurrences import Details, address_of

DAY = 86400
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (a clock without a zone)
EPOCH = _EPOCH.replace(tzinfo=UTC)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
# Some write weeks like this, though they are no part of a time.
_WEEKS = re.compile(r"([+-]?P)T(\d+W)")
_DAY, _SECOND, _LAST_SECOND = timedelta(days=1), timedelta(seconds=1), 59
_LONGEST_GAP = timedelta(hours=3)
# When the day begins, in UTC, in the westernmost place where many people live.
_LAST_WEST = time(10)
_PARTED = re.compile(r"[,;]")
_LISTED = re.compile(r"(?:\\.|[^,\\])+")
_ESCAPED = re.compile(r"\\(.)")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")  # all that may end a line is among them
# Values of Outlook; the second means at work, but somewhere else.
_FREE = ("FREE", "WORKINGELSEWHERE")


@dataclass(frozen=True, slots=True)
class WallTime:
    """A time as written: wall-clock time in a zone. A date is its midnight."""

    local: datetime  # naive
    zone: tzinfo
    is_date: bool = False

    @property
    def instant(self) -> int:
        """Epoch seconds.

        By RFC 5545 section 3.3.5: in a gap by the offset before it, in an overlap the first.
        """
        return int((self.local.replace(tzinfo=self.zone) - EPOCH).total_seconds())

    def local_in(self, zone: tzinfo) -> datetime:
        """Return the wall-clock time, naive, in *zone*."""
        if zone == self.zone:
            return self.local
        return (
            (EPOCH + timedelta(seconds=self.instant)).astimezone(zone).replace(tzinfo=None, fold=0)
        )

    def walls_in(self, zone: tzinfo) -> tuple[datetime, ...]:
        """Return the wall-clock times, naive, in *zone* that mean this instant.

        There are two where clocks go forward: the one that exists, and the one in the gap. There is
        none for the second hour of an overlap, since a wall-clock time there means the first.
        """
        local, instant = self.local_in(zone), self.instant
        earlier = (EPOCH + timedelta(seconds=instant) - _LONGEST_GAP).astimezone(zone).utcoffset()
        before = (EPOCH + timedelta(seconds=instant)).replace(tzinfo=None) + (
            earlier or timedelta()
        )
        return tuple(
            wall
            for wall in dict.fromkeys((local, before))
            if WallTime(wall, zone).instant == instant
        )

    def day_in(self, zone: tzinfo) -> date:
        """Return the day meant, where this belongs to an event of whole days in *zone*.

        Many write such a day as its midnight where they are, in UTC: in the east that is on the day
        before. A second before midnight still belongs to the day that ends then.
        """
        if self.is_date or self.zone is not UTC:
            return self.local.date()
        ending = _SECOND if self.local.second == _LAST_SECOND else timedelta()
        local, midnight = self.local_in(zone) + ending, self.local + ending
        # This is midnight here or, off the quarter hours, midnight nowhere.
        if local.time() == time() or midnight.minute % 15 or midnight.second:
            return (local - ending).date()
        day = midnight.date() + (_DAY if midnight.time() > _LAST_WEST else timedelta())
        return day - _DAY if ending else day


@dataclass(frozen=True, slots=True)
class Duration:
    """Nominal days, then exact seconds (RFC 5545 section 3.3.6): ``P1D`` is not ``PT24H``."""

    days: int
    seconds: int

    @property
    def nominal(self) -> timedelta:
        """Days and seconds together, on a clock that never changes."""
        return timedelta(self.days, self.seconds)

    def after(self, start: datetime, zone: tzinfo) -> int:
        """Return the instant, in epoch seconds, this long after wall-clock *start* in *zone*."""
        return WallTime(start + timedelta(self.days), zone).instant + self.seconds


def parse_time(text: str, zone: tzinfo) -> WallTime:
    """Return a DATE or DATE-TIME; *zone* is for those without ``Z``. Raise :class:`Unreadable`."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise Unreadable(f"a time is malformed, {shape_of(text)}")
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        if hour is None:
            return WallTime(datetime(int(year), int(month), int(day)), zone, is_date=True)  # noqa: DTZ001
        # A leap second is read as the second before.
        clock = int(hour), int(minute), min(int(second), 59)
        return WallTime(datetime(int(year), int(month), int(day), *clock), UTC if utc else zone)  # noqa: DTZ001
    except ValueError:
        raise Unreadable(f"no such time, {shape_of(text)}") from None


def parse_until(text: str, begin: WallTime) -> datetime:
    """Return the last wall-clock time that UNTIL allows a series from *begin* on.

    See RFC 5545 section 3.3.10. A date includes that day. A time without ``Z`` is in the zone of
    the series. For a series of whole days UNTIL says the last one.
    """
    try:
        until = parse_time(text, begin.zone)
    except Unreadable as error:
        raise Unreadable(f"UNTIL: {error}") from None
    # The last year means for ever, and its last days are not a time in every zone.
    if until.local.year == MAXYEAR:
        return until.local - 2 * _DAY
    if begin.is_date or until.is_date:
        return datetime.combine(until.day_in(begin.zone), time(23, 59, 59))
    last = until.local_in(begin.zone)
    hidden = until.instant - WallTime(last, begin.zone).instant
    # UNTIL is in the second hour of an overlap, so all of the first hour is before it.
    for step in (3600, 60, 1) if hidden else ():
        while WallTime(last + timedelta(seconds=step), begin.zone).instant <= until.instant:
            last += timedelta(seconds=step)
    return last


def parse_duration(text: str, name: str = "DURATION") -> Duration:
    """Return the value of *name*, which may not be negative here; raise :class:`Unreadable`."""
    text = _WEEKS.sub(r"\1\2", text.strip().upper())
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise Unreadable(f"{name}: a duration is malformed, {shape_of(text)}")
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[1:])
    duration = Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)
    if duration.days > 4_000_000 or duration.seconds > 400_000_000_000:
        raise Unreadable(f"{name}: a duration is out of range")
    if match.group(1) == "-" and (duration.days or duration.seconds):
        raise Unreadable("it ends before it starts")
    return duration


class Zones(Protocol):
    """The zones that a VCALENDAR may name."""

    def find(self, tzid: str) -> tzinfo:
        """Return the zone called *tzid*; raise :class:`Unreadable` if it is unknown."""


@dataclass(frozen=True, slots=True)
class CalendarTime:
    """How one VCALENDAR tells time.

    *zones* are its zones, *zone* is that of times that name none, *days* that of dates.

    Dates have no zone (RFC 5545 section 3.3.4), not even where a TZID stands beside them.
    """

    zones: Zones
    zone: tzinfo
    days: tzinfo

    def beside(self, begin: WallTime) -> CalendarTime:
        """Return the same for what belongs to an event that begins at *begin*.

        Where that names no zone, it is in the zone of *begin*.
        """
        return CalendarTime(self.zones, begin.zone, begin.zone)

    def moment(self, line: ContentLine) -> WallTime:
        """Return the one time in *line*."""
        return self._time(line.value, line)

    def listed(self, text: str, line: ContentLine) -> WallTime | tuple[WallTime, WallTime]:
        """Return *text*, one of the times in *line*; a period is (start, end).

        Raises :class:`Unreadable`, also for a period that ends before it starts.
        """
        first, slash, last = text.partition("/")
        start = self._time(first, line)
        if not slash:
            return start
        if last.strip().upper().startswith(("P", "+P", "-P")):
            after = parse_duration(last, line.name).after(start.local, start.zone)
            return start, WallTime((EPOCH + timedelta(seconds=after)).replace(tzinfo=None), UTC)
        end = self._time(last, line)
        if end.instant < start.instant:
            raise Unreadable("it ends before it starts")
        return start, end

    def _time(self, text: str, line: ContentLine) -> WallTime:
        tzid = line.params.get("TZID", "")
        try:
            if "T" not in text or (
                text.endswith("T000000") and line.params.get("VALUE", "").upper() == "DATE"
            ):
                return parse_time(text.partition("T")[0], self.days)
            has_zone = tzid.strip() and not text.rstrip().endswith("Z")
            return parse_time(text, self.zones.find(tzid) if has_zone else self.zone)
        except Unreadable as error:
            raise Unreadable(f"{line.name}: {error}") from None


def texts_of(line: ContentLine) -> list[str]:
    """Return the values of a list; some separate them by semicolons."""
    return [text for text in _PARTED.split(line.value) if text.strip()]


def is_local(line: ContentLine) -> bool:
    """Tell whether the time in *line* names no zone, neither by TZID nor by ``Z``."""
    return (
        not line.params.get("TZID", "").strip()
        and "T" in line.value
        and not line.value.rstrip().endswith("Z")
    )


def clean(text: str) -> str:
    """Return *text* on one line, cut to the length that is of use."""
    return CONTROL.sub(" ", text[: limits.MAX_TEXT]).strip()


def _unescape(text: str) -> str:
    """Return a TEXT value as meant (RFC 5545 section 3.3.11)."""
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def uid_of(block: Component) -> str:
    """Return the UID of *block*, or ``""``."""
    line = block.first("UID")
    return "" if line is None else clean(line.value)


def details_of(block: Component, *, all_day: bool) -> Details:
    """Return what *block* says besides its times."""

    def text(name: str) -> str:
        line = block.first(name)
        return "" if line is None else clean(_unescape(line.value[: 2 * limits.MAX_TEXT]))

    status = {"TENTATIVE": "tentative", "CANCELLED": "cancelled"}.get(
        block.text("STATUS"), "confirmed"
    )
    free = (
        block.text("TRANSP") == "TRANSPARENT" or block.text("X-MICROSOFT-CDO-BUSYSTATUS") in _FREE
    )
    people = list(islice(block.all("ATTENDEE", "ORGANIZER"), limits.MAX_ATTENDEES))
    refusals = [line for line in people if line.params.get("PARTSTAT", "").upper() == "DECLINED"]
    categories = [
        clean(_unescape(c)) for line in block.all("CATEGORIES") for c in _LISTED.findall(line.value)
    ]
    return Details(
        uid_of(block),
        text("SUMMARY"),
        all_day,
        status != "cancelled" and not free,
        status,
        tuple(c for c in categories if c),
        text("LOCATION"),
        frozenset(address_of(clean(line.value)) for line in refusals),
        frozenset(address_of(clean(line.value)) for line in people),
    )


def local_seconds(local: datetime) -> int:
    """Return the seconds since 1970 on the clock that *local*, which is naive, was read from."""
    return (local - _EPOCH) // _SECOND


def local_time(seconds: int) -> datetime:
    """Return the wall-clock time, naive, for *seconds*: the inverse of :func:`local_seconds`."""
    return _EPOCH + timedelta(seconds=seconds)


class WallClock:
    """The clock of *zone*, which remembers the offset of days without a change.

    A calendar asks for few days, but often.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._offsets: dict[int, int] = {}

    def instant(self, local: int) -> int:
        """Return the epoch seconds of *local*, which is in seconds since 1970 on this clock.

        By RFC 5545 section 3.3.5: in a gap by the offset before it, in an overlap the first.
        """
        offset = self._offsets.get(local // DAY)
        return local - (self._offset(local) if offset is None else offset)

    def _offset(self, local: int) -> int:
        # A zone that a feed defines may change by the minute; no other changes twice within six
        # hours.
        if isinstance(self._zone, ZoneInfo):
            midnight = local - local % DAY
            offsets = {self._offset_at(midnight + part) for part in range(0, DAY + 1, DAY // 4)}
            if len(offsets) == 1:
                self._offsets[local // DAY] = offset = offsets.pop()
                return offset
        return self._offset_at(local)

    def _offset_at(self, local: int) -> int:
        moment = local_time(local).replace(tzinfo=self._zone)
        return local - (moment - EPOCH) // _SECOND


@lru_cache(maxsize=64)
def wall_clock(zone: tzinfo) -> WallClock:
    """Return the clock of *zone*, with what it remembers."""
    return WallClock(zone)
