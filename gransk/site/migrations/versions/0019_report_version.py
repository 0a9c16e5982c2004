"""Versions of reports, as other systems follow them; marks of studies in the archive."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "report_version",
        sa.Column("workitem_id", sa.String(32), sa.ForeignKey("workitem.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("report_key", sa.String(64), sa.ForeignKey("report.key"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_report_version_at", "report_version", ["at", "workitem_id"])
    op.create_table(
        "study_mark",
        sa.Column("study_key", sa.String(32), primary_key=True),
        sa.Column("marks", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
