"""Objects whose time is over, and studies of which nothing may be removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("blob", sa.Column("removed_at", sa.DateTime(timezone=True)))
    op.create_table(
        "study_hold",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("study_key", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.String(64), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.String(64)),
        sa.Column("lifted_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_study_hold")),
    )
    op.create_index(op.f("ix_study_hold_study_key"), "study_hold", ["study_key"])
