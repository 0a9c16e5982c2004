"""What people do on findings, and the follow-up list."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _acts()
    _measurements()
    _follow_up()


def _acts() -> None:
    op.create_table(
        "finding_act",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("analysis_key", sa.String(length=64), nullable=False),
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("finding_uid", sa.String(length=64), nullable=True),
        sa.Column("lesion_uid", sa.String(length=64), nullable=True),
        sa.Column("withdraws", sa.Integer(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["analysis_key"], ["analysis.key"]),
        sa.ForeignKeyConstraint(["withdraws"], ["finding_act.number"]),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(op.f("ix_finding_act_study_key"), "finding_act", ["study_key"], unique=False)
    _forbid_changes("finding_act", "number")


def _measurements() -> None:
    op.create_table(
        "act_measurement",
        sa.Column("act", sa.Integer(), nullable=False),
        sa.Column("analysis_key", sa.String(length=64), nullable=False),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("refused", sa.String(length=64), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["act"], ["finding_act.number"]),
        sa.ForeignKeyConstraint(["analysis_key"], ["analysis.key"]),
        sa.PrimaryKeyConstraint("act", "analysis_key"),
    )


def _follow_up() -> None:
    op.create_table(
        "follow_up",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("patient_key", sa.String(length=64), nullable=False),
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("study_date", sa.Date(), nullable=True),
        sa.Column("report_key", sa.String(length=64), nullable=False),
        sa.Column("advice", sa.JSON(), nullable=True),
        sa.Column("due_from", sa.Date(), nullable=True),
        sa.Column("due_to", sa.Date(), nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("closing", sa.String(length=32), nullable=True),
        sa.Column("responsible", sa.String(length=64), nullable=False),
        sa.Column("next_step", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("booked_on", sa.Date(), nullable=True),
        sa.Column("told_overdue", sa.Date(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("patient_key", "application", name=op.f("uq_follow_up_patient_key")),
    )
    op.create_index(op.f("ix_follow_up_study_key"), "follow_up", ["study_key"], unique=False)
    op.create_index("ix_follow_up_open", "follow_up", ["state", "due_to"], unique=False)


def _forbid_changes(table: str, key: str) -> None:
    """Let the database itself refuse updates, deletions and replacements."""
    message = f"{table} is append-only"
    if op.get_bind().dialect.name == "sqlite":
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
            )
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key}) "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"
    )
