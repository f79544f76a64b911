"""Fixtures of everything that reads a calendar."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.feed_fixtures import (  # noqa: F401
    cache,
    clock,
    origin,
    other_origin,
    time_zones,
    tls_origin,
)

HERE = Path(__file__).parent
WITH_SERVERS = [HERE / "feed", HERE / "net", HERE / "sources"]
SERVERS = {"origin", "other_origin", "tls_origin", "statsd"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What asks a server, or lies where most do, is marked: ``make test-fast`` leaves it out."""
    for item in items:
        if HERE in item.path.parents and (
            SERVERS & set(getattr(item, "fixturenames", ()))
            or any(f in item.path.parents for f in WITH_SERVERS)
        ):
            item.add_marker(pytest.mark.server)
