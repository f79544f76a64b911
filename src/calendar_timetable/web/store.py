"""The table of subscriptions, which ``airflow db migrate`` makes beside Airflow's own."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from airflow.utils.db_manager import BaseDBManager
from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import MetaData, String, Text, inspect
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

TABLE = "calendar_timetable_subscription"
_present: set[str] = set()  # databases known to have it


class _Base(DeclarativeBase):
    metadata = MetaData()


class Subscription(_Base):
    """Somebody's subscription to a feed. Its token is known by its hash only; *claims* say whose rights it has."""

    __tablename__ = TABLE

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    owner: Mapped[str] = mapped_column(String(250), index=True)
    claims: Mapped[str] = mapped_column(Text)  # as the auth manager writes them, encrypted with Airflow's Fernet key
    kind: Mapped[str] = mapped_column(String(8))
    value: Mapped[str | None] = mapped_column(String(250))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_fetched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SubscriptionsDB(BaseDBManager):
    """Lets ``airflow db migrate`` make and upgrade the table: Airflow finds this in the provider's ``db-managers``."""

    metadata = _Base.metadata
    migration_dir = str(Path(__file__).parent / "migrations")
    alembic_file = ""  # all that would be in it is said here
    version_table_name = "alembic_version_calendar_timetable"
    supports_table_dropping = True


def has_table(session: Session) -> bool:
    """Whether ``airflow db migrate`` has made the table."""
    bind = session.get_bind()
    name = str(bind.engine.url)
    if name not in _present and inspect(bind).has_table(TABLE):
        _present.add(name)
    return name in _present
