"""Locked accounts, the provider's identity of a person, and what a session's owner sees of it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("account", sa.Column("identity", sa.String(length=64), nullable=True))
    op.create_index(op.f("ix_account_identity"), "account", ["identity"], unique=True)
    op.add_column("web_session", sa.Column("browser", sa.String(length=256), nullable=True))
    op.add_column("web_session", sa.Column("id_token", sa.Text(), nullable=True))
