"""Subscriptions: a feed's address that carries its owner's rights, for as long as these last."""

from __future__ import annotations

import getpass
import hashlib
import json
import secrets
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.configuration import conf
from airflow.models.crypto import get_fernet
from airflow.models.log import Log
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from calendar_timetable.web.access import allowed
from calendar_timetable.web.store import Subscription

MOST_PER_OWNER = 50
_NOTED = timedelta(minutes=1)  # how exactly it is noted when a feed was fetched


class TooManySubscriptions(Exception):
    """The owner has as many subscriptions as one may have."""


def subscribe(session: Session, user: Any, kind: str, value: str | None, days: int) -> tuple[Subscription, str]:
    """A new subscription of *user*, and its token, which is kept nowhere."""
    owned = session.scalar(select(func.count()).where(Subscription.owner == user.get_id()))
    if owned is not None and owned >= MOST_PER_OWNER:
        raise TooManySubscriptions
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    subscription = Subscription(
        id=str(uuid.uuid4()),
        token_hash=_hash(token),
        owner=user.get_id(),
        claims=_seal(user),
        kind=kind,
        value=value,
        created_at=now,
        expires_at=now + timedelta(days=days),
        last_fetched_at=None,
    )
    session.add(subscription)
    session.flush()
    return subscription, token


def owned_by(session: Session, user: Any) -> Sequence[Subscription]:
    """The subscriptions of *user*, oldest first; those that have expired are forgotten."""
    session.execute(delete(Subscription).where(Subscription.expires_at <= datetime.now(UTC)))
    query = select(Subscription).where(Subscription.owner == user.get_id())
    return session.scalars(query.order_by(Subscription.created_at, Subscription.id)).all()


def revoke(session: Session, user: Any, key: str) -> bool:
    """Whether *user* had the subscription *key*; it is gone now."""
    query = select(Subscription).where(Subscription.id == key, Subscription.owner == user.get_id())
    found = session.scalar(query)
    if found is not None:
        session.delete(found)
    return found is not None


def known(session: Session, owner: str | None = None) -> list[tuple[Subscription, str]]:
    """Every subscription, or those of the user called *owner*, with its owner's name; for who runs this Airflow."""
    query = select(Subscription).order_by(Subscription.created_at, Subscription.id)
    found = ((subscription, _name_of(subscription)) for subscription in session.scalars(query))
    return [(subscription, name) for subscription, name in found if owner in (None, name, subscription.owner)]


def revoke_for(session: Session, subscription: Subscription, name: str) -> None:
    """Take *subscription* of the user called *name* away, and note it in Airflow's audit log."""
    told = {"subscription_id": subscription.id, "of": name, "method": "command line"}
    session.add(Log(event="calendar_timetable.unsubscribe", owner=getpass.getuser(), extra=json.dumps(told)))
    session.delete(subscription)


def _name_of(subscription: Subscription) -> str:
    try:
        name: str = json.loads(get_fernet().decrypt(subscription.claims.encode()))["name"]
    except Exception:  # noqa: BLE001  (sealed with another key: it opens nothing, and can be taken away)
        return subscription.owner
    return name


def opened_by(session: Session, token: str) -> tuple[Subscription, set[str], set[str]] | None:
    """The subscription that *token* opens, with the DAGs that its owner may read now, and those whose runs they may.

    ``None`` when there is none, when it has expired, and when its owner is not there any more.
    """
    found = session.scalar(select(Subscription).where(Subscription.token_hash == _hash(token)))
    now = datetime.now(UTC)
    if found is None or found.expires_at <= now:
        return None
    manager = get_auth_manager()
    try:
        user = _user_now(manager, found)
        readable = manager.get_authorized_dag_ids(user=user, method="GET", session=session)
        wanted = {found.value or ""} & readable if found.kind == "dag" else readable
        runs_of = allowed(user, session, wanted, DagAccessEntity.RUN)
    except Exception:  # noqa: BLE001  (each auth manager says in its own way that somebody is gone)
        return None
    if found.last_fetched_at is None or now - found.last_fetched_at >= _NOTED:
        found.last_fetched_at = now
    return found, readable, runs_of


def _user_now(manager: Any, subscription: Subscription) -> Any:
    """The owner with the rights of today, not of the day of subscribing."""
    sealed = json.loads(get_fernet().decrypt(subscription.claims.encode()))
    user = manager.deserialize_user(sealed["claims"])
    if user.get_name() != sealed["name"]:
        raise LookupError("the id belongs to somebody else now")
    if isinstance(manager, SimpleAuthManager):  # its claims carry the role of that day
        if conf.getboolean("core", "simple_auth_manager_all_admins"):
            return user
        return next(known for known in manager.get_users() if known.get_id() == subscription.owner)
    refreshed = manager.refresh_user(user=user)
    if refreshed is not None:  # its old tokens may be spent
        subscription.claims = _seal(refreshed)
        return refreshed
    return user


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _seal(user: Any) -> str:
    claims = {"name": user.get_name(), "claims": get_auth_manager().serialize_user(user)}
    return get_fernet().encrypt(json.dumps(claims).encode()).decode()
