"""Values as people write them on the command line."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from calendar_timetable.planning.errors import CalendarTimetableError, InvalidArgument
from calendar_timetable.planning.timesets import TimeSet
from calendar_timetable.planning.weekly import Weekly, parse_rule

_LENGTH = re.compile(r"([+-]?)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,8})m(?:in)?)?(?:(\d{1,9})s)?")
_MOST_DAYS = 3660
_MOST_TICKS = 10_000


class Misused(CalendarTimetableError):
    """What the command cannot work with: a schedule that Airflow refuses, a DAG that has none of ours, no tables."""


def times(option: str, text: str) -> TimeSet:
    """What *option* names: a weekly rule, holidays, or a calendar."""
    if text.startswith("holidays:"):
        from calendar_timetable.calendars.holidays import Holidays

        return Holidays(text.removeprefix("holidays:"))
    try:
        parse_rule(text)
    except InvalidArgument as error:
        return _calendar(option, text, error.remedy)
    return Weekly(text)


def _calendar(option: str, text: str, no_rule: str) -> TimeSet:
    from calendar_timetable.calendars.addresses import is_address, shown
    from calendar_timetable.calendars.calendar import Calendar

    calendar = Calendar(text)
    try:
        calendar.validate()
    except InvalidArgument:
        if is_address(text):
            raise
    else:
        if is_address(text) or _is_connection(text):
            return calendar
    remedy = (
        "give a weekly rule ('mon-fri 19:00-07:00'), 'holidays:DE-BY', an address, or the id of an Airflow Connection"
    )
    raise InvalidArgument(
        option, shown(text), f"no Airflow Connection has that id, and as a weekly rule: {no_rule}; {remedy}"
    )


def _is_connection(text: str) -> bool:
    from airflow.sdk import BaseHook

    try:
        BaseHook.get_connection(text)
    except Exception as error:  # noqa: BLE001  (a secrets backend that fails says so when the calendar is read)
        return type(error).__name__ != "AirflowNotFoundException"
    return True


def moment(text: str) -> datetime:
    """A time in ISO 8601; without an offset it is to be read by :func:`moment_in`."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid time; write it as 2026-11-28T02:00") from None


def moment_in(given: datetime | None, zone: ZoneInfo) -> datetime | None:
    """The *given* time, in *zone* where it has no offset of its own."""
    return given.replace(tzinfo=zone) if given is not None and given.tzinfo is None else given


def length(text: str) -> timedelta:
    """A length of time, not negative."""
    found = signed_length(text)
    if found < timedelta(0):
        raise argparse.ArgumentTypeError(f"{text!r} is negative; write it as 4h, 90m or 1d12h")
    return found


def signed_length(text: str) -> timedelta:
    """A length of time, perhaps negative."""
    match = _LENGTH.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid length of time; write it as 4h, 90m or 1d12h")
    days, hours, minutes, seconds = (int(n or 0) for n in match.groups()[1:])
    found = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -found if match.group(1) == "-" else found


def days(text: str) -> int:
    """A number of days to look ahead."""
    return _number(text, _MOST_DAYS)


def ticks(text: str) -> int:
    """A number of ticks to show."""
    return _number(text, _MOST_TICKS)


def _number(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= most or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {most}")
    return int(text)
