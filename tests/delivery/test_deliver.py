"""Deliveries: one try, its answers, the dead letters."""

import pytest
from sqlalchemy import select

from gransk.core.object_kinds import ObjectKind
from gransk.delivery import deliver, trying
from gransk.delivery.destination import RefusedError, UnavailableError
from gransk.delivery.trying import Result
from gransk.reading.release import lost, open_rows, release_report
from gransk.results.blobs import BlobStore
from gransk.results.starter import RESTARTED_OFTEN
from gransk.results.store import NewObject, seal_analysis, seal_report, withdraw_report
from gransk.results.tables import Delivery, DeliveryState, Report, Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

KEY = "1" * 64


class Taker:
    """A destination that answers as the test says, and keeps what it took."""

    def __init__(self, error=None):
        self.error = error
        self.taken = {}

    def send(self, sop_instance_uid, content):
        if self.error is not None:
            raise self.error
        self.taken[sop_instance_uid] = content


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


@pytest.fixture
def database(tmp_path, blobs):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    with database.begin() as session:
        item = Workitem(
            id="i" * 32, study_key="s" * 32, application="x", state=WorkState.READY,
            reason=None, detail="", step="", share=1.0, priority=0, incomplete=False,
            fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
            report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
            started_at=None, finished_at=None,
        )  # fmt: skip
        session.add(item)
        session.flush()
        seal_analysis(session, "a" * 64, "x", blobs.put(b"{}"), blobs.put(b"p"), 1.0)
        made = NewObject("SR", "1.2", "2.25.1", "2.25.9", blobs.put(b"SR bytes"))
        seal_report(session, item, KEY, "a" * 64, utcnow(), [made])
    yield database
    database.close()


def release(database, destinations=("orthanc",)):
    with database.begin() as session:
        wanted = dict.fromkeys(destinations, tuple(ObjectKind))
        return release_report(session, KEY, "policy:at_once", lambda *_: wanted)


def lines(database):
    with database.read() as session:
        return session.scalars(select(Delivery).order_by(Delivery.destination)).all()


def test_release_writes_the_outbox_once(database):
    assert lines(database) == []
    assert release(database)
    assert release(database)
    (line,) = lines(database)
    assert line.state == DeliveryState.WAITING
    with database.read() as session:
        assert session.get_one(Report, KEY).released_by == "policy:at_once"
        assert open_rows(session) == []


def test_a_withdrawn_report_is_not_released(database):
    with database.begin() as session:
        assert [row.arguments for row in open_rows(session)] == [(KEY,)]
        withdraw_report(session, KEY, "s" * 32)
        assert open_rows(session) == []
    assert not release(database)
    assert lines(database) == []


def test_the_kept_bytes_are_sent_and_only_once(database, blobs):
    release(database)
    (line,) = lines(database)
    taker = Taker()
    for wanted in (Result.SENT, Result.UNWANTED):
        result, error, *_ = deliver.send_once(database, blobs, {"orthanc": taker}, line.id, 0)
        assert (result, error) == (wanted, "")
    assert taker.taken == {"2.25.1": b"SR bytes"}
    assert lines(database)[0].state == DeliveryState.SENT


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (UnavailableError("down"), Result.UNAVAILABLE),
        (RefusedError("no"), Result.REFUSED),
        (ConnectionResetError("gone"), Result.UNAVAILABLE),
    ],
)
def test_why_a_delivery_waits_is_shown(database, blobs, error, result):
    release(database)
    (line,) = lines(database)
    destinations = {"orthanc": Taker(error)}
    assert deliver.send_once(database, blobs, destinations, line.id, 0)[0] == result
    assert lines(database)[0].error == str(error)


def test_a_withdrawn_report_is_not_sent(database, blobs):
    release(database)
    (line,) = lines(database)
    with database.begin() as session:
        withdraw_report(session, KEY, "s" * 32)
    taker = Taker()
    result, *_ = deliver.send_once(database, blobs, {"orthanc": taker}, line.id, 0)
    assert result == Result.UNWANTED
    assert taker.taken == {}


def test_a_failed_delivery_is_tried_again_by_a_person(database, blobs):
    release(database)
    (line,) = lines(database)
    with database.begin() as session:
        trying.fail(session, line.id, 0, "refused")
        assert deliver.open_rows(session) == []
        assert deliver.rerun(session, line.id, "ann")
        assert not deliver.rerun(session, line.id, "ann")
        (row,) = deliver.open_rows(session)
        assert row.workflow_id.endswith("-1")
    result, *_ = deliver.send_once(database, blobs, {"orthanc": Taker()}, line.id, 1)
    assert result == Result.SENT


def test_damaged_bytes_are_never_sent(database, blobs):
    release(database)
    (line,) = lines(database)
    for path in blobs.folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    taker = Taker()
    result, error, *_ = deliver.send_once(database, blobs, {"orthanc": taker}, line.id, 0)
    assert result == Result.REFUSED
    assert "damaged" in error
    assert taker.taken == {}


def test_a_release_that_got_lost_is_seen_by_a_person(database):
    with database.begin() as session:
        (row,) = open_rows(session)
        assert lost(session, row, "ERROR")
        assert not lost(session, row, "ERROR")
        assert session.get_one(Workitem, "i" * 32).state == WorkState.FAILED


def test_a_workflow_that_slept_through_too_many_restarts_goes_on_in_another(database):
    release(database)
    with database.begin() as session:
        (row,) = deliver.open_rows(session)
        assert not deliver.lost(session, row, RESTARTED_OFTEN)
        (now,) = deliver.open_rows(session)
        assert now.arguments == (row.arguments[0], 1), "another try, and no dead letter"


def test_a_release_that_ended_meanwhile_is_not_lost(database):
    with database.read() as session:
        (row,) = open_rows(session)
    release(database)
    with database.begin() as session:
        assert not lost(session, row, "SUCCESS")
        assert session.get_one(Workitem, "i" * 32).state == WorkState.READY
