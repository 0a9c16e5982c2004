"""Workitems for other systems' worklists, and who is told of them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def _instant(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, length: int, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "procedure_step",
        sa.Column("uid", sa.String(64), primary_key=True),
        _text("kind", 16),
        _text("study_key", 32, nullable=True),
        _text("study_instance_uid", 64),
        _text("application", 64),
        _text("account", 64),
        _text("task", 64),
        _instant("given_at", nullable=True),
        _text("creator", 80),
        _text("state", 16),
        _text("transaction_uid", 64, nullable=True),
        _text("performer", 80),
        sa.Column("taken_back", sa.Boolean, nullable=False),
        sa.Column("attributes", sa.JSON, nullable=False),
        _instant("scheduled_at"),
        _instant("created_at"),
        _instant("changed_at"),
        sa.UniqueConstraint(
            "study_key", "account", "task", "given_at", name="uq_procedure_step_study_key"
        ),
    )
    op.create_index("ix_procedure_step_study_key", "procedure_step", ["study_key"])
    op.create_index("ix_procedure_step_account", "procedure_step", ["account"])
    op.create_index("ix_procedure_step_open", "procedure_step", ["state", "kind"])
    op.create_index("ix_procedure_step_order", "procedure_step", ["scheduled_at", "uid"])
    op.create_table(
        "procedure_step_event",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("uid", sa.String(64), sa.ForeignKey("procedure_step.uid"), nullable=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        _text("only_for", 100),
        _instant("at"),
    )
    op.create_index("ix_procedure_step_event_uid", "procedure_step_event", ["uid"])
    op.create_index("ix_procedure_step_event_at", "procedure_step_event", ["at"])
    op.create_table(
        "procedure_step_subscription",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        _text("channel", 100),
        _text("uid", 64),
        sa.Column("filter", sa.JSON, nullable=False),
        sa.Column("locked", sa.Boolean, nullable=False),
        sa.Column("off", sa.Boolean, nullable=False),
        _instant("suspended_at", nullable=True),
        sa.UniqueConstraint("channel", "uid", name="uq_procedure_step_subscription_channel"),
    )
    op.create_table(
        "procedure_step_channel",
        sa.Column("name", sa.String(100), primary_key=True),
        sa.Column("told", sa.Integer, nullable=False),
        _text("service", 32),
    )
