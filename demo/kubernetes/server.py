"""The API server: the requests that Airflow's Kubernetes operators make, answered over HTTP."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from demo.kubernetes import defaults, validation
from demo.kubernetes.pods import Pods
from demo.kubernetes.store import Conflict, Json, Store, selected

_PATH = re.compile(
    r"/(?:api/v1|apis/batch/v1)/namespaces/([^/]+)/(pods|events|jobs)"
    r"(?:/([^/]+)(?:/(log|status))?)?"
)
_KINDS = {"pods": "Pod", "events": "Event", "jobs": "Job"}
_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "AlreadyExists",
}
_REASONS |= {415: "UnsupportedMediaType", 422: "Invalid", 501: "NotImplemented"}


class Refused(Exception):
    """Answered with a Status object."""

    def __init__(self, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": message,
            "reason": _REASONS[code],
            "details": details,
            "code": code,
        }


class Api:
    """The listener, which can be stopped and started again at the same address.

    When it stops, every connection to it ends.

    :param token: what a request has to bring; any other is refused with 401.
    """

    def __init__(
        self, store: Store, pods: Pods, *, namespaces: tuple[str, ...], token: str, host: str
    ) -> None:
        self._handler = _handler(store, pods, namespaces, token)
        self._host = host
        self._port = 0
        self._server: _Server | None = None

    @property
    def address(self) -> str:
        return f"http://{self._host}:{self._port}"

    def start(self) -> None:
        server = _Server((self._host, self._port), self._handler)
        self._server, self._port = server, server.server_port
        server.thread.start()

    def stop(self) -> None:
        if (server := self._server) is not None:
            self._server = None
            server.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.ending = threading.Event()
        self.thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report nothing of a client that went away."""

    def stop(self) -> None:
        self.ending.set()
        self.shutdown()
        self.thread.join()
        self.server_close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _handler(
    store: Store, pods: Pods, namespaces: tuple[str, ...], token: str
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server: _Server

        def _serve(self) -> None:
            try:
                self._understand()
                self._dispatch()
            except Refused as refused:
                self._refuse(refused)
            except ValueError as error:  # Malformed, or no JSON at all
                self._refuse(Refused(400, f"the object cannot be handled: {error}"))
            except KeyError:
                message = f'{self.plural} "{self.name}" not found'
                self._refuse(Refused(404, message, name=self.name, kind=self.plural))

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def _understand(self) -> None:
            """Who asks for what."""
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length)  # also where it is refused: the connection goes on
            if self.headers.get("Authorization") != f"Bearer {token}":
                raise Refused(401, "Unauthorized")
            url = urlsplit(self.path)
            if (found := _PATH.fullmatch(url.path)) is None:
                raise Refused(404, "the server could not find the requested resource")
            self.namespace, self.plural, self.name, self.part = found.groups()
            self.kind = _KINDS[self.plural]
            self.query = dict(parse_qsl(url.query, keep_blank_values=True))
            self.body: Any = json.loads(sent or b"{}")

        def _dispatch(self) -> None:
            how = self.command
            if how == "GET" and self.part == "log":
                self._log()
            elif how == "GET" and self.name:
                self._answer(200, store.get(self.kind, self.namespace, self.name))
            elif how == "GET" and self.query.get("watch") in ("true", "True", "1"):
                self._watch()
            elif how == "GET":
                self._list()
            elif how == "POST" and not self.name and self.kind != "Event":
                self._create()
            elif how == "PATCH" and self.name:
                self._patch()
            elif how == "DELETE" and self.name:
                self._delete()
            else:
                raise Refused(
                    405, "the server does not allow this method on the requested resource"
                )

        def _list(self) -> None:
            found = store.find(self.kind, self.namespace, *self._selectors())
            version = "batch/v1" if self.kind == "Job" else "v1"
            metadata = {"resourceVersion": str(store.version)}
            self._answer(
                200,
                {
                    "kind": f"{self.kind}List",
                    "apiVersion": version,
                    "metadata": metadata,
                    "items": found,
                },
            )

        def _create(self) -> None:
            if self.namespace not in namespaces:
                raise Refused(
                    404,
                    f'namespaces "{self.namespace}" not found',
                    name=self.namespace,
                    kind="namespaces",
                )
            given = {
                "apiVersion": "batch/v1" if self.kind == "Job" else "v1",
                "kind": self.kind,
                **self.body,
            }
            causes = (validation.job_causes if self.kind == "Job" else validation.pod_causes)(given)
            if causes:
                name = (given.get("metadata") or {}).get("name", "")
                what = [f"{cause.field}: {cause.message}" for cause in causes]
                said = what[0] if len(what) == 1 else f"[{', '.join(what)}]"
                details = [cause._asdict() for cause in causes]
                raise Refused(
                    422,
                    f'{self.kind} "{name}" is invalid: {said}',
                    name=name,
                    kind=self.kind,
                    causes=details,
                )
            if why := defaults.not_done_here(given):
                raise Refused(501, why)
            made = defaults.filled_in(given)
            if self.query.get("dryRun") == "All":
                return self._answer(201, made)
            try:
                self._answer(201, store.create(self.kind, self.namespace, made))
            except Conflict as error:
                message = f'{self.plural} "{error}" already exists'
                raise Refused(409, message, name=str(error), kind=self.plural) from None

        def _patch(self) -> None:
            assert self.name is not None
            if "json-patch+json" in self.headers.get("Content-Type", "") or not isinstance(
                self.body, dict
            ):
                raise Refused(
                    415, "the body of the request was in an unknown format: send a merge patch"
                )
            if self.kind == "Pod" and self.body.get("spec"):
                message = (
                    f'Pod "{self.name}" is invalid: spec: Forbidden: '
                    "pod updates may not change fields"
                )
                raise Refused(422, message, name=self.name, kind="Pod")
            patched = store.update(
                self.kind, self.namespace, self.name, lambda o: _merge(o, self.body)
            )
            self._answer(200, patched)

        def _delete(self) -> None:
            assert self.name is not None
            thing = store.get(self.kind, self.namespace, self.name)
            options = {**self.body, **self.query}
            grace = options.get("gracePeriodSeconds")
            if self.kind == "Job" and options.get("propagationPolicy") == "Orphan":
                raise Refused(501, "this stand-in ends a Job's pods with it")
            if self.kind == "Job":
                store.delete("Job", self.namespace, self.name)  # and then its pods are collected
            else:
                thing = pods.delete(thing, None if grace is None else int(grace))
            self._answer(200, thing)

        def _watch(self) -> None:
            until = datetime.now(UTC) + timedelta(
                seconds=float(self.query.get("timeoutSeconds") or 1800)
            )
            since = self.query.get("resourceVersion")
            version, before = (
                (int(since), []) if since and since != "0" else (store.version, self._known())
            )
            self._stream("application/json")
            for known in before:
                self._chunk(json.dumps({"type": "ADDED", "object": known}) + "\n")
            while datetime.now(UTC) < until and not self.server.ending.is_set():
                latest = store.version
                for at, how, thing in store.changes(self.kind, version, 0.2):
                    latest = max(latest, at)
                    if thing["metadata"]["namespace"] == self.namespace and selected(
                        thing, *self._selectors()
                    ):
                        self._chunk(json.dumps({"type": how, "object": thing}) + "\n")
                version = latest
            self._chunk("")

        def _known(self) -> list[Json]:
            return store.find(self.kind, self.namespace, *self._selectors())

        def _log(self) -> None:
            assert self.name is not None
            pod = store.get("Pod", self.namespace, self.name)
            wanted, container = self.query.get("container"), pod["spec"]["containers"][0]["name"]
            if wanted not in (None, "", container):
                raise Refused(400, f"container {wanted} is not valid for pod {self.name}")
            if not pod["status"].get("containerStatuses"):
                raise Refused(
                    400, f'container "{container}" in pod "{self.name}" is waiting to start'
                )
            flags = {
                name: self.query.get(name) in ("true", "True") for name in ("follow", "timestamps")
            }
            seconds = self.query.get("sinceSeconds")
            since = datetime.now(UTC) - timedelta(seconds=int(seconds)) if seconds else None
            self._stream("text/plain")
            for when, text in pods.log_lines(pod, follow=flags["follow"], ended=self.server.ending):
                if since is None or when >= since:
                    self._chunk(
                        f"{when:%Y-%m-%dT%H:%M:%S.%f}000Z {text}" if flags["timestamps"] else text
                    )
            if not self.server.ending.is_set():  # a stopped server ends no answer in good order
                self._chunk("")

        def _selectors(self) -> tuple[str, str]:
            return self.query.get("labelSelector", ""), self.query.get("fieldSelector", "")

        def _refuse(self, refused: Refused) -> None:
            self._answer(int(refused.status["code"]), refused.status)

        def _answer(self, code: int, what: Json) -> None:
            body = json.dumps(what).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _stream(self, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()

        def _chunk(self, text: str) -> None:
            """One piece of a stream; an empty one ends it."""
            data = text.encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

        def log_message(self, *arguments: object) -> None:
            """Say nothing: who asks has the answer."""

    return Handler


def _merge(target: Json, patch: Json) -> None:
    """RFC 7396."""
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value
