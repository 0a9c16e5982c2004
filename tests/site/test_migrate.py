"""The migrations make exactly the tables that the code describes."""

import multiprocessing
import sqlite3
import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import func, select, text
from sqlalchemy.exc import DatabaseError

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
import gransk.registry.beside_tables
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
from gransk.core.errors import ConfigurationError
from gransk.reading.exam_tables import EntryRow, ExamRow
from gransk.site import events
from gransk.site.database import Base, Database
from gransk.site.guards import missing_guards
from gransk.site.migrate import SchemaState, schema_state, upgrade
from gransk.site.tables import Event, SettingVersion


@pytest.fixture
def database(url):
    database = Database(url)
    yield database
    database.close()


def test_migrated_schema_is_the_metadata(database):
    assert schema_state(database) is SchemaState.EMPTY
    assert upgrade(database)
    assert schema_state(database) is SchemaState.CURRENT
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_upgrade_twice_changes_nothing(database):
    assert upgrade(database)
    assert not upgrade(database)
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 1


def test_newer_database_is_refused(database):
    upgrade(database)
    with database.begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert schema_state(database) is SchemaState.NEWER
    with pytest.raises(ConfigurationError, match=r"9999.*upgrade Gransk"):
        upgrade(database)


@pytest.mark.parametrize("statement", ["UPDATE event SET actor = 'x'", "DELETE FROM event"])
def test_database_refuses_to_change_events(database, statement):
    upgrade(database)
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(statement))
    with database.read() as session:
        assert events.verify(session) is None


def test_database_refuses_to_change_setting_versions(database):
    upgrade(database)
    with database.begin() as session:
        session.add(
            SettingVersion(
                number=1, at=events.utcnow(), author="a", reason="r", digest="d", content={}
            )
        )
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text("DELETE FROM setting_version"))


INSERTED = {
    "event": ("number, at, actor, kind, subject, data, previous_hash, hash", "at, 'eve', kind"),
    "setting_version": ("number, at, author, reason, digest, content", "at, 'eve', reason"),
}


@pytest.mark.parametrize(
    ("table", "key"),
    [("event", "number"), ("event", "number + 9"), ("setting_version", "number")],
)
def test_sqlite_refuses_to_replace(tmp_path, table, key):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    upgrade(database)
    with database.begin() as session:
        session.add(
            SettingVersion(
                number=1, at=events.utcnow(), author="a", reason="r", digest="d", content={}
            )
        )
    columns, values = INSERTED[table]
    rest = ", ".join(columns.split(", ")[4:])
    statement = f"INSERT OR REPLACE INTO {table} ({columns}) SELECT {key}, {values}, {rest} "
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(f"{statement} FROM {table} WHERE number = 1"))
    with database.read() as session:
        assert events.verify(session) is None
        assert session.scalar(select(func.count()).select_from(text(table))) == 1
    database.close()


def test_missing_guards_are_named(database):
    upgrade(database)
    with database.read() as session:
        assert missing_guards(session) == []
    with database.begin() as session:
        if database.url.startswith("sqlite"):
            session.execute(text("DROP TRIGGER event_no_replace"))
        else:
            session.execute(text("ALTER TABLE event DISABLE TRIGGER event_no_change"))
    with database.read() as session:
        (name,) = missing_guards(session)
    assert name in ("event_no_replace", "event_no_change")


def _upgrade(url, barrier, results):
    barrier.wait(30)
    try:
        results.put(upgrade(Database(url)))
    except Exception as error:  # noqa: BLE001 (told to the parent)
        results.put(repr(error))


def test_processes_that_start_at_once(url):
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(3), context.Queue()
    processes = [context.Process(target=_upgrade, args=(url, barrier, results)) for _ in range(3)]
    for process in processes:
        process.start()
    outcomes = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(10)
    assert sorted(outcomes) == [False, False, True]


def test_new_file_that_another_process_writes_is_waited_for(tmp_path):
    """SQLite refuses the switch to its write-ahead log at once while another writes."""
    path = tmp_path / "test.db"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    later = threading.Timer(0.5, other.rollback)
    later.start()
    try:
        assert upgrade(Database(f"sqlite:///{path}"))
    finally:
        later.join()
        other.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE reading_entry SET actor = 'x'",
        "UPDATE reading_entry SET content = '{}' WHERE number = 1",
        "DELETE FROM reading_entry",
    ],
)
def test_database_refuses_to_change_entries_of_the_reading_room(database, statement):
    upgrade(database)
    with database.begin() as session:
        session.add(
            ExamRow(
                study_key="s", unit="u", application="a", state="waiting", plan=None, images="i",
                arrived_at=events.utcnow(), opens_at=events.utcnow(), opened_at=None,
                decided_at=None, verdict=None, drawn_first=None, drawn_second=None,
                sealed_as=None, missing="", reports_at=None, alerts=0, entries=1,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            EntryRow(
                study_key="s", place=1, kind="read", actor="anna", role="radiologist",
                at=events.utcnow(), reason="", content={"a": 1}, salt="0",
            )
        )  # fmt: skip
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(statement))
    with database.read() as session:
        assert session.scalars(select(EntryRow)).one().actor == "anna"


def test_sqlite_refuses_to_replace_an_entry_by_its_place(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/test.db")
    test_database_refuses_to_change_entries_of_the_reading_room(
        database, "DELETE FROM reading_entry"
    )
    columns = "study_key, place, kind, actor, role, at, reason, content, salt"
    statement = (
        f"INSERT OR REPLACE INTO reading_entry ({columns}) "
        "SELECT study_key, place, kind, 'eve', role, at, reason, content, salt FROM reading_entry"
    )
    with pytest.raises(DatabaseError, match="append-only"), database.begin() as session:
        session.execute(text(statement))
    database.close()
