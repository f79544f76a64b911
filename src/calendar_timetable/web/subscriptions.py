"""Subscriptions: addresses of feeds that carry their owner's rights, for as long as these last."""

from __future__ import annotations

import getpass
import hashlib
import json
import secrets
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.exceptions import AuthManagerRefreshTokenExpiredException
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.configuration import conf
from airflow.models.crypto import get_fernet
from airflow.models.log import Log
from cryptography.fernet import InvalidToken
from fastapi import HTTPException
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from calendar_timetable import clock
from calendar_timetable.runs import time_budget
from calendar_timetable.web.access import allowed
from calendar_timetable.web.store import Subscription

MOST_PER_OWNER = 50
_NOTED = timedelta(minutes=1)  # how exactly it is noted when a feed was fetched


# One of these is held while the claims of a subscription are renewed, by its id.
_renewing = [threading.Lock() for _ in range(64)]
_RENEWING_SECONDS = 5.0  # for which others wait


class TooManySubscriptions(Exception):
    """The owner has as many subscriptions as one may have."""


class Unavailable(Exception):
    """What a subscription's owner may read cannot be told now.

    The auth manager, what it asks, or the database fails.
    """


class _Refused(Exception):
    """The owner of a subscription is not there any more."""


def subscribe(
    session: Session, user: Any, kind: str, value: str | None, days: int
) -> tuple[Subscription, str]:
    """Create a subscription of *user*; return it and its token, which is kept nowhere.

    Raise :class:`TooManySubscriptions` where the user has ``MOST_PER_OWNER`` already.
    """
    token, now = secrets.token_urlsafe(32), clock.utc()
    in_force = Subscription.expires_at > now
    count = session.scalar(
        select(func.count()).where(Subscription.owner == user.get_id(), in_force)
    )
    if count is not None and count >= MOST_PER_OWNER:
        raise TooManySubscriptions
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
    """Return the subscriptions of *user*, oldest first; delete all that have expired."""
    session.execute(delete(Subscription).where(Subscription.expires_at <= clock.utc()))
    query = select(Subscription).where(Subscription.owner == user.get_id())
    return session.scalars(query.order_by(Subscription.created_at, Subscription.id)).all()


def revoke(session: Session, user: Any, key: str) -> bool:
    """Delete the subscription *key* of *user*; return whether there was one."""
    query = select(Subscription).where(Subscription.id == key, Subscription.owner == user.get_id())
    subscription = session.scalar(query)
    if subscription is not None:
        session.delete(subscription)
    return subscription is not None


def read_subscriptions(
    session: Session, owner: str | None = None
) -> list[tuple[Subscription, str]]:
    """Return every subscription, or those of *owner* (a name or id), each with its owner's name.

    This is for people who run this Airflow.
    """
    query = select(Subscription).order_by(Subscription.created_at, Subscription.id)
    pairs = ((subscription, _name_of(subscription)) for subscription in session.scalars(query))
    return [
        (subscription, name)
        for subscription, name in pairs
        if owner in (None, name, subscription.owner)
    ]


def revoke_for(session: Session, subscription: Subscription, name: str) -> None:
    """Delete *subscription* of the user called *name*, and note that in Airflow's audit log."""
    details = {"subscription_id": subscription.id, "of": name, "method": "command line"}
    session.add(
        Log(
            event="calendar_timetable.unsubscribe",
            owner=getpass.getuser(),
            extra=json.dumps(details),
        )
    )
    session.delete(subscription)


def _name_of(subscription: Subscription) -> str:
    """Return the name of the subscription's owner, or the owner's id where it cannot be read."""
    try:
        name: str = json.loads(get_fernet().decrypt(subscription.claims.encode()))["name"]
    # Sealed with another key: such a subscription opens nothing, but can be listed and revoked.
    except Exception:  # noqa: BLE001
        return subscription.owner
    return name


