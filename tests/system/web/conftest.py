"""A server to publish into."""

from __future__ import annotations

from tests.support.published import connect, runs_calendar, server  # noqa: F401
