"""What people said of findings, in the objects and back."""

from __future__ import annotations

import datetime
import subprocess

import numpy as np
import pytest
from dicom_samples import (
    PRESENTATION,
    SOLID,
    by_kind,
    errors,
    findings_of,
    make,
    nodule,
    pictures,
    read,
    tool,
)
from pydicom import Dataset

from gransk.core.codes import Code
from gransk.core.findings import Change, Finding, Findings, Review, ReviewState
from gransk.results.dicom.read import read_report
from gransk.results.dicom.reviews import person_name
from gransk.results.edits import Signature

AT = datetime.datetime(2026, 3, 2, 8, 15, 30, 250000, tzinfo=datetime.UTC)
GROUND_GLASS = Code(value="GG", scheme="99TEST", meaning="Ground glass")
CHANGE = Change(name="texture", before=SOLID, after=GROUND_GLASS)
CONFIRMED = Review(state=ReviewState.CONFIRMED, by="Rita Røntgen", at=AT, role="radiographer")
RELABELLED = Review(
    state=ReviewState.RELABELLED,
    by="Dorte Doctor",
    at=AT + datetime.timedelta(minutes=4),
    role="radiologist",
    changes=(CHANGE, Change(name="fat", after=GROUND_GLASS)),
)
REJECTED = Review(
    state=ReviewState.REJECTED,
    by="Rita Røntgen",
    at=AT,
    role="radiographer",
    reason="vessel",
    text="branches",
)
ADDED = Review(state=ReviewState.ADDED, by="Rita Røntgen", at=AT, role="radiographer")
SIGNATURE = Signature(person="Dorte Doctor", role="radiologist", at=AT)
SOLID_THEN = PRESENTATION.__class__(
    **{
        **PRESENTATION.__dict__,
        "texts": {
            **PRESENTATION.texts,
            "texture": {"en": "Texture", "da": "Tekstur"},
            "texture_solid": {"en": "solid", "da": "solid"},
        },
        "codes": {"texture": {"solid": SOLID}},
    }
)


def reviewed(finding: Finding, *reviews: Review, **values: object) -> Finding:
    return finding.model_copy(update={"reviews": reviews, **values})


@pytest.fixture
def case(headers) -> Findings:
    """One confirmed and relabelled, one rejected, one added."""
    return findings_of(
        headers,
        reviewed(nodule(1, headers, (5, 30, 40)), CONFIRMED, RELABELLED),
        reviewed(nodule(2, headers, (6, 20, 20), radius=3), REJECTED),
        reviewed(nodule(3, headers, (4, 44, 60), radius=2), ADDED, origin="person"),
    )


def named(item: Dataset, code: str) -> list[Dataset]:
    return [c for c in item.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == code]


def comments(report: Dataset) -> list[str]:
    return [c.TextValue for c in named(report, "C0034375")[0].ContentSequence]


def test_reviews_rejected_and_added_findings_read_back(headers, case):
    back = read_report(by_kind(make(headers, case), "SR").content)
    assert [f.tracking_uid for f in back] == [case.findings[n].tracking_uid for n in (0, 2, 1)]
    one, added, rejected = back
    assert one.reviews == (CONFIRMED, RELABELLED)
    assert one.probability == 0.875
    assert added.reviews == (ADDED,)
    assert added.origin == "person"
    assert rejected.reviews == (REJECTED,)
    assert rejected.rejected
    assert rejected.regions
    assert rejected.centre_lps_mm == case.findings[1].centre_lps_mm
    assert rejected.measured("volume_mm3") == case.findings[1].measured("volume_mm3")


def test_rejected_findings_stay_but_are_drawn_nowhere(headers, case):
    made = make(headers, case, pictures=[])
    report = read(by_kind(made, "SR"))
    groups = named(named(report, "126010")[0], "125007")
    drawn = [named(group, "112040")[0].UID for group in groups]
    assert drawn == [case.findings[0].tracking_uid, case.findings[2].tracking_uid]
    (container,) = named(report, "rejected_marks")
    (kept,) = container.ContentSequence
    assert case.findings[1].tracking_uid == named(kept, "112040")[0].UID
    assert "ContentTemplateSequence" not in kept
    assert kept.ConceptNameCodeSequence[0].CodeValue == "rejected_mark"
    segments = read(by_kind(made, "SEG")).SegmentSequence
    assert [s.TrackingUID for s in segments] == drawn


def test_a_report_with_rejected_findings_alone_is_text(headers, case):
    alone = case.model_copy(update={"findings": case.findings[1:2]})
    made = make(headers, alone)
    assert not {"SEG", "PR", "KO"} & {one.kind for one in made}
    report = read(made[0])
    assert report.ConceptNameCodeSequence[0].CodeValue == "no_findings"
    assert named(report, "126010") == []
    assert "No findings." in comments(report)
    (back,) = read_report(made[0].content)
    assert back.rejected


