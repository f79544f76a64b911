"""Airflow's tables in memory, and a server to publish into."""

from __future__ import annotations

from tests.support.airflow_database import session  # noqa: F401
from tests.support.command_line import run  # noqa: F401
from tests.support.google_service import net  # noqa: F401
from tests.support.published import connect, runs_calendar, server  # noqa: F401
