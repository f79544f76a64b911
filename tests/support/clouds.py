"""Google's and Microsoft's hosts, as a proxy shows them.

The real hooks talk TLS to the addresses they know.

What is behind is written after the documents of both, with their errors, limits, paging and tokens
that expire.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from calendar_timetable.calendars import limits
from calendar_timetable.calendars.sources.base import FetchFailed, Source
from tests.support.origin import SECRET

HOSTS = (
    "oauth2.googleapis.com",
    "www.googleapis.com",
    "login.microsoftonline.com",
    "graph.microsoft.com",
)


@dataclass
class Ask:
    """One request as a service sees it."""

    method: str
    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str]
    body: str = ""


@dataclass
class Given:
    """One answer.

    A *body* that is no bytes is sent as JSON. ``cut`` breaks it off; ``hang`` never ends it.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hang: bool = False


Service = Callable[[Ask], Given]


@dataclass
class Internet:
    """Services by host; ``seen`` is what they were asked."""

    services: dict[str, Service] = field(default_factory=dict)
    seen: list[Ask] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    environment: dict[str, str] = field(default_factory=dict)

    def asked(self, host: str) -> list[Ask]:
        return [ask for ask in self.seen if ask.host == host]


def new_key() -> rsa.RSAPrivateKey:
    """Return a new RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    """Return *key* as PEM text."""
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Files of a certificate for all hosts, which vouches for itself, and of its key.

    Those that are in *folder*, else new ones.
    """
    ca_file, key_file = folder / "ca.pem", folder / "key.pem"
    if ca_file.exists():
        return ca_file, key_file
    key, now = new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    names = [x509.DNSName(host) for host in HOSTS] + [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    ]
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1)
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    key_file.write_text(pem(key))
    ca_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return ca_file, key_file


@contextmanager
def internet(folder: Path) -> Iterator[Internet]:
    """Start a proxy on a free port, behind which the hosts are, with a certificate in *folder*."""
    ca_file, key_file = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca_file, key_file)
    net = Internet()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(net, context))
    server.daemon_threads = True
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    net.environment = {
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
    }
    for name in ("HTTPLIB2_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        net.environment[name] = str(ca_file)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield net
    finally:
        net.stop.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(net: Internet, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path.partition(":")[0]
            self.send_response(200)
            self.end_headers()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except OSError:  # the client does not trust it
                self.close_connection = True
                return
            self.connection.settimeout(30)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
            self.close_connection = False

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            first = {name: values[0] for name, values in parse_qs(parts.query).items()}
            form = {name: values[0] for name, values in parse_qs(sent).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            ask = Ask(self.command, self.host, parts.path, first, headers, form, sent)
            net.seen.append(ask)
            service = net.services.get(self.host, lambda ask: Given(502))
            given = service(ask)
            body = (
                given.body
                if isinstance(given.body, bytes)
                else json.dumps(given.body or {}).encode()
            )
            if given.hang:
                net.stop.wait()
            self.send_response(given.status)
            for name, value in {"Content-Type": "application/json", **given.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if given.cut else body)
            self.close_connection = self.close_connection or given.cut

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

        def handle(self) -> None:
            with suppress(OSError):  # the client has gone: that is the point
                super().handle()

        def finish(self) -> None:
            with suppress(OSError):
                super().finish()
                self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def check_refusal(
    source: Source, given: Given, reason: str, wait: int, patch: pytest.MonkeyPatch
) -> None:
    """See what is said where a service answers so, and how long it is left alone, in seconds."""
    patch.setattr(limits, "READ_SECONDS", 1.0 if given.hang else limits.READ_SECONDS)
    with pytest.raises(FetchFailed) as raised:
        source.fetch()
    assert str(raised.value).startswith(reason)
    assert SECRET not in str(raised.value)
    assert raised.value.retry_after == wait
