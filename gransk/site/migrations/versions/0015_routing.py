"""Where exams come from, what is under way to a destination, and how fast each may be sent to.

Of exams that arrived before, the modalities are known and the places are not. What was in the
outbox before may be at its destination: it counts as tried.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exam_origin",
        sa.Column("study_key", sa.String(32), primary_key=True),
        sa.Column("places", sa.JSON(), nullable=False),
        sa.Column("modalities", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "delivery_pace",
        sa.Column("destination", sa.String(64), primary_key=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
    )
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("tried_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("trying", sa.Integer(), nullable=True))
    op.execute("UPDATE delivery SET tried_at = COALESCE(sent_at, created_at)")
    op.execute(
        "INSERT INTO exam_origin (study_key, places, modalities, at) "
        "SELECT key, '[]', modalities, changed_at FROM study"
    )
