"""Scripts that run in an Airflow of a test's own, each in a process of its own, and files for its DAG folder."""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent
