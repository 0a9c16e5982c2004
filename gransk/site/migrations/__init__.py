"""Every change of our tables, in order (Alembic)."""
