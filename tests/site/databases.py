"""Databases to test on: SQLite, and PostgreSQL where it is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _as_server_user(*command):
    """PostgreSQL refuses to run as root."""
    prefix = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*prefix, *map(str, command)], check=True, capture_output=True, timeout=60)


class PostgreSQLServer:
    """A PostgreSQL server of our own, on a free port, in a folder of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="gransk-pg-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            self.port = door.getsockname()[1]
        self.data = self.folder / "data"
        _as_server_user(
            BINARIES[0] / "initdb", "-D", self.data, "-A", "trust", "-U", "gransk", "--no-sync"
        )
        self.start()

    @property
    def url(self):
        """Up to the database's name."""
        return f"postgresql+psycopg://gransk@127.0.0.1:{self.port}"

    def start(self):
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = ("-l", self.folder / "log")
        _as_server_user(BINARIES[0] / "pg_ctl", "-D", self.data, "-o", options, *log, "-w", "start")

    def crash(self):
        """End at once, as a crash would; connections break."""
        _as_server_user(BINARIES[0] / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop")

    def make(self, name):
        """The URL of a new database."""
        engine = create_engine(f"{self.url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{self.url}/{name}"

    def remove(self):
        _as_server_user(BINARIES[0] / "pg_ctl", "-D", self.data, "-m", "immediate", "-W", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server that tests share."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    server = PostgreSQLServer()
    yield server
    server.remove()


@pytest.fixture
def postgresql(postgresql_server, request):
    """The URL of an empty PostgreSQL database."""
    return postgresql_server.make(f"t{abs(hash(request.node.nodeid)) % 10**12}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request, tmp_path):
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    return request.getfixturevalue("postgresql")
