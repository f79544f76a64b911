"""Every calendar that icalendar and recurring-ical-events bring for their own tests.

Read without a crash, and compared.

What those libraries understand is read alike, but for the files that are named here with the
reason.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import icalendar
import pytest
import recurring_ical_events
from icalendar.timezone import tzp

from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.occurrences import ParsedCalendar

START, END = datetime(1990, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)
FOLDERS = [Path(str(package.__file__)).parent for package in (icalendar, recurring_ical_events)]
FILES = sorted(file for folder in FOLDERS for file in folder.rglob("*.ics"))

UNKNOWN = "they take a zone that nobody knows for none; here the event is set aside"
BUSY = "free/busy and availability are no events for them"
SWAPPED = "an end before the start: they swap the two, here the event is set aside"
DIFFERENT = {
    "issue_526_calendar_with_different_events": UNKNOWN,
    "issue_526_calendar_with_event_subset": UNKNOWN,
    "issue_526_calendar_with_events": UNKNOWN,
    "issue_526_calendar_with_shuffeled_events": UNKNOWN,
    "issue_722_missing_VTIMEZONE_custom": UNKNOWN,
    "issue_1050_all_components": BUSY,
    "issue_1081_freebusy_comma_separated": BUSY,
    "issue_1633_freebusy_with_dates": BUSY,
    "issue_27_multiple_periods_in_freebusy_multiple_freebusies": BUSY,
    "issue_27_multiple_periods_in_freebusy_one_freebusy": BUSY,
    "issue_798_freebusy": BUSY,
    "rfc_7953_1": BUSY,
    "rfc_7953_2": BUSY,
    "rfc_7953_3": BUSY,
    "freebusy/example": BUSY,
    "issue_1633_rdate_with_dates": (
        "a period of dates, of a time (not allowed): here it begins at the usual time"
    ),
    "issue_1633_rdate_with_dates_and_tzid": "the same",
    "end_before_start_event": SWAPPED,
    "issue_132_swapped_start_and_end": SWAPPED,
    "issue_117_until_before_dtstart": (
        "DTSTART counts, whatever UNTIL says (RFC 5545 section 3.8.5.3)"
    ),
    "issue_253_additional_recurrence_id": (
        "an edit of an instance that its series does not have says itself when it is"
    ),
    "issue_28_rrule_with_UTC_endinginZ": "the last day of an UNTIL belongs to the series",
    "issue_75_range_parameter": "so does that of an UNTIL that is a date, of a time",
}


def name_of(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}" if file.stem == "example" else file.stem


def whole(body: bytes) -> bytes:
    """*body* as a calendar: some are a component alone."""
    if b"BEGIN:VCALENDAR" in body:
        return body
    return b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + body.strip() + b"\r\nEND:VCALENDAR\r\n"


def ours(body: bytes) -> ParsedCalendar:
    return read(body, int(START.timestamp()), int(END.timestamp()), "UTC", 60)


def theirs(body: bytes, zone: ZoneInfo) -> set[tuple[int, int]]:
    """The spans of their events, whole days being days of *zone*."""
    tzp.use_default()  # forgets the zones of the file before

    def instant(value: date) -> int:
        if not isinstance(value, datetime):
            value = datetime.combine(value, time(), zone)
        return int((value if value.tzinfo else value.replace(tzinfo=zone)).timestamp())

    found: set[tuple[int, int]] = set()
    for calendar in icalendar.Calendar.from_ical(body, multiple=True):
        for event in recurring_ical_events.of(calendar).between(START, END):
            if event.name == "VEVENT" and event.get("STATUS", "").upper() != "CANCELLED":
                start, end = instant(event.start), instant(event.end)
                # Which they give no length
                whole_day = not isinstance(event.start, datetime) and start == end
                found.add((start, end + 86400 if whole_day else end))
    return found


def test_they_are_there() -> None:
    assert len(FILES) > 200
    if not icalendar.__version__.startswith("7.0."):  # the oldest that is allowed brings fewer
        assert DIFFERENT.keys() <= {name_of(file) for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_is_read_as_the_libraries_read_it(file: Path) -> None:
    body = whole(file.read_bytes())
    reading = ours(body)
    try:
        expected = theirs(body, ZoneInfo(reading.zone))
    except Exception:  # noqa: BLE001  (they give the whole calendar up)
        return
    found = {(start, end) for details, start, end in reading.rows if details.status != "cancelled"}
    if name_of(file) not in DIFFERENT:
        assert found == expected
