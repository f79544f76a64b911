"""Where a calendar's bytes come from. Another kind of calendar is another :class:`Source`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from calendar_timetable.calendars import limits

if TYPE_CHECKING:
    from calendar_timetable.calendars.net.client import DownloadFailed


class FetchFailed(Exception):
    """A source gave no calendar. The text says why, without address or credentials.

    ``retry_after`` is for how many seconds the source asked not to be asked again; ``unreachable`` says that there
    was no connection to its server, so that others of its calendars need not be tried either.
    """

    def __init__(self, reason: str, retry_after: float = 0, *, unreachable: bool = False) -> None:
        self.retry_after, self.unreachable = retry_after, unreachable
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class FetchResult:
    """A body with its validators (RFC 9110 section 8.8)."""

    body: bytes = field(repr=False)
    etag: str = ""
    last_modified: str = ""
    fresh_for: float = 0  # seconds that the server calls it fresh (RFC 9111 section 4.2.1)


class ConnectionUnseen(FetchFailed):
    """An Airflow Connection that this process does not see: Airflow's command line does not see the database's."""


@dataclass(frozen=True, slots=True)
class Validators:
    """What is left of the last good fetch; ``body`` reads it, ``None`` when it is lost."""

    etag: str = ""
    last_modified: str = ""
    body: Callable[[], bytes | None] = lambda: None


NO_VALIDATORS = Validators()


class Source(Protocol):
    """One feed."""

    @property
    def label(self) -> str:
        """What people may see of it."""

    @property
    def identity(self) -> str:
        """What tells it from other feeds: not to be shown, and without passwords: DAGs carry its digest."""

    @property
    def secret(self) -> str:
        """What changes when its identity or its credentials do: secret."""

    @property
    def server(self) -> str:
        """The name and port of the server that it is on; ``""`` if it is on none."""

    @property
    def local(self) -> bool:
        """Whether asking costs nothing, so that it is asked each time."""

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        """Its body, or ``None`` when that is still the *last* one; :class:`FetchFailed`."""


@dataclass(frozen=True, slots=True)
class UnseenSource:
    """A source whose Connection is not seen here: of it there is only what others who share the cache folder read."""

    entry: str  # its feed's name in the cache
    label: str
    error: str
    local = False
    server = ""
    secret = ""
    identity = ""

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        raise FetchFailed(self.error)


def failed(error: DownloadFailed) -> FetchFailed:
    """What a child said of a download that failed."""
    return FetchFailed(str(error), parse_retry_after(error.retry_after), unreachable=error.unreachable)


def parse_retry_after(value: str) -> float:
    """Retry-After (RFC 9110 section 10.2.3), a number or a date, in seconds; at most an hour."""
    from email.utils import parsedate_to_datetime  # of which who only reads a calendar has no need

    seconds = 0.0
    if re.fullmatch(r"\s*\d+\s*", value):
        seconds = float(value)
    elif value:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError):
            return 0.0
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), limits.MAX_RETRY_AFTER)
