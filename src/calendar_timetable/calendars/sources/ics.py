"""Calendars as ICS: over HTTP, in a process that can be killed, and files of this host.

The download has a process of its own, since nothing else bounds a name look-up, a handshake or
headers that trickle in; and so that requests, the locks of its threads and its sockets never meet
Airflow's forks.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlunsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.addresses import SCHEMES, server_of, split_url
from calendar_timetable.calendars.child_process import Message, serve_child
from calendar_timetable.calendars.feed.body import to_utf8
from calendar_timetable.calendars.net.client import (
    HttpClient,
    request_in_child,
    request_options,
    serve,
)
from calendar_timetable.calendars.net.credentials import ANONYMOUS, Credentials
from calendar_timetable.calendars.sources.base import (
    NO_VALIDATORS,
    FetchFailed,
    FetchResult,
    Source,
    Validators,
    failed,
    parse_retry_after,
)


@dataclass(frozen=True, slots=True)
class HttpSource:
    """An ICS feed over HTTP(S).

    ``connection`` is the id of the Airflow Connection that it comes from, ``""`` for none.
    """

    url: str = field(repr=False)
    label: str
    access: Credentials = field(default=ANONYMOUS, repr=False)
    connection: str = field(default="", repr=False)
    local = False

    @property
    def identity(self) -> str:
        """The address and the login, but not the password.

        So a wrong password leaves the last good copy in force.
        """
        return "\n".join(("http", self.connection, self.url, self.access.login))

    @property
    def secret(self) -> str:
        return self.identity + self.access.identity

    @property
    def server(self) -> str:
        return server_of(self.url)

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        from calendar_timetable._version import __version__
        from calendar_timetable.calendars.net.client import DownloadFailed, refusal

        headers = {
            "User-Agent": f"calendar-timetable/{__version__}",
            "Accept": "text/calendar, */*;q=0.1",
        }
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
                refusal(status, anonymous=not self.access.headers()),
                parse_retry_after(answer["retry_after"]),
            )
        body = to_utf8(body, parse_charset(answer["content_type"]))
        return FetchResult(
            body, answer["etag"], answer["last_modified"], parse_max_age(answer["cache_control"])
        )


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

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        try:
            # Without O_NONBLOCK, to open a pipe that nobody writes into would block.
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
        except ValueError:
            raise FetchFailed("its path has a null byte") from None
        if len(body) > limits.MAX_BODY:
            raise FetchFailed(f"larger than {limits.MAX_BODY // 1024} KiB")
        return FetchResult(body, version)


def source_at(
    address: str, label: str, access: Credentials = ANONYMOUS, connection: str = ""
) -> Source:
    """Return the ICS feed at *address*, which may hold a login and a password of its own.

    Those of *access* go before them. Raises :class:`FetchFailed` for another kind of address.
    """
    if "://" not in address:
        try:
            return FileSource(Path(address).expanduser().absolute(), label)
        except RuntimeError:
            raise FetchFailed("the user that its path begins with is not known here") from None
    parts = split_url(address)
    if parts is None or parts.scheme not in SCHEMES:
        raise FetchFailed("its address is not one of http, https, webcal or file")
    if parts.scheme == "file":
        return FileSource(Path(unquote(parts.path)), label)
    url = plain_url(parts)
    user, secret = unquote(parts.username or ""), unquote(parts.password or "")
    credentials = replace(access, login=access.login or user, password=access.password or secret)
    return HttpSource(url, label, credentials, connection)


def plain_url(parts: SplitResult) -> str:
    """Return the http or https URL to ask, without credentials and fragment."""
    netloc = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(scheme=SCHEMES[parts.scheme], netloc=netloc, fragment=""))


def parse_charset(value: str) -> str:
    """Return the charset that a Content-Type names, or ``""`` (RFC 9110 section 8.3.1)."""
    match = re.search(r";\s*charset\s*=\s*[\"']?([\w.:-]{1,40})", value, re.IGNORECASE)
    return match.group(1) if match else ""


def parse_max_age(value: str) -> float:
    """Return the seconds of Cache-Control's max-age (RFC 9111 section 5.2.2.1).

    They are 0 where there is none, and with no-cache or no-store.
    """
    match = re.search(r"\bmax-age=\"?(\d{1,9})\b", value.lower())
    return (
        float(match.group(1))
        if match and not re.search(r"no-cache|no-store", value.lower())
        else 0.0
    )


def download(url: str, headers: dict[str, str], access: Credentials) -> tuple[Message, bytes]:
    """Download *url*: return its status and headers as a message, and its body.

    The message holds the ``status`` and, as sent, the headers that :func:`_get` names. The body is
    empty unless the status is 200. Raises
    :class:`~calendar_timetable.calendars.net.client.DownloadFailed`.
    """
    return request_in_child(__name__, {**request_options(url, access), "headers": headers})


def _get(web: HttpClient, request: Message) -> tuple[Message, bytes]:
    answer = web.ask(request["url"], request["headers"])
    message = {
        "status": answer.status,
        "etag": answer.headers.get("etag", ""),
        "last_modified": answer.headers.get("last-modified", ""),
        "cache_control": answer.headers.get("cache-control", ""),
        "retry_after": answer.headers.get("retry-after", ""),
        "content_type": answer.headers.get("content-type", ""),
    }
    return message, answer.body if answer.status == 200 else b""


def _download(request: Message, _: bytes) -> tuple[Message, bytes]:
    return serve(_get, request)


if __name__ == "__main__":
    serve_child(_download, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
