"""Scripts that run in an Airflow of a test's own, and files for its DAG folder.

Each script runs in a process of its own.
"""

from __future__ import annotations

from pathlib import Path

SCRIPTS = Path(__file__).parent
