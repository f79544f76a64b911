"""Airflow's tables in memory; no Airflow runs."""

from __future__ import annotations

from tests.support.airflow_database import for_commands, session  # noqa: F401
