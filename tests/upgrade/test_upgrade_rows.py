"""Rows of each released version come through every migration, on SQLite and on PostgreSQL."""

import datetime
import shutil
import tarfile
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, func, insert, select, text

import gransk.archive.identity_tables
import gransk.archive.tables
import gransk.delivery.marks
import gransk.delivery.pacing
import gransk.oversight.alarm_tables
import gransk.oversight.audit.tables
import gransk.oversight.drift.tables
import gransk.oversight.retention_tables
import gransk.reading.policy_tables
import gransk.reading.tables
import gransk.registry.tables
import gransk.results.commitment_tables
import gransk.results.message_tables
import gransk.results.observed
import gransk.results.origins
import gransk.results.steps
import gransk.results.tables
import gransk.results.urgency
import gransk.results.versions
import gransk.site.settings_tables
import gransk.site.tables  # noqa: F401
from gransk.site.database import Base, Database
from gransk.site.events import verify
from gransk.site.guards import missing_guards
from gransk.site.migrate import SchemaState, _alembic, schema_state, upgrade

LEFT = sorted(Path(__file__).parent.glob("*.tar.xz"))
"""Of each version; the gate tries the first and the last."""
TRIED = [
    pytest.param(one, id=one.name, marks=() if one in (LEFT[0], LEFT[-1]) else pytest.mark.full)
    for one in LEFT
]


@pytest.fixture
def left(request, tmp_path):
    """The database that a version left."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "left", filter="data")
    return tmp_path / "left" / "data" / "gransk.db"


def revisions():
    """Every revision, the first first."""
    scripts = ScriptDirectory.from_config(_alembic())
    return [one.revision for one in scripts.walk_revisions()][::-1]


def go_to(database, revision):
    """Upgrade to one revision and no further."""
    with database.engine.begin() as connection:
        alembic = _alembic()
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, revision)


def revision_of(database):
    with database.read() as session:
        return session.scalar(text("SELECT version_num FROM alembic_version"))


def by_steps(database):
    start = revision_of(database)
    for revision in revisions():
        if revision > start:
            go_to(database, revision)


def counts(database):
    with database.read() as session:
        return {
            table.name: session.scalar(select(func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        }


def rows(database):
    """Every row but of events, of which an upgrade adds one."""
    with database.read() as session:
        return {
            table.name: sorted(
                repr(tuple(map(plain, row))) for row in session.execute(select(table))
            )
            for table in Base.metadata.sorted_tables
            if table.name != "event"
        }


def plain(value):
    """A value as both kinds of database give it."""
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat()
    return value


def copied(source, url):
    """The same rows in PostgreSQL, in tables of the same revision."""
    target = Database(url)
    go_to(target, revision_of(source))
    old, new = MetaData(), MetaData()
    old.reflect(source.engine)
    new.reflect(target.engine)
    with source.read() as session, target.begin() as written:
        for table in new.sorted_tables:
            if table.name == "alembic_version":
                continue
            found = [dict(row._mapping) for row in session.execute(select(old.tables[table.name]))]
            for row in found:
                for name, value in row.items():
                    if isinstance(value, datetime.datetime):
                        row[name] = value.replace(tzinfo=datetime.UTC)
            if found:
                written.execute(insert(table), found)
    return target


def sound(database):
    with database.read() as session:
        assert verify(session) is None
        assert missing_guards(session) == []
    assert schema_state(database) is SchemaState.CURRENT


@pytest.mark.parametrize("left", TRIED, indirect=True)
def test_at_once_and_step_by_step_are_the_same(left, tmp_path):
    shutil.copy(left, tmp_path / "steps.db")
    once, steps = Database(f"sqlite:///{left}"), Database(f"sqlite:///{tmp_path / 'steps.db'}")
    with once.read() as session:
        before = session.scalar(text("SELECT count(*) FROM event"))
    behind = schema_state(once) is not SchemaState.CURRENT
    assert upgrade(once) == behind
    by_steps(steps)
    sound(once)
    sound(steps)
    assert rows(once) == rows(steps)
    assert counts(once)["event"] == before + behind
    assert counts(once)["workitem"] == 4
    once.close()
    steps.close()


@pytest.mark.system
@pytest.mark.parametrize("left", TRIED, indirect=True)
def test_postgresql_holds_the_same_rows_after(left, postgresql):
    source = Database(f"sqlite:///{left}")
    target = copied(source, postgresql)
    assert upgrade(source) == upgrade(target)
    sound(target)
    assert rows(target) == rows(source)
    source.close()
    target.close()


@pytest.mark.full
@pytest.mark.system
@pytest.mark.parametrize("left", [LEFT[0]], ids=["first"], indirect=True)
def test_postgresql_step_by_step(left, postgresql):
    source = Database(f"sqlite:///{left}")
    target = copied(source, postgresql)
    upgrade(source)
    by_steps(target)
    sound(target)
    assert rows(target) == rows(source)
    source.close()
    target.close()


def test_the_first_version_left_the_first_tables(tmp_path):
    with tarfile.open(LEFT[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    engine = create_engine(f"sqlite:///{tmp_path / 'data' / 'gransk.db'}")
    with engine.connect() as connection:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    engine.dispose()
    assert LEFT[0].name == "0.1.0.tar.xz"
    assert revision in revisions()[:4]
