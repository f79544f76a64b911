"""Time sets as they are written, before any calendar is read: JSON for a trigger, which has no DAG file.

Airflow stores the arguments of a deferred task's trigger, and of an asset's watcher in the DAG, in clear (3.3).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from calendar_timetable.calendars.addresses import text_of
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.holidays import Holidays
from calendar_timetable.calendars.net.credentials import seal, unseal
from calendar_timetable.calendars.options import DEFAULTS
from calendar_timetable.exceptions import CalendarTimetableError
from calendar_timetable.planning import codec
from calendar_timetable.planning.time_sets import Combined, TimeSet


class SealedElsewhere(CalendarTimetableError):
    """A calendar's secret address cannot be opened here: Airflow's key is another one than where it was sealed."""


_ROLE = "deny"


def encode(timeset: TimeSet, *, hide: bool = False) -> dict[str, Any]:
    """*timeset*, in its role, as JSON; always the same JSON for the same time set.

    With *hide*, for Airflow's database, every address is sealed with Airflow's own key, where it has one: which of them
    are a secret nobody can tell for sure.
    """
    match timeset:
        case Combined():
            return {codec.KEYS[type(timeset)]: [encode(member, hide=hide) for member in timeset.members]}
        case Calendar():
            address = {"address": text_of(timeset.address)}
            if hide and "://" in address["address"] and (keys := _fernet_keys()):
                address = {"sealed": seal(address, keys[0])}
            return address | {
                _ROLE: timeset.deny,
                "options": {name: _plain(value) for name, value in timeset.changed_options().items()},
            }
        case Holidays():
            return {"holidays": timeset.code, "timezone": timeset.timezone}
    return codec.encode(timeset)


def decode(data: dict[str, Any]) -> TimeSet:
    """The inverse of :func:`encode`; raises :class:`SealedElsewhere`."""
    if "sealed" in data:
        data = data | _opened(data["sealed"])
    if "address" in data:
        options = {name: _loaded(name, value) for name, value in data["options"].items()}
        return Calendar(data["address"], **options).in_role(deny=data[_ROLE])
    if "holidays" in data:
        return Holidays(data["holidays"], timezone=data["timezone"])
    for key, kind in codec.COMBINED.items():
        if key in data:
            return kind(tuple(decode(member) for member in data[key]))
    return codec.decode(data)


def _opened(sealed: str) -> dict[str, Any]:
    for key in _fernet_keys():
        if opened := unseal(sealed, key):
            return opened
    raise SealedElsewhere(
        "A calendar's address was sealed with another [core] fernet_key: give all components of Airflow the same key, "
        "or make an Airflow Connection with the address in it"
    )


def _fernet_keys() -> list[str]:
    """The newest first, as Airflow's own secrets are kept with; none where those are kept in clear."""
    from airflow.configuration import conf

    return [key.strip() for key in conf.get("core", "fernet_key", fallback="").split(",") if key.strip()]


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _loaded(name: str, value: Any) -> Any:
    """*value*, as :func:`_plain` left it, in the type that the option's default has."""
    default = DEFAULTS[name]
    if isinstance(default, timedelta):
        return timedelta(seconds=value)
    if isinstance(default, tuple) and isinstance(value, list):
        like = default[0] if default else ""
        return tuple(timedelta(seconds=item) if isinstance(like, timedelta) else item for item in value)
    return value
