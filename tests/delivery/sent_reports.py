"""A database with one study and reports of real DICOM objects, and the steps of their lines."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from sqlalchemy import select

from gransk.core.object_kinds import ObjectKind
from gransk.delivery import deliver, recall
from gransk.delivery.destination import Destination
from gransk.delivery.trying import Result
from gransk.reading.release import release_report
from gransk.results.blobs import BlobStore
from gransk.results.store import NewObject, seal_analysis, seal_report
from gransk.results.tables import Delivery, DeliveryState, Workitem, WorkState
from gransk.site.config_destinations import Superseded
from gransk.site.database import Database, utcnow
from gransk.site.events import verify
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

ITEM, STUDY = "i" * 32, "s" * 32
SR = "1.2.840.10008.5.1.4.1.1.88.33"
SC = "1.2.840.10008.5.1.4.1.1.7"


def object_bytes(sop_class: str, uid: str, series: str) -> bytes:
    """A small object that archives take."""
    made = Dataset()
    made.SOPClassUID, made.SOPInstanceUID = sop_class, uid
    made.StudyInstanceUID, made.SeriesInstanceUID = "2.25.100", series
    made.PatientName, made.PatientID = "Testesen^Tove", "000001-0000"
    made.PatientBirthDate, made.PatientSex = "19511224", "F"
    made.StudyDate, made.StudyTime, made.StudyID = "20260105", "101500", "1"
    made.AccessionNumber, made.ReferringPhysicianName = "ACC1", ""
    made.Modality = "SR" if sop_class == SR else "OT"
    if sop_class == SC:
        made.Rows = made.Columns = 2
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = 8
        made.HighBit, made.PixelRepresentation = 7, 0
        made.PixelData = b"\0\1\2\3"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()


class SentReports:
    """One site; ``destinations`` are where its lines go."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.database = Database(url or f"sqlite:///{folder}/gransk.db")
        self.blobs = BlobStore(folder / "blobs")
        self.destinations: dict[str, Destination] = {}
        upgrade(self.database)
        with self.database.begin() as session:
            item = Workitem(
                id=ITEM, study_key=STUDY, application="x", state=WorkState.READY,
                reason=None, detail="", step="", share=1.0, priority=0, incomplete=False,
                fingerprint="f", generation=0, attempt=0, deaths=0, analysis_key=None,
                report_key=None, settings_version=1, created_at=utcnow(), images_at=utcnow(),
                started_at=None, finished_at=None,
            )  # fmt: skip
            session.add(item)
            session.flush()
            seal_analysis(session, "a" * 64, "x", self.blobs.put(b"{}"), self.blobs.put(b"p"), 1.0)

    def seal(self, key: str, kinds: Sequence[str] = (SR, SC)) -> None:
        """A report, sealed and released to every destination."""
        made = []
        for number, sop_class in enumerate(kinds):
            uid, series = f"2.25.{key[0]}{number}", f"2.25.9{key[0]}{number}"
            stored = self.blobs.put(object_bytes(sop_class, uid, series))
            kind = "SR" if sop_class == SR else "SC"
            made.append(NewObject(kind, sop_class, uid, series, stored))
        with self.database.begin() as session:
            item = session.get_one(Workitem, ITEM)
            seal_report(session, item, key, "a" * 64, utcnow(), made)
            wanted = dict.fromkeys(self.destinations, tuple(ObjectKind))
            assert release_report(session, key, "policy:at_once", lambda *_: wanted)

    def lines(self, key: str) -> list[Delivery]:
        with self.database.read() as session:
            query = select(Delivery).where(Delivery.report_key == key)
            return list(session.scalars(query.order_by(Delivery.destination, Delivery.id)))

    def states(self, key: str) -> set[DeliveryState]:
        return {line.state for line in self.lines(key)}

    def send(self, key: str) -> list[Result]:
        """Try once to send what waits of a report."""
        return [
            deliver.send_once(self.database, self.blobs, self.destinations, one.id, one.attempt)[0]
            for one in self.lines(key)
            if one.state == DeliveryState.WAITING
        ]

    def recaller(self, policy: Superseded) -> recall.Recaller:
        policies = dict.fromkeys(self.destinations, policy)
        return recall.Recaller(self.database, self.blobs, self.destinations, policies)

    def recall(self, policy: Superseded) -> list[Result]:
        """Deal once with every line that may be dealt with."""
        with self.database.read() as session:
            rows = [row.arguments for row in recall.open_rows(session)]
        return [self.recaller(policy).once(str(one), int(attempt))[0] for one, attempt in rows]

    def kinds(self) -> list[str]:
        """Kinds of the events, in order; the chain is whole."""
        with self.database.read() as session:
            assert verify(session) is None
            return list(session.scalars(select(Event.kind).order_by(Event.number)))
