"""The model in service, behind a small HTTP endpoint.

``serving/current`` in the data folder is a text file that names the model's folder, within the data
folder. ``POST /reload`` reads it again: the new model is loaded and tried before it takes over,
else the old one stays. ``GET /health`` names the model that answers, ``POST /generate`` with
``{"prompt": "...", "length": 80}`` lets it write.
"""

from __future__ import annotations

import argparse
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import model

MOST = 2000  # characters that one request may ask for


class Served:
    """The model in service.

    It is swapped in one assignment, so that every request is answered by one model.
    """

    def __init__(self, data: Path, most_parameters: int) -> None:
        self._data = data
        self._most_parameters = most_parameters
        self._reloading = threading.Lock()
        self._loaded: tuple[str, model.Params, model.Shape] | None = None

    @property
    def name(self) -> str | None:
        return self._loaded[0] if self._loaded else None

    @property
    def wanted(self) -> Path:
        return self._data / "serving" / "current"

    def reload(self) -> None:
        with self._reloading:
            name = self.wanted.read_text().strip()
            params, shape, _ = model.load_model(self._data / name)
            size = sum(value.size for value in params.values())
            if size > self._most_parameters:
                raise ValueError(
                    f"{size:,} parameters; this server has room for {self._most_parameters:,}"
                )
            model.generate(params, "a", 1, shape)
            self._loaded = (name, params, shape)

    def generate(self, prompt: str, length: int) -> str:
        if self._loaded is None:
            raise LookupError("no model is loaded")
        _, params, shape = self._loaded
        return model.generate(params, prompt, length, shape)


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self._answer(200, {"model": served.name})
            else:
                self._answer(404, {"error": "GET /health, POST /reload, POST /generate"})

        def do_POST(self) -> None:
            try:
                said = json.loads(
                    self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}"
                )
                if self.path == "/reload":
                    served.reload()
                    self._answer(200, {"model": served.name})
                elif self.path == "/generate":
                    length = min(int(said.get("length", 80)), MOST)
                    self._answer(
                        200,
                        {
                            "model": served.name,
                            "text": served.generate(str(said["prompt"]), length),
                        },
                    )
                else:
                    self._answer(404, {"error": "GET /health, POST /reload, POST /generate"})
            except (KeyError, TypeError, ValueError, OSError, LookupError) as error:
                self._answer(
                    409 if self.path == "/reload" else 400,
                    {"error": str(error), "model": served.name},
                )

        def _answer(self, status: int, what: dict[str, Any]) -> None:
            body = json.dumps(what).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=Path, required=True, help="the folder with models and serving/current"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--most-parameters", type=int, default=100_000_000, help="what this machine has room for"
    )
    arguments = parser.parse_args()

    served = Served(arguments.data, arguments.most_parameters)
    if served.wanted.exists():
        served.reload()
    ThreadingHTTPServer((arguments.host, arguments.port), handler(served)).serve_forever()


if __name__ == "__main__":
    main()
