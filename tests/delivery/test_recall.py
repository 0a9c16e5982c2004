"""Recalls: what was replaced or withdrawn leaves its destination, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from gransk.core.object_kinds import ObjectKind
from gransk.delivery import deliver, recall
from gransk.delivery.destination import DoubtedError, UnavailableError
from gransk.delivery.pacing import Pace
from gransk.delivery.trying import Result
from gransk.reading.release import release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import (
    NewObject,
    restore_report,
    seal_analysis,
    seal_report,
    withdraw_report,
)
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade

OLD, NEW = "1" * 64, "2" * 64


class Archive:
    """A destination that holds what it took; ``meanwhile`` runs inside a removal."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.error: Exception | None = None
        self.meanwhile = lambda: None

    def send(self, sop_instance_uid: str, content: bytes) -> None:
        self.held[sop_instance_uid] = content

    def remove(self, sop_instance_uid: str) -> None:
        if self.error is not None:
            raise self.error
        self.held.pop(sop_instance_uid, None)
        self.meanwhile()


class Site:
    """A database with one study, and the steps of its reports."""

    def __init__(self, folder: Path) -> None:
        self.database = Database(f"sqlite:///{folder}/gransk.db")
        self.blobs = BlobStore(folder / "blobs")
        self.archive = Archive()
        upgrade(self.database)
        with self.database.begin() as session:
            item = Workitem(
                id="i" * 32, study_key="s" * 32, application="x", state=WorkState.READY,
                reason=None, detail="", step="", share=1.0, priority=0, incomplete=False,
                fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
                report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
                started_at=None, finished_at=None,
            )  # fmt: skip
            session.add(item)
            seal_analysis(session, "a" * 64, "x", self.blobs.put(b"{}"), self.blobs.put(b"p"), 1.0)

    def seal(self, key: str) -> None:
        with self.database.begin() as session:
            item = session.get_one(Workitem, "i" * 32)
            made = NewObject("SR", "1.2", f"2.25.{key[0]}", "2.25.9", self.blobs.put(key.encode()))
            seal_report(session, item, key, "a" * 64, utcnow(), [made])
            wanted = {"orthanc": tuple(ObjectKind)}
            release_report(session, key, "policy:at_once", lambda *_: wanted)

    def line(self, key: str) -> Delivery:
        with self.database.read() as session:
            return session.scalars(select(Delivery).where(Delivery.report_key == key)).one()

    def send(self, key: str) -> Result:
        line = self.line(key)
        return deliver.send_once(
            self.database, self.blobs, {"orthanc": self.archive}, line.id, line.attempt
        )[0]

    def open(self) -> list[str]:
        with self.database.read() as session:
            return [str(row.arguments[0]) for row in recall.open_rows(session)]

    def remove(self, key: str) -> Result:
        line = self.line(key)
        recaller = recall.Recaller(
            self.database, self.blobs, {"orthanc": self.archive}, {"orthanc": "delete"}
        )
        return recaller.once(line.id, line.attempt)[0]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.database.close()


def test_the_replaced_report_leaves_once_the_new_one_has_arrived(site: Site) -> None:
    site.seal(OLD)
    assert site.send(OLD) == Result.SENT
    site.seal(NEW)
    assert site.line(OLD).state == DeliveryState.RECALL
    assert site.open() == [], "there must never be nothing"
    assert site.send(NEW) == Result.SENT
    assert site.open() == [site.line(OLD).id]
    assert site.remove(OLD) == Result.RECALLED
    assert list(site.archive.held) == ["2.25.2"]
    assert site.line(OLD).state == DeliveryState.RECALLED
    assert site.open() == []


def test_a_withdrawn_report_leaves_and_returns(site: Site) -> None:
    site.seal(OLD)
    site.send(OLD)
    with site.database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    assert site.open() == [site.line(OLD).id]
    assert site.remove(OLD) == Result.RECALLED
    assert site.archive.held == {}
    with site.database.begin() as session:
        restore_report(session, OLD)
    assert site.send(OLD) == Result.SENT
    assert list(site.archive.held) == ["2.25.1"]


def test_a_report_restored_while_it_is_removed_is_sent_again(site: Site) -> None:
    site.seal(OLD)
    site.send(OLD)
    with site.database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)

    def restore_and_send() -> None:
        site.archive.meanwhile = lambda: None
        with site.database.begin() as session:
            restore_report(session, OLD)
        site.send(OLD)
        site.archive.held.clear()

    site.archive.meanwhile = restore_and_send
    assert site.remove(OLD) == Result.UNWANTED
    assert site.line(OLD).state == DeliveryState.WAITING
    assert site.send(OLD) == Result.SENT
    assert list(site.archive.held) == ["2.25.1"]


def test_an_archive_that_does_not_answer_is_tried_again(site: Site) -> None:
    site.seal(OLD)
    site.send(OLD)
    with site.database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    site.archive.error = UnavailableError("closed")
    assert site.remove(OLD) == Result.UNAVAILABLE
    assert site.line(OLD).state == DeliveryState.RECALL
    site.archive.error = None
    assert site.remove(OLD) == Result.RECALLED


def test_removals_take_turns_with_what_is_sent(site: Site) -> None:
    paces = {"orthanc": Pace(per_minute=1)}
    site.seal(OLD)
    line, there = site.line(OLD), {"orthanc": site.archive}
    given = (site.database, site.blobs, there)
    assert deliver.send_once(*given, line.id, line.attempt, paces).result == Result.SENT
    with site.database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    line = site.line(OLD)
    paced = recall.Recaller(*given, {"orthanc": "delete"}, paces=paces)
    answer = paced.once(line.id, line.attempt)
    assert answer.result == Result.NOT_YET
    assert 50 < answer.after <= 60
    assert site.archive.held
    kept = recall.Recaller(*given, {"orthanc": "keep"}, paces=paces)
    assert kept.once(line.id, line.attempt).result == Result.RECALLED


def test_a_removal_that_the_archive_never_allows_is_in_doubt(site: Site) -> None:
    site.seal(OLD)
    site.send(OLD)
    with site.database.begin() as session:
        withdraw_report(session, OLD, "s" * 32)
    site.archive.error = DoubtedError("answered 403")
    line = site.line(OLD)
    recaller = recall.Recaller(
        site.database, site.blobs, {"orthanc": site.archive}, {"orthanc": "delete"}
    )
    first, second = (recaller.once(line.id, line.attempt) for _ in range(2))
    assert first.since
    assert first.since > second.since > "", "from the try before"


def test_what_stands_is_never_removed(site: Site) -> None:
    site.seal(OLD)
    site.send(OLD)
    assert site.remove(OLD) == Result.UNWANTED
    assert list(site.archive.held) == ["2.25.1"]
