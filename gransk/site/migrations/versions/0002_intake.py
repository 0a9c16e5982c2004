"""What intake remembers of a study between two looks at the archive."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("pending", sa.Boolean(), nullable=False, server_default=sa.true()),
        sa.Column("noticed_at", instant, nullable=False, server_default="2026-01-01 00:00:00+00"),
        sa.Column("instances", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("last_update", sa.String(length=32), nullable=False, server_default=""),
    )
    for column in columns:
        op.add_column("study", column)
    op.create_index(op.f("ix_study_pending"), "study", ["pending"], unique=False)
