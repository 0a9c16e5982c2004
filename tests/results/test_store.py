"""The result store: blobs, seals, withdrawal, the outbox."""

import os

import pytest
from sqlalchemy import select

from gransk.core.object_kinds import ObjectKind
from gransk.results.blobs import BlobError, BlobStore, check_blobs
from gransk.results.store import (
    LEDGER,
    NewObject,
    queue_deliveries,
    restore_report,
    seal_analysis,
    seal_report,
    withdraw_report,
)
from gransk.results.tables import Blob, Delivery, DeliveryState, Report, ReportObject, Workitem
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

KINDS = tuple(ObjectKind)


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    yield database
    database.close()


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


def new_item(session):
    item = Workitem(
        id="i" * 32, study_key="s" * 32, application="nodule", state="running", reason=None,
        detail="", step="", share=0.0, priority=0, incomplete=False, fingerprint="f",
        generation=0, attempt=0, deaths=0, analysis_key=None, report_key=None,
        settings_version=1, created_at=utcnow(), images_at=utcnow(), started_at=None,
        finished_at=None,
    )  # fmt: skip
    session.add(item)
    session.flush()
    return item


def sealed(session, blobs, item, key, content=b"SR"):
    stored = blobs.put(content)
    seal_analysis(session, "a" * 64, "nodule", blobs.put(b"{}"), blobs.put(b"npz"), 1.0)
    made = NewObject("SR", "1.2.3", f"2.25.{int(key[0], 16) + 1}", "2.25.99", stored)
    return seal_report(session, item, key * 64, "a" * 64, utcnow(), [made])


def states(session):
    query = select(Delivery).order_by(Delivery.destination)
    return [d.state for d in session.scalars(query.execution_options(populate_existing=True))]


def test_a_blob_lies_under_its_digest_and_is_written_once(blobs):
    stored = blobs.put(b"content")
    path = blobs.path(stored.sha256)
    assert path.parent.name == stored.sha256[:2]
    before = path.stat().st_ino
    assert blobs.put(b"content") == stored
    assert path.stat().st_ino == before
    assert blobs.get(stored.sha256) == b"content"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_damaged_blob_is_refused_and_mended_by_the_same_bytes(blobs):
    stored = blobs.put(b"content")
    blobs.path(stored.sha256).write_bytes(b"c0ntent")
    with pytest.raises(BlobError, match="damaged"):
        blobs.get(stored.sha256)
    blobs.put(b"content")
    assert blobs.get(stored.sha256) == b"content"


