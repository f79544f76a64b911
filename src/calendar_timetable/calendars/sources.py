"""Where a calendar's bytes come from. Another kind of calendar is another :class:`Source`."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlunsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.addresses import SCHEMES, is_address, label_of, split_url


class FetchFailed(Exception):
    """A source gave no calendar. The text says why, without address or credentials.

    ``retry_after`` is for how many seconds the source asked not to be asked again.
    """

    def __init__(self, reason: str, retry_after: float = 0) -> None:
        self.retry_after = retry_after
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A body with its validators (RFC 9110 section 8.8)."""

    body: bytes = field(repr=False)
    etag: str = ""
    last_modified: str = ""


class Source(Protocol):
    """One feed."""

    @property
    def label(self) -> str:
        """What people may see of it."""

    @property
    def identity(self) -> str:
        """What tells it from other feeds, credentials included: secret."""

    @property
    def local(self) -> bool:
        """Whether asking costs nothing, so that it is asked each time."""

    def fetch(self, etag: str, last_modified: str) -> Fetched | None:
        """Its body, or ``None`` when that is still the one with these validators; :class:`FetchFailed`."""


@dataclass(frozen=True, slots=True)
class HttpSource:
    """An ICS feed over HTTP(S), with basic authentication if *login* or *password* is given."""

    url: str = field(repr=False)
    label: str
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    local = False

    @property
    def identity(self) -> str:
        return "\n".join(("http", self.url, self.login, self.password))

    def fetch(self, etag: str, last_modified: str) -> Fetched | None:
        from calendar_timetable import __version__
        from calendar_timetable.calendars.download import DownloadFailed, download

        headers = {"User-Agent": f"calendar-timetable/{__version__}", "Accept": "text/calendar, */*;q=0.1"}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        try:
            answer, body = download(self.url, headers, self.login, self.password)
        except DownloadFailed as error:
            raise FetchFailed(str(error)) from None
        status = answer["status"]
        if status == 304 and (etag or last_modified):
            return None
        if status != 200:
            raise FetchFailed(f"HTTP {status}", parse_retry_after(answer["retry_after"]))
        return Fetched(body, answer["etag"], answer["last_modified"])


@dataclass(frozen=True, slots=True)
class FileSource:
    """An ICS file on this host."""

    path: Path = field(repr=False)
    label: str
    local = True

    @property
    def identity(self) -> str:
        return f"file\n{self.path}"

    def fetch(self, etag: str, last_modified: str) -> Fetched | None:
        try:
            with self.path.open("rb") as file:
                info = os.fstat(file.fileno())
                version = f"{info.st_mtime_ns} {info.st_size} {info.st_ino}"
                if version == etag:
                    return None
                body = file.read(limits.MAX_BODY + 1)
        except OSError as error:
            raise FetchFailed((error.strerror or type(error).__name__).lower()) from None
        if len(body) > limits.MAX_BODY:
            raise FetchFailed(f"larger than {limits.MAX_BODY // 1024} KiB")
        return Fetched(body, version)


def source_for(address: str) -> Source:
    """The source that *address*, already validated, names. Looks a Connection up; :class:`FetchFailed`."""
    if is_address(address):
        return _from_address(address, label_of(address))
    return _from_connection(address)


def _from_address(address: str, label: str, login: str = "", password: str = "") -> Source:
    if "://" not in address:
        return FileSource(Path(address).expanduser().absolute(), label)
    parts = split_url(address)
    if parts is None or parts.scheme not in SCHEMES:
        raise FetchFailed("its address is not one of http, https, webcal or file")
    if parts.scheme == "file":
        return FileSource(Path(unquote(parts.path)), label)
    netloc = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(scheme=SCHEMES[parts.scheme], netloc=netloc, fragment=""))
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    return HttpSource(url, label, login or user, password or secret)


def _from_connection(conn_id: str) -> Source:
    """The source an Airflow Connection describes: of any type, as an ICS feed with basic authentication.

    Connection types with sources of their own are told apart here.
    """
    from airflow.sdk import BaseHook

    try:
        connection = BaseHook.get_connection(conn_id)
    except Exception as error:  # noqa: BLE001  (its text may hold what the secrets backend was asked)
        raise FetchFailed(f"no such Airflow Connection ({type(error).__name__})") from None
    address = connection_address(connection)
    if address is None:
        raise FetchFailed("its Airflow Connection names no address: set host, or url in extra")
    return _from_address(address, conn_id, connection.login or "", connection.password or "")


def connection_address(connection: Any) -> str | None:
    """The address in an Airflow Connection: extra ``url``, a host that is a URL, or host with its parts."""
    extra = connection.extra_dejson
    if extra.get("url"):
        return str(extra["url"])
    host = connection.host or ""
    if not host or "://" in host:
        return host or None
    path, schema = str(extra.get("path") or ""), connection.schema or ""
    if schema not in SCHEMES:  # a Connection given as a URI keeps its path there
        path, schema = path or schema, connection.conn_type if connection.conn_type in SCHEMES else "https"
    port = f":{connection.port}" if connection.port else ""
    return f"{schema}://{host}{port}/{path.lstrip('/')}"


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
