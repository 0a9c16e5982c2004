"""Findings as a structured report: TID 1500, Measurement Report (PS3.16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    ImageContentItem,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    NumContentItem,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForRegion,
    TextContentItem,
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
from gransk.results.dicom.common import (
    DEVICE_UID,
    PRIVATE_SCHEME,
    MadeObject,
    Predecessor,
    Report,
    bare_source,
    seal,
)
from gransk.results.dicom.regions import Points, drawn_regions
from gransk.results.dicom.reviews import (
    person_observer,
    rejected_container,
    review_items,
    statements,
    verify,
)
from gransk.results.dicom.texts import LANGUAGES, any_suspicion

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
    series_uid, sop_uid = report.uid("SR", "series"), report.uid("SR", "1")
    dataset = ComprehensiveSR(
        evidence=_evidence(report),
        content=_content(report),
        series_instance_uid=series_uid,
        series_number=report.series_number(1),
        sop_instance_uid=sop_uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=not report.incomplete,
        is_final=report.signature is not None,
        is_verified=False,
        previous_versions=[_reference(p) for p in report.predecessors] or None,
        series_description=f"{report.title}: {report.say('report')}"[:64],
    )
    verify(dataset, report)
    _declare_private_schemes(dataset)
    return seal(dataset, report, "SR", (series_uid, sop_uid))


def _content(report: Report) -> Dataset:
    findings = report.findings.standing
    root = _container(
        codes.DCM.ImagingMeasurementReport if findings else NO_FINDINGS,
        relationship=None,
        template="1500",
    )
    content = root.ContentSequence
    name = LANGUAGES.get(report.language, report.language)
    content.extend(
        LanguageOfContentItemAndDescendants(CodedConcept(report.language, "RFC5646", name))
    )
    content.extend(_observer(report))
    content.extend(person_observer(report) or ())
    content.append(
        CodeContentItem(
            codes.DCM.ProcedureReported,
            _concept(terms.procedure(str(report.header.get("Modality", "")))),
            RelationshipTypeValues.HAS_CONCEPT_MOD,
        )
    )
    if findings:
        content.append(_image_library(report))
        measurements = _container(codes.DCM.ImagingMeasurements)
        for group in _groups(report, findings):
            measurements.ContentSequence.extend(group)
        content.append(measurements)
    if report.findings.rejected:
        content.append(rejected_container(list(_groups(report, report.findings.rejected))))
    content.append(_statements(report))
    return root


def _observer(report: Report) -> ObserverContext:
    device = DeviceObserverIdentifyingAttributes(
        uid=DEVICE_UID,
        name=MANUFACTURER,
        manufacturer_name=MANUFACTURER,
        model_name=f"{report.findings.application} {report.findings.application_version}",
        serial_number=report.version,
    )
    return ObserverContext(codes.DCM.Device, device)


def _image_library(report: Report) -> Dataset:
    """Every analysed image, frames of one object once (TID 1600)."""
    group = _container(codes.DCM.ImageLibraryGroup)
    frame_of_reference = str(report.header.get("FrameOfReferenceUID", "") or "")
    if frame_of_reference:
        group.ContentSequence.append(
            UIDRefContentItem(
                codes.DCM.FrameOfReferenceUID,
                frame_of_reference,
                RelationshipTypeValues.HAS_ACQ_CONTEXT,
            )
        )
    for frame in _images(report):
        group.ContentSequence.append(
            ImageContentItem(
                CodedConcept("260753009", "SCT", "Source"),
                frame.sop_class_uid,
                frame.sop_instance_uid,
                relationship_type=CONTAINS,
            )
        )
    library = _container(codes.DCM.ImageLibrary)
    library.ContentSequence.append(group)
    return library


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
    group = PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(region_uid, label),
        referenced_region=_region(frame, points),
        finding_category=_concept(terms.MORPHOLOGICALLY_ABNORMAL),
        finding_type=_concept(finding.kind),
        finding_sites=[FindingSite(_concept(finding.site))],
        algorithm_id=_algorithm(report),
        measurements=_measurements(finding) if number == 1 else None,
        qualitative_evaluations=_qualities(finding) if number == 1 else None,
    )
    content = group[0].ContentSequence
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


ORIGINAL_SOURCE = CodedConcept("111040", "DCM", "Original Source")
"""Stone of Orthanc looks for this purpose of reference."""
NO_FINDINGS = CodedConcept(
    "no_findings", PRIVATE_SCHEME, "Imaging Measurement Report without findings"
)
LESION = CodedConcept("lesion_uid", PRIVATE_SCHEME, "Lesion Unique Identifier")
CENTRE = CodedConcept("centre_lps_mm", PRIVATE_SCHEME, "Centre in patient coordinates (LPS, mm)")
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
    return [*(_measurement(finding, m) for m in finding.measurements), *probabilities]


def _malignancy(concept: Code, value: float) -> Measurement:
    """In percent where it is a probability; a rating from 0 to 1 has no unit."""
    if concept == terms.PROBABILITY:
        return _percent(concept, value)
    return Measurement(_concept(concept), round(value, 6), _concept(terms.NO_UNITS))


def _percent(concept: Code, share: float) -> Measurement:
    return Measurement(_concept(concept), round(share * 100, 6), _concept(terms.PERCENT))


def _measurement(finding: model.Finding, measured: model.Measurement) -> Measurement:
    """One number (TID 300) with its name, method and 95 % interval."""
    unit = _concept(measured.unit)
    made = Measurement(
        _concept(measured.concept),
        float(measured.value),
        unit,
        tracking_identifier=TrackingIdentifier(
            uid(finding.tracking_uid, "measurement", measured.name), measured.name
        ),
        method=None if measured.method is None else _method(measured.method),
    )
    if measured.interval is not None:
        low, high = measured.interval
        ends = [] if high is None else [(UPPER, high - measured.value)]
        for concept, distance in (*ends, (LOWER, measured.value - low)):
            made[0].ContentSequence.append(
                NumContentItem(
                    concept, float(distance), unit, None, RelationshipTypeValues.HAS_PROPERTIES
                )
            )
    return made


UPPER = CodedConcept("371886008", "SCT", "+, range of upper measurement uncertainty")
LOWER = CodedConcept("371885007", "SCT", "-, range of lower measurement uncertainty")


def _method(method: str) -> CodedConcept:
    """A private code, since methods are named by their application."""
    return CodedConcept(uid("method", method)[-16:], PRIVATE_SCHEME, method[:64])


def _qualities(finding: model.Finding) -> list[QualitativeEvaluation]:
    made = []
    for quality in finding.qualities:
        item = QualitativeEvaluation(_concept(quality.concept), _concept(quality.value))
        item[0].ContentSequence = ContentSequence(
            TrackingIdentifier(uid(finding.tracking_uid, "quality", quality.name), quality.name)
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
    findings = report.findings
    lines = [report.say("research")]
    if report.incomplete:
        lines.append(report.say("incomplete"))
    if not findings.standing:
        lines.append(report.say("none"))
        lines.append(f"{len(findings.frames)} {report.say('images')}, {_models(findings)}")
    else:
        lines.append(report.say("score_text"))
    if any_suspicion(findings.standing):
        lines.append(report.say("suspicion_text"))
    lines.extend(statements(report))
    lines.extend(report.presentation.text(note, report.language) for note in findings.notes)
    if any(m.interval for f in findings.standing for m in f.measurements):
        lines.append(report.say("intervals"))
    container = _container(CodedConcept("C0034375", "UMLS", "Qualitative Evaluations"))
    for line in lines:
        container.ContentSequence.append(TextContentItem(codes.DCM.Comment, line, CONTAINS))
    return container


def _models(findings: model.Findings) -> str:
    """Who looked, where no measurement group says it."""
    who = f"{MANUFACTURER} {findings.application} {findings.application_version}"
    return "; ".join([who, *(f"{m.id} {m.version} sha256={m.sha256}" for m in findings.models)])


def _container(
    name: CodedConcept,
    relationship: RelationshipTypeValues | None = CONTAINS,
    template: str | None = None,
) -> Dataset:
    item = ContainerContentItem(
        name,
        is_content_continuous=False,
        template_id=template,
        relationship_type=relationship,
    )
    item.ContentSequence = ContentSequence(is_root=relationship is None)
    return item


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning)


def _images(report: Report) -> list[model.FrameRef]:
    """One frame of each analysed object."""
    return list({frame.sop_instance_uid: frame for frame in report.findings.frames}.values())


def _evidence(report: Report) -> list[Dataset]:
    evidence = []
    for frame in _images(report):
        item = bare_source(report)
        item.SOPClassUID = frame.sop_class_uid
        item.SOPInstanceUID = frame.sop_instance_uid
        item.SeriesInstanceUID = frame.series_instance_uid
        evidence.append(item)
    return evidence


def _reference(predecessor: Predecessor) -> Dataset:
    item = Dataset()
    item.StudyInstanceUID = predecessor.study_instance_uid
    item.SeriesInstanceUID = predecessor.series_instance_uid
    item.SOPClassUID = predecessor.sop_class_uid
    item.SOPInstanceUID = predecessor.sop_instance_uid
    return item


def _declare_private_schemes(dataset: Dataset) -> None:
    """Coding Scheme Identification Sequence for schemes that begin with 99 (PS3.3 C.12.1)."""
    schemes = set()
    for item in _items(dataset):
        scheme = str(item.get("CodingSchemeDesignator", ""))
        if scheme.startswith("99"):
            schemes.add(scheme)
    declared = []
    for scheme in sorted(schemes):
        item = Dataset()
        item.CodingSchemeDesignator = scheme
        item.CodingSchemeName = MANUFACTURER if scheme == PRIVATE_SCHEME else scheme
        item.CodingSchemeResponsibleOrganization = MANUFACTURER
        declared.append(item)
    if declared:
        dataset.CodingSchemeIdentificationSequence = declared


def _items(dataset: Dataset) -> list[Dataset]:
    found = []
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                found.extend([item, *_items(item)])
    return found
