"""A PostgreSQL server of our own, from the system's packages, on a free port of loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
"""Of each installed version, the newest first; empty: none is installed."""


class PostgreSQLServer:
    """Made and started at once; `remove` ends it and leaves nothing.

    It does not wait for the disk: what is measured is ours, not the disk's.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gransk-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            self.port = int(door.getsockname()[1])
        self._data = self.folder / "data"
        self._run("initdb", "-A", "trust", "-U", "gransk", "--no-sync")
        self.start()

    @property
    def url(self) -> str:
        """Up to the database's name."""
        return f"postgresql+psycopg://gransk@127.0.0.1:{self.port}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def crash(self) -> None:
        """End at once, as a crash would; connections break."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def make(self, name: str) -> str:
        """The URL of a new, empty database."""
        engine = create_engine(f"{self.url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self.url}/{name}"

    def remove(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "-W", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        """PostgreSQL refuses to run as root."""
        prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*prefix, str(BINARIES[0] / program), "-D", str(self._data), *arguments]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server that is removed at the end."""
    server = PostgreSQLServer()
    try:
        yield server
    finally:
        server.remove()
