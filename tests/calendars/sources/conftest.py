"""Connections as Airflow gives them."""

from __future__ import annotations

from tests.support.dav_servers import connections  # noqa: F401  (the fixture "connect")
