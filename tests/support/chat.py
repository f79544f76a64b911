"""The team's chat: what is posted to its webhook."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from demo.services import wait_until


class Chat:
    """Listens on a free port of this machine until it is closed."""

    def __init__(self) -> None:
        self.said: list[str] = []
        said = self.said

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said.append(
                    json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
                )
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}/hooks/secret"

    def hears(self, what: str) -> None:
        """Wait until exactly this is said."""
        wait_until(f"the team to be told {what!r}", lambda: what in self.said)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
