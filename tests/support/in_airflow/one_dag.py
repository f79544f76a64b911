"""An auth manager under which the user ``reader`` may read one DAG only.

That user sees no plugins; everyone else is as usual.
"""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager


class OneDagAuthManager(SimpleAuthManager):
    """``reader`` sees only the DAG ``visible``."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **rest: Any) -> bool:
        if user.get_name() == "reader" and (details is None or details.id != "visible"):
            return False
        return super().is_authorized_dag(user=user, details=details, **rest)

    def is_authorized_view(self, *, access_view: AccessView, user: Any, **rest: Any) -> bool:
        if user.get_name() == "reader" and access_view is AccessView.PLUGINS:
            return False
        return super().is_authorized_view(access_view=access_view, user=user, **rest)
