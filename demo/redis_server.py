"""A Redis server of our own, in a temporary folder."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path
from types import TracebackType

import redis

from demo.hosts import ENDS_WITH_PARENT, Host
from demo.services import Service, free_port, uninterrupted, wait_until


class RedisServer:
    """Started on enter, ended on exit; what is in it goes with it.

    ``address`` is its URL, password included. It is on a free port, or on *host*.
    """

    def __init__(self, host: Host | None = None) -> None:
        self._prefix = () if host is None else (*host.prefix, *ENDS_WITH_PARENT)
        self._at = "127.0.0.1" if host is None else host.address
        self._port = free_port() if host is None else 6379
        self._password = secrets.token_hex()
        self.address = f"redis://:{self._password}@{self._at}:{self._port}/0"
        self._service: Service | None = None

    def __enter__(self) -> RedisServer:
        self._folder = tempfile.TemporaryDirectory(prefix="redis-")
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it at its address, with nothing in it."""
        folder = Path(self._folder.name)
        config = folder / "redis.conf"
        config.touch(0o600)
        config.write_text(
            f"bind {self._at}\nport {self._port}\nrequirepass {self._password}\ndir {folder}\n"
            # Which would be written over the environment, by which a lost one is found
            "save ''\nset-proc-title no\n"
        )
        command = (*self._prefix, "redis-server", str(config))
        with uninterrupted():
            self._service = Service("redis", command, env={}, log=folder / "redis.log")
        wait_until("Redis to answer", self._answers, seconds=90)

    def kill(self) -> None:
        """End it at once."""
        if self._service is not None:
            self._service.kill()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.address) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
