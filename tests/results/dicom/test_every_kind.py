"""Every kind of object over the test studies: valid, and of its source."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path

import pytest
from dicom_samples import errors, read, tool
from follow_up_samples import prior_frame
from kind_studies import BEFORE, STUDIES, Case, mammograms, plain, signed
from pydicom import dcmread

from gransk.core.identity import COPIED, EMPTY_IF_ABSENT
from gransk.core.object_kinds import ObjectKind

ELSEWHERE = (prior_frame(0).sop_instance_uid, prior_frame(1).sop_instance_uid,
             BEFORE.sop_instance_uid)  # fmt: skip
"""What reports refer to in other studies."""
DOCUMENTS = frozenset({ObjectKind.SR, ObjectKind.CAD, ObjectKind.KO})
"""Kinds that have a content tree."""


@pytest.fixture(params=STUDIES)
def case(request, tmp_path) -> Case:
    return request.param(tmp_path / "study")


def written(case: Case, folder: Path) -> list[Path]:
    paths = []
    for number, made in enumerate(case.objects):
        paths.append(folder / f"{number}-{made.kind}.dcm")
        paths[-1].write_bytes(made.content)
    return paths


def complaints(paths: list[Path]) -> set[str]:
    done = subprocess.run([tool("dcentvfy"), *paths], capture_output=True, check=False)
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    # The tool counts Accession Number to the series where a request may repeat it; Referenced
    # Patient Sequence points at a retired SOP class, and is left to the images.
    known = ("Different information entities", "<ReferencedPatientSequence>", *map(str, ELSEWHERE))
    return {line for line in lines if not any(part in line for part in known)}


def test_no_error_that_the_source_lacks(case, tmp_path):
    source = set().union(*(errors(file) for file in case.files[:4]))
    paths = written(case, tmp_path)
    for path in paths:
        assert errors(path) <= source, path.name
    assert complaints([*case.files, *paths]) <= complaints(case.files)


def test_dcmtk_makes_a_page_of_every_document(case, tmp_path):
    seen = set()
    for path in written(case, tmp_path):
        kind = ObjectKind(path.stem.split("-")[1])
        if kind in DOCUMENTS:
            page = tmp_path / "page.html"
            done = subprocess.run([tool("dsr2html"), path, page], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            told = [line for line in done.stderr.splitlines() if line.startswith((b"E:", b"F:"))]
            if case.header.get("PatientBirthDate") == "00000000":
                # As the source has it: one complaint of five lines.
                assert len(told) <= 5
                told = [line for line in told if b"Affected" in line and b"BirthDate" not in line]
            assert told == [], path.name
            assert b"Gransk" in page.read_bytes()
            seen.add(kind)
        if kind is ObjectKind.PR:
            done = subprocess.run([tool("dcmpschk"), path], capture_output=True, check=False)
            told = [line for line in done.stderr.splitlines() if b"Test" not in line]
            if case.header.get("PatientBirthDate") == "00000000":
                assert len(told) <= 5
                told = [line for line in told if b"Affected" in line and b"BirthDate" not in line]
            unnamed = not str(case.header.get("PatientName", ""))
            absent = b"W: patientName absent or empty in presentation state"
            assert set(told) <= ({absent} if unnamed else set())
    assert ObjectKind.SR in seen


def test_patient_and_study_are_the_source(case):
    source = copy.deepcopy(case.header)
    source.remove_private_tags()
    for made in case.objects:
        dataset = read(made)
        for keyword in COPIED:
            if keyword in source and (keyword in dataset or keyword in EMPTY_IF_ABSENT):
                assert dataset[keyword].value == source[keyword].value, (made.kind, keyword)
            elif keyword in source:
                assert keyword in dataset, (made.kind, keyword)
            elif keyword in EMPTY_IF_ABSENT:
                assert dataset[keyword].is_empty, (made.kind, keyword)
            else:
                assert keyword not in dataset, (made.kind, keyword)


def test_the_studies_cover_every_kind(tmp_path):
    made = [one.kind for study in (plain, signed, mammograms) for one in study(tmp_path).objects]
    assert set(made) >= set(ObjectKind)
    assert all(isinstance(kind, ObjectKind) for kind in made)


def test_only_images_are_shown_as_pixels(tmp_path):
    for one in plain(tmp_path).objects:
        dataset = dcmread(_file(tmp_path, one.content))
        assert ("PixelData" in dataset) == (one.kind in (ObjectKind.SC, ObjectKind.SEG)), one.kind


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "one.dcm"
    path.write_bytes(content)
    return path
