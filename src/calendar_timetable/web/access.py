"""Who asks, what they may read, and whether our own page asked for a change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import (
    ConnectionDetails,
    DagAccessEntity,
    DagDetails,
)
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, get_user
from airflow.models.connection import Connection
from airflow.models.dag import DagModel
from fastapi import APIRouter, Depends, HTTPException, Request
from sqlalchemy.orm import Session

from calendar_timetable.web.answers import REFUSALS, Refusals, known_parameters

ASKED_BY_US = "calendar-timetable"


def api_router(path: str = "", refusals: Refusals | None = None) -> APIRouter:
    """Return a router of the API, below *path*: each of its routes needs a login.

    Besides the usual refusals they may answer with *refusals*.
    """
    return APIRouter(
        prefix=f"/api{path}",
        dependencies=[Depends(get_user), Depends(known_parameters)],
        responses=REFUSALS | (refusals or {}),
    )


def readable_dag_ids(user: GetUserDep, session: SessionDep) -> set[str]:
    """Return the ids of the DAGs that the user may read."""
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET", session=session)


Readable = Annotated[set[str], Depends(readable_dag_ids)]


def readable_dag(dag_id: str, readable: Readable) -> str:
    """Return *dag_id* of the path, or answer 404.

    The answer is the same for a DAG that does not exist and for one that the user may not read.
    """
    if dag_id not in readable:
        raise HTTPException(404, "There is no such DAG")
    return dag_id


ReadableDag = Annotated[str, Depends(readable_dag)]


def allowed(
    user: Any, session: Session, dag_ids: Collection[str], entity: DagAccessEntity
) -> set[str]:
    """Return those of *dag_ids* whose runs, or whose code, the user may read, as *entity* says.

    As in Airflow's API, this takes another right than to read the DAG.
    """
    manager = get_auth_manager()
    teams = DagModel.get_dag_id_to_team_name_mapping(list(dag_ids), session=session)

    def is_allowed(dag_id: str) -> bool:
        details = DagDetails(id=dag_id, team_name=teams.get(dag_id))
        return manager.is_authorized_dag(
            method="GET", access_entity=entity, details=details, user=user
        )

    return set(filter(is_allowed, dag_ids))


def may_edit_connection(user: Any, session: Session, conn_id: str) -> bool:
    """Tell whether the user may edit the Airflow Connection *conn_id*, as Airflow does."""
    team = Connection.get_team_name(conn_id, session=session)
    return get_auth_manager().is_authorized_connection(
        method="PUT", details=ConnectionDetails(conn_id=conn_id, team_name=team), user=user
    )


def asked_by_us(request: Request) -> None:
    """Refuse with 403 a change that another site may have asked for in the user's name.

    No other site can send this header without the server's consent (CORS), which is never given.
    """
    by_us = request.headers.get("x-requested-with") == ASKED_BY_US
    if not by_us or request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise HTTPException(
            403, f"Changes need the header X-Requested-With: {ASKED_BY_US}, from this site"
        )


def may_edit(user: Any, session: Session, dag_id: str) -> bool:
    """Tell whether the user may edit the DAG, as Airflow's API asks it."""
    teams = DagModel.get_dag_id_to_team_name_mapping([dag_id], session=session)
    details = DagDetails(id=dag_id, team_name=teams.get(dag_id))
    return get_auth_manager().is_authorized_dag(method="PUT", details=details, user=user)
