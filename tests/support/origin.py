"""An HTTP origin that misbehaves as it is told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = "private-0123456789abcdef"  # stands for what no one may see


@dataclass
class Reply:
    """What the origin answers. ``parts`` are sent one by one, ``pause`` seconds apart."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts: list[bytes] = field(default_factory=list)
    pause: float = 0
    raw: bytes = b""  # sent instead of all else, slowly


@dataclass
class Origin:
    """A server on this host; ``reply`` decides, ``seen`` tells what it was asked."""

    host: str = "127.0.0.1"
    port: int = 0
    reply: Callable[[BaseHTTPRequestHandler], Reply] = lambda request: Reply(404)
    seen: list[dict[str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    close: Callable[[], None] = lambda: None  # from then on nothing listens there

    def url(self, path: str = f"/{SECRET}/team.ics", host: str = "") -> str:
        return f"http://{host or self.host}:{self.port}{path}?token={SECRET}"

    def serve(self, body: bytes, **headers: str) -> None:
        """Answer with *body* from now on."""
        self.reply = lambda request: Reply(
            200, {k.replace("_", "-"): v for k, v in headers.items()}, body
        )

    def fail(self, reply: Reply) -> None:
        self.reply = lambda request: reply


def _handler(origin: Origin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            origin.seen.append(
                {"path": self.path, **{k.lower(): v for k, v in self.headers.items()}}
            )
            reply = origin.reply(self)
            try:
                if reply.raw:
                    self._drip([reply.raw[i : i + 1] for i in range(len(reply.raw))], reply.pause)
                    return
                self.send_response(reply.status)
                headers = dict(reply.headers)
                if not reply.parts:
                    headers.setdefault("Content-Length", str(len(reply.body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)
                self._drip(reply.parts, reply.pause)
            except OSError:
                pass  # the client has given up: that is the point

        def _drip(self, parts: list[bytes], pause: float) -> None:
            for part in parts:
                self.wfile.write(part)
                self.wfile.flush()
                if origin.stop.wait(pause):
                    return

        def log_message(self, *args: object) -> None:
            pass

    return Handler


@contextmanager
def serving(tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1") -> Iterator[Origin]:
    """Start an origin on a free port of *host*; with *tls* it speaks TLS."""
    origin = Origin(host)
    server = ThreadingHTTPServer((host, 0), _handler(origin))
    server.daemon_threads = True
    server.handle_error = lambda *args: None  # type: ignore[method-assign]  # a client that gave up
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    origin.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))

    def close() -> None:
        if thread.is_alive():
            origin.stop.set()
            server.shutdown()
            thread.join()
            server.server_close()

    origin.close = close
    thread.start()
    yield origin
    close()
