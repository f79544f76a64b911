"""Twenty calendars that are edited at random, and a log of what each served when."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import TracebackType

from tests.soak.drawn import CALENDARS, HOUR, WINDOWS
from tests.support.dav_servers import LOGIN, Wire, radicale
from tests.support.ics import feed
from tests.support.ics_origin import event
from tests.support.origin import SECRET, Reply, serving

Spans = tuple[tuple[float, float], ...]
MOST = 6  # events of a calendar: a feed of ten or more that is suddenly empty is not believed


@dataclass(frozen=True)
class Version:
    """The busy time of a calendar from *at* on; all in epoch seconds."""

    at: float
    calendar: str
    spans: Spans


@dataclass(frozen=True)
class Look:
    """A whole answer of a calendar's server, with the version that it had then."""

    at: float
    calendar: str


class Calendars:
    """Half of them are collections of a Radicale, half files of an origin that misbehaves."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.versions: list[Version] = []
        self.looks: list[Look] = []
        self.misbehaves = True
        self.faults: dict[str, int] = {}
        self._rng = rng
        self._whims = random.Random(rng.random())  # the origin's, in threads of its own
        self._events: dict[str, dict[str, tuple[float, float]]] = {each: {} for each in CALENDARS}
        self._served: dict[str, Spans] = {}
        self._number = 0
        self._radicale = radicale(folder / "radicale", SECRET)
        self._wire = Wire(self._radicale.port, before=self._asked)
        self._open = ExitStack()

    def __enter__(self) -> Calendars:
        self._origin = self._open.enter_context(serving())
        self._origin.reply = self._reply
        self._open.enter_context(self._wire)
        self._open.callback(self._radicale.stop)
        self._radicale.start()
        for name in CALENDARS:
            if name.startswith("dav"):
                self._radicale.make_calendar(f"{name}/", name)
            self._note(name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def addresses(self) -> dict[str, str]:
        """What a DAG file names: the id of a Connection, or an address."""
        server = f"http://127.0.0.1:{self._origin.port}"
        return {
            name: name if name.startswith("dav") else f"{server}/{name}.ics" for name in CALENDARS
        }

    @property
    def connections(self) -> dict[str, dict[str, str]]:
        return {
            name: {
                "connection_id": name,
                "conn_type": "caldav",
                "host": f"{self._wire.address}{LOGIN}/{name}/",
                "login": LOGIN,
                "password": SECRET,
            }
            for name in CALENDARS
            if name.startswith("dav")
        }

    def edit(self) -> None:
        """Add, move or delete an event near now, in a calendar whose server runs."""
        names = [name for name in CALENDARS if self.radicale_runs or name.startswith("ics")]
        name, now = self._rng.choice(names), time.time()
        events, opens = self._events[name], name in WINDOWS
        begin = now + self._rng.uniform(-60, 600)
        span = (begin, begin + self._rng.uniform(60, 240) * (4 if opens else 1))
        what = self._rng.choice(("add", "add", "move", "delete"))
        if len(events) >= MOST or (what == "delete" and events):
            self._put(name, min(events, key=events.__getitem__), None)
        elif what == "move" and events:
            self._put(name, self._rng.choice(sorted(events)), span)
        else:
            self._number += 1
            self._put(name, f"e{self._number}", span)
        self._note(name)

    def open_all(self) -> None:
        """Leave nothing closed for hours, and let the origin behave."""
        self.misbehaves = False
        now = time.time()
        for name, events in self._events.items():
            for uid in list(events):
                self._put(name, uid, None)
            if name in WINDOWS:
                self._put(name, "open", (now - HOUR, now + 9 * HOUR))
            self._note(name)

    @property
    def radicale_runs(self) -> bool:
        return self._radicale.process is not None

    def kill_radicale(self) -> None:
        if self._radicale.process is not None:
            self._radicale.process.kill()
        self._radicale.stop()
        # What was asked just before may have broken off.
        since = time.time() - 30
        self.looks = [
            look for look in self.looks if look.at < since or look.calendar.startswith("ics")
        ]

    def start_radicale(self) -> None:
        self._radicale.start()

    def _put(self, name: str, uid: str, span: tuple[float, float] | None) -> None:
        if span is not None:
            span = self._events[name][uid] = (span[0] // 1, span[1] // 1)
            if name.startswith("dav"):
                self._radicale.send("PUT", f"{name}/{uid}.ics", feed(_event(uid, span)).decode())
        elif name.startswith("dav"):
            self._radicale.send("DELETE", f"{name}/{uid}.ics")
        if span is None:
            del self._events[name][uid]

    def _note(self, name: str) -> None:
        self._served[name] = tuple(sorted(self._events[name].values()))
        self.versions.append(Version(time.time(), name, self._served[name]))

    def _asked(self, line: str) -> None:
        """Note that a calendar on Radicale is asked: what breaks off then, the judge is told."""
        name = next((part for part in line.split("/") if part in self._events), None)
        if name is not None and self.radicale_runs:
            self.looks.append(Look(time.time(), name))

    def _reply(self, request: BaseHTTPRequestHandler) -> Reply:
        name = request.path.strip("/").removesuffix(".ics")
        body = feed(*(_event(f"{span}", span) for span in self._served[name]))
        kind = self._whims.choice(_WHIMS) if self.misbehaves else "whole"
        self.faults[kind] = self.faults.get(kind, 0) + 1
        headers = {"Content-Type": "text/calendar; charset=utf-8"}
        if kind in ("503", "429"):
            return Reply(int(kind), {"Retry-After": "5"})
        if kind == "slow":
            return Reply(200, headers, parts=list(_pieces(body, 8)), pause=0.5)
        if kind == "cut":
            return Reply(200, headers | {"Content-Length": str(len(body) + 99)}, body[:-20])
        if kind == "page":
            return Reply(200, {"Content-Type": "text/html"}, b"<html><body>Log in</body></html>")
        self.looks.append(Look(time.time(), name))
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            return Reply(304, {"ETag": etag})
        return Reply(200, headers | {"ETag": etag}, body)


# What the origin does with a request: it is well in seven of twelve cases.
_WHIMS = ("503", "429", "slow", "cut", "page", *("whole",) * 7)


def _pieces(body: bytes, count: int) -> Iterator[bytes]:
    size = len(body) // count + 1
    return (body[at : at + size] for at in range(0, len(body), size))


def _event(uid: str, span: tuple[float, float]) -> str:
    start, end = (datetime.fromtimestamp(at, UTC) for at in span)
    return event(uid, start, end)
