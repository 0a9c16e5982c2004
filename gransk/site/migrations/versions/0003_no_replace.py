"""SQLite's INSERT OR REPLACE deletes without a trigger: refuse the insertion itself."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEYS = {"event": ("number", "hash"), "setting_version": ("number",)}


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return  # elsewhere the keys refuse
    for table, keys in KEYS.items():
        held = " OR ".join(f"{key} = NEW.{key}" for key in keys)
        op.execute(
            f"CREATE TRIGGER {table}_no_replace BEFORE INSERT ON {table} "  # noqa: S608
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {held}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
