"""What is observed of an analysed study, and that it is kept once."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import select
from test_programmes import image

sys.path.insert(0, str(Path(__file__).parents[1] / "reading"))

from reading_site import findings, mark

from gransk.core.application import Selection, applications
from gransk.core.study import Study
from gransk.pipeline.observing import observed
from gransk.results.blobs import BlobStore
from gransk.results.observed import Observation, observe
from gransk.results.store import seal_analysis
from gransk.site.database import Database
from gransk.site.migrate import upgrade


def seen(application: str, *headers: dict, found=None) -> dict:
    images = [image(number, **header) for number, header in enumerate(headers, 1)]
    study = Study.from_instances(images)
    chosen = Selection(study.instances)
    return observed(applications()[application], study, chosen, found or findings(3.0, mark(1)))


def test_a_ct():
    said = seen(
        "nodule",
        {"ConvolutionKernel": "Br40\\3", "SliceThickness": "1.25", "CTDIvol": 2.0,
         "Manufacturer": "Acme"},
        {"ConvolutionKernel": "Br40\\3", "SliceThickness": "1.25", "CTDIvol": 4.0,
         "Manufacturer": "Acme", "ManufacturerModelName": "One"},
    )  # fmt: skip
    assert said["kernel"] == "Br40 3"
    assert said["thickness"] == 1.25
    assert said["dose"] == 3.0
    assert said["manufacturer"] == "Acme"
    assert (said["score"], said["findings"]) == (0.9, 1.0)


def test_a_mammography():
    said = seen(
        "mammo",
        {"OrganDose": "0.012", "EntranceDoseInmGy": "4.5"},
        {"OrganDose": "0.015", "EntranceDoseInmGy": "5.5"},
    )
    assert said["dose"] == pytest.approx(2.7)
    assert said["entrance_dose"] == 10.0
    assert said["score"] == 0.2
    assert said["exam_score"] == 3.0
    assert "kernel" not in said


def test_what_cannot_be_read_is_left_out_and_no_name_is_kept():
    said = seen(
        "nodule",
        {"SliceThickness": "", "CTDIvol": None, "PatientName": "Hansen^Jens",
         "PatientID": "0101701234", "Manufacturer": "A\tB\x07"},
    )  # fmt: skip
    assert {"thickness", "dose", "kernel", "manufacturer"}.isdisjoint(said)
    assert "Hansen" not in str(said)
    assert "0101701234" not in str(said)


def test_it_is_kept_once(tmp_path):
    database = Database(f"sqlite:///{tmp_path}/gransk.db")
    upgrade(database)
    stored = BlobStore(tmp_path / "blobs").put(b"{}")
    with database.begin() as session:
        seal_analysis(session, "a" * 64, "nodule", stored, stored, 1.0)
        for score in (0.1, 0.2):
            observe(session, "s", "a" * 64, "nodule", "r", {"score": score})
    with database.read() as session:
        (row,) = session.scalars(select(Observation))
        assert (row.facts, row.unit, row.counted_at) == ({"score": 0.1}, "", None)
    database.close()
