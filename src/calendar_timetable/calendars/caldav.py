"""CalDAV calendars as a source: what is kept between two readings, and what a child is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from calendar_timetable.calendars.access import ANONYMOUS, Access
from calendar_timetable.calendars.seal import seal, unseal
from calendar_timetable.calendars.sources import NOTHING, Fetched, FetchFailed, Last, parse_retry_after


@dataclass(frozen=True, slots=True)
class CalDavSource:
    """The calendars of a server, principal, home or calendar address (RFC 4791).

    Its validator is where they were found and their tokens, sealed with the credentials: while nothing
    changes, one PROPFIND for each such place is all that is asked. The tokens are those from before the
    events were read, so that a change meanwhile is seen next time.
    """

    url: str = field(repr=False)
    label: str
    access: Access = field(default=ANONYMOUS, repr=False)
    calendars: tuple[str, ...] = field(default=(), repr=False)  # names or addresses; all when empty
    days_back: int = 0  # leave out what ended so many days ago; 0 for nothing
    local = False

    @property
    def identity(self) -> str:
        """The Connection and what it reads, but not its password: a wrong one leaves the last good copy in force."""
        return "\n".join(("caldav", self.label, self.url, self.access.login, str(self.days_back), *self.calendars))

    @property
    def secret(self) -> str:
        return self.identity + self.access.identity

    def fetch(self, last: Last = NOTHING) -> Fetched | None:
        from calendar_timetable.calendars.transport import DownloadFailed, send, terms

        request = {
            **terms(self.url, self.access),
            "calendars": self.calendars,
            "since": self._since(),
            "known": unseal(last.etag, self.secret),
        }
        try:
            message, body = send("calendar_timetable.calendars.dav", request)
        except DownloadFailed as error:
            raise FetchFailed(str(error), parse_retry_after(error.retry_after)) from None
        return None if message["unchanged"] else Fetched(body, seal(message["known"], self.secret))

    def _since(self) -> str:
        """The first of the month that *days_back* leads to, so that it changes once a month."""
        if not self.days_back:
            return ""
        return f"{datetime.now(UTC) - timedelta(days=self.days_back):%Y%m}01T000000Z"
