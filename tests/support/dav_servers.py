"""Real CalDAV servers on free loopback ports.

Also plain requests that edit them, and a wire that can be tapped or cut.
"""

from __future__ import annotations

import http.client
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from demo.services import free_port
from tests.support.origin import SECRET

LOGIN, OTHER = "alice", "bob"
Connect = Callable[..., str]


@pytest.fixture(name="connect")
def connections(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Return what makes an Airflow Connection, without Airflow's start-up, and gives its id."""
    made: dict[str, SimpleNamespace] = {}

    def make(address: str, conn_id: str = "dav", kind: str = "caldav", **given: Any) -> str:
        """Extra fields are those that are no field of a Connection."""
        fields = {"schema": None, "port": None, "login": LOGIN, "password": SECRET}
        fields.update({name: given.pop(name) for name in fields if name in given})
        made[conn_id] = SimpleNamespace(host=address, conn_type=kind, extra_dejson=given, **fields)
        return conn_id

    class AirflowNotFoundException(Exception):
        pass

    def find(conn_id: str) -> SimpleNamespace:
        if conn_id not in made:
            raise AirflowNotFoundException(SECRET)
        return made[conn_id]

    monkeypatch.setitem(
        sys.modules, "airflow.sdk", SimpleNamespace(BaseHook=SimpleNamespace(get_connection=find))
    )
    return make


@dataclass
class Server:
    """One server process; ``address`` ends with a slash."""

    command: list[str]
    port: int
    home: str  # path of the folder that holds the user's calendars
    auth: tuple[str, str] | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise AssertionError("the server did not start")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def send(
        self, method: str, path: str, body: str = "", content_type: str = "text/calendar"
    ) -> str:
        """Make one request of a plain client below the home, which must succeed; return the answer."""
        url = self.address.rstrip("/") + self.home + path
        headers = {"Content-Type": f"{content_type}; charset=utf-8"}
        answer = requests.request(
            method, url, data=body.encode(), headers=headers, auth=self.auth, timeout=60
        )
        assert answer.status_code < 300, (method, answer.status_code, answer.text)
        return answer.text

    def set_property(self, path: str, name: str, value: str) -> None:
        """Set a property of CalDAV's."""
        prop = f"<D:set><D:prop><C:{name}>{value}</C:{name}></D:prop></D:set>"
        spaces = 'xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"'
        self.send(
            "PROPPATCH",
            path,
            f"<D:propertyupdate {spaces}>{prop}</D:propertyupdate>",
            "application/xml",
        )

    def make_calendar(self, path: str, name: str, timezone: str = "") -> None:
        zone = f"<C:calendar-timezone>{timezone}</C:calendar-timezone>" if timezone else ""
        body = (
            '<C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>'
            f"<D:displayname>{name}</D:displayname>{zone}</D:prop></D:set></C:mkcalendar>"
        )
        self.send("MKCALENDAR", path, body, "application/xml")


RIGHTS = """\
[root]
user: .+
collection:
permissions: R
[home]
user: .+
collection: {user}
permissions: RW
[own]
user: .+
collection: {user}/[^/]+
permissions: rw
[others]
user: .+
collection: [^/]+/[^/]+
permissions: f
"""


def radicale(folder: Path, password: str) -> Server:
    """Return Radicale with basic authentication, for two users.

    Each may ask when the other's calendars are busy.
    """
    port = free_port()
    folder.mkdir()
    (folder / "users").write_text(f"{LOGIN}:{password}\n{OTHER}:{password}\n")
    (folder / "rights").write_text(RIGHTS)
    (folder / "config").write_text(
        f"[server]\nhosts = 127.0.0.1:{port}\n[storage]\nfilesystem_folder = {folder / 'storage'}\n"
        f"[auth]\ntype = htpasswd\nhtpasswd_filename = {folder / 'users'}\n"
        "htpasswd_encryption = plain\ndelay = 0\n"
        f"[rights]\ntype = from_file\nfile = {folder / 'rights'}\n"
    )
    command = [sys.executable, "-m", "radicale", "--config", str(folder / "config")]
    return Server(command, port, f"/{LOGIN}/", (LOGIN, password))


def xandikos(folder: Path) -> Server:
    """Xandikos, which lets everybody in, with its one first calendar."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "xandikos",
        "serve",
        "-d",
        str(folder),
        "--defaults",
        "--no-detect-systemd",
    ]
    command += [
        "--state-dir",
        str(folder.parent / "xandikos-state"),
        "-l",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    return Server(command, port, "/user/calendars/")


@dataclass
class Wire:
    """A proxy before a server: counts what passes, and cuts answers short when told."""

    target: int
    # "PROPFIND 1 /alice/", "REPORT 1 /alice/team/ calendar-query"
    passed: list[str] = field(default_factory=list)
    sent: int = 0  # bytes of answers
    cut: str = ""  # the method whose answers break off half-way
    before: Callable[[str], None] = lambda line: None  # called with each request before it goes on
    port: int = 0

    def __enter__(self) -> Wire:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = re.search(
                rb"<\w:(calendar-query|calendar-multiget|sync-collection|free-busy-query)", body
            )
            what = f" {asked[1].decode()}" if asked else ""
            wire.passed.append(f"{self.command} {self.headers.get('Depth')} {self.path}{what}")
            wire.before(wire.passed[-1])
            onward = http.client.HTTPConnection("127.0.0.1", wire.target, timeout=60)
            try:
                onward.request(self.command, self.path, body, dict(self.headers))
                answer = onward.getresponse()
                content = answer.read()
            except OSError:
                self.close_connection = True
                return
            finally:
                onward.close()
            wire.sent += len(content)
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.command == wire.cut else content)

        do_PROPFIND = do_REPORT = do_GET = _pass  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    return Handler
