"""CalDAV calendars as a source: what is kept between two readings, and what a child is asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from calendar_timetable.calendars.addresses import server_of
from calendar_timetable.calendars.net.credentials import ANONYMOUS, Credentials, seal, stretched, unseal
from calendar_timetable.calendars.sources.base import NO_VALIDATORS, FetchResult, Validators, failed

log = logging.getLogger(__name__)
_BUSY_BEFORE, _BUSY_AHEAD = timedelta(days=62), timedelta(days=400)  # how far free/busy is asked for, to whole months


@dataclass(frozen=True, slots=True)
class CalDavSource:
    """The calendars of a server, principal, home or calendar address (RFC 4791).

    Its validator is where they were found and their tokens, sealed with the credentials: while nothing
    changes, one PROPFIND for each such place is all that is asked. The tokens are those from before the
    events were read, so that a change meanwhile is seen next time. Its body is a bundle, so that only the objects that
    changed are read.
    """

    url: str = field(repr=False)
    label: str
    access: Credentials = field(default=ANONYMOUS, repr=False)
    calendars: tuple[str, ...] = field(default=(), repr=False)  # names or addresses; all when empty
    days_back: int = 0  # leave out what ended so many days ago; 0 for nothing
    free_busy: bool = False  # ask only when they are busy
    availability: bool = False  # count when their owner is available too
    local = False

    @property
    def identity(self) -> str:
        """The Connection and what it reads, but not its password: a wrong one leaves the last good copy in force."""
        chosen = [name for name in ("free_busy", "availability") if getattr(self, name)]
        parts = ("caldav", self.label, self.url, self.access.login, str(self.days_back), *self.calendars)
        return "\n".join((*parts, *(f"\t{name}" for name in chosen)))

    @property
    def secret(self) -> str:
        return self.identity + self.access.identity

    @property
    def server(self) -> str:
        return server_of(self.url)

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        from calendar_timetable.calendars.net.client import DownloadFailed, send, terms

        known = unseal(last.etag, stretched(self.secret))
        now = datetime.now(UTC)
        request = {
            **terms(self.url, self.access),
            "calendars": self.calendars,
            "since": _month(now - timedelta(days=self.days_back)) if self.days_back else "",
            "range": (_month(now - _BUSY_BEFORE), _month(now + _BUSY_AHEAD)),
            "busy_only": self.free_busy,
            "availability": self.availability,
            "known": known,
        }
        try:
            message, body = send(f"{__package__}.caldav_child", request, (last.body() or b"") if known else b"")
        except DownloadFailed as error:
            raise failed(error) from None
        for note in message["notes"]:
            log.info("Calendar %s: %s", self.label, note)
        return None if message["unchanged"] else FetchResult(body, seal(message["known"], stretched(self.secret)))

    def count(self, fetched: FetchResult) -> tuple[int, int]:
        """How many calendars *fetched* holds, and of how many of them only the free/busy."""
        told = unseal(fetched.etag, stretched(self.secret)).get("calendars", {}).values()
        busy = [known["busy"] for known in told if "busy" in known]  # the others hold their owner's availability
        return len(busy), sum(busy)


def _month(moment: datetime) -> str:
    """The first of the month, so that what is asked changes once a month."""
    return f"{moment:%Y%m}01T000000Z"
