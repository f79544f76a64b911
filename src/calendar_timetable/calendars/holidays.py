"""Public holidays as a time set, from the ``holidays`` library."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version

from calendar_timetable.exceptions import InvalidArgument
from calendar_timetable.planning import zones
from calendar_timetable.planning.time_sets import LocalDays, TimeRange, TimeSet

# Past the horizon: holidays are a rule, which must hold where calendars are no longer known.
_YEARS_AHEAD = 5
_REMEDY = "give a country ('DE'), a country and subdivision ('DE-BY') or a market ('NYSE')"


class Holidays(TimeSet):
    """Whole local days that are public holidays (``"DE"``, ``"DE-BY"``) or a market's (``"NYSE"``).

    Days are those of *timezone* (default: the timetable's). Needs the extra ``holidays`` (``pip
    install 'airflow-calendar-timetable[holidays]'``), which knows the codes.
    """

    def __init__(self, code: str, *, timezone: str | None = None) -> None:
        self.code = code
        self.timezone = timezone

    def __repr__(self) -> str:
        return f"Holidays({self.code!r}" + (
            f", timezone={self.timezone!r})" if self.timezone else ")"
        )

    def __str__(self) -> str:
        return f"holidays {self.code}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Holidays) and (self.code, self.timezone) == (
            other.code,
            other.timezone,
        )

    def __hash__(self) -> int:
        return hash((self.code, self.timezone))

    def validate(self) -> None:
        code: object = self.code
        if not isinstance(code, str) or not re.fullmatch(
            r"[A-Z]{2}(-[A-Z0-9]{1,3})?|[A-Z]{3,6}", code
        ):
            raise InvalidArgument("Holidays", self.code, _REMEDY)
        if self.timezone is not None:
            zones.load_zone(self.timezone)

    def fingerprint(self) -> str | None:
        return f"{self!r} {self.library()}" if type(self) is Holidays else None

    def library(self) -> str:
        return with_version("holidays")

    def resolve(self, horizon: TimeRange, timezone: str) -> TimeSet:
        first = datetime.fromtimestamp(horizon.start, UTC).year
        last = datetime.fromtimestamp(horizon.end, UTC).year
        dates = _dates(self.code, range(first, last + _YEARS_AHEAD + 1))
        return LocalDays(str(self), zones.zone_name(self.timezone or timezone), dates)


def with_version(library: str) -> str:
    """Return the name of *library* and its version, as installed; ``""`` where it is not."""
    try:
        return f"{library} {version(library)}"
    except PackageNotFoundError:
        return ""


def _dates(code: str, years: range) -> tuple[date, ...]:
    try:
        import holidays
    except ModuleNotFoundError:
        remedy = "install the extra: pip install 'airflow-calendar-timetable[holidays]'"
        raise InvalidArgument("Holidays", code, remedy) from None
    country, _, subdivision = code.partition("-")
    try:
        if len(country) == 2:
            dates = holidays.country_holidays(country, subdiv=subdivision or None, years=years)
        else:
            dates = holidays.financial_holidays(country, years=years)
    except NotImplementedError:
        raise InvalidArgument(
            "Holidays", code, f"the holidays library does not know it; {_REMEDY}"
        ) from None
    return tuple(sorted(dates))
