"""Databases to test on: SQLite, and PostgreSQL where it is installed."""

import pytest

from bench.postgresql import BINARIES
from bench.postgresql import postgresql as running_server


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server that tests share."""
    if not BINARIES:
        pytest.skip("PostgreSQL is not installed")
    with running_server() as server:
        yield server


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
