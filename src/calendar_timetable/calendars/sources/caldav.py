"""CalDAV calendars as a source: what is kept between two fetches, and what the child is asked."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from calendar_timetable import clock
from calendar_timetable.calendars.addresses import server_of
from calendar_timetable.calendars.net.credentials import ANONYMOUS, Credentials
from calendar_timetable.calendars.net.sealing import seal, stretched, unseal
from calendar_timetable.calendars.sources.base import NO_VALIDATORS, FetchResult, Validators, failed

log = logging.getLogger(__name__)
# How far before and after now free/busy is asked for; both ends go back to the first of a month.
_BUSY_BEFORE, _BUSY_AHEAD = timedelta(days=62), timedelta(days=400)


@dataclass(frozen=True, slots=True)
class CalDavSource:
    """The calendars at the address of a server, principal, home or calendar (RFC 4791).

    The validator holds where they were found and their tokens, sealed with the credentials: while
    nothing changes, one PROPFIND for each such place is the only request. The tokens date from
    before the events were read, so that a change in between is seen the next time. The body is a
    bundle, so that only the objects that changed are read.
    """

    url: str = field(repr=False)
    label: str
    access: Credentials = field(default=ANONYMOUS, repr=False)
    calendars: tuple[str, ...] = field(default=(), repr=False)  # names or addresses; empty: all
    days_back: int = 0  # leave out what ended more days ago; 0: leave out nothing
    free_busy: bool = False  # read only free/busy, not the events
    availability: bool = False  # count their owner's availability too
    local = False

    @property
    def identity(self) -> str:
        """The Connection and what is read from it, but not its password.

        So a wrong password leaves the last good copy in force.
        """
        chosen = [name for name in ("free_busy", "availability") if getattr(self, name)]
        parts = (
            "caldav",
            self.label,
            self.url,
            self.access.login,
            str(self.days_back),
            *self.calendars,
        )
        return "\n".join((*parts, *(f"\t{name}" for name in chosen)))

    @property
    def secret(self) -> str:
        return self.identity + self.access.identity

    @property
    def server(self) -> str:
        return server_of(self.url)

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        from calendar_timetable.calendars.net.client import (
            DownloadFailed,
            request_in_child,
            request_options,
        )

        memory = unseal(last.etag, stretched(self.secret))
        now = clock.utc()
        request = {
            **request_options(self.url, self.access),
            "calendars": self.calendars,
            "since": _month(now - timedelta(days=self.days_back)) if self.days_back else "",
            "range": (_month(now - _BUSY_BEFORE), _month(now + _BUSY_AHEAD)),
            "busy_only": self.free_busy,
            "availability": self.availability,
            "known": memory,
        }
        try:
            message, body = request_in_child(
                f"{__package__}.caldav_child", request, (last.body() or b"") if memory else b""
            )
        except DownloadFailed as error:
            raise failed(error) from None
        for note in message["notes"]:
            log.info("Calendar %s: %s", self.label, note)
        return (
            None
            if message["unchanged"]
            else FetchResult(body, seal(message["known"], stretched(self.secret)))
        )

    def count(self, fetched: FetchResult) -> tuple[int, int]:
        """Return how many calendars *fetched* holds, and of how many of them only free/busy."""
        calendars = unseal(fetched.etag, stretched(self.secret)).get("calendars", {}).values()
        # The others hold only their owner's availability.
        busy = [calendar["busy"] for calendar in calendars if "busy" in calendar]
        return len(busy), sum(busy)


def _month(moment: datetime) -> str:
    """Return the first of the month of *moment*, so that the request changes once a month."""
    return f"{moment:%Y%m}01T000000Z"
