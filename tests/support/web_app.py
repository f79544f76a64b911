"""The app of the page in this process, on a database of the test's own.

Its user has the rights that the test says.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import _get_session
from airflow.api_fastapi.core_api.security import get_user
from airflow.models.dag import DagModel
from sqlalchemy import select
from sqlalchemy.orm import Session

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

BY_US = {"X-Requested-With": "calendar-timetable"}


class Viewer:
    """Somebody who is logged in."""

    name = "viewer"

    def get_name(self) -> str:
        return self.name

    def get_display_name(self) -> str:
        return self.name

    def get_id(self) -> str:
        return "viewer"


class Rights:
    """An auth manager: who asks may read every DAG, and of it what *entities* say.

    They may edit the DAGs that *editable* tells, or all where that is ``None``.
    """

    def __init__(
        self,
        entities: Collection[DagAccessEntity] = tuple(DagAccessEntity),
        editable: Collection[str] | None = None,
    ) -> None:
        self.entities, self.editable = entities, editable

    def get_authorized_dag_ids(self, *, session: Session, **_: Any) -> set[str]:
        return set(session.scalars(select(DagModel.dag_id)))

    def is_authorized_dag(
        self,
        *,
        method: str = "GET",
        access_entity: DagAccessEntity | None = None,
        details: Any = None,
        **_: Any,
    ) -> bool:
        if method != "GET":
            return self.editable is None or details.id in self.editable
        return access_entity is None or access_entity in self.entities

    def serialize_user(self, user: Viewer) -> dict[str, Any]:
        return {"sub": user.get_id()}

    def deserialize_user(self, _: dict[str, Any]) -> Viewer:
        return Viewer()

    def refresh_user(self, *, user: Viewer) -> None:
        return None


@contextmanager
def asked(
    session: Session,
    patch: pytest.MonkeyPatch,
    rights: Rights | None = None,
    viewer: Viewer | None = None,
) -> Iterator[TestClient]:
    """Yield a client of the app, whose login is *viewer*, or some :class:`Viewer`."""
    from calendar_timetable.web import access, subscription_routes, subscriptions
    from calendar_timetable.web.app import app

    @contextmanager
    def same_session(**_: Any) -> Iterator[Session]:
        yield session

    manager = rights or Rights()
    for module in (access, subscriptions):
        patch.setattr(module, "get_auth_manager", lambda: manager)
    patch.setattr(subscription_routes, "create_session", same_session)
    someone = viewer or Viewer()
    patch.setitem(app.dependency_overrides, get_user, lambda: someone)
    patch.setitem(app.dependency_overrides, _get_session, lambda: session)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with TestClient(app, headers=BY_US) as client:  # one event loop for all requests
            yield client
