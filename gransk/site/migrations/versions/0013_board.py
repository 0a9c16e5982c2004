"""What the board asks often: what each reader has open and did, and where somebody is missing."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TASK = "reading_task"


def upgrade() -> None:
    columns = ["state", "unit", "account", "kind", "arrived_at"]
    op.create_index("ix_reading_task_open", TASK, columns)
    op.create_index(op.f("ix_reading_task_ended_at"), TASK, ["ended_at"])
    op.create_index(op.f("ix_reading_exam_missing"), "reading_exam", ["missing"])
