"""The protocol of a source: where the bytes of a calendar come from.

Another kind of calendar is another :class:`Source`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Protocol

from calendar_timetable import clock
from calendar_timetable.calendars import limits
from calendar_timetable.exceptions import CalendarTimetableError

if TYPE_CHECKING:
    from calendar_timetable.calendars.net.client import DownloadFailed


class FetchFailed(Exception):
    """A source gave no calendar; the text says why, without address or credentials.

    ``retry_after`` is the number of seconds for which the source asked not to be asked again.
    ``unreachable`` says that there was no connection to its server, so that other calendars of that
    server need not be tried either.
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
    # Seconds for which the server says that it is fresh (RFC 9111 section 4.2.1).
    fresh_for: float = 0


class ConnectionUnseen(FetchFailed):
    """An Airflow Connection that this process cannot see.

    Airflow's command line, for example, does not see those that are kept in the database.
    """


@dataclass(frozen=True, slots=True)
class Validators:
    """What is kept of the last good fetch: its validators, and access to its body.

    ``body`` reads the body, or returns ``None`` when it is lost.
    """

    etag: str = ""
    last_modified: str = ""
    body: Callable[[], bytes | None] = lambda: None


NO_VALIDATORS = Validators()


class Source(Protocol):
    """One calendar feed."""

    @property
    def label(self) -> str:
        """The name of the feed that people may see."""

    @property
    def identity(self) -> str:
        """A text that tells the feed from others, without passwords.

        It must not be shown. DAGs carry its digest.
        """

    @property
    def secret(self) -> str:
        """A secret text that changes when the identity or the credentials change."""

    @property
    def server(self) -> str:
        """The name and port of the server that the feed is on; ``""`` if it is on none."""

    @property
    def local(self) -> bool:
        """Whether a fetch costs nothing, so that the feed is fetched each time."""

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        """Return the body, or ``None`` when that is still the *last* one.

        Raises :class:`FetchFailed`.
        """


@dataclass(frozen=True, slots=True)
class UnseenSource:
    """A source whose Connection this process cannot see.

    All that can be had of it is what other processes that share the cache folder have read.
    """

    entry: str  # the name of its feed in the cache
    label: str
    error: str
    local = False
    server = ""
    secret = ""
    identity = ""

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        raise FetchFailed(self.error)


def fetch_from(source: Source, last: Validators = NO_VALIDATORS) -> FetchResult | None:
    """Ask *source*, as :meth:`Source.fetch` does; what goes wrong there is a :class:`FetchFailed`.

    A wrong option of Airflow's configuration stays the error that names it.
    """
    try:
        return source.fetch(last)
    except (FetchFailed, CalendarTimetableError):
        raise
    except Exception as error:  # noqa: BLE001  (its text may hold an address or a password)
        # One odd address or answer must not take all DAGs of a file away.
        raise FetchFailed(type(error).__name__) from None


def failed(error: DownloadFailed) -> FetchFailed:
    """Turn the failed download that a child reported into a :class:`FetchFailed`."""
    return FetchFailed(
        str(error), parse_retry_after(error.retry_after), unreachable=error.unreachable
    )


def parse_retry_after(value: str) -> float:
    """Return the seconds that a Retry-After asks to wait, at most an hour.

    *value* is a number of seconds or a date (RFC 9110 section 10.2.3). Of anything else, and of a
    date that is past, it is 0.
    """
    # Imported only here: a process that only reads a calendar does without it.
    from email.utils import parsedate_to_datetime

    seconds = 0.0
    if re.fullmatch(r"\s*\d+\s*", value):
        seconds = float(value)
    elif value:
        try:
            moment = parsedate_to_datetime(value)
        except (ValueError, TypeError, OverflowError):
            return 0.0
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - clock.utc()).total_seconds()
    return min(max(seconds, 0.0), limits.MAX_RETRY_AFTER)
