"""What is observed of analysed studies; alarms, news of them, and what is told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "observation",
        sa.Column("study_key", sa.String(32), primary_key=True),
        sa.Column("analysis_key", sa.String(64), sa.ForeignKey("analysis.key"), primary_key=True),
        sa.Column("application", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(64), nullable=False),
        sa.Column("regime", sa.String(16), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", instant, nullable=False),
        sa.Column("counted_at", instant),
    )
    op.create_index("ix_observation_counted", "observation", ["application", "counted_at"])
    op.create_table(
        "alarm",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("about", sa.String(255), nullable=False),
        sa.Column("open_about", sa.String(255)),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("shown", sa.JSON(), nullable=False),
        sa.Column("studies", sa.JSON(), nullable=False),
        sa.Column("since", instant, nullable=False),
        sa.Column("raised_at", instant, nullable=False),
        sa.Column("updated_at", instant, nullable=False),
        sa.Column("ended_at", instant),
        sa.Column("seen_at", instant),
        sa.Column("seen_by", sa.String(64)),
    )
    op.create_table(
        "alarm_news",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("alarm", sa.String(32), sa.ForeignKey("alarm.id"), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("at", instant, nullable=False),
    )
    op.create_table(
        "alarm_message",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("receiver", sa.String(64), nullable=False),
        sa.Column("until", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("made_at", instant, nullable=False),
        sa.Column("next_at", instant, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("sent_at", instant),
    )
    op.create_table(
        "drift_chart",
        sa.Column("about", sa.String(255), primary_key=True),
        sa.Column("application", sa.String(64), nullable=False),
        sa.Column("unit", sa.String(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("at", instant, nullable=False),
    )
    for table, column in (
        ("drift_chart", "application"),
        ("alarm", "kind"), ("alarm", "ended_at"), ("alarm_news", "alarm"),
        ("alarm_message", "receiver"), ("alarm_message", "sent_at"),
    ):  # fmt: skip
        op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
    op.create_index(op.f("ix_alarm_open_about"), "alarm", ["open_about"], unique=True)
