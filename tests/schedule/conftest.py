"""Fixtures of what reads a calendar for a schedule."""

from __future__ import annotations

from tests.support.feed_fixtures import cache, clock, origin, time_zones  # noqa: F401
