"""HTTP as a child process speaks it: bounded, and careful about where it is sent (RFC 9110).

The parent describes what may be used (:func:`request_options`), and the child asks through
:class:`HttpClient`. The texts of errors name no address and no credentials.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.addresses import PORTS
from calendar_timetable.calendars.child_process import ChildFailed, Message, run_child
from calendar_timetable.calendars.net.credentials import Credentials
from calendar_timetable.calendars.net.networks import AddressNotAllowed, allowed_networks, guard

if TYPE_CHECKING:
    import requests

_HINTS = {
    401: ": login, password or token is not accepted",
    403: ": reading it is not allowed",
    404: ": nothing is there, was it removed?",
    410: ": it was removed",
}
_AWAY = (
    "HTTP 401: it redirects to another host, port or scheme, where no credentials are sent: "
    "give that address"
)
_ELSEWHERE = ": it redirects what is asked of a calendar to another address: give that one"
# Methods that change nothing, and so follow redirects; REPORT only within its origin.
_FOLLOWING = ("GET", "PROPFIND", "REPORT")
# Statuses of a refused REPORT whose body may say why.
_EXPLAINED = (403, 409, 412, 507)
_MAX_EXPLANATION_BYTES = 16384  # bytes of it that are read at most


class DownloadFailed(Exception):
    """No usable answer.

    ``status`` is that of the answer, 0 if there was none, and ``retry_after`` is the header as it
    was sent. ``unreachable`` says that there was no connection to the server of the address that
    was asked for.
    """

    def __init__(
        self, reason: str, status: int = 0, retry_after: str = "", *, unreachable: bool = False
    ) -> None:
        self.status, self.retry_after, self.unreachable = status, retry_after, unreachable
        super().__init__(reason)

    def to_message(self) -> Message:
        """Return it as a child tells it; :func:`request_in_child` raises it again."""
        message = {"error": str(self), "status": self.status, "retry_after": self.retry_after}
        return {**message, "unreachable": self.unreachable}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``url`` is where it came from, after redirects.

    The body is empty unless the status is 200 or 207, or the body says in XML why a REPORT is
    refused (RFC 4918 section 16).
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)

    def refusal(self) -> DownloadFailed:
        """Return the answer as a failure."""
        return DownloadFailed(
            refusal(self.status), self.status, self.headers.get("retry-after", "")
        )


def refusal(status: int, *, anonymous: bool = False) -> str:
    """Return the *status* of an answer in words.

    *anonymous* says that no credentials were given.
    """
    if status == 401 and anonymous:
        return "HTTP 401: it needs a login"
    return f"HTTP {status}{_HINTS.get(status, '')}"


def request_options(url: str, access: Credentials) -> Message:
    """Return what a child needs to know to ask for *url*."""
    return {
        "url": url,
        "credentials": access.headers(),
        "verify": access.ca_file if access.verify and access.ca_file else access.verify,
        "connect": limits.CONNECT_SECONDS,
        "read": limits.READ_SECONDS,
        "networks": allowed_networks(),
        "redirects": limits.MAX_REDIRECTS,
        "bytes": limits.MAX_BODY,
    }


def request_in_child(
    module: str, request: Message, content: bytes = b"", seconds: float | None = None
) -> tuple[Message, bytes]:
    """Return the answer of the child *module* to *request* and the bytes *content*.

    It has to come within *seconds*, by default the time that a fetch may take. Raises
    :class:`DownloadFailed`.
    """
    try:
        message, body = run_child(module, request, content, seconds or limits.FETCH_SECONDS)
    except ChildFailed as error:
        raise DownloadFailed(f"the {'publishing' if seconds else 'download'} was {error}") from None
    if "error" in message:
        raise DownloadFailed(message.pop("error"), **message)
    return message, body


def serve(
    work: Callable[[HttpClient, Message], tuple[Message, bytes]], request: Message
) -> tuple[Message, bytes]:
    """Run *work* in the child and return what it returns, or a message of what went wrong."""
    import requests
    from urllib3.exceptions import HTTPError

    with requests.Session() as session:
        guard(session, request["networks"])
        web = HttpClient(session, request)
        try:
            return work(web, request)
        except DownloadFailed as error:
            failed = error
        except AddressNotAllowed as error:
            failed = DownloadFailed(f"redirected, and there {error}" if web.away else str(error))
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            failed = DownloadFailed(
                _reason(error), unreachable=not web.away and _unconnected(error)
            )
    return failed.to_message(), b""


class HttpClient:
    """Requests on the terms of one fetch: all answers together stay within its bytes."""

    def __init__(self, session: requests.Session, request: Message) -> None:
        self._session = session
        self._terms = request
        self._left: int = request["bytes"]
        self._home = {_origin(request["url"])}  # origins that get the credentials
        self.away = False  # whether the last request went to another origin than the first

    def trust(self, url: str) -> None:
        """Let the origin of *url* have the credentials too."""
        self._home.add(_origin(url))

    def ask(
        self, url: str, headers: dict[str, str], method: str = "GET", body: bytes | None = None
    ) -> Answer:
        """Return the answer to one request.

        Credentials go only to the fetch's own origin and those trusted. Requests that only read
        follow redirects; one that changes something is never sent where the server redirects it.
        Raises :class:`DownloadFailed`.
        """
        at_home = was_at_home = _origin(url) in self._home
        self.away = _origin(url) != _origin(self._terms["url"])
        for _ in range(self._terms["redirects"] + 1):
            response = self._session.request(
                method,
                url,
                data=body,
                headers={**headers, **self._terms["credentials"]} if at_home else headers,
                # Something has to be given, else requests takes credentials from .netrc.
                auth=lambda prepared: prepared,
                stream=True,
                timeout=(self._terms["connect"], self._terms["read"]),
                verify=self._terms["verify"],
                allow_redirects=False,
            )
            with response:
                if not response.is_redirect:
                    if (
                        response.status_code == 401
                        and was_at_home
                        and not at_home
                        and self._terms["credentials"]
                    ):
                        raise DownloadFailed(_AWAY, 401)
                    return self._answer(response, url)
                target = urljoin(url, response.headers["Location"])
                if method not in _FOLLOWING or (
                    method == "REPORT" and _origin(target) != _origin(url)
                ):
                    raise DownloadFailed(
                        f"HTTP {response.status_code}{_ELSEWHERE}", response.status_code
                    )
            scheme = urlsplit(target).scheme.lower()
            if scheme not in PORTS:
                raise DownloadFailed("redirected to something other than http or https")
            if scheme == "http" and urlsplit(url).scheme.lower() == "https":
                raise DownloadFailed("redirected from https to http")
            if _origin(target) != _origin(url):
                at_home, self.away = False, True
                self._session.cookies.clear()
            url = target
        raise DownloadFailed(f"redirected more than {self._terms['redirects']} times")

    def _answer(self, response: requests.Response, url: str) -> Answer:
        body = bytearray()
        if response.status_code in (200, 207):
            for chunk in response.iter_content(65536):
                body += chunk
                if len(body) > self._left:
                    raise DownloadFailed(f"larger than {self._terms['bytes'] // 1024} KiB")
        elif response.request.method == "REPORT" and response.status_code in _EXPLAINED:
            body += next(response.iter_content(_MAX_EXPLANATION_BYTES), b"")
        self._left -= len(body)
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, bytes(body), url)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, parts.hostname, parts.port or PORTS.get(scheme)


def _reason(error: Exception) -> str:
    """Return what went wrong, in words that hold nothing of the address."""
    import requests

    names = _names(error)
    if "NameResolutionError" in names or "gaierror" in names:
        return "its host name could not be resolved"
    if isinstance(error, requests.exceptions.SSLError):
        return "its TLS certificate or handshake is not accepted"
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return "no connection in time"
    if "ReadTimeoutError" in names or isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if "ConnectionRefusedError" in names:
        return "the connection is refused"
    if names & {"IncompleteRead", "ProtocolError", "RemoteDisconnected"}:
        return "the answer breaks off"
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return "the answer's compression is broken"
    # Of requests' own errors, those about addresses are ValueErrors too.
    if isinstance(error, ValueError):
        return "an address is malformed: its own, or one that it redirects to"
    return f"the connection fails ({type(error).__name__})"


def _unconnected(error: Exception) -> bool:
    return bool(
        _names(error) & {"NameResolutionError", "NewConnectionError", "ConnectTimeoutError"}
    )


def _names(error: Exception) -> set[str]:
    return {type(cause).__name__ for cause in _causes(error)}


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(causes) < 50:
        item = queue.pop()
        if isinstance(item, BaseException) and item not in causes:
            causes.append(item)
            queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return causes
