"""Reports and priority are announced too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "announcement", sa.Column("application", sa.String(64), nullable=False, server_default="")
    )
    op.create_table(
        "told_report",
        sa.Column("workitem_id", sa.String(32), primary_key=True),
        sa.Column("report_key", sa.String(64), nullable=False),
        sa.Column("announcement", sa.Integer, sa.ForeignKey("announcement.number"), nullable=False),
        sa.Column("final", sa.Boolean, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
    )
