"""A site on a real port with one mammography exam in Orthanc and its results beside it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness_orthanc import OrthancProcess, make_config
from mammo_exam import MammoExam
from pydicom import dcmread
from web_server import serving
from web_site import Site, open_site

from gransk.results.blobs import BlobStore
from gransk.results.dicom.objects import MadeObject, make_objects
from gransk.results.store import NewObject
from gransk.site.tables import Role
from mammo.pictures import pictures
from mammo.presentation import presentation


class Shown:
    """Mammography as far as pages and viewer need it."""

    id = "mammo"
    presentation = presentation()


@dataclass
class Stage:
    site: Site
    exam: MammoExam
    objects: list[MadeObject]
    address: str
    key: str
    item: str


@contextmanager
def stage_of(exam: MammoExam, folder: Path) -> Iterator[Stage]:
    """Everything up and running."""
    drawn = pictures(exam.study, exam.findings)
    objects = make_objects(
        study=exam.study,
        findings=exam.findings,
        presentation=Shown.presentation,
        pictures=drawn,
        report_key="b" * 64,
        created=datetime.datetime(2026, 1, 5, 12, tzinfo=datetime.UTC),
    )
    config = make_config(folder)
    process = OrthancProcess(config, folder / "orthanc").start()
    try:
        for content in [f.read_bytes() for f in exam.files] + [o.content for o in objects]:
            process.client.store(content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("gransk.web.app.applications", lambda: {"mammo": Shown()})
            site = open_site(config)
        key, item = seed(site, exam, objects, drawn)
        with serving(site.app, config.service.port) as address:
            yield Stage(site, exam, objects, address, key, item)
        site.close()
    finally:
        process.stop()


def seed(site: Site, exam: MammoExam, objects: list[MadeObject], drawn: list) -> tuple[str, str]:
    """The study with its released results, and a radiologist; keys of study and row."""
    site.account("admin", "Anna Administrator", Role.ADMINISTRATOR)
    site.account("rasmussen", "Rikke Rasmussen", Role.RADIOLOGIST)
    head = dcmread(exam.files[0], stop_before_pixels=True)
    key = site.study(
        1,
        study_instance_uid=exam.study.uid,
        patient_name=str(head.PatientName),
        patient_id=str(head.PatientID),
        images=len(exam.files),
        pending=False,
    )
    blobs = BlobStore(site.config.blob_folder)
    new = tuple(
        NewObject(
            o.kind, o.sop_class_uid, o.sop_instance_uid, o.series_instance_uid, blobs.put(o.content)
        )
        for o in objects
    )
    item = site.sealed(key, exam.findings, objects=new, pictures=drawn, application="mammo")
    return key, item
