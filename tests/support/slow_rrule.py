"""Recurrence rules as slowly as can be, straight from the table in RFC 5545 section 3.3.10.

Nothing is calculated. All days of a period are looked at one by one, and each part of the rule is
asked whether it allows the day; where no part names the day, DTSTART does. Nothing here is shared
with the package.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import product

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ONE = timedelta(days=1)

Parts = dict[str, str]
Period = tuple[list[date], list[time]]


def instances(parts: Parts, start: datetime, last: datetime) -> list[datetime]:
    """Return what the rule of *parts* names from *start*, its DTSTART, to *last*."""
    found: list[datetime] = []
    until = datetime.strptime(parts["UNTIL"], "%Y%m%dT%H%M%S") if "UNTIL" in parts else last  # noqa: DTZ007
    for number, (days, clocks) in enumerate(periods(parts, start, min(last, until))):
        if number % int(parts.get("INTERVAL", "1")):
            continue
        named = sorted({datetime.combine(day, clock) for day in days for clock in clocks})
        if "BYSETPOS" in parts:
            positions = numbers(parts, "BYSETPOS")
            named = [
                at
                for n, at in enumerate(named)
                if n + 1 in positions or n - len(named) in positions
            ]
        found += [at for at in named if start <= at <= min(last, until)]
    return found[: int(parts["COUNT"])] if "COUNT" in parts else found


def periods(parts: Parts, start: datetime, last: datetime) -> Iterator[Period]:
    """Yield, of every period from that of *start* on, its days and its times.

    Those are the days and the times that BYxxx parts allow in it.
    """
    frequency = parts["FREQ"]
    day = first_of_period(parts, start.date())
    while day <= last.date():
        after = day + ONE
        while first_of_period(parts, after) == day:
            after += ONE
        days = [each for each in days_from(day, after) if allowed(parts, each, start.date())]
        if frequency not in ("HOURLY", "MINUTELY"):
            yield days, times(parts, start, {})
        else:
            for hour, minute in product(
                range(24), range(60) if frequency == "MINUTELY" else [None]
            ):
                if day > start.date() or (hour, minute or 0) >= (
                    start.hour,
                    start.minute if minute is not None else 0,
                ):
                    yield (
                        days,
                        times(
                            parts,
                            start,
                            {"BYHOUR": hour} | ({} if minute is None else {"BYMINUTE": minute}),
                        ),
                    )
        day = after


def days_from(first: date, after: date) -> Iterator[date]:
    """Yield the days from *first* on, before *after*."""
    while first < after:
        yield first
        first += ONE


def first_of_period(parts: Parts, day: date) -> date:
    """Return the first day of the year, month or week that *day* is in; else *day*."""
    frequency = parts["FREQ"]
    if frequency == "YEARLY":
        if "BYWEEKNO" not in parts:
            return date(day.year, 1, 1)
        wkst = parts.get("WKST", "MO")
        return next(
            first for year in (1, 0, -1) if (first := first_week(wkst, day.year + year)) <= day
        )
    if frequency == "MONTHLY":
        return day.replace(day=1)
    return week(parts.get("WKST", "MO"), day) if frequency == "WEEKLY" else day


def week(wkst: str, day: date) -> date:
    """Return the first day of the week that *day* is in."""
    while DAYS[day.weekday()] != wkst:
        day -= ONE
    return day


@lru_cache
def first_week(wkst: str, year: int) -> date:
    """Return where the first week of *year* begins.

    That week "contains at least four (4) days in that calendar year".
    """
    first = week(wkst, date(year, 1, 1))
    in_year = sum((first + n * ONE).year == year for n in range(7))
    return first if in_year >= 4 else first + 7 * ONE


def times(parts: Parts, start: datetime, fixed: dict[str, int]) -> list[time]:
    """Return the times of the day.

    Of what the frequency *fixed* each part is a limit, of the rest it names all.
    """
    clocks = []
    own = {"BYHOUR": start.hour, "BYMINUTE": start.minute, "BYSECOND": start.second}
    for name, value in own.items():
        if name in fixed:
            clocks.append(
                [fixed[name]] if name not in parts or fixed[name] in numbers(parts, name) else []
            )
        else:
            clocks.append([min(n, 59) for n in numbers(parts, name)] if name in parts else [value])
    return [time(h, m, s) for h, m, s in product(*clocks)]


def allowed(parts: Parts, day: date, start: date) -> bool:
    """Whether every part allows *day*, and DTSTART, *start*, what no part names."""
    frequency = parts["FREQ"]
    next_month = (day.replace(day=1) + 31 * ONE).replace(day=1)
    counts = {
        "BYMONTH": lambda: (day.month,),
        "BYWEEKNO": lambda: numbered(first_of_period(parts, day), day, next_year(parts, day), 7),
        "BYYEARDAY": lambda: numbered(date(day.year, 1, 1), day, date(day.year + 1, 1, 1), 1),
        "BYMONTHDAY": lambda: numbered(day.replace(day=1), day, next_month, 1),
    }
    for name, count in counts.items():
        if name in parts and not numbers(parts, name).intersection(count()):
            return False
    if "BYDAY" in parts and not any(
        is_weekday(parts, text, day) for text in parts["BYDAY"].split(",")
    ):
        return False
    # "Information, not contained in the rule, necessary to determine the various recurrence
    # instance start time and dates are derived from DTSTART"
    if frequency == "WEEKLY" and "BYDAY" not in parts:
        return day.weekday() == start.weekday()
    if frequency == "MONTHLY" and not {"BYDAY", "BYMONTHDAY"} & parts.keys():
        return day.day == start.day
    if frequency != "YEARLY" or "BYYEARDAY" in parts:
        return True
    if "BYWEEKNO" in parts:
        return "BYDAY" in parts or day.weekday() == start.weekday()
    if "BYMONTHDAY" in parts:
        return "BYMONTH" in parts or day.month == start.month
    if "BYDAY" in parts:
        return True
    return day.day == start.day and ("BYMONTH" in parts or day.month == start.month)


def is_weekday(parts: Parts, text: str, day: date) -> bool:
    """Tell whether *text*, an element of BYDAY, is *day*.

    It is the n-th of the month, or of the year without BYMONTH.
    """
    if text[-2:] != DAYS[day.weekday()]:
        return False
    if len(text) == 2:
        return True
    of_month = parts["FREQ"] == "MONTHLY" or "BYMONTH" in parts
    same = weekdays_of(day.year, day.month if of_month else None, day.weekday())
    return int(text[:-2]) in (same.index(day) + 1, same.index(day) - len(same))


@lru_cache
def weekdays_of(year: int, month: int | None, weekday: int) -> list[date]:
    """Every such weekday of the month, or of the year."""
    days = days_from(date(year, 1, 1), date(year + 1, 1, 1))
    return [day for day in days if day.weekday() == weekday and month in (None, day.month)]


def next_year(parts: Parts, day: date) -> date:
    """Return the first day of the year after that of *day*, as BYWEEKNO counts years."""
    return first_of_period(parts, first_of_period(parts, day) + 375 * ONE)


def numbered(first: date, day: date, after: date, size: int) -> tuple[int, int]:
    """Return the numbers of *day*, counted from both ends.

    It is counted in steps of *size* days from *first* on, and back from the day before *after*.
    """
    return (day - first).days // size + 1, -(((after - day).days - 1) // size + 1)


def numbers(parts: Parts, name: str) -> frozenset[int]:
    """Return the numbers of the part called *name*."""
    return numbers_in(parts[name])


@lru_cache
def numbers_in(text: str) -> frozenset[int]:
    """Return the numbers in *text*, which commas part."""
    return frozenset(int(number) for number in text.split(","))
