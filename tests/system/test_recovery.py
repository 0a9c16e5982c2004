"""Killed and stopped processes: nothing is lost, nothing is done twice."""

import os
import signal
import sqlite3

import misbehaving
import pytest
from harness_suite import Suite
from radiographs import radiograph, save
from sqlalchemy import func, select

from gransk.archive.tables import SeenStudy
from gransk.results.tables import DeliveryState, Report, WorkState

pytestmark = pytest.mark.system


@pytest.fixture
def suite(tmp_path):
    site = misbehaving.install(tmp_path / "site")
    folder = tmp_path / "suite"
    folder.mkdir()
    with Suite(
        folder,
        environment=misbehaving.environment(site),
        intake={"quiet_seconds": 0.3, "poll_seconds": 0.2, "reconcile_seconds": 2},
        workers={
            "processes": 2,
            "heartbeat_seconds": 0.5,
            "lost_after_seconds": 2,
            "retry_seconds": 0.5,
        },
    ) as suite:
        yield suite


def store(suite, folder, what, number):
    path = save(radiograph(number, SeriesDescription=what), folder / f"{number}.dcm")
    assert suite.store(path) == [0]


def running(suite):
    return any(i.state == WorkState.RUNNING and i.step == "analyse" for i in suite.items())


def all_right(suite, count):
    """Every study has exactly one report, and all of it is at Orthanc once."""
    items = suite.wait_ended(count, 60)
    assert [item.state for item in items] == [WorkState.READY] * count, suite.log()
    lines = suite.wait_delivered(60)
    assert {line.state for line in lines} == {DeliveryState.SENT}
    with suite.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Report)) == count
        seen = session.scalars(select(SeenStudy)).all()
    held = [len(suite.orthanc.client.instances(one.orthanc_id)) for one in seen]
    assert sum(held) == count + len(lines)


def owner(suite):
    """The worker that runs the analysis now, as the queue has it."""
    with sqlite3.connect(suite.config.data_folder / "workflows.db") as queue:
        query = "SELECT executor_id FROM workflow_status WHERE status = 'PENDING' AND name = ?"
        ((executor,),) = queue.execute(query, ("analyse",)).fetchall()
    return "worker-" + executor.rsplit("-", 1)[1]


def test_another_worker_takes_over_from_one_that_never_returns(suite, tmp_path):
    store(suite, tmp_path, "pause", 1)
    suite.until(lambda: running(suite), 30, "an analysis to run")
    assert suite.items()[0].deaths == 1
    suite.kill(owner(suite))
    all_right(suite, 1)


def test_a_paused_worker_that_wakes_up_does_no_harm(suite, tmp_path):
    store(suite, tmp_path, "pause", 1)
    suite.until(lambda: running(suite), 30, "an analysis to run")
    name = owner(suite)
    paused = suite.pid(name)
    os.kill(paused, signal.SIGSTOP)
    all_right(suite, 1)
    os.kill(paused, signal.SIGCONT)
    suite.until(lambda: suite.pid(name) is None, 20, "the paused worker to end")
    all_right(suite, 1)


def test_work_survives_orderly_stops(suite, tmp_path):
    for number in range(4):
        store(suite, tmp_path, "pause", number)
    suite.until(lambda: running(suite), 30, "an analysis to run")
    for name in ("worker-0", "worker-1"):
        suite.restart(name)
    assert all(item.deaths == 0 for item in suite.items() if item.state != WorkState.RUNNING)
    all_right(suite, 4)


def test_orthanc_dies_during_work_and_delivery(suite, tmp_path):
    for number in range(3):
        store(suite, tmp_path, "pause", number)
    suite.until(lambda: running(suite), 30, "an analysis to run")
    suite.kill("orthanc")
    suite.until(
        lambda: any(line.error for line in suite.deliveries()), 60, "a delivery to miss Orthanc"
    )
    suite.start("orthanc")
    all_right(suite, 3)


def test_the_service_dies(suite, tmp_path):
    store(suite, tmp_path, "pause", 1)
    suite.until(lambda: running(suite), 30, "an analysis to run")
    suite.kill("service")
    store(suite, tmp_path, "good", 2)
    all_right(suite, 1)
    suite.start("service")
    all_right(suite, 2)


def test_deleted_and_sent_again_returns_without_analysis(suite, tmp_path):
    path = save(radiograph(1, SeriesDescription="good"), tmp_path / "1.dcm")
    assert suite.store(path) == [0]
    all_right(suite, 1)
    with suite.database.read() as session:
        seen = session.scalars(select(SeenStudy)).one()
    before = suite.items()[0]
    suite.orthanc.client.delete_study(seen.orthanc_id)
    suite.until(lambda: suite.items()[0].state == WorkState.WITHDRAWN, 30, "a withdrawal")
    assert suite.store(path) == [0]
    suite.until(lambda: suite.items()[0].state == WorkState.READY, 30, "the study's return")
    all_right(suite, 1)
    after = suite.items()[0]
    assert (after.generation, after.attempt) == (before.generation, before.attempt)
    assert after.report_key == before.report_key


def test_corrected_patient_data_supersede(suite, tmp_path):
    image = radiograph(1, SeriesDescription="good")
    assert suite.store(save(image, tmp_path / "1.dcm")) == [0]
    all_right(suite, 1)
    first = suite.items()[0]
    image.PatientName = "Rettet^Navn"
    corrected = save(image, tmp_path / "2.dcm").read_bytes()
    suite.orthanc.client.delete_instance(
        suite.orthanc.client.find_instance(str(image.SOPInstanceUID))
    )
    suite.orthanc.client.store(corrected)
    suite.until(lambda: suite.items()[0].report_key != first.report_key, 40, "a second report")
    suite.wait_ended(1, 30)
    suite.wait_delivered(30)
    with suite.database.read() as session:
        report = session.get_one(Report, suite.items()[0].report_key)
        assert report.supersedes == first.report_key
        assert report.analysis_key == first.analysis_key
    lines = {line.sop_instance_uid: line for line in suite.deliveries()}
    old = [line for line in lines.values() if line.report_key == first.report_key]
    assert {line.state for line in old} == {DeliveryState.RECALLED}
    with suite.database.read() as session:
        seen = session.scalars(select(SeenStudy)).one()
    held = {i.sop_instance_uid for i in suite.orthanc.client.instances(seen.orthanc_id)}
    sent = {uid for uid, line in lines.items() if line.state == DeliveryState.SENT}
    assert held == sent | {str(image.SOPInstanceUID)}, "what was replaced is in the archive still"
