"""Earlier studies: searched, fetched, joined identifiers, and what a study is for."""

from __future__ import annotations

import datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text(name: str, length: int, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _instant(name: str, nullable: bool = False) -> sa.Column[datetime.datetime]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.add_column("archive", _instant("attended_at", nullable=True))
    op.add_column(
        "study",
        sa.Column("purpose", sa.String(length=16), nullable=False, server_default="reading"),
    )
    op.create_table(
        "prior_search",
        _text("study_key", 32),
        _text("state", 16),
        _instant("deadline"),
        _instant("asked_at"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("next_at"),
        sa.Column("unreached", sa.JSON(), nullable=False),
        sa.Column("announced", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("study_key"),
    )
    op.create_index(op.f("ix_prior_search_deadline"), "prior_search", ["deadline"])
    op.create_table(
        "prior",
        _text("study_key", 32),
        _text("study_instance_uid", 64),
        sa.Column("place", sa.Integer(), nullable=False),
        _text("source", 64),
        _text("study_date", 16),
        _text("state", 16),
        _text("reason", 64, nullable=True),
        _text("prior_key", 32, nullable=True),
        sa.PrimaryKeyConstraint("study_key", "study_instance_uid"),
    )
    op.create_index(op.f("ix_prior_state"), "prior", ["state"])
    op.create_index(op.f("ix_prior_prior_key"), "prior", ["prior_key"])
    op.create_table(
        "prior_fetch",
        _text("study_instance_uid", 64),
        sa.Column("sources", sa.JSON(), nullable=False),
        _text("state", 16),
        _text("reason", 64, nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("asked_at"),
        _instant("next_at"),
        _instant("ended_at", nullable=True),
        _text("last_update", 32),
        _instant("remove_at", nullable=True),
        _instant("removed_at", nullable=True),
        sa.PrimaryKeyConstraint("study_instance_uid"),
    )
    op.create_index(op.f("ix_prior_fetch_state"), "prior_fetch", ["state"])
    op.create_table(
        "joined_patient",
        _text("id", 32),
        _text("one_id", 128),
        _text("one_issuer", 128),
        _text("other_id", 128),
        _text("other_issuer", 128),
        _text("joined_by", 64),
        _instant("joined_at"),
        _text("parted_by", 64, nullable=True),
        _instant("parted_at", nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_joined_patient_one_id"), "joined_patient", ["one_id"])
    op.create_index(op.f("ix_joined_patient_other_id"), "joined_patient", ["other_id"])
