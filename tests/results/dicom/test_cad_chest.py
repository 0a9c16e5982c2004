"""Chest CAD SR: nodules, their sizes and their earlier selves."""

from __future__ import annotations

import numpy as np
import pytest
from cad_samples import (
    below,
    cad_of,
    chest,
    headers_of,
    image_of,
    items,
    made,
    name,
    number,
    report_of,
    target,
    value,
    walk,
)
from dicom_samples import PRESENTATION, SLICES, by_kind, ct_headers, findings_of, make, nodule
from follow_up_samples import follow_up, prior_frame
from pydicom import Dataset
from template_checker import check

from gransk.core import codes
from gransk.core.cad import Cad, CadReport
from gransk.core.codes import Code
from gransk.core.errors import InvalidValueError
from gransk.core.findings import Measurement, Quality
from gransk.core.followup import Comparison, FollowUp
from gransk.core.object_kinds import ObjectKind
from gransk.core.reasons import Reason
from nodule.coding import PROPERTIES

HU = codes.HU


@pytest.fixture(scope="module")
def told() -> Dataset:
    return cad_of(report_of(*chest()))


def checked(*found, **changes: object) -> Dataset:
    study, findings = chest(*found)
    document = cad_of(report_of(study, findings, **changes))
    assert check(document, headers_of(study)) == []
    return document


def test_object_is_what_it_says(told):
    assert told.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.65"
    assert told.ContentTemplateSequence[0].TemplateIdentifier == "4100"
    assert told.SeriesDescription == "Lung nodules: CAD, research use"
    assert told.PatientName == "Sørensen^Åse Æble"
    assert check(told, headers_of(chest()[0])) == []


def test_a_nodule_is_an_opacity_on_its_largest_slice(told):
    _, findings = chest()
    (summary,) = below(told, "111017")
    marks = below(summary, "111059")
    assert len(marks) == 2
    for mark, finding in zip(marks, findings.findings, strict=True):
        assert value(mark) == "112033"
        assert value(below(mark, "112024")[0]) == "27925004"
        assert value(below(mark, "111056")[0]) == "111150"
        assert finding.tracking_uid == below(mark, "112040")[0].UID
        assert number(below(mark, "111012")[0]) == 100 * finding.probability
        (centre,), largest = below(mark, "111010"), finding.regions[1]
        assert image_of(told, centre) == largest.sop_instance_uid
        middle = np.mean(largest.points, axis=0)
        assert tuple(centre.GraphicData) == pytest.approx(tuple(middle), abs=0.01)
        assert number(below(mark, "118565006")[0]) == pytest.approx(finding.measured("volume_mm3"))
        assert number(below(mark, "103339001")[0]) == finding.measured("long_axis_mm")
        assert not below(mark, "111047")


def test_library_has_the_marked_slices_and_detection_the_series(told):
    (library,) = below(told, "111028")
    assert len(library.ContentSequence) == 2 < SLICES
    first = {name(one): one for one in library.ContentSequence[0].ContentSequence}
    assert number(first["110903"]) == -100.0 + 5 * 1.25
    assert (number(first["110910"]), number(first["110911"])) == (64, 80)
    assert "112227" not in first
    (looked,) = items(told, "111022")
    assert value(looked) == "27925004"
    (series,) = below(looked, "112002")
    assert headers_of(chest()[0])[0].SeriesInstanceUID == series.UID
    assert value(below(told, "111065")[0]) == "111225"


def test_one_number_of_each_concept_is_told():
    lesion = nodule(1, ct_headers(), (5, 30, 40))
    other = Measurement(
        name="greatest_plane_long_axis_mm", concept=codes.LONG_AXIS, unit=codes.MM, value=9.0
    )
    mean = Measurement(name="mean_hu", concept=codes.MEAN_ATTENUATION, unit=HU, value=-120.5)
    document = checked(
        lesion.model_copy(update={"measurements": (*lesion.measurements, other, mean)})
    )
    assert [number(one) for one in items(document, "103339001")] == [6.75]
    assert [number(one) for one in items(document, "112181")] == [-120.5]


def test_lobe_and_side_are_descriptors():
    qualities = tuple(
        Quality(name=key, concept=PROPERTIES[key][0], value=PROPERTIES[key][1][of])
        for key, of in (("side", "right"), ("lobe", "middle"), ("calcification", "laminated"))
    )
    lesion = nodule(1, ct_headers(), (5, 30, 40)).model_copy(update={"qualities": qualities})
    document = checked(lesion)
    assert value(items(document, "112013")[0]) == "72481006"
    assert value(items(document, "272741003")[0]) == "24028007"
    uncertain = Quality(name="lobe", concept=PROPERTIES["lobe"][0], value=codes.UNCERTAIN)
    document = checked(lesion.model_copy(update={"qualities": (uncertain,)}))
    assert not items(document, "112013")


def test_a_finding_of_another_kind_is_a_region_with_its_name():
    odd = Code(value="BULLA", scheme="99GRANSK", meaning="Bulla")
    (mark,) = items(
        checked(nodule(1, ct_headers(), (5, 30, 40)).model_copy(update={"kind": odd})), "111059"
    )
    assert value(mark) == "111099"
    assert below(mark, "111058")[0].TextValue == "Bulla"


def test_regions_without_a_mask_are_one_feature_in_space():
    lesion = nodule(1, ct_headers(), (5, 30, 40)).model_copy(update={"mask": None})
    document = checked(lesion)
    (feature,) = items(document, "111015")
    assert value(below(feature, "111016")[0]) == "111154"
    marks = below(feature, "111059")
    assert len(marks) == 2
    assert len({below(one, "112040")[0].UID for one in marks}) == 2
    assert len({image_of(document, below(one, "111010")[0]) for one in marks}) == 2