def opened_by(session: Session, token: str) -> tuple[Subscription, set[str], set[str]] | None:
    """Return the subscription that *token* opens, and what its owner may read now.

    That is the ids of the DAGs that they may read, and of those whose runs they may read. ``None``
    when there is no subscription, when it has expired, and when its owner is not there any more.
    Raise :class:`Unavailable` where that cannot be told now, and
    :class:`~calendar_timetable.runs.time_budget.Busy` while another fetch renews the owner's
    claims for too long.
    """
    subscription = session.scalar(
        select(Subscription).where(Subscription.token_hash == _hash(token))
    )
    if subscription is None or subscription.expires_at <= clock.utc():
        return None
    manager = get_auth_manager()
    try:
        user = _owner_of(session, manager, subscription)
        readable = manager.get_authorized_dag_ids(user=user, method="GET", session=session)
        dag_ids = {subscription.value or ""} & readable if subscription.kind == "dag" else readable
        return subscription, readable, allowed(user, session, dag_ids, DagAccessEntity.RUN)
    except time_budget.Busy:
        raise
    except Exception as error:
        if _is_refusal(error):
            return None
        raise Unavailable from error


def _owner_of(session: Session, manager: Any, subscription: Subscription) -> Any:
    """Return the owner of *subscription*, with the claims renewed, and these kept for good.

    Renewing may spend the token that was kept, so one fetch at a time does it, and what it gets is
    committed before anything else can fail.
    """
    with _alone(session, subscription):
        used = subscription.claims
        try:
            user = _user_now(manager, subscription)
        except Exception as error:
            if not _is_refusal(error):
                raise
            # Where the database locks no rows, another process may have renewed them meanwhile.
            session.refresh(subscription)
            if subscription.claims == used:
                raise
            user = _user_now(manager, subscription)
        now = clock.utc()
        if subscription.last_fetched_at is None or now - subscription.last_fetched_at >= _NOTED:
            subscription.last_fetched_at = now
        session.commit()
    return user


@contextmanager
def _alone(session: Session, subscription: Subscription) -> Iterator[None]:
    """Lock *subscription* until the next commit, as it is stored now, for its claims to be renewed.

    Threads of this process wait for each other. Raise
    :class:`~calendar_timetable.runs.time_budget.Busy` after too long a wait, and at once where
    another process has the lock.
    """
    lock = _renewing[hash(subscription.id) % len(_renewing)]
    if not lock.acquire(timeout=_RENEWING_SECONDS):
        raise time_budget.Busy
    try:
        # SQLite knows no locks of rows, and leaves this out.
        row = select(Subscription).where(Subscription.id == subscription.id)
        locked = row.with_for_update(skip_locked=True).execution_options(populate_existing=True)
        if session.scalar(locked) is None:
            raise time_budget.Busy
        yield
    finally:
        lock.release()


def _user_now(manager: Any, subscription: Subscription) -> Any:
    """Return the owner with the rights of today, not of the day of subscribing.

    Raise :class:`_Refused` where there is no such user any more, or their id belongs to another
    user now; else what the auth manager raises.
    """
    try:
        sealed = json.loads(get_fernet().decrypt(subscription.claims.encode()))
        user = manager.deserialize_user(sealed["claims"])
    # The first two are what Airflow takes as a refusal of a login; the last is another Fernet key.
    except (ValueError, LookupError, InvalidToken) as error:
        raise _Refused from error
    if user.get_name() != sealed["name"]:
        raise _Refused
    # The claims of this manager carry the role that the user had on that day.
    if isinstance(manager, SimpleAuthManager):
        if conf.getboolean("core", "simple_auth_manager_all_admins"):
            return user
        for account in manager.get_users():
            if account.get_id() == subscription.owner:
                return account
        raise _Refused
    refreshed = manager.refresh_user(user=user)
    # The user's old tokens may be spent by this, so the new ones are kept.
    if refreshed is not None:
        subscription.claims = _seal(refreshed)
        return refreshed
    return user


def _is_refusal(error: Exception) -> bool:
    """Tell whether *error* is a clear no to the owner, rather than a failure to find that out."""
    if isinstance(error, HTTPException):
        return error.status_code in (401, 403)
    # Keycloak's manager says so of every answer but success; the error behind it has the status.
    status = getattr(error.__context__, "response_code", None) or 0
    expired = isinstance(error, AuthManagerRefreshTokenExpiredException) and status < 500
    return expired or isinstance(error, _Refused)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _seal(user: Any) -> str:
    claims = {"name": user.get_name(), "claims": get_auth_manager().serialize_user(user)}
    return get_fernet().encrypt(json.dumps(claims).encode()).decode()
