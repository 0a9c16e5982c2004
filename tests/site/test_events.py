"""The event log is whole, or says where it is not."""

import multiprocessing

import pytest
from sqlalchemy import func, select, text

from gransk.core.errors import InvalidValueError
from gransk.site import events
from gransk.site.database import Database
from gransk.site.events import EventKind, record, verify
from gransk.site.migrate import upgrade
from gransk.site.tables import Event


@pytest.fixture
def database(url):
    database = Database(url)
    upgrade(database)
    yield database
    database.close()


def _fill(database, count):
    with database.begin() as session:
        for index in range(count):
            record(session, "anna", EventKind.STUDY_OPENED, f"study{index}", {"n": index, "æ": "ø"})


def test_chain_is_whole(database):
    _fill(database, 5)
    _fill(database, 5)
    with database.read() as session:
        assert verify(session) is None
        number, last = events.head(session)
        assert number == session.scalar(select(func.count()).select_from(Event)) == 11
        assert session.get(Event, number).hash == last


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE event SET actor = 'eve' WHERE number = 4", 4),
        ("UPDATE event SET data = '{\"n\": 99}' WHERE number = 2", 2),
        ("UPDATE event SET at = '2001-01-01 00:00:00.000000' WHERE number = 6", 6),
        ("DELETE FROM event WHERE number = 3", 3),
        ("DELETE FROM event WHERE number = 1", 1),
    ],
)
def test_tampering_is_found(database, tampering, broken):
    _fill(database, 5)
    with database.begin() as session:
        if database.url.startswith("sqlite"):
            session.execute(text("DROP TRIGGER event_no_update"))
            session.execute(text("DROP TRIGGER event_no_delete"))
        else:
            session.execute(text("DROP TRIGGER event_no_change ON event"))
        session.execute(text(tampering))
    with database.read() as session:
        assert verify(session) == broken


@pytest.mark.parametrize(("actor", "subject"), [("", "s"), ("a", ""), ("a" * 65, "s")])
def test_bad_names_are_refused(database, actor, subject):
    with pytest.raises(InvalidValueError), database.begin() as session:
        record(session, actor, EventKind.STUDY_SEEN, subject)


def test_unknown_kind_is_refused(database):
    with pytest.raises(ValueError, match="party"), database.begin() as session:
        record(session, "a", "party", "s")


def _record_and_fail(database):
    with database.begin() as session:
        record(session, "a", EventKind.STUDY_SEEN, "s")
        raise ZeroDivisionError


def test_rolled_back_events_leave_no_gap(database):
    with pytest.raises(ZeroDivisionError):
        _record_and_fail(database)
    _fill(database, 2)
    with database.read() as session:
        assert verify(session) is None


def _write(url, count):
    database = Database(url)
    for index in range(count):
        with database.begin() as session:
            record(session, "writer", EventKind.STUDY_SEEN, f"s{index}")


def test_concurrent_writers_keep_one_chain(database):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write, args=(database.url, 25)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with database.read() as session:
        assert verify(session) is None
        assert events.head(session)[0] == 1 + 75
