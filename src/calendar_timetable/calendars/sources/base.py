"""Where a calendar's bytes come from. Another kind of calendar is another :class:`Source`."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import SplitResult, unquote, urlunsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.addresses import PORTS, SCHEMES, is_address, label_of, split_url
from calendar_timetable.calendars.feed.body import plain
from calendar_timetable.calendars.net.credentials import ANONYMOUS, Access

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
class Fetched:
    """A body with its validators (RFC 9110 section 8.8)."""

    body: bytes = field(repr=False)
    etag: str = ""
    last_modified: str = ""
    fresh_for: float = 0  # seconds that the server calls it fresh (RFC 9111 section 4.2.1)


class ConnectionUnseen(FetchFailed):
    """An Airflow Connection that this process does not see: Airflow's command line does not see the database's."""


@dataclass(frozen=True, slots=True)
class Last:
    """What is left of the last good fetch; ``body`` reads it, ``None`` when it is lost."""

    etag: str = ""
    last_modified: str = ""
    body: Callable[[], bytes | None] = lambda: None


NOTHING = Last()


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

    def fetch(self, last: Last = NOTHING) -> Fetched | None:
        """Its body, or ``None`` when that is still the *last* one; :class:`FetchFailed`."""


@dataclass(frozen=True, slots=True)
class HttpSource:
    """An ICS feed over HTTP(S); ``connection`` is the id of the Airflow Connection that it comes from."""

    url: str = field(repr=False)
    label: str
    access: Access = field(default=ANONYMOUS, repr=False)
    connection: str = field(default="", repr=False)
    local = False

    @property
    def identity(self) -> str:
        """The password is no part: a wrong one leaves the last good copy in force."""
        return "\n".join(("http", self.connection, self.url, self.access.login))

    @property
    def secret(self) -> str:
        return self.identity + self.access.identity

    @property
    def server(self) -> str:
        return server_of(self.url)

    def fetch(self, last: Last = NOTHING) -> Fetched | None:
        from calendar_timetable import __version__
        from calendar_timetable.calendars.net.client import DownloadFailed, refusal
        from calendar_timetable.calendars.sources.download import download

        headers = {"User-Agent": f"calendar-timetable/{__version__}", "Accept": "text/calendar, */*;q=0.1"}
        if last.etag:
            headers["If-None-Match"] = last.etag
        if last.last_modified:
            headers["If-Modified-Since"] = last.last_modified
        try:
            answer, body = download(self.url, headers, self.access)
        except DownloadFailed as error:
            raise failed(error) from None
        status = answer["status"]
        if status == 304 and (last.etag or last.last_modified):
            return None
        if status != 200:
            raise FetchFailed(
                refusal(status, anonymous=not self.access.headers()), parse_retry_after(answer["retry_after"])
            )
        body = plain(body, parse_charset(answer["content_type"]))
        return Fetched(body, answer["etag"], answer["last_modified"], parse_max_age(answer["cache_control"]))


@dataclass(frozen=True, slots=True)
class FileSource:
    """An ICS file on this host."""

    path: Path = field(repr=False)
    label: str
    local = True
    server = ""

    @property
    def identity(self) -> str:
        return f"file\n{self.path}"

    @property
    def secret(self) -> str:
        return self.identity

    def fetch(self, last: Last = NOTHING) -> Fetched | None:
        try:
            # A pipe that nobody writes into would hold who opens it.
            handle = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                info = os.fstat(handle)
                if not stat.S_ISREG(info.st_mode):
                    raise FetchFailed("it is no file")
                version = f"{info.st_mtime_ns} {info.st_size} {info.st_ino}"
                if version == last.etag:
                    return None
                body = file.read(limits.MAX_BODY + 1)
        except OSError as error:
            raise FetchFailed((error.strerror or type(error).__name__).lower()) from None
        if len(body) > limits.MAX_BODY:
            raise FetchFailed(f"larger than {limits.MAX_BODY // 1024} KiB")
        return Fetched(body, version)


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

    def fetch(self, last: Last = NOTHING) -> Fetched | None:
        raise FetchFailed(self.error)


def source_for(address: str) -> Source:
    """The source that *address*, already validated, names. Looks a Connection up; :class:`FetchFailed`."""
    if is_address(address):
        return source_at(address, label_of(address))
    from calendar_timetable.calendars.sources.lookup import connected_source

    conn_id, _, calendar = address.partition("/")
    return connected_source(conn_id, calendar)


def source_at(address: str, label: str, access: Access = ANONYMOUS, connection: str = "") -> Source:
    """The ICS feed at *address*, which may hold a login and a password of its own."""
    if "://" not in address:
        return FileSource(Path(address).expanduser().absolute(), label)
    parts = split_url(address)
    if parts is None or parts.scheme not in SCHEMES:
        raise FetchFailed("its address is not one of http, https, webcal or file")
    if parts.scheme == "file":
        return FileSource(Path(unquote(parts.path)), label)
    url = plain_url(parts)
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    own = replace(access, login=access.login or user, password=access.password or secret)
    return HttpSource(url, label, own, connection)


def plain_url(parts: SplitResult) -> str:
    """The http or https URL to ask, without credentials and fragment."""
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(scheme=SCHEMES[parts.scheme], netloc=netloc, fragment=""))


def connection_address(connection: Any) -> str | None:
    """The address in an Airflow Connection: extra ``url``, a host that is a URL or path, or host with its parts."""
    extra = connection.extra_dejson
    if extra.get("url"):
        return str(extra["url"])
    host = connection.host or ""
    if not host or "://" in host or host.startswith(("/", "./", "../", "~")):
        return host or None
    path, schema = str(extra.get("path") or ""), connection.schema or ""
    if schema not in SCHEMES:  # a Connection given as a URI keeps its path there
        path, schema = path or schema, connection.conn_type if connection.conn_type in SCHEMES else "https"
    port = f":{connection.port}" if connection.port else ""
    if "/" in host:
        return f"{schema}://{host}"  # its own port and path with it
    return f"{schema}://{host}{port}/{path.lstrip('/')}"


def failed(error: DownloadFailed) -> FetchFailed:
    """What a child said of a download that failed."""
    return FetchFailed(str(error), parse_retry_after(error.retry_after), unreachable=error.unreachable)


def server_of(url: str) -> str:
    """The name and port of the server of *url*."""
    parts = split_url(url)
    return "" if parts is None else f"{parts.hostname}:{parts.port or PORTS.get(parts.scheme, 0)}"


def parse_charset(value: str) -> str:
    """The charset that a Content-Type names (RFC 9110 section 8.3.1)."""
    found = re.search(r";\s*charset\s*=\s*[\"']?([\w.:-]{1,40})", value, re.IGNORECASE)
    return found.group(1) if found else ""


def parse_max_age(value: str) -> float:
    """The seconds of Cache-Control's max-age (RFC 9111 section 5.2.2.1); 0 where it is not to be stored."""
    found = re.search(r"\bmax-age=\"?(\d{1,9})\b", value.lower())
    return float(found.group(1)) if found and not re.search(r"no-cache|no-store", value.lower()) else 0.0


def parse_retry_after(value: str) -> float:
    """Retry-After (RFC 9110 section 10.2.3), a number or a date, in seconds; at most an hour."""
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
