"""Which addresses may be connected to, and connections to nothing but the address that was checked.

A calendar's address, and wherever its server redirects to, are given by others: without this, a DAG
file, a Connection or a server could make Airflow ask what only Airflow's network reaches.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from calendar_timetable.calendars import limits
from calendar_timetable.config import SECTION, option
from calendar_timetable.exceptions import InvalidArgument

if TYPE_CHECKING:
    import requests
    from urllib3.connection import HTTPConnection

PRIVATE = (
    "its address is in a private network: "
    "allow that one with [calendar_timetable] allow_private_networks, if it is meant"
)
NEVER = (
    "its address is one where no calendar is: link-local, multicast or a cloud's metadata service"
)

# Networks whose addresses end with the IPv4 address that they stand for.
_LAST_32_BITS = (
    ip_network("64:ff9b::/96"),  # NAT64, RFC 6052
    ip_network("64:ff9b:1::/48"),  # the same inside one's own network, RFC 8215
    ip_network("::ffff:0:0:0/96"),  # RFC 2765
    ip_network("::/96"),  # RFC 4291 section 2.5.5.1
)
# The 32 bits before the IPv4 address in an ISATAP address of any network (RFC 5214 section 6.1).
_ISATAP = (0x00005EFE, 0x02005EFE)
# Networks that are not global, whatever this release of Python knows of them.
_NOT_GLOBAL = (
    ip_network("192.0.0.0/24"),
    ip_network("3fff::/20"),
    ip_network("64:ff9b:1::/48"),
    ip_network("5f00::/16"),
)
# Addresses of the metadata services of clouds.
_METADATA = frozenset(
    map(
        ip_address,
        (
            *("169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
            *("fd00:ec2::254", "fd00:ec2::23"),  # Amazon's, of machines and of EKS
            "fd20:ce::254",  # Google's
            "fd00:c1::a9fe:a9fe",  # Oracle's
            "fd00:42::42",  # Scaleway's
        ),
    )
)


class AddressNotAllowed(Exception):
    """An address that may not be connected to; the text names the option, not the address."""


def parse_networks(value: str) -> list[str]:
    """Return the networks that a value of ``allow_private_networks`` allows.

    ``True`` is every private network (``["private"]``), ``False`` none; else they are those listed.
    Raises ``ValueError`` for what is no network.
    """
    if value.lower() in ("", "false", "f", "0"):
        return []
    if value.lower() in ("true", "t", "1"):
        return ["private"]
    return [
        str(ip_network(part.strip(), strict=False)) for part in value.split(",") if part.strip()
    ]


def check(address: str, allowed: list[str]) -> None:
    """Raise :class:`AddressNotAllowed` unless *address* is public, or in the networks *allowed*.

    *address* is an IP address; what it embeds is checked too.
    """
    for ip in _destinations(ip_address(address.partition("%")[0])):
        listed = (ip_network(network) for network in allowed if network != "private")
        if any(ip in network for network in listed):
            continue
        if ip in _METADATA or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
            raise AddressNotAllowed(NEVER)
        if not _is_public(ip) and "private" not in allowed:
            raise AddressNotAllowed(PRIVATE)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    listed = any(address in network for network in _NOT_GLOBAL)
    return address.is_global and not address.is_reserved and not site_local and not listed


def _destinations(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """Yield where packets to *address* may end.

    That is the address itself or, where it stands for others, those.
    """
    if isinstance(address, IPv4Address):
        yield address
        return
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    anywhere = int(address) >> 32 & 0xFFFFFFFF in _ISATAP
    if int(address) > 1 and (anywhere or any(address in network for network in _LAST_32_BITS)):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    ips = [ip for ip in inner if ip is not None]
    yield from ips
    if not ips or anywhere or any(address in network for network in _NOT_GLOBAL):
        yield address


def resolve(host: str, port: int, allowed: list[str], seconds: float) -> list[str]:
    """Return the IP addresses of *host*, every one of them checked.

    Raises ``OSError`` if there is none within *seconds*, and :class:`AddressNotAllowed` if one of
    them may not be connected to.
    """
    entries: list[Any] = []
    failures: list[OSError] = []

    def ask() -> None:
        try:
            entries.extend(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            failures.append(socket.gaierror(str(error)))

    # In a thread, as nothing else bounds the look-up, or can say that it was the name that failed.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    if failures or asking.is_alive() or not entries:
        raise failures[0] if failures else socket.gaierror("no answer")
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in entries))
    for address in addresses:
        check(address, allowed)
    return addresses


def check_behind_proxy(url: str, allowed: list[str]) -> None:
    """Raise :class:`AddressNotAllowed` for what can be told to be private without a look-up.

    The proxy looks names up, and decides on the rest.
    """
    # Without the zone of an IPv6 address.
    host = unquote(urlsplit(url).hostname or "").partition("%")[0].rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        host = "127.0.0.1"
    try:
        entries = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return
    for entry in entries:
        check(str(entry[4][0]), allowed)


def guard(session: requests.Session, allowed: list[str]) -> None:
    """Let *session* connect to addresses that may be connected to, and no others."""
    from requests.adapters import HTTPAdapter
    from requests.utils import select_proxy

    class Guarded(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            self.poolmanager.pool_classes_by_scheme = _pools(allowed)

        def send(
            self, request: requests.PreparedRequest, *arguments: Any, **options: Any
        ) -> requests.Response:
            if select_proxy(request.url or "", options.get("proxies")):
                check_behind_proxy(request.url or "", allowed)
            return super().send(request, *arguments, **options)

    for scheme in ("https://", "http://"):
        session.mount(scheme, Guarded())


def _pools(allowed: list[str]) -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections to addresses that were checked."""
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allowed)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return _connect(self, allowed)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _connect(connection: HTTPConnection, allowed: list[str]) -> socket.socket:
    """Return a socket to one of the host's addresses.

    The server's certificate still has to name the host.
    """
    from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
    from urllib3.util.connection import create_connection

    timeout = connection.timeout
    until = time.monotonic() + (
        timeout if isinstance(timeout, int | float) else limits.CONNECT_SECONDS
    )
    try:
        addresses = resolve(connection.host, connection.port, allowed, until - time.monotonic())
    except socket.gaierror as error:
        raise NameResolutionError(connection.host, connection, error) from error
    failure: Exception = OSError()
    while addresses:
        share = max(until - time.monotonic(), 0.1) / len(addresses)
        try:
            return create_connection(
                (addresses.pop(0), connection.port),
                share,
                connection.source_address,
                connection.socket_options,
            )
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "no connection in time") from failure
    raise NewConnectionError(connection, "no connection") from failure


def allowed_networks() -> list[str]:
    """Return which networks that are not public calendars may be in.

    Raises :class:`InvalidArgument` where the option's value cannot be used.
    """
    value = option("allow_private_networks")
    try:
        return parse_networks(value)
    except ValueError:
        remedy = "write True, False, or networks such as 10.20.0.0/16, fd12:3456::/32"
        raise InvalidArgument(f"[{SECTION}] allow_private_networks", value, remedy) from None