def test_a_finding_that_is_a_point_has_a_centre_alone():
    lesion = nodule(1, ct_headers(), (5, 30, 40))
    document = checked(lesion.model_copy(update={"mask": None, "regions": ()}))
    assert items(document, "111010")[0].GraphicType == "POINT"
    assert not items(document, "111041")


def test_a_nodule_with_its_earlier_selves_is_a_feature_in_time():
    study, findings = chest()
    document = cad_of(report_of(study, findings, follow_up=follow_up(findings)))
    assert check(document, headers_of(study)) == []
    (summary,) = below(document, "111017")
    (feature,) = below(summary, "111015")
    assert value(below(feature, "111016")[0]) == "111153"
    now, newer, older = below(feature, "111059")
    assert len({below(one, "112040")[0].UID for one in (feature, now, newer, older)}) == 1
    assert [value(below(one, "111056")[0]) for one in (now, newer, older)] == [
        "111150", "111151", "111151",
    ]  # fmt: skip
    assert image_of(document, below(newer, "111010")[0]) == prior_frame(0).sop_instance_uid
    differences = below(feature, "442714003")
    assert [number(one) for one in differences] == pytest.approx([38.0412, 68.0412], abs=1e-3)
    for difference, earlier in zip(differences, (newer, older), strict=True):
        here, there = (target(document, one) for one in difference.ContentSequence)
        assert here is below(now, "118565006")[0]
        assert there is below(earlier, "118565006")[0]
        assert number(difference) == pytest.approx(number(here) - number(there), abs=1e-5)
    (new,) = below(summary, "111059")
    assert findings.findings[1].tracking_uid == below(new, "112040")[0].UID
    assert value(below(document, "111065")[0]) == "111222"
    assert [value(one) for one in items(document, "111004")] == ["133886009"] * 2
    evidence = document.PertinentOtherEvidenceSequence
    uids = {
        image.ReferencedSOPInstanceUID
        for one in evidence
        for series in one.ReferencedSeriesSequence
        for image in series.ReferencedSOPSequence
    }
    assert {prior_frame(0).sop_instance_uid, prior_frame(1).sop_instance_uid} <= uids


def test_a_comparison_that_was_refused_is_a_failed_analysis():
    study, findings = chest()
    whole = follow_up(findings)
    first = whole.comparisons[0]
    refused = Comparison(
        **{
            **first.model_dump(include={"application", "application_version", "current_date"}),
            "current_study": first.current_study,
            "prior_study": first.prior_study,
            "prior_date": first.prior_date,
            "refused": Reason.PRIOR_IDENTITY_MISMATCH,
        }
    )
    for comparisons, summary, status in (
        ((refused,), "111244", "111224"),
        ((refused, whole.comparisons[1]), "111244", "111223"),
    ):
        told = cad_of(report_of(study, findings, follow_up=FollowUp(comparisons=comparisons)))
        assert check(told, headers_of(study)) == []
        assert value(below(told, "111017")[0]) == summary
        assert value(below(told, "111065")[0]) == status


def test_a_scan_without_findings_has_a_valid_report():
    headers = ct_headers()
    study, _ = chest()
    document = cad_of(report_of(study, findings_of(headers), incomplete=True, language="da"))
    assert check(document, headers) == []
    assert value(below(document, "111017")[0]) == "111241"
    assert not below(document, "111028")
    assert document.CompletionFlag == "PARTIAL"
    assert document.SeriesDescription == "Lungeknuder på CT: CAD, til forskningsbrug"
    assert value(below(document, "121049")[0]) == "da"


def test_headers_that_say_nothing_or_nonsense_leave_their_rows_out():
    headers = ct_headers()
    for header in headers:
        header.StudyTime = header.ContentDate = header.SliceThickness = ""
        header.PixelSpacing = None
    study, findings = chest()
    for instance, header in zip(study.instances, sorted(headers, key=_uid), strict=True):
        for keyword in ("StudyTime", "ContentDate", "SliceThickness", "PixelSpacing"):
            instance.header[keyword] = header[keyword]
    document = cad_of(report_of(study, findings))
    assert check(document, headers_of(study)) == []
    for code in ("111061", "111018", "112225", "111026"):
        assert not items(document, code)
    assert items(document, "110901")


def _uid(header: Dataset) -> str:
    return str(header.SOPInstanceUID)


def test_only_applications_with_a_cad_report_have_the_object():
    headers = ct_headers()
    findings = findings_of(headers, nodule(1, headers, (5, 30, 40)))
    kinds = {one.kind for one in make(headers, findings)}
    assert ObjectKind.CAD not in kinds
    study, _ = chest()
    shown = report_of(study, findings).presentation
    made_of = make(headers, findings, presentation=shown)
    assert by_kind(made_of, ObjectKind.CAD).sop_class_uid == "1.2.840.10008.5.1.4.1.1.88.65"
    assert len({one.series_instance_uid for one in made_of}) == len({o.kind for o in made_of})
    assert PRESENTATION.cad is None


def test_a_cad_report_detects_something():
    with pytest.raises(InvalidValueError):
        Cad(report=CadReport.CHEST, detects=())


def test_equal_inputs_give_equal_bytes():
    study, findings = chest()
    told = follow_up(findings)
    first, second = (made(report_of(study, findings, follow_up=told)) for _ in range(2))
    assert first.content == second.content


def test_every_word_is_of_the_tree_alone(told):
    assert not [one for one in walk(told) if "TextValue" in one and not str(one.TextValue)]
