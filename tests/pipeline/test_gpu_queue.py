"""Which queue a row goes to, and who is waited for where work wants a GPU."""

import datetime

import pytest
from sqlalchemy import select

from gransk.pipeline import analyse
from gransk.pipeline.analyse import open_rows
from gransk.pipeline.gpu import GpuQueue
from gransk.results.tables import Workitem, WorkState
from gransk.site.config_machine import WorkersSection
from gransk.site.database import Database, utcnow
from gransk.site.executors import Seat, gpu_worker_expected
from gransk.site.migrate import upgrade
from gransk.site.tables import Executor
from gransk.site.workflows import QueueName

WANTS = WorkersSection(gpu_applications=("large",), gpu_wait_minutes=10)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    yield database
    database.close()


def put(session, number, application, priority=0, state=WorkState.WAITING):
    session.add(
        Workitem(
            id=f"{number}", study_key=f"s{number}", application=application, state=state,
            reason=None, detail="", step="", share=0.0, priority=priority, incomplete=False,
            fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
            report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
            started_at=None, finished_at=None,
        )
    )  # fmt: skip


def test_a_worker_for_gpus_is_waited_for_as_long_as_said(database, tmp_path):
    with database.begin() as session:
        assert not gpu_worker_expected(session, 10), "where there never was one"
    Seat.take(database, tmp_path, "worker")
    with database.begin() as session:
        assert not gpu_worker_expected(session, 10), "an ordinary one is none"
    seat = Seat.take(database, tmp_path, "gpu-worker")
    with database.begin() as session:
        assert gpu_worker_expected(session, 0)
    seat.leave(database)
    with database.begin() as session:
        assert gpu_worker_expected(session, 10)
        row = session.scalars(select(Executor).where(Executor.kind == "gpu-worker")).one()
        row.stopped_at = utcnow() - datetime.timedelta(minutes=11)
        assert not gpu_worker_expected(session, 10)
        assert gpu_worker_expected(session, 12)


def test_rows_go_to_the_queue_of_those_who_take_them(database, tmp_path):
    gpu = GpuQueue(WANTS)
    with database.begin() as session:
        put(session, 1, "large")
        put(session, 2, "small")
        assert gpu.applications(session) == frozenset()
        assert [row.queue for row in open_rows(session, gpu.applications(session))] == [None] * 2
    Seat.take(database, tmp_path, "gpu-worker")
    with database.begin() as session:
        rows = open_rows(session, gpu.applications(session))
        assert {row.arguments[0]: row.queue for row in rows} == {
            "1": QueueName.ANALYSE_GPU, "2": None,
        }  # fmt: skip
        assert GpuQueue(WorkersSection()).applications(session) == frozenset()


def test_a_long_queue_hides_neither_the_urgent_nor_the_running_nor_another_queue(
    database, monkeypatch
):
    monkeypatch.setattr(analyse, "QUEUED", 3)
    with database.begin() as session:
        for number in range(10):
            put(session, number, "small")
        put(session, 10, "small", priority=9)
        put(session, 11, "small", state=WorkState.RUNNING)
        put(session, 12, "large")
        session.flush()
        assert [row.arguments[0] for row in open_rows(session)] == ["11", "10", "0"]
        both = open_rows(session, frozenset({"large"}))
        assert [row.arguments[0] for row in both] == ["11", "10", "0", "12"]
