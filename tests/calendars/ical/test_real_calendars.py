"""What public bug reports show that calendar software writes, and how it is read.

Literal spans, and where RFC 5545 says so.

Each row is rebuilt from such a report, by kind: the last day of a series, whose day a date is,
whose definition of a zone counts, what an event's other times are in, which instance is meant, text
that is broken.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.feed.body import check_body
from calendar_timetable.calendars.ical.parser import EVENTS
from calendar_timetable.calendars.occurrences import mark_as_given
from tests.support.ics import event, feed, spans, understood
from tests.support.origin import Origin

HORIZON = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
BERLIN = "TZID=Europe/Berlin"  # clocks forward 2027-03-28 02:00, back 2026-10-25 03:00
YORK = "TZID=America/New_York"  # forward 2027-03-14 02:00, back 2026-11-01 02:00


@dataclass(frozen=True)
class Case:
    """One row. ``rfc`` is a section of RFC 5545 unless it names another.

    ``seen`` says in whose calendars.
    """

    name: str
    seen: str
    rfc: str
    body: bytes
    expected: list[str]
    problems: tuple[str, ...] = ()
    zone: str = "UTC"  # the timetable's
    start: str = "2026-09-01"
    end: str = "2027-06-01"


def days(*lines: str, first: str = "20261201", until: str = "", rule: str = "FREQ=DAILY") -> bytes:
    """A series of whole days."""
    return feed(
        event(
            f"DTSTART;VALUE=DATE:{first}",
            f"RRULE:{rule};UNTIL={until}" if until else f"RRULE:{rule}",
            *lines,
        )
    )


def daily(
    *more: str,
    zone: str = BERLIN,
    at: str = "20261112T104700",
    count: int = 6,
    extra: tuple[str, ...] = (),
) -> bytes:
    """A daily series of half an hour."""
    line = f"DTSTART;{zone}:{at}" if zone else f"DTSTART:{at}"
    return feed(event(line, "DURATION:PT30M", f"RRULE:FREQ=DAILY;COUNT={count}", *more), *extra)


def zone(tzid: str, *parts: str) -> str:
    return "\r\n".join((f"BEGIN:VTIMEZONE\r\nTZID:{tzid}", *parts, "END:VTIMEZONE"))


def part(kind: str, before: str, after: str, *lines: str) -> str:
    """An observance; without *before* it says no TZOFFSETFROM."""
    offsets = [f"TZOFFSETFROM:{before}"] if before else []
    return "\r\n".join((f"BEGIN:{kind}", *lines, *offsets, f"TZOFFSETTO:{after}", f"END:{kind}"))


def eu(winter: str, summer: str, *, known: bool = True) -> tuple[str, str]:
    """The observances of a place that changes as the European Union does."""
    rule = "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH="
    return (
        part("STANDARD", summer if known else "", winter, "DTSTART:19701025T030000", f"{rule}10"),
        part("DAYLIGHT", winter if known else "", summer, "DTSTART:19700329T020000", f"{rule}3"),
    )


def at_ten(tzid: str, *components: str, day: str = "20260701") -> bytes:
    """Ten to eleven in July in the zone that *tzid* names."""
    return feed(*components, event(f"DTSTART;TZID={tzid}:{day}T100000", "DURATION:PT1H"))


def berlin_days(*dates: str) -> list[str]:
    """Whole days of Berlin in winter, given by the day before."""
    return [f"2026-12-{int(day) - 1:02} 23:00/2026-12-{int(day):02} 23:00" for day in dates]


TWO_TIMES = ["2026-07-01 08:00/09:00"]
TEN_GMT = ["2026-07-01 10:00/11:00"]
FIVE = ["2026-11-12 09:47/10:17", "2026-11-13 09:47/10:17", "2026-11-14 09:47/10:17",
        "2026-11-15 09:47/10:17", "2026-11-16 09:47/10:17", "2026-11-17 09:47/10:17"]  # fmt: skip


def without(*numbers: int) -> list[str]:
    """The six instances of :func:`daily` but those."""
    return [span for number, span in enumerate(FIVE, 1) if number not in numbers]


LAST_DAY = [
    Case("UNTIL is midnight of the last day in Berlin", "Exchange", "3.3.10",
         days(first="20261202", until="20261203T230000Z"), berlin_days("2", "3", "4"),
         zone="Europe/Berlin"),
    Case("with a moved instance", "Exchange", "3.8.4.4",
         feed(event("RRULE:FREQ=WEEKLY;UNTIL=20261214T230000Z;INTERVAL=1;BYDAY=TU,TH;WKST=MO",
                    "DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202"),
              event("RECURRENCE-ID;TZID=W. Europe Standard Time:20261203T000000",
                    "DTSTART;VALUE=DATE:20261204", "DTEND;VALUE=DATE:20261205")),
         ["2026-11-30 23:00/2026-12-01 23:00", *berlin_days("4", "8", "10", "15")],
         zone="Europe/Berlin"),
    Case("in New York", "Outlook", "3.3.10", days(until="20261202T050000Z"),
         ["2026-12-01 05:00/2026-12-02 05:00", "2026-12-02 05:00/2026-12-03 05:00"],
         zone="America/New_York"),
    Case("in Tokyo", "Google", "3.3.10", days(first="20261202", until="20261202T150000Z"),
         ["2026-12-01 15:00/2026-12-02 15:00", "2026-12-02 15:00/2026-12-03 15:00"],
         zone="Asia/Tokyo"),
    Case("in Honolulu", "Outlook", "3.3.10", days(until="20261202T100000Z"),
         ["2026-12-01 10:00/2026-12-02 10:00", "2026-12-02 10:00/2026-12-03 10:00"],
         zone="Pacific/Honolulu"),
    Case("in Auckland", "Outlook", "3.3.10", days(until="20261201T110000Z"),
         ["2026-11-30 11:00/2026-12-01 11:00", "2026-12-01 11:00/2026-12-02 11:00"],
         zone="Pacific/Auckland"),
    Case("in a zone that nobody told: Berlin's, read in UTC", "Exchange", "3.3.10",
         days(until="20261201T230000Z"),
         ["2026-12-01 00:00/2026-12-02 00:00", "2026-12-02 00:00/2026-12-03 00:00"]),
    Case("New York's, read in UTC", "Exchange", "3.3.10", days(until="20261202T050000Z"),
         ["2026-12-01 00:00/2026-12-02 00:00", "2026-12-02 00:00/2026-12-03 00:00"]),
    Case("a midnight of summer for a day in winter", "Exchange", "3.3.10",
         days(first="20261202", until="20261202T220000Z"),
         berlin_days("2", "3"), zone="Europe/Berlin"),
    Case("UNTIL is the last second of the last day, in UTC", "Lotus Notes", "3.3.10",
         days(first="20261202", until="20261203T235959Z"),
         berlin_days("2", "3"), zone="Europe/Berlin"),
    Case("UNTIL is the last second of the last day, in Berlin", "Nextcloud", "3.3.10",
         days(first="20261202", until="20261203T225959Z"),
         berlin_days("2", "3"), zone="Europe/Berlin"),
    Case("UNTIL is the last second of the last day, in New York", "Zimbra", "3.3.10",
         days(until="20261203T045959Z"),
         ["2026-12-01 05:00/2026-12-02 05:00", "2026-12-02 05:00/2026-12-03 05:00"],
         zone="America/New_York"),
    Case("UNTIL without Z", "Thunderbird", "3.3.10",
         days(first="20261202", until="20261203T000000"), berlin_days("2", "3"),
         zone="Europe/Berlin"),
    Case("a series of one day", "Exchange", "3.8.5.3",
         days(first="20261202", until="20261201T230000Z"), berlin_days("2"), zone="Europe/Berlin"),
    Case("DTSTART counts, whatever UNTIL says", "Google", "3.8.5.3",
         days(first="20261202", until="20261101"), berlin_days("2"), zone="Europe/Berlin"),
    Case("of times too", "Google", "3.8.5.3",
         feed(event("DTSTART:20261201T100000Z", "RRULE:FREQ=WEEKLY;UNTIL=20261130T235959Z")),
         ["2026-12-01 10:00/10:00"]),
    Case("UNTIL in the year 9999", "Exchange", "3.3.10",
         days(until="99991231T235959Z", rule="FREQ=YEARLY"),
         ["2026-11-30 15:00/2026-12-01 15:00"], zone="Asia/Tokyo"),
    Case("UNTIL in the second hour of an overlap", "Google", "3.3.10",
         feed(event(f"DTSTART;{BERLIN}:20261024T023000", "DURATION:PT30M",
                    "RRULE:FREQ=DAILY;UNTIL=20261025T010000Z")),
         ["2026-10-24 00:30/01:00", "2026-10-25 00:30/01:00"]),
]  # fmt: skip

CHRISTMAS = event("DTSTART;VALUE=DATE:20261225", "DTEND;VALUE=DATE:20261226")
FLOATING = event("DTSTART:20261225T100000", "DTEND:20261225T110000")
PACIFIC = ["2026-12-25 08:00/2026-12-26 08:00"]
WHOSE_DAY = [
    *(
        Case(f"X-WR-TIMEZONE:{name} names no place", seen, "3.3.4",
             feed(CHRISTMAS, head=(f"X-WR-TIMEZONE:{name}",)), PACIFIC, zone="America/Los_Angeles")
        for name, seen in [("UTC", "Google's holidays"), ("Etc/GMT", "CalendarLabs"),
                           ("GMT", "Teamup"), ("Etc/UTC", "Apple"), ("utc", "WordPress")]
    ),
    Case("X-WR-TIMEZONE in small letters", "WordPress", "3.3.4",
         feed(CHRISTMAS, head=("X-WR-TIMEZONE:america/los_angeles",)), PACIFIC),
    Case("X-WR-TIMEZONE escaped", "Joomla", "3.3.11",
         feed(CHRISTMAS, head=("X-WR-TIMEZONE:America\\/Los_Angeles",)), PACIFIC),
    Case("X-WR-TIMEZONE with a Windows name", "Outlook", "3.3.4",
         feed(CHRISTMAS, head=("X-WR-TIMEZONE:Pacific Standard Time",)), PACIFIC),
    Case("X-WR-TIMEZONE as the file defines it", "Exchange", "3.6.5",
         feed(zone("Hall", *eu("+0100", "+0200")), CHRISTMAS, head=("X-WR-TIMEZONE:Hall",)),
         ["2026-12-24 23:00/2026-12-25 23:00"]),
    Case("an empty X-WR-TIMEZONE", "Drupal", "3.3.4", feed(CHRISTMAS, head=("X-WR-TIMEZONE:",)),
         PACIFIC, zone="America/Los_Angeles"),
    Case("what the user says wins", "everybody", "3.3.4",
         feed(CHRISTMAS, head=("X-WR-TIMEZONE:Asia/Tokyo",)), PACIFIC,
         zone=mark_as_given("America/Los_Angeles")),
    Case("what the user says wins for floating times", "everybody", "3.3.5",
         feed(FLOATING, head=("X-WR-TIMEZONE:Asia/Tokyo",)),
         ["2026-12-25 18:00/19:00"], zone=mark_as_given("America/Los_Angeles")),
    Case("UTC counts for floating times", "Google", "3.3.5",
         feed(FLOATING, CHRISTMAS.replace("UID:one", "UID:two"), head=("X-WR-TIMEZONE:UTC",)),
         ["2026-12-25 08:00/2026-12-26 08:00", "2026-12-25 10:00/11:00"],
         zone="America/Los_Angeles"),
    Case("a TZID on a date", "Zoho", "3.2.19", feed(event(f"DTSTART;VALUE=DATE;{BERLIN}:20261225")),
         PACIFIC, zone="America/Los_Angeles"),
    Case("an unknown TZID on a date", "Lotus Notes", "3.2.19",
         feed(event("DTSTART;TZID=Nowhere;VALUE=DATE:20261225",
                    "DTEND;TZID=Nowhere;VALUE=DATE:20261226")),
         PACIFIC, zone="America/Los_Angeles"),
    Case("an unknown TZID on a time in UTC", "Zimbra", "3.2.19",
         feed(event("DTSTART;TZID=Nowhere:20261225T100000Z")), ["2026-12-25 10:00/10:00"]),
    Case("a date on which nothing ends", "CalendarLabs", "3.8.2.2",
         feed(event("DTSTART:20261225", "DTEND:20261225", "RRULE:")), PACIFIC,
         zone="America/Los_Angeles"),
    Case("a date that lasts PT0S", "Outlook for Mac", "3.8.2.5",
         feed(event("DTSTART;VALUE=DATE:20261225", "DURATION:PT0S")), PACIFIC,
         zone="America/Los_Angeles"),
    Case("a date that lasts P0D", "Thunderbird", "3.8.2.5",
         feed(event("DTSTART;VALUE=DATE:20261225", "DURATION:P0D")), PACIFIC,
         zone="America/Los_Angeles"),
    Case("an EXDATE that is midnight in UTC", "Exchange", "3.8.5.1",
         days("EXDATE:20261202T230000Z", first="20261202", rule="FREQ=DAILY;COUNT=3"),
         berlin_days("2", "4"), zone="Europe/Berlin"),
    Case("a RECURRENCE-ID that is midnight in UTC", "Exchange", "3.8.4.4",
         feed(event("DTSTART;VALUE=DATE:20261202", "RRULE:FREQ=DAILY;COUNT=3"),
              event("RECURRENCE-ID:20261202T230000Z", "DTSTART;VALUE=DATE:20261208")),
         berlin_days("2", "4", "8"), zone="Europe/Berlin"),
    Case("a date that is written as a time", "Lotus Notes", "3.3.4",
         feed(event("DTSTART;VALUE=DATE:20261225T000000", "DTEND;VALUE=DATE:20261226T000000"),
              head=("X-WR-TIMEZONE:UTC",)),
         PACIFIC, zone="America/Los_Angeles"),
]  # fmt: skip

OUTLOOK = "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"
WHOSE_ZONE = [
    Case("GMT with the summer time of London", "a university", "3.6.5",
         feed(zone("GMT", *eu("+0000", "+0100")),
              event("DTSTART;TZID=GMT:20260923T102000", "DTEND;TZID=GMT:20260923T105000")),
         ["2026-09-23 09:20/09:50"]),
    Case("EST with summer time", "Outlook", "3.2.19",
         at_ten("EST",
                zone("EST",
                     part("STANDARD", "-0400", "-0500", "DTSTART:20071104T020000",
                          "RRULE:FREQ=YEARLY;BYDAY=1SU;BYMONTH=11"),
                     part("DAYLIGHT", "-0500", "-0400", "DTSTART:20070311T020000",
                          "RRULE:FREQ=YEARLY;BYDAY=2SU;BYMONTH=3"))),
         ["2026-07-01 14:00/15:00"], start="2026-01-01"),
    Case("a Windows name with another meaning", "Exchange", "3.2.19",
         at_ten("Pacific Standard Time", zone("Pacific Standard Time", *eu("+0100", "+0200"))),
         TWO_TIMES, start="2026-01-01"),
    Case("a Windows name whose definition is broken", "Exchange", "3.6.5",
         at_ten("W. Europe Standard Time",
                zone("W. Europe Standard Time", part("STANDARD", "x", "y"))), TWO_TIMES,
         start="2026-01-01"),
    Case("GMT whose definition is broken may be anything", "nobody", "3.6.5",
         at_ten("GMT", zone("GMT", part("STANDARD", "x", "y", "DTSTART:19700101T000000"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("an IANA name goes before a definition", "Mozilla", "3.6.5",
         at_ten("Europe/Berlin",
                zone("Europe/Berlin",
                     part("STANDARD", "+0900", "+0900", "DTSTART:19700101T000000"))), TWO_TIMES,
         start="2026-01-01"),
    Case("an IANA name in small letters", "Mailchimp", "3.2.19", at_ten("europe/berlin"), TWO_TIMES,
         start="2026-01-01"),
    Case("UTC in small letters", "Mailchimp", "3.2.19", at_ten("utc"), TEN_GMT, start="2026-01-01"),
    Case("a Windows name in small letters", "SharePoint", "3.2.19",
         at_ten("w. europe standard time"), TWO_TIMES, start="2026-01-01"),
    Case("an IANA name with a blank", "Eventbrite", "3.2.19", at_ten("America/New York"),
         ["2026-07-01 14:00/15:00"], start="2026-01-01"),
    Case("an escaped slash", "Joomla", "3.3.11", at_ten("Europe\\/Berlin"), TWO_TIMES,
         start="2026-01-01"),
    Case("the zones with leap seconds", "libical", "3.2.19", at_ten("right/Europe/Berlin"),
         TWO_TIMES, start="2026-01-01"),
    Case("a comma, escaped where it is defined, quoted where it is used", "Outlook", "3.3.11",
         at_ten('"Head Office, Annex"', zone("Head Office\\, Annex", *eu("+0100", "+0200"))),
         TWO_TIMES, start="2026-01-01"),
    Case("a semicolon, escaped in both places", "Lotus Notes", "3.3.11",
         at_ten("Head Office\\; Annex", zone("Head Office\\; Annex", *eu("+0100", "+0200"))),
         TWO_TIMES, start="2026-01-01"),
    Case("quoted where it is defined", "Zimbra", "3.2.19",
         at_ten("Hall", zone('"Hall"', *eu("+0100", "+0200"))), TWO_TIMES, start="2026-01-01"),
    Case("in another case than it is defined", "Lotus Notes", "3.2.19",
         at_ten("HALL", zone("Hall", *eu("+0100", "+0200"))), TWO_TIMES, start="2026-01-01"),
    Case("a display name that is defined", "Outlook", "3.6.5",
         at_ten(f'"{OUTLOOK}"', zone(OUTLOOK.replace(",", "\\,"), *eu("+0100", "+0200"))),
         TWO_TIMES, start="2026-01-01"),
    Case("a display name with another offset", "Outlook XP", "3.2.19",
         at_ten('"(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London"'),
         ["2026-07-01 09:00/10:00"], start="2026-01-01"),
    Case("Microsoft's own scheme", "Outlook on the web", "3.2.19", at_ten("tzone://Microsoft/Utc"),
         TEN_GMT, start="2026-01-01"),
    Case("Microsoft's own scheme for a zone of the user's", "Outlook on the web", "3.2.19",
         at_ten("tzone://Microsoft/Custom",
                zone("tzone://Microsoft/Custom", *eu("+0100", "+0200"))), TWO_TIMES,
         start="2026-01-01"),
    Case("the same without a definition", "Outlook on the web", "3.2.19",
         at_ten("tzone://Microsoft/Custom"), [],
         ("DTSTART: unknown time zone, xxxxx://xxxxxxxxx/xxxxxx",), start="2026-01-01"),
    Case("an onset in UTC", "a booking system", "3.6.5",
         feed(zone("Hall", part("STANDARD", "+0200", "+0100", "DTSTART:20201025T010000Z")),
              event("UID:good", "DTSTART:20261029T100000Z", "DTEND:20261029T110000Z"),
              event("DTSTART;TZID=Hall:20261030T100000", "DTEND;TZID=Hall:20261030T110000")),
         ["2026-10-29 10:00/11:00", "2026-10-30 09:00/10:00"]),
    Case("onsets in UTC, by rules", "Synology", "3.6.5",
         at_ten("Hall",
                zone("Hall",
                     part("STANDARD", "+0200", "+0100", "DTSTART:19961027T010000Z",
                          "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10"),
                     part("DAYLIGHT", "+0100", "+0200", "DTSTART:19970330T010000Z",
                          "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3"))), TWO_TIMES,
         start="2026-01-01"),
    Case("no TZOFFSETFROM", "a booking system", "3.6.5",
         at_ten("Hall", zone("Hall", *eu("+0100", "+0200", known=False))), TWO_TIMES,
         start="2026-01-01"),
    Case("no TZOFFSETFROM and one observance", "Sabre", "3.6.5",
         at_ten("Hall", zone("Hall", part("STANDARD", "", "+0200", "DTSTART:19700101T000000"))),
         TWO_TIMES, start="2026-01-01"),
    Case("no TZOFFSETTO", "a booking system", "3.6.5",
         at_ten("Hall",
                zone("Hall",
                     ("BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0200\r\n"
                      "END:STANDARD"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("offsets without a sign", "a university", "3.3.14",
         at_ten("Hall", zone("Hall", *eu("0100", "0200"))), TWO_TIMES, start="2026-01-01"),
    Case("offsets with a colon", "Teamup", "3.3.14",
         at_ten("Hall", zone("Hall", *eu("+01:00", "+02:00"))), TWO_TIMES, start="2026-01-01"),
    Case("offsets with seconds", "Evolution", "3.3.14",
         at_ten("Hall", zone("Hall", *eu("+010000", "+020000"))), TWO_TIMES, start="2026-01-01"),
    Case("an offset of three digits is none", "nobody", "3.3.14",
         at_ten("Hall", zone("Hall", *eu("+100", "+200"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("an offset of thirty hours is none", "nobody", "3.3.14",
         at_ten("Hall", zone("Hall", *eu("+3000", "+3000"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("one observance without onset", "Squarespace", "3.6.5",
         at_ten("Hall", zone("Hall", "BEGIN:STANDARD\r\nTZOFFSETTO:+0200\r\nEND:STANDARD")),
         TWO_TIMES, start="2026-01-01"),
    Case("a definition that defines nothing", "SharePoint", "3.6.5", at_ten("GMT", zone("GMT")),
         TEN_GMT, start="2026-01-01"),
    Case("nobody sees another's definition", "merged exports", "3.6.5",
         at_ten("Hall", zone("Hall", *eu("+0100", "+0200")))
         + feed(event("UID:two", "DTSTART;TZID=Hall:20260702T100000")),
         TWO_TIMES, ("DTSTART: unknown time zone, xxxx",), start="2026-01-01"),
    Case("an onset in the year 1", ".NET", "3.6.5",
         at_ten("Hall",
                zone("Hall", part("STANDARD", "+0200", "+0200", "DTSTART:00010101T000000"))),
         TWO_TIMES, start="2026-01-01"),
    Case("an offset of twenty hours is none", "nobody", "3.3.14",
         at_ten("Hall",
                zone("Hall", part("STANDARD", "+2000", "+2000", "DTSTART:19700101T000000"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("a definition that is cut off", "a mail gateway", "3.6.5",
         at_ten("Hall", zone("Hall", *eu("+0100", "+0200")).partition("END:DAYLIGHT")[0].strip()),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("two definitions of one name", "merged exports", "3.6.5",
         at_ten("Hall", zone("Hall", *eu("+0100", "+0200")), zone("Hall", *eu("+0300", "+0400"))),
         [], ("DTSTART: its time zone's VTIMEZONE cannot be understood",), start="2026-01-01"),
    Case("the same definition twice", "merged exports", "3.6.5",
         at_ten("Hall", zone("Hall", *eu("+0100", "+0200")), zone("Hall", *eu("+0100", "+0200"))),
         TWO_TIMES, start="2026-01-01"),
]  # fmt: skip

COMPANIONS = [
    Case("EXDATEs without TZID, in UTC and in another zone", "Exchange", "3.8.5.1",
         daily("EXDATE:20261113T104700", "EXDATE:20261114T094700Z",
               "EXDATE;TZID=Pacific Standard Time:20261115T014700",
               zone="TZID=Central Europe Standard Time"),
         without(2, 3, 4), zone="America/New_York"),
    Case("several EXDATEs in one line", "Google", "3.8.5.1",
         daily("EXDATE:20261113T104700,20261114T104700", "EXDATE:20261115T094700Z,"),
         without(2, 3, 4), zone="Asia/Tokyo"),
    Case("DTEND without TZID", "Airbnb", "3.8.2.2",
         feed(event(f"DTSTART;{YORK}:20261201T100000", "DTEND:20261201T110000")),
         ["2026-12-01 15:00/16:00"], zone="Europe/Berlin"),
    Case("DTEND in UTC", "Zoom", "3.8.2.2",
         feed(event(f"DTSTART;{YORK}:20261201T100000", "DTEND:20261201T160000Z")),
         ["2026-12-01 15:00/16:00"], zone="Europe/Berlin"),
    Case("DTEND in another zone", "TripIt", "3.8.2.2",
         feed(event(f"DTSTART;{YORK}:20261201T100000", f"DTEND;{BERLIN}:20261201T170000")),
         ["2026-12-01 15:00/16:00"], zone="Asia/Tokyo"),
    Case("DTEND without zone beside a DTSTART in UTC", "Meetup", "3.8.2.2",
         feed(event("DTSTART:20261201T100000Z", "DTEND:20261201T110000")),
         ["2026-12-01 10:00/11:00"], zone="Europe/Berlin"),
    Case("a DTEND that is a date, beside a time", "Yahoo", "3.8.2.2",
         feed(event(f"DTSTART;{YORK}:20261201T100000", "DTEND;VALUE=DATE:20261202")),
         ["2026-12-01 15:00/2026-12-02 05:00"], zone="Asia/Tokyo"),
    Case("RECURRENCE-ID without TZID", "Zimbra", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20261113T104700",
                            f"DTSTART;{BERLIN}:20261201T100000"),)),
         [*without(2), "2026-12-01 09:00/09:00"], zone="Asia/Tokyo"),
    Case("RECURRENCE-ID without TZID, moved into another zone", "Outlook", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20261113T104700", f"DTSTART;{YORK}:20261201T100000"),)),
         [*without(2), "2026-12-01 15:00/15:00"], zone="Asia/Tokyo"),
    Case("RECURRENCE-ID in UTC", "Apple", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20261113T094700Z",
                            f"DTSTART;{BERLIN}:20261201T100000"),)),
         [*without(2), "2026-12-01 09:00/09:00"], zone="Asia/Tokyo"),
    Case("RECURRENCE-ID in another zone", "Outlook", "3.8.4.4",
         daily(extra=(event(f"RECURRENCE-ID;{YORK}:20261113T044700",
                            f"DTSTART;{BERLIN}:20261201T100000"),)),
         [*without(2), "2026-12-01 09:00/09:00"], zone="Asia/Tokyo"),
    Case("UNTIL without zone", "Thunderbird", "3.3.10",
         feed(event(f"DTSTART;{YORK}:20261112T200000", "DURATION:PT1H",
                    "RRULE:FREQ=DAILY;UNTIL=20261113T200000")),
         ["2026-11-13 01:00/02:00", "2026-11-14 01:00/02:00"], zone="Asia/Tokyo"),
    Case("RDATE without TZID", "Lotus Notes", "3.8.5.2",
         feed(event(f"DTSTART;{YORK}:20261112T200000", "DURATION:PT1H", "RDATE:20261114T200000")),
         ["2026-11-13 01:00/02:00", "2026-11-15 01:00/02:00"], zone="Asia/Tokyo"),
]  # fmt: skip

GAP = {"zone": BERLIN, "at": "20270326T023000", "count": 4}
IN_GAP = [
    "2027-03-26 01:30/02:00",
    "2027-03-27 01:30/02:00",
    "2027-03-28 01:30/02:00",
    "2027-03-29 00:30/01:00",
]
OVERLAP = {"zone": BERLIN, "at": "20261024T023000", "count": 3}
IN_OVERLAP = ["2026-10-24 00:30/01:00", "2026-10-25 00:30/01:00", "2026-10-26 01:30/02:00"]
MOVED = f"DTSTART;{BERLIN}:20261201T100000"
MOVED_AT = "2026-12-01 09:00/09:00"
INSTANCES = [
    *(
        Case(f"EXDATE in the spring gap, {name}", seen, "3.8.5.1", daily(line, **GAP),
             [IN_GAP[i] for i in (0, 1, 3)])  # type: ignore[arg-type]
        for name, seen, line in [
            ("in UTC", "Google", "EXDATE:20270328T013000Z"),
            ("as written", "Apple", f"EXDATE;{BERLIN}:20270328T023000"),
            ("as it exists", "Exchange", f"EXDATE;{BERLIN}:20270328T033000"),
            ("in another zone", "Outlook", f"EXDATE;{YORK}:20270327T213000"),
        ]
    ),
    Case("RECURRENCE-ID in the spring gap, in UTC", "Google", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20270328T013000Z",
                            f"DTSTART;{BERLIN}:20270401T100000"),), **GAP),  # type: ignore[arg-type]
         [*(IN_GAP[i] for i in (0, 1, 3)), "2027-04-01 08:00/08:00"]),
    Case("RECURRENCE-ID in the spring gap of a series with more dates", "Google", "3.8.4.4",
         daily(f"RDATE;{BERLIN}:20270410T100000",
               extra=(event("RECURRENCE-ID:20270328T013000Z",
                            f"DTSTART;{BERLIN}:20270401T100000"),), **GAP),  # type: ignore[arg-type]
         [*(IN_GAP[i] for i in (0, 1, 3)), "2027-04-01 08:00/08:00", "2027-04-10 08:00/08:30"]),
    Case("an hour after the gap is another instance", "nobody", "3.8.5.1",
         daily("EXDATE:20270328T003000Z", **GAP), IN_GAP),  # type: ignore[arg-type]
    Case("EXDATE in the overlap, in UTC", "Google", "3.8.5.1",
         daily("EXDATE:20261025T003000Z", **OVERLAP), [IN_OVERLAP[i] for i in (0, 2)]),  # type: ignore[arg-type]
    Case("EXDATE in the overlap, as written", "Apple", "3.8.5.1",
         daily(f"EXDATE;{BERLIN}:20261025T023000", **OVERLAP), [IN_OVERLAP[i] for i in (0, 2)]),  # type: ignore[arg-type]
    Case("the second hour of the overlap is no instance", "nobody", "3.3.5",
         daily("EXDATE:20261025T013000Z", **OVERLAP), IN_OVERLAP),  # type: ignore[arg-type]
    Case("two edits in two spellings: the highest SEQUENCE", "Outlook", "RFC 5546 2.1.5",
         daily(extra=(event("SEQUENCE:2", "RECURRENCE-ID:20261113T094700Z", MOVED),
                      event("SEQUENCE:1", f"RECURRENCE-ID;{BERLIN}:20261113T104700",
                            f"DTSTART;{BERLIN}:20261202T100000"))),
         [*without(2), MOVED_AT]),
    Case("whatever their order", "Outlook", "RFC 5546 2.1.5",
         daily(extra=(event("SEQUENCE:1", f"RECURRENCE-ID;{BERLIN}:20261113T104700",
                            f"DTSTART;{BERLIN}:20261202T100000"),
                      event("SEQUENCE:2", f"RECURRENCE-ID;{YORK}:20261113T044700", MOVED))),
         [*without(2), MOVED_AT]),
    Case("a day and a time for one instance", "Lotus Notes", "RFC 5546 2.1.5",
         daily(extra=(event("SEQUENCE:1", "RECURRENCE-ID;VALUE=DATE:20261113",
                            f"DTSTART;{BERLIN}:20261202T100000"),
                      event("SEQUENCE:2", "RECURRENCE-ID:20261113T094700Z", MOVED))),
         [*without(2), MOVED_AT]),
    Case("two edits of an instance whose series is not there", "Exchange", "RFC 5546 2.1.5",
         feed(event("SEQUENCE:1", "RECURRENCE-ID:20261113T094700Z",
                    f"DTSTART;{BERLIN}:20261202T100000"),
              event("SEQUENCE:2", f"RECURRENCE-ID;{BERLIN}:20261113T104700", MOVED)), [MOVED_AT]),
    Case("an edit of a cancelled series", "Exchange", "RFC 5546 3.2.5",
         daily("STATUS:CANCELLED", extra=(event("RECURRENCE-ID:20261113T094700Z", MOVED),)), []),
    Case("an edit of a cancelled series, made after that", "Exchange", "RFC 5546 2.1.5",
         daily("STATUS:CANCELLED", "SEQUENCE:3",
               extra=(event("SEQUENCE:4", "RECURRENCE-ID:20261113T094700Z", MOVED),)), [MOVED_AT]),
    Case("an edit without its series", "Google", "3.8.4.4",
         feed(event("RECURRENCE-ID:20261113T094700Z", MOVED)), [MOVED_AT]),
    Case("an edit in a calendar of its own", "Exchange", "3.8.4.4",
         daily() + feed(event("RECURRENCE-ID:20261113T094700Z", MOVED)), [*without(2), MOVED_AT]),
    Case("the same series in two calendars", "merged exports", "3.8.4.7", daily() + daily(), FIVE),
    Case("an older copy of a series in another calendar", "merged exports", "RFC 5546 2.1.5",
         daily("SEQUENCE:4") + daily("SEQUENCE:3", at="20261112T150000"), FIVE),
    Case("METHOD:CANCEL", "Outlook", "RFC 5546 3.2.5",
         feed(event("DTSTART:20261201T100000Z", "DURATION:PT1H"), head=("METHOD:CANCEL",)), []),
    Case("METHOD:CANCEL of one instance", "Outlook", "RFC 5546 3.2.5",
         daily() + feed(event("RECURRENCE-ID:20261113T094700Z",
                              f"DTSTART;{BERLIN}:20261113T104700"), head=("METHOD:CANCEL",)),
         without(2)),
    Case("METHOD:CANCEL of a series", "Outlook", "RFC 5546 3.2.5",
         daily("SEQUENCE:1") + daily("SEQUENCE:2").replace(b"VERSION:2.0", b"METHOD:CANCEL"), []),
    Case("a cancelled instance that says no more", "Exchange", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20261113T094700Z", "STATUS:CANCELLED"),)), without(2)),
    Case("METHOD:CANCEL of an instance that says no more", "Exchange", "RFC 5546 3.2.5",
         daily() + feed(event("RECURRENCE-ID:20261113T094700Z"), head=("METHOD:CANCEL",)),
         without(2)),
    Case("EXDATEs parted by semicolons", "Lotus Notes", "3.8.5.1",
         daily("EXDATE:20261113T094700Z;20261114T094700Z"), without(2, 3)),
]  # fmt: skip

PLAN = ("UID:ew", "DTSTART:20261128T090000Z", "DESCRIPTION:Plan")
TALK = ["2026-11-28 09:00/17:00"]
END = "DTEND:20261128T170000Z"
TITLE = "Müßiggang über Ästen"
PLAIN = feed(event(f"SUMMARY:{TITLE}", "DTSTART:20261128T090000Z", END))
TEXT = [
    Case("text that looks like BEGIN and END", "Jira", "3.1",
         feed(event(*PLAN, "Begin: 09:00", "End: 17:00", END)), TALK),
    Case("text that looks like BEGIN alone", "Jira", "3.1",
         feed(event("UID:ew3", "DTSTART:20261130T090000Z", "DURATION:PT8H", "DESCRIPTION:Plan",
                    "begin: 09:00", "RRULE:FREQ=WEEKLY;COUNT=3", "STATUS:CANCELLED"),
              event("UID:b", *PLAN[1:], END)), TALK),
    Case("text that looks like END alone", "Confluence", "3.1",
         feed(event(*PLAN, "End:Friday", "END: 17:00", END)), TALK),
    Case("text that begins a vacation", "Jira", "3.1",
         feed(event(*PLAN, "Begin:Vacation", "BEGIN:VERY EARLY", END)), TALK),
    Case("text that looks like a property", "ServiceNow", "3.1",
         feed(event(*PLAN, "Status: cancelled", "status: cancelled", "Duration: 8 h", "Rrule: none",
                    END)), TALK),
    Case("property names in small letters", "nobody", "3.1",
         feed(event("uid:x", "dtstart:20261128T090000Z", "Dtend:20261128T170000Z")), TALK),
    Case("an unknown component", "Nextcloud", "3.6",
         feed(event(*PLAN,
                    "BEGIN:X-NOTE\r\nSTATUS:CANCELLED\r\nDTEND:20261201T000000Z\r\nEND:X-NOTE",
                    END)), TALK),
    Case("a zone after the end", "a booking desk", "3.4",
         feed(event("DTSTART:20261128T093000", "DTEND:20261128T100000"))
         + (b"BEGIN:VTIMEZONE\r\nTZID:W. Europe Standard Time\r\n"
            b"BEGIN:STANDARD\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"),
         ["2026-11-28 08:30/09:00"], zone="Europe/Berlin"),
    Case("an event after the end", "concatenated by hand", "3.4",
         feed(event("UID:a", "DTSTART:20261127T090000Z")) + (event(*PLAN, END) + "\r\n").encode(),
         ["2026-11-27 09:00/09:00", *TALK]),
    Case("remarks after the end", "a firewall", "3.4", PLAIN + b"<!-- scanned -->\r\n", TALK),
    Case("CR alone", "Mac OS 9", "3.1", PLAIN.replace(b"\r\n", b"\r"), TALK),
    Case("CR CR LF", "a mail gateway", "3.1", PLAIN.replace(b"\r\n", b"\r\r\n"), TALK),
    Case("CR CR LF, folded", "a mail gateway", "3.1",
         PLAIN.replace("Äst".encode(), b"\r\n \xc3\x84st").replace(b"\r\n", b"\r\r\n"), TALK),
    Case("a CR within a text", "Outlook", "3.1",
         PLAIN.replace(b" ", b"\r").replace(b"M\xc3", b"M\rx\xc3"), TALK),
    Case("empty properties", "a web form", "3.1",
         feed(event("DTSTART:20261128T090000Z", "DTEND:", "DURATION:PT8H", "RRULE:", "EXDATE:",
                    "RDATE:", "RECURRENCE-ID:", "STATUS:", "SEQUENCE:", "TRANSP:")), TALK),
    Case("an empty DTEND", "a web form", "3.8.2.2",
         feed(event("DTSTART:20261128T090000Z", "DTEND:")), ["2026-11-28 09:00/09:00"]),
    Case("an empty DTSTART", "a web form", "3.8.2.4",
         feed(event("DTSTART:", "DTEND:20261128T090000Z")), [], ("no DTSTART",)),
    Case("weeks after the T", "a bug of ical4j", "3.3.6",
         feed(event("DTSTART:20261128T090000Z", "DURATION:PT1W")),
         ["2026-11-28 09:00/2026-12-05 09:00"]),
    Case("text that looks like a property, before it", "ServiceNow", "3.1",
         feed(event("UID:ew", "DESCRIPTION:Plan", "DTSTART: tomorrow", "DTEND: in the evening",
                    "STATUS: CANCELLED", PLAN[1], END, "STATUS:CONFIRMED")), TALK),
    Case("every line end twice, and folds", "a mail gateway", "3.1",
         PLAIN.replace("Äst".encode(), b"\r\n \xc3\x84st").replace(b"\r\n", b"\r\n\r\n"), TALK),
]  # fmt: skip

ONE_VALUE = [
    Case("an EXDATE that is none", "a web form", "3.8.5.1",
         daily("EXDATE:2026-11-13,20261114T094700Z"), without(3),
         ("EXDATE: a time is malformed, 9999-99-99",)),
    Case("an EXDATE in a zone that nobody knows", "Exchange", "3.8.5.1",
         daily("EXDATE;TZID=Private Office:20261113T104700"), FIVE,
         ("EXDATE: unknown time zone, xxxxxxx xxxxxx",)),
    Case("an EXDATE that is a period", "nobody", "3.8.5.1", daily("EXDATE:20261113T094700Z/PT1H"),
         FIVE, ("EXDATE: a period",)),
    Case("an RDATE that is none", "a web form", "3.8.5.2", daily("RDATE:someday"), FIVE,
         ("RDATE: a time is malformed, xxxxxxx",)),
    Case("an RDATE in the hour that comes twice", "a program that writes UTC", "3.3.5",
         feed(event(f"DTSTART;{BERLIN}:20261020T120000", "DURATION:PT30M",
                    "RDATE:20261025T003000Z,20261025T013000Z")),
         ["2026-10-20 10:00/10:30", "2026-10-25 00:30/01:00"],
         ("RDATE: a time in the hour that comes twice, when clocks go back",)),
    Case("an edit that is none", "a web form", "3.8.4.4",
         daily(extra=(event("RECURRENCE-ID:20261113T104700", "DTSTART:noon"),)), FIVE,
         ("DTSTART: a time is malformed, xxxx",)),
    Case("a rule that is none leaves what was edited", "nobody", "3.8.4.4",
         feed(event("DTSTART:20261112T094700Z", "RRULE:FREQ=SECONDLY"),
              event("RECURRENCE-ID:20261113T094700Z", MOVED)), [MOVED_AT],
         ("a rule that repeats every second is refused",)),
    Case("a SEQUENCE that is none", "nobody", "3.8.7.4", daily("SEQUENCE:first"), FIVE),
    Case("a DURATION that is none", "nobody", "3.8.2.5",
         feed(event("DTSTART:20261112T094700Z", "DURATION:8 h")), [],
         ("DURATION: a duration is malformed, 9 x",)),
    Case("an UNTIL that is none", "a web form", "3.3.10",
         feed(event("DTSTART:20261112T094700Z", "RRULE:FREQ=DAILY;UNTIL=12/31/2026")), [],
         ("UNTIL: a time is malformed, 99/99/9999",)),
    Case("one period that is none", "Exchange", "3.8.2.6",
         feed(event("DTSTART:20261112T000000Z", "DTEND:20261113T000000Z",
                    "FREEBUSY:20261112T094700Z/PT1H,20261112T120000Z/later", kind="VFREEBUSY")),
         ["2026-11-12 09:47/10:47"], ("FREEBUSY: a time is malformed, xxxxx",)),
]  # fmt: skip

CASES = [*LAST_DAY, *WHOSE_DAY, *WHOSE_ZONE, *COMPANIONS, *INSTANCES, *TEXT, *ONE_VALUE]


@pytest.mark.parametrize("case", CASES, ids=[f"{case.seen}: {case.name}" for case in CASES])
def test_it_is_read_as_it_was_meant(case: Case) -> None:
    reading = understood(check_body(case.body), case.start, case.end, case.zone)
    assert sorted(
        {
            span
            for row, span in zip(reading.rows, spans(reading), strict=True)
            if row[0].status != "cancelled"
        }
    ) == sorted(case.expected)
    assert tuple(problem.reason for problem in reading.problems) == case.problems
    assert case.rfc[0].isdigit() or case.rfc.startswith("RFC")


def titles(body: bytes) -> list[str]:
    return [row[0].summary for row in understood(check_body(body), "2026-09-01", "2027-06-01").rows]


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (b"Freeze f\xc3", "Freeze f\ufffd"),  # at its end, as by a limit on bytes
        ("Für immer \u20ac".encode()[:-1], "Für immer \ufffd"),
        ("Mü".encode() + b"\xc3 " + "ßig".encode(), "Mü\ufffd ßig"),
        ("Müßig".encode("latin-1"), "Müßig"),  # one event of another program's
    ],
)
def test_one_cut_character_costs_only_itself(cut: bytes, expected: str) -> None:
    odd = feed(event("UID:odd", "SUMMARY:#", "DTSTART:20261129T090000Z")).replace(b"#", cut)
    assert titles(PLAIN + odd) == [TITLE, expected]


def test_a_text_with_a_return_in_it_is_whole() -> None:
    assert titles(feed(event("SUMMARY:Release\rfreeze", "DTSTART:20261128T090000Z"))) == [
        "Release freeze"
    ]


@pytest.mark.parametrize("ends", [b"\r", b"\r\r\n", b"\n\r\n"])
def test_line_ends_of_all_kinds_are_counted(ends: bytes) -> None:
    assert len(EVENTS.findall(check_body(PLAIN.replace(b"\r\n", ends)))) == 1


@pytest.mark.parametrize(
    ("title", "encoding", "content_type"),
    [
        ("Заморозка", "windows-1251", "text/calendar; charset=windows-1251"),
        ("Заморозка", "koi8-r", 'text/calendar; method=PUBLISH; charset="KOI8-R"'),
        ("Zmrazení vydání", "iso-8859-2", "text/calendar;charset=ISO-8859-2"),
        ("凍結", "iso-2022-jp", "text/calendar; charset=iso-2022-jp"),
        ("Müßiggang €", "cp1252", "text/calendar; charset=iso-8859-1"),
        # What it is goes before what it is called
        (TITLE, "utf-8", "text/calendar; charset=iso-8859-1"),
        (TITLE, "utf-8", "text/calendar"),
        (TITLE, "latin-1", "text/calendar; charset=utf-8"),
        (TITLE, "latin-1", "text/calendar; charset=nonsense"),
        (TITLE, "latin-1", "text/calendar; charset=zip"),
        (TITLE, "utf-16", "text/calendar; charset=utf-8"),
    ],
)
def test_the_charset_that_a_server_names(
    origin: Origin, title: str, encoding: str, content_type: str
) -> None:
    """RFC 5545 section 3.1.4."""
    text = feed(event(f"SUMMARY:{title}", "DTSTART:20261128T090000Z", END)).decode()
    origin.serve(text.encode(encoding), Content_Type=content_type)
    found = Calendar(origin.url(), match=f"*{title[1:]}").events(*HORIZON)
    assert [one.summary for one in found] == [title]
