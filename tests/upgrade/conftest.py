"""Databases to test on: SQLite, and PostgreSQL where it is installed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "site"))

from databases import postgresql, postgresql_server

__all__ = ["postgresql", "postgresql_server"]
