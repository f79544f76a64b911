"""What real servers emit though they should not, and how it is read.

Literal spans, and where each comes from.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.ics import event, feed, spans, understood

JULY = ("20240701T100000", "DURATION:PT1H")


def in_zone(tzid: str, *components: str) -> bytes:
    """Ten to eleven in July in the zone that *tzid* names."""
    return feed(*components, event(f"DTSTART;TZID={tzid}:{JULY[0]}", JULY[1]))


def zone_1601(tzid: str, *, end: str = "") -> str:
    """A VTIMEZONE as Outlook writes it: since 1601, here with winter at +01:00."""
    rule = "RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH="
    return "\r\n".join(
        [
            f"BEGIN:VTIMEZONE\r\nTZID:{tzid}",
            f"BEGIN:STANDARD\r\nDTSTART:16011028T030000\r\n{rule}10{end}",
            "TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD",
            f"BEGIN:DAYLIGHT\r\nDTSTART:16010325T020000\r\n{rule}3{end}",
            "TZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE",
        ]
    )


DAILY = ("DTSTART:20240301T100000Z", "DURATION:PT1H")
TWICE = ["2024-03-01 10:00/11:00", "2024-03-02 10:00/11:00"]
EIGHT = ["2024-07-01 08:00/09:00"]
PLAIN = feed(event("SUMMARY:Müßiggang", "DTSTART:20240701T080000Z", JULY[1]))


@dataclass(frozen=True)
class Repair:
    """One thing that is mended; ``seen`` in whose calendars."""

    name: str
    seen: str
    body: bytes
    expected: list[str]
    problems: tuple[str, ...] = ()


REPAIRS = [
    # --- zones
    Repair("an unquoted offset", "Exchange", in_zone("UTC+02:00"), EIGHT),
    Repair("a quoted offset", "Exchange", in_zone('"UTC+02:00"'), EIGHT),
    Repair("an offset without colon", "Lotus Notes", in_zone("GMT-0330"),
           ["2024-07-01 13:30/14:30"]),
    Repair("a Windows name", "Exchange", in_zone("W. Europe Standard Time"), EIGHT),
    Repair("a quoted Windows name", "Exchange", in_zone('"W. Europe Standard Time"'), EIGHT),
    Repair("a display name", "Outlook",
           in_zone("(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"), EIGHT),
    Repair("a quoted display name", "Outlook",
           in_zone('"(UTC+01:00) Sarajevo, Skopje, Warsaw, Zagreb"'), EIGHT),
    Repair("a display name of old", "Outlook 2003", in_zone("(GMT+01.00) Sarajevo/Warsaw/Zagreb"),
           EIGHT),
    Repair("a display name at zero", "Outlook", in_zone("(UTC) Dublin, Edinburgh, Lisbon, London"),
           ["2024-07-01 09:00/10:00"]),
    Repair("a display name by the half hour", "Outlook",
           in_zone("(UTC+05:30) Chennai, Kolkata, Mumbai, New Delhi"), ["2024-07-01 04:30/05:30"]),
    Repair("a display name with minutes west", "Outlook",
           in_zone("(UTC-03:30) Newfoundland, St Johns"), ["2024-07-01 12:30/13:30"]),
    Repair("a display name of an area", "Outlook",
           in_zone("(UTC-05:00) Eastern Time (US & Canada)"), ["2024-07-01 14:00/15:00"]),
    Repair("a display name where winter is in July", "Outlook",
           in_zone("(UTC+10:00) Canberra, Melbourne, Sydney"), ["2024-07-01 00:00/01:00"]),
    Repair("a display name with a VTIMEZONE", "Outlook",
           in_zone("(UTC+09:00) Berlin", zone_1601("(UTC+09:00) Berlin")), EIGHT),
    Repair("a display name that contradicts itself", "nobody", in_zone("(UTC+09:00) Berlin"), [],
           ("DTSTART: unknown time zone, (xxx+99:99) xxxxxx",)),
    Repair("a display name of nowhere", "nobody", in_zone("(UTC+01:00) Atlantis"), [],
           ("DTSTART: unknown time zone, (xxx+99:99) xxxxxxxx",)),
    Repair("a vendor's name", "Evolution",
           in_zone("/freeassociation.sourceforge.net/Europe/Berlin"), EIGHT),
    Repair("a vendor's name of three parts", "Mozilla",
           in_zone("/mozilla.org/20070129_1/America/Argentina/Buenos_Aires"),
           ["2024-07-01 13:00/14:00"]),
    Repair("a VTIMEZONE since 1601", "Outlook", in_zone("Custom", zone_1601("Custom")), EIGHT),
    Repair("a VTIMEZONE since 1601, a semicolon at its rules' end", "Outlook",
           in_zone("Custom", zone_1601("Custom", end=";")), EIGHT),
    # --- rules
    Repair("a semicolon at the end", "Zimbra", feed(event(*DAILY, "RRULE:FREQ=DAILY;COUNT=2;")),
           TWICE),
    Repair("two semicolons", "Zimbra", feed(event(*DAILY, "RRULE:FREQ=DAILY;;COUNT=2;;")), TWICE),
    Repair("UNTIL a date, of a time", "Google",
           feed(event(*DAILY, "RRULE:FREQ=DAILY;UNTIL=20240302")), TWICE),
    Repair("UNTIL without Z, of a time in UTC", "Exchange",
           feed(event(*DAILY, "RRULE:FREQ=DAILY;UNTIL=20240302T100000")), TWICE),
    Repair(
        "UNTIL a time, of a date",
        "iCloud",
        feed(event("DTSTART;VALUE=DATE:20240301", "RRULE:FREQ=DAILY;UNTIL=20240302T000000Z")),
        ["2024-03-01 00:00/2024-03-02 00:00", "2024-03-02 00:00/2024-03-03 00:00"],
    ),
    Repair(
        "UNTIL in UTC, of a time in a zone, on its last local day",
        "Google",
        feed(event("DTSTART;TZID=America/New_York:20240301T230000", "DURATION:PT1H",
                   "RRULE:FREQ=DAILY;UNTIL=20240303T040000Z")),
        ["2024-03-02 04:00/05:00", "2024-03-03 04:00/05:00"],
    ),
    # --- bytes
    Repair("Latin-1", "old exports", PLAIN.decode().encode("latin-1"), EIGHT),
    Repair("a byte order mark", "Windows", b"\xef\xbb\xbf" + PLAIN, EIGHT),
    Repair("bare LF", "hand-made", PLAIN.replace(b"\r\n", b"\n"), EIGHT),
    Repair("mixed line ends", "hand-made", PLAIN.replace(b"\r\n", b"\n", 4), EIGHT),
    Repair("several VCALENDARs", "merged exports", PLAIN + feed(event(*DAILY)),
           ["2024-03-01 10:00/11:00", *EIGHT]),
    Repair("several VCALENDARs, each with a mark", "merged exports",
           (b"\xef\xbb\xbf" + PLAIN) + (b"\xef\xbb\xbf" + feed(event(*DAILY))),
           ["2024-03-01 10:00/11:00", *EIGHT]),
]  # fmt: skip


@pytest.mark.parametrize("repair", REPAIRS, ids=[repair.name for repair in REPAIRS])
def test_repair(repair: Repair) -> None:
    reading = understood(repair.body, "2024-01-01", "2025-01-01")
    assert spans(reading) == repair.expected
    assert tuple(problem.reason for problem in reading.problems) == repair.problems


@pytest.mark.parametrize("name", ["Latin-1", "a byte order mark", "bare LF", "mixed line ends"])
def test_texts_are_whole(name: str) -> None:
    (repair,) = (repair for repair in REPAIRS if repair.name == name)
    ((details, _, _),) = understood(repair.body, "2024-01-01", "2025-01-01").rows
    assert details.summary == "Müßiggang"
