"""The table with the key of this Airflow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "c07e4d1b9a36"
down_revision = "5b1f0c7a2d11"
branch_labels = None
depends_on = None

_TABLE = "calendar_timetable_site"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        _TABLE,
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("key", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    """Drop the table: no Airflow knows the published events as its own after that."""
    op.drop_table(_TABLE)
