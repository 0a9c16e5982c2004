"""Bring the database to the schema of this code."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from gransk.core.errors import ConfigurationError
from gransk.site import events
from gransk.site.config import Config
from gransk.site.database import Database
from gransk.site.events import EventKind

RESTORING = "restoring"
"""Stands in a data folder while a backup is restored into it, with the digest of its manifest."""

_LOCK = 0x6D696772617465  # "migrate": PostgreSQL's advisory lock while a schema changes


class SchemaState(StrEnum):
    """How a database's schema stands to this code."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


def open_database(config: Config) -> Database:
    """Create the data folder where it is missing, open the database and upgrade it.

    Raises
    ------
    ConfigurationError
        Where a restore was ended in the middle, or a newer version made the database.
    """
    config.data_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if (config.data_folder / RESTORING).exists():
        raise ConfigurationError(
            f"data_folder: {config.data_folder} holds half of a backup; run gransk restore again"
        )
    database = Database(config.database.url)
    upgrade(database)
    return database


def upgrade(database: Database) -> bool:
    """Bring the schema up to date, in one transaction.

    Processes that start at once wait for each other: on SQLite by the write
    lock, on PostgreSQL by an advisory lock.

    Returns
    -------
    bool
        Whether anything was changed.

    Raises
    ------
    ConfigurationError
        Where the database was made by a newer version.
    """
    with database.engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        alembic = _alembic()
        before = _state(connection)
        if before is SchemaState.NEWER:
            raise ConfigurationError(
                f"database.url: the database has revision {_revision(connection)}, which this "
                "version of Gransk does not know; upgrade Gransk, or restore an older database"
            )
        if before is SchemaState.CURRENT:
            return False
        previous = _revision(connection)
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, "head")
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            events.record(
                session,
                events.SYSTEM,
                EventKind.DATABASE_MIGRATED,
                "database",
                {"from": previous, "to": _revision(connection)},
            )
            session.commit()
    return True


def schema_state(database: Database) -> SchemaState:
    """How the database's schema stands to this code; changes nothing."""
    with database.read() as session:
        return _state(session.connection())


def _state(connection: Connection) -> SchemaState:
    revision = _revision(connection)
    scripts = ScriptDirectory.from_config(_alembic())
    if revision is None:
        return SchemaState.EMPTY
    if revision == scripts.get_current_head():
        return SchemaState.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState.OLDER if revision in known else SchemaState.NEWER


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", os.fspath(folder).replace("%", "%%"))
    return config
