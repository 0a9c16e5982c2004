"""Findings as a structured report: TID 1500, Measurement Report (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
    TimePointContext,
    TrackingIdentifier,
    UIDRefContentItem,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes

from gransk.core import codes as terms
from gransk.core import findings as model
from gransk.core.codes import Code
from gransk.core.identity import MANUFACTURER
from gransk.core.keys import uid
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom import longitudinal
from gransk.results.dicom.common import PRIVATE_SCHEME, MadeObject, Report
from gransk.results.dicom.documents import document, images, remarks, seal_document
from gransk.results.dicom.items import concept, container, measurement
from gransk.results.dicom.regions import Points, drawn_regions
from gransk.results.dicom.reviews import (
    device_observer,
    person_observer,
    rejected_container,
    review_items,
)
from gransk.results.dicom.texts import LANGUAGES

CONTAINS = RelationshipTypeValues.CONTAINS


def make_sr(report: Report) -> MadeObject:
    """The structured report.

    Notes
    -----
    A Comprehensive SR with one planar measurement group (TID 1410) a finding:
    OHIF draws the first SCOORD of each tracking UID, Stone of Orthanc every
    TID 1410 of a Comprehensive SR, and neither anything else. OHIF ends in an
    error at an Imaging Measurement Report (126000) without any measurement;
    under another title it shows the text, so a report without findings bears
    a title of its own and only text.
    """
    description = f"{report.title}: {report.say('report')}"
    dataset = document(report, ObjectKind.SR, 1, _content(report), description)
    return seal_document(dataset, report, ObjectKind.SR)


def _content(report: Report) -> Dataset:
    findings = report.findings.standing
    root = container(
        codes.DCM.ImagingMeasurementReport if findings else NO_FINDINGS,
        relationship=None,
        template="1500",
    )
    content = root.ContentSequence
    name = LANGUAGES.get(report.language, report.language)
    content.extend(
        LanguageOfContentItemAndDescendants(CodedConcept(report.language, "RFC5646", name))
    )
    content.extend(device_observer(report))
    content.extend(person_observer(report) or ())
    content.append(
        CodeContentItem(
            codes.DCM.ProcedureReported,
            concept(terms.procedure(str(report.header.get("Modality", "")))),
            RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    if findings:
        content.append(_image_library(report))
        measurements = container(codes.DCM.ImagingMeasurements)
        for group in _groups(report, findings):
            measurements.ContentSequence.extend(group)
        content.append(measurements)
    if report.findings.rejected:
        content.append(rejected_container(list(_groups(report, report.findings.rejected))))
    if report.findings.measurements or report.findings.qualities:
        content.append(_study_level(report))
    content.extend(_followed_up(report))
    content.append(_statements(report))
    return root


def _followed_up(report: Report) -> Iterator[Dataset]:
    """Previous findings, recommendations and the plain report."""
    if report.follow_up is not None:
        previous = longitudinal.previous_findings(report.follow_up)
        if previous is not None:
            yield previous
        advice = report.follow_up.assessment.advice if report.follow_up.assessment else ()
        if advice:
            recommendations = container(codes.DCM.Recommendations)
            for one in advice:
                said = one.text.get(report.language) or one.text.get("en", "")
                recommendations.ContentSequence.append(
                    TextContentItem(codes.DCM.Recommendation, said, CONTAINS)
                )
            yield recommendations
    if report.text:
        summary = container(codes.DCM.Summary)
        summary.ContentSequence.append(TextContentItem(codes.DCM.Summary, report.text, CONTAINS))
        yield summary


def _image_library(report: Report) -> Dataset:
    """Every analysed image, frames of one object once (TID 1600)."""
    group = container(codes.DCM.ImageLibraryGroup)
    frame_of_reference = _frame_of_reference(report)
    if frame_of_reference:
        group.ContentSequence.append(
            UIDRefContentItem(
                codes.DCM.FrameOfReferenceUID,
                frame_of_reference,
                RelationshipTypeValues.HAS_ACQ_CONTEXT,
            )
        )
    for frame in images(report):
        image = ImageContentItem(
            CodedConcept("260753009", "SCT", "Source"),
            frame.sop_class_uid,
            frame.sop_instance_uid,
            relationship_type=CONTAINS,
        )
        if frame.label:
            said = TextContentItem(LABEL, frame.label, RelationshipTypeValues.HAS_ACQ_CONTEXT)
            image.ContentSequence = ContentSequence([said])
        group.ContentSequence.append(image)
    library = container(codes.DCM.ImageLibrary)
    library.ContentSequence.append(group)
    return library


def _frame_of_reference(report: Report) -> str:
    """The one that every analysed image shares; empty where one differs or has none."""
    headers = [report.by_uid[frame.sop_instance_uid].header for frame in images(report)]
    found = {str(header.get("FrameOfReferenceUID", "") or "") for header in headers}
    return found.pop() if len(found) == 1 else ""


def _study_level(report: Report) -> Dataset:
    """Numbers and properties of the study as a whole.

    In a container of their own, since OHIF takes every group among the imaging measurements
    for a mark and ends in an error where it has no place.
    """
    findings, tracking = report.findings, uid(report.study.uid, report.findings.application)
    made = container(codes.DCM.DerivedImagingMeasurements)
    made.ContentSequence.extend(
        MeasurementsAndQualitativeEvaluations(
            tracking_identifier=TrackingIdentifier(tracking, "study"),
            algorithm_id=_algorithm(report),
            measurements=[measurement(tracking, m) for m in findings.measurements] or None,
            qualitative_evaluations=_qualities(tracking, findings.qualities) or None,
        )
    )
    return made


def _groups(report: Report, findings: Iterable[model.Finding]) -> Iterator[ContentSequence]:
    """A group for each drawn region of findings."""
    for finding in findings:
        for number, (frame, points) in enumerate(drawn_regions(report, finding), start=1):
            yield _group(report, finding, frame, points, number)


def _group(
    report: Report, finding: model.Finding, frame: model.FrameRef, points: Points, number: int
) -> ContentSequence:
    """One finding on one image (TID 1410).

    The first region bears the lesion's own identity; each further one has an
    identity of its own and names the lesion, since viewers draw one region for
    each tracking UID.
    """
    region_uid = finding.tracking_uid if number == 1 else region_identity(finding, number)
    label = finding.tracking_id if number == 1 else f"{finding.tracking_id} ({number})"
    followed = report.follow_up if number == 1 else None
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(region_uid, label),
        referenced_region=_region(frame, points),
        finding_category=concept(terms.MORPHOLOGICALLY_ABNORMAL),
        finding_type=concept(finding.kind),
        finding_sites=[FindingSite(concept(finding.site))],
        algorithm_id=_algorithm(report),
        time_point_context=_time_point(report),
        measurements=_measurements(finding) if number == 1 else None,
        qualitative_evaluations=(
            _qualities(finding.tracking_uid, finding.qualities) if number == 1 else None
        ),
    )
    content = group[0].ContentSequence
    if followed is not None:
        for made in (
            *longitudinal.changes(followed, finding.tracking_uid),
            *longitudinal.outcomes(followed, finding.tracking_uid),
        ):
            content.extend(made)
    if finding.lesion_uid:
        content.append(TextContentItem(codes.DCM.LesionIdentifier, finding.lesion_uid, CONTAINS))
    if number > 1:
        content.append(UIDRefContentItem(LESION, finding.tracking_uid, CONTAINS))
    elif finding.centre_lps_mm is not None:
        centre = "\\".join(repr(float(value)) for value in finding.centre_lps_mm)
        content.append(TextContentItem(CENTRE, centre, CONTAINS))
    if number == 1 and finding.origin != "detector":
        content.append(TextContentItem(ORIGIN, finding.origin, CONTAINS))
    if number == 1:
        content.extend(review_items(report, finding))
    return group


def _time_point(report: Report) -> TimePointContext | None:
    if report.follow_up is None:
        return None
    return longitudinal.time_point(report.follow_up, report.study.uid)


ORIGINAL_SOURCE = CodedConcept("111040", "DCM", "Original Source")
"""Stone of Orthanc looks for this purpose of reference."""
NO_FINDINGS = CodedConcept(
    "no_findings", PRIVATE_SCHEME, "Imaging Measurement Report without findings"
)
LESION = CodedConcept("lesion_uid", PRIVATE_SCHEME, "Lesion Unique Identifier")
CENTRE = CodedConcept("centre_lps_mm", PRIVATE_SCHEME, "Centre in patient coordinates (LPS, mm)")
LABEL = CodedConcept("image_label", PRIVATE_SCHEME, "What people call the image")
ORIGIN = CodedConcept("origin", PRIVATE_SCHEME, "Origin of finding")


def region_identity(finding: model.Finding, number: int) -> str:
    """Tracking UID of a finding's region, counted from 1."""
    return uid(finding.tracking_uid, "region", str(number))


