"""The document: whose it is, what was found, and the same bytes each time."""

from __future__ import annotations

import datetime
import io
import logging
import time

import numpy as np
import pydicom
import pytest
from dicom_samples import by_kind, ct_headers, findings_of, make, nodule, pictures, read
from mammo_exam import drawn_exam
from pypdf import PdfReader

from gransk.core.findings import Review, ReviewState
from gransk.results.acts import Signature
from gransk.results.dicom.canvas import OUTLINE
from gransk.results.dicom.objects import Predecessor, make_objects
from mammo.pictures import pictures as mammo_pictures
from mammo.presentation import presentation

AT = datetime.datetime(2026, 3, 2, 9, 0, tzinfo=datetime.UTC)
SIGNATURE = Signature(person="Dorte Doctor", role="radiologist", at=AT)


def document(objects: list) -> PdfReader:
    dataset = read(by_kind(objects, "PDF"))
    return PdfReader(io.BytesIO(dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]))


def words(objects: list) -> str:
    return "\n".join(page.extract_text() for page in document(objects).pages)


def test_it_is_an_encapsulated_pdf_of_the_images(headers, two_nodules):
    made = read(by_kind(make(headers, two_nodules), "PDF"))
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.104.1"
    assert (made.Modality, made.MIMETypeOfEncapsulatedDocument) == ("DOC", "application/pdf")
    assert made.BurnedInAnnotation == "YES"
    assert made.VerificationFlag == "UNVERIFIED"
    assert len(made.EncapsulatedDocument) % 2 == 0
    named = {str(item.ReferencedSOPInstanceUID) for item in made.SourceInstanceSequence}
    assert named == {str(header.SOPInstanceUID) for header in headers}


@pytest.mark.parametrize("language", ["en", "da"])
def test_identity_findings_and_research_are_said(headers, two_nodules, language):
    said = words(make(headers, two_nodules, language=language))
    for part in ("Sørensen, Åse Æble", "010203-0004", "2003-02-01", "2026-03-01", "ÆØ123"):
        assert part in said, part
    assert "CT thorax på indikation" in said
    for part in ("Nodule 1", "Nodule 2", "188 mm³", "nodule-detector 0.1.0", "ab" * 32):
        assert part in said, part
    own = {
        "en": ("Research use, not a medical device.", "Page 1 of 1", "Slices of 2.5 mm."),
        "da": ("Til forskningsbrug, ikke medicinsk udstyr.", "Side 1 af 1", "Længste akse"),
    }
    for part in own[language]:
        assert part in said, part


def test_every_page_says_whose_it_is_and_its_number(headers):
    many = [nodule(n, headers, (5, 30, 40)) for n in range(1, 17)]
    pages = document(make(headers, findings_of(headers, *many), pictures=pictures(1))).pages
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        said = page.extract_text()
        assert "010203-0004" in said
        assert "Research use, not a medical device." in said
        assert f"Page {number} of {len(pages)}" in said


def test_how_the_report_stands_is_said(headers, two_nodules):
    before = Predecessor("1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4.5")
    made = make(
        headers, two_nodules, incomplete=True, predecessors=[before], signature=SIGNATURE,
        text="A plain report.\nIts second line.",
    )  # fmt: skip
    said = words(made)
    for part in (
        "The study was incomplete when it was analysed.", "Replaces an earlier report.",
        "Signed by Dorte Doctor (radiologist), 2026-03-02 10:00.", "A plain report.",
        "Its second line.",
    ):  # fmt: skip
        assert part in said, part
    assert read(by_kind(made, "PDF")).VerificationFlag == "VERIFIED"
    assert "Not signed" not in said
    assert "Not signed by a radiologist." in words(make(headers, two_nodules))


def test_a_rejected_finding_is_named_and_not_measured(headers, two_nodules):
    no = Review(state=ReviewState.REJECTED, by="Rita", at=AT, reason="vessel")
    found = two_nodules.findings
    gone = found[1].model_copy(update={"reviews": (no,), "tracking_id": "Nodule 9"})
    edited = two_nodules.model_copy(update={"findings": (found[0], gone)})
    said = words(make(headers, edited))
    assert said.count("Nodule 9") == 1
    assert "Nodule 9 was rejected by a person" in said
    assert "No findings." in words(make(headers, findings_of(headers)))


def test_pictures_bear_the_outlines(headers, two_nodules):
    images = document(make(headers, two_nodules)).pages[0].images
    assert images
    for image in images:
        near = np.abs(np.asarray(image.image.convert("RGB")).astype(int) - OUTLINE).max(axis=2) < 40
        rows, columns = np.nonzero(near)
        # The sample's circle: centre (80, 60) of 160 by 120, radius 16.
        scale = image.image.width / 160
        assert np.ptp(columns) == pytest.approx(32 * scale, abs=6)
        assert columns.mean() == pytest.approx(80 * scale, abs=4)
        assert rows.mean() == pytest.approx(60 * scale, abs=4)


def test_four_views_bear_their_marks(tmp_path):
    exam = drawn_exam(tmp_path)
    made = make_objects(
        study=exam.study,
        findings=exam.findings,
        presentation=presentation(),
        pictures=mammo_pictures(exam.study, exam.findings),
        report_key="b" * 64,
        created=AT,
    )
    images = [image.image for page in document(made).pages for image in page.images]
    marked = [
        (np.abs(np.asarray(i.convert("RGB")).astype(int) - OUTLINE).max(axis=2) < 40).sum()
        for i in images
    ]
    assert sum(count > 30 for count in marked[:4]) == 3
    assert "Mark 3" in words(made)


def test_it_is_the_same_a_day_later(headers, two_nodules, monkeypatch):
    first = by_kind(make(headers, two_nodules), "PDF").content
    monkeypatch.setattr(time, "time", lambda: 1_900_000_000.0)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1900000000")
    assert by_kind(make(headers, two_nodules), "PDF").content == first


def test_letters_that_the_font_lacks_are_not_told_to_the_log(two_nodules, caplog):
    headers = ct_headers()
    for header in headers:
        header.SpecificCharacterSet = "ISO_IR 192"
        header.PatientName, header.StudyDescription = "王^小东", "胸部 CT på æøå"
        header.ReferringPhysicianName = header.AccessionNumber = ""
    with caplog.at_level(logging.DEBUG):
        said = words(make(headers, two_nodules))
    assert "CT på æøå" in said
    assert not [record for record in caplog.records if "王" in record.getMessage()]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_what_nobody_can_read_is_left_out(two_nodules):
    headers = ct_headers()
    with pydicom.config.disable_value_validation():
        for header in headers:
            header.PatientBirthDate = "born in May"
            del header.AccessionNumber, header.StudyDescription, header.PatientName
    said = words(make(headers, two_nodules))
    assert "born in May" in said
    assert "Accession number" not in said
