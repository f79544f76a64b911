"""A team's calendar on real CalDAV servers."""

from __future__ import annotations

from tests.support.dav_team import radicale_server, team, xandikos_server  # noqa: F401