def _region(frame: model.FrameRef, points: Points) -> ImageRegion:
    source = SourceImageForRegion(
        frame.sop_class_uid,
        frame.sop_instance_uid,
        None if frame.frame is None else [frame.frame],
    )
    source.ConceptNameCodeSequence = [ORIGINAL_SOURCE]
    if len(points) == 1:
        return ImageRegion("POINT", np.array(points), source)
    return ImageRegion("POLYLINE", np.array([*points, points[0]]), source)


def _measurements(finding: model.Finding) -> list[Measurement]:
    # What a person added has no score of a model.
    scored = finding.origin != "person"
    probabilities = [_percent(terms.CERTAINTY, finding.probability)] if scored else []
    if finding.malignancy is not None:
        probabilities.append(_malignancy(finding.malignancy_concept, finding.malignancy))
    return [*(measurement(finding.tracking_uid, m) for m in finding.measurements), *probabilities]


def _malignancy(what: Code, value: float) -> Measurement:
    """In percent where it is a probability; a rating from 0 to 1 has no unit."""
    if what == terms.PROBABILITY:
        return _percent(what, value)
    return Measurement(concept(what), round(value, 6), concept(terms.NO_UNITS))


def _percent(what: Code, share: float) -> Measurement:
    return Measurement(concept(what), round(share * 100, 6), concept(terms.PERCENT))


def _qualities(tracking: str, qualities: Iterable[model.Quality]) -> list[QualitativeEvaluation]:
    made = []
    for quality in qualities:
        item = QualitativeEvaluation(concept(quality.concept), concept(quality.value))
        item[0].ContentSequence = ContentSequence(
            TrackingIdentifier(uid(tracking, "quality", quality.name), quality.name)
        )
        made.append(item)
    return made


def _algorithm(report: Report) -> AlgorithmIdentification:
    findings = report.findings
    return AlgorithmIdentification(
        name=f"{MANUFACTURER} {findings.application}",
        version=findings.application_version,
        parameters=[f"model={m.id} version={m.version} sha256={m.sha256}" for m in findings.models],
        manufacturer=MANUFACTURER,
    )


def _statements(report: Report) -> Dataset:
    """What a reader must know, as text (TID 1500, Qualitative Evaluations)."""
    made = container(CodedConcept("C0034375", "UMLS", "Qualitative Evaluations"))
    for line in remarks(report):
        made.ContentSequence.append(TextContentItem(codes.DCM.Comment, line, CONTAINS))
    return made
