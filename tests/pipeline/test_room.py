"""What a full disk does to one try: it waits, and blames no input."""

import sqlite3
import threading
from types import SimpleNamespace

import pytest
from sqlalchemy.exc import OperationalError

from gransk.archive.tables import Archive, SeenStudy
from gransk.pipeline import jobs, room, trying, workitems
from gransk.pipeline.analyse import _Try
from gransk.pipeline.supervise import Ended, How, Nursery
from gransk.pipeline.trying import Tools
from gransk.pipeline.workitems import Work
from gransk.results.blobs import BlobStore
from gransk.results.tables import Workitem, WorkState
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade


def filled(table, **values):
    """A row whose other columns hold nothing."""
    row = {}
    for column in table.__table__.columns:
        row[column.name] = {"Integer": 0, "Boolean": False, "JSON": []}.get(
            type(column.type).__name__, ""
        )
        if "DateTime" in type(column.type).__name__:
            row[column.name] = None if column.nullable else utcnow()
        elif column.nullable:
            row[column.name] = None
    return table(**row | values)


@pytest.fixture
def tools(tmp_path):
    config = Config.model_validate({"data_folder": str(tmp_path)}, context={"folder": tmp_path})
    database = Database(config.database.url)
    upgrade(database)
    with database.begin() as session:
        session.add(Archive(name="orthanc", identity="x", cursor=0, swept_at=None))
        session.flush()
        session.add(filled(SeenStudy, key="s" * 32, archive="orthanc", orthanc_id="o"))
        session.add(
            filled(
                Workitem,
                id="w",
                study_key="s" * 32,
                application="nodule",
                state=WorkState.WAITING,
                share=0.0,
            )
        )
    yield Tools(config, database, BlobStore(config.blob_folder), Nursery(512))
    database.close()


def row(tools):
    with tools.database.read() as session:
        return session.get_one(Workitem, "w")


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_no_room_for_a_scratch_folder_counts_no_death(tools, monkeypatch):
    monkeypatch.setattr(jobs.tempfile, "mkdtemp", full)
    for _ in range(tools.config.workers.max_deaths + 1):
        how, _detail = _Try(tools, Work("w", 0, 0)).run()
        assert how == How.UNREACHABLE
    assert (row(tools).state, row(tools).deaths) == (WorkState.WAITING, 0)


def test_a_count_that_the_database_refuses_to_take_back_is_taken_back_later(tools, monkeypatch):
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(trying, "run_child", lambda *_: Ended(How.UNREACHABLE))
    refused, clear = [], workitems.clear_deaths

    def clear_deaths(session, work):
        if len(refused) < 3:
            refused.append(row(tools).deaths)
            raise OperationalError("", None, sqlite3.OperationalError("disk is full"))
        clear(session, work)

    monkeypatch.setattr(workitems, "clear_deaths", clear_deaths)
    assert _Try(tools, Work("w", 0, 0)).run()[0] == How.UNREACHABLE
    assert (refused, row(tools).deaths) == ([1, 1, 1], 0)


def test_a_child_that_dies_leaves_its_count(tools, monkeypatch):
    monkeypatch.setattr(trying, "run_child", lambda *_: Ended(How.DIED))
    _Try(tools, Work("w", 0, 0)).run()
    assert row(tools).deaths == 1


def test_blobs_that_find_no_room_wait(tools, monkeypatch):
    def finds(nursery, job, seconds, callbacks, stopping):
        tools.blobs.put(b"findings")

    monkeypatch.setattr(trying, "run_child", finds)
    monkeypatch.setattr("gransk.results.blobs.os.fsync", full)
    assert _Try(tools, Work("w", 0, 0)).run()[0] == How.UNREACHABLE
    assert (row(tools).reason, row(tools).deaths) == (None, 0)
    assert [path for path in tools.config.blob_folder.rglob("*") if path.is_file()] == []


def test_work_waits_for_room_and_for_the_end(tools, monkeypatch):
    free = iter([0, 1 << 20, 1 << 50])
    monkeypatch.setattr(room, "least_free_disk", lambda config: SimpleNamespace(free=next(free)))
    monkeypatch.setattr(room, "WAIT_SECONDS", 0.01)
    assert room.wait_for_room(tools.config, threading.Event())
    assert list(free) == []
    stopping = threading.Event()
    stopping.set()
    assert not room.wait_for_room(tools.config, stopping)