def test_pictures_of_rejected_findings_are_on_no_page(headers, case, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "gransk.results.dicom.page._draw_page",
        lambda report, page, notes, number: (
            drawn.append(page) or np.zeros((1200, 1600, 3), np.uint8)
        ),
    )
    one, two = pictures(2)
    named_of = [
        one.__class__(**{**picture.__dict__, "tracking_uid": finding.tracking_uid})
        for picture, finding in zip((one, two), case.findings[:2], strict=True)
    ]
    make(headers, case, pictures=named_of)
    (page,) = drawn
    assert [card.heading for card in page.cards] == ["Nodule 1", "Nodule 3"]
    assert [len(card.pictures) for card in page.cards] == [1, 0]
    assert len(page.pictures) == 1
    assert page.cards[1].score == "Added by Rita Røntgen"


def test_what_a_person_added_has_no_score_of_a_model(headers, case):
    report = read(by_kind(make(headers, case), "SR"))
    detected, added = named(named(report, "126010")[0], "125007")
    assert named(detected, "111012")
    assert named(added, "111012") == []


def test_an_unsigned_report_is_preliminary_and_says_so(headers, case):
    report = read(by_kind(make(headers, case), "SR"))
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY")
    said = comments(report)
    assert "Not signed by a radiologist." in said
    assert "Reviewed by Rita Røntgen (radiographer), Dorte Doctor (radiologist)." in said
    assert "Nodule 2 was rejected by a person; it stays in the record." in said


def test_nothing_is_said_of_people_where_nobody_acted(headers, two_nodules):
    said = comments(read(by_kind(make(headers, two_nodules), "SR")))
    assert not any("signed" in line or "Reviewed" in line for line in said)


@pytest.mark.parametrize(
    ("given", "institution", "written"),
    [("Rigets Hospital", "Elsewhere", "Rigets Hospital"), ("", "Elsewhere", "Elsewhere"),
     ("", None, "Gransk")],
)  # fmt: skip
def test_a_signed_report_is_verified_by_its_signer(headers, case, given, institution, written):
    for header in headers:
        if institution:
            header.InstitutionName = institution
    made = by_kind(make(headers, case, signature=SIGNATURE, organization=given), "SR")
    report = read(made)
    assert (report.VerificationFlag, report.PreliminaryFlag) == ("VERIFIED", "FINAL")
    assert report.CompletionFlag == "COMPLETE"
    (observer,) = report.VerifyingObserverSequence
    assert observer.VerifyingObserverName == "Dorte Doctor"
    assert observer.VerifyingOrganization == written
    assert observer.VerificationDateTime == "20260302091530.250000+0100"
    kinds = [c.ConceptCodeSequence[0].CodeMeaning for c in named(report, "121005")]
    assert kinds == ["Device", "Person"]
    assert named(report, "121008")[0].PersonName == "Dorte Doctor"
    assert named(report, "121009")[0].TextValue == written
    assert "Signed by Dorte Doctor (radiologist), 2026-03-02 09:15." in comments(report)
    again = by_kind(make(headers, case, signature=SIGNATURE, organization=given), "SR")
    assert again.content == made.content


def test_sentences_in_danish_with_the_applications_words(headers, case):
    made = make(headers, case, language="da", signature=SIGNATURE, presentation=SOLID_THEN)
    said = comments(read(by_kind(made, "SR")))
    assert "Underskrevet af Dorte Doctor (radiolog), 2026-03-02 09:15." in said
    assert "Nodule 1: Tekstur ændret fra solid til Ground glass af Dorte Doctor." in said
    assert "Nodule 1: fat ændret fra ikke angivet til Ground glass af Dorte Doctor." in said
    assert "Gennemgået af Rita Røntgen (radiograf), Dorte Doctor (radiolog)." in said


def test_an_instant_keeps_where_the_offset_is_zero(headers, case, tmp_path):
    for header in headers:
        header.TimezoneOffsetFromUTC = "+0000"
    made = by_kind(make(headers, case), "SR")
    assert read_report(made.content)[0].reviews[0].at == AT
    (tmp_path / "sr.dcm").write_bytes(made.content)
    done = subprocess.run([tool("dsrdump"), tmp_path / "sr.dcm"], capture_output=True, check=False)
    assert done.returncode == 0


def test_validators_find_no_fault(headers, case, tmp_path):
    for number, values in enumerate(({}, {"signature": SIGNATURE})):
        for findings in (case, case.model_copy(update={"findings": case.findings[1:2]})):
            made = by_kind(make(headers, findings, **values), "SR")
            path = tmp_path / f"{number}{len(findings.findings)}.dcm"
            path.write_bytes(made.content)
            assert errors(path) == set()
            done = subprocess.run([tool("dsrdump"), path], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
            assert b"Finding rejected by a person" in done.stdout


@pytest.mark.parametrize(
    ("name", "written"),
    [("Rita Røntgen", "Rita Røntgen"), ("a^b=c\\d", "a b c d"), ("x" * 99, "x" * 64)],
)
def test_person_name_is_one_component(name, written):
    assert person_name(name) == written
