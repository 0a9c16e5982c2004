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


@pytest.fixture(scope="session")
def postgresql_server():
    """The URL of a PostgreSQL server of our own, up to the database's name."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    binaries = BINARIES[0]
    folder = Path(tempfile.mkdtemp(prefix="gransk-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        port = door.getsockname()[1]
    data = folder / "data"
    _as_server_user(binaries / "initdb", "-D", data, "-A", "trust", "-U", "gransk", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    _as_server_user(
        binaries / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"
    )
    yield f"postgresql+psycopg://gransk@127.0.0.1:{port}"
    _as_server_user(binaries / "pg_ctl", "-D", data, "-m", "immediate", "-W", "stop")
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgresql(postgresql_server, request):
    """The URL of an empty PostgreSQL database."""
    name = f"t{abs(hash(request.node.nodeid)) % 10**12}"
    engine = create_engine(f"{postgresql_server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{postgresql_server}/{name}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request, tmp_path):
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    return request.getfixturevalue("postgresql")
