"""Time sets as JSON, as they were written: for a trigger, which has no DAG file.

No calendar is read yet. Airflow stores the arguments of a deferred task's trigger, and those of an
asset's watcher in the DAG (Airflow 3.3), in clear text.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from calendar_timetable.calendars.addresses import text_of
from calendar_timetable.calendars.calendar import Calendar
from calendar_timetable.calendars.holidays import Holidays
from calendar_timetable.calendars.net.sealing import seal, unseal
from calendar_timetable.calendars.options import DEFAULTS
from calendar_timetable.exceptions import CalendarTimetableError
from calendar_timetable.planning import codec
from calendar_timetable.planning.time_sets import Combined, TimeSet


class SealedElsewhere(CalendarTimetableError):
    """A calendar's secret address cannot be opened here: another key of Airflow sealed it."""


_ROLE = "deny"


def encode(timeset: TimeSet, *, hide: bool = False) -> dict[str, Any]:
    """Return *timeset*, in its role, as JSON; the same time set always gives the same JSON.

    With *hide*, for Airflow's database, every URL is sealed with Airflow's own key, if it has one:
    nobody can tell for sure which URLs are secret.
    """
    match timeset:
        case Combined():
            return {
                codec.KEYS[type(timeset)]: [encode(member, hide=hide) for member in timeset.members]
            }
        case Calendar():
            address = {"address": text_of(timeset.address)}
            if hide and "://" in address["address"] and (keys := _fernet_keys()):
                address = {"sealed": seal(address, keys[0])}
            return address | {
                _ROLE: timeset.deny,
                "options": {
                    name: _plain(value) for name, value in timeset.changed_options().items()
                },
            }
        case Holidays():
            return {"holidays": timeset.code, "timezone": timeset.timezone}
    return codec.encode(timeset)


def decode(data: dict[str, Any]) -> TimeSet:
    """Return the time set that :func:`encode` was given; raise :class:`SealedElsewhere`."""
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
        "A calendar's address was sealed with another [core] fernet_key: "
        "give all components of Airflow the same key, "
        "or make an Airflow Connection with the address in it"
    )


def _fernet_keys() -> list[str]:
    """Return Airflow's own keys, the newest first; none where it keeps secrets in clear text."""
    from airflow.configuration import conf

    return [
        key.strip() for key in conf.get("core", "fernet_key", fallback="").split(",") if key.strip()
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _loaded(name: str, value: Any) -> Any:
    """Return *value*, as :func:`_plain` left it, in the type of the option's default."""
    default = DEFAULTS[name]
    if isinstance(default, timedelta):
        return timedelta(seconds=value)
    if isinstance(default, tuple) and isinstance(value, list):
        like = default[0] if default else ""
        return tuple(
            timedelta(seconds=item) if isinstance(like, timedelta) else item for item in value
        )
    return value
