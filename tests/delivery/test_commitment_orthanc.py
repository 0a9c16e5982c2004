"""Storage commitment with Orthanc, which answers on a new association and forgets at its end."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from free_ports import free_port
from harness_orthanc import OrthancProcess, make_config
from sent_reports import SentReports
from sqlalchemy import select

from gransk.delivery import commitment
from gransk.delivery.commitment_asking import Answers, Asker
from gransk.delivery.commitment_door import CommitmentDoor
from gransk.delivery.dicom import DicomCarrier
from gransk.results.commitment_tables import Commitment, CommitmentObject, CommitmentState
from gransk.results.tables import DeliveryState, ReportObject
from gransk.site.config_commitment import CommitmentSection
from gransk.site.config_destinations import DicomDestination

KEY = "1" * 64


class Place:
    """Our site, Orthanc as its destination, and the door."""

    def __init__(self, site: SentReports, folder: Path, orthanc: Callable[..., OrthancProcess]):
        self.site = site
        port = free_port()
        self.section = CommitmentSection(port=port, answer_seconds=4, wait_seconds=3)
        config = make_config(folder)
        modality = {"AET": "GRANSK", "Host": "127.0.0.1", "Port": port}
        self.orthanc = orthanc(config, extra={
            "DicomModalities": {"gransk": modality},
            "DicomModalitiesInDatabase": False,
        })  # fmt: skip
        self.destination = DicomDestination(
            name="pacs", kind="dicom", aet=config.orthanc.aet, host="127.0.0.1",
            port=config.orthanc.dicom_port, commitment=True, timeout_seconds=5,
        )  # fmt: skip
        self.carrier = DicomCarrier(self.destination)
        site.destinations["pacs"] = self.carrier
        self.answers = Answers(site.database)
        self.door = CommitmentDoor([self.destination], self.section, self.answers)
        self.asker = Asker(site.database, self.destination, self.section, self.answers)

    def transactions(self) -> list[CommitmentState]:
        with self.site.database.read() as session:
            rows = session.scalars(select(Commitment).order_by(Commitment.asked_at))
            return [row.state for row in rows]

    def committed(self) -> list[bool]:
        return [line.committed_at is not None for line in self.site.lines(KEY)]

    def until(self, holds: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, (self.transactions(), self.site.lines(KEY))
            self.asker._next_try = 0
            self.asker.run_once()
            self.site.send(KEY)
            time.sleep(0.2)


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, orthanc: Callable[..., OrthancProcess]
) -> Iterator[Place]:
    monkeypatch.setattr(commitment, "FIRST_WAIT_SECONDS", 0.5)
    site = SentReports(tmp_path)
    place = Place(site, tmp_path, orthanc)
    yield place
    place.carrier.close()
    place.door.close()
    site.database.close()


def test_what_was_stored_is_committed(place: Place) -> None:
    place.site.seal(KEY)
    place.site.send(KEY)
    place.until(lambda: all(place.committed()))
    assert place.transactions() == [CommitmentState.ANSWERED]
    assert place.site.states(KEY) == {DeliveryState.SENT}
    assert place.site.kinds().count("object_committed") == 2


def test_what_orthanc_lost_is_sent_again_and_committed(place: Place) -> None:
    place.site.seal(KEY)
    place.site.send(KEY)
    client = place.orthanc.client
    gone = client.find_instance("2.25.10")
    assert gone is not None
    client.delete_instance(gone)
    place.until(lambda: "object_not_committed" in place.site.kinds())
    (refused,) = [line for line in place.site.lines(KEY) if line.committed_at is None]
    assert refused.sop_instance_uid == "2.25.10"
    assert refused.error == "not committed: 0112H no such object instance"
    assert sum(place.committed()) == 1
    place.until(lambda: all(place.committed()))
    there = client.find_instance("2.25.10")
    assert there is not None
    with place.site.database.read() as session:
        made = session.get_one(ReportObject, "2.25.10")
    sent, held = (
        pydicom.dcmread(io.BytesIO(content))
        for content in (place.site.blobs.get(made.sha256), client.file(there))
    )
    assert sent == held
    assert place.transactions() == [CommitmentState.ANSWERED] * 2
    assert place.site.kinds().count("object_committed") == 2


def test_orthanc_that_restarted_and_forgot_is_asked_again(place: Place) -> None:
    place.site.seal(KEY)
    place.site.send(KEY)
    place.door.close()
    place.asker.run_once()
    assert place.transactions() == [CommitmentState.ASKED]
    place.orthanc.kill()
    place.asker._next_try = 0
    place.asker.run_once()
    place.orthanc.start()
    place.door = CommitmentDoor([place.destination], place.section, place.answers)
    place.until(lambda: all(place.committed()))
    assert place.transactions() == [CommitmentState.UNANSWERED, CommitmentState.ANSWERED]
    with place.site.database.read() as session:
        objects = session.scalars(select(CommitmentObject)).all()
    assert len(objects) == 4, "each object was asked about twice, once after the other"
