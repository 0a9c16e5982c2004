"""Who a patient is by other systems' word, what that changed, and images that are corrected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "identity_statement",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("event", sa.String(8), nullable=False),
        sa.Column("said_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("patient_id", sa.String(128), nullable=False),
        sa.Column("issuer", sa.String(128), nullable=False),
        sa.Column("prior_id", sa.String(128), nullable=False),
        sa.Column("prior_issuer", sa.String(128), nullable=False),
        sa.Column("patient_name", sa.Text(), nullable=False),
        sa.Column("birth_date", sa.String(16), nullable=False),
        sa.Column("sex", sa.String(16), nullable=False),
        sa.Column("undoes", sa.Integer(), sa.ForeignKey("identity_statement.number")),
    )
    for column in ("patient_id", "prior_id", "undoes"):
        op.create_index(op.f(f"ix_identity_statement_{column}"), "identity_statement", [column])
    op.create_table(
        "identity_change",
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("study_key", sa.String(32), nullable=False),
        sa.Column("statement", sa.Integer(), sa.ForeignKey("identity_statement.number")),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("before", sa.JSON(), nullable=False),
        sa.Column("after", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("study_key", "statement"):
        op.create_index(op.f(f"ix_identity_change_{column}"), "identity_change", [column])
    op.create_table(
        "identity_correction",
        sa.Column("orthanc_id", sa.String(64), primary_key=True),
        sa.Column("study_key", sa.String(32), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    for column in ("study_key", "state"):
        op.create_index(op.f(f"ix_identity_correction_{column}"), "identity_correction", [column])
    op.create_table(
        "profile_owner",
        sa.Column("study_key", sa.String(32), primary_key=True),
        sa.Column("patient_id", sa.String(128), nullable=False),
        sa.Column("issuer_of_patient_id", sa.String(128), nullable=False),
        sa.Column("patient_birth_date", sa.String(16), nullable=False),
        sa.Column("patient_sex", sa.String(16), nullable=False),
    )
    op.create_index(op.f("ix_profile_owner_patient_id"), "profile_owner", ["patient_id"])
    columns = [("study", "pictures"), ("study", "read_as"), ("study", "modified_from")]
    for table, name in (*columns, ("workitem", "read_as")):
        op.add_column(table, sa.Column(name, sa.String(64), nullable=False, server_default=""))
    op.add_column("joined_patient", sa.Column("statement", sa.Integer(), nullable=True))
    for table in ("identity_statement", "identity_change"):
        _forbid_changes(table, "number")


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
