"""Calendars as people write them, drawn by Hypothesis.

Whole series with all that belongs to them, and edits of these.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st

from calendar_timetable.calendars.ical import reader, series
from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.occurrences import ParsedCalendar

NOW = datetime(2026, 3, 15, tzinfo=UTC)
START = int((NOW - timedelta(days=30)).timestamp())
END = int((NOW + timedelta(days=90)).timestamp())
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def calendar(*events: str) -> bytes:
    """Return a calendar of these components."""
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", *events, "END:VCALENDAR", "")).encode()


def event(*lines: str, uid: str = "a") -> str:
    """Return an event with these lines."""
    return "\r\n".join(("BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT"))


def slowly(body: bytes, monkeypatch: pytest.MonkeyPatch) -> ParsedCalendar:
    """Read *body* with every component kept, and without the shortcut for plain rules."""
    with monkeypatch.context() as patch:
        patch.setattr(reader, "drop_past_events", lambda body, start: (body, 0))
        patch.setattr(series, "_is_plain", lambda parts: False)
        return read(body, START, END, "UTC", 60)


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Draw a recurrence rule."""
    frequency = draw(
        st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "MONTHLY", "YEARLY"])
    )
    fields = {"FREQ": frequency}
    if draw(st.booleans()):
        fields["INTERVAL"] = str(draw(st.integers(1, 15)))
    limit = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    if limit == "COUNT":
        fields["COUNT"] = str(draw(st.integers(1, 400)))
    elif limit:
        fields["UNTIL"] = draw(st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1))).strftime(
            draw(st.sampled_from(["%Y%m%d", "%Y%m%dT%H%M%SZ"]))
        )
    if draw(st.booleans()):
        ordinals = ["", "1", "2", "-1", "5"] if frequency in ("MONTHLY", "YEARLY") else [""]
        days = st.builds("".join, st.tuples(st.sampled_from(ordinals), st.sampled_from(DAYS)))
        fields["BYDAY"] = ",".join(draw(st.lists(days, min_size=1, max_size=4, unique=True)))
    if draw(st.integers(0, 3)) == 0 and frequency in ("MONTHLY", "YEARLY", "DAILY"):
        days_of_month = draw(
            st.lists(st.sampled_from([1, 5, 13, 28, 29, 30, 31, -1, -3]), min_size=1, max_size=3)
        )
        fields["BYMONTHDAY"] = ",".join(map(str, days_of_month))
    if draw(st.integers(0, 3)) == 0:
        fields["BYMONTH"] = ",".join(
            map(str, draw(st.lists(st.integers(1, 12), min_size=1, max_size=4)))
        )
    if draw(st.integers(0, 5)) == 0 and frequency != "HOURLY" and len(fields) > 2:
        fields["BYSETPOS"] = str(draw(st.sampled_from([1, 2, -1])))
    if draw(st.integers(0, 3)) == 0:
        fields["WKST"] = draw(st.sampled_from(DAYS))
    return ";".join(f"{key}={value}" for key, value in fields.items())


