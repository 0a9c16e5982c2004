"""One consistent copy of our database while everything runs, and back.

SQLite by its online backup interface, PostgreSQL by ``pg_dump`` in a snapshot that also tells
which large objects the copy refers to. The queue's own database is not copied: rows are the
truth, and workers start a workflow for each open row that the queue does not know.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.orm import Session

from gransk.oversight.backup_set import BackupError
from gransk.site.database import Database
from gransk.site.events import head, verify

QUEUE_SCHEMA = "dbos"
_TOOLS = "/usr/lib/postgresql"


@dataclass(frozen=True)
class Snapshot:
    """What the copy holds.

    Parameters
    ----------
    revision : str
        Of its tables.
    events : int
    event_hash : str
    blobs : mapping of str to int
        Digest and size of each large object that it refers to.
    """

    revision: str
    events: int
    event_hash: str
    blobs: Mapping[str, int]


def kind(url: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return make_url(url).get_backend_name()


def copy_database(url: str, target: Path) -> Snapshot:
    """Copy a database as it is at one instant.

    Raises
    ------
    BackupError
        Where it cannot be read, or its tools are not installed.
    """
    return _copy_sqlite(url, target) if kind(url) == "sqlite" else _dump(url, target)


def put_back(url: str, source: Path) -> None:
    """Fill an empty database from a copy; whole or not at all.

    Raises
    ------
    BackupError
        Where that fails.
    """
    if kind(url) == "sqlite":
        target = _file(url)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = target.with_name(f".{target.name}.restored")
        shutil.copyfile(source, draft)
        draft.chmod(0o600)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
    else:
        options = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        _run("pg_restore", [*options, "--clean", "--if-exists", "-d", _name(url), str(source)], url)


def is_empty(url: str) -> bool:
    """Is there no database yet, or none of our tables or the queue's?"""
    if kind(url) == "sqlite" and not _file(url).exists():
        return True
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            looked = inspect(connection)
            schemas: list[str | None] = [None]
            if QUEUE_SCHEMA in looked.get_schema_names():
                schemas.append(QUEUE_SCHEMA)
            return not any(looked.get_table_names(schema=one) for one in schemas)
    finally:
        database.close()


def remove_sqlite(url: str) -> None:
    """Remove what a restore that was ended in the middle left."""
    if kind(url) == "sqlite":
        for ending in ("", "-wal", "-shm"):
            Path(f"{_file(url)}{ending}").unlink(missing_ok=True)


def broken_event(url: str) -> int | None:
    """Number of the first event that is missing or was changed; None where all are whole."""
    database = Database(url)
    try:
        with database.read() as session:
            return verify(session)
    finally:
        database.close()


def _copy_sqlite(url: str, target: Path) -> Snapshot:
    source = sqlite3.connect(f"file:{_file(url)}?mode=ro", uri=True, timeout=60)
    copy = sqlite3.connect(target)
    try:
        target.chmod(0o600)
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        (sound,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"database.url: {error}") from error
    finally:
        copy.close()
        source.close()
    if sound != "ok":
        raise BackupError(f"database.url: the database is damaged ({sound}); restore a backup")
    engine = create_engine(f"sqlite:///{target}")
    try:
        with Session(engine) as session:
            return _look(session)
    finally:
        engine.dispose()


def _dump(url: str, target: Path) -> Snapshot:
    database = Database(url)
    try:
        with database.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
            with Session(connection) as session:
                found = _look(session)
                target.touch(mode=0o600)
                _run(
                    "pg_dump",
                    ["--format=custom", f"--snapshot={snapshot}", "--no-owner", "--no-privileges",
                     f"--exclude-schema={QUEUE_SCHEMA}", f"--file={target}", "-d", _name(url)],
                    url,
                )  # fmt: skip
    finally:
        database.close()
    return found


def _look(session: Session) -> Snapshot:
    """What a database holds, one of an earlier version too."""
    revision = session.scalar(text("SELECT version_num FROM alembic_version"))
    number, last = head(session)
    columns = {one["name"] for one in inspect(session.connection()).get_columns("blob")}
    there = "WHERE removed_at IS NULL" if "removed_at" in columns else ""
    rows = session.execute(text(f"SELECT sha256, size FROM blob {there} ORDER BY sha256"))  # noqa: S608
    return Snapshot(str(revision), number, last, {sha256: size for sha256, size in rows})


def _run(tool: str, arguments: Sequence[str], url: str) -> None:
    places = sorted(Path(_TOOLS).glob("*/bin"), reverse=True)
    path = os.pathsep.join([*map(str, places), os.environ.get("PATH", "")])
    binary = shutil.which(tool, path=path)
    if binary is None:
        raise BackupError(f"{tool} is not installed; install the package postgresql-client")
    ended = subprocess.run(
        [binary, "--no-password", *arguments],
        env={**os.environ, **_access(url)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = (ended.stderr.strip().splitlines() or ["no word why"])[-1]
        raise BackupError(f"{tool} ended with {ended.returncode}: {last[:300]}")


def _access(url: str) -> dict[str, str]:
    """How libpq reaches a database; a password stands in no command line."""
    parsed = make_url(url)
    given = {
        "PGHOST": parsed.host or str(parsed.query.get("host", "")),
        "PGPORT": str(parsed.port or ""),
        "PGUSER": parsed.username or "",
        "PGPASSWORD": str(parsed.password or ""),
        "PGSSLMODE": str(parsed.query.get("sslmode", "")),
        "PGSSLROOTCERT": str(parsed.query.get("sslrootcert", "")),
    }
    return {key: value for key, value in given.items() if value}


def _name(url: str) -> str:
    return make_url(url).database or ""


def _file(url: str) -> Path:
    return Path(make_url(url).database or "")
