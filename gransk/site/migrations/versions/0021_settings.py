"""Changes of the settings: drafts, approvals, what was turned down, files taken in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setting_draft",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("units", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(8), nullable=False),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "setting_approval",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("draft", sa.Integer(), sa.ForeignKey("setting_draft.number"), nullable=False),
        sa.Column("unit", sa.String(64), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("draft", "unit", name=op.f("uq_setting_approval_draft")),
    )
    op.create_index(op.f("ix_setting_approval_draft"), "setting_approval", ["draft"])
    op.create_table(
        "setting_turned_down",
        sa.Column(
            "draft", sa.Integer(), sa.ForeignKey("setting_draft.number"), primary_key=True,
            autoincrement=False,
        ),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )  # fmt: skip
    op.create_table(
        "setting_file",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("read", sa.String(64), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("refusal", sa.String(32), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("draft", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index(op.f("ix_setting_file_source"), "setting_file", ["source"])
    op.add_column("workitem", sa.Column("overrides", sa.JSON(), nullable=True))
    op.add_column("setting_version", sa.Column("draft", sa.Integer(), nullable=True))
    for table in ("setting_draft", "setting_approval", "setting_file"):
        _forbid_changes(table, "number")
    _forbid_changes("setting_turned_down", "draft")


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