def test_what_a_killed_writer_left_is_removed_once_it_is_old(blobs, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as now:
        now.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            blobs.put(b"half of something")
    (left,) = (path for path in blobs.folder.rglob("*") if path.is_file())
    kept = blobs.put(b"whole")
    assert blobs.remove_drafts(60) == 0, "it may be being written"
    os.utime(left, (0, 0))
    os.utime(blobs.path(kept.sha256), (0, 0))
    assert blobs.remove_drafts(60) == 1
    assert not left.exists()
    assert blobs.get(kept.sha256) == b"whole"


def test_a_missing_blob_is_named(blobs):
    with pytest.raises(BlobError, match="missing"):
        blobs.get("0" * 64)


def test_a_folder_that_lacks_what_the_database_names_is_refused(database, blobs, tmp_path):
    with database.begin() as session:
        check_blobs(session, blobs)
        sealed(session, blobs, new_item(session), "b")
        check_blobs(session, blobs)
        with pytest.raises(BlobError, match="mount the shared folder"):
            check_blobs(session, BlobStore(tmp_path / "not mounted"))


def test_what_retention_removed_is_not_looked_for(database, blobs):
    with database.begin() as session:
        sealed(session, blobs, new_item(session), "b")
        for blob in session.scalars(select(Blob)):
            blobs.path(blob.sha256).unlink()
            blob.removed_at = utcnow()
        check_blobs(session, blobs)


def test_the_second_seal_of_an_analysis_returns_the_first(database, blobs):
    with database.begin() as session:
        first = seal_analysis(session, "a" * 64, "x", blobs.put(b"1"), blobs.put(b"p"), 1.0)
    with database.begin() as session:
        second = seal_analysis(session, "a" * 64, "x", blobs.put(b"2"), blobs.put(b"q"), 2.0)
    assert second.findings_sha256 == first.findings_sha256
    assert second.seconds == 1.0


def test_the_second_seal_of_a_report_keeps_the_first_bytes(database, blobs):
    with database.begin() as session:
        sealed(session, blobs, new_item(session), "1", b"first")
    with database.begin() as session:
        item = session.get_one(Workitem, "i" * 32)
        sealed(session, blobs, item, "1", b"second")
    with database.read() as session:
        (made,) = session.scalars(select(ReportObject)).all()
        assert blobs.get(made.sha256) == b"first"


def test_a_new_report_supersedes_cancels_what_waits_and_recalls_what_was_sent(database, blobs):
    with database.begin() as session:
        item = new_item(session)
        sealed(session, blobs, item, "1")
        queue_deliveries(session, "1" * 64, {"orthanc": KINDS, "pacs": KINDS})
        session.get_one(Delivery, session.scalars(select(Delivery.id)).first()).state = "sent"
    with database.begin() as session:
        report = sealed(session, blobs, session.get_one(Workitem, "i" * 32), "2")
        assert report.supersedes == "1" * 64
        assert sorted(states(session)) == [DeliveryState.CANCELLED, DeliveryState.RECALL]


def test_the_outbox_is_written_once(database, blobs):
    with database.begin() as session:
        sealed(session, blobs, new_item(session), "1")
        queue_deliveries(session, "1" * 64, {"orthanc": KINDS, "pacs": KINDS})
        queue_deliveries(session, "1" * 64, {"orthanc": KINDS, "pacs": KINDS})
        assert states(session) == [DeliveryState.WAITING, DeliveryState.WAITING]


def test_a_withdrawn_report_waits_nowhere_and_returns_with_its_bytes(database, blobs):
    with database.begin() as session:
        sealed(session, blobs, new_item(session), "1").released_at = utcnow()
        queue_deliveries(session, "1" * 64, {"orthanc": KINDS})
        withdraw_report(session, "1" * 64, "s" * 32)
        assert states(session) == [DeliveryState.CANCELLED]
        restore_report(session, "1" * 64)
        assert states(session) == [DeliveryState.WAITING]
        assert session.get_one(Report, "1" * 64).withdrawn_at is None
        assert session.scalars(select(Delivery.attempt)).all() == [1]


@pytest.mark.parametrize("times", [1, 2])
def test_what_the_reading_room_released_returns_unreleased(database, blobs, times):
    with database.begin() as session:
        report = sealed(session, blobs, new_item(session), "1")
        report.released_at, report.released_by = utcnow(), LEDGER
        queue_deliveries(session, "1" * 64, {"orthanc": KINDS})
        for _ in range(times):
            withdraw_report(session, "1" * 64, "s" * 32)
            restore_report(session, "1" * 64)
        assert (report.withdrawn_at, report.released_at, report.released_by) == (None,) * 3
        assert states(session) == [DeliveryState.CANCELLED]


@pytest.mark.parametrize(("by", "waits"), [(None, True), (LEDGER, True), ("policy:at_once", False)])
def test_what_returns_in_place_of_a_report_of_the_reading_room_waits_too(
    database, blobs, by, waits
):
    with database.begin() as session:
        item = new_item(session)
        first = sealed(session, blobs, item, "1")
        first.released_at, first.released_by = utcnow(), "policy:at_once"
        second = sealed(session, blobs, item, "2")
        second.released_at, second.released_by = by and utcnow(), by
        sealed(session, blobs, item, "1")
        assert (first.released_at is None) is waits


def test_a_report_that_was_superseded_can_become_current_again(database, blobs):
    with database.begin() as session:
        item = new_item(session)
        for key in ("1", "2", "1"):
            sealed(session, blobs, item, key)
        assert item.report_key == "1" * 64
        assert len(session.scalars(select(Report)).all()) == 2
