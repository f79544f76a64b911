"""One HTTP download where it can be killed: ``python -m calendar_timetable.calendars.download``.

A process of its own, since nothing else bounds a name look-up, a handshake or headers that drip; and so
that requests, its threads' locks and its sockets never meet Airflow's forks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.children import ChildFailed, Message, answer, ask

if TYPE_CHECKING:
    import requests


class DownloadFailed(Exception):
    """No usable answer; the text names no address and no credentials."""


def download(url: str, headers: dict[str, str], login: str, password: str) -> tuple[Message, bytes]:
    """GET *url*: its ``status``, ``etag``, ``last_modified``, ``retry_after`` (as sent), and body.

    The body is empty unless the status is 200. Basic authentication when *login* or *password* is given.
    """
    request = {
        "url": url,
        "headers": headers,
        "login": login,
        "password": password,
        "connect": limits.CONNECT_SECONDS,
        "read": limits.READ_SECONDS,
        "redirects": limits.MAX_REDIRECTS,
        "bytes": limits.MAX_BODY,
    }
    try:
        message, body = ask("calendar_timetable.calendars.download", request, b"", limits.FETCH_SECONDS)
    except ChildFailed as error:
        raise DownloadFailed(f"the download was {error}") from None
    if "error" in message:
        raise DownloadFailed(message["error"])
    return message, body


def _download(request: Message, _: bytes) -> tuple[Message, bytes]:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        return _follow(request)
    except DownloadFailed as error:
        return {"error": str(error)}, b""
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        return {"error": _reason(error)}, b""


def _follow(request: Message) -> tuple[Message, bytes]:
    import requests

    url = request["url"]
    credentials = (request["login"], request["password"]) if request["login"] or request["password"] else None
    with requests.Session() as session:
        for _ in range(request["redirects"] + 1):
            response = session.get(
                url,
                headers=request["headers"],
                auth=credentials or (lambda prepared: prepared),  # and never what .netrc says
                stream=True,
                timeout=(request["connect"], request["read"]),
                allow_redirects=False,
            )
            with response:
                if not response.is_redirect:
                    return _answer(response, request["bytes"])
                target = urljoin(url, response.headers["Location"])
            scheme = urlsplit(target).scheme.lower()
            if scheme not in ("http", "https"):
                raise DownloadFailed("redirected to something other than http or https")
            if scheme == "http" and urlsplit(url).scheme.lower() == "https":
                raise DownloadFailed("redirected from https to http")
            if _origin(target) != _origin(url):
                credentials = None
                session.cookies.clear()
            url = target
    raise DownloadFailed(f"redirected more than {request['redirects']} times")


def _answer(response: requests.Response, most: int) -> tuple[Message, bytes]:
    headers = response.headers
    message = {
        "status": response.status_code,
        "etag": headers.get("ETag", ""),
        "last_modified": headers.get("Last-Modified", ""),
        "retry_after": headers.get("Retry-After", ""),
    }
    if response.status_code != 200:
        return message, b""
    body = bytearray()
    for chunk in response.iter_content(65536):
        body += chunk
        if len(body) > most:
            raise DownloadFailed(f"larger than {most // 1024} KiB")
    return message, bytes(body)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.hostname, parts.port


def _reason(error: Exception) -> str:
    """What went wrong, in words that hold nothing of the address."""
    import requests

    names = {type(cause).__name__ for cause in _causes(error)}
    if "NameResolutionError" in names or "gaierror" in names:
        return "its host name is not known"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate or handshake is not accepted"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if "ReadTimeoutError" in names or isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if "ConnectionRefusedError" in names:
        return "the connection is refused"
    if "IncompleteRead" in names or "ProtocolError" in names:
        return "the answer breaks off"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "the answer's compression is broken"
    return f"the connection fails ({type(error).__name__})"


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(found) < 50:
        item = queue.pop()
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return found


if __name__ == "__main__":
    answer(_download, limits.EXPAND_MEMORY, limits.FETCH_SECONDS + 1)
