"""A StatsD server, for tests of metrics."""

from __future__ import annotations

import socket
import threading


class StatsdServer:
    """The server's side of StatsD: what came, by name, as ``("12.5", "ms")``.

    :param only: a word in the names to keep.
    """

    def __init__(self, only: str = "calendar_timetable") -> None:
        self._only = only
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024**2)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.1)
        self._lines: list[str] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()
        self.port: int = self._socket.getsockname()[1]

    @property
    def text(self) -> str:
        """All that came."""
        return "\n".join(self._lines)

    def got(self) -> dict[str, list[tuple[str, str]]]:
        """Return what came so far, by name without Airflow's prefix."""
        found: dict[str, list[tuple[str, str]]] = {}
        for line in list(self._lines):
            name, _, rest = line.partition(":")
            value, _, kind = rest.partition("|")
            found.setdefault(name.removeprefix("airflow."), []).append((value, kind))
        return found

    def clear(self) -> None:
        """Forget what came."""
        self._lines.clear()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        self._thread.join()
        self._socket.close()

    def _receive(self) -> None:
        while not self._closed.is_set():
            try:
                text = self._socket.recv(65536).decode()
            except TimeoutError:
                continue
            self._lines += [line for line in text.split() if self._only in line]
