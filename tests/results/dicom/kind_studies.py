"""Studies that every kind of object is checked on: their images as files, and their objects."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from dicom_samples import ct_headers, findings_of, frames_of, make, nodule, with_pixels
from follow_up_samples import follow_up
from mammo_exam import drawn_exam
from pydicom import Dataset

from gransk.core.findings import Region
from gransk.results.acts import Signature
from gransk.results.dicom.objects import MadeObject, Predecessor, make_objects
from mammo.pictures import pictures as mammo_pictures
from mammo.presentation import presentation

DATA = Path(os.environ.get("GRANSK_DATA", Path(__file__).parents[4] / "shared" / "data"))
AT = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
SIGNATURE = Signature(person="Dorte Doctor", role="radiologist", at=AT)
BEFORE = Predecessor("1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4.5")


@dataclass(frozen=True)
class Case:
    """Images as files, the header that objects copy from, and the objects."""

    files: list[Path]
    header: Dataset
    objects: list[MadeObject]


def _written(folder: Path, headers: list[Dataset]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"image{n}.dcm" for n in range(len(headers))]
    for path, header in zip(paths, headers, strict=True):
        pydicom.dcmwrite(path, header, enforce_file_format=True)
    return paths


def _ct(folder: Path, count: int, **changes: object) -> Case:
    headers = with_pixels(ct_headers())
    for header in headers:
        header.WindowCenter, header.WindowWidth = "-600", "1500"
    found = [nodule(1, headers, (5, 30, 40)), nodule(2, headers, (6, 20, 20), radius=3)][:count]
    findings = findings_of(headers, *found)
    if "follow_up" in changes:
        changes = {**changes, "follow_up": follow_up(findings)}
    return Case(_written(folder, headers), headers[0], make(headers, findings, **changes))


def plain(folder: Path) -> Case:
    """Two nodules."""
    return _ct(folder, 2)


def nothing(folder: Path) -> Case:
    """No finding, in Danish."""
    return _ct(folder, 0, language="da")


def signed(folder: Path) -> Case:
    """Everything that a report can say beside its findings."""
    return _ct(
        folder, 2, language="da", incomplete=True, predecessors=[BEFORE], signature=SIGNATURE,
        follow_up=True, text="Æn knude.\nKontrol om 3 måneder.",
    )  # fmt: skip


def mammograms(folder: Path) -> Case:
    """Four views, drawn."""
    exam = drawn_exam(folder)
    objects = make_objects(
        study=exam.study,
        findings=exam.findings,
        presentation=presentation(),
        pictures=mammo_pictures(exam.study, exam.findings),
        report_key="b" * 64,
        created=AT,
        language="da",
    )
    return Case(list(exam.files), exam.study.instances[0].header, objects)


def _real_ct(patient: str) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        files = sorted((DATA / "ct" / patient).glob("*.dcm"))
        if not files:
            pytest.skip(f"{patient} is not in GRANSK_DATA")
        headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
        pairs = sorted(zip(headers, files, strict=True), key=lambda p: p[0].ImagePositionPatient[2])
        headers = [header for header, _ in pairs]
        findings = findings_of(headers, nodule(1, headers, (60, 300, 150), radius=6))
        return Case([file for _, file in pairs], headers[0], make(headers, findings))

    return case


def _real_mammogram(name: str, label: str) -> Callable[[Path], Case]:
    def case(folder: Path) -> Case:
        file = DATA / "mg" / name
        if not file.is_file():
            pytest.skip(f"{name} is not in GRANSK_DATA")
        header = pydicom.dcmread(file, stop_before_pixels=True)
        drawn = drawn_exam(folder).findings
        region = Region(
            sop_instance_uid=str(header.SOPInstanceUID),
            points=((300, 300), (380, 300), (380, 390), (300, 390)),
        )
        mark = drawn.findings[0].model_copy(update={"regions": (region,), "lesion_uid": ""})
        (frame,) = frames_of([header])
        findings = drawn.model_copy(
            update={
                "study_instance_uid": str(header.StudyInstanceUID),
                "series_instance_uids": (str(header.SeriesInstanceUID),),
                "frames": (frame.model_copy(update={"label": label}),),
                "findings": (mark,),
            }
        )
        return Case([file], header, make([header], findings, presentation=presentation()))

    return case


SHORT = {f.__name__: f for f in (plain, nothing, signed, mammograms)}
REAL = {
    "ge": _real_mammogram("ge_senographe_essential_r_mlo.dcm", "R MLO"),
    "siemens": _real_mammogram("siemens_inspiration_l_cc_cropped.dcm", "L CC"),
    **{
        f"lidc-{number}": _real_ct(f"LIDC-IDRI-{number}")
        for number in ("0001", "0003", "0063", "0181")
    },
}
STUDIES = [
    *(pytest.param(made, id=name) for name, made in SHORT.items()),
    *(pytest.param(made, id=name, marks=pytest.mark.full) for name, made in REAL.items()),
]
