"""A CalDAV server of one calendar, small enough to be told what to do wrong."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

DAV, CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"
SPACES = (
    'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:S="http://calendarserver.org/ns/"'
)
COLLECTION = "<D:resourcetype><D:collection/><C:calendar/></D:resourcetype>"
Given = tuple[int, bytes]


def found(href: str, props: str) -> str:
    """Return a response with these properties."""
    stats = f"<D:propstat><D:prop>{props}</D:prop><D:status>HTTP/1.1 200 OK</D:status></D:propstat>"
    return f"<D:response><D:href>{escape(href)}</D:href>{stats}</D:response>"


def status(href: str, code: int) -> str:
    """Return a response with this status."""
    return (
        f"<D:response><D:href>{escape(href)}</D:href>"
        f"<D:status>HTTP/1.1 {code} X</D:status></D:response>"
    )


def multistatus(*responses: str, token: str = "") -> Given:
    """Return an answer 207 with these responses, and with *token* where there is one."""
    end = f"<D:sync-token>{token}</D:sync-token>" if token else ""
    return 207, f"<D:multistatus {SPACES}>{''.join(responses)}{end}</D:multistatus>".encode()


def refusal(code: int, condition: str) -> Given:
    """Return an error with this precondition (RFC 4918 section 16)."""
    return code, f"<D:error {SPACES}><{condition}/></D:error>".encode()


@dataclass
class SmallDav:
    """The calendar at ``/c/``; what it is told to do wrong holds until it is told otherwise."""

    objects: dict[str, str] = field(default_factory=dict)  # by path
    props: str = COLLECTION  # of the calendar
    ctag: bool = True
    tokens: bool = True  # it offers a sync-collection
    inline: bool = True  # which may carry the objects themselves
    page: int = 0  # changes that it tells at once
    most: int = 0  # objects that a query may find
    written: Callable[[str], str] = str  # how it writes an object's path
    # By the request's name, in place of the true one
    answers: dict[str, Given] = field(default_factory=dict)
    before: Callable[[str], object] = lambda name: None  # called with the name of each request
    seen: list[str] = field(default_factory=list)  # "propfind", "sync-collection 3"
    port: int = 0
    life: int = 1  # tokens of another one are not known
    changed: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/c/"

    def put(self, name: str, data: bytes) -> None:
        self.objects[f"/c/{name}.ics"] = data.decode()
        self.changed.append(f"/c/{name}.ics")

    def delete(self, name: str) -> None:
        del self.objects[f"/c/{name}.ics"]
        self.changed.append(f"/c/{name}.ics")

    def answer(self, body: bytes) -> Given:
        root: Element = fromstring(body)
        name = root.tag.rpartition("}")[2]
        hrefs = [unquote(href.text or "") for href in root.findall(f"{DAV}href")]
        self.seen.append(f"{name} {len(hrefs)}" if hrefs else name)
        self.before(name)
        if name in self.answers:
            return self.answers[name]
        data = root.find(f"{DAV}prop/{CALDAV}calendar-data") is not None
        if name == "propfind":
            ctag = f"<S:getctag>{self.life}-{len(self.changed)}</S:getctag>" if self.ctag else ""
            token = f"<D:sync-token>{self._token()}</D:sync-token>" if self.tokens else ""
            return multistatus(found("/c/", self.props + ctag + token))
        if name == "calendar-multiget":
            return multistatus(*(self._object(path, data=True) for path in hrefs))
        if name == "sync-collection":
            return self._changes(root.findtext(f"{DAV}sync-token") or "", data=data and self.inline)
        cut = [status("/c/", 507)] if self.most and len(self.objects) > self.most else []
        shown = list(self.objects)[: self.most or None]
        return multistatus(*(self._object(path, data=data) for path in shown), *cut)

    def _token(self, number: int | None = None) -> str:
        return f"http://sync.example/{self.life}/{len(self.changed) if number is None else number}"

    def _changes(self, token: str, *, data: bool) -> Given:
        life, number = token.split("/")[-2:] if token else (str(self.life), "0")
        if life != str(self.life) or not self.tokens:
            return refusal(403, "D:valid-sync-token")
        first = int(number)
        last = min(len(self.changed), first + self.page) if self.page else len(self.changed)
        paths = dict.fromkeys(self.changed[first:last])
        more = [status("/c/", 507)] if last < len(self.changed) else []
        return multistatus(
            *(self._object(path, data=data) for path in paths), *more, token=self._token(last)
        )

    def _object(self, path: str, *, data: bool) -> str:
        path = path[path.index("/c/") :]
        if path not in self.objects:
            return status(self.written(path), 404)
        text = self.objects[path]
        body = f"<C:calendar-data>{escape(text)}</C:calendar-data>" if data else ""
        etag = hashlib.sha256(text.encode()).hexdigest()[:8]
        return found(self.written(path), f'<D:getetag>"{etag}"</D:getetag>{body}')


@contextmanager
def serving(
    answer: Callable[[BaseHTTPRequestHandler, bytes], tuple[int, dict[str, str], bytes]],
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Start a server of these answers to PROPFIND and REPORT, on the port given.

    With *tls*, it is a proxy to every host of them.
    """

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            code, headers, body = answer(self, self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(code)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_PROPFIND = do_REPORT = _answer  # noqa: N815

        def do_CONNECT(self) -> None:
            assert tls is not None
            self.send_response_only(200)
            self.end_headers()
            self.connection = tls.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = (
                self.connection.makefile("rb"),
                self.connection.makefile("wb", 0),
            )
            self.close_connection = False

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield http.server_address[1]
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


@contextmanager
def small_dav() -> Iterator[SmallDav]:
    """Start the small server on a free port."""
    server = SmallDav()

    def reply(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        code, content = server.answer(body)
        return code, {}, content

    with serving(reply) as server.port:
        yield server
