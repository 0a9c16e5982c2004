"""Databases to test on: SQLite, and PostgreSQL where it is installed."""

from databases import postgresql, postgresql_server, url

__all__ = ["postgresql", "postgresql_server", "url"]
