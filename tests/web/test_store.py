"""The tables of subscriptions and of the key.

Their migrations lead to what the code expects, and back.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy.orm import Session

from calendar_timetable.provider import get_provider_info
from calendar_timetable.web import store
from tests.support.airflow_database import airflow_database, on_sqlite

WALK = """
import sqlite3, sys
from airflow import settings
from airflow.utils.session import create_session
from airflow._shared.module_loading import import_string
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.migration import MigrationContext

(name,) = sys.argv[1:]
manager = import_string(name)

def seen():
    with settings.engine.connect() as connection:
        found = sorted(settings.engine.dialect.get_table_names(connection))
        ours = lambda _, name, kind, *rest: kind != "table" or name in manager.metadata.tables
        options = {"version_table": manager.version_table_name, "compare_type": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        return found, compare_metadata(context, manager.metadata) if len(found) > 1 else []

with create_session() as session:
    made = manager(session)
    made.upgradedb(use_migration_files=True)
    print(seen())
    print(made.check_migration())
    downgrade(made.get_alembic_config(), "base")
    print(seen())
    made.initdb()
    print(seen(), made.check_migration())
    made.upgradedb()
    print(seen())
"""


def test_migrations_lead_to_the_model_and_back(tmp_path: Path) -> None:
    (name,) = get_provider_info()["db-managers"]
    env = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONWARNINGS": "ignore",
        "PATH": "/usr/bin:/bin",
    }
    command = [sys.executable, "-c", WALK, name]
    done = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ours = [
        "alembic_version_calendar_timetable",
        "calendar_timetable_site",
        "calendar_timetable_subscription",
    ]
    tables = f"({ours}, [])"
    assert done.stdout.splitlines()[-5:] == [
        tables,
        "True",
        "(['alembic_version_calendar_timetable'], [])",
        f"{tables} True",
        tables,
    ]


@on_sqlite
def test_every_airflow_has_a_key_of_its_own(session: Session) -> None:
    """Without this, two with one address would take back what the other has published.

    Such an address is localhost.
    """
    store._Base.metadata.create_all(session.get_bind())
    key = store.site_key(session)
    assert store.site_key(session) == key
    with airflow_database() as other:
        store._Base.metadata.create_all(other.get_bind())
        assert store.site_key(other) != key
