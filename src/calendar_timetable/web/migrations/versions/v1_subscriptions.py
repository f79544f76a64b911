"""The table of subscriptions."""

from __future__ import annotations

import sqlalchemy as sa
from airflow.utils.sqlalchemy import UtcDateTime
from alembic import op

revision = "5b1f0c7a2d11"
down_revision = None
branch_labels = None
depends_on = None

_TABLE = "calendar_timetable_subscription"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        _TABLE,
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("token_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("owner", sa.String(250), nullable=False),
        sa.Column("claims", sa.Text, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("value", sa.String(250)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("last_fetched_at", UtcDateTime),
    )
    op.create_index(f"ix_{_TABLE}_owner", _TABLE, ["owner"])


def downgrade() -> None:
    """Drop the table, with every subscription."""
    op.drop_table(_TABLE)
