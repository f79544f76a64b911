"""Calendars of a service that Airflow has a provider for, whose hook knows how to sign in.

The hook runs in a process of its own that can be killed, as all reading of the network does. That
process gets the one Connection that it needs, on its stdin, and nothing else of Airflow's
configuration: neither its database nor its secrets backends.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.child_process import Message, serve_child
from calendar_timetable.calendars.ical.bundle import Item, join
from calendar_timetable.calendars.net.client import DownloadFailed
from calendar_timetable.calendars.net.sealing import seal, stretched, unseal
from calendar_timetable.calendars.sources.base import NO_VALIDATORS, FetchResult, Validators, failed

CONN_ID = "calendar"  # the id by which the hook finds the Connection in its process
Work = Callable[[Message, bytes], tuple[Message, bytes]]


@dataclass(frozen=True, slots=True)
class HostedSource:
    """One calendar of a service.

    ``service`` names the module of this package that speaks to the service.
    """

    service: str
    label: str
    calendar: str
    connection: str = field(repr=False)  # the fields of the Connection, as JSON
    days_back: int = 0
    local = False

    @property
    def identity(self) -> str:
        """The Connection's id and what is read with it, but no credentials."""
        return "\n".join((self.service, self.label, self.calendar, str(self.days_back)))

    @property
    def secret(self) -> str:
        return f"{self.identity}\n{self.connection}"

    @property
    def server(self) -> str:
        """The service as this Connection reaches it.

        Each Connection counts by itself, as it may go through a proxy of its own.
        """
        return f"{self.service} {self.label.partition('/')[0]}"

    def request(self) -> Message:
        """Return what a child needs to know to speak to the service."""
        connection = json.loads(self.connection)
        return {"connection": connection, "calendar": self.calendar, "read": limits.READ_SECONDS}

    def fetch(self, last: Validators = NO_VALIDATORS) -> FetchResult | None:
        from calendar_timetable.calendars.net.client import request_in_child

        memory = unseal(last.etag, stretched(self.secret))
        body = (last.body() if memory else None) or b""
        request = {**self.request(), "days_back": self.days_back, "known": memory if body else {}}
        try:
            message, body = request_in_child(f"{__package__}.{self.service}", request, body)
        except DownloadFailed as error:
            raise failed(error) from None
        return (
            None
            if message["unchanged"]
            else FetchResult(body, seal(message["known"], stretched(self.secret)))
        )


# --- the child's side -----------------------------------------------------------------------------


class SyncTokenExpired(Exception):
    """The service no longer knows up to where it was read: all of it has to be read again."""


def run(work: Work, extra: str, seconds: float = limits.FETCH_SECONDS) -> None:
    """Answer the request on stdin with *work*, which needs the packages of our *extra*.

    The process may use *seconds* of processor time and one more.
    """
    serve_child(
        lambda request, body: _served(work, extra, request, body), limits.EXPAND_MEMORY, seconds + 1
    )


def _served(work: Work, extra: str, request: Message, body: bytes) -> tuple[Message, bytes]:
    os.environ |= {
        "AIRFLOW_CONFIG": os.devnull,  # Airflow's defaults, and no file written
        "AIRFLOW_HOME": os.devnull,
        "_AIRFLOW__AS_LIBRARY": "1",
    }
    socket.setdefaulttimeout(request["read"])
    try:
        _offer_to_hooks(request["connection"])
        return work(request, body)
    except DownloadFailed as error:
        failure = error
    except SyncTokenExpired:
        failure = DownloadFailed("HTTP 410: it forgets where the reading was, again and again", 410)
    except ImportError as error:
        missing = error.name or "a module"
        failure = DownloadFailed(
            f"{missing} cannot be imported: pip install 'airflow-calendar-timetable[{extra}]'"
        )
    except Exception as error:  # noqa: BLE001  (its text may hold addresses, tokens and titles)
        failure = _failure(error)
    return failure.to_message(), b""


def _offer_to_hooks(connection: Message) -> None:
    """Let hooks find *connection*, and only that.

    Airflow's own look-up would ask elsewhere too, and takes longer to load than everything else. So
    does its masking of secrets in logs, which is not needed: what this process prints goes nowhere.
    """
    from airflow.sdk import BaseHook, Connection

    extra = connection["extra"]

    class HookConnection(Connection):
        @property
        def extra_dejson(self) -> Message:
            return dict(extra)

        async def aextra_dejson(self) -> Message:
            return dict(extra)

    hook_connection = HookConnection(
        **{**connection, "conn_id": CONN_ID, "extra": json.dumps(extra)}
    )

    async def find_later(conn_id: str) -> Connection:
        return hook_connection

    hooks: Any = BaseHook
    hooks.get_connection = staticmethod(lambda conn_id: hook_connection)
    hooks.aget_connection = staticmethod(find_later)


def build_body(items: dict[str, Item], zone: str = "") -> bytes:
    """Return the body of *items*; raise :class:`DownloadFailed` beyond the limits of a feed."""
    if len(items) > limits.MAX_COMPONENTS:
        raise DownloadFailed(f"more than {limits.MAX_COMPONENTS} events: set days_back")
    body = join(items, zone)
    if len(body) > limits.MAX_BODY:
        raise DownloadFailed(f"larger than {limits.MAX_BODY // 1024} KiB: set days_back")
    return body


def get_text(value: Any, *names: str) -> str:
    """Return the text at the path *names* in *value*, as JSON gives it.

    Where there is none, it is ``""``.
    """
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


_NO_SERVER = {
    "gaierror": "its host name could not be resolved",
    "ServerNotFoundError": "its host name could not be resolved",
    "ClientConnectorDNSError": "its host name could not be resolved",
    "ConnectionRefusedError": "the connection is refused",
    "ConnectTimeout": "no connection in time",
}
_NO_ANSWER = {
    "SSLError": "its TLS certificate or handshake is not accepted",
    "SSLCertVerificationError": "its TLS certificate or handshake is not accepted",
    "ClientConnectorCertificateError": "its TLS certificate or handshake is not accepted",
    "TimeoutError": "no answer in time",
    "ReadTimeout": "no answer in time",
    "RemoteDisconnected": "the answer breaks off",
    "RemoteProtocolError": "the answer breaks off",
    "IncompleteRead": "the answer breaks off",
    "JSONDecodeError": "the answer is not JSON: is a proxy in between?",
}


def _failure(error: BaseException) -> DownloadFailed:
    """Return the failure that *error* stands for.

    Its text holds nothing of what was asked or answered.
    """
    cause: BaseException | None = error
    for _ in range(20):
        name = type(cause).__name__
        if name in _NO_SERVER or name in _NO_ANSWER:
            return DownloadFailed((_NO_SERVER | _NO_ANSWER)[name], unreachable=name in _NO_SERVER)
        cause = cause and (cause.__cause__ or cause.__context__)
    return DownloadFailed(f"the connection fails ({type(error).__name__})")
