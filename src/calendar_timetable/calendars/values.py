"""Property values: times, durations, periods, people and texts (RFC 5545 section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.feedzones import FeedZones
from calendar_timetable.calendars.lines import Block, Line, Unreadable
from calendar_timetable.calendars.occurrences import Details, address_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?")
_DURATION = re.compile(r"([+-]?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_LISTED = re.compile(r"(?:\\.|[^,\\])+")
_ESCAPED = re.compile(r"\\(.)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_FREE = ("FREE", "WORKINGELSEWHERE")  # as Outlook schedules: at work, but somewhere else


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as written: wall-clock time in a zone. A date is its midnight."""

    local: datetime  # naive
    zone: tzinfo
    is_date: bool = False

    @property
    def instant(self) -> int:
        """Epoch seconds, by RFC 5545 section 3.3.5: from before a gap, first of an overlap."""
        return int((self.local.replace(tzinfo=self.zone) - EPOCH).total_seconds())

    def local_in(self, zone: tzinfo) -> datetime:
        """The wall-clock time, naive, in *zone*."""
        if zone == self.zone:
            return self.local
        return (EPOCH + timedelta(seconds=self.instant)).astimezone(zone).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Duration:
    """Nominal days, then exact seconds (RFC 5545 section 3.3.6): ``P1D`` is not ``PT24H``."""

    days: int
    seconds: int

    @property
    def nominal(self) -> timedelta:
        """Both together, on a clock that never changes."""
        return timedelta(self.days, self.seconds)

    def after(self, start: datetime, zone: tzinfo) -> int:
        """The instant this long after wall-clock *start* in *zone*."""
        return Moment(start + timedelta(self.days), zone).instant + self.seconds


def parse_time(text: str, zone: tzinfo) -> Moment:
    """A DATE or DATE-TIME; *zone* is for those without ``Z``."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise Unreadable("a time is malformed")
    year, month, day, hour, minute, second, utc = match.groups()
    try:
        if hour is None:
            return Moment(datetime(int(year), int(month), int(day)), zone, is_date=True)  # noqa: DTZ001
        clock = int(hour), int(minute), min(int(second), 59)  # a leap second is read as the one before
        return Moment(datetime(int(year), int(month), int(day), *clock), UTC if utc else zone)  # noqa: DTZ001
    except ValueError:
        raise Unreadable("a time is malformed") from None


def parse_duration(text: str) -> Duration:
    """A DURATION, which may not be negative here."""
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None or not any(match.groups()[1:]):
        raise Unreadable("a duration is malformed")
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[1:])
    duration = Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)
    if duration.days > 4_000_000 or duration.seconds > 400_000_000_000:
        raise Unreadable("a duration is out of range")
    if match.group(1) == "-" and (duration.days or duration.seconds):
        raise Unreadable("it ends before it starts")
    return duration


@dataclass(frozen=True, slots=True)
class Clock:
    """How one VCALENDAR tells time: its zones, and the zone of times that name none."""

    zones: FeedZones
    zone: tzinfo

    def moment(self, line: Line) -> Moment:
        """The one time in *line*."""
        return self._time(line.value, line)

    def moments(self, line: Line) -> Iterator[Moment | tuple[Moment, Moment]]:
        """The times in *line*, which may be periods: (start, end)."""
        for text in line.value.split(","):
            first, slash, last = text.partition("/")
            if not text.strip():
                continue
            start = self._time(first, line)
            if not slash:
                yield start
            elif last.strip().upper().startswith(("P", "+P", "-P")):
                end = parse_duration(last).after(start.local, start.zone)
                yield start, Moment((EPOCH + timedelta(seconds=end)).replace(tzinfo=None), UTC)
            else:
                yield start, self._time(last, line)

    def _time(self, text: str, line: Line) -> Moment:
        tzid = line.params.get("TZID", "")
        return parse_time(text, self.zones.find(tzid) if tzid.strip() else self.zone)


def clean(text: str) -> str:
    """*text* on one line, and not longer than is of use."""
    return _CONTROL.sub(" ", text[: limits.MAX_TEXT]).strip()


def _unescape(text: str) -> str:
    """A TEXT value as meant (RFC 5545 section 3.3.11)."""
    return _ESCAPED.sub(lambda match: "\n" if match[1] in "nN" else match[1], text)


def uid_of(block: Block) -> str:
    """The UID of *block*, or ``""``."""
    line = block.first("UID")
    return "" if line is None else clean(line.value)


def details_of(block: Block, *, all_day: bool) -> Details:
    """What *block* says beside its times."""

    def text(name: str) -> str:
        line = block.first(name)
        return "" if line is None else clean(_unescape(line.value[: 2 * limits.MAX_TEXT]))

    status = {"TENTATIVE": "tentative", "CANCELLED": "cancelled"}.get(block.text("STATUS"), "confirmed")
    free = block.text("TRANSP") == "TRANSPARENT" or block.text("X-MICROSOFT-CDO-BUSYSTATUS") in _FREE
    people = list(islice(block.all("ATTENDEE", "ORGANIZER"), limits.MAX_ATTENDEES))
    refusals = [line for line in people if line.params.get("PARTSTAT", "").upper() == "DECLINED"]
    categories = [clean(_unescape(c)) for line in block.all("CATEGORIES") for c in _LISTED.findall(line.value)]
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
