"""The registry of models, with steps, verdicts and evidence; the models of an analysis."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_attempt",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("title", sa.String(128), nullable=False),
        sa.Column("model", sa.String(160), nullable=False),
        sa.Column("admitted", sa.Boolean(), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "model",
        sa.Column("name", sa.String(160), primary_key=True),
        sa.Column("attempt", sa.Integer(), sa.ForeignKey("model_attempt.number"), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("card_sha256", sa.String(64), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("signer", sa.String(64), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("peak_mb", sa.Integer(), nullable=False),
    )
    op.create_table(
        "model_step",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("model", sa.String(160), sa.ForeignKey("model.name"), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("wants_approval", sa.Boolean(), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "model_verdict",
        sa.Column(
            "step", sa.Integer(), sa.ForeignKey("model_step.number"), primary_key=True,
            autoincrement=False,
        ),
        sa.Column("approved", sa.Boolean(), nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )  # fmt: skip
    op.create_table(
        "model_evidence",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("step", sa.Integer(), sa.ForeignKey("model_step.number"), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("title", sa.String(128), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("sha256", sa.String(64), sa.ForeignKey("blob.sha256"), nullable=True),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "analysis_model",
        sa.Column("analysis_key", sa.String(64), sa.ForeignKey("analysis.key"), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
    )
    for table, column in (
        ("analysis_model", "sha256"), ("model_attempt", "model"), ("model_step", "model"),
        ("model_evidence", "step"),
    ):  # fmt: skip
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    for table, key in KEYS.items():
        _forbid_changes(table, key)


KEYS = {
    "model_attempt": "number",
    "model": "name",
    "model_step": "number",
    "model_verdict": "step",
    "model_evidence": "number",
}


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
