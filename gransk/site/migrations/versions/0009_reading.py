"""The reading room: exams, the entries of their ledgers, what people were given, readers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

EXAM = "reading_exam"
ENTRY = "reading_entry"
TASK = "reading_task"


def upgrade() -> None:
    _exams()
    _entries()
    _tasks()
    _readers()


def _instant(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _exams() -> None:
    op.create_table(
        EXAM,
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("application", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=True),
        sa.Column("images", sa.String(length=64), nullable=False),
        _instant("arrived_at"),
        _instant("opens_at"),
        _instant("opened_at", nullable=True),
        _instant("decided_at", nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("drawn_first", sa.String(length=64), nullable=True),
        sa.Column("drawn_second", sa.String(length=64), nullable=True),
        sa.Column("sealed_as", sa.String(length=64), nullable=True),
        sa.Column("missing", sa.String(length=16), nullable=False),
        _instant("reports_at", nullable=True),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("study_key"),
    )
    op.create_index("ix_reading_exam_board", EXAM, ["unit", "state", "arrived_at"], unique=False)
    op.create_index("ix_reading_exam_open", EXAM, ["state", "opens_at"], unique=False)
    for column in ("opened_at", "decided_at"):
        op.create_index(op.f(f"ix_{EXAM}_{column}"), EXAM, [column], unique=False)


def _entries() -> None:
    op.create_table(
        ENTRY,
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        _instant("at"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("salt", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["study_key"], ["reading_exam.study_key"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("study_key", "place", name=op.f("uq_reading_entry_study_key")),
    )
    for column in ("kind", "actor"):
        op.create_index(op.f(f"ix_{ENTRY}_{column}"), ENTRY, [column], unique=False)
    _forbid_changes(ENTRY, "number")


def _tasks() -> None:
    op.create_table(
        TASK,
        sa.Column("study_key", sa.String(length=32), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=64), nullable=False),
        _instant("arrived_at"),
        _instant("given_at"),
        _instant("ended_at", nullable=True),
        _instant("looked_at", nullable=True),
        sa.ForeignKeyConstraint(["study_key"], ["reading_exam.study_key"]),
        sa.PrimaryKeyConstraint("study_key", "round", "kind", "account"),
    )
    op.create_index("ix_reading_task_list", TASK, ["account", "state", "arrived_at"], unique=False)
    op.create_index("ix_reading_task_load", TASK, ["unit", "kind", "given_at"], unique=False)


def _readers() -> None:
    op.create_table(
        "reader",
        sa.Column("unit", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("reads", sa.Boolean(), nullable=False),
        sa.Column("arbitrates", sa.Boolean(), nullable=False),
        sa.Column("experienced", sa.Boolean(), nullable=False),
        sa.Column("trainee", sa.Boolean(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        _instant("blind_since"),
        _instant("changed_at"),
        sa.Column("changed_by", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("unit", "account"),
    )


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
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key} = NEW.{key} "
            f"OR (study_key = NEW.study_key AND place = NEW.place)) "
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
