"""What every structured document of a report has: evidence, predecessors, verification, remarks."""

from __future__ import annotations

from collections.abc import Iterable

from highdicom.sr import ComprehensiveSR
from pydicom import Dataset
from pydicom.uid import ComprehensiveSRStorage

from gransk.core.findings import Findings, FrameRef
from gransk.core.identity import MANUFACTURER
from gransk.core.object_kinds import ObjectKind
from gransk.results.dicom import longitudinal
from gransk.results.dicom.common import (
    PRIVATE_SCHEME,
    MadeObject,
    Predecessor,
    Report,
    bare_source,
    seal,
)
from gransk.results.dicom.items import items_within
from gransk.results.dicom.reviews import statements, verify
from gransk.results.dicom.texts import any_suspicion


def document(
    report: Report,
    kind: ObjectKind,
    number: int,
    root: Dataset,
    description: str,
    beside: Iterable[FrameRef] = (),
) -> ComprehensiveSR:
    """A document over a content tree (PS3.3 C.17): complete, final and verified as the report is.

    Parameters
    ----------
    number : int
        Of its series among those of the report.
    root : Dataset
        The root container, whole or still empty.
    beside : iterable of FrameRef
        Images of the study that it refers to beside the analysed ones.
    """
    dataset = ComprehensiveSR(
        evidence=_evidence(report, beside),
        content=root,
        series_instance_uid=report.uid(kind, "series"),
        series_number=report.series_number(number),
        sop_instance_uid=report.uid(kind, "1"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=not report.incomplete,
        is_final=report.signature is not None,
        is_verified=False,
        previous_versions=[_reference(p) for p in _predecessors(report, kind)] or None,
        series_description=description[:64],
    )
    verify(dataset, report)
    return dataset


def seal_document(dataset: Dataset, report: Report, kind: ObjectKind) -> MadeObject:
    """Declare the private codes of a document, and write it."""
    _declare_private_schemes(dataset)
    return seal(dataset, report, kind, (report.uid(kind, "series"), report.uid(kind, "1")))


def images(report: Report) -> list[FrameRef]:
    """One frame of each analysed object."""
    return list({frame.sop_instance_uid: frame for frame in report.findings.frames}.values())


def remarks(report: Report) -> list[str]:
    """What a reader must know, as sentences in the report's language."""
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
    told = report.presentation.summary(findings, report.language)
    lines.extend(f"{label}: {value}" for label, value in told)
    lines.extend(report.presentation.text(note, report.language) for note in findings.notes)
    if any(m.interval for f in findings.standing for m in f.measurements):
        lines.append(report.say("intervals"))
    return lines


def _models(findings: Findings) -> str:
    """Who looked, where no measurement group says it."""
    who = f"{MANUFACTURER} {findings.application} {findings.application_version}"
    return "; ".join([who, *(f"{m.id} {m.version} sha256={m.sha256}" for m in findings.models)])


def _evidence(report: Report, beside: Iterable[FrameRef]) -> list[Dataset]:
    evidence = [_instance(report, report.study.uid, f) for f in (*images(report), *beside)]
    earlier = longitudinal.evidence(report.follow_up)
    return [*evidence, *(_instance(report, study, frame) for study, frame in earlier)]


def _instance(report: Report, study: str, frame: FrameRef) -> Dataset:
    item = bare_source(report)
    item.StudyInstanceUID = study
    item.SOPClassUID = frame.sop_class_uid
    item.SOPInstanceUID = frame.sop_instance_uid
    item.SeriesInstanceUID = frame.series_instance_uid
    return item


def _predecessors(report: Report, kind: ObjectKind) -> list[Predecessor]:
    """The earlier documents of this kind; the report's others where it had none of it."""
    structured = kind is ObjectKind.SR
    same = [
        one
        for one in report.predecessors
        if (one.sop_class_uid == ComprehensiveSRStorage) == structured
    ]
    return same or list(report.predecessors)


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
    for item in items_within(dataset):
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
