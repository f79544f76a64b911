"""The tables of subscriptions and of this Airflow's key.

``airflow db migrate`` creates them beside Airflow's own.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from airflow.utils.db_manager import BaseDBManager
from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import MetaData, String, Text, inspect, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

TABLE, SITE_TABLE = "calendar_timetable_subscription", "calendar_timetable_site"
NO_TABLE = "Subscriptions and publishing need tables: run 'airflow db migrate' once"
_present: set[str] = set()  # addresses of databases that are known to have the tables


class _Base(DeclarativeBase):
    metadata = MetaData()


class Subscription(_Base):
    """Somebody's subscription to a feed.

    Only the hash of its token is kept; *claims* say whose rights it has.
    """

    __tablename__ = TABLE

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    owner: Mapped[str] = mapped_column(String(250), index=True)
    # As the auth manager writes them, encrypted with Airflow's Fernet key.
    claims: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(String(8))
    value: Mapped[str | None] = mapped_column(String(250))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class _Site(_Base):
    """What tells this Airflow from others: one row, made when it is first needed."""

    __tablename__ = SITE_TABLE

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(32))


class SubscriptionsDB(BaseDBManager):
    """Lets ``airflow db migrate`` create and upgrade the tables.

    Airflow finds it in the provider's ``db-managers``.
    """

    metadata = _Base.metadata
    migration_dir = str(Path(__file__).parent / "migrations")
    # There is no such file: all that would be in it is said here.
    alembic_file = ""
    version_table_name = "alembic_version_calendar_timetable"
    supports_table_dropping = True


def has_table(session: Session) -> bool:
    """Tell whether ``airflow db migrate`` has created the tables, by the newest of them."""
    bind = session.get_bind()
    name = str(bind.engine.url)
    if name not in _present and inspect(bind).has_table(SITE_TABLE):
        _present.add(name)
    return name in _present


def site_key(session: Session) -> str:
    """Return the key of this Airflow, by which it knows what it has published.

    It is random, made when it is first asked for, and never changes.
    """
    query = select(_Site.key)
    key = session.scalar(query)
    if key is None:
        # Another process may be faster: then its key counts.
        with suppress(IntegrityError), session.begin_nested():
            session.add(_Site(id=1, key=secrets.token_hex(6)))
            session.flush()
        key = session.scalar(query)
    assert key is not None, "one of us has made it"
    return key
