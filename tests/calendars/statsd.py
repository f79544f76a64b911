"""A StatsD server, for tests of metrics."""

from __future__ import annotations

import socket


class StatsdServer:
    """The server's side of StatsD: what came, by name, as ``("12.5", "ms")``."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self.text = ""

    def got(self) -> dict[str, list[tuple[str, str]]]:
        while True:
            try:
                self.text += self._socket.recv(65536).decode() + "\n"
            except BlockingIOError:
                break
        found: dict[str, list[tuple[str, str]]] = {}
        for line in self.text.split():
            name, _, rest = line.partition(":")
            value, _, kind = rest.partition("|")
            found.setdefault(name.removeprefix("airflow."), []).append((value, kind))
        return {name: values for name, values in found.items() if "calendar_timetable" in name}

    def close(self) -> None:
        self._socket.close()
