"""An auth manager under which the user ``reader`` may read one DAG only; everyone else as usual."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class OneDagAuthManager(SimpleAuthManager):
    """``reader`` sees only the DAG ``visible``."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **rest: Any) -> bool:
        if user.get_name() == "reader" and (details is None or details.id != "visible"):
            return False
        return super().is_authorized_dag(user=user, details=details, **rest)
