"""What must hold of any bytes at all: shared by the Hypothesis tests and by ``make fuzz``."""

from __future__ import annotations

import json
import unicodedata

from calendar_timetable.calendars.feed.body import check_body, published_interval
from calendar_timetable.calendars.ical import bundle
from calendar_timetable.calendars.ical.parser import Unreadable
from calendar_timetable.calendars.ical.reader import read
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.occurrences import ParsedCalendar
from calendar_timetable.calendars.sources import caldav_protocol
from calendar_timetable.calendars.sources.base import FetchFailed
from calendar_timetable.planning.explain import on_one_line
from tests.support.ics import event, feed
from tests.support.moments import instant

# In every text of the seeds: no error may hold it (a UID may be told, and has none)
LEAK = "Confidential"
START, END = instant("2024-01-01"), instant("2025-01-01")
SECONDS = 2.0  # of processor time for one body; what takes longer is to be quarantined

SEED = feed(
    event(
        "UID:a",
        f"SUMMARY:{LEAK}",
        f"DESCRIPTION:{LEAK}",
        "DTSTART:20240310T120000Z",
        "DURATION:PT1H",
    ),
    event(
        f"LOCATION:{LEAK}",
        f"CATEGORIES:{LEAK},{LEAK}",
        "DTSTART;TZID=Europe/Berlin:20240301T100000",
        "DTEND;TZID=Europe/Berlin:20240301T110000",
        "RRULE:FREQ=DAILY;COUNT=5;BYHOUR=10,11",
        "EXDATE:20240302T090000Z",
    ),
    event(
        "RECURRENCE-ID;RANGE=THISANDFUTURE:20240303T090000Z",
        "DTSTART:20240304T090000Z",
        "DURATION:PT2H",
        f"ATTENDEE;CN={LEAK};PARTSTAT=DECLINED:mailto:{LEAK}@b",
        "SEQUENCE:2",
    ),
    "BEGIN:VTIMEZONE\r\nTZID:Own\r\nBEGIN:STANDARD\r\nDTSTART:16010101T030000\r\n"
    "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\n"
    "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE",
    event(
        "UID:z",
        "DTSTART;TZID=Own:20240310T120000",
        "RDATE;VALUE=PERIOD:20240305T100000Z/PT1H",
        f"X-{LEAK}:{LEAK}",
    ),
    event("UID:n", f"DTSTART;TZID={LEAK}:20240310T120000", f"RRULE:FREQ={LEAK}"),
    event("UID:f", f"FREEBUSY;X={LEAK}:20240302T100000Z/PT1H", kind="VFREEBUSY"),
    event(
        "UID:v",
        "DTSTART:20240301T000000Z",
        event("UID:w", "DTSTART:20240302T000000Z", "RRULE:FREQ=WEEKLY", kind="AVAILABLE"),
        kind="VAVAILABILITY",
    ),
    head=("X-WR-TIMEZONE:Asia/Tokyo", "REFRESH-INTERVAL;VALUE=DURATION:PT5M"),
)
ANSWER = (
    '<?xml version="1.0"?><multistatus xmlns="DAV:" '
    'xmlns:C="urn:ietf:params:xml:ns:caldav"><response>'
    f"<href>/{LEAK}/1.ics</href><propstat><prop><getetag>1</getetag><displayname>{LEAK}"
    "</displayname>"
    "<resourcetype><collection/><C:calendar/></resourcetype>"
    f"<C:calendar-data>{SEED.decode()}</C:calendar-data></prop><status>HTTP/1.1 200 OK</status>"
    "</propstat></response>"
    f"<response><href>/{LEAK}/2.ics</href><status>HTTP/1.1 404 Not Found</status></response>"
    "<sync-token>token</sync-token></multistatus>"
).encode()


def check_calendar(body: bytes) -> None:
    """Read *body* as a calendar, or see it refused with a documented error.

    No word of it may be in an error.
    """
    try:
        whole = check_body(body)
        assert published_interval(whole) >= 0
    except FetchFailed as error:
        _check_text(str(error))
    try:
        reading = read(body, START, END, "UTC", SECONDS)
    except Unreadable as error:
        _check_text(str(error))
        return
    for problem in reading.problems:
        _check_text(problem.reason)
    for details, start, end in reading.rows:
        assert start <= end
        assert end > START
        assert start < END
        kinds = {unicodedata.category(char) for char in details.summary}
        assert not kinds & {"Cc", "Zl", "Zp"}, "it stays on one line, and steers no terminal"
        shown = on_one_line(details.summary)
        assert all(char.isprintable() or unicodedata.category(char) == "Cn" for char in shown)
    assert list(reading.rows) == sorted(
        reading.rows, key=lambda row: (row[1], row[2], row[0].uid, row[0].summary)
    )
    assert ParsedCalendar.from_wire(json.loads(json.dumps(reading.to_wire()))) == reading


def check_bundle(body: bytes) -> None:
    """Take *body* as a bundle and as one of its objects: what is joined is split into the same."""
    bundle.split(body)
    item = bundle.make_item(body.decode(errors="replace"), "1", "Europe/Berlin")
    items = {bundle.digest("/1.ics"): item, bundle.digest("/2.ics"): item}
    assert bundle.split(bundle.join(items)).keys() == items.keys()


def check_answer(body: bytes) -> None:
    """Read *body* as a CalDAV server's answer."""
    caldav_protocol.conditions(body)
    try:
        found = caldav_protocol.multistatus(body)
    except DownloadFailed as error:
        _check_text(str(error))
        return
    for resource in found.resources:
        assert LEAK not in repr(resource)


def _check_text(text: str) -> None:
    assert LEAK.lower() not in text.lower()
    assert text.isprintable()


CHECKS = (check_calendar, check_bundle, check_answer)
