"""Earlier studies in the structured report and on the summary pages."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from dicom_samples import by_kind, errors, make, pictures, read
from follow_up_samples import ADVICE, PRIORS, follow_up, prior_frame, prior_study
from pydicom import Dataset

from gransk.results.dicom.canvas import BACKGROUND
from gransk.results.dicom.read import read_report


def name(item: Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeValue


def children(item: Dataset, code: str) -> list[Dataset]:
    return [c for c in item.get("ContentSequence") or [] if name(c) == code]


def child(item: Dataset, code: str) -> Dataset:
    (found,) = children(item, code)
    return found


def value(item: Dataset) -> float:
    return float(item.MeasuredValueSequence[0].NumericValue)


@pytest.fixture
def report(headers, two_nodules):
    told = follow_up(two_nodules)
    return read(by_kind(make(headers, two_nodules, follow_up=told, text="Plain æøå."), "SR"))


def test_every_earlier_value_stands_with_its_lesion_study_and_time(report, two_nodules):
    first = two_nodules.findings[0]
    previous = children(child(report, "121068"), "125007")
    mine = [g for g in previous if first.tracking_uid == child(g, "112040").UID]
    assert [value(child(g, "118565006")) for g in mine] == [150.0, 120.0]
    assert [child(g, "compared_study").UID for g in mine] == [prior_study(0), prior_study(1)]
    assert [child(g, "C2348792").TextValue for g in mine] == [d.isoformat() for d in PRIORS]
    assert [value(child(g, "126073")) for g in mine] == [2, 1]
    assert [value(child(g, "128740")) for g in mine] == [183, 0]
    images = [child(g, "121112").ReferencedSOPSequence[0] for g in mine]
    assert [i.ReferencedSOPInstanceUID for i in images] == [
        prior_frame(n).sop_instance_uid for n in (0, 1)
    ]


def test_change_and_doubling_time_stand_with_the_finding_since_the_latest_study(
    report, two_nodules
):
    groups = children(child(report, "126010"), "125007")
    first = next(
        g for g in groups if two_nodules.findings[0].tracking_uid == child(g, "112040").UID
    )
    doubling = child(first, "vdt")
    assert value(doubling) == 560.0
    assert prior_study(0) == child(doubling, "compared_study").UID
    assert value(child(doubling, "371885007")) == pytest.approx(224.0)
    assert not children(doubling, "371886008"), "an open interval has no upper end"
    assert value(child(first, "128740")) == 366
    said = [c.ConceptCodeSequence[0].CodeValue for c in children(first, "111049")]
    assert said == ["matched", "matched"]
    second = next(
        g for g in groups if two_nodules.findings[1].tracking_uid == child(g, "112040").UID
    )
    assert [c.ConceptCodeSequence[0].CodeValue for c in children(second, "111049")] == ["new"] * 2


def test_a_resolved_lesion_stands_among_the_previous_findings_alone(report, two_nodules):
    known = {f.tracking_uid for f in two_nodules.findings}
    today = {child(g, "112040").UID for g in children(child(report, "126010"), "125007")}
    before = {child(g, "112040").UID for g in children(child(report, "121068"), "125007")}
    assert today == known
    assert len(before - known) == 1


def test_both_studies_are_referred_to(report):
    def studies(keyword):
        return {item.StudyInstanceUID for item in report.get(keyword) or []}

    assert studies("CurrentRequestedProcedureEvidenceSequence") == {report.StudyInstanceUID}
    assert studies("PertinentOtherEvidenceSequence") == {prior_study(0), prior_study(1)}


def test_advice_and_the_plain_report_are_told_in_the_language(headers, two_nodules):
    told = follow_up(two_nodules)
    made = make(headers, two_nodules, follow_up=told, text="Hele rapporten.", language="da")
    report = read(by_kind(made, "SR"))
    assert child(child(report, "121074"), "121075").TextValue == ADVICE["da"]
    assert child(child(report, "121111"), "121111").TextValue == "Hele rapporten."


def test_changes_do_not_read_back_as_sizes(headers, two_nodules):
    with_it = make(headers, two_nodules, follow_up=follow_up(two_nodules))
    back = read_report(by_kind(with_it, "SR").content)
    assert [[m.name for m in f.measurements] for f in back] == [
        [m.name for m in f.measurements] for f in two_nodules.findings
    ]


def test_validators_find_nothing_new(headers, two_nodules, tmp_path):
    plain, followed = tmp_path / "plain.dcm", tmp_path / "followed.dcm"
    plain.write_bytes(by_kind(make(headers, two_nodules), "SR").content)
    told = follow_up(two_nodules)
    followed.write_bytes(
        by_kind(make(headers, two_nodules, follow_up=told, text="x"), "SR").content
    )
    assert errors(followed) <= errors(plain)


def test_pages_show_both_sides_the_course_and_the_plain_report(headers, two_nodules):
    plain = [read(o).pixel_array for o in make(headers, two_nodules) if o.kind == "SC"]
    first = two_nodules.findings[0].tracking_uid
    sides = [dataclasses.replace(one, tracking_uid=first) for one in pictures(2)]
    made = make(
        headers,
        two_nodules,
        follow_up=follow_up(two_nodules),
        compared=sides,
        text="\n".join(f"Line {n} of the report" for n in range(40)),
    )
    pages = [read(o).pixel_array for o in made if o.kind == "SC"]
    assert len(pages) == len(plain) + 3, "one page of pictures, two of forty lines"
    spread = pages[len(plain)]
    yellow = (spread == np.array((255, 196, 0))).all(axis=-1)
    assert yellow[:, :400].any(), "the outline of the earlier side"
    assert yellow[:, 400:820].any(), "the outline of today's side"
    blue = (spread == np.array((86, 182, 214))).all(axis=-1)
    assert blue[300:, 900:].sum() > 200, "the curve"
    for page in pages[-2:]:
        assert (page != np.array(BACKGROUND)).any(axis=-1).mean() > 0.01
