"""The structured report, as OHIF, Stone, dcmtk and we ourselves read it."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from dicom_samples import (
    SPACING,
    by_kind,
    ct_headers,
    errors,
    findings_of,
    make,
    nodule,
    read,
    tool,
)
from highdicom.sr import ComprehensiveSR
from pydicom import Dataset

from gransk.core import codes
from gransk.core.errors import InvalidValueError, UnreadableInputError
from gransk.core.findings import FrameRef, Mask, Region
from gransk.core.volume import Geometry, Volume
from gransk.results.dicom.objects import Predecessor
from gransk.results.dicom.read import read_report
from gransk.results.dicom.texts import TEXTS
from nodule.coding import measurements, qualities
from nodule.measurement import measure
from nodule.morphology import MorphologyReading
from nodule.uncertainty import ErrorModel


def name(item: Dataset) -> str:
    return item.ConceptNameCodeSequence[0].CodeValue


def child(item: Dataset, code: str) -> Dataset:
    return next(c for c in item.ContentSequence if name(c) == code)


def groups(report: Dataset) -> list[Dataset]:
    return [c for c in child(report, "126010").get("ContentSequence", []) if name(c) == "125007"]


def comments(report: Dataset) -> list[str]:
    return [c.TextValue for c in child(report, "C0034375").ContentSequence]


def test_report_reads_back_to_the_same_findings(headers, two_nodules):
    made = by_kind(make(headers, two_nodules), "SR")
    back = read_report(made.content)
    assert len(back) == 2
    for found, original in zip(back, two_nodules.findings, strict=True):
        largest = original.regions[1]
        assert found.model_dump(exclude={"measurements", "regions", "mask"}) == (
            original.model_dump(exclude={"measurements", "regions", "mask"})
        )
        for was, given in zip(found.measurements, original.measurements, strict=True):
            assert was.model_dump(exclude={"interval"}) == given.model_dump(exclude={"interval"})
            assert was.interval == (given.interval and pytest.approx(given.interval))
        assert [r.sop_instance_uid for r in found.regions] == [largest.sop_instance_uid]
        for point, drawn in zip(largest.points, found.regions[0].points, strict=True):
            assert drawn == pytest.approx(point, abs=1e-4)


def test_what_ohif_and_stone_need_is_there(headers, two_nodules):
    report = read(by_kind(make(headers, two_nodules), "SR"))
    assert report.SOPClassUID == "1.2.840.10008.5.1.4.1.1.88.33"
    assert name(report) == "126000"
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    library = child(child(report, "111028"), "126200")
    listed = [c.ReferencedSOPSequence[0] for c in library.ContentSequence if c.ValueType == "IMAGE"]
    assert {i.ReferencedSOPInstanceUID for i in listed} == {h.SOPInstanceUID for h in headers}
    found = groups(report)
    assert len({child(g, "112040").UID for g in found}) == len(found) == 2
    for group in found:
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1410"
        regions = [c for c in group.ContentSequence if c.ValueType == "SCOORD"]
        first_uid = next(c for c in group.ContentSequence if c.ValueType == "UIDREF")
        assert name(first_uid) == "112040"
        assert len(regions) == 1
        assert regions[0].GraphicType == "POLYLINE"
        assert list(regions[0].GraphicData[:2]) == list(regions[0].GraphicData[-2:])
        assert len(regions[0].ContentSequence) == 1
        assert name(regions[0].ContentSequence[0]) == "111040"


def test_algorithm_device_and_probability(headers, two_nodules):
    report = read(by_kind(make(headers, two_nodules), "SR"))
    group = groups(report)[0]
    assert child(group, "111001").TextValue == "Gransk nodule"
    assert child(group, "111003").TextValue == "1.2.3"
    assert "ab" * 32 in child(group, "111002").TextValue
    assert float(child(group, "111012").MeasuredValueSequence[0].NumericValue) == 87.5
    certainty = child(group, "111012").MeasuredValueSequence[0]
    assert certainty.MeasurementUnitsCodeSequence[0].CodeValue == "%"
    assert child(report, "121005").ConceptCodeSequence[0].CodeMeaning == "Device"
    assert read_device(ct_headers()) == child(report, "121012").UID
    assert report.Manufacturer == "Gransk"
    assert list(report.SoftwareVersions)[:2] == ["gransk 0.1.0", "nodule 1.2.3"]


@pytest.mark.parametrize(
    ("concept", "value", "unit"), [(codes.PROBABILITY, 12.0, "%"), (codes.SUSPICION, 0.12, "1")]
)
def test_malignancy_is_called_what_it_is(headers, concept, value, unit):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(update={"malignancy_concept": concept})
    made = by_kind(make(headers, findings_of(headers, lesion)), "SR")
    item = child(groups(read(made))[0], concept.value)
    assert item.ConceptNameCodeSequence[0].CodingSchemeDesignator == concept.scheme
    measured = item.MeasuredValueSequence[0]
    assert float(measured.NumericValue) == value
    assert measured.MeasurementUnitsCodeSequence[0].CodeValue == unit
    (back,) = read_report(made.content)
    assert (back.malignancy, back.malignancy_concept) == (0.12, concept)


def test_report_says_what_the_models_numbers_are_not(headers):
    lesion = nodule(1, headers, (5, 30, 40))
    rated = lesion.model_copy(update={"malignancy_concept": codes.SUSPICION})
    for finding, both in ((lesion, False), (rated, True)):
        made = by_kind(make(headers, findings_of(headers, finding), language="da"), "SR")
        said = comments(read(made))
        assert TEXTS["score_text"]["da"] in said
        assert (TEXTS["suspicion_text"]["da"] in said) is both


def read_device(headers: list[Dataset]) -> str:
    """The device of another report of another day: the same device."""
    other = make(headers, findings_of(headers), report_key="ef" * 32)
    return child(read(by_kind(other, "SR")), "121012").UID


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "Research use, not a medical device."),
        ("da", "Til forskningsbrug, ikke medicinsk udstyr."),
    ],
)
def test_report_says_that_it_is_research_in_its_language(headers, two_nodules, language, words):
    report = read(by_kind(make(headers, two_nodules, language=language), "SR"))
    assert comments(report)[0] == words
    assert child(report, "121049").ConceptCodeSequence[0].CodeValue == language


def test_danish_note_keeps_its_letters(headers, two_nodules):
    report = read(by_kind(make(headers, two_nodules, language="da"), "SR"))
    assert "Snit på 2.5 mm - måler mindre nøjagtigt." in comments(report)


def test_report_without_findings_is_text_alone(headers, tmp_path):
    objects = make(headers, findings_of(headers), language="da")
    made = by_kind(objects, "SR")
    report = read(made)
    assert name(report) != "126000"
    assert {c.ValueType for c in report.ContentSequence} <= {"CODE", "TEXT", "UIDREF", "CONTAINER"}
    assert comments(report)[1:] == [
        "Ingen fund.",
        f"12 billeder, Gransk nodule 1.2.3; nodule-detector 0.1.0 sha256={'ab' * 32}",
    ]
    evidence = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert len(evidence.ReferencedSOPSequence) == len(headers)
    assert read_report(made.content) == []
    assert not {"SEG", "PR", "KO"} & {m.kind for m in objects}
    path = tmp_path / "report.dcm"
    path.write_bytes(made.content)
    assert errors(path) == set()
    dump = subprocess.run([tool("dsrdump"), path], capture_output=True, check=False)
    assert dump.returncode == 0


def test_incomplete_study_is_a_partial_report(headers, two_nodules):
    whole = read(by_kind(make(headers, two_nodules), "SR"))
    part = read(by_kind(make(headers, two_nodules, incomplete=True), "SR"))
    assert (whole.CompletionFlag, part.CompletionFlag) == ("COMPLETE", "PARTIAL")
    assert "incomplete" in " ".join(comments(part))
    assert "incomplete" not in " ".join(comments(whole))
    assert part.VerificationFlag == "UNVERIFIED"
    assert part.PreliminaryFlag == "PRELIMINARY"


def test_predecessor_is_named(headers, two_nodules):
    before = Predecessor("1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.3.4.5")
    report = read(by_kind(make(headers, two_nodules, predecessors=[before]), "SR"))
    study = report.PredecessorDocumentsSequence[0]
    instance = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert (study.StudyInstanceUID, instance.ReferencedSOPInstanceUID) == ("1.2.3", "1.2.3.4.5")


def test_finding_seen_on_two_images_has_an_identity_for_each(headers):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(
        update={"mask": None, "centre_lps_mm": None}
    )
    made = by_kind(make(headers, findings_of(headers, lesion)), "SR")
    found = groups(read(made))
    assert len(found) == 2
    assert len({child(g, "112040").UID for g in found}) == 2
    assert lesion.tracking_uid == child(found[0], "112040").UID
    back = read_report(made.content)
    assert len(back) == 1
    assert {r.sop_instance_uid for r in back[0].regions} == {
        r.sop_instance_uid for r in lesion.regions
    }


def test_mask_without_polygon_is_outlined_where_it_is_largest(headers):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(update={"regions": ()})
    back = read_report(by_kind(make(headers, findings_of(headers, lesion)), "SR").content)[0]
    assert back.regions[0].sop_instance_uid == headers[5].SOPInstanceUID
    columns = [x for x, _ in back.regions[0].points]
    rows = [y for _, y in back.regions[0].points]
    assert (min(columns), max(columns)) == pytest.approx((40.5 - 4.5, 40.5 + 4.5))
    assert (min(rows), max(rows)) == pytest.approx((30.5 - 4.5, 30.5 + 4.5))


def test_centre_alone_is_a_point_on_the_nearest_image(headers):
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(update={"regions": (), "mask": None})
    report = read(by_kind(make(headers, findings_of(headers, lesion)), "SR"))
    region = child(groups(report)[0], "111030")
    image = region.ContentSequence[0].ReferencedSOPSequence[0]
    assert region.GraphicType == "POINT"
    assert list(region.GraphicData) == pytest.approx([40.5, 30.5])
    assert image.ReferencedSOPInstanceUID == headers[5].SOPInstanceUID
    assert SPACING[0] == SPACING[1]


def test_finding_without_a_place_is_the_whole_first_image(headers):
    finding = nodule(1, headers, (5, 30, 40)).model_copy(
        update={"regions": (), "mask": None, "centre_lps_mm": None}
    )
    back = read_report(by_kind(make(headers, findings_of(headers, finding)), "SR").content)[0]
    assert back.regions[0].points == ((0.0, 0.0), (80.0, 0.0), (80.0, 64.0), (0.0, 64.0))


def test_frame_of_a_multiframe_image_is_named(headers):
    header = headers[0]
    header.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    frames = tuple(
        FrameRef(
            sop_class_uid=str(header.SOPClassUID),
            sop_instance_uid=str(header.SOPInstanceUID),
            series_instance_uid=str(header.SeriesInstanceUID),
            frame=n,
        )
        for n in (1, 2, 3)
    )
    region = Region(
        sop_instance_uid=str(header.SOPInstanceUID), frame=2, points=((1, 1), (5, 1), (5, 5))
    )
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(update={"mask": None, "regions": (region,)})
    findings = findings_of(headers, lesion).model_copy(update={"frames": frames})
    made = by_kind(make([header], findings), "SR")
    assert read_report(made.content)[0].regions == (region,)
    library = child(child(read(made), "111028"), "126200")
    assert sum(c.ValueType == "IMAGE" for c in library.ContentSequence) == 1


def test_other_tools_read_the_report(headers, two_nodules, tmp_path):
    path = tmp_path / "report.dcm"
    path.write_bytes(by_kind(make(headers, two_nodules), "SR").content)
    dump = subprocess.run([tool("dsrdump"), path], capture_output=True, check=False)
    assert dump.returncode == 0
    assert b'<contains NUM:(,,"Volume")="188.0412345678"' in dump.stdout
    assert not [line for line in dump.stderr.splitlines() if line.startswith((b"E:", b"W:"))]
    page = subprocess.run([tool("dsr2html"), path], capture_output=True, check=False)
    assert page.returncode == 0
    assert b"Nodule 2" in page.stdout
    document = ComprehensiveSR.from_dataset(read(by_kind(make(headers, two_nodules), "SR")))
    measured = document.content.get_planar_roi_measurement_groups()
    assert [g.tracking_identifier for g in measured] == ["Nodule 1", "Nodule 2"]
    assert errors(path) == set()


def test_everything_measured_of_a_nodule_reads_back(headers, tmp_path):
    shape = (48, 64, 80)
    hu = np.full(shape, -860, np.float32)
    k, j, i = np.indices(shape)
    away = np.sqrt((1.25 * (k - 24)) ** 2 + (0.75 * (j - 32)) ** 2 + (0.75 * (i - 40)) ** 2)
    hu[away < 8] = -620
    hu[away < 5] = 30
    ball = away[17:32, 20:45, 28:53] < 8
    volume = Volume(hu, Geometry(shape, (0.0, 0.0, 0.0), (1.25, 0.75, 0.75)))
    measured = measure(volume, Mask.from_array(ball, (17, 20, 28)), away < 30)
    looks = MorphologyReading(
        0.0, 0.0, 1.0, spiculated=0.25, lobulated=0.5, calcified=0.125, malignancy=0.5
    )
    lesion = nodule(1, headers, (5, 30, 40)).model_copy(
        update={
            "measurements": measurements(measured, ErrorModel((1.25, 0.75, 0.75)), looks),
            "qualities": qualities(measured),
        }
    )
    assert "solid_part_volume_mm3" in {m.name for m in lesion.measurements}
    made = by_kind(make(headers, findings_of(headers, lesion)), "SR")
    (back,) = read_report(made.content)
    assert back.qualities == lesion.qualities
    for was, given in zip(back.measurements, lesion.measurements, strict=True):
        assert was.model_dump(exclude={"interval"}) == given.model_dump(exclude={"interval"})
        assert was.interval == (given.interval and pytest.approx(given.interval, abs=1e-6))
    path = tmp_path / "report.dcm"
    path.write_bytes(made.content)
    assert errors(path) == set()


def test_reader_refuses_what_is_no_report(headers, two_nodules):
    with pytest.raises(UnreadableInputError):
        read_report(b"not DICOM at all")
    with pytest.raises(InvalidValueError):
        read_report(by_kind(make(headers, two_nodules), "SEG").content)
