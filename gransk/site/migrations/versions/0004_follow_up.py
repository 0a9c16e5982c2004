"""Studies beside earlier ones: kept comparisons, identities of lesions, what a report tells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.add_column("report", sa.Column("follow_up_sha256", sa.String(length=64), nullable=True))
    op.create_table(
        "comparison",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("current_analysis", sa.String(length=64), nullable=False),
        sa.Column("prior_analysis", sa.String(length=64), nullable=False),
        sa.Column("comparison_sha256", sa.String(length=64), nullable=False),
        sa.Column("pictures_sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed_at", instant, nullable=False),
        sa.ForeignKeyConstraint(["current_analysis"], ["analysis.key"]),
        sa.ForeignKeyConstraint(["prior_analysis"], ["analysis.key"]),
        sa.ForeignKeyConstraint(["comparison_sha256"], ["blob.sha256"]),
        sa.ForeignKeyConstraint(["pictures_sha256"], ["blob.sha256"]),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "track",
        sa.Column("analysis_key", sa.String(length=64), nullable=False),
        sa.Column("finding_uid", sa.String(length=64), nullable=False),
        sa.Column("lesion_uid", sa.String(length=64), nullable=False),
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.ForeignKeyConstraint(["analysis_key"], ["analysis.key"]),
        sa.PrimaryKeyConstraint("analysis_key", "finding_uid"),
    )
    op.create_index(op.f("ix_track_lesion_uid"), "track", ["lesion_uid"], unique=False)
    op.create_index(op.f("ix_track_study_key"), "track", ["study_key"], unique=False)
