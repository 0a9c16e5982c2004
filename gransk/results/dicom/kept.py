"""An earlier study's findings from our own structured report in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from gransk.core.errors import GranskError
from gransk.core.findings import Findings, FrameRef
from gransk.core.identity import MANUFACTURER, patient
from gransk.core.keys import digest
from gransk.core.study import Study
from gransk.results.dicom.read import read_labels, read_report, read_study_level

MODEL_NAME = ("121015", "DCM")
"""Device Observer Model Name: application and version (TID 1004)."""


@dataclass(frozen=True)
class KeptReport:
    """Findings as a report tells them, under a key that its bytes decide."""

    key: str
    findings: Findings


def newest_report(folder: Path, study: Study, application: str) -> KeptReport | None:
    """The newest report of an application that is about images of a study and its patient.

    A report that another one replaces, or that cannot be read, does not count.
    """
    found = [one for path in sorted(folder.glob("*")) if (one := _read(path)) is not None]
    replaced = {uid for report in found for uid in _predecessors(report)}
    mine = [
        report
        for report in found
        if str(report.SOPInstanceUID) not in replaced
        and _observer(report).split(" ")[0] == application
        and str(report.StudyInstanceUID) == study.uid
        and patient(report)[:4] == patient(study.instances[0].header)[:4]
    ]
    mine.sort(key=lambda one: (str(one.ContentDate), str(one.ContentTime), one.SOPInstanceUID))
    for report in reversed(mine):
        findings = _findings(report, study)
        if findings is not None:
            key = digest(["report", str(report.SOPInstanceUID), _told(findings)])
            return KeptReport(key, findings)
    return None


def _read(path: Path) -> Dataset | None:
    try:
        report = pydicom.dcmread(path)
        whole = report.Manufacturer == MANUFACTURER and bool(report.SOPInstanceUID)
    except (InvalidDicomError, EOFError, OSError, ValueError, AttributeError):
        return None
    return report if whole else None


def _findings(report: Dataset, study: Study) -> Findings | None:
    """What the report says; None where it cannot be read or its images are not all here."""
    here = {i.sop_instance_uid: i for i in study.instances}
    labels = read_labels(report)
    frames = [
        FrameRef(
            sop_class_uid=here[uid].sop_class_uid,
            sop_instance_uid=uid,
            series_instance_uid=here[uid].series_instance_uid,
            label=labels.get(uid, ""),
        )
        for uid in _evidence(report)
        if uid in here
    ]
    name, _, version = _observer(report).partition(" ")
    try:
        content = Path(str(report.filename)).read_bytes()
        measurements, qualities = read_study_level(content)
        return Findings(
            application=name,
            application_version=version or "unknown",
            models=(),
            study_instance_uid=study.uid,
            series_instance_uids=tuple(sorted({f.series_instance_uid for f in frames})),
            frames=tuple(frames),
            findings=tuple(read_report(content)),
            measurements=measurements,
            qualities=qualities,
        )
    except (GranskError, AttributeError, LookupError, ValueError):
        return None


def _evidence(report: Dataset) -> Iterator[str]:
    for of in report.get("CurrentRequestedProcedureEvidenceSequence") or []:
        for series in of.get("ReferencedSeriesSequence") or []:
            for image in series.get("ReferencedSOPSequence") or []:
                yield str(image.ReferencedSOPInstanceUID)


def _predecessors(report: Dataset) -> Iterator[str]:
    for of in report.get("PredecessorDocumentsSequence") or []:
        for series in of.get("ReferencedSeriesSequence") or []:
            for one in series.get("ReferencedSOPSequence") or []:
                yield str(one.ReferencedSOPInstanceUID)


def _observer(report: Dataset) -> str:
    for item in report.get("ContentSequence") or []:
        names = item.get("ConceptNameCodeSequence") or [Dataset()]
        key = (str(names[0].get("CodeValue", "")), str(names[0].get("CodingSchemeDesignator", "")))
        if key == MODEL_NAME:
            return str(item.get("TextValue", ""))
    return ""


def _told(findings: Findings) -> str:
    return digest(findings.model_dump(mode="json"))