BEGINS = st.datetimes(datetime(2023, 1, 1), datetime(2026, 6, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


ZONES = (
    ";TZID=Europe/Berlin",
    ";TZID=America/New_York",
    ";TZID=Pacific Standard Time",
    ";TZID=Own",
    "",
    "Z",
)
_WALL = "%Y%m%dT%H%M%S"


def own_zone(summer: str = "+0200") -> str:
    """Return a VTIMEZONE that nobody else knows.

    *summer* is its offset from March to October.
    """
    return "\r\n".join(
        (
            "BEGIN:VTIMEZONE",
            "TZID:Own",
            "BEGIN:DAYLIGHT",
            "DTSTART:19700329T020000",
            "TZOFFSETFROM:+0100",
            f"TZOFFSETTO:{summer}",
            "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
            "END:DAYLIGHT",
            "BEGIN:STANDARD",
            "DTSTART:19701025T030000",
            f"TZOFFSETFROM:{summer}",
            "TZOFFSETTO:+0100",
            "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
            "END:STANDARD",
            "END:VTIMEZONE",
        )
    )


def _line(name: str, zone: str, at: datetime) -> str:
    return f"{name}:{at:{_WALL}}Z" if zone == "Z" else f"{name}{zone}:{at:{_WALL}}"


def _day(name: str, at: datetime) -> str:
    return f"{name};VALUE=DATE:{at:%Y%m%d}"


@st.composite
def whole_series(draw: st.DrawFn, uid: str) -> list[str]:
    """Draw one event with its rule, further dates, and dates left out.

    Also overrides of one or of all later instances.
    """
    zone, all_day = draw(st.sampled_from(ZONES)), draw(st.integers(0, 5)) == 0
    begin = draw(st.datetimes(datetime(2024, 6, 1), datetime(2026, 6, 1))).replace(
        second=0, microsecond=0
    )
    length = (
        timedelta(days=draw(st.integers(1, 3)))
        if all_day
        else timedelta(hours=draw(st.sampled_from([0, 1, 9, 30])))
    )

    def times(start: datetime, lasts: timedelta) -> list[str]:
        if all_day:
            return [_day("DTSTART", start), _day("DTEND", start + lasts)]
        if draw(st.integers(0, 4)) == 0:
            return [
                _line("DTSTART", zone, start),
                f"DURATION:PT{int(lasts.total_seconds()) // 60}M",
            ]
        if draw(st.integers(0, 7)) == 0:
            # After the start, whatever its zone is
            later = start + lasts + timedelta(days=1)
            return [_line("DTSTART", zone, start), _line("DTEND", "Z", later)]
        return [_line("DTSTART", zone, start), _line("DTEND", zone, start + lasts)]

    def at(name: str, instant: datetime) -> str:
        return (
            _day(name, instant)
            if all_day or draw(st.integers(0, 7)) == 0
            else _line(name, zone, instant)
        )

    lines = times(begin, length)
    if draw(st.integers(0, 5)):
        lines.append(f"RRULE:{draw(rules())}")
    if draw(st.integers(0, 7)) == 0:
        lines.append(f"EXRULE:FREQ=WEEKLY;BYDAY={draw(st.sampled_from(DAYS))}")
    near = st.integers(0, 110).map(lambda weeks: begin + timedelta(weeks=weeks))
    odd = st.datetimes(datetime(2025, 12, 1), datetime(2026, 7, 1)).map(
        lambda t: t.replace(second=0, microsecond=0)
    )
    instants = near | near | odd
    lines += [at("EXDATE", instant) for instant in draw(st.lists(instants, max_size=3))]
    for instant in draw(st.lists(instants, max_size=2)):
        period = f"{instant:{_WALL}}Z/PT90M"
        lines.append(
            f"RDATE;VALUE=PERIOD:{period}" if draw(st.integers(0, 4)) == 0 else at("RDATE", instant)
        )
    events = [event(*lines, f"SUMMARY:{draw(st.sampled_from('xyz'))}", uid=uid)]
    for instant in draw(st.lists(instants, max_size=2)):
        moved = instant + draw(
            st.sampled_from([timedelta(), timedelta(hours=3), timedelta(days=40), timedelta(-400)])
        )
        identity = at("RECURRENCE-ID", instant)
        if draw(st.integers(0, 2)) == 0:
            identity = identity.replace("RECURRENCE-ID", "RECURRENCE-ID;RANGE=THISANDFUTURE")
        state = draw(st.sampled_from(["", "", "STATUS:CANCELLED"]))
        sequence = f"SEQUENCE:{draw(st.integers(0, 1))}"
        events.append(
            event(
                identity,
                *times(moved, timedelta(days=1) if all_day else length),
                sequence,
                state,
                uid=uid,
            )
        )
    return draw(st.permutations(events)) if draw(st.booleans()) else events
