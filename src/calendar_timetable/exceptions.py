"""The errors a caller can meet, one class per kind of failure."""

from __future__ import annotations

import re
from datetime import UTC, datetime


class CalendarTimetableError(Exception):
    """Base of every error this package raises."""


class InvalidArgument(CalendarTimetableError, ValueError):
    """An argument that cannot be used: names the field, the value given and the remedy."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field, self.value, self.remedy = field, value, masked(remedy)
        super().__init__(f"{field}={_short(value)}: {self.remedy}")


_MOST_SHOWN = 200  # characters of a value
_MOST_READ = 10_000  # which are masked, before they are cut: what is cut may not be known as secret


def _short(value: object) -> str:
    text = masked(repr(value)[:_MOST_READ])
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


# Of an address, with or without its scheme, the host is shown; what comes before an @ is not.
_ADDRESS = re.compile(
    r"""(?:(?<![\w.])\w+://(?:[^\s/@'"]*@)?[^\s/?#'"]*       # https://login@host:port …
        |(?<![^\s'"(\[,=:])(?:[\w-]+\.)+[a-z][\w-]*(?::\d+)?  # host.example:port …
        |(?<![^\s'"(\[,=:])(?:\d+\.){3}\d+(?::\d+)?(?!/\d{1,3}\b))
        [/?#][^\s'"]+                                       # … /path?query""",
    re.VERBOSE | re.IGNORECASE,
)
# host/path?token=…
_QUERY = re.compile(r"(?<![^\s'\"(\[,=:])([^\s'\"/?]+)/[^\s'\"]*\?[^\s'\"]*=[^\s'\"]*")
_LOGIN = re.compile(r"(?<=://)[^\s/@'\"]*@")
_PAIR = re.compile(r"[^\s'\"/]+:[^\s'\"/]+@")  # login:password@host


def masked(text: str) -> str:
    """Return *text* without what may be a secret.

    That is the paths and queries of addresses, logins and passwords.
    """
    text = _ADDRESS.sub(lambda match: re.split(r"(?<![:/])[/?#]", match[0])[0] + "/…", text)
    return _PAIR.sub("…@", _LOGIN.sub("", _QUERY.sub(r"\1/…", text)))


class NoOpening(CalendarTimetableError):
    """A run is due, time is closed, and no opening is known."""


class CalendarUnavailable(CalendarTimetableError):
    """A calendar could not be read and no copy recent enough is at hand.

    *label* names it, *why* says what is wrong, *since* is when it could last be read, in epoch
    seconds (``None``: never).
    """

    def __init__(self, label: str, why: str, since: int | None = None, remedy: str = "") -> None:
        self.label, self.why, self.since = label, why, since
        super().__init__(
            f"calendar {label} cannot be read: {why} ({last_read(since)})"
            f"{'; ' if remedy else ''}{remedy}"
        )


def last_read(since: int | None) -> str:
    """Say in words when a calendar could last be read; *since* is in epoch seconds."""
    return (
        "never read so far"
        if since is None
        else f"since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    )
