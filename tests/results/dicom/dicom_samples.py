"""A small synthetic CT with findings of known place, and tools that check objects."""

from __future__ import annotations

import copy
import datetime
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from gransk.core import codes
from gransk.core.application import Picture, Presentation
from gransk.core.codes import Code
from gransk.core.findings import (
    Finding,
    Findings,
    FrameRef,
    Mask,
    Measurement,
    ModelIdentity,
    Note,
    Quality,
    Region,
)
from gransk.core.keys import uid
from gransk.core.study import Instance, Study
from gransk.results.dicom.objects import MadeObject, make_objects

CREATED = datetime.datetime(2026, 3, 1, 23, 30, 5, tzinfo=datetime.UTC)
SLICES, ROWS, COLUMNS = 12, 64, 80
SPACING, THICKNESS = (0.75, 0.75), 1.25
TEXTURE = Code(value="129739000", scheme="SCT", meaning="Texture")
SOLID = Code(value="255277001", scheme="SCT", meaning="Solid")


def ct_headers(slices: int = SLICES) -> list[Dataset]:
    """Axial slices from feet to head."""
    headers = []
    for k in range(slices):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID = CTImageStorage
        header.SOPInstanceUID = uid("test", "image", str(k))
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.StudyInstanceUID = uid("test", "study")
        header.SeriesInstanceUID = uid("test", "series")
        header.FrameOfReferenceUID = uid("test", "frame of reference")
        header.SpecificCharacterSet = "ISO_IR 100"
        header.PatientName = "Sørensen^Åse Æble"
        header.PatientID = "010203-0004"
        header.IssuerOfPatientID = "CPR"
        header.PatientBirthDate = "20030201"
        header.PatientSex = "F"
        header.PatientAge = "023Y"
        header.PatientSize = "1.70"
        header.PatientWeight = "65.5"
        header.StudyDate, header.StudyTime = "20260301", "221500"
        header.StudyID, header.AccessionNumber = "S1", "ÆØ123"
        header.StudyDescription = "CT thorax på indikation"
        header.ReferringPhysicianName = "Læge^Bo"
        header.TimezoneOffsetFromUTC = "+0100"
        header.Modality = "CT"
        header.Manufacturer, header.SeriesNumber = "Phantom", 3
        header.SeriesDate, header.SeriesTime = "20260301", "222000"
        header.AcquisitionNumber, header.InstanceNumber = 1, k + 1
        header.AcquisitionDate = header.ContentDate = "20260301"
        header.AcquisitionTime = header.ContentTime = "222100"
        header.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        header.KVP = "120"
        header.PatientPosition = "HFS"
        header.PositionReferenceIndicator = ""
        header.ImagePositionPatient = [-30.0, -24.0, -100.0 + k * THICKNESS]
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.PixelSpacing = list(SPACING)
        header.SliceThickness = str(THICKNESS)
        header.SliceLocation = str(-100.0 + k * THICKNESS)
        header.Rows, header.Columns = ROWS, COLUMNS
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.PixelRepresentation = 1
        header.RescaleIntercept, header.RescaleSlope, header.RescaleType = "0", "1", "HU"
        private = header.private_block(0x0099, "SECRET MAKER", create=True)
        private.add_new(1, "LO", "do not copy")
        headers.append(header)
    return headers


def with_pixels(headers: list[Dataset]) -> list[Dataset]:
    """The same images with noise in them, so that each can be shown."""
    noise = np.random.default_rng(5)
    for header in headers:
        stored = noise.integers(0, 2000, (header.Rows, header.Columns)).astype(np.int16)
        header.PixelData = stored.tobytes()
        header["PixelData"].VR = "OW"
    return headers


def study_of(headers: list[Dataset]) -> Study:
    """The headers as an archive gives them: written and read again."""
    instances = []
    for header in headers:
        buffer = pydicom.filebase.DicomBytesIO()
        with pydicom.config.disable_value_validation():
            pydicom.dcmwrite(buffer, header, enforce_file_format=False)
        buffer.seek(0)
        read = pydicom.dcmread(buffer, force=True)
        instances.append(Instance(header=read, load=lambda read=read: copy.deepcopy(read)))
    return Study.from_instances(instances)


def frames_of(headers: list[Dataset]) -> tuple[FrameRef, ...]:
    return tuple(
        FrameRef(
            sop_class_uid=str(h.SOPClassUID),
            sop_instance_uid=str(h.SOPInstanceUID),
            series_instance_uid=str(h.SeriesInstanceUID),
        )
        for h in headers
    )


def ball(radius: int) -> np.ndarray:
    grid = np.indices((2 * radius + 1,) * 3) - radius
    return (grid**2).sum(axis=0) <= radius**2


