"""Working days and trading hours as time sets, from ``holidays`` and ``exchange_calendars``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from importlib.metadata import version
from typing import Any
from warnings import catch_warnings, simplefilter

from calendar_timetable.calendars.holidays import with_version
from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.spans import Spans
from calendar_timetable.planning.time_sets import (
    CalendarSpans,
    Difference,
    LocalDays,
    TimeRange,
    TimeSet,
    Union,
)
from calendar_timetable.planning.weekly import DAYS, Weekly, parse_weekly_rule

# Past the horizon: days are rules, which must hold where calendars are no longer known.
_YEARS_AHEAD = 2
# What the days are called that the days of the week do not tell: they are stored in DAGs.
OFF, WORKED = "days off", "days worked"
_TRADING = "trading hours "
_MOST_SAID = 100  # characters of what a library says of its trouble
_WEEKEND = frozenset((5, 6))
_COUNTRY = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_EXCHANGE = re.compile(r"[A-Z0-9]{4,6}")
_REMEDIES = {
    "WorkingDays": "give a country ('DE'), a country and subdivision ('DE-BY') or an exchange "
    "('XNYS')",
    "TradingHours": "give an exchange, as 'XNYS'",
}
_DATES = (list, tuple, set, frozenset)


@dataclass(frozen=True)
class _Days:
    """What a library knows: weekdays that are off, holidays, and days worked instead."""

    weekend: frozenset[int]
    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()


class WorkingDays(TimeSet):
    """Whole local days on which people work, or an exchange trades.

    :param code: a country (``"DE"``) or subdivision (``"DE-BY"``): its weekend, public holidays and
        days worked instead are those of the library ``holidays`` (extra ``holidays``). Or an
        exchange by its ISO 10383 code or usual name (``"XNYS"``, ``"NYSE"``): the days of its
        sessions in ``exchange_calendars`` (extra ``exchanges``). Without one: Monday to Friday.
    :param weekend: days of the week that are off, in place of what the code says, as ``"fri-sat"``.
    :param add: dates that count, whatever else is said.
    :param remove: dates that do not count, whatever else is said.
    :param timezone: the IANA zone whose days these are (default: the timetable's).

    Days off of a team are taken away by ``WorkingDays("DE") - Calendar("team_days_off")``.
    """

    def __init__(
        self,
        code: str | None = None,
        *,
        weekend: str | None = None,
        add: Collection[date] = (),
        remove: Collection[date] = (),
        timezone: str | None = None,
    ) -> None:
        self.code, self.weekend, self.timezone = code, weekend, timezone
        self.add, self.remove = add, remove

    def __repr__(self) -> str:
        arguments = [] if self.code is None else [repr(self.code)]
        for name in ("weekend", "add", "remove", "timezone"):
            value = getattr(self, name)
            if isinstance(value, (set, frozenset)):
                # In an order that is the same in each process.
                value = sorted(value, key=str)
            if value:
                arguments.append(f"{name}={value!r}")
        return f"WorkingDays({', '.join(arguments)})"

    def __str__(self) -> str:
        return "working days" if self.code is None else f"working days {self.code}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WorkingDays) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def validate(self) -> None:
        if self.code is not None:
            _check_code("WorkingDays", self.code)
        if self.weekend is not None:
            _weekend(self.weekend)
        for name in ("add", "remove"):
            dates: Any = getattr(self, name)
            # Not an iterator: what is told once is gone when it is asked again.
            if not isinstance(dates, _DATES) or not all(map(_is_date, dates)):
                raise InvalidArgument(name, dates, "give a list of dates")
        if both := sorted({*self.add} & {*self.remove}):
            raise InvalidArgument(
                "remove", both[0].isoformat(), "it is added as well; give it once"
            )
        if self.timezone is not None:
            zones.load_zone(self.timezone)

    def fingerprint(self) -> str:
        return f"{self!r} {self.library()}"

    def library(self) -> str:
        return _library_of(self.code)

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        zone = zones.zone_name(self.timezone or timezone)
        code_days = known_days(self.code, _years(horizon))
        weekend = code_days.weekend if self.weekend is None else _weekend(self.weekend)
        weekdays = [name for number, name in enumerate(DAYS) if number not in weekend]
        worked = sorted((code_days.worked - {*self.remove}) | {*self.add})
        off = sorted((code_days.off | {*self.remove}) - {*self.add})
        days: TimeSet = Weekly(",".join(weekdays), timezone=zone)
        if off:
            days = Difference((days, LocalDays(f"{OFF} {self.code or ''}".strip(), zone, (*off,))))
        return Union((days, LocalDays(WORKED, zone, (*worked,)))) if worked else days


class TradingHours(TimeSet):
    """When an exchange trades: its sessions, with breaks and early closes.

    Time of which the library does not know is open: as windows it counts, as blackouts it does not.

    :param code: as for :class:`WorkingDays`; needs the extra ``exchanges``.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self._allows = False

    def in_role(self, *, deny: bool) -> TimeSet:
        hours = copy(self)
        hours._allows = not deny  # noqa: SLF001
        return hours

    def __repr__(self) -> str:
        return f"TradingHours({self.code!r})"

    def __str__(self) -> str:
        return f"{_TRADING}{self.code}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TradingHours) and self.code == other.code

    def __hash__(self) -> int:
        return hash((TradingHours, self.code))

    def validate(self) -> None:
        _check_code("TradingHours", self.code)

    def fingerprint(self) -> str:
        return f"{self!r} {self.library()}"

    def library(self) -> str:
        return _library_of(self.code)

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        first, last = (
            datetime.fromtimestamp(at, UTC).date() for at in (horizon.start, horizon.end)
        )
        day = timedelta(days=1)
        calendar, begins, ends = _exchange("TradingHours", self.code, first - day, last + day)
        schedule = calendar.schedule
        pairs: list[tuple[int, int]] = []
        if self._allows:
            utc = zones.load_zone("UTC")
            pairs.append((horizon.start, zones.local_instant(begins, 0, utc)))
            pairs.append((zones.local_instant(ends + day, 0, utc), horizon.end))
            pairs = [(start, end) for start, end in pairs if start < end]
        for opening, break_start, break_end, closing in zip(
            *(schedule[name] for name in ("open", "break_start", "break_end", "close")), strict=True
        ):
            if break_start == break_start:  # not so for NaT, where there is no break
                pairs += [
                    (_instant(opening), _instant(break_start)),
                    (_instant(break_end), _instant(closing)),
                ]
            else:
                pairs.append((_instant(opening), _instant(closing)))
        return CalendarSpans(str(self), Spans(pairs).clip(horizon.start, horizon.end))


def trading_code(spans: CalendarSpans) -> str | None:
    """Return the exchange whose :class:`TradingHours` came to *spans*; ``None`` for a calendar."""
    ours = spans.feed is None and spans.label.startswith(_TRADING)
    return spans.label.removeprefix(_TRADING) if ours else None


def _check_code(field: str, code: object) -> None:
    """Refuse a *code* that cannot be one of the class *field*, without asking a library."""
    kinds = (_EXCHANGE,) if field == "TradingHours" else (_COUNTRY, _EXCHANGE)
    if not isinstance(code, str) or not any(kind.fullmatch(code) for kind in kinds):
        raise InvalidArgument(field, code, _REMEDIES[field])


def known_days(code: str | None, years: range) -> _Days:
    """Return what the libraries know of *code* in *years*."""
    if code is None:
        return _Days(_WEEKEND)
    if _COUNTRY.fullmatch(code):
        return _days_of_country(code, years)
    low, high = date(years[0], 1, 1), date(years[-1], 12, 31)
    calendar, first, last = _exchange("WorkingDays", code, low, high)
    return _in_short({at.date() for at in calendar.sessions}, first, last)


def _days_of_country(code: str, years: range) -> _Days:
    library = _library("holidays", "holidays", "WorkingDays", code)
    country, _, subdivision = code.partition("-")
    with catch_warnings():
        simplefilter("ignore")  # of years for which less is known
        try:
            holidays = library.country_holidays(country, subdiv=subdivision or None, years=years)
        except NotImplementedError:
            remedy = f"the holidays library does not know it; {_REMEDIES['WorkingDays']}"
            raise InvalidArgument("WorkingDays", code, remedy) from None
    first, last = date(years[0], 1, 1), date(years[-1], 12, 31)
    # Also what is worked on a weekend in place of another day, and weekends that moved by law.
    worked = {day for day in _dates(first, last) if holidays.is_working_day(day)}
    return _in_short(worked, first, last)


def _in_short(worked: Collection[date], first: date, last: date) -> _Days:
    """Return the days *worked* from *first* to *last* as a weekend and what differs from it."""
    counts = Counter(day.weekday() for day in worked)
    every = Counter(day.weekday() for day in _dates(first, last))
    weekend = frozenset(number for number in every if 2 * counts[number] < every[number])
    off = {day for day in _dates(first, last) if day.weekday() not in weekend} - {*worked}
    on_weekends = {day for day in worked if day.weekday() in weekend}
    return _Days(weekend, frozenset(off), frozenset(on_weekends))


def _dates(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _exchange(field: str, code: str, first: date, last: date) -> tuple[Any, date, date]:
    """Return an exchange's calendar, and the days that it knows: *first* to *last*, if it can.

    Else it knows as much of that as there is, and where that is nothing, a year at the nearest end
    of what there is. Raises :class:`InvalidArgument` where the library knows no such exchange, or
    fails for it; *field* is the class that was given *code*.
    """
    library = _library("exchange_calendars", "exchanges", field, code)

    def calendar_between(begin: date, end: date) -> tuple[Any, date, date]:
        return library.get_calendar(code, start=f"{begin}", end=f"{end}"), begin, end

    # What it says of itself is for its own authors, not for who reads a DAG file's log.
    with catch_warnings():
        simplefilter("ignore")
        _check_passover(field, code)
        try:
            return calendar_between(first, last)
        except library.errors.InvalidCalendarName:
            remedy = f"exchange_calendars does not know it; {_REMEDIES[field]}"
            raise InvalidArgument(field, code, remedy) from None
        except (NotImplementedError, ValueError):
            # Some are told only for a few years, as their holidays are published late.
            try:
                return calendar_between(*_within_bounds(library.get_calendar(code), first, last))
            except (NotImplementedError, ValueError) as error:
                raise InvalidArgument(field, code, _failed(f"{error}")) from None


def _check_passover(field: str, code: str) -> None:
    """Raise :class:`InvalidArgument` for Tel Aviv's exchange where its holidays come out wrong.

    pandas 3.1 adds whatever is derived from its ``Easter`` as if it were Easter, and so takes every
    Jewish holiday of exchange_calendars 4.13 for that.
    """
    if code in ("XTAE", "TASE"):
        passover = import_module("exchange_calendars.tase_holidays").Passover
        [day] = passover.dates("2026-01-01", "2026-12-31")
        if day.date() != date(2026, 4, 2):
            raise InvalidArgument(field, code, _failed("it takes Passover for Easter"))


def _failed(why: str) -> str:
    pandas = f"pandas {version('pandas')}"
    return f"exchange_calendars fails for it with {pandas} ({why[:_MOST_SAID]}); try pandas<3.1"


def _within_bounds(calendar: Any, first: date, last: date) -> tuple[date, date]:
    """Return what lies of *first* to *last* within what the library says it knows."""
    low, high = (bound and bound.date() for bound in (calendar.bound_min(), calendar.bound_max()))
    year = timedelta(days=365)
    if low is not None and last <= low:
        return low, low + year
    if high is not None and first >= high:
        return high - year, high
    return max(first, low or first), min(last, high or last)


def _library(name: str, extra: str, field: str, code: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        remedy = f"install the extra: pip install 'airflow-calendar-timetable[{extra}]'"
        raise InvalidArgument(field, code, remedy) from None


def _library_of(code: str | None) -> str:
    """Return the library that knows *code*, and its version; ``""`` where there is none."""
    if code is None:
        return ""
    return with_version("holidays" if _COUNTRY.fullmatch(code) else "exchange_calendars")


def _weekend(text: object) -> frozenset[int]:
    days = frozenset[int]()
    if isinstance(text, str) and " " not in text.strip():
        with suppress(InvalidArgument):
            days = days.union(*(rule.days for rule in parse_weekly_rule(text)))
    if not 0 < len(days) < 7:
        raise InvalidArgument("weekend", text, "give some days of the week, as 'fri-sat'")
    return days


def _years(horizon: TimeRange) -> range:
    first, last = (datetime.fromtimestamp(at, UTC).year for at in (horizon.start, horizon.end))
    return range(first, last + _YEARS_AHEAD + 1)


def _is_date(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _instant(at: Any) -> int:
    return int(at.timestamp())
