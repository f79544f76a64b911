"""Secret addresses in DAG files: told from plain ones, warned of once, masked."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from calendar_timetable.calendars import addresses
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning.time_sets import TimeRange
from tests.support.ics import event, feed
from tests.support.moments import instant
from tests.support.origin import SECRET, Origin

HORIZON = TimeRange(instant("2024-03-01"), instant("2024-04-01"))
GOOD = feed(event("UID:m", "DTSTART:20240310T120000Z", "DTEND:20240310T130000Z"))

HEX = "0123456789abcdef0123456789abcdef"
GOOGLE = "https://calendar.google.com/calendar/ical"
UUID = "1f2e3d4c-1234-4abc-8def-0123456789ab"
ADDRESSES = {
    f"{GOOGLE}/team%40group.calendar.google.com/private-{HEX}/basic.ics": (f"private-{HEX}",),
    f"{GOOGLE}/c_{HEX}%40group.calendar.google.com/public/basic.ics": (),
    f"webcal://www.google.com/calendar/ical/a%40b.example/private-{HEX}/basic.ics": (
        f"private-{HEX}",
    ),
    f"https://outlook.office365.com/owa/calendar/{HEX}@b.example/{HEX}17/calendar.ics": (
        f"{HEX}@b.example",
        f"{HEX}17",
    ),
    f"https://outlook.live.com/owa/calendar/{UUID}/{UUID}/cid-AB/calendar.ics": (UUID,),
    "https://p42-caldav.icloud.com/published/2/MTIzNDU2Nzg5MDEyMzQ1Nj": ("MTIzNDU2Nzg5MDEyMzQ1Nj",),
    "https://cloud.example.com/remote.php/dav/public-calendars/yZbdQxnLmKpRtWgs?export": (
        "yZbdQxnLmKpRtWgs",
    ),
    "https://alice:pa%2Fss@h.example/team.ics": ("pa%2Fss", "pa/ss"),
    # A token in the place of a login
    "https://s3cr3t%21@h.example/team.ics": ("s3cr3t%21", "s3cr3t!"),
    f"https://h.example/{UUID}/team.ics": (UUID,),
    "https://h.example/team.ics?token=abc": ("abc",),
    "https://h.example/team.ics?api_key=abc&view=week": ("abc",),
    f"https://h.example/team.ics?u={HEX}": (HEX,),
    "https://h.example/calendars/team-calendar-2026-public-holidays.ics?lang=de": (),
    "https://www.example.org/ical/NorthRhineWestphalia/holidays2026.ics": (),
    "webcal://h.example/team.ics": (),
    f"file:///srv/{HEX}/team.ics": (),
    f"/srv/{HEX}/team.ics": (),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_secret_in_an_address(address: str) -> None:
    assert addresses.secrets_in(address) == ADDRESSES[address]


def test_a_secret_address_works_and_is_warned_of_once(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(addresses, "_warned", set())
    origin.serve(GOOD)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            Calendar(origin.url(), name="Team").resolve(HORIZON, "UTC")
    (record,) = [
        record
        for record in caplog.records
        if record.name == "calendar_timetable.calendars.addresses"
    ]
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Calendar Team: its address holds a secret")
    assert (
        "Connection of type 'ical' with the address in its field 'Secret URL' (secret_url)"
        in record.getMessage()
    )
    assert SECRET not in caplog.text


MASKED = f"""
import sys
import airflow.sdk
from airflow.sdk.log import redact
from calendar_timetable.calendars.addresses import warn_of
warn_of(sys.argv[1], "Team")
print(redact(sys.argv[1]), redact("of {HEX}"), redact("and pa ss"))
"""


@pytest.mark.slow
def test_airflow_masks_it() -> None:
    address = f"https://alice:pa%20ss@h.example/private-{HEX}/{HEX}?u={HEX}"
    done = subprocess.run(
        [sys.executable, "-c", MASKED, address], capture_output=True, text=True, timeout=120
    )
    assert (
        done.stdout.splitlines()[-1] == "https://alice:***@h.example/***/***?u=*** of *** and ***"
    )


def test_a_name_tells_calendars_of_one_host_apart() -> None:
    address = f"{GOOGLE}/a%40b.example/private-{HEX}/basic.ics"
    named = Calendar(address, name="Team")
    assert (str(named), str(Calendar(address))) == ("Team", "calendar.google.com")
    assert repr(named) == "Calendar('https://calendar.google.com/…', name='Team')"
    assert named != Calendar(address)
    named.validate()
    for wrong in ("", "  ", "a\nb", "x" * 101, "https://h.example/secret", 5):
        with pytest.raises(InvalidArgument, match="name="):
            Calendar(address, name=wrong).validate()  # type: ignore[arg-type]