def nodule(
    number: int, headers: list[Dataset], centre: tuple[int, int, int], radius: int = 4
) -> Finding:
    """A ball of voxels with its outline on the middle slice, everything measured."""
    k, j, i = centre
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    polygon = tuple(
        (float(i + 0.5 + radius * np.cos(a)), float(j + 0.5 + radius * np.sin(a))) for a in angles
    )
    small = tuple((x * 0.5 + i * 0.5, y * 0.5 + j * 0.5) for x, y in polygon)
    position = headers[k].ImagePositionPatient
    return Finding(
        tracking_uid=uid("test", "nodule", str(number)),
        tracking_id=f"Nodule {number}",
        kind=codes.NODULE,
        site=codes.LUNG,
        probability=0.875,
        malignancy=0.12 if number == 1 else None,
        centre_lps_mm=(
            float(position[0]) + i * SPACING[1],
            float(position[1]) + j * SPACING[0],
            float(position[2]),
        ),
        measurements=(
            Measurement(
                name="volume_mm3",
                concept=codes.VOLUME,
                unit=codes.MM3,
                value=188.0412345678,
                interval=(150.5, 231.25),
            ),
            Measurement(
                name="long_axis_mm",
                concept=codes.LONG_AXIS,
                unit=codes.MM,
                value=6.75,
                method="Axial plane of largest area",
            ),
        ),
        qualities=(Quality(name="texture", concept=TEXTURE, value=SOLID),),
        regions=(
            Region(sop_instance_uid=str(headers[k + 1].SOPInstanceUID), points=small),
            Region(sop_instance_uid=str(headers[k].SOPInstanceUID), points=polygon),
        ),
        mask=Mask.from_array(ball(radius), (k - radius, j - radius, i - radius)),
    )


def findings_of(headers: list[Dataset], *found: Finding, notes: tuple[Note, ...] = ()) -> Findings:
    return Findings(
        application="nodule",
        application_version="1.2.3",
        models=(ModelIdentity(id="nodule-detector", version="0.1.0", sha256="ab" * 32),),
        study_instance_uid=str(headers[0].StudyInstanceUID),
        series_instance_uids=(str(headers[0].SeriesInstanceUID),),
        frames=frames_of(headers),
        findings=found,
        notes=notes,
    )


PRESENTATION = Presentation(
    title={"en": "Lung nodules", "da": "Lungeknuder på CT"},
    texts={
        "thick": {"en": "Slices of {mm} mm.", "da": "Snit på {mm} mm – måler mindre nøjagtigt."},
        "slice": {"en": "Slice from the feet", "da": "Snit fra fødderne"},
    },
    line=lambda findings, language: str(len(findings.findings)),
    details=lambda finding, language: [
        ("Volumen" if language == "da" else "Volume", f"{finding.measured('volume_mm3'):.0f} mm³"),
        ("Længste akse" if language == "da" else "Long axis", "6.8 mm"),
    ],
    study_json=lambda findings: {},
    finding_json=lambda finding, findings: {},
    course="volume_mm3",
)


def pictures(count: int = 2) -> list[Picture]:
    y, x = np.mgrid[:120, :160]
    grey = np.clip(40 + 180 * np.exp(-((x - 80) ** 2 + (y - 60) ** 2) / 200), 0, 255)
    outline = tuple((80 + 16 * np.cos(a), 60 + 16 * np.sin(a)) for a in np.linspace(0, 6.2, 30))
    return [
        Picture(
            pixels=grey.astype(np.uint8),
            caption={"en": f"Nodule {n}, slice 7 of 12", "da": f"Knude {n}, snit 7 af 12"},
            outlines=(outline,),
            spacing_mm=0.4,
        )
        for n in range(1, count + 1)
    ]


def make(headers: list[Dataset], findings: Findings, **changes: object) -> list[MadeObject]:
    given = {
        "study": study_of(headers),
        "findings": findings,
        "presentation": PRESENTATION,
        "pictures": pictures(),
        "report_key": "cd" * 32,
        "created": CREATED,
        "version": "0.1.0",
    }
    return make_objects(**{**given, **changes})


def read(made: MadeObject) -> Dataset:
    return pydicom.dcmread(pydicom.filebase.DicomBytesIO(made.content))


def by_kind(objects: list[MadeObject], kind: str) -> MadeObject:
    return next(made for made in objects if made.kind == kind)


def tool(name: str) -> str:
    """A validator: dicom3tools from the virtual environment, dcmtk from the system."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def errors(path: Path) -> set[str]:
    """What dciodvfy calls an error in a file."""
    done = subprocess.run([tool("dciodvfy"), path], capture_output=True, check=False)
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    return {line for line in lines if line.startswith("Error")}


def real_case() -> list[Path]:
    """Files of LIDC-IDRI-0001, or a skip."""
    root = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[4] / "shared" / "data"))
    files = sorted((root / "ct" / "LIDC-IDRI-0001").glob("*.dcm"))
    if not files:
        pytest.skip(f"no real CT below {root}: set GRANSK_DATA")
    return files
