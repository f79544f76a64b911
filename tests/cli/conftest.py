"""The command line, and fixtures of everything that reads a calendar."""

from __future__ import annotations

from tests.support.airflow_database import for_commands, session  # noqa: F401
from tests.support.command_line import run  # noqa: F401
from tests.support.feed_fixtures import cache, clock, origin, other_origin, tls_origin  # noqa: F401
