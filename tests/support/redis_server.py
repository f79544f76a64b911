"""A Redis server of the tests' own, in a temporary folder on a free port."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from demo.services import Service, free_port, wait_until


@contextmanager
def redis_server() -> Iterator[str]:
    """Run Redis, and yield its address, password included."""
    with tempfile.TemporaryDirectory(prefix="redis-") as folder:
        port, password = free_port(), secrets.token_hex()
        config = Path(folder) / "redis.conf"
        config.touch(0o600)
        config.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {folder}\nsave ''\n"
        )
        address = f"redis://:{password}@127.0.0.1:{port}/0"
        service = Service(
            "redis", ("redis-server", str(config)), env={}, log=Path(folder) / "redis.log"
        )
        try:
            wait_until("Redis to answer", lambda: _answers(address), seconds=90)
            yield address
        finally:
            service.kill()


def _answers(address: str) -> bool:
    try:
        with redis.Redis.from_url(address) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False
