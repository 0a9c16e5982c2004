"""Storage commitment of what was sent, and notes that reject what fell."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("committed_at", "commit_by"):
        op.add_column("delivery", sa.Column(column, sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "commitment",
        sa.Column("transaction_uid", sa.String(64), primary_key=True),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ask_again_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
    )
    for column in ("destination", "state"):
        op.create_index(op.f(f"ix_commitment_{column}"), "commitment", [column], unique=False)
    op.create_table(
        "commitment_object",
        sa.Column("transaction_uid", sa.String(64), nullable=False),
        sa.Column("delivery_id", sa.String(32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("committed", sa.Boolean(), nullable=True),
        sa.Column("failure", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("transaction_uid", "delivery_id"),
        sa.ForeignKeyConstraint(["transaction_uid"], ["commitment.transaction_uid"]),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"]),
    )
    op.create_index(
        op.f("ix_commitment_object_delivery_id"),
        "commitment_object",
        ["delivery_id"],
        unique=False,
    )
    op.create_table(
        "rejection_note",
        sa.Column("sop_instance_uid", sa.String(64), primary_key=True),
        sa.Column("report_key", sa.String(64), nullable=False),
        sa.Column("destination", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("objects", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["report_key"], ["report.key"]),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"]),
        sa.UniqueConstraint(
            "report_key", "destination", "number", name=op.f("uq_rejection_note_report_key")
        ),
    )
