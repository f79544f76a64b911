"""How Alembic reaches Airflow's database; run by Alembic, not imported."""

from __future__ import annotations

from airflow import settings
from alembic import context

from calendar_timetable.web.store import SubscriptionsDB


def migrate() -> None:
    """Run the migrations that are missing, or write them as SQL where Alembic is offline."""
    metadata, versions = SubscriptionsDB.metadata, SubscriptionsDB.version_table_name
    if context.is_offline_mode():
        url = settings.SQL_ALCHEMY_CONN
        context.configure(
            url=url, literal_binds=True, target_metadata=metadata, version_table=versions
        )
        with context.begin_transaction():
            context.run_migrations()
        return
    assert settings.engine is not None, "Airflow has configured its database by now"
    with settings.engine.connect() as connection:
        context.configure(
            connection=connection,
            transaction_per_migration=True,
            render_as_batch=True,
            target_metadata=metadata,
            version_table=versions,
        )
        with context.begin_transaction():
            context.run_migrations()


migrate()
