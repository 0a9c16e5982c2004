"""The note that takes fallen objects out of sight."""

from __future__ import annotations

import datetime
import io
import subprocess
from pathlib import Path

import pydicom
import pytest
from dicom_samples import errors, make, read, tool
from pydicom import Dataset

from gransk.core.findings import Findings
from gransk.results.dicom.common import MadeObject
from gransk.results.dicom.rejection import make_rejection

AT = datetime.datetime(2026, 11, 26, 18, 30, tzinfo=datetime.UTC)


@pytest.fixture
def rejected(headers: list[Dataset], two_nodules: Findings) -> list[Dataset]:
    return [read(one) for one in make(headers, two_nodules)]


def note(rejected: list[Dataset], **changes: object) -> MadeObject:
    values = {
        "report_key": "1" * 64,
        "destination": "pacs",
        "number": 1,
        "created": AT,
        "replaced_by": "2.25.7",
    }
    return make_rejection(rejected, **(values | changes))  # type: ignore[arg-type]


def test_it_rejects_every_object_under_the_title_that_hides(rejected: list[Dataset]) -> None:
    made = read(note(rejected))
    (title,) = made.ConceptNameCodeSequence
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113039", "DCM")
    assert title.CodeMeaning == "Data Retention Policy Expired"
    named = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        for item in made.ContentSequence
        if "ReferencedSOPSequence" in item
    ]
    wanted = {one.SOPInstanceUID for one in rejected}
    assert set(named) == wanted
    assert len(named) == len(rejected)
    (study,) = made.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == rejected[0].StudyInstanceUID
    listed = {
        (series.SeriesInstanceUID, one.ReferencedSOPInstanceUID)
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }
    assert listed == {(one.SeriesInstanceUID, one.SOPInstanceUID) for one in rejected}


def test_it_is_the_same_patients_and_names_the_successor(rejected: list[Dataset]) -> None:
    made = read(note(rejected, language="da"))
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "AccessionNumber"):
        assert made[keyword].value == rejected[0][keyword].value
    (said,) = [one.TextValue for one in made.ContentSequence if "TextValue" in one
               and one.ConceptNameCodeSequence[0].CodeValue == "113012"]  # fmt: skip
    assert said.endswith(" 2.25.7")
    (alone,) = [
        one.TextValue
        for one in read(note(rejected, replaced_by="")).ContentSequence
        if "TextValue" in one and one.ConceptNameCodeSequence[0].CodeValue == "113012"
    ]
    assert alone == "Withdrawn by Gransk; no report stands in its place."


def test_its_identity_follows_from_the_report_destination_and_number(
    rejected: list[Dataset],
) -> None:
    first = note(rejected)
    assert note(rejected) == first
    others = (
        note(rejected, number=2),
        note(rejected, destination="vna"),
        note(rejected, report_key="2" * 64),
    )
    assert len({first.sop_instance_uid, *(one.sop_instance_uid for one in others)}) == 4
    assert others[0].series_instance_uid == first.series_instance_uid


def test_validators_and_dcmtk_read_it(rejected: list[Dataset], tmp_path: Path) -> None:
    path = tmp_path / "note.dcm"
    path.write_bytes(note(rejected).content)
    assert errors(path) == set()
    done = subprocess.run([tool("dsr2html"), path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"Data Retention Policy Expired" in done.stdout
    again = pydicom.dcmread(io.BytesIO(path.read_bytes()))
    assert again.file_meta.MediaStorageSOPClassUID == "1.2.840.10008.5.1.4.1.1.88.59"
