"""Tiny DICOM objects, a site around a running Orthanc, and handlers that keep a diary."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from harness_orthanc import OrthancProcess
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from sqlalchemy import select
from sqlalchemy.orm import Session

from gransk.archive.identity import Changed
from gransk.archive.intake import Intake
from gransk.archive.orthanc import Orthanc
from gransk.archive.tables import SeenStudy
from gransk.core.study import Study
from gransk.site.config import Config
from gransk.site.database import Database, utcnow
from gransk.site.migrate import upgrade
from gransk.site.tables import Event

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.22"
DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SC = "1.2.840.10008.5.1.4.1.1.7"


@dataclass
class TinyStudy:
    """A study of small images; ``expected`` images make it complete."""

    patient_id: str = "P1"
    patient_name: str = "Test^Tiny"
    expected: int = 3
    uid: str = field(default_factory=generate_uid)
    series_uid: str = field(default_factory=generate_uid)

    def image(self, number: int, value: int = 0, cut: int = 0, **attributes: Any) -> bytes:
        """The image of a number, as a file, its last ``cut`` bytes of pixels lost."""
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SpecificCharacterSet = "ISO_IR 192"
        dataset.SOPClassUID = CT
        dataset.SOPInstanceUID = f"{self.series_uid[:58]}.{number}"
        dataset.StudyInstanceUID = self.uid
        dataset.SeriesInstanceUID = self.series_uid
        dataset.PatientID = self.patient_id
        dataset.PatientName = self.patient_name
        dataset.PatientBirthDate = "19500101"
        dataset.PatientSex = "F"
        dataset.StudyDate = "20240102"
        dataset.StudyTime = "101112"
        dataset.AccessionNumber = "A1"
        dataset.Modality = "CT"
        dataset.Manufacturer = "Maker"
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.InstanceNumber = number
        dataset.ImagePositionPatient = [0, 0, float(number)]
        dataset.ImagesInAcquisition = self.expected
        for keyword, content in attributes.items():
            setattr(dataset, keyword, content)
        if dataset.SOPClassUID in (CT, SC):
            dataset.Rows = dataset.Columns = 8
            dataset.SamplesPerPixel = 1
            dataset.PhotometricInterpretation = "MONOCHROME2"
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit = 15
            dataset.PixelRepresentation = 0
            dataset.PixelData = np.full((8, 8), value, np.uint16).tobytes()[: 128 - cut]
        return encode(dataset)

    def images(self, **attributes: Any) -> list[bytes]:
        return [self.image(number, **attributes) for number in range(1, self.expected + 1)]

    def other(self, sop_class: str, modality: str, **attributes: Any) -> bytes:
        """Another object of the study, in a series of its own."""
        number = attributes.pop("number", 1)
        return self.image(
            number,
            SOPClassUID=sop_class,
            SOPInstanceUID=generate_uid(),
            SeriesInstanceUID=generate_uid(),
            Modality=modality,
            **attributes,
        )


def encode(dataset: Dataset) -> bytes:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


@dataclass
class Diary:
    """Handlers that write down what they are told."""

    told: list[tuple[str, str]] = field(default_factory=list)
    fail_for: set[str] = field(default_factory=set)
    accepts: bool = True

    def complete(self, headers: Study) -> bool | None:
        if not self.accepts:
            return None
        expected = int(headers.instances[0].header.ImagesInAcquisition)
        return len(headers.instances) >= expected

    def submit(self, session: Session, seen: SeenStudy, headers: Study, incomplete: bool) -> None:
        if seen.patient_id in self.fail_for:
            raise RuntimeError("a fault on purpose")
        self.told.append(("incomplete" if incomplete else "submit", seen.key))

    def withdraw(self, session: Session, seen: SeenStudy) -> None:
        self.told.append(("withdraw", seen.key))

    def restore(self, session: Session, seen: SeenStudy) -> None:
        self.told.append(("restore", seen.key))

    def identified(self, session: Session, changed: Changed, said: bool) -> None:
        self.told.append(("identified", changed.seen.key))

    def absorb(self, session: Session, kept: SeenStudy, other: SeenStudy) -> bool:
        self.told.append(("absorb", other.key))
        other.orthanc_id, other.deleted_at, other.pending = "", utcnow(), False
        other.instances = 0
        return True

    @property
    def acts(self) -> list[str]:
        return [act for act, _ in self.told]


class Site:
    """Database and intake beside a running Orthanc."""

    def __init__(self, process: OrthancProcess, folder: Path, **intake: Any) -> None:
        self.process = process
        self.folder = folder
        defaults = {
            "quiet_seconds": 0,
            "incomplete_after_seconds": 60,
            "reconcile_seconds": 1e6,
            "poll_seconds": 0.2,
            "min_free_disk_mb": 1,
        }
        base = process.config
        section = base.intake.model_copy(update=defaults | intake)
        self.config: Config = base.model_copy(
            update={"intake": section, "data_folder": folder / "site"}
        )
        folder.joinpath("site").mkdir(parents=True, exist_ok=True)
        self.database = Database(f"sqlite:///{folder}/site/gransk.db")
        upgrade(self.database)
        self.diary = Diary()
        self.intake = self.restarted()

    def restarted(self) -> Intake:
        """Intake as after a restart: it knows what the database knows."""
        client = Orthanc(self.config.orthanc)
        self.intake = Intake(self.config, self.database, client, self.diary)
        return self.intake

    def send(self, *contents: bytes) -> None:
        for content in contents:
            self.process.client.store(content)

    def look(self, times: int = 1) -> list[str]:
        """Look at the archive; what was told since."""
        before = len(self.diary.told)
        for _ in range(times):
            self.intake.run_once()
        return self.diary.acts[before:]

    def rows(self) -> list[SeenStudy]:
        with self.database.read() as session:
            return list(session.scalars(select(SeenStudy).order_by(SeenStudy.first_seen_at)))

    def row(self) -> SeenStudy:
        (row,) = self.rows()
        return row

    def events(self) -> list[str]:
        with self.database.read() as session:
            return list(session.scalars(select(Event.kind).order_by(Event.number)))
