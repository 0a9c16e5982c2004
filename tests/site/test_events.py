"""The event log is whole, or says where it is not."""

import multiprocessing
import threading
import time

import pytest
from filelock import FileLock
from sqlalchemy import func, select, text

from gransk.core.errors import InvalidValueError
from gransk.site import events
from gransk.site.anchor import FILE, Anchor, advance, keep, read_anchor, try_to_advance
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


def _free(database):
    """What someone who may write to the database does first."""
    with database.begin() as session:
        if database.url.startswith("sqlite"):
            for act in ("update", "delete", "replace"):
                session.execute(text(f"DROP TRIGGER event_no_{act}"))
        else:
            session.execute(text("DROP TRIGGER event_no_change ON event"))


def _verify(database, folder):
    anchor = read_anchor(folder)
    with database.read() as session:
        return verify(session, anchor)


def test_a_cut_end_is_found_by_the_note_outside(database, tmp_path):
    _fill(database, 9)
    assert advance(database, tmp_path)
    assert _verify(database, tmp_path) is None
    _free(database)
    with database.begin() as session:
        session.execute(text("DELETE FROM event WHERE number > 7"))
    with database.read() as session:
        assert verify(session) is None
    assert _verify(database, tmp_path) == 8
    assert not advance(database, tmp_path)
    _fill(database, 2)
    assert _verify(database, tmp_path) == 10
    _fill(database, 5)
    assert _verify(database, tmp_path) == 10, "the end was written anew, and goes beyond the note"
    assert not advance(database, tmp_path)
    assert read_anchor(tmp_path).number == 10


def test_the_note_goes_forward_and_is_exact(database, tmp_path):
    assert read_anchor(tmp_path) is None
    for count in (1, 3):
        _fill(database, count)
        assert advance(database, tmp_path)
        with database.read() as session:
            assert read_anchor(tmp_path) == Anchor(*events.head(session))
    (tmp_path / FILE).write_text("nonsense")
    assert read_anchor(tmp_path) is None
    assert _verify(database, tmp_path) is None
    assert advance(database, tmp_path)
    assert read_anchor(tmp_path).number == 5
    assert sorted(path.name for path in tmp_path.glob(f"{FILE}*")) == [FILE, f"{FILE}.lock"]


def test_events_written_after_the_note_are_no_fault(database, tmp_path):
    _fill(database, 2)
    advance(database, tmp_path)
    _fill(database, 2)
    assert _verify(database, tmp_path) is None


def test_the_end_is_noted_every_few_seconds(database, tmp_path):
    stop = threading.Event()
    keeper = threading.Thread(target=keep, args=(database, tmp_path, stop, 0.05))
    keeper.start()
    try:
        for wanted in (4, 7):
            _fill(database, 3)
            for _ in range(200):
                if (noted := read_anchor(tmp_path)) and noted.number == wanted:
                    break
                time.sleep(0.02)
            assert noted.number == wanted
    finally:
        stop.set()
        keeper.join()


def _advance(url, folder):
    database = Database(url)
    for _ in range(15):
        _fill(database, 1)
        assert advance(database, folder)


def test_several_processes_note_the_end(database, tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_advance, args=(database.url, tmp_path)) for _ in range(3)]
    for process in processes:
        process.start()
    last = 0
    while any(process.is_alive() for process in processes):
        noted = read_anchor(tmp_path)
        assert noted is None or noted.number >= last
        last = noted.number if noted else 0
        time.sleep(0.01)
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert read_anchor(tmp_path).number == 1 + 45
    assert _verify(database, tmp_path) is None


def test_a_process_that_stands_still_holds_up_no_heartbeat(database, tmp_path):
    with FileLock(tmp_path / f"{FILE}.lock"):
        began = time.monotonic()
        try_to_advance(database, tmp_path)
        assert time.monotonic() - began < 2
    assert read_anchor(tmp_path) is None
    try_to_advance(database, tmp_path)
    assert read_anchor(tmp_path).number == 1
